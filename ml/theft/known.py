"""Statistics of what is known: NaN is a value that nobody has, and a row of nothing has no statistic.

What belongs here: numpy's own with NaN, without their warnings, and a median that sorts once instead of masking, which takes a tenth of the time.
"""

from __future__ import annotations

import numpy as np


def mean(values: np.ndarray, axis: int = 0) -> np.ndarray:
    count = (~np.isnan(values)).sum(axis=axis)
    return np.where(count > 0, np.nansum(values, axis=axis) / np.maximum(count, 1), np.nan)


def std(values: np.ndarray, axis: int = 0) -> np.ndarray:
    return np.sqrt(mean((values - np.expand_dims(mean(values, axis), axis)) ** 2, axis))


def median(values: np.ndarray, axis: int = 0) -> np.ndarray:
    if not values.shape[axis]:
        return np.full(np.delete(values.shape, axis), np.nan)
    ordered = np.sort(values, axis=axis)  # NaN last
    count = (~np.isnan(values)).sum(axis=axis)
    low, high = (np.expand_dims(np.maximum(at, 0), axis) for at in ((count - 1) // 2, count // 2))
    high = np.minimum(high, values.shape[axis] - 1)
    low, high = (np.take_along_axis(ordered, at, axis).squeeze(axis) for at in (low, high))
    return np.where(count > 0, (low + high) / 2, np.nan)
