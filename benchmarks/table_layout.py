"""ClickHouse's table of readings as `clickhouse_ddl/002` declares it, beside the same table with a choice undone.

What is compared: 10,000 meters × 30 days of half hours, written a day at a time by the same statement into each table.
Fair because both tables are in one engine, hold the same rows and are asked the same question in turns; the energies
are noisy on purpose (a smooth curve would flatter any codec). The ratio is what the choice saves: undone ÷ ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import TYPE_CHECKING

from benchmarks.homes import temporary_home
from benchmarks.measure import Measure, alternately
from energy_assets.embedded import supervisor
from energy_assets.resources.serving import connect
from energy_assets.resources.serving_ddl import DATABASE, scripts
from energy_assets.resources.serving_schema import apply_scripts
from energy_assets.settings import settings

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

FIRST, DAYS, METERS, SLOTS = date(2024, 3, 1), 30, 10_000, 48
OURS = f"{DATABASE}.meter_readings"
PLAIN_COLUMNS = (
    "reading_date Date, meter_id String, reading_at DateTime('UTC'), interval_minutes UInt16,"
    " accepted_wh Nullable(Int64), quality_code String"
)
UNDONE = {
    "plain": f"({PLAIN_COLUMNS}) ENGINE = MergeTree PARTITION BY reading_date ORDER BY (meter_id, reading_at)",
    "by_instant": f"AS {OURS} ENGINE = MergeTree PARTITION BY reading_date ORDER BY (reading_at, meter_id)",
    "by_month": f"AS {OURS} ENGINE = MergeTree PARTITION BY toYYYYMM(reading_date) ORDER BY (meter_id, reading_at)",
}
"""`plain` has no codec, no low cardinality and no pre-aggregate; each of the others has one other key."""

DAY_OF_READINGS = f"""
INSERT INTO {{table}} (reading_date, meter_id, reading_at, interval_minutes, accepted_wh, quality_code)
SELECT
    {{day}},
    'M' || leftPad(toString(intDiv(number, {SLOTS})), 6, '0'),
    toDateTime({{day}}, 'UTC') + number % {SLOTS} * 1800,
    30,
    if(is_bad, NULL, toInt64(level * curve * noise)),
    if(is_bad, 'negative', 'valid')
FROM
(
    SELECT
        number,
        cityHash64(number, {{day}}, 'bad') % 200 = 0 AS is_bad,
        150 + cityHash64(intDiv(number, {SLOTS})) % 400 AS level,
        1 + 0.7 * sin(number % {SLOTS} / {SLOTS} * 2 * pi() - 2) AS curve,
        0.5 + cityHash64(number, {{day}}, 'noise') % 1000 / 1000 AS noise
    FROM numbers({METERS * SLOTS})
)
"""

PER_DAY = "SELECT reading_date, sum(accepted_wh) FROM {table} GROUP BY 1 ORDER BY 1"
HEAT_MAP = (
    "SELECT toDayOfWeek(reading_at), toHour(reading_at), sum(accepted_wh) FROM {table} GROUP BY 1, 2 ORDER BY 1, 2"
)
A_METER = "SELECT reading_at, accepted_wh FROM {table} WHERE meter_id = 'M004242' ORDER BY 1"
A_DAY = "SELECT meter_id, max(accepted_wh) FROM {table} WHERE reading_date = '2024-03-12' GROUP BY 1 ORDER BY 1"


def measure() -> Iterator[Measure]:
    with temporary_home() as home:
        client = connect(supervisor.up(home, settings()).clickhouse_url)
        apply_scripts(client, scripts())
        for name, form in UNDONE.items():
            client.command(f"CREATE TABLE {DATABASE}.{name} {form}")
        for table in (OURS, *(f"{DATABASE}.{name}" for name in UNDONE)):
            fill(client, table)
        yield from sizes(client)
        yield faster(client, "energy per day", PER_DAY, "plain", "the pre-aggregate", goal=5)
        yield faster(client, "hour × weekday", HEAT_MAP, "plain", "the pre-aggregate", goal=5)
        yield faster(client, "one meter's month", A_METER, "by_instant", "rows ordered by meter", goal=3)
        yield faster(client, "one day", A_DAY, "by_month", "partitions of a day", goal=2)
        client.close()


def fill(client: Client, table: str) -> None:
    for day in range(DAYS):
        client.command(DAY_OF_READINGS.format(table=table, day=f"toDate('{FIRST + timedelta(days=day)}')"))
    client.command(f"OPTIMIZE TABLE {table} FINAL")


def sizes(client: Client) -> Iterator[Measure]:
    ours, plain = column_bytes(client, "meter_readings"), column_bytes(client, "plain")
    yield smaller("whole table, codecs", sum(ours.values()), sum(plain.values()), goal=2)
    for column, goal in (("accepted_wh", 2), ("reading_at", 2), ("quality_code", 2)):
        yield smaller(column, ours[column], plain[column], goal=goal)


def smaller(what: str, ours: int, plain: int, *, goal: float) -> Measure:
    return saving(what, "bytes on disk of a plain column ÷ ours", ours / 1e6, plain / 1e6, "{:.2f} MB", goal=goal)


def faster(client: Client, question: str, sql: str, undone: str, choice: str, *, goal: float) -> Measure:
    def asked(table: str) -> Callable[[], object]:
        return lambda: client.query(sql.format(table=table)).result_rows

    ours, other = asked(OURS), asked(f"{DATABASE}.{undone}")
    if ours() != other():
        raise AssertionError(f"{question}: the tables answer differently")
    taken, without = alternately(ours, other, rounds=5)
    ratio = f"time without {choice} ÷ with"
    return saving(question, ratio, taken * 1000, without * 1000, "{:.1f} ms", goal=goal)


def saving(name: str, ratio: str, ours: float, undone: float, shown: str, *, goal: float) -> Measure:
    """How many times as much the table with the choice undone takes."""
    return Measure(
        name=f"Table layout: {name}",
        what=f"{ratio}, {METERS * SLOTS * DAYS:,} readings",
        value=undone / ours,
        unit="",
        goal=goal,
        better="higher",
        ours=shown.format(ours),
        bare=shown.format(undone),
    )


def column_bytes(client: Client, table: str) -> dict[str, int]:
    rows = client.query(
        "SELECT column, sum(column_data_compressed_bytes) FROM system.parts_columns"
        " WHERE database = {database:String} AND table = {table:String} AND active GROUP BY column",
        parameters={"database": DATABASE, "table": table},
    ).result_rows
    return dict(rows)
