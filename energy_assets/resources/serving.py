"""ClickHouse as the serving store: a day is swapped whole, so that readers never see half of one.

What belongs here: every ClickHouse statement of the graph. What does not: which rows are served (assets/serving.py),
table definitions (clickhouse_ddl/) and their application (serving_schema.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import dagster as dg

from energy_assets.home import Home
from energy_assets.resources.pseudonyms import Pseudonyms, is_pseudonymised
from energy_assets.resources.serving_cluster import cluster_script
from energy_assets.resources.serving_ddl import DATABASE, Script, scripts
from energy_assets.resources.serving_schema import LEDGER, Drift, SchemaError, apply_retention, apply_scripts, drifts
from energy_assets.resources.warehouse import Warehouse
from energy_assets.settings import settings

if TYPE_CHECKING:
    import pyarrow as pa
    from clickhouse_connect.driver.client import Client

RETRIES = 3
RETRY_AFTER_SECONDS = 20.0
"""A server that restarts is back within a minute; one that is down for longer is for a person to look at."""


class Serving(dg.ConfigurableResource):  # type: ignore[type-arg]  # Dagster's own resources are not parametrised either
    """Clients are made when used, never when the code location loads."""

    home: str

    @contextmanager
    def client(self) -> Iterator[Client]:
        from energy_assets.embedded.connections import connections

        client = connect(connections(Home.at(self.home), settings()).clickhouse_url)
        try:
            yield client
        finally:
            client.close()

    def apply_schema(self) -> None:
        """Apply what of `clickhouse_ddl/` is not applied yet. Raises SchemaError where the tables are something else."""
        with self.client() as client:
            apply_scripts(client, _scripts())
            if not settings().clickhouse_cluster:
                apply_retention(client, _scripts(), settings().serving_retention_days)

    def drifts(self) -> list[Drift]:
        """Where the tables differ from `clickhouse_ddl/`; changes nothing."""
        with self.client() as client:
            return drifts(client, _scripts())

    @contextmanager
    def swapping(
        self, client: Client, table: str, *, run_id: str, is_switch: bool = False, names: Pseudonyms | None = None
    ) -> Iterator[DaySwap]:
        """Days of `table` can be swapped inside; the caller holds the table's lock.

        Rows are served under keys where the settings say so, or under `names`. Raises SchemaError on a cluster, and where the other days
        hold what the settings no longer say, unless this is the switch.
        """
        _require_one_server(table)
        if not is_switch:
            self._require_as_set()
        if names is None and settings().pseudonymise:
            names = Pseudonyms.of(Warehouse(home=self.home))
        _drop_leftovers(client, table)
        swap = DaySwap(client, table, run_id, names)
        try:
            yield swap
        finally:
            swap.drop_staging()

    def _require_as_set(self) -> None:
        if is_pseudonymised(Home.at(self.home)) != settings().pseudonymise:
            held, wanted = ("keys", "off") if not settings().pseudonymise else ("identifiers", "on")
            raise SchemaError(
                f"ClickHouse holds {held} of meters, and ENERGY_PSEUDONYMISE is {wanted} here: set it as it should be, then energy-assets up,"
                " which serves all days anew where it changed"
            )


class DaySwap:
    """Days of a table are filled beside it and put in its place in one step: readers see the old day or the new one."""

    def __init__(self, client: Client, table: str, run_id: str, names: Pseudonyms | None = None) -> None:
        self._client = client
        self._names = names
        self._table = table
        self._staging_table = f"{table}__{run_id.replace('-', '')[:12]}"
        self._staging = quoted(DATABASE, self._staging_table)
        self._is_made = False

    @property
    def _target(self) -> str:
        return quoted(DATABASE, self._table)

    def replace(self, day: date, batches: pa.RecordBatchReader) -> int:
        """Make `day` hold exactly `batches`; returns its rows. A day is swapped once inside a `swapping`."""
        return self.replace_days([day], batches)

    def replace_days(self, days: Sequence[date], batches: pa.RecordBatchReader) -> int:
        """Make each of `days` hold exactly its rows of `batches`, which are of no other days; returns the rows.

        Raises RuntimeError where rows were sent and ClickHouse holds none of these days: they then stay as they were.
        """
        rows = self._fill(batches)
        named = {day.isoformat() for day in days}
        filled = named & self._partitions(self._staging_table) if rows else set()
        if rows and not filled:
            raise RuntimeError(f"ClickHouse holds none of {rows} rows that it acknowledged for {self._table}")
        for day in sorted(filled):
            self._client.command(
                f"ALTER TABLE {self._target} REPLACE PARTITION {{day:Date}} FROM {self._staging}",
                parameters={"day": day},
            )
        self._drop(named - filled)
        return rows

    def _fill(self, batches: pa.RecordBatchReader) -> int:
        rows = 0
        for batch in batches:
            if not self._is_made:
                self._client.command(f"CREATE TABLE {self._staging} AS {self._target}")
                self._is_made = True
            rows += batch.num_rows
            rows_served = _as_table(batch)
            self._client.insert_arrow(self._staging, self._names.replaced(rows_served) if self._names else rows_served)
        return rows

    def empty(self, days: Iterable[date]) -> None:
        """Make `days` hold nothing."""
        self._drop({day.isoformat() for day in days})

    def _drop(self, days: set[str]) -> None:
        for day in sorted(days & self._partitions(self._table)) if days else ():
            self._client.command(f"ALTER TABLE {self._target} DROP PARTITION {{day:Date}}", parameters={"day": day})

    def _partitions(self, table: str) -> set[str]:
        """Days that a table holds."""
        held = self._client.query(
            "SELECT DISTINCT partition FROM system.parts WHERE database = {database:String} AND table = {table:String} AND active",
            parameters={"database": DATABASE, "table": table},
        ).result_columns
        return set(held[0]) if held else set()

    def drop_staging(self) -> None:
        self._client.command(f"DROP TABLE IF EXISTS {self._staging} SYNC")


def _drop_leftovers(client: Client, table: str) -> None:
    """Drop what runs that were killed left beside `table`: nobody else fills anything there while its lock is held."""
    left = client.query(
        "SELECT name FROM system.tables WHERE database = {database:String} AND match(name, {pattern:String})",
        parameters={"database": DATABASE, "pattern": f"^{re.escape(table)}__[0-9a-f]{{12}}$"},
    ).result_rows
    for (name,) in left:
        client.command(f"DROP TABLE IF EXISTS {quoted(DATABASE, name)} SYNC")


def _scripts() -> list[Script]:
    """The scripts in the form that the settings ask for."""
    cluster = settings().clickhouse_cluster
    return [cluster_script(script, cluster) for script in scripts()] if cluster else scripts()


def _require_one_server(table: str) -> None:
    if cluster := settings().clickhouse_cluster:
        raise SchemaError(
            f"{DATABASE}.{table} is distributed over the cluster {cluster}: replacing a day there, shard by shard, is not"
            " built yet\n  → unset ENERGY_CLICKHOUSE_CLUSTER and let CLICKHOUSE_URL name a single server"
        )


@contextmanager
def tried_again_while_away() -> Iterator[None]:
    """Inside a step: have Dagster try it again where ClickHouse does not answer. A restart takes seconds, a day write repeats."""
    from clickhouse_connect.driver.exceptions import OperationalError

    try:
        yield
    except OperationalError as error:
        raise dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=RETRY_AFTER_SECONDS) from error


def connect(url: str, **options: Any) -> Client:
    """A clickhouse-connect client for `http(s)://user:password@host:port/`; `options` are further ones of get_client, such as timeouts."""
    import clickhouse_connect

    parts = urlsplit(url)
    return clickhouse_connect.get_client(
        interface=parts.scheme,
        host=parts.hostname or "127.0.0.1",
        port=parts.port or (8443 if parts.scheme == "https" else 8123),
        username=unquote(parts.username or "default"),
        password=unquote(parts.password or ""),
        autogenerate_session_id=False,
        **options,
    )


def held_tables(client: Client) -> list[str]:
    """Tables of ours that hold any row."""
    rows = client.query(
        "SELECT name FROM system.tables WHERE database = {database:String} AND total_rows > 0 ORDER BY name",
        parameters={"database": DATABASE},
    ).result_rows
    return [table for (name,) in rows if (table := f"{DATABASE}.{name}") != LEDGER]


def quoted(*names: str) -> str:
    """A ClickHouse identifier, each part quoted."""
    return ".".join("`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`" for name in names)


def _as_table(batch: Any) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_batches([batch])
