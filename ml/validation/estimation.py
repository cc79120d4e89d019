"""Estimation of gaps, in a stated order: interpolated where short, else by proxy days, else by the profile of the class.

What belongs here: estimating slots that have no accepted reading. What does not: which slots may be estimated (never over an
outage), where history comes from.

The order is that of the reference's estimation rules (Oracle Utilities Meter Data Management: interval interpolation, proxy day,
profile). Estimates are whole watt-hours and follow from accepted readings alone, so that the same readings give the same estimates;
they are kept beside readings and never read back as history.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

METHODS = ("interpolated", "proxy_days", "class_profile")
NONE = -1

LONGEST_INTERPOLATED_MINUTES = 120
"""Longer gaps may hold a meal or an appliance's whole run: a line between their ends no longer tells it."""
LEAST_PROXY_DAYS = 2
LEAST_CLASS_METERS = 5
"""Fewer meters are no profile, and would tell one customer's use as another's."""


@dataclass(frozen=True, eq=False)
class Estimates:
    """Float64 [meters, slots] whole Wh, NaN where nothing was estimated; int8 [meters, slots] index of METHODS, NONE there."""

    wh: np.ndarray
    method: np.ndarray


def estimate(
    wh: np.ndarray, is_open: np.ndarray, proxies: np.ndarray, profile: np.ndarray, *, interval_minutes: int
) -> Estimates:
    """Estimates of the slots of `is_open`, bool [meters, slots], that have no accepted reading.

    `wh` is float [meters, slots]; `proxies` float [days, meters, slots] are days of the same type, of the same meters, NaN where
    nothing was accepted; `profile` float [meters, slots] is that of each meter's class (class_profile).
    """
    is_wanted = np.isnan(wh) & is_open
    found = Estimates(np.full(wh.shape, np.nan), np.full(wh.shape, NONE, dtype=np.int8))
    ways: tuple[Callable[[], np.ndarray], ...] = (
        lambda: interpolated(wh, LONGEST_INTERPOLATED_MINUTES // interval_minutes),
        lambda: proxy_days(proxies, LEAST_PROXY_DAYS),
        lambda: profile,
    )
    for number, values in enumerate(ways):
        still = is_wanted & (found.method == NONE)
        if not still.any():
            break
        candidate = values()
        chosen = still & ~np.isnan(candidate)
        found.wh[chosen] = candidate[chosen]
        found.method[chosen] = number
    return found


def interpolated(wh: np.ndarray, longest: int) -> np.ndarray:
    """A line between the readings beside a gap of at most `longest` slots: float64 [meters, slots], NaN elsewhere.

    A gap at either end of the day has but one reading beside it, and is left.
    """
    slots = wh.shape[1]
    has = ~np.isnan(wh)
    at = np.arange(slots)
    before = np.maximum.accumulate(np.where(has, at, -1), axis=1)
    after = np.minimum.accumulate(np.where(has, at, slots)[:, ::-1], axis=1)[:, ::-1]
    is_short = ~has & (before >= 0) & (after < slots) & (after - before - 1 <= longest)
    left = np.take_along_axis(wh, np.maximum(before, 0), 1).astype(np.float64)
    right = np.take_along_axis(wh, np.minimum(after, slots - 1), 1).astype(np.float64)
    share = (at - before) / np.maximum(after - before, 1)
    return np.where(is_short, whole(left + (right - left) * share), np.nan)


def proxy_days(proxies: np.ndarray, least_days: int) -> np.ndarray:
    """The mean of the same slot on `proxies` [days, meters, slots]: float64 [meters, slots], NaN where fewer have it.

    Not the median: use is skewed, and a sum of medians is a fifth too low (benchmarks/VEE.md); a balance needs the energy right.
    """
    if not len(proxies):
        return np.full(proxies.shape[1:], np.nan)
    count = (~np.isnan(proxies)).sum(axis=0)
    is_enough = count >= least_days
    total = np.nansum(proxies, axis=0, dtype=np.float64)
    return np.where(is_enough, whole(total / np.maximum(count, 1)), np.nan)


def class_profile(wh: np.ndarray, customer_class: np.ndarray, least_meters: int = LEAST_CLASS_METERS) -> np.ndarray:
    """The mean of the meter's class in the same slot: float64 [meters, slots], NaN where fewer than `least_meters` have one.

    `wh` is float [meters, slots] of all meters of a day, `customer_class` int [meters].
    """
    classes = int(customer_class.max(initial=-1)) + 1
    has = ~np.isnan(wh)
    total = np.zeros((classes, wh.shape[1]))
    count = np.zeros((classes, wh.shape[1]))
    np.add.at(total, customer_class, np.where(has, wh, 0.0))
    np.add.at(count, customer_class, has)
    profile = np.where(count >= least_meters, whole(total / np.maximum(count, 1)), np.nan)
    return profile[customer_class]


def whole(values: np.ndarray) -> np.ndarray:
    """Rounded to whole Wh, halves up: the same everywhere."""
    return np.floor(values + 0.5)
