"""A local day of the utility, cut into half-hours, and what kind of day it is.

What belongs here: intervals, clock changes, weekends, public holidays. What does not: what people do on such a day (load.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from dateutil.easter import easter

MINUTES = 30
HOURS = MINUTES / 60
SLOTS = 48
"""Half-hours of a day whose clocks do not change."""
ONE_DAY = timedelta(days=1)

FIXED_HOLIDAYS = ((1, 1), (2, 11), (5, 1), (5, 20), (8, 15), (12, 25))
"""Cameroon: New Year, Youth Day, Labour Day, National Day, Assumption, Christmas. The two feasts that follow the moon are
announced only days ahead and are left out."""
EASTER_HOLIDAYS = (-2, 39)
"""Days after Easter Sunday: Good Friday and Ascension."""


@dataclass(frozen=True)
class Day:
    """One local day. Arrays are [slots]: 48 of them, or 46 to 50 where clocks change."""

    date: date
    starts: np.ndarray
    """Starts of the intervals in UTC, datetime64[m]."""
    hour: np.ndarray
    """Local time of the starts in hours, float64."""
    half_hour: np.ndarray
    """Local time of the starts as a number from 0 to 47."""
    is_holiday: bool

    @property
    def ordinal(self) -> int:
        return self.date.toordinal()

    @property
    def slots(self) -> int:
        return len(self.starts)

    @property
    def is_weekend(self) -> bool:
        return self.date.weekday() >= 5

    @property
    def is_rest(self) -> bool:
        """A Sunday or a public holiday: shops and workshops are closed."""
        return self.date.weekday() == 6 or self.is_holiday

    @property
    def end(self) -> np.datetime64:
        return self.starts[-1] + np.timedelta64(MINUTES, "m")


@lru_cache(maxsize=4)
def grid(rows: int, slots: int) -> tuple[np.ndarray, np.ndarray]:
    """(row, slot) of each place of an array [rows, slots], flattened; int32. Not to be changed."""
    return np.repeat(np.arange(rows, dtype=np.int32), slots), np.tile(np.arange(slots, dtype=np.int32), rows)


def day_of(day: date, zone: ZoneInfo) -> Day:
    starts = starts_of(day, zone)
    local = [instant.replace(tzinfo=UTC).astimezone(zone) for instant in starts.astype(datetime)]
    minutes = np.array([instant.hour * 60 + instant.minute for instant in local])
    return Day(day, starts, minutes / 60, np.clip(minutes // MINUTES, 0, SLOTS - 1), is_holiday(day))


def starts_of(day: date, zone: ZoneInfo) -> np.ndarray:
    """Starts of the local day's intervals as UTC datetime64[m]: 48 of them, or 46 to 50 where clocks change."""
    bounds = [datetime.combine(d, time(), zone).astimezone(UTC).replace(tzinfo=None) for d in (day, day + ONE_DAY)]
    first, end = np.array(bounds, "datetime64[m]")
    return np.arange(first, end, np.timedelta64(MINUTES, "m"))


def local_ordinals(starts: np.ndarray, zone: ZoneInfo) -> np.ndarray:
    """Ordinals of the local days of UTC instants, int [instants]."""
    distinct, at = np.unique(starts.astype("datetime64[s]"), return_inverse=True)
    days = [instant.replace(tzinfo=UTC).astimezone(zone).toordinal() for instant in distinct.astype(datetime)]
    return np.array(days, int)[at]


def is_holiday(day: date) -> bool:
    return (day.month, day.day) in FIXED_HOLIDAYS or day in _easter_holidays(day.year)


@lru_cache
def _easter_holidays(year: int) -> frozenset[date]:
    return frozenset(easter(year) + timedelta(days=number) for number in EASTER_HOLIDAYS)
