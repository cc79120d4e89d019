"""Evidence of theft as functions on arrays: from what meters reported over weeks to scores with reasons.

What belongs here: evidence families, what makes one score of them, what was stolen and since when. What does not: databases, Dagster, the
environment; single readings (ml/anomaly); how good it is (ml/evaluation).
"""
