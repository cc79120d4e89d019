"""Whether a model's day on ClickHouse is that of Postgres: rows, keys, and every column within its tolerance.

What belongs here: what counts as the same, and counting what is not. What does not: how either side was made (clickhouse_runs.py).

Postgres' rows are brought into a database of their own beside ClickHouse's, and compared there by the declared key. Decimals are compared as floats, which tell
apart all that they can hold (numeric(16,3) has at most fifteen digits here).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import yaml

from benchmarks.clickhouse_inputs import DATE_COLUMN, Table, fill, postgres_types, stored
from benchmarks.clickhouse_runs import MODELS
from energy_assets.resources.dbt import PROJECT_DIR
from energy_assets.resources.serving_ddl import quoted
from energy_assets.resources.warehouse import Warehouse

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

FROM_POSTGRES = "from_postgres"
"""The database of Postgres' rows."""
KEYS = {
    "stg_meter_readings": ("meter_id", "reading_at"),
    "int_consumption_features": ("meter_id",),
    "int_readings_hourly": ("meter_id", "hour_at"),
    "int_transformer_balance": ("transformer_id", "reading_at"),
}
TOLERANCE = {"std_wh": 0.001, "technical_loss_wh": 1, "non_technical_loss_wh": 1}
"""What may differ, and by how much: a root, and what is computed with floats and rounded to a Wh. All other columns are the same to the last digit."""


@dataclass(frozen=True)
class Column:
    """How a column's values differ, of the rows that both sides have."""

    name: str
    differing: int
    """Rows in which they are not the same."""
    largest: float
    """The largest difference of two numbers; 0 where none are compared."""
    beyond: int
    """Rows in which they differ by more than the tolerance, or one is null."""


@dataclass(frozen=True)
class Comparison:
    model: str
    rows: int
    """Of Postgres."""
    only_in_postgres: int
    only_in_clickhouse: int
    columns: tuple[Column, ...]

    @property
    def differences(self) -> int:
        """Rows that one side lacks, and values beyond their tolerance. A key that is there twice counts as a row too many."""
        return self.only_in_postgres + self.only_in_clickhouse + sum(column.beyond for column in self.columns)

    def told(self) -> str:
        """One sentence."""
        within = [
            f"{column.name} in {column.differing:,} rows by at most {column.largest:g} (tolerance {TOLERANCE[column.name]:g})"
            for column in self.columns
            if column.differing and not column.beyond
        ]
        beyond = [f"{column.name} in {column.beyond:,} rows" for column in self.columns if column.beyond]
        lacking = [
            f"{count:,} rows only in {where}"
            for count, where in ((self.only_in_postgres, "Postgres"), (self.only_in_clickhouse, "ClickHouse"))
            if count
        ]
        wrong = [*lacking, *(f"beyond tolerance: {text}" for text in beyond)]
        same = f"{self.rows:,} rows, the same keys and values" + (f", but {'; '.join(within)}" if within else "")
        return f"{self.model}: {'; '.join(wrong) if wrong else same}"


def compare(warehouse: Warehouse, client: Client, day: date) -> list[Comparison]:
    """Each model's day on both sides."""
    found = []
    for name, schema in MODELS.items():
        columns = tuple(column for column in declared_columns(name) if column != DATE_COLUMN)
        table = Table(schema, name, columns, KEYS[name])
        with stored(warehouse, table, day) as batches:
            fill(warehouse, client, table, day, batches, database=FROM_POSTGRES)
        found.append(_compared(client, table, postgres_types(warehouse, table), day))
    client.command(f"DROP DATABASE IF EXISTS {quoted(FROM_POSTGRES)} SYNC")
    return found


@lru_cache(maxsize=1)
def _declared() -> Mapping[str, list[str]]:
    models: list[dict[str, Any]] = []
    for path in sorted((PROJECT_DIR / "models").glob("*/*.yml")):
        models += (yaml.safe_load(path.read_text()) or {}).get("models", [])
    return {model["name"]: [column["name"] for column in model.get("columns", [])] for model in models}


def declared_columns(model: str) -> list[str]:
    """The columns that the model's yml declares."""
    return _declared()[model]


def _compared(client: Client, table: Table, types: Mapping[str, str], day: date) -> Comparison:
    values = [name for name in table.columns if name not in table.key]
    counts = ", ".join(text for name in values for text in _counts(name, types[name]))
    using = ", ".join(map(quoted, table.key))
    (row,) = client.query(
        f"SELECT countIf(p.here), countIf(NOT ifNull(c.here, false)), countIf(NOT ifNull(p.here, false)), {counts}"
        f" FROM (SELECT *, true AS here FROM {quoted(FROM_POSTGRES, table.name)} WHERE {quoted(DATE_COLUMN)} = {{day:Date}}) AS p"
        f" FULL JOIN (SELECT *, true AS here FROM {quoted(table.schema, table.name)} WHERE {quoted(DATE_COLUMN)} = {{day:Date}}) AS c"
        f" USING ({using})",
        parameters={"day": day.isoformat()},
        settings={"join_use_nulls": 1},
    ).result_rows
    rows, only_in_postgres, only_in_clickhouse, *rest = row
    told = zip(values, rest[::3], rest[1::3], rest[2::3], strict=True)
    columns = tuple(Column(name, differing, float(largest or 0), beyond) for name, differing, largest, beyond in told)
    return Comparison(table.name, rows, only_in_postgres, only_in_clickhouse, columns)


def _counts(name: str, declared: str) -> tuple[str, str, str]:
    """Of rows that both sides have: in how many the column differs, the largest difference, and in how many it is beyond its tolerance."""
    ours, theirs = (f"{side}.{quoted(name)}" for side in ("c", "p"))
    if declared == "numeric":
        ours = f"toFloat64({ours})"
    both = "p.here AND c.here"
    same = f"ifNull({ours} = {theirs}, {ours} IS NULL AND {theirs} IS NULL)"
    if name not in TOLERANCE:
        return f"countIf({both} AND NOT {same})", "0", f"countIf({both} AND NOT {same})"
    difference = f"abs({ours} - {theirs})"
    # A step of the tolerance itself is within it, though floats put it a little beyond.
    beyond = f"NOT {same} AND NOT ifNull({difference} <= {TOLERANCE[name]} * 1.000001, false)"
    return f"countIf({both} AND NOT {same})", f"max({difference})", f"countIf({both} AND {beyond})"
