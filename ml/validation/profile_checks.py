"""One meter's day against its own past: what a day's shape and level tell without anybody else's.

What belongs here: statistics of a meter's day with the days before it. What does not: transformers, registers, purchases
(fleet_checks.py, register_checks.py).

Arrays: `wh` float [meters, slots] is the day, `past` float [days, meters, slots] the days before it, the nearest last, NaN where
nothing was accepted. Each check returns a Finding of all meters; what cannot be judged is NaN and no hit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml.validation.outages import runs
from ml.validation.rules import Rule

LEAST_COMPLETE = 0.9
"""Share of its slots that a day needs for its total to be compared."""
RECENT_DAYS = 7


@dataclass(frozen=True, eq=False)
class Finding:
    """What a check says of each subject; arrays are [subjects].

    `observed` is the statistic, NaN where there is too little to judge; `limit` what it was compared with; `first` and `last` (past
    the end) the slots that it is about; `count` the readings that are hit.
    """

    observed: np.ndarray
    limit: np.ndarray
    is_hit: np.ndarray
    first: np.ndarray
    last: np.ndarray
    count: np.ndarray


def finding(
    observed: np.ndarray,
    limit: np.ndarray | float,
    is_hit: np.ndarray,
    slots: int,
    first: np.ndarray | None = None,
    last: np.ndarray | None = None,
    count: np.ndarray | None = None,
) -> Finding:
    """A Finding about the whole day of `slots`, unless `first` and `last` say otherwise."""
    meters = len(observed)
    first = np.zeros(meters, dtype=int) if first is None else first
    last = np.full(meters, slots) if last is None else last
    return Finding(
        observed,
        np.broadcast_to(limit, meters),
        is_hit & ~np.isnan(observed),
        first,
        last,
        last - first if count is None else count,
    )


def spike(wh: np.ndarray, past: np.ndarray, rule: Rule) -> Finding:
    """A reading above a multiple of the largest of the past: observed is the day's largest over the past's largest."""
    largest = _max(past.reshape(len(past), len(wh), -1), (0, 2)) if len(past) else np.full(len(wh), np.nan)
    days = _days_with_readings(past)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = wh / np.where((days >= rule["least_days"]) & (largest > 0), largest, np.nan)[:, None]
    is_hit = np.asarray(ratio > rule["ratio"])
    first, last = _extent(is_hit)
    return finding(_max(ratio, 1), rule["ratio"], np.any(is_hit, axis=1), wh.shape[1], first, last, is_hit.sum(axis=1))


def high_low(wh: np.ndarray, past: np.ndarray, rule: Rule) -> Finding:
    """A day's energy outside a band around the median of the past: observed is the ratio to it. Nothing at all is the rule zero's."""
    ratio = daily_wh(wh) / _usual(past, rule)
    is_hit = (ratio > rule["high_ratio"]) | ((ratio < rule["low_ratio"]) & (ratio > 0))
    limit = np.where(ratio < 1, rule["low_ratio"], rule["high_ratio"])
    return finding(ratio, limit, is_hit, wh.shape[1])


def dynamic_comparison(wh: np.ndarray, past: np.ndarray, rule: Rule) -> Finding:
    """A week's level against the weeks before it, beside how all meters moved: observed is the ratio, less the fleet's.

    Season, holidays and prices move everybody; what is left is the meter's own change. Logarithms make half and double alike.
    """
    totals = np.concatenate(
        [np.stack([daily_wh(day) for day in past]) if len(past) else np.zeros((0, len(wh))), [daily_wh(wh)]]
    )
    recent, before = totals[-RECENT_DAYS:], totals[:-RECENT_DAYS]
    enough = (_count(recent) >= rule["least_recent_days"]) & (_count(before) >= rule["least_days"])
    with np.errstate(divide="ignore", invalid="ignore"):
        change = np.log(_mean(recent, 0) / _mean(before, 0))
    change = np.where(enough & np.isfinite(change), change, np.nan)
    fleet = _median(change[None, :], 1)[0] if np.count_nonzero(~np.isnan(change)) >= rule["least_meters"] else 0.0
    ratio = np.exp(change - fleet)
    is_hit = np.abs(np.log(ratio)) > np.log(rule["ratio"])
    return finding(ratio, np.where(ratio < 1, 1 / rule["ratio"], rule["ratio"]), is_hit, wh.shape[1])


def consecutive_interval(
    wh: np.ndarray, past: np.ndarray, is_off: np.ndarray, rule: Rule, *, interval_minutes: int
) -> Finding:
    """A run of zeros longer than any of the past, in hours; slots without supply, bool [meters, slots], do not count."""
    return _longest_run((wh == 0) & ~is_off, past == 0, past, rule, interval_minutes)


def frozen_value(wh: np.ndarray, past: np.ndarray, rule: Rule, *, interval_minutes: int) -> Finding:
    """A run of readings that repeat one value above zero, longer than any of the past, in hours."""
    return _longest_run(_repeats(wh), _repeats(past), past, rule, interval_minutes)


def zero(wh: np.ndarray, past: np.ndarray, is_off: np.ndarray, rule: Rule) -> Finding:
    """Whole days of zeros up to today, of a meter that used to draw: observed is how many days."""
    totals = np.stack([*(daily_wh(day) for day in past), daily_wh(np.where(is_off, np.nan, wh))])
    is_zero = totals == 0
    days = np.cumprod(is_zero[::-1], axis=0).sum(axis=0)
    number = np.arange(len(totals))[:, None]
    before = number < len(totals) - days
    judged = (before & ~np.isnan(totals)).sum(axis=0)
    drew = (before & (totals > 0)).sum(axis=0)
    knows = (judged >= rule["least_days"]) & (drew >= rule["used_share"] * judged)
    observed = np.where(knows & ~np.isnan(totals[-1]), days, np.nan)
    return finding(observed, rule["days"], observed >= rule["days"], wh.shape[1])


def clock_drift(wh: np.ndarray, past: np.ndarray, rule: Rule, *, interval_minutes: int) -> Finding:
    """A week whose shape fits that of the weeks before it better when it is moved: observed is by how much the correlation gains.

    Both are mean profiles; the shift that fits best, at most six hours either way, must be at least `least_minutes`. A household that
    changes its hours looks the same.
    """
    slots = wh.shape[1]
    observed = np.full(len(wh), np.nan)
    most = 360 // interval_minutes
    days = np.concatenate([past, wh[None]])
    recent, before = days[-RECENT_DAYS:], days[:-RECENT_DAYS]
    if slots <= most or not len(before):
        return finding(observed, rule["gain"], np.zeros(len(wh), bool), slots)
    enough = (_days_with_readings(recent) >= rule["least_recent_days"]) & (
        _days_with_readings(before) >= rule["least_days"]
    )
    now, then = _standardised(_mean(recent, 0)), _standardised(_mean(before, 0))
    shifts = np.arange(-most, most + 1)
    fits = np.stack([(np.roll(now, -shift, axis=1) * then).mean(axis=1) for shift in shifts])
    fits = np.where(np.isnan(fits), -1.0, fits)
    best = fits.argmax(axis=0)
    moved = np.abs(shifts[best]) * interval_minutes
    gain = fits.max(axis=0) - fits[most]
    observed = np.where(enough & ~np.isnan(now).any(axis=1) & ~np.isnan(then).any(axis=1), gain, np.nan)
    return finding(observed, rule["gain"], (observed > rule["gain"]) & (moved >= rule["least_minutes"]), slots)


def daily_wh(wh: np.ndarray) -> np.ndarray:
    """Energy of the day, [meters]; NaN where too little of it was accepted. Gaps count as the day's mean."""
    accepted = (~np.isnan(wh)).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        total = np.nansum(wh.astype(np.float64), axis=1) / accepted * wh.shape[1]
    return np.where(accepted >= LEAST_COMPLETE * wh.shape[1], total, np.nan)


def _longest_run(today: np.ndarray, before: np.ndarray, past: np.ndarray, rule: Rule, interval_minutes: int) -> Finding:
    meters, slots = today.shape
    first, last = longest_runs(today)
    hours = (last - first) * interval_minutes / 60
    usual = np.zeros(meters)
    if len(before):
        lengths = [np.subtract(*reversed(longest_runs(day))) for day in before]
        usual = np.max(lengths, axis=0) * interval_minutes / 60
    knows = _days_with_readings(past) >= rule["least_days"]
    limit = np.maximum(rule["hours"], usual)
    return finding(
        np.where(knows, hours, np.nan), limit, (hours > usual) & (hours >= rule["hours"]), slots, first, last
    )


def longest_runs(where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last (past the end) of the longest run of true of each row of bool [rows, slots]; 0, 0 where there is none."""
    row, first, last = runs(where)
    best_first, best_last = np.zeros((2, len(where)), dtype=int)
    order = np.lexsort((-first, last - first))  # the longest of each row is written last, of several the earliest
    best_first[row[order]], best_last[row[order]] = first[order], last[order]
    return best_first, best_last


def _repeats(wh: np.ndarray) -> np.ndarray:
    """Readings above zero that repeat the one before them, or that the next one repeats."""
    same = (wh[..., 1:] == wh[..., :-1]) & (wh[..., 1:] > 0)
    where = np.zeros(wh.shape, dtype=bool)
    where[..., 1:] |= same
    where[..., :-1] |= same
    return where


def _usual(past: np.ndarray, rule: Rule) -> np.ndarray:
    """Median energy of the past's days, [meters]; NaN with too few, or where it is nothing."""
    if not len(past):
        return np.full(past.shape[1], np.nan)
    totals = np.stack([daily_wh(day) for day in past])
    usual = _median(totals, 0)
    return np.where((_count(totals) >= rule["least_days"]) & (usual >= rule["least_wh"]), usual, np.nan)


def _extent(is_hit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first = is_hit.argmax(axis=1)
    last = is_hit.shape[1] - is_hit[:, ::-1].argmax(axis=1)
    return first, np.where(is_hit.any(axis=1), last, 0)


def _days_with_readings(past: np.ndarray) -> np.ndarray:
    return (~np.isnan(past)).any(axis=2).sum(axis=0)


def _count(values: np.ndarray) -> np.ndarray:
    return (~np.isnan(values)).sum(axis=0)


def _standardised(profile: np.ndarray) -> np.ndarray:
    """Rows with mean 0 and deviation 1; NaN where a row does not vary."""
    spread = profile.std(axis=1, keepdims=True)
    return (profile - profile.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, np.nan)


def _max(values: np.ndarray, axis: int | tuple[int, ...]) -> np.ndarray:
    largest = np.where(np.isnan(values), -np.inf, values).max(axis=axis, initial=-np.inf)
    return np.where(np.isneginf(largest), np.nan, largest)


def _mean(values: np.ndarray, axis: int) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nansum(values, axis=axis, dtype=np.float64) / (~np.isnan(values)).sum(axis=axis)


def _median(values: np.ndarray, axis: int) -> np.ndarray:
    """As nanmedian, without a warning where there is nothing."""
    has = (~np.isnan(values)).any(axis=axis, keepdims=True)
    return np.where(has.squeeze(axis), np.nanmedian(np.where(has, values, 0.0), axis=axis), np.nan)
