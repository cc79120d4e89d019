"""Days swapped on a cluster of two shards that is none: two engines, and a stand-in that makes one of them.

No ClickHouse that could be clustered is at hand. What the stand-in does for a cluster: it runs ON CLUSTER on both engines, takes replication out of
engines, deals rows of a distributed table out to the shard that its key names, and reads both. So the statements of each shard meet
the real engine, and those of the cluster are at least read by it; Keeper, replicas and Distributed itself stay untried.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import clickhouse_connect
import pyarrow as pa
import pytest
from clickhouse_process import PASSWORDS, ClickHouseProcess

from energy_assets.resources.serving_cluster import LOCAL, cluster_script
from energy_assets.resources.serving_ddl import DATABASE, quoted, scripts
from energy_assets.resources.serving_swap import (
    DaySwap,
    Servers,
    at_host,
    drop_leftovers,
    held_days,
    make_beside,
    servers,
)

CLUSTER, TABLE = "main", "meter_readings"
FIRST, SECOND, THIRD = date(2031, 3, 7), date(2031, 3, 8), date(2031, 3, 9)
ON = re.compile(r' ON CLUSTER [`"]main[`"]')
REPLICATED = re.compile(r"Replicated(\w+)\('(?P<path>[^']*)', '\{replica\}'(?:, )?")
DISTRIBUTED = re.compile(
    r"ENGINE ?= ?Distributed\('main', '\w+', '(?P<behind>\w+)', (?P<key>cityHash64\([^)]*\))\)", re.IGNORECASE
)


class Cluster:
    """Two engines that look like one cluster to who swaps days."""

    def __init__(self, shards: list[Any]) -> None:
        self.shards = shards
        self.distributed: dict[str, tuple[str, str]] = {}
        """Table → the one behind it, and the key by which its rows are dealt out."""
        self.paths: dict[str, str] = {}
        """Replicated table → its path in Keeper, which no two tables may share."""

    def command(self, statement: str, parameters: dict | None = None) -> Any:
        if not ON.search(statement):
            return self.shards[0].command(statement, parameters=parameters)
        plain = ON.sub("", statement)
        if found := DISTRIBUTED.search(plain):
            name = re.search(r"CREATE TABLE (?:IF NOT EXISTS )?`?\w+`?\.`?(\w+)`?", plain)[1]
            self.distributed[name] = (found["behind"], found["key"])
            return None
        if found := REPLICATED.search(plain):
            name = re.search(r"CREATE TABLE (?:IF NOT EXISTS )?`?\w+`?\.`?(\w+)`?", plain)[1]
            path = found["path"].replace("{database}", DATABASE).replace("{table}", name)
            assert self.paths.setdefault(name, path) == path
            assert list(self.paths.values()).count(path) == 1, f"{name} has the path of another table in Keeper: {path}"
            plain = REPLICATED.sub(r"\1(", plain)
        if found := re.match(r"DROP TABLE IF EXISTS `\w+`\.`(\w+)`", plain):
            self.paths.pop(found[1], None)
            if self.distributed.pop(found[1], None):
                return None
        for shard in self.shards:
            shard.command(plain, parameters=parameters)

    def query(self, statement: str, parameters: dict | None = None) -> Any:
        if "system.clusters" in statement:
            return SimpleNamespace(result_rows=[(number, f"127.0.0.{number}") for number in (1, 2)])
        if "engine_full" in statement:
            return SimpleNamespace(result_rows=[(self._engine(parameters["table"]),)])
        if "FROM system.tables" in statement:
            known = self.shards[0].query(statement, parameters=parameters).result_rows
            names = [(name,) for name in self.distributed if re.search(parameters["pattern"], name)]
            return SimpleNamespace(result_rows=[*known, *names])
        raise AssertionError(statement)

    def _engine(self, table: str) -> str:
        """As a cluster's server tells it."""
        if table in self.distributed:
            behind, key = self.distributed[table]
            return f"Distributed('{CLUSTER}', '{DATABASE}', '{behind}', {key})"
        asked = "SELECT engine_full FROM system.tables WHERE database = {d:String} AND name = {t:String}"
        engine = self.shards[0].query(asked, parameters={"d": DATABASE, "t": table}).result_rows[0][0]
        kind, rest = re.match(r"(\w*MergeTree)(.*)", engine, re.DOTALL).groups()
        assert not rest.startswith("("), "this table's engine has arguments of its own"
        return f"Replicated{kind}('{self.paths[table]}', '{{replica}}'){rest}"

    def insert_arrow(self, table: str, rows: pa.Table, settings: dict | None = None) -> None:
        assert settings == {"distributed_foreground_insert": 1}, (
            "rows that are passed on later would be swapped without"
        )
        behind, key = self.distributed[table.split(".")[1].strip("`")]
        for number, shard in enumerate(self.shards):
            dealt = quoted(DATABASE, "dealt_out")
            shard.command(f"DROP TABLE IF EXISTS {dealt} SYNC")
            shard.command(f"CREATE TABLE {dealt} AS {quoted(DATABASE, behind)}")
            shard.insert_arrow(dealt, rows)
            shard.command(f"INSERT INTO {quoted(DATABASE, behind)} SELECT * FROM {dealt} WHERE {key} % 2 = {number}")
            shard.command(f"DROP TABLE {dealt} SYNC")

    def held(self, table: str = TABLE) -> list[tuple[date, str]]:
        """Rows of a distributed table, wherever they lie."""
        asked = f"SELECT reading_date, meter_id FROM {quoted(DATABASE, self.distributed[table][0])}"
        return sorted(row for shard in self.shards for row in shard.query(asked).result_rows)

    def tables(self) -> set[str]:
        asked = f"SELECT name FROM system.tables WHERE database = '{DATABASE}'"
        return {*self.distributed, *(name for shard in self.shards for (name,) in shard.query(asked).result_rows)}


class Shard:
    """An engine as a server of the cluster: it has replicas to wait for."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def command(self, statement: str, parameters: dict | None = None) -> Any:
        assert not ON.search(statement), "a shard swaps its own days"
        if statement.startswith("SYSTEM SYNC REPLICA"):
            return None
        return self._client.command(statement, parameters=parameters)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    engines = [ClickHouseProcess(tmp_path_factory.mktemp(f"shard{number}")).start() for number in (1, 2)]
    login = {"username": "writer", "password": PASSWORDS["writer"], "autogenerate_session_id": False}
    try:
        with (
            closing(clickhouse_connect.get_client(host="127.0.0.1", port=engines[0].port, **login)) as one,
            closing(clickhouse_connect.get_client(host="127.0.0.1", port=engines[1].port, **login)) as two,
        ):
            made = Cluster([one, two])
            for script in scripts()[:2]:
                for statement in cluster_script(script, CLUSTER).statements:
                    made.command(statement)
            yield made
    finally:
        for engine in engines:
            engine.stop()


@pytest.fixture
def known(cluster: Cluster) -> Iterator[Servers]:
    yield Servers(cluster, [Shard(shard) for shard in cluster.shards], CLUSTER)
    for shard in cluster.shards:
        shard.command(f"TRUNCATE TABLE {quoted(DATABASE, TABLE + LOCAL)}")


def rows_of(*rows: tuple[date, str]) -> pa.RecordBatchReader:
    days = [day for day, _ in rows]
    return pa.table(
        {
            "reading_date": pa.array(days, pa.date32()),
            "meter_id": pa.array([meter for _, meter in rows], pa.string()),
            "reading_at": pa.array(
                [datetime(*day.timetuple()[:3], 12, tzinfo=UTC) for day in days], pa.timestamp("s", "UTC")
            ),
            "interval_minutes": pa.array([30] * len(days), pa.uint16()),
            "accepted_wh": pa.array([500] * len(days), pa.int64()),
            "quality_code": pa.array(["valid"] * len(days), pa.string()),
        }
    ).to_reader()


@contextmanager
def swapping(known: Servers, run_id: str = "5b1c0ffee0123") -> Iterator[DaySwap]:
    swap = DaySwap(known, TABLE, run_id)
    try:
        yield swap
    finally:
        swap.drop_staging()


def meters_of(cluster: Cluster, shard: int, count: int) -> list[str]:
    """Meters whose rows lie on this shard."""
    _, key = cluster.distributed[TABLE]
    asked = f"SELECT meter_id FROM (SELECT concat('M', toString(number)) AS meter_id FROM numbers(64)) WHERE {key} % 2 = {shard} LIMIT {count}"
    return [meter for (meter,) in cluster.shards[0].query(asked).result_rows]


def test_each_shard_holds_its_meters_and_all_hold_what_was_sent(cluster: Cluster, known: Servers) -> None:
    ones, others = meters_of(cluster, 0, 3), meters_of(cluster, 1, 2)
    sent = [(day, meter) for day in (FIRST, SECOND) for meter in (*ones, *others)]
    with swapping(known) as swap:
        assert swap.replace_days([FIRST, SECOND], rows_of(*sent)) == len(sent)
    assert cluster.held() == sorted(sent)
    counts = [
        shard.query(f"SELECT uniqExact(meter_id) FROM {DATABASE}.{TABLE}{LOCAL}").result_rows[0][0]
        for shard in cluster.shards
    ]
    assert counts == [3, 2]


def test_a_day_that_one_shard_has_no_rows_of_any_more_is_emptied_there(cluster: Cluster, known: Servers) -> None:
    (one,), (other,) = meters_of(cluster, 0, 1), meters_of(cluster, 1, 1)
    with swapping(known) as swap:
        swap.replace_days([FIRST, SECOND], rows_of((FIRST, one), (FIRST, other), (SECOND, one), (SECOND, other)))
    with swapping(known) as swap:
        swap.replace_days([FIRST, THIRD], rows_of((FIRST, other), (THIRD, one)))
    assert cluster.held() == [(FIRST, other), *sorted([(SECOND, one), (SECOND, other)]), (THIRD, one)]


def test_an_empty_day_is_empty_on_every_shard(cluster: Cluster, known: Servers) -> None:
    (one,), (other,) = meters_of(cluster, 0, 1), meters_of(cluster, 1, 1)
    with swapping(known) as swap:
        swap.replace_days([FIRST, SECOND], rows_of((FIRST, one), (FIRST, other), (SECOND, one)))
    with swapping(known) as swap:
        assert swap.replace_days([SECOND], rows_of()) == 0
        swap.empty([FIRST])
    assert cluster.held() == []


def test_rows_of_a_day_that_was_not_named_change_nothing(cluster: Cluster, known: Servers) -> None:
    (one,) = meters_of(cluster, 0, 1)
    with swapping(known) as swap:
        swap.replace(FIRST, rows_of((FIRST, one)))
    with swapping(known) as swap, pytest.raises(RuntimeError, match="none of 1 rows"):
        swap.replace(FIRST, rows_of((SECOND, one)))
    assert cluster.held() == [(FIRST, one)]


def test_nothing_is_left_beside_a_table_also_where_a_run_was_killed(cluster: Cluster, known: Servers) -> None:
    (one,) = meters_of(cluster, 0, 1)
    before = cluster.tables()
    killed = DaySwap(known, TABLE, "00000000dead")
    killed._fill(rows_of((FIRST, one)))
    assert len(cluster.tables() - before) == 2
    drop_leftovers(known, TABLE)
    assert cluster.tables() == before


def test_a_day_of_a_table_beside_goes_into_the_shards_own(cluster: Cluster, known: Servers) -> None:
    """As an erasure does it: shard by shard, in tables that are not replicated."""
    one, other = meters_of(cluster, 0, 2)
    with swapping(known) as swap:
        swap.replace(FIRST, rows_of((FIRST, one), (FIRST, other)))
    shard = cluster.shards[0]
    table, beside = quoted(DATABASE, TABLE + LOCAL), quoted(DATABASE, f"{TABLE}__erasure")
    assert cluster._engine(TABLE + LOCAL).startswith("ReplicatedMergeTree('/clickhouse/tables/{shard}/")
    make_beside(SimpleNamespace(query=cluster.query, command=shard.command), TABLE + LOCAL, f"{TABLE}__erasure")
    shard.command(f"INSERT INTO {beside} SELECT * FROM {table} WHERE meter_id != '{one}'")
    shard.command(f"ALTER TABLE {table} REPLACE PARTITION '{FIRST}' FROM {beside}")
    shard.command(f"DROP TABLE {beside} SYNC")
    assert cluster.held() == [(FIRST, other)]
    assert held_days(shard, TABLE + LOCAL) == {FIRST.isoformat()}


def test_a_shard_is_asked_on_the_replica_that_answers(cluster: Cluster) -> None:
    from clickhouse_connect.driver.exceptions import OperationalError

    asked, closed = [], []

    def connect(url: str) -> Any:
        asked.append(url)
        if "127.0.0.1" in url:
            raise OperationalError("away")
        return SimpleNamespace(close=lambda: closed.append(url))

    replicas = [(1, "127.0.0.1"), (1, "replica"), (2, "::1")]
    writer = SimpleNamespace(query=lambda statement, parameters: SimpleNamespace(result_rows=replicas))
    with servers(writer, "http://w:p@front:8123/", CLUSTER, connect) as found:
        assert len(found.shards) == 2
    assert asked == ["http://w:p@127.0.0.1:8123/", "http://w:p@replica:8123/", "http://w:p@[::1]:8123/"]
    assert closed == asked[1:]


@pytest.mark.parametrize("url", ["http://writer:p%40ss@front:8123/", "https://front/", "http://front:8123/?x=1"])
def test_another_server_is_reached_in_the_same_way(url: str) -> None:
    assert at_host(url, "there").replace("there", "front") == url
