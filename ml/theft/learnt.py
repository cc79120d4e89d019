"""A ranker that inspections teach: what crews found at meters, beside the evidence of the morning before they went.

What belongs here: what a visit teaches, fitting, and what the probabilities hold for. What does not: whether such a ranker is used (contest.py), which
visits there are and when they were known (the caller), evidence and the unsupervised score (evidence.py, scores.py).

Gradient boosting on all evidence, seen as the shipped rankers see theirs (ranker.py), then a logistic regression on its log-odds out of fold and those of the unsupervised score:
stacking (Wolpert, "Stacked Generalization", Neural Networks 5(2), 1992) and the sigmoid of Platt ("Probabilistic Outputs for Support Vector
Machines", 1999) in one. With few labels the score keeps most of the weight; with many, little. A sigmoid, for isotonic regression needs about a
thousand labels to calibrate by (Niculescu-Mizil and Caruana, "Predicting Good Probabilities with Supervised Learning", ICML 2005), and its steps would tie meters.
Folds are by meter: none is calibrated by a ranker that knew it.

Crews go where the score was high, so that labels are no sample of the fleet. Which meters were chosen follows from the score alone, and the score is
among the columns: boosting is not biased by that choice, only ignorant where nobody went (Zadrozny, "Learning and Evaluating Classifiers
under Sample Selection Bias", ICML 2004), and is not weighted. The sigmoid has two slopes for all of the fleet, so there each random visit stands for as
many meters as it was drawn from, but all of them together for no more than the ranked visits do: else a few dozen of them would set the slopes alone
(benchmarks/THEFT_LABELS.md has what else was tried). So probabilities hold for the fleet as far as random visits say, and where there are none for
meters like those that were visited: for others they are then too high.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from ml.theft.ranker import columns, matrix

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

LEAST_ODDS = 1e-5
FOLDS = 5
SEED = 20_260_102
ROUNDS, LEAVES, LEAST_LEAF, RATE, PENALTY = 60, 6, 20, 0.06, 5.0
"""Boosting rounds, leaves of a tree, visits of a leaf, learning rate, L2 penalty: fewer and smaller trees than of the shipped rankers, for hundreds of visits."""
ALL_COLUMNS = tuple(columns(True, everything=True))
"""What a learnt ranker sees of evidence, before the unsupervised score."""
NEARLY_FREE = 1e3
"""Inverse penalty of the regression: keeps it finite where every visit found theft above some score."""


@dataclass(frozen=True, eq=False)
class Visits:
    """Visits that found theft or found none. Arrays are [visits].

    `day` datetime64[D] of the visit; `meter` text; `is_random` bool, drawn rather than chosen by score; `fleet` int, meters that had a score on the
    morning; `seen` float64 [visits, columns] as `seen_by` makes it, of evidence from before the visit.
    """

    day: np.ndarray
    meter: np.ndarray
    is_theft: np.ndarray
    is_random: np.ndarray
    fleet: np.ndarray
    seen: np.ndarray

    def __len__(self) -> int:
        return len(self.day)

    @property
    def theft(self) -> int:
        return int(self.is_theft.sum())

    @property
    def clean(self) -> int:
        return len(self) - self.theft

    @property
    def score(self) -> np.ndarray:
        """The unsupervised score's log-odds, float64 [visits]."""
        return self.seen[:, -1]

    def of(self, where: np.ndarray) -> Visits:
        """Those of `where`, bool or int [visits]."""
        return Visits(**{one.name: getattr(self, one.name)[where] for one in fields(self)})

    def in_order(self) -> Visits:
        """By day and meter: what is learnt must not tell in which order rows came."""
        return self.of(np.lexsort((self.meter, self.day)))

    @classmethod
    def joined(cls, parts: Sequence[Visits]) -> Visits:
        if not parts:
            nothing = np.zeros(0, dtype=bool)
            day, seen = np.zeros(0, dtype="datetime64[D]"), np.zeros((0, len(ALL_COLUMNS) + 1))
            return cls(day, np.zeros(0, dtype=np.str_), nothing, nothing, np.zeros(0, dtype=int), seen)
        return cls(**{one.name: np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(cls)})


@dataclass(frozen=True, eq=False)
class Learnt:
    """A fitted ranker: log-odds are `intercept` + `boosted_slope` · those of `estimator` + `score_slope` · those of the unsupervised score.

    `until` is the day before which its visits lie; `theft` and `clean` how many there were. `columns` are those of the evidence that it learnt
    from, in their order: evidence that came later it does not read.
    """

    estimator: HistGradientBoostingClassifier
    intercept: float
    boosted_slope: float
    score_slope: float
    until: date
    theft: int
    clean: int
    columns: tuple[str, ...] = ALL_COLUMNS

    def log_odds(self, seen: np.ndarray) -> np.ndarray:
        """Of a matrix's rows as `seen_by` makes them, float64 [meters]."""
        if not len(seen):
            return np.zeros(0)
        learnt_from = seen[:, [*(ALL_COLUMNS.index(name) for name in self.columns), -1]]
        return (
            self.intercept + self.boosted_slope * _boosted(self.estimator, learnt_from) + self.score_slope * seen[:, -1]
        )

    def probability(self, seen: np.ndarray) -> np.ndarray:
        """Probability of theft, float64 [meters]; the module says for whom it holds. NaN where the unsupervised score is not known."""
        return 1 / (1 + np.exp(-self.log_odds(seen)))

    def metadata(self) -> dict[str, Any]:
        kept = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "estimator"}
        return kept | {"until": self.until.isoformat(), "columns": list(self.columns)}

    @classmethod
    def restore(cls, estimator: Any, metadata: Mapping[str, Any]) -> Learnt:
        """Raises ValueError where the file is of evidence that this code does not make."""
        columns = tuple(metadata["columns"])
        if missing := set(columns) - set(ALL_COLUMNS):
            raise ValueError(
                f"the ranker was learnt from evidence that this version does not make ({', '.join(sorted(missing))}): delete ml.theft_model's rows"
                " that name it, and materialize their weeks"
            )
        kept = dict(metadata) | {"until": date.fromisoformat(metadata["until"]), "columns": columns}
        return cls(estimator, **kept)


def seen_by(values: np.ndarray, score: np.ndarray) -> np.ndarray:
    """What a learnt ranker sees of a fleet's evidence `values` [meters, PIECES] and its unsupervised `score` [meters]: float64 [meters, columns].

    Ranks are among all meters, so all of a day's are needed, whoever was visited. One ranker for meters with a balance and without, of half-hours and
    of days: labels are too few for more, and the score knows the difference.
    """
    return np.column_stack([matrix(values, with_balance=True, everything=True), log_odds(score)])


def log_odds(score: np.ndarray) -> np.ndarray:
    known = np.clip(score, LEAST_ODDS, 1 - LEAST_ODDS)
    return np.log(known / (1 - known))


def fit(visits: Visits, *, until: date, most_random: float = 1.0) -> Learnt:
    """A ranker of `visits`, which all lie before `until`; `most_random` as of `weights`. Raises ValueError where one does not, or fewer than FOLDS meters have either outcome."""
    from sklearn.model_selection import StratifiedGroupKFold

    if (visits.day >= np.datetime64(until, "D")).any():
        raise ValueError(f"a visit on {until} or later would teach what is to be scored")
    visits = visits.in_order()
    for what, of in (("stealing", visits.is_theft), ("honest", ~visits.is_theft)):
        if (meters := len(np.unique(visits.meter[of]))) < FOLDS:
            raise ValueError(f"{meters} meters were found {what}: to learn takes {FOLDS}")
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=SEED)
    boosted = np.zeros(len(visits))
    for learnt, left in folds.split(visits.seen, visits.is_theft, visits.meter):
        boosted[left] = _boosted(_boosting(visits.of(learnt)), visits.seen[left])
    intercept, boosted_slope, score_slope = _stacked(boosted, visits, weights(visits, most_random))
    return Learnt(
        _boosting(visits), intercept, boosted_slope, score_slope, until, theft=visits.theft, clean=visits.clean
    )


def weights(visits: Visits, most_random: float = 1.0) -> np.ndarray:
    """How many meters a visit stands for, float64 [visits]: a ranked one for itself, a random one for its share of the meters that were not chosen,
    but all random ones together for at most `most_random` times as many as the ranked; at least for itself."""
    random, ranked = int(visits.is_random.sum()), int((~visits.is_random).sum())
    if not random or not ranked:
        return np.ones(len(visits))
    rest = max(float(visits.fleet.mean()) - ranked, 0.0)
    return np.where(visits.is_random, max(min(rest, most_random * ranked) / random, 1.0), 1.0)


def _stacked(boosted: np.ndarray, visits: Visits, weight: np.ndarray) -> tuple[float, float, float]:
    """(Intercept, slope of `boosted`, slope of the score). A slope below zero is chance: what has it is left out."""
    both = np.column_stack([boosted, visits.score])
    intercept, slopes = _logistic(both, visits.is_theft, weight)
    if (slopes < 0).any():
        of = np.array([slopes[0] > slopes[1], slopes[1] >= slopes[0]])
        intercept, slopes = _logistic(both * of, visits.is_theft, weight)
    return intercept, float(slopes[0]), float(slopes[1])


def _logistic(both: np.ndarray, is_theft: np.ndarray, weight: np.ndarray) -> tuple[float, np.ndarray]:
    from sklearn.linear_model import LogisticRegression

    with threadpool_limits(1):
        fitted = LogisticRegression(C=NEARLY_FREE).fit(both, is_theft, sample_weight=weight)
    return float(fitted.intercept_[0]), fitted.coef_[0]


def _boosting(visits: Visits) -> HistGradientBoostingClassifier:
    from sklearn.ensemble import HistGradientBoostingClassifier

    estimator = HistGradientBoostingClassifier(
        max_iter=ROUNDS,
        learning_rate=RATE,
        max_leaf_nodes=LEAVES,
        min_samples_leaf=LEAST_LEAF,
        l2_regularization=PENALTY,
        early_stopping=False,
        random_state=SEED,
    )
    # Threads that wait for a core that others use take ten times as long as one thread.
    with threadpool_limits(1):
        return estimator.fit(visits.seen, visits.is_theft)


def _boosted(estimator: HistGradientBoostingClassifier, seen: np.ndarray) -> np.ndarray:
    with threadpool_limits(1, user_api="openmp"):
        return estimator.decision_function(seen)
