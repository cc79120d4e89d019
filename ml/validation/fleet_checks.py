"""Meters beside others: siblings of a transformer, outages, purchases, and the balances of transformers.

What belongs here: checks that need a relation. What does not: reading relations (resources/fleet.py).

Arrays are [meters] unless told otherwise; transformers are numbered, NO_TRANSFORMER where unknown.
"""

from __future__ import annotations

import numpy as np

from ml.validation.outages import NO_TRANSFORMER
from ml.validation.rules import Rule


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


def wrong_transformer(
    wh: np.ndarray, transformer: np.ndarray, residual_wh: np.ndarray, rule: Rule, *, least_intervals: int
) -> tuple[np.ndarray, np.ndarray]:
    """(Correlation, transformer that fits better): float and int [meters]; NaN and NO_TRANSFORMER where none does.

    `wh` float [meters, intervals] is energy over the lookback, `residual_wh` float [transformers, intervals] what each balance
    leaves over, NaN where it was not balanced. A meter that the register has behind the wrong transformer is summed where it draws
    nothing, so that transformer's residual falls as the meter draws, and rises at the one that feeds it. The figure is the
    smaller of the two correlations. It is the mirror of the evidence of theft from a balance, which is a residual that rises with
    one's own draw.
    """
    meters, transformers = len(wh), len(residual_wh)
    figure = np.full(meters, np.nan)
    better = np.full(meters, NO_TRANSFORMER)
    own = np.full(meters, np.nan)
    for number in range(transformers):
        behind = np.flatnonzero(transformer == number)
        own[behind] = -_correlations(wh[behind], residual_wh[number], least_intervals)
    for meter in np.flatnonzero(own >= rule["correlation"]):
        others = np.array(
            [
                np.nan if number == transformer[meter] else _correlations(wh[[meter]], residual, least_intervals)[0]
                for number, residual in enumerate(residual_wh)
            ]
        )
        if not np.isnan(others).all():
            better[meter] = np.nanargmax(others)
            figure[meter] = min(own[meter], others[better[meter]])
    return figure, np.where(figure >= rule["correlation"], better, NO_TRANSFORMER)


def _correlations(wh: np.ndarray, residual: np.ndarray, least_intervals: int) -> np.ndarray:
    """Pearson's correlation of each row of `wh` [meters, intervals] with `residual` [intervals], over what both have."""
    both = ~np.isnan(wh) & ~np.isnan(residual)
    count = both.sum(axis=1)
    x, y = np.where(both, wh, 0.0).astype(np.float64), np.where(both, residual, 0.0).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        x = np.where(both, x - (x.sum(axis=1) / count)[:, None], 0.0)
        y = np.where(both, y - (y.sum(axis=1) / count)[:, None], 0.0)
        found = (x * y).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    return np.where((count >= least_intervals) & np.isfinite(found), found, np.nan)
