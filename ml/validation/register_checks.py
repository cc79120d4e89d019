"""What a meter's register counted against what its intervals add up to.

What belongs here: comparing two readings of a register with the intervals between. What does not: pairing them (resources/fleet.py).

Arrays are [pairs]: a meter's register at the start of a day and at an earlier one, with `counted_wh`, by how much it moved on, and
`summed_wh`, what the intervals between delivered before any multiplier; NaN where a day between is not complete.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ml.validation.rules import Rule

USUAL_MULTIPLIERS = (5, 10, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120, 160, 200, 240, 300, 400, 500, 600, 800, 1000)
"""Ratios of current transformers to 5 A, from 25/5 on (IEC 61869-2, 5.201: rated currents and their decimal multiples), and plain tens."""


def summed_wh(
    days: Iterable[tuple[np.ndarray, np.ndarray]], from_at: np.ndarray, to_at: np.ndarray, *, interval_minutes: int
) -> np.ndarray:
    """Accepted energy between two instants: float [pairs], in Wh; NaN where an interval between is missing or cut in two.

    `days` are (energy float [pairs, slots], starts of the slots, datetime64[s]); `from_at` and `to_at` datetime64[s].
    """
    length = np.timedelta64(interval_minutes * 60, "s")
    total, minutes = np.zeros((2, len(from_at)))
    for energy, starts in days:
        within = (starts >= from_at[:, None]) & (starts + length <= to_at[:, None])
        total += np.where(within, np.nan_to_num(energy), 0.0).sum(axis=1)
        minutes += (within & ~np.isnan(energy)).sum(axis=1) * interval_minutes
    return np.where(minutes == (to_at - from_at) / np.timedelta64(60, "s"), total, np.nan)


def register_reset(counted_wh: np.ndarray) -> np.ndarray:
    """Whether the register went back: bool [pairs]."""
    return counted_wh < 0


def multiplier(counted_wh: np.ndarray, summed_wh: np.ndarray, rule: Rule) -> np.ndarray:
    """The usual multiplier, or its inverse, by which intervals and register differ: float [pairs], NaN where there is none."""
    usual = np.array(USUAL_MULTIPLIERS, dtype=float)
    known = np.concatenate([usual, 1 / usual])
    is_judged = (counted_wh >= rule["least_wh"]) & (summed_wh > 0)
    ratio = np.where(is_judged, summed_wh, np.nan) / np.where(is_judged, counted_wh, 1.0)
    off = np.abs(ratio[:, None] / known - 1)
    off = np.where(np.isnan(off), np.inf, off)
    return np.where(off.min(axis=1) <= rule["tolerance_share"], known[off.argmin(axis=1)], np.nan)


def sum_differs(counted_wh: np.ndarray, summed_wh: np.ndarray, rule: Rule) -> tuple[np.ndarray, np.ndarray]:
    """(Difference in Wh, limit in Wh), float [pairs]: it differs where the first is larger; NaN where nothing can be said."""
    limit = np.maximum(rule["least_wh"], rule["tolerance_share"] * np.abs(counted_wh))
    return np.where(counted_wh >= 0, np.abs(summed_wh - counted_wh), np.nan), limit
