"""The Postgres warehouse: days are written whole, under a lock, with a version; days are read as Arrow streams.

What belongs here: every Postgres statement of the graph that dbt does not run. What does not: deciding what to write
(assets/), whether a day may be read (gates.py), the ledger of deliveries (ledger.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol

import dagster as dg

from energy_assets.home import Home
from energy_assets.resources.answers import answer
from energy_assets.resources.pools import adbc_connection, psycopg2_connection
from energy_assets.resources.turns import among_runs, reserved, run_window
from energy_assets.settings import settings

if TYPE_CHECKING:
    import pyarrow as pa
    from psycopg2 import sql
    from psycopg2.extensions import connection as Connection

    from energy_assets.embedded.connections import Connections


class Rows(Protocol):
    """Whoever answers small questions: the warehouse, or a reader of its own connection that cannot write."""

    def rows(
        self, query: sql.Composable | str, parameters: Sequence[Any] | dict[str, Any] = ()
    ) -> list[tuple[Any, ...]]: ...


class Warehouse(dg.ConfigurableResource):  # type: ignore[type-arg]  # Dagster's own resources are not parametrised either
    """Connections are opened when used, never when the code location loads.

    For as long as a run goes on, the days that it is over are its own, and the `lookback_days` before them stay as they are.
    """

    home: str
    lookback_days: int = 0

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Warehouse]:
        if not context.run:
            yield self
            return
        log = context.log or dg.get_dagster_logger()
        window = run_window(context.run)
        with among_runs(self._dsn(False), say=log.info):
            if window is None:
                yield self
                return
            with reserved(self._dsn(False), window, lookback_days=self.lookback_days, say=log.info):
                yield self

    @property
    def connections(self) -> Connections:
        from energy_assets.embedded.connections import connections

        return connections(Home.at(self.home), settings())

    @contextmanager
    def transaction(self, *, as_loader: bool = False) -> Iterator[Connection]:
        """A psycopg2 connection in one transaction: committed at the end, rolled back on an error."""
        with psycopg2_connection(self._dsn(as_loader)) as connection, connection:
            yield connection

    def rows(
        self, query: sql.Composable | str, parameters: Sequence[Any] | dict[str, Any] = ()
    ) -> list[tuple[Any, ...]]:
        """A small result, whole."""
        with self.transaction() as connection, connection.cursor() as cursor:
            cursor.execute(query, parameters or None)
            return cursor.fetchall()

    @contextmanager
    def stream(self, query: str, parameters: Mapping[str, Any] | None = None) -> Iterator[pa.RecordBatchReader]:
        """A large result as a stream of Arrow batches; parameters are `%(name)s`, as in `rows`.

        psycopg2 puts them in, as it does for `rows`: with parameters of its own ADBC holds the whole result before it gives the first batch, six times
        the memory, and the planner looks into every partition for days that it is told too late.
        """
        with psycopg2_connection(self._dsn(False)) as connection, connection.cursor() as cursor:
            statement = cursor.mogrify(query, parameters).decode()
        with adbc_connection(self._dsn(False)) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            yield cursor.fetch_record_batch()

    def table(self, query: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """The same, whole."""
        with self.stream(query, parameters) as batches:
            return batches.read_all()

    def replace_day(
        self,
        schema: str,
        table: str,
        day: date,
        batches: Iterable[pa.Table | pa.RecordBatchReader],
        *,
        run_id: str,
        inputs: str | None = None,
        as_loader: bool = False,
    ) -> int:
        """Make `day` of a natively partitioned table hold exactly `batches`, in one transaction; returns its rows.

        Two writers of one day take turns: the later one's content stands, whole. A killed writer leaves the old day.
        """
        partition = self.ensure_partition(schema, table, day, as_loader=as_loader)
        row_count = 0
        with adbc_connection(self._dsn(as_loader)) as connection, connection.cursor() as cursor:
            cursor.execute("select quality.lock_table($1)", (f"{schema}.{table}",))
            cursor.fetchall()
            cursor.execute("select quality.empty_partition($1, $2)", (schema, partition))
            cursor.fetchall()
            for batch in batches:
                row_count += cursor.adbc_ingest(partition, batch, mode="append", db_schema_name=schema)
            # Of rows that nothing is known of yet the planner expects one, and whoever reads them next compares each with each.
            cursor.execute(f"analyze {quoted_name(schema, partition)}")
            cursor.execute(
                "select quality.bump_day($1, $2::text::date, $3, $4, $5)",
                (table, day.isoformat(), row_count, run_id, inputs),
            )
            cursor.fetchall()
            connection.commit()
        return row_count

    def empty_days(
        self, schema: str, table: str, days: Mapping[date, str | None], *, run_id: str, as_loader: bool = False
    ) -> None:
        """Make each of `days` (-> fingerprint of its inputs) of a natively partitioned table hold nothing, in one transaction.

        No partition is made for them: a source that a utility does not have leaves no trace in the catalogue.
        """
        if not days:
            return
        with self.transaction(as_loader=as_loader) as connection, connection.cursor() as cursor:
            cursor.execute("select quality.lock_table(%s)", (f"{schema}.{table}",))
            cursor.execute(
                "select quality.empty_partition(%s, name) from unnest(%s::text[]) as known (name)"
                " where to_regclass(format('%%I.%%I', %s, name)) is not null",
                (schema, [partition_of(table, day) for day in days], schema),
            )
            cursor.execute(
                "select quality.bump_day(%s, day, 0, %s, inputs) from unnest(%s::date[], %s::text[]) as known (day, inputs)",
                (table, run_id, list(days), list(days.values())),
            )

    def ensure_partition(self, schema: str, table: str, day: date, *, as_loader: bool = False) -> str:
        """The name of the partition that holds `day`, made where missing."""
        from psycopg2 import sql

        partition = partition_of(table, day)
        with self.transaction(as_loader=as_loader) as connection, connection.cursor() as cursor:
            cursor.execute("select to_regclass(%s)", (quoted_name(schema, partition),))
            if answer(cursor) is None:
                cursor.execute("select quality.lock_table(%s)", (f"{schema}.{table} partitions",))
                cursor.execute(
                    sql.SQL("create table if not exists {} partition of {} for values in ({})").format(
                        sql.Identifier(schema, partition), sql.Identifier(schema, table), sql.Literal(day)
                    )
                )
        return partition

    def bump_days(self, table: str, row_counts: Mapping[date, int], *, run_id: str) -> None:
        """Record day writes (-> rows) that did not happen in Postgres."""
        self.rows(
            "select quality.bump_day(%s, day, row_count, %s) from unnest(%s::date[], %s::bigint[]) as known (day, row_count)",
            (table, run_id, list(row_counts), list(row_counts.values())),
        )

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold the lock of `name` for a write that happens outside Postgres; released also when this process dies."""
        with self.transaction() as connection, connection.cursor() as cursor:
            cursor.execute("select quality.lock_table(%s)", (name,))
            yield

    def newest_day(self) -> date | None:
        """The newest day of which a table holds rows."""
        return self.rows("select max(reading_date) from quality.day_versions where row_count > 0")[0][0]

    def row_counts(self, table: str, days: Iterable[date]) -> dict[date, int]:
        """Rows per day, as the last write of each day counted them."""
        return dict(
            self.rows(
                "select reading_date, row_count from quality.day_versions where table_name = %s and reading_date = any(%s)",
                (table, list(days)),
            )
        )

    def _dsn(self, as_loader: bool) -> str:
        known = self.connections
        return known.loader_dsn if as_loader else known.transformer_dsn


def partition_of(table: str, day: date) -> str:
    """The name of a table's native partition of a day."""
    return f"{table}_{day:%Y%m%d}"


def quoted_name(*names: str) -> str:
    """A Postgres identifier, each part quoted."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)
