"""What detection with a transformer's meter is held against: methods that share a transformer's loss among its meters.

What belongs here: one function a method, FleetHistory -> float64 [meters], higher being more suspicious; NaN for meters behind no
transformer that has a meter. What does not: methods on a meter's readings alone (baselines.py); our own (ml/theft). None knows a label.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ml.evaluation.windows import daily_wh, mean_over_days, recent_days
from ml.theft.history import FleetHistory

RIDGE = 0.001
"""Of columns of unit length: enough to share a loss between homes whose profiles are alike."""
INTERVALS_PER_METER = 4
"""A transformer's equations go back over more days until there are so many for each unknown."""


@dataclass(frozen=True, eq=False)
class Transformer:
    """A transformer's intervals that are balanced: `lost_wh` float64 [intervals], `reported_wh`, `expected_wh` [intervals, members]."""

    members: np.ndarray
    lost_wh: np.ndarray
    reported_wh: np.ndarray
    expected_wh: np.ndarray
    days: float


def non_negative_least_squares(history: FleetHistory) -> np.ndarray:
    """Wh a day of the loss that a meter explains: lost(t) ≈ Σ a·reported(t) + b·(expected(t) − reported(t))₊ with a, b ≥ 0.

    A meter that reports a share explains by what it reports, one that is passed by altogether only by what was expected of it.
    `expected` is the meter's mean of that slot on earlier days of the same type times what the fleet's day was of its own expectation.
    Ridge regression with non-negative coefficients (Lawson and Hanson 1974, chapter 23).
    """
    found = np.full(history.meters, np.nan)
    for one in transformers(history):
        shortage = np.maximum(one.expected_wh - one.reported_wh, 0.0)
        columns = np.concatenate([one.reported_wh, shortage], axis=1)
        explained = _non_negative(columns, one.lost_wh) * columns.sum(axis=0) / one.days
        found[one.members] = explained[: len(one.members)] + explained[len(one.members) :]
    return found


def honesty_coefficients(history: FleetHistory) -> np.ndarray:
    """k − 1 of each meter, from Σ k·reported(t) = fed(t) − technical loss(t): an honest meter has k = 1, a thief's is above.

    S. Salinas, M. Li and P. Li, "Privacy-Preserving Energy Theft Detection in Smart Grids: A P2P Computing Approach", IEEE Journal on
    Selected Areas in Communications 31(9) supplement, 2013, doi 10.1109/JSAC.2013.SUP.0513023: the linear system of equations for the
    honesty coefficients, solved centrally, without what keeps readings private. It takes the rate of theft as constant.

    What is filled in here: there are more intervals than meters, so that least squares take the place of as many equations as unknowns;
    technical losses are taken out before; a reading that is missing is what was expected of it; the days are the last
    four weeks, and before them as many more as give four intervals a meter. A meter that reported nothing has no coefficient: NaN.
    """
    found = np.full(history.meters, np.nan)
    for one in transformers(history):
        has = one.reported_wh.any(axis=0)
        if not has.any():
            continue
        scale = np.sqrt((one.reported_wh[:, has] ** 2).mean(axis=0))
        solution = np.linalg.lstsq(one.reported_wh[:, has] / scale, one.lost_wh, rcond=None)[0]
        found[one.members[has]] = solution / scale
    return found


def transformers(history: FleetHistory) -> Iterator[Transformer]:
    """Those with members and balanced intervals. A reading that is missing is what was expected of it, or nothing."""
    if history.lost_wh is None:
        return
    window = recent_days(history.days)
    expected = expectation(history)
    for number, members in enumerate(history.members()):
        days = window
        while days < history.days and (~np.isnan(history.lost_wh[-days:, number])).sum() < INTERVALS_PER_METER * len(
            members
        ):
            days += 1
        lost = history.lost_wh[-days:, number].reshape(-1)
        is_balanced = ~np.isnan(lost)
        if not len(members) or not is_balanced.any():
            continue
        reported = _by_interval(history.wh[-days:, members])[is_balanced]
        usual = _by_interval(expected(days, members))[is_balanced]
        reported = np.where(np.isnan(reported), np.nan_to_num(usual), reported)
        usual = np.where(np.isnan(usual), reported, usual)
        yield Transformer(members, lost[is_balanced], reported, usual, is_balanced.sum() / history.slots)


def expectation(history: FleetHistory) -> Callable[[int, np.ndarray], np.ndarray]:
    """A function (days, members) -> what was expected of them on the last `days`, float64 [days, members, slots], NaN where unknown."""
    earlier = history.days - recent_days(history.days)
    past, types = history.wh[:earlier], history.day_types
    every = mean_over_days(past)
    usual = {}
    for day_type in np.unique(types):
        of_type = mean_over_days(past[types[:earlier] == day_type])
        usual[day_type] = np.where(np.isnan(of_type), every, of_type)
    energy = daily_wh(history)
    factor = np.ones(history.days)
    for day in range(history.days):
        of_day = usual[types[day]].sum(axis=1)
        known = ~np.isnan(energy[day]) & (of_day > 0)
        factor[day] = np.median(energy[day][known] / of_day[known]) if known.any() else 1.0

    def expected(days: int, members: np.ndarray) -> np.ndarray:
        last = range(history.days - days, history.days)
        return np.stack([factor[day] * usual[types[day]][members] for day in last])

    return expected


def _by_interval(wh: np.ndarray) -> np.ndarray:
    """[days, members, slots] as float64 [intervals, members]."""
    return wh.transpose(0, 2, 1).reshape(-1, wh.shape[1]).astype(np.float64)


def _non_negative(columns: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Coefficients, float64 [columns], by the normal equations: as many rows as unknowns, however many intervals there are."""
    from scipy.optimize import nnls

    length = np.linalg.norm(columns, axis=0)
    has = length > 0
    found = np.zeros(len(length))
    if not has.any():
        return found
    scaled = columns[:, has] / length[has]
    lower = np.linalg.cholesky(scaled.T @ scaled + RIDGE * np.eye(has.sum()))
    found[has] = nnls(lower.T, np.linalg.solve(lower, scaled.T @ target))[0] / length[has]
    return found
