"""Local days: half-open windows of them, and ranges out of lists of them.

What belongs here: arithmetic of days. What does not: which days a home has (home.py), Dagster's partitions (partitions.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class DayWindow:
    """Half-open range of local days `[start, end)`."""

    start: date
    end: date

    @classmethod
    def of(cls, day: date) -> DayWindow:
        return cls(day, day + ONE_DAY)

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ValueError(f"window ends {self.end}, before it starts {self.start}")

    def __iter__(self) -> Iterator[date]:
        return days_between(self.start, self.end)

    def __len__(self) -> int:
        return (self.end - self.start).days

    def __str__(self) -> str:
        return self.start.isoformat() if self.last == self.start else f"{self.start} … {self.last}"

    @property
    def last(self) -> date:
        return self.end - ONE_DAY

    def with_lookback(self, lookback_days: int) -> DayWindow:
        return DayWindow(self.start - timedelta(days=lookback_days), self.end)

    def looked_back_on(self, nearest: int, farthest: int) -> DayWindow:
        """Days that lie `nearest` to `farthest` days before any of the window's."""
        return DayWindow(self.start - timedelta(days=farthest), self.end - timedelta(days=nearest))

    def chunks(self, size: int) -> Iterator[DayWindow]:
        """The window cut into consecutive windows of at most `size` days."""
        start = self.start
        while start < self.end:
            end = min(start + timedelta(days=size), self.end)
            yield DayWindow(start, end)
            start = end


def days_between(start: date, end: date) -> Iterator[date]:
    return (start + timedelta(days=offset) for offset in range((end - start).days))


def runs_of_days(days: Iterable[date]) -> list[DayWindow]:
    """Consecutive days as windows: `[1, 2, 3, 7]` is `[1, 4), [7, 8)`."""
    windows: list[DayWindow] = []
    for day in sorted(set(days)):
        if windows and windows[-1].end == day:
            windows[-1] = DayWindow(windows[-1].start, day + ONE_DAY)
        else:
            windows.append(DayWindow(day, day + ONE_DAY))
    return windows
