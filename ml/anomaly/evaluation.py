"""How flags on readings agree with anomalies that are known because somebody planted them.

What belongs here: which reading lies in which planted anomaly, and the counts that follow. What does not: scores
(detector.py), curves over thresholds (scikit-learn has them), and theft, which is judged by case and not by reading.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ml.anomaly import HISTORY_DAYS

ECHO = np.timedelta64(HISTORY_DAYS, "D")
"""For so long after an anomaly its readings are in what its meter's later readings are compared with."""


@dataclass(frozen=True, eq=False)
class Planted:
    """Known anomalies: of `meter_id` (str), in [`started_at`, `ended_at`) (UTC, datetime64[s]), of `kind` (str); each [n].

    Those of one meter must not overlap. Else raises ValueError.
    """

    meter_id: np.ndarray
    started_at: np.ndarray
    ended_at: np.ndarray
    kind: np.ndarray

    def __post_init__(self) -> None:
        order = np.lexsort([self.started_at, self.meter_id])
        meter, started, ended = self.meter_id[order], self.started_at[order], self.ended_at[order]
        overlaps = (meter[1:] == meter[:-1]) & (started[1:] < ended[:-1])
        if overlaps.any():
            raise ValueError(f"planted anomalies of {meter[1:][overlaps][0]} overlap: a reading would lie in two")

    def __len__(self) -> int:
        return len(self.meter_id)

    def holding(self, meter_id: np.ndarray, reading_at: np.ndarray) -> np.ndarray:
        """Index of the anomaly that holds each reading, -1 where none does: intp [readings]."""
        index, at = self._latest(meter_id, reading_at)
        return np.where((index >= 0) & (at < self._ended(index)), index, -1)

    def echoing(self, meter_id: np.ndarray, reading_at: np.ndarray) -> np.ndarray:
        """Whether a reading lies outside each anomaly, but within `ECHO` after one of its meter: bool [readings]."""
        index, at = self._latest(meter_id, reading_at)
        ended = self._ended(index)
        return (index >= 0) & (at >= ended) & (at < ended + ECHO)

    def _ended(self, index: np.ndarray) -> np.ndarray:
        """When the anomalies of `index` ended, 1970 where it is -1."""
        return np.append(self.ended_at.astype("datetime64[s]"), np.datetime64(0, "s"))[index]

    def _latest(self, meter_id: np.ndarray, reading_at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Index of the latest anomaly of the reading's meter that has started, -1 without one; and the readings' instants."""
        at = reading_at.astype("datetime64[s]")
        if not len(self):
            return np.full(len(at), -1, dtype=np.intp), at
        meters, planted_code = np.unique(self.meter_id, return_inverse=True)
        code = np.minimum(np.searchsorted(meters, meter_id), len(meters) - 1)
        started = self.started_at.astype("datetime64[s]")
        order = np.lexsort([started, planted_code])
        # Meter and instant as one ascending number: seconds since 1970 fit in 40 bits.
        keys = (planted_code[order].astype(np.int64) << 40) + started[order].astype(np.int64)
        place = np.searchsorted(keys, (code.astype(np.int64) << 40) + at.astype(np.int64), side="right") - 1
        index = order[np.maximum(place, 0)]
        is_of_meter = (place >= 0) & (planted_code[index] == code) & (meters[code] == meter_id)
        return np.where(is_of_meter, index, -1), at


@dataclass(frozen=True)
class Agreement:
    """Counts of readings: of all, those flagged, those that lie in a planted anomaly, both, and flagged echoes of one.

    `kinds` says by kind how many planted anomalies were scored at all, and how many had any reading flagged.
    """

    readings: int
    flagged: int
    planted: int
    hits: int
    echoes: int
    kinds: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def precision(self) -> float:
        """Share of the flagged readings that lie in a planted anomaly; NaN without any flagged."""
        return self.hits / self.flagged if self.flagged else float("nan")

    @property
    def recall(self) -> float:
        """Share of the readings in planted anomalies that are flagged; NaN without any planted."""
        return self.hits / self.planted if self.planted else float("nan")

    @property
    def attainable_precision(self) -> float:
        """Precision of flags that hold every planted reading, at as many flags; NaN without any flagged."""
        return min(self.planted / self.flagged, 1.0) if self.flagged else float("nan")


def agreement(planted: Planted, meter_id: np.ndarray, reading_at: np.ndarray, is_flagged: np.ndarray) -> Agreement:
    """Compare flags on readings (`meter_id` str, `reading_at` UTC datetime64, `is_flagged` bool; each [readings])."""
    holding = planted.holding(meter_id, reading_at)
    inside = holding >= 0
    scored, found = np.unique(holding[inside]), np.unique(holding[inside & is_flagged])
    kinds = {
        str(kind): (int((planted.kind[scored] == kind).sum()), int((planted.kind[found] == kind).sum()))
        for kind in np.unique(planted.kind[scored])
    }
    return Agreement(
        readings=len(holding),
        flagged=int(is_flagged.sum()),
        planted=int(inside.sum()),
        hits=int((inside & is_flagged).sum()),
        echoes=int((is_flagged & planted.echoing(meter_id, reading_at)).sum()),
        kinds=kinds,
    )
