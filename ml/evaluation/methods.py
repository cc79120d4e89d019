"""All that is run beside each other, by the name that tables print.

What belongs here: the registry, and what a method may say of a meter. What does not: methods.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ml.evaluation.balance_baselines import honesty_coefficients, non_negative_least_squares
from ml.evaluation.baselines import (
    isolation_forest_on_readings,
    isolation_forest_per_home,
    level_drop,
    local_outlier_factor,
    z_score,
)
from ml.evaluation.summary_features import summary_features
from ml.evaluation.supervised import Evidence
from ml.theft.history import FleetHistory


@dataclass(frozen=True, eq=False)
class Verdict:
    """What a method says of each meter, float64 [meters] each, NaN where it cannot tell; None where it never does.

    `scores` is the order of suspicion, higher first. `onset` is the first day of theft, counted from the history's first day; `stolen_wh` a day
    over the last weeks; `value` the order by what a visit is worth: probability × stolen energy. Without it, money is ordered by `scores`.
    """

    scores: np.ndarray
    onset: np.ndarray | None = None
    stolen_wh: np.ndarray | None = None
    value: np.ndarray | None = None


def least_squares(history: FleetHistory) -> Verdict:
    """Non-negative least squares: what a meter explains of the loss is both how suspicious it is and what it steals."""
    explained = non_negative_least_squares(history)
    return Verdict(explained, stolen_wh=explained)


METHODS: dict[str, Callable[[FleetHistory], np.ndarray | Verdict]] = {
    "Isolation Forest on readings": isolation_forest_on_readings,
    "Isolation Forest per home": isolation_forest_per_home,
    "Local Outlier Factor per home": local_outlier_factor,
    "z-score of daily energy": z_score,
    "level drop against peers": level_drop,
    "non-negative least squares": least_squares,
    "honesty coefficients (Salinas 2013)": honesty_coefficients,
}
"""Without labels."""

NEED_BALANCE = frozenset({"non-negative least squares", "honesty coefficients (Salinas 2013)"})
"""Say nothing where no transformer has a meter."""

SUPERVISED: dict[str, Callable[[FleetHistory], Evidence]] = {"gradient boosting on a summary": summary_features}
"""What a ranker learns from; it is cross-validated by customer (supervised.py)."""


def verdict(method: Callable[[FleetHistory], np.ndarray | Verdict], history: FleetHistory) -> Verdict:
    """What `method` says, scores alone being a verdict too. Raises ValueError where it does not speak of each meter."""
    said = method(history)
    said = said if isinstance(said, Verdict) else Verdict(said)
    for values in (said.scores, said.onset, said.stolen_wh, said.value):
        if values is not None and values.shape != (history.meters,):
            raise ValueError(f"a method gave values of shape {values.shape} for {history.meters} meters")
    return said
