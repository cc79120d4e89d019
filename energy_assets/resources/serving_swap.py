"""Put days of a ClickHouse table in the place of others in one step, on one server or on each shard of a cluster.

What belongs here: staging tables, REPLACE and DROP PARTITION, which servers hold a table's rows. What does not: which rows (assets/serving.py),
the tables themselves (clickhouse_ddl/, serving_cluster.py), when that is allowed (serving.py).

On a cluster rows are sent through the distributed table, which knows each row's shard, into a replicated table beside the real one; then each
shard swaps its own. A shard does so at once, the cluster shard after shard: for that moment a reader may see a day half old and half new.
It was never run on a cluster: tests run it on two engines that a stand-in makes one of (tests/integration/test_serving_shards.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from energy_assets.resources.pseudonyms import Pseudonyms
from energy_assets.resources.serving_cluster import LOCAL
from energy_assets.resources.serving_ddl import DATABASE, quoted
from energy_assets.resources.serving_schema import SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa
    from clickhouse_connect.driver.client import Client

SENT_THROUGH = {"distributed_foreground_insert": 1}
"""An insert is acknowledged when each shard has its rows, not when they are noted to be passed on."""
REPLICATED = re.compile(r"^Replicated(\w+)\('[^']*', '[^']*'(?:, )?")
"""A replicated engine up to its own arguments: behind the path in Keeper and the replica's name."""


@dataclass(frozen=True)
class Servers:
    """Where a table's rows lie: on the server that is asked, or on one server of each shard of a cluster."""

    writer: Client
    shards: Sequence[Client]
    cluster: str | None = None

    def local(self, table: str) -> str:
        """The table that holds rows there."""
        return table + LOCAL if self.cluster else table

    def plain(self, local: str) -> str:
        """The table that readers name, of one that holds rows."""
        return local.removesuffix(LOCAL) if self.cluster else local

    def everywhere(self, statement: str) -> None:
        """Run a statement of DDL on every server; `{on}` stands where ON CLUSTER belongs."""
        self.writer.command(statement.replace("{on}", f" ON CLUSTER {quoted(self.cluster)}" if self.cluster else ""))


@contextmanager
def servers(writer: Client, url: str, cluster: str | None, connect: Callable[[str], Client]) -> Iterator[Servers]:
    """The servers of `cluster`, one a shard, reached as `writer` is at `url`: by the same port, user and password.

    Raises SchemaError where the server knows no such cluster, clickhouse_connect's OperationalError where no replica of a shard answers.
    """
    if not cluster:
        yield Servers(writer, [writer])
        return
    known = writer.query(
        "SELECT shard_num, host_name FROM system.clusters WHERE cluster = {cluster:String} ORDER BY shard_num, replica_num",
        parameters={"cluster": cluster},
    ).result_rows
    if not known:
        raise SchemaError(
            f"the ClickHouse that CLICKHOUSE_URL names knows no cluster {cluster}\n  → set ENERGY_CLICKHOUSE_CLUSTER to one of its"
            " system.clusters, or unset it where there is one server"
        )
    shards: list[Client] = []
    try:
        for _, replicas in groupby(known, key=itemgetter(0)):
            shards.append(_first_that_answers([at_host(url, host) for _, host in replicas], connect))
        yield Servers(writer, shards, cluster)
    finally:
        for shard in shards:
            shard.close()


class DaySwap:
    """Days of a table are filled beside it and put in its place in one step: readers see the old day or the new one."""

    def __init__(self, servers: Servers, table: str, run_id: str, names: Pseudonyms | None = None) -> None:
        self._servers = servers
        self._names = names
        self._table = table
        self._staging = f"{table}__{run_id.replace('-', '')[:12]}"
        self._is_made = False

    def replace(self, day: date, batches: pa.RecordBatchReader) -> int:
        """Make `day` hold exactly `batches`; returns its rows. A day is swapped once inside a `swapping`."""
        return self.replace_days([day], batches)

    def replace_days(self, days: Sequence[date], batches: pa.RecordBatchReader) -> int:
        """Make each of `days` hold exactly its rows of `batches`, which are of no other days; returns the rows.

        Raises RuntimeError where rows were sent and ClickHouse holds none of these days: they then stay as they were.
        """
        rows = self._fill(batches)
        named = {day.isoformat() for day in days}
        filled = [named & self._filled(shard) if rows else set() for shard in self._servers.shards]
        if rows and not any(filled):
            raise RuntimeError(f"ClickHouse holds none of {rows} rows that it acknowledged for {self._table}")
        target, source = (quoted(DATABASE, self._servers.local(name)) for name in (self._table, self._staging))
        for shard, held in zip(self._servers.shards, filled, strict=True):
            for day in sorted(held):
                shard.command(
                    f"ALTER TABLE {target} REPLACE PARTITION {{day:Date}} FROM {source}", parameters={"day": day}
                )
            drop_partitions(shard, self._servers.local(self._table), named - held)
        return rows

    def empty(self, days: Iterable[date]) -> None:
        """Make `days` hold nothing."""
        named = {day.isoformat() for day in days}
        for shard in self._servers.shards:
            drop_partitions(shard, self._servers.local(self._table), named)

    def drop_staging(self) -> None:
        drop_table(self._servers, self._staging)

    def _fill(self, batches: pa.RecordBatchReader) -> int:
        rows = 0
        settings = SENT_THROUGH if self._servers.cluster else None
        for batch in batches:
            if not self._is_made:
                self._make_staging()
                self._is_made = True
            rows += batch.num_rows
            served = _as_table(batch)
            self._servers.writer.insert_arrow(
                quoted(DATABASE, self._staging),
                self._names.replaced(served) if self._names else served,
                settings=settings,
            )
        return rows

    def _make_staging(self) -> None:
        if not self._servers.cluster:
            self._servers.writer.command(
                f"CREATE TABLE {quoted(DATABASE, self._staging)} AS {quoted(DATABASE, self._table)}"
            )
            return
        # A replicated table is known to Keeper by its path, and a distributed one names the table behind it: both are the staging table's own.
        table, staging = self._table + LOCAL, self._staging + LOCAL
        behind = engine_of(self._servers.writer, table).replace(f"/{table}'", f"/{staging}'")
        before = engine_of(self._servers.writer, self._table).replace(f"'{table}'", f"'{staging}'")
        for name, like, engine in ((staging, table, behind), (self._staging, self._table, before)):
            made, of = quoted(DATABASE, name), quoted(DATABASE, like)
            self._servers.everywhere(f"CREATE TABLE {made}{{on}} AS {of} ENGINE = {engine}")

    def _filled(self, shard: Client) -> set[str]:
        """Days of which the shard holds rows in the staging table, once what its other replicas took has come."""
        staging = self._servers.local(self._staging)
        if self._servers.cluster:
            shard.command(f"SYSTEM SYNC REPLICA {quoted(DATABASE, staging)}")
        return held_days(shard, staging)


def engine_of(server: Client, table: str) -> str:
    """A table's engine as it was made, with its keys and settings."""
    found = server.query(
        "SELECT engine_full FROM system.tables WHERE database = {database:String} AND name = {table:String}",
        parameters={"database": DATABASE, "table": table},
    ).result_rows
    return found[0][0]


def make_beside(server: Client, table: str, beside: str) -> None:
    """An empty table like `table`, of this server alone: a replicated one takes days of it all the same."""
    engine = REPLICATED.sub(r"\1(", engine_of(server, table))
    server.command(f"CREATE TABLE {quoted(DATABASE, beside)} AS {quoted(DATABASE, table)} ENGINE = {engine}")


def held_days(shard: Client, table: str) -> set[str]:
    """Days that a table of this server holds rows of."""
    held = shard.query(
        "SELECT DISTINCT partition FROM system.parts WHERE database = {database:String} AND table = {table:String} AND active",
        parameters={"database": DATABASE, "table": table},
    ).result_columns
    return set(held[0]) if held else set()


def drop_partitions(shard: Client, table: str, days: set[str]) -> None:
    """Let the server's table hold nothing of `days`."""
    for day in sorted(days & held_days(shard, table)) if days else ():
        shard.command(f"ALTER TABLE {quoted(DATABASE, table)} DROP PARTITION {{day:Date}}", parameters={"day": day})


def drop_table(servers: Servers, table: str) -> None:
    """Drop a staging table wherever it is."""
    for name in dict.fromkeys((table, servers.local(table))):
        servers.everywhere(f"DROP TABLE IF EXISTS {quoted(DATABASE, name)}{{on}} SYNC")


def drop_leftovers(servers: Servers, table: str) -> None:
    """Drop what runs that were killed left beside `table`: nobody else fills anything there while its lock is held."""
    left = servers.writer.query(
        "SELECT name FROM system.tables WHERE database = {database:String} AND match(name, {pattern:String})",
        parameters={"database": DATABASE, "pattern": f"^{re.escape(table)}__[0-9a-f]{{12}}({LOCAL})?$"},
    ).result_rows
    for name in {name.removesuffix(LOCAL) for (name,) in left}:
        drop_table(servers, name)


def at_host(url: str, host: str) -> str:
    """The same address on another server."""
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    named = f"[{host}]" if ":" in host else host
    return urlunsplit(parts._replace(netloc=f"{user}{at}{named}{f':{parts.port}' if parts.port else ''}"))


def _first_that_answers(addresses: Sequence[str], connect: Callable[[str], Client]) -> Client:
    from clickhouse_connect.driver.exceptions import OperationalError

    for address in addresses[:-1]:
        try:
            return connect(address)
        except OperationalError:
            continue  # the shard's other replica has the same rows
    return connect(addresses[-1])


def _as_table(batch: Any) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_batches([batch])
