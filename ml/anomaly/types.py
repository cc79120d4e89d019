"""What kind of anomaly a flagged reading is, and the two numbers that explain it.

What belongs here: a few rules on the same features that the forest saw.
What does not: whether a reading is anomalous; the detector has said so before these rules are asked.
"""

from __future__ import annotations

import numpy as np

from ml.anomaly.features import ReadingFeatures

TYPES = ("flat", "drift", "drop", "spike", "unusual_pattern")
"""In order of precedence. With the logarithmic features of ml.anomaly.features:

flat             the last 24 hours vary by less than a tenth of what they did in the week before, at a level above zero
drift            the mean of the last 24 hours has left that of the week before by a fifth or more, its second half
                 from the first by a third as much the same way, and the reading is no further off than twice that
drop             less than half of what is expected at this time (both plus 1 Wh, so that standby is neither)
spike            more than twice of what is expected at this time, likewise
unusual_pattern  none of these: the combination is rare, no single number is
"""

FLAT_STD_RATIO = 0.1
FLAT_LEVEL_RATIO = 0.05
DRIFT_RATIO = 1.2
DRIFT_TREND_SHARE = 1 / 3
DRIFT_REACH = 2.0
DROP_RATIO = 0.5
SPIKE_RATIO = 2.0


def anomaly_types(features: ReadingFeatures, flags: np.ndarray) -> np.ndarray:
    """Type of each flagged reading, one of `TYPES`, "" if not flagged: str [readings]; `flags` is bool [readings]."""
    off = np.log((features.wh + 1.0) / (features.expected_wh + 1.0))
    moved = features.column("rolling_24h_mean")
    variation, trend = features.column("rolling_24h_std"), features.trend[features.meter_index]
    is_flat = (variation < np.log(FLAT_STD_RATIO)) & (moved > np.log(FLAT_LEVEL_RATIO))
    is_drift = (
        (np.abs(moved) >= np.log(DRIFT_RATIO))
        & (trend * np.sign(moved) >= DRIFT_TREND_SHARE * np.abs(moved))
        & (np.abs(off) <= DRIFT_REACH * np.abs(moved))
    )
    rules = [is_flat, is_drift, off < np.log(DROP_RATIO), off > np.log(SPIKE_RATIO), np.ones_like(flags, dtype=bool)]
    return np.select([flags & rule for rule in rules], TYPES, default="")


def deviation(features: ReadingFeatures) -> np.ndarray:
    """Reading ÷ expected, float32 [readings]: 1 is as expected, 0 nothing at all, NaN where nothing was expected."""
    expected = features.expected_wh
    ratio = np.divide(features.wh, expected, out=np.full(len(expected), np.nan, dtype=np.float32), where=expected > 0)
    return np.round(ratio, 4)
