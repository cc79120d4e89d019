"""A day of Postgres rows into ClickHouse, beside the same route by hand.

What is compared: what a served asset does with a day (the table's lock, a stream of Arrow batches, a staging table whose
partition replaces the day, the version) against ADBC → one Arrow table → `insert_arrow` into an emptied table, and against
ClickHouse's own `postgresql()`, which fetches the rows itself. Fair because all put the same rows into the same engine; the ratio is
of speeds, ours ÷ theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from adbc_driver_postgresql import dbapi

from benchmarks.homes import temporary_home
from benchmarks.measure import Measure, alternately, speed
from energy_assets.assets.serving import SERVED, Served
from energy_assets.home import Calendar, Home
from energy_assets.keys import GATED
from energy_assets.operations.stores import bring_up
from energy_assets.resources.serving import DATABASE, Serving
from energy_assets.resources.serving_ddl import quoted
from energy_assets.resources.warehouse import Warehouse, quoted_name

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

DAY = date(2024, 3, 4)
METERS, SLOTS = 10_000, 48
READINGS = next(served for served in SERVED if served.source == "stg_meter_readings")
GOAL = 0.8


def measure() -> Iterator[Measure]:
    with temporary_home() as home:
        home.write_calendar(Calendar("Africa/Douala", DAY))
        bring_up(home)
        fill(Warehouse(home=str(home.path)))
        yield from beside_others(home, READINGS)


def beside_others(home: Home, served: Served) -> Iterator[Measure]:
    warehouse, serving = Warehouse(home=str(home.path)), Serving(home=str(home.path))
    with serving.client() as client:
        client.command(f"CREATE TABLE {DATABASE}.by_hand AS {DATABASE}.{served.table}")

    def ours() -> None:
        with (
            warehouse.locked(served.ledger_name),
            serving.client() as client,
            serving.swapping(client, served.table, run_id="bench") as swap,
        ):
            with warehouse.stream(served.day_query, {"day": DAY}) as batches:
                rows = swap.replace(DAY, batches)
            warehouse.bump_days(served.ledger_name, {DAY: rows}, run_id="bench")
        assert rows == METERS * SLOTS

    def by_hand() -> None:
        with serving.client() as client:
            client.command(f"TRUNCATE TABLE {DATABASE}.by_hand")
            copy_by_hand(warehouse, client, served, DAY, into=f"{DATABASE}.by_hand")

    def fetched() -> None:
        with serving.client() as client:
            client.command(f"TRUNCATE TABLE {DATABASE}.by_hand")
            fetch(warehouse, client, served, DAY, into=f"{DATABASE}.by_hand")

    taken, bare, own = alternately(ours, by_hand, fetched, rounds=5)
    yield copied("ADBC → Arrow → insert_arrow by hand", taken, bare)
    yield copied("ClickHouse's postgresql()", taken, own)


def copied(other: str, taken: float, bare: float) -> Measure:
    what = "speed of replacing a served day ÷ speed of theirs"
    return speed(f"Postgres → ClickHouse beside {other}", what, METERS * SLOTS, taken, bare, goal=GOAL)


def copy_by_hand(warehouse: Warehouse, client: Client, served: Served, day: date, *, into: str) -> None:
    """A served table's day by ADBC and Arrow into the table `into` of ClickHouse."""
    with dbapi.connect(warehouse.connections.transformer_dsn) as connection, connection.cursor() as cursor:
        cursor.execute(served.day_query % {"day": f"'{day}'"})
        client.insert_arrow(into, cursor.fetch_arrow_table())


def fetch(warehouse: Warehouse, client: Client, served: Served, day: date, *, into: str) -> None:
    """The same by ClickHouse itself."""
    parts = urlsplit(warehouse.connections.transformer_dsn)
    known = {
        "place": f"{parts.hostname}:{parts.port}",
        "database": parts.path.removeprefix("/"),
        "table": served.source,
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "schema": GATED[served.source],
        "day": day,
    }
    columns = ", ".join(quoted(column.name) for column in served.columns)
    client.command(
        f"INSERT INTO {into} ({columns}) SELECT {columns} FROM postgresql("
        "{place:String}, {database:String}, {table:String}, {user:String}, {password:String}, {schema:String})"
        f" WHERE {quoted(served.date_column)} = {{day:Date}}",
        parameters=known,
    )


def fill(warehouse: Warehouse) -> None:
    """The served table with one day, as dbt would have made it: no dbt here."""
    with warehouse.transaction() as connection, connection.cursor() as cursor:
        cursor.execute(
            f"create table {quoted_name('staging', READINGS.source)} (reading_date date not null, meter_id text not null,"
            " reading_at timestamptz not null, interval_minutes smallint not null, accepted_wh bigint, quality_code text not null)"
        )
        cursor.execute(
            f"insert into {quoted_name('staging', READINGS.source)}"
            " select %(day)s, 'M' || lpad(meter::text, 6, '0'), %(day)s::timestamp at time zone 'UTC' + slot * interval '30 min',"
            " 30, (meter * 7919 + slot * 104729) %% 2000, 'valid'"
            " from generate_series(1, %(meters)s) as meter cross join generate_series(0, %(last)s) as slot",
            {"day": DAY, "meters": METERS, "last": SLOTS - 1},
        )
