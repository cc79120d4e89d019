"""Read-only connections of one scrape, which end with it: what a store does not answer in time is an error, not a wait.

What belongs here: connecting, time limits, the days of the home. What does not: questions (the modules of each subject).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from time import monotonic
from typing import TYPE_CHECKING, Any

from energy_assets.days import ONE_DAY
from energy_assets.home import Calendar, Home
from energy_assets.monitoring.metrics import SEEN_DAYS

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client
    from psycopg2 import sql
    from psycopg2.extensions import connection as Connection

    from energy_assets.embedded.connections import Connections

CONNECT_SECONDS = 3
ANSWER_SECONDS = 4
DEADLINE_HOUR = 9
"""As in automation/freshness.py: by then yesterday is there."""

POSTGRES, DAGSTER, CLICKHOUSE = "postgres", "dagster", "clickhouse"


class Reader:
    """Answers `rows` as the warehouse does, over one connection that cannot write."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @classmethod
    def of(cls, dsn: str) -> Reader:
        """Raises psycopg2's OperationalError where nothing answers within CONNECT_SECONDS."""
        import psycopg2

        connection = psycopg2.connect(dsn, connect_timeout=CONNECT_SECONDS, application_name="energy-assets metrics")
        connection.set_session(readonly=True, autocommit=True)
        reader = cls(connection)
        reader.execute("select set_config('statement_timeout', %s, false)", (f"{ANSWER_SECONDS}s",))
        return reader

    def rows(
        self, query: sql.Composable | str, parameters: Sequence[Any] | dict[str, Any] = ()
    ) -> list[tuple[Any, ...]]:
        """A small result, whole."""
        with self._connection.cursor() as cursor:
            cursor.execute(query, parameters or None)
            return cursor.fetchall()

    execute = rows

    def close(self) -> None:
        self._connection.close()


@dataclass(frozen=True)
class DayOfTable:
    """What is recorded of a written day of a table. `state` as in quality.day_states."""

    state: str
    version: int
    row_count: int


@dataclass
class Sources:
    """What a scrape may ask: only the stores that answered are there."""

    home: Home
    calendar: Calendar
    now: datetime
    tables: tuple[str, ...]
    """Those of whose days is asked, as quality.day_versions calls them."""
    stores: dict[str, Any] = field(default_factory=dict)
    _known: dict[date, dict[str, DayOfTable]] = field(default_factory=dict)

    @property
    def postgres(self) -> Reader:
        return self.stores[POSTGRES]

    @property
    def dagster(self) -> Reader:
        return self.stores[DAGSTER]

    @property
    def clickhouse(self) -> Client:
        return self.stores[CLICKHOUSE]

    @property
    def last_over(self) -> date:
        """The newest day of the home that is over."""
        yesterday = self.now.astimezone(self.calendar.zone).date() - ONE_DAY
        return min(yesterday, self.calendar.last_day) if self.calendar.last_day else yesterday

    @property
    def due_day(self) -> date:
        """The newest day that should be there: yesterday, from the deadline on."""
        local = self.now.astimezone(self.calendar.zone).replace(tzinfo=None) - timedelta(hours=DEADLINE_HOUR)
        return min(local.date() - ONE_DAY, self.last_over)

    @cached_property
    def recent_days(self) -> list[date]:
        """At most SEEN_DAYS days of the home, the newest first: from the newest that was written, or should have been."""
        newest = self.last_over if self.tables_of(self.last_over) else self.due_day
        days = (newest - timedelta(days=number) for number in range(SEEN_DAYS))
        return [day for day in days if day >= self.calendar.first_day]

    def tables_of(self, day: date) -> dict[str, DayOfTable]:
        """What was written of a day, by table as quality.day_versions calls it.

        A day at a time, by keys: so Postgres groups the verdicts of that day alone, however many there are.
        """
        if day not in self._known:
            rows = self.postgres.rows(
                "select table_name, state, version, row_count from quality.day_states"
                " where table_name = any(%s) and reading_date = %s",
                (list(self.tables), day),
            )
            self._known[day] = {table: DayOfTable(*row) for table, *row in rows}
        return self._known[day]

    def timestamp(self, day: date) -> float:
        """The instant at which a local day begins, in seconds since 1970."""
        return datetime(day.year, day.month, day.day, tzinfo=self.calendar.zone).timestamp()


@contextmanager
def opened(sources: Sources, failed: Callable[[str, Exception], None]) -> Iterator[Sources]:
    """`sources` with the stores that answer, closed at the end; each that does not is told to `failed`, by name."""
    import psycopg2
    from clickhouse_connect.driver.exceptions import ClickHouseError

    from energy_assets.embedded.connections import connections
    from energy_assets.embedded.errors import StoreError
    from energy_assets.settings import settings

    openers: dict[str, Callable[[Connections], Any]] = {
        POSTGRES: lambda known: Reader.of(known.monitor_dsn),
        DAGSTER: lambda known: Reader.of(known.monitor_dagster_dsn),
        CLICKHOUSE: lambda known: _clickhouse(known.clickhouse_bi_url),
    }
    try:
        for store, opener in openers.items():
            try:
                sources.stores[store] = opener(connections(sources.home, settings()))
            except (psycopg2.Error, ClickHouseError, StoreError, OSError) as error:
                failed(store, error)
        yield sources
    finally:
        for store in sources.stores.values():
            store.close()


def _clickhouse(url: str) -> Client:
    from energy_assets.resources.serving import connect

    return connect(url, connect_timeout=CONNECT_SECONDS, send_receive_timeout=ANSWER_SECONDS)


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._started = monotonic()

    @property
    def seconds(self) -> float:
        return monotonic() - self._started
