"""Our own detection as a method among others, and what would be made of its evidence without simulated thieves.

What belongs here: verdicts from evidence. What does not: evidence and scores (ml/theft), windows and blocks (theft_windows.py).

No method here knows a label of the fleet that is judged. The taught rankers learnt from simulated thieves of seeds that judge nothing.
Of several windows the one with the highest score counts, with its onset and its stolen energy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ml.evaluation.baselines import SEED
from ml.evaluation.theft_windows import Window, windows
from ml.evaluation.verdicts import Verdict
from ml.theft.evidence import Evidence
from ml.theft.history import FleetHistory
from ml.theft.ranker import matrix
from ml.theft.scores import LEAST_KNOWN_DAYS, scores

EXPECTED_RATE = 0.05
"""Share of meters that are thought to steal: it moves probabilities and no order."""
TREES = 200


def taught_ranker(history: FleetHistory) -> Verdict:
    """The detector as it is shipped: its evidence, with the balance where there is one, judged by its taught rankers."""
    return highest([_verdict(window) for window in windows(history)])


def without_the_balance(history: FleetHistory) -> Verdict:
    """The same as where no transformer has a meter."""
    return taught_ranker(history.without_balance())


def isolation_forest_on_evidence(history: FleetHistory) -> Verdict:
    """An Isolation Forest over the rankers' matrix: what the same evidence says to who was taught nothing. Evidence is shared with taught_ranker."""
    return highest([Verdict(_strangeness(window.evidence)) for window in windows(history)])


def highest(said: Sequence[Verdict]) -> Verdict:
    """Of each meter what that verdict says which gives it the highest score; the first of equals, and where none gives one."""
    scores = np.stack([one.scores for one in said])
    best = np.where(np.isnan(scores), -np.inf, scores).argmax(axis=0)

    def chosen(name: str) -> np.ndarray | None:
        values = [getattr(one, name) for one in said]
        return None if values[0] is None else np.stack(values)[best, np.arange(scores.shape[1])]

    return Verdict(
        scores[best, np.arange(scores.shape[1])], *(chosen(name) for name in ("onset", "stolen_wh", "value"))
    )


def _verdict(window: Window) -> Verdict:
    found = scores(window.evidence, expected_rate=EXPECTED_RATE)
    onset = np.where(found.onset_day >= 0, window.first_day + found.onset_day, np.nan)
    return Verdict(found.score, onset, found.stolen_wh, found.probability * found.stolen_wh)


def _strangeness(evidence: Evidence) -> np.ndarray:
    """How early a forest isolates each meter, [meters]; NaN for those that scores leave out as well."""
    from sklearn.ensemble import IsolationForest

    has_balance = not np.isnan(evidence["balance_gain"]).all()
    seen = matrix(evidence.values, with_balance=has_balance)
    is_known = evidence.known_days >= LEAST_KNOWN_DAYS
    found = np.full(len(seen), np.nan)
    if is_known.any():
        forest = IsolationForest(n_estimators=TREES, random_state=SEED).fit(seen[is_known])
        found[is_known] = -forest.score_samples(seen[is_known])
    return found
