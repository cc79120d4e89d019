"""From evidence to a score: gradient boosting that was taught on simulated thieves, and can be taught on inspected ones.

What belongs here: the matrix that rankers see, and the rankers. What does not: evidence (evidence.py), who was inspected, what is made of a
score (scores.py).

Each number of evidence is seen as its rank in the fleet, by its tail: −log2 of the share of meters that are at least as suspicious. So a ranker
that was taught on one fleet may judge another whose meters, seasons and noise differ. Daily readings have rankers of their own: of them no
shape is known. An Isolation Forest over the same matrix was tried as
one more column: it made the first per cent worse on real load and nothing better, and is a method to compare with now (ml/evaluation).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from ml.model_store import ModelStore
from ml.theft.evidence import NAMES, PIECES, Piece

TAUGHT = Path(__file__).with_name("taught")
"""Rankers as they are shipped; `python -m benchmarks.teach_theft` makes them anew."""
MOST_TAIL = 6.0
"""One meter in 64 is as far as a tail tells: in a fleet of hundreds the last ranks are chance."""
BOTH_TAILS = (
    *(piece.name for piece in PIECES if piece.name.endswith("_t")),
    *(
        "zero_share",
        "plateau_share",
        "equal_share",
        "weekend_ratio",
        "reversed_likeness",
        "profile_reversal",
        "recent_trend",
    ),
)
"""Evidence whose harmless side tells something as well: a level that rose speaks against a thief."""
UNTAUGHT = ("same_season", "sibling_change")
"""Evidence that the shipped rankers do not see: people do (`explain`, reasons), and rankers that inspections teach (learnt.py). `python -m benchmarks.theft_pieces` taught
them with it, on the developed half: the year before made the city's ROC-AUC without a balance 0.900 from 0.873, but its first five per cent no
better, and the Swiss homes, who have no year before, worse, PR-AUC 0.215 from 0.292, 0.279 where half of the cities that teach had none either. What
a simulated home does is nearer to its last year than what a real one does (alone 0.814 of the city, 0.585 of the Australian homes). The
level beside siblings moved nothing beyond chance: here siblings have nothing in common that the fleet has not."""
AS_THEY_ARE = ("drop", "nothing_reported", "balance_gain", "balance_share", "stolen_share")
"""Evidence that is also seen as a number: it means the same in every fleet."""
MOST_DROP = 2.5
FALL_WEIGHT = 0.6
"""Chosen on the developed half: between what serves the city (none) and what serves real homes (1)."""
LEAST_SCORE = 1e-5
SEED = 20_260_101
ROUNDS, LEAVES, LEAST_LEAF, RATE, PENALTY = 120, 10, 40, 0.05, 5.0
"""Boosting rounds, leaves of a tree, meters of a leaf, learning rate, L2 penalty: chosen on the developed half (PROTOCOL.md)."""


def columns(with_balance: bool, *, everything: bool = False) -> list[str]:
    """Names of the matrix's columns: those that the shipped rankers see, or `everything`."""
    names = [piece.name for piece in _pieces(with_balance, everything)]
    return [
        *(f"{name}_tail" for name in names),
        *(f"{name}_other_tail" for name in names if name in BOTH_TAILS),
        *(name for name in names if name in AS_THEY_ARE),
    ]


def matrix(values: np.ndarray, *, with_balance: bool, everything: bool = False) -> np.ndarray:
    """What a ranker sees of evidence `values` [meters, PIECES]: float64 [meters, columns]. Evidence that is not known is not suspicious."""
    pieces = _pieces(with_balance, everything)
    signed = {piece.name: piece.sign * values[:, NAMES.index(piece.name)] for piece in pieces}
    seen = [
        *(tail(one) for one in signed.values()),
        *(tail(-one) for name, one in signed.items() if name in BOTH_TAILS),
        *(np.clip(np.nan_to_num(one), 0.0, _most(name)) for name, one in signed.items() if name in AS_THEY_ARE),
    ]
    return np.column_stack(seen)


def _pieces(with_balance: bool, everything: bool) -> list[Piece]:
    return [
        piece
        for piece in PIECES
        if (with_balance or piece.family != "balance") and (everything or piece.name not in UNTAUGHT)
    ]


def _most(name: str) -> float:
    return MOST_DROP if name == "drop" else np.inf


def tail(values: np.ndarray) -> np.ndarray:
    """−log2 of the share of the fleet that has at least that value, at most MOST_TAIL: float64 [meters]; not known counts as least."""
    known = np.where(np.isnan(values), -np.inf, values)
    ordered = np.sort(known)
    below = (np.searchsorted(ordered, known, "left") + np.searchsorted(ordered, known, "right")) / 2
    return np.minimum(-np.log2(1 - below / max(len(known), 1) + 0.5 / max(len(known), 1)), MOST_TAIL)


@dataclass(frozen=True, eq=False)
class Ranker:
    """A fitted ranker. `taught_on` says on what, for whoever reads its file."""

    estimator: HistGradientBoostingClassifier
    with_balance: bool
    taught_on: str

    def scores(self, seen: np.ndarray) -> np.ndarray:
        """Scores 0 to 1 of a matrix's rows, float64 [meters]."""
        if not len(seen):
            return np.zeros(0)
        # Its threads wait for each other at every tree: on a busy machine that takes a hundred times as long as one thread.
        with threadpool_limits(1, user_api="openmp"):
            return self.estimator.predict_proba(seen)[:, 1]

    def metadata(self) -> dict[str, Any]:
        return {"with_balance": self.with_balance, "taught_on": self.taught_on, "columns": columns(self.with_balance)}

    @classmethod
    def restore(cls, estimator: Any, metadata: Mapping[str, Any]) -> Ranker:
        """Raises ValueError where the file is of other evidence than this code makes."""
        if metadata["columns"] != columns(metadata["with_balance"]):
            raise ValueError("the ranker was taught on other evidence: teach it anew, python -m benchmarks.teach_theft")
        return cls(estimator, metadata["with_balance"], metadata["taught_on"])


def fit(seen: np.ndarray, is_theft: np.ndarray, *, with_balance: bool, taught_on: str) -> Ranker:
    """A ranker of matrix rows whose truth is known, bool [meters]."""
    estimator = HistGradientBoostingClassifier(
        max_iter=ROUNDS,
        learning_rate=RATE,
        max_leaf_nodes=LEAVES,
        min_samples_leaf=LEAST_LEAF,
        l2_regularization=PENALTY,
        early_stopping=False,
        random_state=SEED,
    )
    with threadpool_limits(1, user_api="openmp"):
        return Ranker(estimator.fit(seen, is_theft), with_balance, taught_on)


def version(with_balance: bool, of_days: bool = False) -> str:
    return f"taught-{'with' if with_balance else 'without'}-balance{'-of-days' if of_days else ''}"


@lru_cache(maxsize=4)
def taught(with_balance: bool, of_days: bool = False) -> Ranker:
    """The shipped ranker, once its file is known to be the one that was committed."""
    name = version(with_balance, of_days)
    sha256 = (TAUGHT / f"{name}.sha256").read_text(encoding="ascii").strip()
    return ModelStore(TAUGHT).load(name, sha256, Ranker)


def is_of_days(zero_share: np.ndarray) -> np.ndarray:
    """Meters of which only the day's energy is known, bool [meters]: what happens within a day is not, so that a ranker which was taught
    on it takes its absence for innocence. `zero_share` is the evidence of that name."""
    return np.isnan(zero_share)


def theft_scores(values: np.ndarray) -> np.ndarray:
    """Scores 0 to 1, float64 [meters], of evidence `values` [meters, PIECES] by the shipped rankers: with the balance where there is one, and
    that for daily readings where there are only these."""
    has_balance = ~np.isnan(values[:, NAMES.index("balance_gain")])
    of_days = is_of_days(values[:, NAMES.index("zero_share")])
    found = np.zeros(len(values))
    for with_balance in (True, False):
        seen = None
        for only_days in (True, False):
            rows = (has_balance == with_balance) & (of_days == only_days)
            if rows.any():
                # Ranks are among all meters, also of those that another ranker judges.
                seen = matrix(values, with_balance=with_balance) if seen is None else seen
                found[rows] = taught(with_balance, only_days).scores(seen[rows])
    return np.where(has_balance, found, with_fall(found, values))


def with_fall(scores: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Scores whose odds are raised by how far out the meter's fall is. Real homes change in more ways than simulated ones, so that without a
    balance what was taught there is trusted less, and the plain fall more."""
    odds = np.log(np.clip(scores, LEAST_SCORE, 1 - LEAST_SCORE) / (1 - np.clip(scores, LEAST_SCORE, 1 - LEAST_SCORE)))
    fall = FALL_WEIGHT * (tail(-values[:, NAMES.index("drop_t")]) - MOST_TAIL)
    return 1 / (1 + np.exp(-(odds + fall)))
