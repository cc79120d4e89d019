"""A meter's level beside its transformer's other meters, once what the weather does to each of them is taken out.

What belongs here: each meter's own response to what the fleet does, and what is left of its level beside its siblings. What does not: the level itself
(changes.py), siblings by class (state.py), the transformer's loss (explain.py).

No station is needed: the fleet's median level from day to day is the trace that weather and feasts leave. A meter follows it with a slope of its
own, from none, where nothing is heated or cooled, to several times the median's, shrunk towards 1 by ridge regression (Hoerl and Kennard, "Ridge
Regression: Biased Estimation for Nonorthogonal Problems", Technometrics 12(1), 1970). What meters of one transformer have in common beyond that,
an interruption that nobody reported, a street's feast, is none of theirs: the siblings' median is taken out as well.
"""

from __future__ import annotations

import numpy as np

from ml.theft import known
from ml.theft.changes import LEAST_SIDE_DAYS
from ml.validation.outages import NO_TRANSFORMER

LEAST_SIBLINGS = 4
"""Others behind the transformer whose level is known: of fewer the median is somebody's holiday."""
PENALTY_DAYS = 28.0
"""Days of the fleet's usual variation by which a slope is held to 1."""


def sibling_change(level: np.ndarray, transformer: np.ndarray, recent_days: int) -> np.ndarray:
    """How far the level of the last `recent_days` lies from what it was before, beside siblings: float64 [meters], logarithm.

    `level` [days, meters] is own_level (changes.py); `transformer` int [meters], NO_TRANSFORMER where unknown. Half of the days, at most, are recent.
    NaN where fewer than LEAST_SIDE_DAYS of either side are known, or of fewer than LEAST_SIBLINGS.
    """
    recent = min(recent_days, len(level) // 2)
    left = less_response(level, len(level) - recent)
    lately = known.mean(left[-recent:], 0) if recent else np.full(level.shape[1], np.nan)
    for side in (left[: len(left) - recent], left[len(left) - recent :]):
        lately = np.where((~np.isnan(side)).sum(axis=0) >= LEAST_SIDE_DAYS, lately, np.nan)
    found = np.full(len(lately), np.nan)
    for one in np.unique(transformer[transformer != NO_TRANSFORMER]):
        members = np.flatnonzero((transformer == one) & ~np.isnan(lately))
        if len(members) > LEAST_SIBLINGS:
            found[members] = lately[members] - _median_of_others(lately[members])
    return found


def less_response(level: np.ndarray, fit_days: int) -> np.ndarray:
    """`level` less each meter's own mean and its own slope times what the fleet's median meter does, both of the first `fit_days` days."""
    fleet = np.nan_to_num(known.median(level - known.median(level, 0), 1))
    early, trace = level[:fit_days], fleet[:fit_days]
    has = ~np.isnan(early)
    count = np.maximum(has.sum(axis=0), 1)
    mean, mean_trace = np.where(has, early, 0.0).sum(axis=0) / count, (has * trace[:, None]).sum(axis=0) / count
    apart = np.where(has, trace[:, None] - mean_trace, 0.0)
    size = PENALTY_DAYS * trace.var() + 1e-9
    slope = (np.where(has, apart * (early - mean), 0.0).sum(axis=0) + size) / ((apart**2).sum(axis=0) + size)
    return np.where(has.any(axis=0), level - mean - slope * (fleet[:, None] - mean_trace), np.nan)


def _median_of_others(values: np.ndarray) -> np.ndarray:
    """Of each of `values` [members], all known, the median of the others."""
    order = np.argsort(values, kind="stable")
    place, ordered = np.argsort(order, kind="stable"), values[order]
    # Without the value that stands at its place, what stood behind it moves up by one.
    middle = [ordered[at + (place <= at)] for at in ((len(values) - 2) // 2, (len(values) - 1) // 2)]
    return (middle[0] + middle[1]) / 2
