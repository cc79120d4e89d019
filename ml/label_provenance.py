"""Where delivered anomaly labels come from: is a label evidence, or is it another program's guess?

What belongs here: the check that a data set's labels are an Isolation Forest's own output, and that its readings have
no structure that a meter's would have; detection quality measured on such labels means nothing.
What does not: detection (anomaly/).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

LAGS = 48
WHITE_BAND = 4.0
"""Autocorrelations of white noise lie within ±4/√n at all of 48 lags in 997 of 1,000 series."""
HOUR_BAND = 3.0
"""The hour of the day explains (24 - 1)/n of white noise on average; up to three times that passes for nothing."""


@dataclass(frozen=True)
class Agreement:
    """How far an Isolation Forest repeats labels: `matches` of `total` readings, `labelled` of them labelled abnormal.

    `other_seeds_low` and `other_seeds_high` are the least and the largest share of the labelled readings that forests
    of other seeds find.
    """

    matches: int
    total: int
    labelled: int
    seed: int
    contamination: float
    other_seeds_low: float
    other_seeds_high: float

    @property
    def is_reproduced(self) -> bool:
        """Whether the labels are this very forest's output; labels without a single positive prove nothing."""
        return 0 < self.labelled < self.total and self.matches == self.total


@dataclass(frozen=True)
class NoiseEvidence:
    """What is left of a meter's structure, beside what white noise of this length stays below: the largest absolute
    autocorrelation of the first 48 lags, and the share of the variance that the hour of the day explains."""

    largest_autocorrelation: float
    autocorrelation_limit: float
    hour_variance_share: float
    hour_variance_limit: float

    @property
    def is_white_noise(self) -> bool:
        return (
            self.largest_autocorrelation <= self.autocorrelation_limit
            and self.hour_variance_share <= self.hour_variance_limit
        )


def isolation_forest_label_agreement(
    consumption: np.ndarray,
    past_average: np.ndarray,
    labels: np.ndarray,
    seed: int = 42,
    contamination: float = 0.05,
    other_seeds: Iterable[int] = range(5),
) -> Agreement:
    """Compare `labels` (bool [n], true = abnormal) with forests on `[consumption, past_average]` (float64 [n] each).

    Values must be the delivered ones, in the order of time: rounded to watt-hours or shuffled they give another forest.
    Raises ValueError where the arrays differ in length or are empty.
    """
    if not len(consumption) or not len(consumption) == len(past_average) == len(labels):
        raise ValueError(f"need as many labels as readings, got {len(consumption)}, {len(past_average)}, {len(labels)}")
    values, labels = np.column_stack([consumption, past_average]), np.asarray(labels, dtype=bool)
    others = [_found(values, labels, other, contamination) for other in other_seeds if other != seed]
    return Agreement(
        matches=int((_outliers(values, seed, contamination) == labels).sum()),
        total=len(labels),
        labelled=int(labels.sum()),
        seed=seed,
        contamination=contamination,
        other_seeds_low=min(others, default=0.0),
        other_seeds_high=max(others, default=0.0),
    )


def noise_evidence(consumption: np.ndarray, hour: np.ndarray) -> NoiseEvidence:
    """Look for a meter's structure in `consumption`, float [n] in order of time and without gaps, at `hour`, int [n].

    A constant is all structure. Raises ValueError for fewer than 100 readings: nothing can be said about them.
    """
    n = len(consumption)
    if n < 100:
        raise ValueError(f"{n} readings are too few to tell noise from structure: 100 are needed")
    centred = consumption - consumption.mean()
    energy = float(centred @ centred)
    if not energy:
        return NoiseEvidence(1.0, WHITE_BAND / math.sqrt(n), 1.0, HOUR_BAND * 23 / n)
    autocorrelations = [abs(float(centred[:-lag] @ centred[lag:])) / energy for lag in range(1, LAGS + 1)]
    count = np.bincount(hour, minlength=24)
    sums = np.bincount(hour, weights=centred, minlength=24)
    explained = float((sums**2 / np.maximum(count, 1)).sum()) / energy
    return NoiseEvidence(max(autocorrelations), WHITE_BAND / math.sqrt(n), explained, HOUR_BAND * 23 / n)


def statement(agreement: Agreement, noise: NoiseEvidence) -> str:
    """One sentence for a summary, saying no more than the two findings do."""
    same = f"{agreement.matches:,} of {agreement.total:,} labels"
    forest = f"an Isolation Forest (seed {agreement.seed}, contamination {agreement.contamination:.0%})"
    if agreement.is_reproduced:
        found = (
            f"{forest} repeats {same} (other seeds find {agreement.other_seeds_low:.0%} to "
            f"{agreement.other_seeds_high:.0%} of the {agreement.labelled:,} abnormal ones): "
            f"they are its output, not an observation"
        )
    else:
        found = f"{forest} repeats {same}: they come from something else"
    numbers = (
        f"autocorrelation at most {noise.largest_autocorrelation:.3f}, hour of day explains "
        f"{noise.hour_variance_share:.1%} of the variance"
    )
    structure = (
        f"consumption is white noise ({numbers})" if noise.is_white_noise else f"consumption has structure ({numbers})"
    )
    ending = "; this data says nothing about detection" if agreement.is_reproduced or noise.is_white_noise else ""
    return f"{found[0].upper()}{found[1:]}; {structure}{ending}."


def _outliers(values: np.ndarray, seed: int, contamination: float) -> np.ndarray:
    from sklearn.ensemble import IsolationForest

    return IsolationForest(contamination=contamination, random_state=seed).fit_predict(values) == -1


def _found(values: np.ndarray, labels: np.ndarray, seed: int, contamination: float) -> float:
    """Share of the labelled readings that a forest of `seed` also finds."""
    found = _outliers(values, seed, contamination)
    return float((found & labels).sum() / max(labels.sum(), 1))
