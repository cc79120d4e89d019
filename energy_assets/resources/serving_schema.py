"""Make a ClickHouse what `clickhouse_ddl/` declares, keep a ledger of it, and say where it is something else.

What belongs here: applying scripts once, in order, and comparing tables with what is declared.
What does not: reading scripts (serving_ddl.py), rows (serving.py). Knows no Dagster.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING

from energy_assets.resources.serving_ddl import (
    DATABASE,
    DeclaredTable,
    Script,
    ServedColumn,
    column_type,
    key_expressions,
    projection_names,
    tables_of,
)

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

LEDGER = f"{DATABASE}.schema_migrations"
COMPUTED = ("ALIAS", "MATERIALIZED", "EPHEMERAL")


class SchemaError(Exception):
    """Tables that are not what the scripts declare; the message names what, where and the remedy."""


@dataclass(frozen=True)
class Applied:
    script: str
    sha256: str
    applied_at: datetime
    applied_by: str


@dataclass(frozen=True)
class Drift:
    """One difference between the tables and the scripts. One that `blocks` would fail, or falsify, what is served."""

    what: str
    remedy: str
    blocks: bool

    def __str__(self) -> str:
        return f"{self.what}\n  → {self.remedy}"


def apply_scripts(client: Client, scripts: Sequence[Script]) -> None:
    """Apply what the ledger does not name, in order. The first script makes the ledger, so it runs each time.

    Two processes may do so at once, and one may die between a script and its row: each statement is safe to repeat.
    Raises SchemaError, before anything else is run, where an applied script has changed, and at the end where a
    declared column is missing or has another type.
    """
    _run(client, scripts[0])
    applied = ledger(client)
    _require_none(changed_scripts(scripts, applied))
    for script in scripts:
        if script.name not in applied:
            _run(client, script)
            _record(client, script)
    _require_none([drift for drift in table_drifts(client, scripts) if drift.blocks])


def apply_retention(client: Client, scripts: Sequence[Script], days_by_table: Mapping[str, int]) -> None:
    """Let each named table forget days older than its number, a partition at a time; the others keep everything.

    Only ClickHouse's copy forgets: Postgres keeps its rows, and a day that is served again is dropped again.
    Raises SchemaError for a table that is not partitioned by day here.
    """
    daily = {name: table.partition_key[0] for name, table in tables_of(scripts).items() if table.partition_key}
    if unknown := days_by_table.keys() - daily.keys():
        raise SchemaError(
            f"ENERGY_SERVING_RETENTION_DAYS names {', '.join(sorted(unknown))}: there are {', '.join(sorted(daily))}"
        )
    engines = client.query(
        "SELECT name, engine_full FROM system.tables WHERE database = {database:String}",
        parameters={"database": DATABASE},
    ).result_rows
    for name, engine in engines:
        if name in daily:
            _retain(client, f"{DATABASE}.{name}", daily[name], days_by_table.get(name), engine)


def drifts(client: Client, scripts: Sequence[Script]) -> list[Drift]:
    """Everything in which the tables and the ledger differ from `scripts`; changes nothing."""
    if not client.command(f"EXISTS TABLE {LEDGER}"):
        return [Drift(f"{DATABASE} was never made", "energy-assets up", blocks=True)]
    applied = ledger(client)
    return [*changed_scripts(scripts, applied), *missing_scripts(scripts, applied), *table_drifts(client, scripts)]


def ledger(client: Client) -> dict[str, Applied]:
    """What was applied, by script."""
    rows = client.query(
        f"SELECT script, sha256, applied_at, applied_by FROM {LEDGER} FINAL ORDER BY script"
    ).result_rows
    return {row[0]: Applied(*row) for row in rows}


def changed_scripts(scripts: Sequence[Script], applied: dict[str, Applied]) -> list[Drift]:
    return [
        Drift(
            f"{script.name} has changed since it was applied on {applied[script.name].applied_at:%Y-%m-%d %H:%M} UTC"
            f" by {applied[script.name].applied_by}",
            "put it back as it was, and write the change as a new numbered script in clickhouse_ddl/",
            blocks=True,
        )
        for script in scripts
        if script.name in applied and applied[script.name].sha256 != script.sha256
    ]


def missing_scripts(scripts: Sequence[Script], applied: dict[str, Applied]) -> list[Drift]:
    """Scripts that wait to be applied, and applied ones that are not here."""
    names = {script.name for script in scripts}
    return [
        *(
            Drift(f"{name} is not applied yet", "energy-assets up", blocks=False)
            for name in sorted(names - applied.keys())
        ),
        *(
            Drift(
                f"{name} was applied by {applied[name].applied_by}, but is not in clickhouse_ddl/",
                "install the version that made these tables, or a newer one",
                blocks=False,
            )
            for name in sorted(applied.keys() - names)
        ),
    ]


def table_drifts(client: Client, scripts: Sequence[Script]) -> list[Drift]:
    """Where tables are not what `scripts` declare, table by table."""
    declared = tables_of(scripts)
    found = _found_tables(client)
    return [
        drift
        for name, table in declared.items()
        for drift in (_differences(table, found[name]) if name in found else [_missing_table(name)])
    ]


def _differences(declared: DeclaredTable, found: DeclaredTable) -> Iterator[Drift]:
    yield from _column_differences(declared, found)
    yield from _key_differences(declared, found)
    yield from _projection_differences(declared, found)


def _column_differences(declared: DeclaredTable, found: DeclaredTable) -> Iterator[Drift]:
    table = f"{DATABASE}.{declared.name}"
    types = {column.name: column.type for column in found.columns}
    for column in declared.columns:
        if column.name not in types:
            yield _missing_column(table, column)
        elif column.type != types[column.name]:
            yield Drift(
                f"{table}.{column.name} is {types[column.name]}, declared is {column.type}",
                f"ALTER TABLE {table} MODIFY COLUMN {column.name} {column.type}",
                blocks=True,
            )
    names = {column.name for column in declared.columns}
    for name in sorted(types.keys() - names):
        yield Drift(
            f"{table} has a column {name}, which no script declares",
            "declare it in a new numbered script in clickhouse_ddl/, or drop it",
            blocks=False,
        )
    wanted = [column.name for column in declared.columns if column.name in types]
    stored = [name for name in types if name in names]
    if wanted != stored:
        yield Drift(
            f"{table} has its columns in the order {', '.join(stored)}, declared is {', '.join(wanted)}",
            "none needed: columns are written by name",
            blocks=False,
        )


def _missing_column(table: str, column: ServedColumn) -> Drift:
    remedy = (
        f"ALTER TABLE {table} ADD COLUMN {column.name} {column.type}, and serve its days again"
        if column.is_stored
        else f"ALTER TABLE {table} ADD COLUMN {column.name} … as clickhouse_ddl/ declares it"
    )
    return Drift(f"{table} has no column {column.name} {column.type}", remedy, blocks=True)


def _key_differences(declared: DeclaredTable, found: DeclaredTable) -> Iterator[Drift]:
    for key, wanted, actual in (
        ("partition key", declared.partition_key, found.partition_key),
        ("sorting key", declared.sorting_key, found.sorting_key),
    ):
        if wanted != actual:
            yield Drift(
                f"{DATABASE}.{declared.name} has the {key} ({', '.join(actual)}), declared is ({', '.join(wanted)})",
                f"{_remake(declared.name)}: a key cannot be altered",
                blocks=False,
            )


def _projection_differences(declared: DeclaredTable, found: DeclaredTable) -> Iterator[Drift]:
    """Answers are the same without; they take longer. A day cannot be swapped between tables whose projections differ."""
    table = f"{DATABASE}.{declared.name}"
    for name in sorted({*declared.projections} - {*found.projections}):
        yield Drift(
            f"{table} has no projection {name}",
            f"ALTER TABLE {table} ADD PROJECTION {name} … as clickhouse_ddl/ declares it, and MATERIALIZE PROJECTION {name}",
            blocks=False,
        )
    for name in sorted({*found.projections} - {*declared.projections}):
        yield Drift(
            f"{table} has a projection {name}, which no script declares",
            "declare it in a new numbered script in clickhouse_ddl/, or drop it",
            blocks=False,
        )


def _missing_table(name: str) -> Drift:
    return Drift(f"{DATABASE}.{name} does not exist", _remake(name), blocks=True)


def _remake(name: str) -> str:
    return (
        f"DROP TABLE IF EXISTS {DATABASE}.{name}, delete the rows of its scripts from {LEDGER}, energy-assets up,"
        " and serve its days again"
    )


def _found_tables(client: Client) -> dict[str, DeclaredTable]:
    columns: dict[str, list[ServedColumn]] = {}
    for table, name, type_, kind in client.query(
        "SELECT table, name, type, default_kind FROM system.columns WHERE database = {database:String}"
        " ORDER BY table, position",
        parameters={"database": DATABASE},
    ).result_rows:
        columns.setdefault(table, []).append(ServedColumn(name, column_type(type_), "", kind not in COMPUTED))
    keys = client.query(
        "SELECT name, partition_key, sorting_key, create_table_query FROM system.tables WHERE database = {database:String}",
        parameters={"database": DATABASE},
    ).result_rows
    return {
        name: DeclaredTable(
            name,
            tuple(columns.get(name, ())),
            key_expressions(partition),
            key_expressions(sorting),
            projections=projection_names(made),
        )
        for name, partition, sorting, made in keys
    }


def _retain(client: Client, table: str, day: str, kept: int | None, engine: str) -> None:
    if kept is None:
        if " TTL " in engine:
            client.command(f"ALTER TABLE {table} REMOVE TTL")
    elif (ttl := f"{day} + toIntervalDay({kept})") not in engine:
        # A part holds one day: it is dropped whole, never rewritten.
        client.command(f"ALTER TABLE {table} MODIFY SETTING ttl_only_drop_parts = 1")
        client.command(f"ALTER TABLE {table} MODIFY TTL {ttl}")


def _run(client: Client, script: Script) -> None:
    for statement in script.statements:
        client.command(statement)


def _record(client: Client, script: Script) -> None:
    client.insert(
        LEDGER,
        [(script.name, script.sha256, datetime.now(UTC), _who())],
        column_names=["script", "sha256", "applied_at", "applied_by"],
        # A distributed table would else pass the row on later, and the ledger be read without it.
        settings={"distributed_foreground_insert": 1},
    )


def _who() -> str:
    # A container's user may have no name.
    return f"energy-assets {metadata.version('energy-assets')}, user {os.geteuid()} on {platform.node()}"


def _require_none(found: Sequence[Drift]) -> None:
    if found:
        raise SchemaError("ClickHouse is not what clickhouse_ddl/ declares:\n" + "\n".join(map(str, found)))
