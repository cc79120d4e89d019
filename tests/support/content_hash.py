"""What the tables of both stores hold, as a hash per day, whoever wrote it, when, and in which order.

What belongs here: hashing rows inside the databases, without times and ids of work. What does not: what should be equal.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from psycopg2 import sql

from energy_assets.resources.served_records import TABLES
from energy_assets.resources.serving import DATABASE, Serving
from energy_assets.resources.serving_ddl import quoted, scripts, tables_of
from energy_assets.resources.warehouse import Warehouse

SCHEMAS = ("raw_data", "staging", "intermediate", "ml", "marts", "quality")

WITHOUT_MODELS = (
    "staging.",
    "intermediate.",
    "marts.mart_load_profile",
    "marts.mart_transformer_losses",
    "ml.load_forecast",
    "marts.mart_forecast_accuracy",
    f"{DATABASE}.meter_readings",
    f"{DATABASE}.load_profile",
    f"{DATABASE}.transformer_losses",
    f"{DATABASE}.load_forecast",
    f"{DATABASE}.forecast_accuracy",
)
"""Tables that must not tell in which order deliveries came and runs went."""
WITHOUT_DELIVERY = (
    *WITHOUT_MODELS,
    "ml.",
    "marts.mart_consumption_metrics",
    "marts.mart_anomaly_flags",
    "marts.mart_theft_cases",
    "marts.mart_detection_performance",
    f"{DATABASE}.anomaly_",
    f"{DATABASE}.theft_",
    f"{DATABASE}.detection_performance",
    f"{DATABASE}.consumption_metrics",
)
"""Tables that must not tell how rows were delivered, where all of it landed before the first run."""


WORK: Mapping[str, Collection[str]] = {
    "raw_data.landing_files": ("file_id", "landed_at", "run_id", "retracted_at"),
    "raw_data.landing_paths": ("modified_ns", "seen_at"),
    "ml.anomaly_model": ("run_id", "published_at"),
    "ml.theft_model": ("run_id", "published_at"),
    "quality.day_versions": ("version", "run_id", "written_at"),
    "quality.validation_results": ("version", "run_id", "judged_at"),
    "quality.overrides": ("version", "accepted_at"),
}
"""Columns that say when and by which run a row was written, and numbers that follow from it."""

NOT_OF_DAYS = [
    "quality.records_served",
    "schema_migrations",
    *(records.table for records in TABLES),
    *(table.name for table in tables_of(scripts()).values() if table.reads),
]
"""What is told of work, whenever somebody copies it, and views of the others."""

DATE_COLUMNS = (
    "reading_date",
    "observation_date",
    "outage_date",
    "purchase_date",
    "inspected_on",
    "metric_date",
    "loss_date",
    "fitted_date",
    "forecast_date",
    "score_date",
    "explained_date",
    "case_date",
    "week_date",
    "decided_on",
)
"""By the first of these that a table has, its rows are told apart; in Postgres and ClickHouse alike."""

PER_FILE = "(select sha256 from raw_data.landing_files as file where file.file_id = held.file_id)"
"""A file's number depends on when it landed; its hash does not."""


class Held(NamedTuple):
    """Rows of a day, and the sum of their hashes."""

    rows: int
    hash: str


Content = dict[str, dict[str, Held]]
"""Table -> day (or "" where it has none) -> what is held. Days without rows have no entry."""


def content(warehouse: Warehouse, serving: Serving, tables: Collection[str] = ("",)) -> Content:
    """What each table of both stores holds whose name starts with one of `tables`; by default all."""
    found = _postgres(warehouse, tables) | _clickhouse(serving, tables)
    return dict(sorted(found.items()))


def differences(left: Content, right: Content) -> list[str]:
    """The tables and days that differ, in words; empty where both hold the same."""
    return [
        f"{table} {day}: {left.get(table, {}).get(day)} here, {right.get(table, {}).get(day)} there"
        for table in sorted(left.keys() | right.keys())
        for day in sorted(left.get(table, {}).keys() | right.get(table, {}).keys())
        if left.get(table, {}).get(day) != right.get(table, {}).get(day)
    ]


def assert_same(left: Content, right: Content) -> None:
    """Fails, naming tables and days, where two contents differ, and where there is nothing to compare."""
    assert left, "there is no table to compare"
    assert any(left.values()), "no table holds any row"
    assert not (differing := differences(left, right)), "\n".join(differing[:40])


def _postgres(warehouse: Warehouse, tables: Collection[str]) -> Content:
    held: Content = {}
    with warehouse.transaction() as connection, connection.cursor() as cursor:
        cursor.execute("set local timezone = 'UTC'")
        for name, columns in _postgres_columns(cursor).items():
            if name.startswith(tuple(tables)) and name not in NOT_OF_DAYS:
                cursor.execute(_day_hashes(name, columns))
                held[name] = {str(day or ""): Held(rows, str(total)) for day, rows, total in cursor.fetchall()}
    return held


def _postgres_columns(cursor: Any) -> dict[str, list[str]]:
    """Columns of every table, in the order in which they are declared; partitions are part of their table."""
    cursor.execute(
        "select nspname || '.' || relname, array_agg(attname::text order by attnum)"
        " from pg_class join pg_namespace on pg_namespace.oid = relnamespace join pg_attribute on attrelid = pg_class.oid"
        " where nspname = any(%s) and relkind in ('r', 'p') and not relispartition and attnum > 0 and not attisdropped"
        " group by 1 order by 1",
        (list(SCHEMAS),),
    )
    return dict(cursor.fetchall())


def _day_hashes(name: str, columns: list[str]) -> sql.Composed:
    kept = [column for column in columns if column not in WORK.get(name, ())]
    row = sql.SQL(", ").join(
        sql.SQL(PER_FILE) if column == "file_id" else sql.Identifier("held", column) for column in kept
    )
    day = next((column for column in DATE_COLUMNS if column in columns), None)
    return sql.SQL(
        "select {day}, count(*), sum(hashtextextended(row({row})::text, 0)::numeric) from {table} as held group by 1"
    ).format(
        day=sql.Identifier("held", day) if day else sql.SQL("null::date"),
        row=row,
        table=sql.Identifier(*name.split(".")),
    )


def _clickhouse(serving: Serving, tables: Collection[str]) -> Content:
    held: Content = {}
    with serving.client() as client:
        columns = client.query(
            "SELECT table, groupArray(name) FROM (SELECT table, name FROM system.columns"
            " WHERE database = {database:String} AND default_kind != 'ALIAS' AND table NOT IN {others:Array(String)}"
            " ORDER BY table, position) GROUP BY table",
            parameters={"database": DATABASE, "others": NOT_OF_DAYS},
        ).result_rows
        for table, names in columns:
            if not f"{DATABASE}.{table}".startswith(tuple(tables)):
                continue
            day = next(column for column in DATE_COLUMNS if column in names)
            row = ", ".join(quoted(column) for column in names)
            rows = client.query(
                f"SELECT {quoted(day)}, count(), sum(cityHash64(formatRow('JSONCompactEachRow', {row})))"
                f" FROM {quoted(DATABASE, table)} GROUP BY 1"
            ).result_rows
            held[f"{DATABASE}.{table}"] = {str(of): Held(count, str(total)) for of, count, total in rows}
    return held
