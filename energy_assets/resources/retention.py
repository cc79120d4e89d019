"""What days of tables take, and dropping old ones: whole partitions, or a day's rows in one statement.

What belongs here: the statements, and remembering what was dropped. What does not: how long what is kept (operations/keeping/retention.py).

A dropped day stays in `quality.day_versions`, so that nobody owes it, and is `dropped` in `quality.day_states`, so that nobody reads an
empty day for one without readings. Writing it again gives it a new version, and it is a day as any other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from energy_assets.keys import GATED
from energy_assets.resources.serving_ddl import DATABASE
from energy_assets.resources.serving_swap import drop_partitions

if TYPE_CHECKING:
    from energy_assets.resources.serving import Serving
    from energy_assets.resources.warehouse import Warehouse

PARTS = "parts"
DAY_OF = re.compile(r"'(\d{4}-\d{2}-\d{2})'")

PARTITIONS = """
    select parent.relname, pg_get_expr(child.relpartbound, child.oid), pg_total_relation_size(child.oid)
    from pg_inherits
    join pg_class as child on child.oid = inhrelid
    join pg_class as parent on parent.oid = inhparent
    join pg_namespace on pg_namespace.oid = parent.relnamespace
    join unnest(%s, %s) as known (schema_name, table_name) on known.schema_name = nspname and known.table_name = parent.relname
"""
# Of a table without partitions a day has its share of the rows.
UNPARTITIONED = """
    select version.table_name, version.reading_date,
        round(pg_total_relation_size(class.oid) * version.row_count / greatest(sum(version.row_count) over (partition by version.table_name), 1))::bigint
    from quality.day_versions as version
    join unnest(%s, %s) as known (schema_name, table_name) using (table_name)
    join pg_namespace on nspname = known.schema_name
    join pg_class as class on class.relnamespace = pg_namespace.oid and class.relname = known.table_name and class.relkind = 'r'
    where version.row_count > 0
      and not exists (
        select from quality.dropped_days as dropped
        where dropped.table_name = version.table_name and dropped.reading_date = version.reading_date and dropped.version = version.version
      )
"""


@dataclass(frozen=True)
class HeldDay:
    """A day of a table that has rows."""

    table: str
    day: date
    bytes: int
    is_partition: bool


def held_days(warehouse: Warehouse) -> list[HeldDay]:
    """Every day of every gated table of Postgres, with what it takes on disk."""
    names = [list(GATED.values()), list(GATED)]
    found = [
        HeldDay(table, date.fromisoformat(bound[1]), size, is_partition=True)
        for table, text, size in warehouse.rows(PARTITIONS, names)
        if (bound := DAY_OF.search(text))
    ]
    return [
        *found,
        *(HeldDay(table, day, size, is_partition=False) for table, day, size in warehouse.rows(UNPARTITIONED, names)),
    ]


def drop_days(warehouse: Warehouse, days: Sequence[HeldDay]) -> None:
    """Drop these days of one table, in one transaction; the caller has the home without runs."""
    from psycopg2 import sql

    from energy_assets.resources.warehouse import partition_of

    table = days[0].table
    schema = GATED[table]
    with warehouse.transaction(as_loader=schema == "raw_data") as connection, connection.cursor() as cursor:
        cursor.execute("select quality.lock_table(%s)", (f"{schema}.{table}",))
        for partition in (partition_of(table, held.day) for held in days if held.is_partition):
            cursor.execute(sql.SQL("drop table if exists {}").format(sql.Identifier(schema, partition)))
        if rows := [held.day for held in days if not held.is_partition]:
            statement = sql.SQL("delete from {} where {} = any(%s)")
            cursor.execute(
                statement.format(sql.Identifier(schema, table), sql.Identifier(date_column(warehouse, table))), (rows,)
            )
        cursor.execute("select quality.drop_days(%s, %s)", (table, [held.day for held in days]))


def date_column(warehouse: Warehouse, table: str) -> str:
    """The column by which a table's days are told apart: the first of its key, which each of them starts with."""
    return warehouse.rows(
        "select attname::text from pg_class join pg_namespace on pg_namespace.oid = relnamespace join pg_attribute on attrelid = pg_class.oid"
        " where nspname = %s and relname = %s and attnum > 0 and atttypid = 'date'::regtype order by attnum limit 1",
        (GATED[table], table),
    )[0][0]


def give_back(warehouse: Warehouse, tables: Collection[str]) -> None:
    """Let tables without partitions use again what dropped days took."""
    import psycopg2
    from psycopg2 import sql

    connection = psycopg2.connect(warehouse.connections.transformer_dsn)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for table in tables:
                cursor.execute(sql.SQL("vacuum (analyze) {}").format(sql.Identifier(GATED[table], table)))
    finally:
        connection.close()


def mark_parts(warehouse: Warehouse, days: Collection[date]) -> None:
    """Remember that the parts of these days are gone: nothing can be loaded of them any more."""
    with warehouse.transaction() as connection, connection.cursor() as cursor:
        cursor.execute(
            "insert into quality.dropped_days (table_name, reading_date, version) select %s, day, 0 from unnest(%s::date[]) as known (day)"
            " on conflict do nothing",
            (PARTS, list(days)),
        )


def served_partitions(serving: Serving) -> dict[str, Counter[date]]:
    """Table of ClickHouse -> day -> bytes on disk, of a cluster on one server of each shard."""
    found: dict[str, Counter[date]] = {}
    with serving.client() as client, serving.servers(client) as known:
        for shard in known.shards:
            rows = shard.query(
                "SELECT table, partition, sum(bytes_on_disk) FROM system.parts WHERE database = {database:String} AND active GROUP BY 1, 2",
                parameters={"database": DATABASE},
            ).result_rows
            for table, partition, size in rows:
                if re.fullmatch(r"\d{4}-\d{2}-\d{2}", partition):
                    found.setdefault(known.plain(table), Counter())[date.fromisoformat(partition)] += size
    return found


def drop_served(serving: Serving, table: str, days: Collection[date]) -> None:
    """Drop these days' partitions of a table of ClickHouse."""
    with serving.client() as client, serving.servers(client) as known:
        for shard in known.shards:
            drop_partitions(shard, known.local(table), {day.isoformat() for day in days})


def files_before(warehouse: Warehouse, day: date) -> list[str]:
    """Paths below the landing zone whose content was read and is of days before `day` alone; files of records are not among them."""
    rows = warehouse.rows(
        "select path from raw_data.landing_paths join raw_data.landing_files using (sha256)"
        " join raw_data.landing_parts using (file_id) group by path having max(reading_date) < %s order by path",
        (day,),
    )
    return [path for (path,) in rows]
