"""The Postgres tables that this platform writes itself (dbt makes those of its models).

What belongs here: applying `postgres_ddl/*.sql`, the raw tables derived from the landing contract and the reference tables; idempotent.
What does not: roles and databases (embedded/), models (dbt_project/), reading seeds (seeds.py), ClickHouse (clickhouse_ddl/).
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from energy_assets.landing.contract import DAILY_SOURCES, Source
from energy_assets.resources.answers import answer
from energy_assets.resources.record_tables import record_statements
from energy_assets.resources.seeds import load_seeds

if TYPE_CHECKING:
    from psycopg2 import sql
    from psycopg2.extensions import connection as Connection

OWNED_BY_LOADER = ("02_landing.sql",)
LEDGER = ("landing_files", "landing_paths", "landing_parts", "active_files", "day_inputs", "record_states")
"""What metrics may read of raw_data: what arrived and what became of it, never a reading or a rejected value."""


def apply_schema(loader: Connection, transformer: Connection) -> None:
    """Create what is missing. `loader` owns raw_data, `transformer` the rest; each statement is safe to repeat."""
    from psycopg2 import sql

    for script in sorted(resources.files(__package__).joinpath("postgres_ddl").iterdir(), key=lambda entry: entry.name):
        if not script.name.endswith(".sql"):
            continue
        owner = loader if script.name in OWNED_BY_LOADER else transformer
        _execute(owner, sql.SQL(script.read_text()))
    for source in DAILY_SOURCES:
        _execute(loader, raw_table(source))
    for statement in record_statements():
        _execute(loader, statement)
    if _has_monitor(loader):
        _execute(loader, sql.SQL("grant usage on schema raw_data to monitor"))
        names = sql.SQL(", ").join(sql.Identifier("raw_data", name) for name in LEDGER)
        _execute(loader, sql.SQL("grant select on {} to monitor").format(names))
        _execute(transformer, sql.SQL("grant select on sequence quality.day_version_seq to monitor"))
    with transformer, transformer.cursor() as cursor:
        load_seeds(cursor)


def raw_table(source: Source) -> sql.Composed:
    """DDL of a source's raw table, partitioned by day.

    It has no primary key: a day is rewritten whole from parts under the table's lock, each part counting its own
    rows, and maintaining an index halves the load.
    """
    from psycopg2 import sql

    columns = [
        sql.SQL("{} {}{}").format(
            sql.Identifier(column.name), sql.SQL(column.type), sql.SQL(" not null" if column.required else "")
        )
        for column in source.part_columns
    ]
    return sql.SQL(
        "create table if not exists raw_data.{table} ({columns}, file_id integer not null) partition by list ({day})"
    ).format(
        table=sql.Identifier(source.table),
        columns=sql.SQL(", ").join(columns),
        day=sql.Identifier(source.day_column),
    )


def _has_monitor(connection: Connection) -> bool:
    """Whether there is the role that metrics are asked for with; the roles of a real Postgres are its operator's business."""
    with connection, connection.cursor() as cursor:
        cursor.execute("select exists (select from pg_roles where rolname = 'monitor')")
        return answer(cursor)


def _execute(connection: Connection, statement: sql.Composable) -> None:
    with connection, connection.cursor() as cursor:
        # Two processes that start at once must not race for the same catalogue rows.
        cursor.execute("select pg_advisory_xact_lock(hashtext('energy_assets'), hashtext('schema'))")
        cursor.execute(statement)
