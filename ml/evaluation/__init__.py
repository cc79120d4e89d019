"""How detection is judged: measures, baselines, and running them beside each other.

What belongs here: what PROTOCOL.md says. What does not: evidence and scores (ml/theft), making fleets whose thieves are known (benchmarks/).
"""
