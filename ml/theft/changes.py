"""What changed in a meter, and when: shifts in its own history, held against what all meters did.

What belongs here: evidence from a meter's own days. What does not: the traits themselves (traits.py), other meters' state (state.py),
the transformer (explain.py).

A change point is where the means before and after differ most beside how much the series wanders by itself (the maximum of the two-sample
statistic over all splits: Hawkins, "Testing a Sequence of Observations for a Shift in Location", JASA 72, 1977). Its scale is robust: from
differences of days and of weeks, so that slow changes of habit count as wandering.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml.forecast import WORKDAY
from ml.theft import known
from ml.theft.traits import BLOCK_TRAITS, TRAITS

LEAST_SIDE_DAYS = 7
"""A shift needs a week on either side."""
WEEK = 7
ROBUST = 1.4826
"""From a median absolute deviation to a standard deviation, for normal errors."""
FLOOR_W = 1.0
LOW_FLOOR, FLOOR = 0.02, 0.05
"""Shares of a meter's usual power that are added before logarithms: a standby of nothing is not minus infinity."""
SERIES = ("level", "base", "low", "middle", "high", "peak", "zero", "spread", "step", "bend", "night", "evening")
"""What is followed from day to day: logarithms of mean, quantiles, maximum and variability over the usual power, and shares."""
MOST_T = 8.0
"""One series cannot carry the joint statistic alone beyond this."""


@dataclass(frozen=True, eq=False)
class Changes:
    """Of each meter: float64 or int [meters].

    `drop_t` (≤ 0) and `drop` (log ratio after ÷ before) are of the strongest fall of the level, from day `drop_day` on. `onset_day` is where all
    series together changed most, by `joint`; `t` and `shift` hold each series' statistic and difference there. A day is the index of the
    first day after; statistics are 0, days 0, where days are too few.
    """

    drop_t: np.ndarray
    drop: np.ndarray
    drop_day: np.ndarray
    joint: np.ndarray
    onset_day: np.ndarray
    t: dict[str, np.ndarray]
    shift: dict[str, np.ndarray]


def series_of(traits: np.ndarray, day_types: np.ndarray) -> dict[str, np.ndarray]:
    """Each of SERIES, float64 [days, meters], of `traits` [days, meters, TRAITS], less what the fleet did and what the type of day does."""
    raw = raw_series(traits)
    return {name: _less_day_type(_less_fleet(values), day_types) for name, values in raw.items()}


def own_level(traits: np.ndarray, day_types: np.ndarray) -> np.ndarray:
    """The level as it is, [days, meters]: less what the type of day does, but with all that the fleet does."""
    return _less_day_type(_level(traits[:, :, TRAITS.index("mean_w")].astype(np.float64)), day_types)


def _level(mean_w: np.ndarray) -> np.ndarray:
    return np.log(mean_w / np.maximum(known.median(mean_w, 0), FLOOR_W) + FLOOR)


def raw_series(traits: np.ndarray) -> dict[str, np.ndarray]:
    """Each of SERIES as it is, [days, meters]."""

    def of(name: str) -> np.ndarray:
        return traits[:, :, TRAITS.index(name)].astype(np.float64)

    mean_w = of("mean_w")
    usual = np.maximum(known.median(mean_w, 0), FLOOR_W)
    mean = mean_w + LOW_FLOOR * usual
    blocks = traits[:, :, [TRAITS.index(name) for name in BLOCK_TRAITS]].astype(np.float64)
    total = np.nansum(blocks, axis=2) + LOW_FLOOR * usual

    def log(name: str, floor: float) -> np.ndarray:
        return np.log(of(name) / usual + floor)

    return {
        "level": _level(mean_w),
        "base": log("p10_w", LOW_FLOOR),
        "low": log("p25_w", LOW_FLOOR),
        "middle": log("p50_w", LOW_FLOOR),
        "high": log("p90_w", FLOOR),
        "peak": log("max_w", FLOOR),
        "zero": of("zero_share"),
        "spread": np.log(of("spread_w") / mean + LOW_FLOOR),
        "step": np.log(of("step_w") / mean + LOW_FLOOR),
        "bend": np.log(of("bend_w") / (of("step_w") + LOW_FLOOR * usual) + LOW_FLOOR),
        "night": (blocks[:, :, 0] + blocks[:, :, 1]) / total,
        "evening": blocks[:, :, 6] / total,
    }


def changes(series: dict[str, np.ndarray]) -> Changes:
    """Change points of `series` (series_of)."""
    days, meters = series["level"].shape
    if days < 2 * LEAST_SIDE_DAYS:
        nothing, first = np.zeros(meters), np.zeros(meters, dtype=int)
        each = {name: nothing for name in SERIES}
        return Changes(nothing, nothing, first, nothing, first, each, each)
    splits = {name: _splits(values) for name, values in series.items()}
    joint = sum(np.minimum(np.abs(t), MOST_T) ** 2 for t, _ in splits.values())
    onset, meter = joint.argmax(axis=0), np.arange(meters)
    t, shift = splits["level"]
    fall = t.argmin(axis=0)
    return Changes(
        np.minimum(t[fall, meter], 0.0),
        np.minimum(shift[fall, meter], 0.0),
        np.where(t[fall, meter] < 0, fall + LEAST_SIDE_DAYS, 0),
        np.sqrt(joint[onset, meter]),
        np.where(joint[onset, meter] > 0, onset + LEAST_SIDE_DAYS, 0),
        {name: t[onset, meter] for name, (t, _) in splits.items()},
        {name: shift[onset, meter] for name, (_, shift) in splits.items()},
    )


def _splits(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(Statistic, after − before) of each split, [splits, meters]; 0 where a side has too few days."""
    has = ~np.isnan(values)
    count, total = (_running(one) for one in (has, np.nan_to_num(values)))
    at = np.arange(LEAST_SIDE_DAYS, len(values) - LEAST_SIDE_DAYS + 1)
    before, sum_before = count[at], total[at]
    after, sum_after = count[-1] - before, total[-1] - sum_before
    enough = (before >= LEAST_SIDE_DAYS) & (after >= LEAST_SIDE_DAYS)
    shift = np.where(enough, sum_after / np.maximum(after, 1) - sum_before / np.maximum(before, 1), 0.0)
    daily, weekly = _wander(values)
    variance = (daily**2 + WEEK * weekly**2) * (1 / np.maximum(before, 1) + 1 / np.maximum(after, 1))
    return shift / np.sqrt(variance), shift


def _running(values: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])


def _wander(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far days and means of weeks stray by themselves, robust standard deviations [meters], never below a quarter of the fleet's."""
    weeks = np.stack([known.mean(values[at : at + WEEK], 0) for at in range(0, len(values) - WEEK + 1, WEEK)])
    daily = ROBUST / np.sqrt(2) * known.median(np.abs(np.diff(values, axis=0)), 0)
    if len(weeks) > 2:
        weekly = ROBUST / np.sqrt(2) * known.median(np.abs(np.diff(weeks, axis=0)), 0)
    else:
        weekly = daily / np.sqrt(WEEK)
    return tuple(
        np.sqrt(np.nan_to_num(one) ** 2 + (0.25 * np.nan_to_num(known.median(one, 0))) ** 2 + 1e-5)
        for one in (daily, weekly)
    )


def _less_fleet(values: np.ndarray) -> np.ndarray:
    """Less the median meter's deviation from its own median: weather, feasts, and whatever else the whole fleet does."""
    own = known.median(values, 0)
    return values - np.nan_to_num(known.median(values - own, 1))[:, None]


def _less_day_type(values: np.ndarray, day_types: np.ndarray) -> np.ndarray:
    """Less each meter's own difference of Saturdays and days of rest from workdays."""
    found = values.copy()
    workdays = known.median(values[day_types == WORKDAY], 0)
    for kind in np.unique(day_types[day_types != WORKDAY]):
        of_kind = day_types == kind
        found[of_kind] -= np.nan_to_num(known.median(values[of_kind], 0) - workdays)
    return found
