"""Measures with their intervals as tables print them.

What belongs here: their form. What does not: measures (ml/evaluation/measures.py).
"""

from __future__ import annotations

from ml.evaluation.measures import Interval


def number(one: Interval) -> str:
    return f"{one.value:.3f} ({one.low:.3f}–{one.high:.3f})"


def share(one: Interval) -> str:
    return f"{one.value:.0%} ({one.low:.0%}–{one.high:.0%})"
