"""A meter's day in two dozen numbers: what weeks of a meter are compared by.

What belongs here: one day's profile in, its traits out. What does not: comparing days (changes.py) or meters (state.py).

Powers are means over intervals in W, so that interval lengths compare; intervals shorter than half an hour are taken together, for what is
smooth in a half-hour is noise in a quarter. Of daily readings only the mean is known. Parts of the day are counted from local midnight in
elapsed time: on the two days a year when clocks change they are an hour off, which a median over weeks does not see.
"""

from __future__ import annotations

import numpy as np

BLOCKS = 8
"""Three-hour parts of the day: enough to tell a shape, few enough to keep for months."""
BLOCK_TRAITS = tuple(f"block_{number}_w" for number in range(BLOCKS))
TRAITS = (
    "mean_w",
    "p10_w",
    "p25_w",
    "p50_w",
    "p75_w",
    "p90_w",
    "max_w",
    "spread_w",
    "step_w",
    "bend_w",
    "zero_share",
    "plateau_share",
    "equal_share",
    *BLOCK_TRAITS,
)
"""Mean, quantiles and maximum of the day's intervals; their standard deviation; mean size of first and of second differences; shares of
intervals at zero, within PLATEAU of the maximum, and equal to the one before; means of the three-hour parts."""
LEAST_COVERED = 0.7
"""A day of which less is known has no traits."""
SHORTEST_MINUTES = 30
ZERO_SHARE, ZERO_W = 0.02, 1.0
"""An interval is at zero below so much of the day's mean, or that many W: what a meter's last digit leaves."""
PLATEAU = 0.985
EQUAL_SHARE = 0.01
"""Intervals are equal where they differ by less than that share of the day's mean."""
LEAST_SHAPE_SLOTS = 8


def day_traits(wh: np.ndarray, minutes: int) -> np.ndarray:
    """Traits of a day, float32 [meters, TRAITS], NaN where not known, of `wh` float [meters, slots] in Wh at `minutes` an interval.

    Outages and gaps are NaN in `wh`: what is left is taken for the day.
    """
    watts, minutes = _half_hours(wh * (60 / minutes), minutes)
    meters, slots = watts.shape
    found = np.full((meters, len(TRAITS)), np.nan, dtype=np.float32)
    known = np.flatnonzero((~np.isnan(watts)).mean(axis=1) >= LEAST_COVERED) if slots else np.zeros(0, dtype=int)
    if not len(known):
        return found
    watts = watts[known]
    mean = np.nanmean(watts, axis=1)
    found[known, 0] = mean
    if slots >= LEAST_SHAPE_SLOTS:
        found[known, 1:] = np.column_stack([*_shape(watts, mean), _blocks(watts)])
    return found


def _shape(watts: np.ndarray, mean: np.ndarray) -> list[np.ndarray]:
    """The traits between the mean and the blocks, in the order of TRAITS."""
    has, known = ~np.isnan(watts), (~np.isnan(watts)).sum(axis=1)
    most = np.nanmax(watts, axis=1)
    steps = np.diff(watts, axis=1)
    bends = np.diff(steps, axis=1)
    at_zero = has & (watts <= np.maximum(ZERO_SHARE * mean, ZERO_W)[:, None])
    at_most = has & (watts >= PLATEAU * most[:, None])
    return [
        *_quantiles(watts, (0.1, 0.25, 0.5, 0.75, 0.9)),
        most,
        np.nanstd(watts, axis=1),
        _mean(np.abs(steps)),
        _mean(np.abs(bends)),
        at_zero.sum(axis=1) / known,
        at_most.sum(axis=1) / known,
        _mean(np.where(np.isnan(steps), np.nan, np.abs(steps) <= EQUAL_SHARE * mean[:, None])),
    ]


def _quantiles(values: np.ndarray, shares: tuple[float, ...]) -> list[np.ndarray]:
    """Of what is known in each row: numpy's own with NaN takes twenty times as long."""
    ordered = np.sort(values, axis=1)  # NaN last
    last = (~np.isnan(values)).sum(axis=1) - 1
    rows = np.arange(len(values))
    found = []
    for share in shares:
        at = share * last
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, last)
        found.append(ordered[rows, low] + (ordered[rows, high] - ordered[rows, low]) * (at - low))
    return found


def _blocks(watts: np.ndarray) -> np.ndarray:
    block = np.minimum(np.arange(watts.shape[1]) * BLOCKS // watts.shape[1], BLOCKS - 1)
    return np.column_stack([_mean(watts[:, block == number]) for number in range(BLOCKS)])


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean of each row's known values, NaN without any."""
    count = (~np.isnan(values)).sum(axis=1)
    return np.where(count > 0, np.nansum(values, axis=1) / np.maximum(count, 1), np.nan)


def _half_hours(watts: np.ndarray, minutes: int) -> tuple[np.ndarray, int]:
    """Power over half-hours where intervals are shorter; one that is partly known stands for all of it."""
    parts = SHORTEST_MINUTES // minutes
    if parts < 2:
        return watts, minutes
    kept = watts.shape[1] // parts * parts
    pieces = watts[:, :kept].reshape(-1, parts)
    return _mean(pieces).reshape(len(watts), -1), SHORTEST_MINUTES
