"""All that is run beside each other, by the name that tables print.

What belongs here: the registry. What does not: methods; the form of what they say (verdicts.py).
"""

from __future__ import annotations

from collections.abc import Callable

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
from ml.evaluation.theft_features import theft_features
from ml.evaluation.theft_methods import isolation_forest_on_evidence, taught_ranker, without_the_balance
from ml.evaluation.verdicts import Verdict
from ml.theft.history import FleetHistory


def least_squares(history: FleetHistory) -> Verdict:
    """Non-negative least squares: what a meter explains of the loss is both how suspicious it is and what it steals."""
    explained = non_negative_least_squares(history)
    return Verdict(explained, stolen_wh=explained)


METHODS: dict[str, Callable[[FleetHistory], np.ndarray | Verdict]] = {
    "theft evidence, taught ranker": taught_ranker,
    "theft evidence, without the balance": without_the_balance,
    "Isolation Forest over the evidence": isolation_forest_on_evidence,
    "Isolation Forest on readings": isolation_forest_on_readings,
    "Isolation Forest per home": isolation_forest_per_home,
    "Local Outlier Factor per home": local_outlier_factor,
    "z-score of daily energy": z_score,
    "level drop against peers": level_drop,
    "non-negative least squares": least_squares,
    "honesty coefficients (Salinas 2013)": honesty_coefficients,
}
"""Without labels of the fleet that is judged; the taught ranker has seen simulated ones."""

NEED_BALANCE = frozenset(
    {
        "theft evidence, without the balance",
        "non-negative least squares",
        "honesty coefficients (Salinas 2013)",
    }
)
"""Say nothing where no transformer has a meter, or what another method says already."""

SUPERVISED: dict[str, Callable[[FleetHistory], Evidence]] = {
    "gradient boosting on theft evidence": theft_features,
    "gradient boosting on a summary": summary_features,
}
"""What a ranker learns from; it is cross-validated by customer (supervised.py)."""


def verdict(method: Callable[[FleetHistory], np.ndarray | Verdict], history: FleetHistory) -> Verdict:
    """What `method` says, scores alone being a verdict too. Raises ValueError where it does not speak of each meter."""
    said = method(history)
    said = said if isinstance(said, Verdict) else Verdict(said)
    for values in (said.scores, said.onset, said.stolen_wh, said.value):
        if values is not None and values.shape != (history.meters,):
            raise ValueError(f"a method gave values of shape {values.shape} for {history.meters} meters")
    return said
