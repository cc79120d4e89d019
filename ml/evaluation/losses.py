"""What of a transformer's energy neither reached a meter nor turned to heat, from readings alone.

What belongs here: the balance of readings that come in files, without ratings and without reported outages. What does not: the platform's own balance
(int_transformer_balance), which knows both.
"""

from __future__ import annotations

import numpy as np

from ml.evaluation.windows import mean_over_days
from ml.validation.outages import NO_TRANSFORMER

LEAST_REPORTING_SHARE = 0.8
"""Of a transformer's meters: with fewer an interval is not balanced."""
LEAST_FIT_DAYS, CLASSES, EDGE_SHARE = 14, 8, 0.1


def metered_wh(wh: np.ndarray, transformer: np.ndarray, transformers: int) -> np.ndarray:
    """What each transformer's meters say, float64 [days, transformers, slots], of `wh` [days, meters, slots].

    A reading that is missing is the meter's mean of its slot. NaN where fewer than LEAST_REPORTING_SHARE of the meters report.
    """
    usual = np.nan_to_num(mean_over_days(wh))
    known = transformer != NO_TRANSFORMER
    to, ever = transformer[known], ~np.isnan(wh).all(axis=(0, 2))
    siblings = np.bincount(transformer[known & ever], minlength=transformers)[:, None]
    found = np.empty((len(wh), transformers, wh.shape[2]))
    for day, of_day in enumerate(wh):
        has = ~np.isnan(of_day)
        filled = np.where(has, of_day, usual)
        total, reporting = np.zeros((2, transformers, wh.shape[2]))
        np.add.at(total, to, filled[known])
        np.add.at(reporting, to, has[known])
        found[day] = np.where((reporting >= LEAST_REPORTING_SHARE * siblings) & (siblings > 0), total, np.nan)
    return found


def lost_wh(fed_wh: np.ndarray, metered: np.ndarray, technical_share: float | None) -> np.ndarray:
    """Non-technical loss, float64 [days, transformers, slots]: fed less metered less technical, NaN where one is not known.

    The technical loss is `technical_share` of what was fed. Where it is None it is fitted for each transformer with days enough, as P0 + k·E², to the
    lower edge of what was not metered: the lowest tenth in each of eight classes of load, for what is stolen comes on top and
    is not taken at all hours. What is taken at all hours alike is mistaken for P0.
    """
    unmetered = fed_wh - metered
    if technical_share is not None:
        return unmetered - technical_share * fed_wh
    found = np.full(fed_wh.shape, np.nan)
    for number in range(fed_wh.shape[1]):
        found[:, number] = unmetered[:, number] - _fitted_loss(fed_wh[:, number], unmetered[:, number])
    return found


def can_be_fitted(fed_wh: np.ndarray, metered: np.ndarray) -> bool:
    """Whether days and intervals are enough to fit the losses of most transformers: daily energy never is."""
    known = ~np.isnan(fed_wh - metered)
    days = known.any(axis=2).sum(axis=0)
    return bool(fed_wh.shape[2] > 1 and np.median(days) >= LEAST_FIT_DAYS)


def _fitted_loss(fed: np.ndarray, unmetered: np.ndarray) -> np.ndarray:
    """Technical loss, float64 [days, slots], of one transformer; nothing where it cannot be told."""
    known = ~np.isnan(unmetered)
    if known.sum() < CLASSES / EDGE_SHARE:
        return np.zeros(fed.shape)
    order = np.argsort(fed[known], kind="stable")
    load, lost = fed[known][order], unmetered[known][order]
    squared = np.array([np.mean(part**2) for part in np.array_split(load, CLASSES)])
    edge = np.array([max(np.quantile(part, EDGE_SHARE), 0.0) for part in np.array_split(lost, CLASSES)])
    slope, base = np.polyfit(squared, edge, 1) if np.ptp(squared) > 0 else (0.0, edge.mean())
    if slope <= 0:
        slope, base = 0.0, edge.mean()
    elif base <= 0:
        slope, base = (edge @ squared) / (squared @ squared), 0.0
    return base + slope * fed**2
