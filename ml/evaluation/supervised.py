"""Rankers that learn from labels, judged on customers they have not seen.

What belongs here: evidence as a matrix, and scores out of fold. What does not: what is evidence (summary_features.py, ml/theft); which model is used
in service.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FOLDS = 5
SEED = 42
LEAST_THIEVES = FOLDS
"""Each fold needs one to learn from and one to be judged by."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of each meter: `values` float64 [meters, features], NaN where it cannot be told.

    `names` has one for each feature; `of_missingness` bool [features] says which tell of readings that did not come, and nothing else.
    """

    values: np.ndarray
    names: tuple[str, ...]
    of_missingness: np.ndarray

    def without_missingness(self) -> Evidence:
        """Without those features, and with what cannot be told set to the feature's median: a gap must not tell by its place either."""
        kept = ~self.of_missingness
        values = self.values[:, kept]
        known = np.where(np.isnan(values).all(axis=0), 0.0, values)
        values = np.where(np.isnan(values), np.nanmedian(known, axis=0), values)
        names = tuple(name for name, is_kept in zip(self.names, kept, strict=True) if is_kept)
        return Evidence(values, names, self.of_missingness[kept])


def out_of_fold_scores(
    evidence: np.ndarray, is_theft: np.ndarray, customer: np.ndarray, *, folds: int = FOLDS, seed: int = SEED
) -> np.ndarray:
    """Probability of theft of each meter by a model that saw no meter of its customer, float64 [meters].

    Histogram gradient boosting with scikit-learn's defaults on `evidence` float64 [meters, features], NaN being a value of its own; folds
    by `customer`, thieves spread evenly. Nothing is resampled and nothing is chosen on a fold. Scores are comparable within
    a fold only as far as folds are alike. Raises ValueError with fewer than LEAST_THIEVES customers that steal, or that do not.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedGroupKFold
    from threadpoolctl import threadpool_limits

    for what, of in (("steal", is_theft), ("do not", ~is_theft)):
        if (count := len(np.unique(customer[of]))) < max(folds, LEAST_THIEVES):
            raise ValueError(f"{count} customers {what}: cross-validation in {folds} parts needs {folds} or more")
    scores = np.full(len(evidence), np.nan)
    splits = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(evidence, is_theft, customer)
    for learnt, judged in splits:
        # Early stopping would set aside a part that ignores customers.
        model = HistGradientBoostingClassifier(random_state=seed, early_stopping=False)
        # Threads that wait for a core that others use take ten times as long as one thread.
        with threadpool_limits(1):
            scores[judged] = model.fit(evidence[learnt], is_theft[learnt]).predict_proba(evidence[judged])[:, 1]
    return scores
