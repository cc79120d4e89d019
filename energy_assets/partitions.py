"""Partitions: the one partitions definition, the one backfill policy, and the window of a run.

What belongs here: how a run's partitions become a half-open window `[start, end)`, and how far back an asset reads.
What does not: anything about tables, arithmetic of days (days.py). The home's calendar is read here, at import: the one permitted import-time read.
"""

from __future__ import annotations

import warnings
from datetime import date

import dagster as dg

from energy_assets import home as homes
from energy_assets.days import ONE_DAY, DayWindow

# Backfill policies and partitioned checks are marked beta; Dagster's version is locked, and tests watch what is used.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)

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


def day_window(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> DayWindow:
    """The window of a run, be it one day or a range."""
    keys = context.partition_keys
    return DayWindow(date.fromisoformat(keys[0]), date.fromisoformat(keys[-1]) + ONE_DAY)


def lookback(days: int) -> dg.TimeWindowPartitionMapping:
    """Partition mapping of an asset whose day D reads D-`days` to D of its input."""
    return dg.TimeWindowPartitionMapping(start_offset=-days, end_offset=0, allow_nonexistent_upstream_partitions=True)
