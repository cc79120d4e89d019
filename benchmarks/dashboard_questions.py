"""Ten questions that dashboards ask, on Postgres and on ClickHouse, over the same rows.

What is compared: one statement a store and question, through each store's own client on a connection that stays open,
to the last row read. The tables are those that the platform keeps: native day partitions and a primary key in Postgres,
analysed; in ClickHouse what `clickhouse_ddl/` declares, filled by the day swap that serves. Fair because the rows are
copied, both answers are compared before anything is timed, both caches are warm, and the stores take turns. The ratio is
of times, Postgres ÷ ClickHouse. A question on readings scans millions of rows; one on meter-days, some ten thousand, where
what any query costs (SELECT 1 is timed beside it) is most of the time: so their medians are told apart. ClickHouse answers three of the questions on readings from the pre-aggregate that its
table carries; Postgres's tables have none, so what ClickHouse takes from the rows alone stands beside it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg2

from benchmarks.homes import temporary_home
from benchmarks.measure import Measure, alternately
from energy_assets.home import Calendar
from energy_assets.operations.stores import bring_up
from energy_assets.resources.serving import Serving
from energy_assets.resources.warehouse import Warehouse

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client
    from psycopg2.extensions import connection as Connection

FIRST, DAYS, METERS, SLOTS = date(2024, 3, 1), 60, 2_000, 48
CLAIM = 10
"""What columns against rows are said to bring: 10 to 100 times. Held against the median question on readings."""


@dataclass(frozen=True)
class Question:
    name: str
    postgres: str
    clickhouse: str

    @property
    def is_on_readings(self) -> bool:
        return "energy_analytics.meter_readings" in self.clickhouse


QUESTIONS = (
    Question(
        "energy per day",
        "select reading_date, sum(accepted_wh) from staging.stg_meter_readings group by 1 order by 1",
        "SELECT reading_date, sum(accepted_wh) FROM energy_analytics.meter_readings GROUP BY 1 ORDER BY 1",
    ),
    Question(
        "heat map, hour × weekday",
        "select extract(isodow from reading_at at time zone 'UTC'), extract(hour from reading_at at time zone 'UTC'),"
        " sum(accepted_wh) from staging.stg_meter_readings group by 1, 2 order by 1, 2",
        "SELECT toDayOfWeek(reading_at), toHour(reading_at), sum(accepted_wh)"
        " FROM energy_analytics.meter_readings GROUP BY 1, 2 ORDER BY 1, 2",
    ),
    Question(
        "top consumers of a month",
        "select meter_id, sum(total_kwh) from marts.mart_consumption_metrics"
        " where metric_date >= '2024-03-01' and metric_date < '2024-04-01' group by 1 order by 2 desc, 1 limit 20",
        "SELECT meter_id, sum(total_kwh) AS kwh FROM energy_analytics.consumption_metrics"
        " WHERE metric_date >= '2024-03-01' AND metric_date < '2024-04-01' GROUP BY 1"
        " ORDER BY round(kwh, 3) DESC, 1 LIMIT 20",
    ),
    Question(
        "one meter's month",
        "select reading_at, accepted_wh from staging.stg_meter_readings where meter_id = 'M000421'"
        " and reading_date >= '2024-03-01' and reading_date < '2024-04-01' order by 1",
        "SELECT reading_at, accepted_wh FROM energy_analytics.meter_readings WHERE meter_id = 'M000421'"
        " AND reading_date >= '2024-03-01' AND reading_date < '2024-04-01' ORDER BY 1",
    ),
    Question(
        "completeness by day",
        "select metric_date, avg(completeness_pct), count(*) filter (where completeness_pct < 99)"
        " from marts.mart_consumption_metrics group by 1 order by 1",
        "SELECT metric_date, avg(completeness_pct), countIf(completeness_pct < 99)"
        " FROM energy_analytics.consumption_metrics GROUP BY 1 ORDER BY 1",
    ),
    Question(
        "anomalies by type and day",
        "select reading_date, anomaly_type, count(*), count(distinct meter_id), max(anomaly_score)"
        " from marts.mart_anomaly_flags group by 1, 2 order by 1, 2",
        "SELECT reading_date, anomaly_type, count(), uniqExact(meter_id), max(anomaly_score)"
        " FROM energy_analytics.anomaly_flags GROUP BY 1, 2 ORDER BY 1, 2",
    ),
    Question(
        "daily peak of the network",
        "select reading_date, max(wh) from (select reading_date, reading_at, sum(accepted_wh) as wh"
        " from staging.stg_meter_readings group by 1, 2) as instants group by 1 order by 1",
        "SELECT reading_date, max(wh) FROM (SELECT reading_date, reading_at, sum(accepted_wh) AS wh"
        " FROM energy_analytics.meter_readings GROUP BY 1, 2) GROUP BY 1 ORDER BY 1",
    ),
    Question(
        "load profile with its spread",
        "select extract(hour from reading_at at time zone 'UTC'), avg(accepted_wh), stddev_samp(accepted_wh::float8)"
        " from staging.stg_meter_readings where reading_date >= '2024-03-01' and reading_date < '2024-04-01'"
        " group by 1 order by 1",
        "SELECT toHour(reading_at), avg(accepted_wh), stddevSampStable(accepted_wh) FROM energy_analytics.meter_readings"
        " WHERE reading_date >= '2024-03-01' AND reading_date < '2024-04-01' GROUP BY 1 ORDER BY 1",
    ),
    Question(
        "each day against the week before",
        "select now.metric_date, sum(now.total_kwh), sum(before.total_kwh) from marts.mart_consumption_metrics as now"
        " join marts.mart_consumption_metrics as before"
        " on before.meter_id = now.meter_id and before.metric_date = now.metric_date - 7 group by 1 order by 1",
        "SELECT now.metric_date, sum(now.total_kwh), sum(before.total_kwh) FROM energy_analytics.consumption_metrics AS now"
        " JOIN energy_analytics.consumption_metrics AS before"
        " ON before.meter_id = now.meter_id AND before.metric_date = now.metric_date - 7 GROUP BY 1 ORDER BY 1",
    ),
    Question(
        "distribution of daily consumption",
        "select floor(total_kwh), count(*), avg(peak_kwh) from marts.mart_consumption_metrics group by 1 order by 1",
        "SELECT floor(total_kwh), count(), avg(peak_kwh) FROM energy_analytics.consumption_metrics GROUP BY 1 ORDER BY 1",
    ),
)

TABLES = (
    "create table staging.stg_meter_readings (reading_date date not null, meter_id text not null,"
    " reading_at timestamptz not null, interval_minutes smallint not null, accepted_wh bigint, quality_code text not null,"
    " primary key (reading_date, meter_id, reading_at)) partition by list (reading_date)",
    "create table marts.mart_consumption_metrics (metric_date date not null, meter_id text not null,"
    " total_kwh numeric(14,3) not null, peak_kwh numeric(14,3), reading_count smallint not null,"
    " expected_count smallint not null, completeness_pct numeric(7,2) not null, primary key (metric_date, meter_id))",
    "create table marts.mart_anomaly_flags (reading_date date not null, meter_id text not null,"
    " reading_at timestamptz not null, consumption_kwh numeric(14,3) not null, anomaly_score numeric(8,6) not null,"
    " anomaly_type text not null, model_version text not null, primary key (reading_date, meter_id, reading_at))",
)
READINGS_OF_A_DAY = """
with slots as (
    select meter, slot, hashint8(meter::bigint * 1000003 + slot * 7919 + %(number)s * 104729) & 1048575 as noise
    from generate_series(1, %(meters)s) as meter cross join generate_series(0, %(last)s) as slot
)
insert into staging.stg_meter_readings
select
    %(day)s, 'M' || lpad(meter::text, 6, '0'), %(day)s::timestamp at time zone 'UTC' + slot * interval '30 min', 30,
    case when noise %% 200 > 0
        then ((150 + meter * 37 %% 400) * (1 + 0.7 * sin(slot / 48.0 * 2 * pi() - 2)) * (0.5 + noise %% 1000 / 1000.0))::bigint
    end,
    case when noise %% 200 > 0 then 'valid' else 'negative' end
from slots
"""
DERIVED = (
    "insert into marts.mart_consumption_metrics select reading_date, meter_id, coalesce(sum(accepted_wh), 0) / 1000,"
    " max(accepted_wh) / 1000.0, count(*), 48, 100.0 * count(accepted_wh) / 48 from staging.stg_meter_readings group by 1, 2",
    "insert into marts.mart_anomaly_flags select reading_date, meter_id, reading_at, accepted_wh / 1000.0,"
    " 0.5 + accepted_wh % 500 / 1000.0, (array['spike', 'drop', 'drift', 'flat', 'unusual_pattern'])[1 + accepted_wh % 5],"
    " '2024-W09' from staging.stg_meter_readings where accepted_wh % 97 = 0",
    "vacuum analyze staging.stg_meter_readings",
    "vacuum analyze marts.mart_consumption_metrics",
    "vacuum analyze marts.mart_anomaly_flags",
)
COPIES = {
    "meter_readings": "select * from staging.stg_meter_readings where reading_date = %(day)s::date",
    "consumption_metrics": "select metric_date, meter_id, total_kwh::float8, peak_kwh::float8, reading_count,"
    " expected_count, completeness_pct::float8 from marts.mart_consumption_metrics where metric_date = %(day)s::date",
    "anomaly_flags": "select reading_date, meter_id, reading_at, consumption_kwh::float8, anomaly_score::float8,"
    " anomaly_type, model_version from marts.mart_anomaly_flags where reading_date = %(day)s::date",
}


def measure() -> Iterator[Measure]:
    with temporary_home() as home:
        home.write_calendar(Calendar("UTC", FIRST))
        known = bring_up(home)
        warehouse, serving = Warehouse(home=str(home.path)), Serving(home=str(home.path))
        connection = psycopg2.connect(known.transformer_dsn)
        connection.autocommit = True
        fill(connection)
        with serving.client() as client:
            serve(warehouse, serving, client)
            asked = {question: ask(connection, client, question) for question in QUESTIONS}
            (empty,) = alternately(lambda: client.query("SELECT 1").result_rows, rounds=5)
        connection.close()
    yield median(asked, "readings", on_readings=True, goal=CLAIM)
    yield replace(median(asked, "meter-days", on_readings=False, goal=1), ours=f"SELECT 1 takes {empty * 1000:.1f} ms")
    yield from asked.values()


def median(asked: Mapping[Question, Measure], grain: str, *, on_readings: bool, goal: float) -> Measure:
    ratios = [measure.value for question, measure in asked.items() if question.is_on_readings == on_readings]
    return Measure(
        name=f"Dashboards: the median question on {grain}",
        what=f"time on Postgres ÷ on ClickHouse, {len(ratios)} questions on {METERS:,} meters × {DAYS} days of half hours",
        value=statistics.median(ratios),
        unit="",
        goal=goal,
        better="higher",
    )


def ask(connection: Connection, client: Client, question: Question) -> Measure:
    """One question's times. Raises AssertionError where the stores answer differently."""

    def on_postgres() -> list[tuple]:
        with connection.cursor() as cursor:
            cursor.execute(question.postgres)
            return cursor.fetchall()

    def on_clickhouse() -> Sequence[Sequence[Any]]:
        return client.query(question.clickhouse).result_rows

    def from_rows_alone() -> Sequence[Sequence[Any]]:
        return client.query(question.clickhouse, settings={"optimize_use_projections": 0}).result_rows

    require_same(question.name, on_postgres(), on_clickhouse())
    require_same(question.name, on_postgres(), from_rows_alone())
    postgres, clickhouse, alone = alternately(on_postgres, on_clickhouse, from_rows_alone, rounds=3)
    return Measure(
        name=f"Dashboards: {question.name}",
        what="time on Postgres ÷ time on ClickHouse",
        value=postgres / clickhouse,
        unit="",
        goal=1,
        better="higher",
        ours=f"ClickHouse {clickhouse * 1000:.1f} ms (from rows alone {alone * 1000:.1f} ms)",
        bare=f"Postgres {postgres * 1000:.1f} ms",
    )


def require_same(name: str, left: Sequence[Sequence[Any]], right: Sequence[Sequence[Any]]) -> None:
    if not left or len(left) != len(right):
        raise AssertionError(f"{name}: Postgres answers {len(left)} rows, ClickHouse {len(right)}")
    for one, other in zip(left, right, strict=True):
        if not all(same(*pair) for pair in zip(one, other, strict=True)):
            raise AssertionError(f"{name}: Postgres answers {one}, ClickHouse {other}")


def same(left: Any, right: Any) -> bool:
    """Equal, numbers within rounding: one store's are exact, the other's measured."""
    if isinstance(left, int | float | Decimal) and isinstance(right, int | float | Decimal):
        return math.isclose(left, right, rel_tol=1e-6, abs_tol=1e-6)
    return _instant(left) == _instant(right)


def _instant(value: Any) -> Any:
    is_naive = isinstance(value, datetime) and value.tzinfo is None
    return value.replace(tzinfo=UTC) if is_naive else value


def fill(connection: Connection) -> None:
    with connection.cursor() as cursor:
        for statement in TABLES:
            cursor.execute(statement)
        for number, day in enumerate(days()):
            cursor.execute(
                f"create table staging.stg_meter_readings_{day:%Y%m%d}"
                " partition of staging.stg_meter_readings for values in (%s)",
                (day,),
            )
            cursor.execute(READINGS_OF_A_DAY, {"day": day, "number": number, "meters": METERS, "last": SLOTS - 1})
        for statement in DERIVED:
            cursor.execute(statement)


def serve(warehouse: Warehouse, serving: Serving, client: Client) -> None:
    for table, query in COPIES.items():
        with serving.swapping(client, table, run_id="dashboards") as swap:
            for day in days():
                with warehouse.stream(query, {"day": day}) as batches:
                    swap.replace(day, batches)


def days() -> list[date]:
    return [FIRST + timedelta(days=number) for number in range(DAYS)]
