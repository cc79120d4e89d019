"""Chaos: what the platform holds after kills, full disks, lost connections and wrong clocks, beside an undisturbed run.

What belongs here: doing harm to homes of its own, and counting what differs afterwards (`make chaos`, `make soak`).
What does not: pytest's sample of it (integration/test_chaos.py), which runs the same code.
"""
