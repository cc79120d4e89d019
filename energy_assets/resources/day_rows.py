"""Rows of numbers by day and meter, in files of their own while a window of days moves forward: weeks of a large fleet do not fit in memory.

What belongs here: keeping them, and finding the rows of some meters again. What does not: what the numbers mean (traits.py, losses_explained.py).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

NOT_ASKED_FOR = -1


@dataclass(frozen=True, eq=False)
class _Rows:
    """A day: a place in the names of DayRows for each row, then the rows."""

    file: BinaryIO
    count: int

    def places(self) -> np.ndarray:
        self.file.seek(0)
        return np.fromfile(self.file, np.int32, self.count)

    def rows(self, width: int) -> np.ndarray:
        """Float32 [count, width], of which only what is looked at is brought into memory, for as long as it is held."""
        if not self.count:
            return np.zeros((0, width), dtype=np.float32)
        offset = self.count * np.dtype(np.int32).itemsize
        return np.memmap(self.file, np.float32, "r", offset, (self.count, width))


class DayRows:
    """Float32 rows of `width` numbers, one a day and meter. The files have no name: they are gone when the process is, however it ends."""

    def __init__(self, width: int, folder: Path) -> None:
        self._width, self._folder = width, folder
        self._names = pa.array([], pa.string())
        """Of every meter that was ever put, in the order in which they came: days name their meters by place."""
        self._days: dict[date, _Rows] = {}

    def __contains__(self, day: date) -> bool:
        return day in self._days

    def put(self, day: date, meter_ids: pa.StringArray, rows: np.ndarray) -> None:
        """Keep a day: `rows` [meters, width] of `meter_ids`, each of which comes once."""
        places = pc.index_in(meter_ids, self._names)
        if places.null_count:
            new = meter_ids.filter(places.is_null())
            self._names = pa.concat_arrays([self._names, new])
            places = pc.index_in(meter_ids, self._names)
        file = tempfile.TemporaryFile(dir=self._folder, prefix=f"rows-{day}-")  # noqa: SIM115 (open for as long as the day is kept)
        places.to_numpy().astype(np.int32).tofile(file)
        np.ascontiguousarray(rows, dtype=np.float32).tofile(file)
        file.flush()
        self._days[day] = _Rows(file, len(meter_ids))

    def forget_before(self, first: date) -> None:
        """Give up the days before `first`."""
        for day in [day for day in self._days if day < first]:
            self._days.pop(day).file.close()

    def meters(self, days: Iterable[date]) -> np.ndarray:
        """Meters with a row on any of `days`, sorted."""
        is_there = np.zeros(len(self._names), dtype=bool)
        for day in days:
            if day in self._days:
                is_there[self._days[day].places()] = True
        return np.sort(self._names.filter(pa.array(is_there)).to_numpy(zero_copy_only=False).astype(np.str_))

    def of(self, days: Iterable[date], meter_ids: np.ndarray) -> np.ndarray:
        """Rows of the meters `meter_ids`, float32 [days, meters, width], NaN where there are none."""
        days = list(days)
        found = np.full((len(days), len(meter_ids), self._width), np.nan, dtype=np.float32)
        column = np.full(len(self._names), NOT_ASKED_FOR, dtype=np.int32)
        place = pc.index_in(pa.array(meter_ids, pa.string()), self._names)
        column[place.drop_null().to_numpy()] = np.flatnonzero(place.is_valid())
        for number, day in enumerate(days):
            if day in self._days:
                of = column[self._days[day].places()]
                asked = np.flatnonzero(of != NOT_ASKED_FOR)
                found[number, of[asked]] = self._days[day].rows(self._width)[asked]
        return found
