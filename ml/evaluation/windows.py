"""What baselines read of a history: energy of days, profiles of a home, the last weeks and those before.

What belongs here: these arrays. What does not: what makes a score of them (baselines.py, balance_baselines.py).
"""

from __future__ import annotations

import numpy as np

from ml.theft.history import FleetHistory

RECENT_DAYS = 28
LEAST_KNOWN_SHARE = 0.5
"""A day of which less is known has no energy and no profile."""
HOURS, WEEK, LEAST_WEEKS = 24, 7, 8


def recent_days(days: int) -> int:
    """How many of the last days are judged by those before: four weeks, or half of what there is."""
    return min(RECENT_DAYS, days // 2)


def daily_wh(history: FleetHistory) -> np.ndarray:
    """Energy of each day, float64 [days, meters]: the mean of the slots that are known times all, NaN where too few are."""
    found = np.empty((history.days, history.meters))
    for day, wh in enumerate(history.wh):
        found[day] = _mean_of_known(wh) * history.slots
    return found


def profiles(history: FleetHistory) -> tuple[np.ndarray, int]:
    """(profiles float32 [points, meters, features], how many of the last points are recent).

    A point is a day, of 24 hours; or of readings too coarse for that, a week, of the slots of seven days, weeks being counted back from the
    last day; or a day of those slots where there are fewer than LEAST_WEEKS. NaN throughout where too little of a point is known; what else is not known is the meter's mean of that feature.
    """
    if history.slots % HOURS == 0:
        days, meters, slots = history.wh.shape
        parts = np.stack([_mean_of_known(day.reshape(meters, HOURS, slots // HOURS)) for day in history.wh])
        recent = recent_days(days)
    elif history.days < LEAST_WEEKS * WEEK:
        parts, recent = history.wh, recent_days(history.days)
    else:
        weeks = history.days // WEEK
        last = history.wh[history.days - weeks * WEEK :]
        parts = last.reshape(weeks, WEEK, history.meters, history.slots).transpose(0, 2, 1, 3)
        parts = parts.reshape(weeks, history.meters, WEEK * history.slots)
        recent = recent_days(history.days) // WEEK
    has = ~np.isnan(parts)
    usual = mean_over_days(parts)
    is_enough = has.mean(axis=2) >= LEAST_KNOWN_SHARE
    filled = np.where(has, parts, np.nan_to_num(usual))
    return np.where(is_enough[:, :, None], filled, np.nan).astype(np.float32), recent


def mean_over_days(values: np.ndarray) -> np.ndarray:
    """Mean over the first axis of what is known, float64; NaN where nothing is."""
    count = np.zeros(values.shape[1:])
    total = np.zeros(values.shape[1:])
    for of_day in values:
        has = ~np.isnan(of_day)
        count += has
        total += np.where(has, of_day, 0.0)
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis of what is known, NaN where less than LEAST_KNOWN_SHARE is."""
    has = ~np.isnan(values)
    count = has.sum(axis=-1)
    total = np.where(has, values, 0.0).sum(axis=-1, dtype=np.float64)
    is_enough = (count > 0) & (count >= LEAST_KNOWN_SHARE * values.shape[-1])
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=is_enough)
