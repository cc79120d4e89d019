"""Detection as pure functions on arrays: features, detectors, the model store.

What belongs here: whatever turns arrays of energy into scores and reasons, and how fitted models are kept on disk.
What does not: databases, Dagster, the environment; callers read arrays, call, and write.
"""
