"""Meters beside others: siblings of a transformer, outages, purchases, and the balances of transformers.

What belongs here: checks that need a relation. What does not: reading relations (resources/fleet.py).

Arrays are [meters] unless told otherwise; transformers are numbered, NO_TRANSFORMER where unknown.
"""

from __future__ import annotations

import numpy as np

from ml.validation.outages import NO_TRANSFORMER
from ml.validation.rules import Rule

EXTREME_SHARE = 0.002
"""Of a meter's readings, so many may be anything: two or three half-hours of four weeks."""


def silent_siblings(has_delivered: np.ndarray, usually: np.ndarray, transformer: np.ndarray, rule: Rule) -> np.ndarray:
    """Share of a silent meter's siblings that delivered: float [meters], NaN where it delivered itself or siblings are few.

    `has_delivered` bool: anything accepted on the day; `usually` bool: delivered within the lookback. It is a hit from the rule's
    share on.
    """
    known = (transformer != NO_TRANSFORMER) & usually
    transformers = int(transformer.max(initial=NO_TRANSFORMER)) + 1
    siblings = np.bincount(transformer[known], minlength=transformers)
    delivered = np.bincount(transformer[known & has_delivered], minlength=transformers)
    others = siblings[transformer] - 1 if transformers else np.zeros(len(transformer))
    is_judged = known & ~has_delivered & (others >= rule["least_siblings"])
    share = np.full(len(transformer), np.nan)
    share[is_judged] = delivered[transformer[is_judged]] / others[is_judged]
    return share


def unread_days(has_readings: np.ndarray) -> np.ndarray:
    """Days up to the last without an accepted reading: int [meters], of bool [days, meters], the newest last."""
    return np.cumprod(~has_readings[::-1], axis=0).sum(axis=0)


def inactive(wh: np.ndarray, is_registered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(Energy in Wh, whether it is a hit), [meters] each, of `wh` float [meters, slots]: a meter unknown to the register delivers some."""
    energy = np.asarray(np.nansum(wh, axis=1, dtype=np.float64))
    return energy, ~is_registered & (energy > 0)


def load_shedding_use(wh: np.ndarray, is_wholly_off: np.ndarray, rule: Rule) -> tuple[np.ndarray, np.ndarray]:
    """(Energy within outages, whether it is a hit): float [meters, slots] in Wh, 0 outside of them, and bool [meters].

    `is_wholly_off` bool [meters, slots] says for which slots as a whole an outage was reported.
    """
    within = np.where(is_wholly_off, np.nan_to_num(wh), 0.0)
    return within, within.sum(axis=1, dtype=np.float64) >= rule["least_wh"]


def prepaid_without_purchases(
    wh: np.ndarray, past: np.ndarray, bought_wh: np.ndarray, is_prepaid: np.ndarray, purchase_days: int, rule: Rule
) -> tuple[np.ndarray, np.ndarray]:
    """(Energy in Wh, whether it is a hit), [meters] each, of the day `wh` [meters, slots] and the `past` [days, meters, slots].

    `bought_wh` is what was bought on the same days, of which those of `purchase_days` may be read.
    """
    used = np.asarray(np.nansum(past, axis=(0, 2), dtype=np.float64) + np.nansum(wh, axis=1, dtype=np.float64))
    read_days = (~np.isnan(past)).any(axis=2).sum(axis=0)
    knows = (read_days >= rule["least_days"]) & (purchase_days >= rule["least_days"])
    return used, is_prepaid & knows & (bought_wh <= 0) & (used >= rule["least_wh"])


def wrong_transformer(
    wh: np.ndarray, transformer: np.ndarray, residual_wh: np.ndarray, rule: Rule
) -> tuple[np.ndarray, np.ndarray]:
    """(Correlation, transformer that fits better): float and int [meters]; NaN where a meter is where it should be.

    `wh` float [meters, days, slots] is energy over the lookback, `residual_wh` float [transformers, days, slots] what each balance
    leaves over, NaN where it was not balanced. A meter that the register has behind the wrong transformer is summed where it draws
    nothing: that transformer's residual falls Wh for Wh with its draw (within the rule's `slope_tolerance`), once what every day has
    in common is taken out, the daily shape that all homes share and that would make any two of them alike. At the transformer that
    feeds it the residual rises as much; NO_TRANSFORMER where it shows at none, for other faults may drown it there. Theft at the meter is the
    mirror of this: a residual that rises with one's own draw.
    """
    meters, transformers = len(wh), len(residual_wh)
    least = int(rule["least_days"]) * wh.shape[2]
    x, y = _without_extremes(_without_daily_shape(wh)), _without_daily_shape(residual_wh)
    own = np.full(meters, np.nan)
    for number in range(transformers):
        behind = np.flatnonzero(transformer == number)
        own[behind] = _fit(x[behind], -y[number], rule, least)
    better = np.full(meters, NO_TRANSFORMER)
    for meter in np.flatnonzero(own >= rule["correlation"]):
        others = np.array([_fit(x[[meter]], residual, rule, least)[0] for residual in y])
        others[transformer[meter]] = np.nan
        if (np.nan_to_num(others) >= rule["correlation"]).any():
            better[meter] = np.nanargmax(others)
    return np.where(own >= rule["correlation"], own, np.nan), better


def _without_daily_shape(values: np.ndarray) -> np.ndarray:
    """`values` [rows, days, slots] less each slot's mean over the days, as [rows, days × slots]."""
    has = ~np.isnan(values)
    mean = np.nansum(values, axis=1, dtype=np.float64) / np.maximum(has.sum(axis=1), 1)
    return (values - mean[:, None, :]).reshape(len(values), -1)


def _without_extremes(values: np.ndarray) -> np.ndarray:
    """`values` [rows, intervals] with the largest of each row, of either sign, as not known: one wrong reading would outweigh weeks."""
    size = np.abs(values)
    is_read = ~np.isnan(size).all(axis=1)
    limit = np.full(len(values), np.nan)
    limit[is_read] = np.nanquantile(size[is_read], 1 - EXTREME_SHARE, axis=1)
    return np.where(size <= limit[:, None], values, np.nan)


def _fit(x: np.ndarray, y: np.ndarray, rule: Rule, least: int) -> np.ndarray:
    """Correlation of each row of `x` [meters, intervals] with `y` [intervals]; NaN where they share too few intervals, or where
    `y` does not move Wh for Wh with the row."""
    both = ~np.isnan(x) & ~np.isnan(y)
    x, y = np.where(both, x, 0.0), np.where(both, y, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        together, alone = (x * y).sum(axis=1), (x**2).sum(axis=1)
        slope = together / alone
        found = together / np.sqrt(alone * (y**2).sum(axis=1))
    is_known = (both.sum(axis=1) >= least) & np.isfinite(found)
    return np.where(is_known & (np.abs(slope - 1) <= rule["slope_tolerance"]), found, np.nan)
