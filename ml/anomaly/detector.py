"""An Isolation Forest over reading features: fit on what it is given, score, and say what it was fitted on.

What belongs here: the model and its metadata.
What does not: which days it may be fitted on (the caller decides, never the ones it will score), and the model's file.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.anomaly.features import FEATURE_NAMES
from ml.cores import cores

if TYPE_CHECKING:
    from sklearn.ensemble import IsolationForest

TREES = 100
TREE_SAMPLES = 1024
"""Readings per tree. The usual 256 score a fifth faster, and flag 4 of 10 simulated drops to zero instead of 9."""

SCORE_DECIMALS = 6
CHUNK_ROWS = 65_536


@dataclass(frozen=True, eq=False)
class AnomalyModel:
    """A fitted forest and all that says where it comes from. A reading scored at or above `threshold` is flagged."""

    estimator: IsolationForest
    feature_names: tuple[str, ...]
    threshold: float
    is_threshold_fixed: bool
    share: float
    seed: int
    row_count: int
    first_day: date | None = None
    last_day: date | None = None
    libraries: Mapping[str, str] = field(default_factory=dict)

    def metadata(self) -> dict[str, Any]:
        """Everything but the forest, as plain JSON values."""
        return {
            "kind": "isolation_forest",
            "feature_names": list(self.feature_names),
            "threshold": self.threshold,
            "is_threshold_fixed": self.is_threshold_fixed,
            "share": self.share,
            "seed": self.seed,
            "row_count": self.row_count,
            "first_day": self.first_day.isoformat() if self.first_day else None,
            "last_day": self.last_day.isoformat() if self.last_day else None,
            "libraries": dict(self.libraries),
        }

    @classmethod
    def restore(cls, estimator: IsolationForest, metadata: Mapping[str, Any]) -> AnomalyModel:
        """The model that `metadata()` and its forest describe. Raises KeyError where metadata lacks a field."""
        return cls(
            estimator=estimator,
            feature_names=tuple(metadata["feature_names"]),
            threshold=metadata["threshold"],
            is_threshold_fixed=metadata["is_threshold_fixed"],
            share=metadata["share"],
            seed=metadata["seed"],
            row_count=metadata["row_count"],
            first_day=_day(metadata["first_day"]),
            last_day=_day(metadata["last_day"]),
            libraries=metadata["libraries"],
        )


def fit(
    samples: np.ndarray,
    *,
    share: float,
    threshold: float | None,
    seed: int,
    window: tuple[date, date] | None = None,
    feature_names: tuple[str, ...] = FEATURE_NAMES,
) -> AnomalyModel:
    """Fit on `samples`, float32 [n, features], and on nothing else; the order of rows does not matter.

    `threshold` is kept where given; otherwise it is the lowest score that at most a `share` of the samples reaches.
    `window` is the first and last day that the samples come from, for the record. Raises ValueError without rows, with
    the wrong number of columns, or with NaN.
    """
    from sklearn.ensemble import IsolationForest

    if samples.ndim != 2 or samples.shape[1] != len(feature_names) or not len(samples):
        raise ValueError(f"fit needs rows of {len(feature_names)} features, got an array of shape {samples.shape}")
    if not np.isfinite(samples).all():
        raise ValueError("fit needs finite features: compute them with reading_features, which fills what is unknown")
    ordered = np.ascontiguousarray(samples[np.lexsort(samples.T)], dtype=np.float32)
    forest = IsolationForest(n_estimators=TREES, max_samples=min(TREE_SAMPLES, len(ordered)), random_state=seed).fit(
        ordered
    )
    first_day, last_day = window or (None, None)
    return AnomalyModel(
        estimator=forest,
        feature_names=feature_names,
        threshold=_reached_by(share, _scores(forest, ordered, cores())) if threshold is None else float(threshold),
        is_threshold_fixed=threshold is not None,
        share=share,
        seed=seed,
        row_count=len(ordered),
        first_day=first_day,
        last_day=last_day,
        libraries=_libraries(),
    )


def score(model: AnomalyModel, matrix: np.ndarray, *, threads: int | None = None) -> np.ndarray:
    """Anomaly score of each row, float32 [rows] from 0 to 1 with six decimals; higher is stranger, 0.5 is unremarkable.

    A row's score depends on the row and the model only, not on its neighbours, on chunks or on `threads` (default: all
    cores). Raises ValueError where the matrix has other columns than the model was fitted on.
    """
    if matrix.ndim != 2 or matrix.shape[1] != len(model.feature_names):
        raise ValueError(
            f"the model was fitted on {len(model.feature_names)} features, got an array of shape {matrix.shape}"
        )
    return _scores(model.estimator, matrix, threads or cores()).astype(np.float32)


def is_anomalous(model: AnomalyModel, scores: np.ndarray) -> np.ndarray:
    """Which scores reach the model's threshold, bool [rows]; compared as the float32 that is stored."""
    return scores >= np.float32(model.threshold)


def _reached_by(share: float, scores: np.ndarray) -> float:
    """The lowest score that at most `share` of `scores` reach; just above them all where even the highest is common."""
    values, first = np.unique(np.sort(scores), return_index=True)
    rare = values[(len(scores) - first) <= share * len(scores)]
    return round(float(rare[0] if len(rare) else values[-1] + 10.0**-SCORE_DECIMALS), SCORE_DECIMALS)


def _scores(forest: IsolationForest, matrix: np.ndarray, threads: int) -> np.ndarray:
    """Rounded scores, float64.

    Threads share rows, not trees: so a row's sum over trees keeps one order, and with it its last bit.
    """
    chunks = [matrix[start : start + CHUNK_ROWS] for start in range(0, len(matrix), CHUNK_ROWS)]
    if not chunks:
        return np.empty(0)
    with ThreadPoolExecutor(threads) as pool:
        return np.round(-np.concatenate(list(pool.map(forest.score_samples, chunks))), SCORE_DECIMALS)


def _libraries() -> dict[str, str]:
    from importlib.metadata import version

    names = ("numpy", "scikit-learn", "scipy", "skops")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
