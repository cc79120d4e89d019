"""How a meter looks beside its siblings lately: for those that have stolen since before anybody looked.

What belongs here: evidence from the last weeks of a meter against others. What does not: its own past (changes.py).
"""

from __future__ import annotations

import numpy as np

from ml.forecast import WORKDAY
from ml.theft import known
from ml.theft.changes import raw_series
from ml.theft.traits import BLOCK_TRAITS, TRAITS

RECENT_DAYS = 28
WEEKEND_DAYS = 42
"""Weekends are two days in seven: six weeks of them."""
LOW_SHARE = 0.05
STATE = (
    "zero_share",
    "plateau_share",
    "equal_share",
    "base_ratio",
    "peak_ratio",
    "spread_ratio",
    "step_ratio",
    "weekend_ratio",
    "low_days",
    "day_spread",
    "recent_trend",
    "class_likeness",
    "reversed_likeness",
)


def state(
    traits: np.ndarray, level: np.ndarray, day_types: np.ndarray, customer_class: np.ndarray
) -> dict[str, np.ndarray]:
    """Each of STATE, float64 [meters], NaN where not known, of `traits` [days, meters, TRAITS]; `level` is that of series_of.

    zero_share, plateau_share, equal_share: medians of the days' traits. base_ratio, peak_ratio, spread_ratio, step_ratio: logarithms of the
    lowest tenth, the maximum, the standard deviation and the mean step over the mean. weekend_ratio: logarithm of weekends over
    workdays. low_days: share of days below LOW_SHARE of the usual. day_spread: standard deviation of the level. recent_trend: the last two
    weeks' level less that of the four before. class_likeness: correlation of the mean day with the class's; reversed_likeness:
    with that day reversed, less class_likeness.
    """
    raw, recent = raw_series(traits), slice(-RECENT_DAYS, None)
    of = {name: traits[:, :, number].astype(np.float64) for number, name in enumerate(TRAITS)}
    rest = day_types[-WEEKEND_DAYS:] != WORKDAY
    weeks = raw["level"][-WEEKEND_DAYS:]
    usual = known.median(of["mean_w"], 0)
    low = np.where(np.isnan(of["mean_w"]), np.nan, of["mean_w"] < LOW_SHARE * usual)
    like, reverse = _likeness(traits[recent], customer_class)

    def usually(values: np.ndarray) -> np.ndarray:
        return known.median(values[recent])

    return {
        "zero_share": usually(of["zero_share"]),
        "plateau_share": usually(of["plateau_share"]),
        "equal_share": usually(of["equal_share"]),
        "base_ratio": usually(raw["base"]) - usually(raw["level"]),
        "peak_ratio": usually(raw["peak"]) - usually(raw["level"]),
        "spread_ratio": usually(raw["spread"]),
        "step_ratio": usually(raw["step"]),
        "weekend_ratio": known.mean(weeks[rest], 0) - known.mean(weeks[~rest], 0),
        "low_days": known.mean(low[recent], 0),
        "day_spread": known.std(level[recent], 0),
        "recent_trend": known.mean(level[-14:], 0) - known.mean(level[-42:-14], 0),
        "class_likeness": like,
        "reversed_likeness": reverse,
    }


def mean_blocks(traits: np.ndarray) -> np.ndarray:
    """Mean power of the three-hour parts, float64 [meters, BLOCKS], of `traits` [days, meters, TRAITS]."""
    return known.mean(traits[:, :, [TRAITS.index(name) for name in BLOCK_TRAITS]].astype(np.float64), 0)


def _likeness(traits: np.ndarray, customer_class: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    shape = mean_blocks(traits)
    share = shape / np.where(shape.sum(axis=1) > 0, shape.sum(axis=1), np.nan)[:, None]
    of_class = np.full(shape.shape, np.nan)
    for one in np.unique(customer_class):
        of_class[customer_class == one] = known.median(share[customer_class == one], 0)
    like = correlation(shape, of_class)
    return like, correlation(shape, of_class[:, ::-1]) - like


def correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of each row of two arrays [meters, parts]; 0 where a row does not vary, NaN where it is not known."""
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    size = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return np.where(
        size > 0, (a * b).sum(axis=1) / np.where(size > 0, size, 1.0), np.where(np.isnan(size), np.nan, 0.0)
    )
