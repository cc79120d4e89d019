"""A local day of many meters as one matrix: how profiles come out of Arrow and are looked up by meter and slot.

What belongs here: the day's matrix, its clock, and the weather beside it.
What does not: what is computed from them (anomaly/), and where they are stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

INTERVALS = (15, 30, 60, 1440)
"""Interval lengths in minutes that a profile may have."""

LONGEST_DAY_HOURS = 27
"""No zone has had a longer local day; a longer profile is a mistake of whoever made it."""

WEATHER_CARRIES_FOR = np.timedelta64(3, "h")
"""An observation stands for slots after it that have none of their own, so long."""


class ProfileError(ValueError):
    """Profiles that cannot be a local day; the message says of which day and why."""


@dataclass(frozen=True, eq=False)
class DayProfiles:
    """Energy of one local day, of all meters that read at one interval length.

    `wh` is float32 [meters, slots] in watt-hours, NaN where there is no accepted reading; slot k starts k intervals of
    elapsed time after `starts_at`, local midnight in UTC. `meter_ids` is sorted and unique. Else raises ProfileError.
    """

    day: date
    starts_at: np.datetime64
    interval_minutes: int
    meter_ids: np.ndarray
    wh: np.ndarray

    def __post_init__(self) -> None:
        if self.interval_minutes not in INTERVALS:
            raise ProfileError(f"{self.day}: interval of {self.interval_minutes} minutes is not one of {INTERVALS}")
        if self.wh.ndim != 2 or len(self.wh) != len(self.meter_ids):
            raise ProfileError(f"{self.day}: {len(self.meter_ids)} meters do not fit a matrix of shape {self.wh.shape}")
        if np.any(self.meter_ids[1:] <= self.meter_ids[:-1]):
            raise ProfileError(
                f"{self.day}: meters at {self.interval_minutes} minutes must be sorted and come once each"
            )
        if self.interval_minutes < 1440 and self.slots * self.interval_minutes > LONGEST_DAY_HOURS * 60:
            raise ProfileError(f"{self.day}: {self.slots} slots of {self.interval_minutes} minutes are more than a day")

    @property
    def slots(self) -> int:
        return self.wh.shape[1]

    @property
    def meters(self) -> int:
        return len(self.meter_ids)

    def slot_starts(self) -> np.ndarray:
        """UTC instants at which the slots start, datetime64[s] [slots]."""
        return self.starts_at.astype("datetime64[s]") + np.arange(self.slots) * np.timedelta64(
            self.interval_minutes * 60, "s"
        )

    def clock_minutes(self, zone: tzinfo) -> np.ndarray:
        """What the clock on the wall shows when each slot starts, in minutes after midnight: int16 [slots]."""
        return clock_minutes(self.slot_starts(), zone)

    def rows_of(self, meter_ids: np.ndarray) -> np.ndarray:
        """Row of each of `meter_ids`, -1 where the meter is not here: intp [len(meter_ids)]."""
        if not self.meters:
            return np.full(len(meter_ids), -1, dtype=np.intp)
        at = np.minimum(np.searchsorted(self.meter_ids, meter_ids), self.meters - 1)
        return np.where(self.meter_ids[at] == meter_ids, at, -1)

    def blocks(self, meters: int) -> Iterator[DayProfiles]:
        """The same day in pieces of at most `meters` meters, so that what is computed from one fits in memory."""
        for start in range(0, self.meters, meters):
            part = slice(start, start + meters)
            yield DayProfiles(self.day, self.starts_at, self.interval_minutes, self.meter_ids[part], self.wh[part])


def clock_minutes(instants: np.ndarray, zone: tzinfo) -> np.ndarray:
    """What the clock on the wall shows at `instants` (UTC, datetime64[s]), in minutes after midnight: int16 [instants]."""
    local = (datetime.fromtimestamp(int(s), UTC).astimezone(zone) for s in instants.astype(np.int64))
    return np.fromiter((t.hour * 60 + t.minute for t in local), dtype=np.int16, count=len(instants))


@dataclass(frozen=True, eq=False)
class DayWeather:
    """Weather observed on one day where the meters are: instants (UTC, datetime64) and values, NaN where not observed.

    Several observations of one slot (of several stations, or more frequent than the interval) are averaged.
    """

    observed_at: np.ndarray
    temperature_c: np.ndarray
    humidity_pct: np.ndarray
    wind_speed_kmh: np.ndarray

    def by_slot(self, name: str, slot_starts: np.ndarray, interval_minutes: int) -> np.ndarray:
        """`name` (temperature_c, …) in slots that follow each other: float64 [slots], all NaN where none holds an observation.

        Mean of a slot's observations; else of the latest slot up to three hours before; else of all slots.
        """
        slots = len(slot_starts)
        observed = ~np.isnan(getattr(self, name))
        at, values = self.observed_at[observed].astype("datetime64[s]"), getattr(self, name)[observed]
        length = np.timedelta64(interval_minutes * 60, "s")
        slot = (at - slot_starts[0]) // length if slots else at.astype(np.int64)
        inside = (slot >= 0) & (slot < slots)
        if not inside.any():
            return np.full(slots, np.nan)
        slot, values = slot[inside].astype(np.intp), np.asarray(values, dtype=np.float64)[inside]
        count = np.bincount(slot, minlength=slots)
        mean = np.bincount(slot, weights=values, minlength=slots) / np.maximum(count, 1)
        latest = np.maximum.accumulate(np.where(count > 0, np.arange(slots), -1))
        age = (np.arange(slots) - latest) * length
        return np.where((latest >= 0) & (age <= WEATHER_CARRIES_FOR), mean[latest], values.mean())


def from_arrow(table: pa.Table, day: date, starts_at: np.datetime64) -> list[DayProfiles]:
    """The profiles of one local day, one `DayProfiles` per interval length, shortest interval first.

    `table` holds `meter_id` (string), `interval_minutes` (integer) and `profile_wh` (list of integers, null where
    there is no accepted reading), in any order of rows. A profile shorter than the longest is missing at its end.
    Raises ProfileError where a meter comes twice, and KeyError where a column is absent.
    """
    intervals = table["interval_minutes"]
    return [
        _of_one_interval(table.filter(pc.equal(intervals, minutes)), day, starts_at, minutes)
        for minutes in sorted(pc.unique(intervals).to_pylist())
    ]


def _of_one_interval(table: pa.Table, day: date, starts_at: np.datetime64, minutes: int) -> DayProfiles:
    ids = table["meter_id"].to_numpy().astype(np.str_)
    order = np.argsort(ids, kind="stable")
    return DayProfiles(day, starts_at, minutes, ids[order], _matrix(table["profile_wh"])[order])


def _matrix(lists: pa.ChunkedArray) -> np.ndarray:
    """Lists of numbers as rows of one float32 matrix, NaN where null or beyond a list's end."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy().astype(np.int64)
    values = pc.cast(pc.list_flatten(lists), pa.float32(), safe=False).to_numpy()
    slots = int(lengths.max(initial=0))
    if (lengths == slots).all():
        return values.reshape(len(lengths), slots)
    matrix = np.full((len(lengths), slots), np.nan, dtype=np.float32)
    matrix[np.arange(slots) < lengths[:, None]] = values
    return matrix
