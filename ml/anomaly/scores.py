"""Scores of readings as a table: what an analyst reads, and what is stored.

What belongs here: putting score, flag and type of each reading side by side. What does not: computing them (detector.py, types.py).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from ml.anomaly import detector, types
from ml.anomaly.detector import AnomalyModel
from ml.anomaly.features import ReadingFeatures

SCHEMA = pa.schema(
    [
        ("reading_date", pa.date32()),
        ("meter_id", pa.string()),
        ("reading_at", pa.timestamp("us", tz="UTC")),
        ("accepted_wh", pa.int64()),
        ("expected_wh", pa.float64()),
        ("anomaly_score", pa.float64()),
        ("is_anomaly", pa.bool_()),
        ("anomaly_type", pa.string()),
        ("score_status", pa.string()),
        ("model_version", pa.string()),
    ]
)


def score_table(features: ReadingFeatures, model: AnomalyModel | None, version: str | None) -> pa.Table:
    """A score for each reading, as `SCHEMA`; without a model the scores are null and say so."""
    count = len(features)
    expected = np.round(features.expected_wh.astype(np.float64), 3)
    if model is None:
        scores = flags = kinds = versions = pa.nulls(count)
    else:
        raw = detector.score(model, features.matrix)
        is_anomaly = detector.is_anomalous(model, raw)
        scores = pa.array(np.round(raw.astype(np.float64), detector.SCORE_DECIMALS))
        flags = pa.array(is_anomaly)
        kinds = pa.array(types.anomaly_types(features, is_anomaly), mask=~is_anomaly)
        versions = pa.repeat(version, count)
    return pa.table(
        [
            pa.repeat(pa.scalar(features.day, pa.date32()), count),
            pa.array(features.meter_id),
            pa.array(features.reading_at.astype("datetime64[us]")),
            pa.array(features.wh.astype(np.int64)),
            pa.array(expected, from_pandas=True),
            scores,
            flags,
            kinds,
            pa.repeat("no_model" if model is None else "scored", count),
            versions,
        ],
        names=SCHEMA.names,
    ).cast(SCHEMA)
