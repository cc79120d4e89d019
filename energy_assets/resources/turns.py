"""Runs over the same days take turns: what a run reads is what it wrote and judged, not what another is in the middle of.

What belongs here: reserving a run's days, or the whole home, for as long as something goes on. What does not: the lock of a single write
(warehouse.py).

A day's chain is many writes, each judged before the next one reads it. Two runs at once on one day would make each other's
verdicts old and both stop at a closed gate. A reservation is a session's advisory lock: it ends when its process does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date
from typing import TYPE_CHECKING

from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from energy_assets.days import ONE_DAY, DayWindow
from energy_assets.resources.answers import answer

HOME, FILES = 0, 1
"""What is reserved of a whole home: its tables, which every run shares; its parts and models, which a copy of the home reads for longer."""

if TYPE_CHECKING:
    import dagster as dg
    from psycopg2.extensions import cursor as Cursor


def run_window(run: dg.DagsterRun) -> DayWindow | None:
    """The days that a run is over; None for one that is over no days."""
    first = run.tags.get(ASSET_PARTITION_RANGE_START_TAG) or run.tags.get(PARTITION_NAME_TAG)
    last = run.tags.get(ASSET_PARTITION_RANGE_END_TAG) or run.tags.get(PARTITION_NAME_TAG)
    if not first or not last:
        return None
    return DayWindow(date.fromisoformat(first), date.fromisoformat(last) + ONE_DAY)


@contextmanager
def reserved(dsn: str, window: DayWindow, *, lookback_days: int, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the days of `window` alone, and the `lookback_days` before them together with others that only look back.

    Waits for runs that hold them otherwise and `say`s so. Days are taken in their order: no two runs wait for each other.
    """
    import psycopg2

    with closing(psycopg2.connect(dsn, application_name=f"energy-assets run of {window}")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for day in window.with_lookback(lookback_days):
                _take(cursor, day, is_shared=day < window.start, say=say)
        yield


@contextmanager
def among_runs(dsn: str, *, say: Callable[[str], None]) -> Iterator[None]:
    """Be one of the runs of a home: waits while somebody has it alone, and `say`s so."""
    waiting = "a backup, or something that is erased or dropped, has the home to itself: this goes on after it"
    with _holding(dsn, HOME, is_shared=True, waiting=waiting, say=say):
        yield


@contextmanager
def alone(dsn: str, *, say: Callable[[str], None]) -> Iterator[None]:
    """Have a home without runs: waits for those that go on, and `say`s so; others begin only afterwards."""
    waiting = "a run is going on: this begins when it has ended"
    with _holding(dsn, HOME, is_shared=False, waiting=waiting, say=say):
        yield


@contextmanager
def files_kept(dsn: str, *, say: Callable[[str], None]) -> Iterator[None]:
    """Have no other copy of the home's files made, and none taken away. Taken before `alone` by whoever needs both."""
    waiting = "another backup is made, or something is erased or dropped: this begins afterwards"
    with _holding(dsn, FILES, is_shared=False, waiting=waiting, say=say):
        yield


@contextmanager
def _holding(dsn: str, what: int, *, is_shared: bool, waiting: str, say: Callable[[str], None]) -> Iterator[None]:
    import psycopg2

    with closing(psycopg2.connect(dsn, application_name="energy-assets home")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            kind = "_shared" if is_shared else ""
            lock = f"advisory_lock{kind}(hashtext('energy_assets home'), %s)"
            cursor.execute(f"select pg_try_{lock}", (what,))
            if not answer(cursor):
                say(waiting)
                cursor.execute(f"select pg_{lock}", (what,))
        yield


def _take(cursor: Cursor, day: date, *, is_shared: bool, say: Callable[[str], None]) -> None:
    kind = "_shared" if is_shared else ""
    lock = f"advisory_lock{kind}(hashtext('energy_assets days'), %s)"
    cursor.execute(f"select pg_try_{lock}", (day.toordinal(),))
    if not answer(cursor):
        say(f"another run is over {day}: this one goes on when that one has ended")
        cursor.execute(f"select pg_{lock}", (day.toordinal(),))
