"""`python -m benchmarks [NAME…]`: what the platform costs, each time beside the bare tool doing the same work in the same run.

What belongs here: measurements to read. What does not: tests (a machine under load would fail them), profiling.
"""
