"""What a score says: how likely, since when, how much.

What belongs here: turning evidence and a ranker's score into what a case needs. What does not: reasons (reasons.py), money.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from ml.forecast.day_ahead import NINETY_PERCENT
from ml.theft.evidence import Evidence
from ml.theft.explain import NOBODY
from ml.theft.learnt import Learnt, seen_by
from ml.theft.ranker import theft_scores

SCORED, TOO_FEW_DAYS = "scored", "too_few_days"
STATUSES = (SCORED, TOO_FEW_DAYS)
LEAST_KNOWN_DAYS = 14
"""Of the last four weeks: a meter that was silent for longer is a matter of communication, and is not scored."""
LEAST_FALL_T = 3.0
UNBOUGHT_SHARE, UNBOUGHT_SCORE = 0.5, 0.5
"""A prepaid meter that used twice what was bought for it has at least that score."""


@dataclass(frozen=True, eq=False)
class Scores:
    """Of each meter, [meters]: `score` 0 to 1, NaN where not scored; `probability` under the expected rate, or as labels say; `onset_day` an index of the traits'
    days, −1 where not known; stolen energy in Wh a day with its 90 % interval, NaN where not known."""

    score: np.ndarray
    probability: np.ndarray
    status: np.ndarray
    onset_day: np.ndarray
    stolen_wh: np.ndarray
    stolen_low_wh: np.ndarray
    stolen_high_wh: np.ndarray


def scores(
    evidence: Evidence,
    *,
    expected_rate: float,
    unbought_share: np.ndarray | None = None,
    learnt: Learnt | None = None,
) -> Scores:
    """Scores of a fleet. `expected_rate` is the share of meters that are thought to steal; `unbought_share` [meters] the share of a prepaid
    meter's use that was never bought, NaN where not known. With a ranker that was `learnt` from inspections, score and probability are both its
    probability, and `expected_rate` is not read."""
    score = unsupervised_score(evidence, unbought_share)
    probability = prior_probability(score, expected_rate)
    if learnt is not None:
        score = probability = np.where(np.isnan(score), np.nan, learnt.probability(seen_by(evidence.values, score)))
    is_known = ~np.isnan(score)
    stolen, low, high = stolen_energy(evidence)
    return Scores(
        score,
        probability,
        np.where(is_known, SCORED, TOO_FEW_DAYS),
        onset_day(evidence),
        *(np.where(is_known, one, np.nan) for one in (stolen, low, high)),
    )


def unsupervised_score(evidence: Evidence, unbought_share: np.ndarray | None = None) -> np.ndarray:
    """Score of each meter by the shipped rankers and its purchases, 0 to 1, NaN where too few days are known: float64 [meters]."""
    is_known = evidence.known_days >= LEAST_KNOWN_DAYS
    score = np.where(is_known, theft_scores(evidence.values), np.nan)
    if unbought_share is None:
        return score
    is_unbought = is_known & (np.nan_to_num(unbought_share) >= UNBOUGHT_SHARE)
    return np.where(is_unbought, np.maximum(score, UNBOUGHT_SCORE), score)


def prior_probability(score: np.ndarray, expected_rate: float) -> np.ndarray:
    """Probabilities in the order of `score` [meters] whose mean is `expected_rate`: the scores' odds, all times one factor; NaN stays NaN.

    The prior shift of Saerens, Latinne and Decaestecker, "Adjusting the Outputs of a Classifier to New a Priori Probabilities" (Neural
    Computation 14(1), 2002), with the rate given.
    """
    known = score[~np.isnan(score)]
    if not len(known):
        return score.copy()
    odds = np.log(np.clip(known, 1e-6, 1 - 1e-6) / (1 - np.clip(known, 1e-6, 1 - 1e-6)))

    def too_many(shift: float) -> float:
        return float((1 / (1 + np.exp(-(odds + shift)))).mean()) - expected_rate

    found = score.copy()
    found[~np.isnan(score)] = 1 / (1 + np.exp(-(odds + brentq(too_many, -40.0, 40.0))))
    return found


def onset_day(evidence: Evidence) -> np.ndarray:
    """Since when: the day from which the loss is explained, else of the strongest fall, else of the strongest change; −1 where none is clear."""
    by_change = np.where(evidence.onset_day > 0, evidence.onset_day, -1)
    by_fall = np.where((-evidence["drop_t"] >= LEAST_FALL_T) & (evidence.drop_day > 0), evidence.drop_day, by_change)
    explained = evidence.explanation
    if explained is None:
        return by_fall
    is_since = (explained.way != NOBODY) & (explained.since > 0)
    return np.where(is_since, explained.since, by_fall)


def stolen_energy(evidence: Evidence) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(Wh a day, its 5th and its 95th percentile), [meters] each: what explains the loss, else what is missing since the level fell."""
    missing = 24 * (evidence.before_w * (1 + np.nan_to_num(evidence.fleet_change)) - evidence.after_w)
    fell = (-evidence["drop_t"] >= LEAST_FALL_T) & (missing > 0)
    stolen = np.where(fell, missing, np.nan)
    spread = NINETY_PERCENT * stolen / np.maximum(-evidence["drop_t"], 1.0)
    low, high = np.maximum(stolen - spread, 0.0), stolen + spread
    explained = evidence.explanation
    if explained is None:
        return stolen, low, high
    is_explained = (explained.way != NOBODY) & (explained.stolen_wh > 0)
    return (
        np.where(is_explained, explained.stolen_wh, stolen),
        np.where(is_explained, explained.stolen_low_wh, low),
        np.where(is_explained, explained.stolen_high_wh, high),
    )
