"""What the models read on ClickHouse: a day of raw readings from the landing zone's parts, and of small tables from Postgres.

What belongs here: which tables and columns, and their way into ClickHouse. What does not: the models (clickhouse_runs.py), what is held against
what (clickhouse_comparison.py).

Tables have the names that they have in Postgres, in databases called as its schemas. Raw readings come from the same parts, of the files that count, that
the graph fills Postgres' raw table from: past Postgres, which is the shorter way. A day of an input is emptied and filled: it is nobody's but the models'.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING

import pyarrow as pa
import yaml

from energy_assets.days import DayWindow
from energy_assets.landing.contract import source
from energy_assets.resources import ledger
from energy_assets.resources.dbt import PROJECT_DIR
from energy_assets.resources.landing_zone import LandingZone
from energy_assets.resources.serving_ddl import quoted
from energy_assets.resources.warehouse import Warehouse, quoted_name

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

DATE_COLUMN = "reading_date"
ROWS_AT_ONCE = 500_000
"""Rows of one insert: each makes a part of its own, and is held in memory once."""


@dataclass(frozen=True)
class Table:
    """A table of Postgres that is needed in ClickHouse too, and the columns that are."""

    schema: str
    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    """Column names that tell rows apart, behind the date; ClickHouse orders by them."""

    @property
    def selected(self) -> tuple[str, ...]:
        return (DATE_COLUMN, *self.columns)


RAW_READINGS = Table(
    "raw_data",
    "meter_readings",
    columns=(
        *("meter_id", "reading_at", "consumption_kwh", "interval_minutes", "status", "status_rank"),
        *("version", "instant_code"),
    ),
    key=("meter_id", "reading_at"),
)
SMALL = (
    Table(
        "staging",
        "stg_meters",
        ("meter_id", "customer_class", "transformer_id", "feeder_id", "ct_multiplier"),
        ("meter_id",),
    ),
    Table(
        "staging",
        "stg_transformer_readings",
        ("transformer_id", "reading_at", "interval_minutes", "accepted_wh"),
        ("transformer_id", "reading_at"),
    ),
    Table(
        "staging",
        "stg_transformers",
        ("transformer_id", "feeder_id", "rating_kva", "no_load_loss_w", "load_loss_w"),
        ("transformer_id",),
    ),
    Table("staging", "stg_outages", ("area_id", "started_at", "off_from", "off_until"), ("area_id", "started_at")),
    Table(
        "intermediate",
        "int_reading_estimates",
        ("meter_id", "reading_at", "interval_minutes", "estimated_wh"),
        ("meter_id", "reading_at"),
    ),
)
INPUTS = (RAW_READINGS, *SMALL)
"""What the models read and none of them writes; without names, addresses, places or tariffs of customers."""


def copy_inputs(warehouse: Warehouse, client: Client, day: date) -> dict[str, int]:
    """Make the day of each input in ClickHouse what it is in the home; returns the rows by table."""
    raw = {RAW_READINGS.name: fill(warehouse, client, RAW_READINGS, day, delivered(warehouse, day))}
    return raw | copy_stored(warehouse, client, SMALL, day)


def copy_stored(warehouse: Warehouse, client: Client, tables: Iterable[Table], day: date) -> dict[str, int]:
    """The same for `tables`, from Postgres."""
    rows = {}
    for table in tables:
        with stored(warehouse, table, day) as batches:
            rows[table.name] = fill(warehouse, client, table, day, batches)
    return rows


def fill(
    warehouse: Warehouse,
    client: Client,
    table: Table,
    day: date,
    batches: Iterable[pa.RecordBatch],
    *,
    database: str | None = None,
) -> int:
    """Make the day of `table` in ClickHouse, in the database of its schema or another, hold exactly `batches`; returns the rows."""
    into = quoted(database or table.schema, table.name)
    client.command(f"CREATE DATABASE IF NOT EXISTS {quoted(database or table.schema)}")
    client.command(create_statement(warehouse, table, into))
    client.command(f"ALTER TABLE {into} DROP PARTITION {{day:Date}}", parameters={"day": day.isoformat()})
    return sum(_inserted(client, into, piece) for piece in pieces(batches))


def delivered(warehouse: Warehouse, day: date) -> Iterator[pa.RecordBatch]:
    """The day's raw readings, from the parts of the files that count. Raises dagster's Failure where a part is missing."""
    readings = source("meter_readings")
    files = ledger.day_inputs(warehouse, readings, DayWindow.of(day))[day].files
    for reader in LandingZone(home=warehouse.home).day(readings, day, files):
        for batch in reader:
            yield batch.select(RAW_READINGS.selected)


def stored(warehouse: Warehouse, table: Table, day: date) -> AbstractContextManager[pa.RecordBatchReader]:
    """The day of a table of Postgres, as a stream of Arrow batches; decimals are floats, which hold fifteen digits of them."""
    types = postgres_types(warehouse, table)
    columns = ", ".join(
        f"{quoted_name(name)}::double precision as {quoted_name(name)}"
        if types[name] == "numeric"
        else quoted_name(name)
        for name in table.selected
    )
    return warehouse.stream(
        f"select {columns} from {quoted_name(table.schema, table.name)} where {quoted_name(DATE_COLUMN)} = %(day)s",
        {"day": day},
    )


def create_statement(warehouse: Warehouse, table: Table, into: str) -> str:
    """A day-partitioned table like Postgres', of the columns that are needed."""
    types, keys = postgres_types(warehouse, table), (DATE_COLUMN, *table.key)
    columns = ", ".join(f"{quoted(name)} {_column_type(types[name], name in keys)}" for name in table.selected)
    order = ", ".join(map(quoted, keys))
    return (
        f"CREATE TABLE IF NOT EXISTS {into} ({columns}) ENGINE = MergeTree"
        f" PARTITION BY {quoted(DATE_COLUMN)} ORDER BY ({order})"
    )


def _column_type(declared: str, is_key: bool) -> str:
    """Keys and arrays are never null; ClickHouse has no array that may be."""
    known = clickhouse_types()[declared]
    return known if is_key or declared.endswith("[]") else f"Nullable({known})"


@lru_cache(maxsize=1)
def clickhouse_types() -> dict[str, str]:
    """ClickHouse's type of each that models are declared with, as dbt translates them."""
    return yaml.safe_load((PROJECT_DIR / "dbt_project.yml").read_text())["vars"]["clickhouse_types"]


def postgres_types(warehouse: Warehouse, table: Table) -> dict[str, str]:
    """The type of each column, as models declare it. Raises LookupError where the table lacks one of them."""
    found = dict(
        warehouse.rows(
            "select attname, replace(format_type(atttypid, null), 'timestamp with time zone', 'timestamptz') from pg_attribute"
            " where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped",
            (quoted_name(table.schema, table.name),),
        )
    )
    if lacking := [name for name in table.selected if name not in found]:
        raise LookupError(
            f"{table.schema}.{table.name} lacks {', '.join(lacking)} in Postgres: compute a day first, energy-assets materialize --day"
        )
    return {name: found[name] for name in table.selected}


def pieces(batches: Iterable[pa.RecordBatch], rows_at_once: int = ROWS_AT_ONCE) -> Iterator[pa.Table]:
    """The same rows as few tables, none of which is much larger than `rows_at_once`."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        if sum(piece.num_rows for piece in held) >= rows_at_once:
            yield pa.Table.from_batches(held)
            held = []
    if held:
        yield pa.Table.from_batches(held)


def _inserted(client: Client, into: str, rows: pa.Table) -> int:
    if rows.num_rows:
        client.insert_arrow(into, rows)
    return rows.num_rows
