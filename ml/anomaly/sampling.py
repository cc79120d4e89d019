"""Which readings of a day a model is trained on: a sample that depends on who and when, not on position.

What belongs here: the draw.
What does not: which days are drawn from; the caller decides, and leaves out those that the model will score.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import numpy as np

from ml.anomaly.features import FEATURE_NAMES, ReadingFeatures


def training_sample(features: Iterable[ReadingFeatures], *, per_day_cap: int, seed: int) -> np.ndarray:
    """At most `per_day_cap` rows of one day, float32 [rows, features].

    `features` are the day's pieces (interval lengths, blocks of meters), consumed one at a time. Every reading has a
    pseudo-random key made of `seed`, meter and instant; the smallest keys are taken, in their order. So the sample is
    the same for any order of meters and any chunking, and further meters displace only as many rows as they bring.
    Raises ValueError where the pieces are of several days.
    """
    keys, rows = np.empty(0, dtype=np.uint64), np.empty((0, len(FEATURE_NAMES)), dtype=np.float32)
    days: set[date] = set()
    for piece in features:
        days.add(piece.day)
        if len(days) > 1:
            raise ValueError(f"a training sample is of one day, got {sorted(map(str, days))}")
        own = _keys(piece, seed)
        taken = _smallest(own, per_day_cap)
        keys, rows = np.concatenate([keys, own[taken]]), np.concatenate([rows, piece.matrix[taken]])
        taken = _smallest(keys, per_day_cap)
        keys, rows = keys[taken], rows[taken]
    return rows


def _smallest(keys: np.ndarray, count: int) -> np.ndarray:
    """Indices of the `count` smallest keys, in ascending order of key."""
    candidates = np.argpartition(keys, count)[:count] if len(keys) > count else np.arange(len(keys))
    return candidates[np.argsort(keys[candidates], kind="stable")]


def _keys(features: ReadingFeatures, seed: int) -> np.ndarray:
    """One pseudo-random number per reading, uint64 [readings]; pandas documents its hashes as deterministic."""
    from pandas.util import hash_array

    meters = hash_array(features.meter_ids.astype(object), hash_key=f"{seed:016d}"[-16:], categorize=False)
    moments = features.slot_starts[features.slot_index].astype(np.int64).astype(np.uint64)
    return hash_array(meters[features.meter_index] ^ hash_array(moments))
