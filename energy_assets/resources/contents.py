"""What a Postgres database holds, table by table, as rows and a hash that any copy of it must have too.

What belongs here: hashing inside the database. What does not: what is compared with what (operations/keeping/).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor


class Held(NamedTuple):
    """Rows of a table, and the sum of their hashes: no order of rows can change it."""

    rows: int
    hash: str


TABLES = """
    select nspname, relname from pg_class join pg_namespace on pg_namespace.oid = relnamespace
    where relkind in ('r', 'p') and not relispartition
      and case when %(schemas)s::text[] is null then nspname <> 'information_schema' and not starts_with(nspname, 'pg_')
               else nspname = any(%(schemas)s) end
    order by 1, 2
"""

NAMES = """
    select nspname || '.' || relname from pg_class join pg_namespace on pg_namespace.oid = relnamespace
    where nspname = any(%(schemas)s) and relkind in ('r', 'p', 'v', 'm', 'S') and not relispartition
    union
    select nspname || '.' || proname from pg_proc join pg_namespace on pg_namespace.oid = pronamespace where nspname = any(%(schemas)s)
    order by 1
"""


def names_in(cursor: Cursor, schemas: Collection[str]) -> list[str]:
    """Tables, views, sequences and functions of these schemas, empty ones too."""
    cursor.execute(NAMES, {"schemas": list(schemas)})
    return [name for (name,) in cursor.fetchall()]


def contents(cursor: Cursor, schemas: Collection[str] | None = None) -> dict[str, Held]:
    """`schema.table` -> what it holds, of all tables of `schemas`, or of all that are not Postgres' own; partitions are part of their table.

    The cursor's transaction decides of which moment; its time zone is set to UTC, because instants are hashed as text.
    """
    from psycopg2 import sql

    cursor.execute("set local timezone = 'UTC'")
    cursor.execute(TABLES, {"schemas": None if schemas is None else list(schemas)})
    found = {}
    for schema, table in cursor.fetchall():
        cursor.execute(
            sql.SQL(
                "select count(*), coalesce(sum(hashtextextended(held::text, 0)::numeric), 0)::text from {} as held"
            ).format(sql.Identifier(schema, table))
        )
        ((count, sum_of_hashes),) = cursor.fetchall()
        found[f"{schema}.{table}"] = Held(count, sum_of_hashes)
    return found
