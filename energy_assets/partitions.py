"""Days: the one partitions definition, the one backfill policy, and windows of days.

What belongs here: how a run's partitions become a half-open window `[start, end)`, and how far back an asset reads.
What does not: anything about tables. The home's calendar is read here, at import: the one permitted import-time read.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import dagster as dg

from energy_assets import home as homes

# Backfill policies and partitioned checks are marked beta; Dagster's version is locked, and tests watch what is used.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)

ONE_DAY = timedelta(days=1)

# Loading the code location must work before any home exists (a fresh clone, `dbt parse`, a test of the graph).
NO_HOME = homes.Calendar(homes.DEFAULT_TIMEZONE, date(2024, 1, 1))


def _calendar() -> homes.Calendar:
    try:
        return homes.current().calendar()
    except homes.HomeError:
        return NO_HOME


CALENDAR = _calendar()

DAILY = dg.DailyPartitionsDefinition(
    start_date=CALENDAR.first_day.isoformat(),
    end_date=(CALENDAR.last_day + ONE_DAY).isoformat() if CALENDAR.last_day else None,
    timezone=CALENDAR.timezone,
)
"""The local days of the utility. One object for the whole graph: assets share a run only where it is identical."""

BACKFILL = dg.BackfillPolicy.single_run()


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

    def chunks(self, size: int) -> Iterator[DayWindow]:
        """The window cut into consecutive windows of at most `size` days."""
        start = self.start
        while start < self.end:
            end = min(start + timedelta(days=size), self.end)
            yield DayWindow(start, end)
            start = end


def days_between(start: date, end: date) -> Iterator[date]:
    return (start + timedelta(days=offset) for offset in range((end - start).days))


def runs_of_days(days: Sequence[date]) -> list[DayWindow]:
    """Consecutive days as windows: `[1, 2, 3, 7]` is `[1, 4), [7, 8)`."""
    windows: list[DayWindow] = []
    for day in sorted(set(days)):
        if windows and windows[-1].end == day:
            windows[-1] = DayWindow(windows[-1].start, day + ONE_DAY)
        else:
            windows.append(DayWindow(day, day + ONE_DAY))
    return windows


def day_window(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> DayWindow:
    """The window of a run, be it one day or a range."""
    keys = context.partition_keys
    return DayWindow(date.fromisoformat(keys[0]), date.fromisoformat(keys[-1]) + ONE_DAY)


def lookback(days: int) -> dg.TimeWindowPartitionMapping:
    """Partition mapping of an asset whose day D reads D-`days` to D of its input."""
    return dg.TimeWindowPartitionMapping(start_offset=-days, end_offset=0, allow_nonexistent_upstream_partitions=True)
