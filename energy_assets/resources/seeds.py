"""The reference tables: `dbt_project/seeds/*.csv`, loaded into Postgres as `seeds.yml` declares them, once a version.

What belongs here: reading that declaration, and loading what changed. What does not: the rows and where they come from
(dbt_project/seeds/), what is computed of them (dbt_project/macros/), their asset (assets/reference.py).

dbt reads them with `ref` as if it had loaded them itself; `dbt seed` takes seconds to start and would rewrite them each time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from energy_assets.embedded.errors import StoreError
from energy_assets.keys import REFERENCE
from energy_assets.resources.answers import answer
from energy_assets.resources.dbt import PROJECT_DIR

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

SEEDS_DIR = PROJECT_DIR / "seeds"
COMMAND = "energy-assets up"


@dataclass(frozen=True)
class Seed:
    """A reference table as `seeds.yml` declares it, and the file of its rows."""

    name: str
    description: str
    file: Path
    columns: tuple[Mapping[str, Any], ...]
    key: tuple[str, ...]

    @property
    def version(self) -> str:
        """Changes with the rows, and with the columns that they are loaded into."""
        return hashlib.sha256(repr(self._declared).encode() + self.file.read_bytes()).hexdigest()

    @property
    def _declared(self) -> tuple[tuple[str, str, bool], ...]:
        return tuple((column["name"], column["data_type"], _is_required(column)) for column in self.columns)


def seeds(directory: Path = SEEDS_DIR) -> tuple[Seed, ...]:
    """The reference tables, in the order in which they are declared."""
    import yaml

    declared = yaml.safe_load((directory / "seeds.yml").read_text("utf-8"))["seeds"]
    return tuple(
        Seed(
            entry["name"],
            entry["description"],
            directory / f"{entry['name']}.csv",
            tuple(entry["columns"]),
            tuple(entry["config"]["meta"]["unique_key"]),
        )
        for entry in declared
    )


def load_seeds(cursor: Cursor, wanted: tuple[Seed, ...] | None = None) -> list[str]:
    """Have the reference tables hold their files' rows, in the cursor's transaction; the names of those that were loaded now.

    `cursor` is the transformer's. A table that holds its file's version already is left alone. Two processes take turns.
    Raises StoreError, naming file and line, where a file cannot be loaded: rolled back, the tables stay as they were.
    """
    return [seed.name for seed in sorted(wanted or seeds(), key=lambda seed: seed.name) if _load(cursor, seed)]


def _load(cursor: Cursor, seed: Seed) -> bool:
    import psycopg2
    from psycopg2 import sql

    table, version = sql.Identifier(REFERENCE, seed.name), seed.version
    cursor.execute("select quality.lock_table(%s)", (f"{REFERENCE}.{seed.name}",))
    if _loaded_version(cursor, seed) == version:
        return False
    if _held_columns(cursor, seed) not in ([], [(c["name"], c["data_type"]) for c in seed.columns]):
        cursor.execute(sql.SQL("drop table {}").format(table))
    cursor.execute(_create(seed))
    # Not truncated: who reads meanwhile sees the rows of before, and waits for nothing.
    cursor.execute(sql.SQL("delete from {}").format(table))
    names = sql.SQL(", ").join(sql.Identifier(column["name"]) for column in seed.columns)
    copy = sql.SQL("copy {} ({}) from stdin with (format csv, header match)").format(table, names)
    try:
        with seed.file.open(encoding="utf-8") as rows:
            cursor.copy_expert(copy, rows)
    except (psycopg2.DataError, psycopg2.IntegrityError) as error:
        raise StoreError(_unreadable(seed, error)) from error
    cursor.execute(sql.SQL("comment on table {} is {}").format(table, sql.Literal(version)))
    return True


def _unreadable(seed: Seed, error: Any) -> str:
    where = " ".join(filter(None, (error.diag.message_detail, error.diag.context)))
    return f"{seed.file}: {error.diag.message_primary} ({where})\n  → correct the file, then run: {COMMAND}"


def _loaded_version(cursor: Cursor, seed: Seed) -> str | None:
    cursor.execute("select obj_description(to_regclass(%s), 'pg_class')", (f"{REFERENCE}.{seed.name}",))
    return answer(cursor)


def _held_columns(cursor: Cursor, seed: Seed) -> list[tuple[str, str]]:
    cursor.execute(
        "select attname, format_type(atttypid, atttypmod) from pg_attribute"
        " where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped order by attnum",
        (f"{REFERENCE}.{seed.name}",),
    )
    return cursor.fetchall()


def _create(seed: Seed) -> Any:
    from psycopg2 import sql

    columns = [
        sql.SQL("{} {}{}").format(
            sql.Identifier(column["name"]),
            sql.SQL(column["data_type"]),
            sql.SQL(" not null" if _is_required(column) else ""),
        )
        for column in seed.columns
    ]
    return sql.SQL("create table if not exists {} ({}, primary key ({}))").format(
        sql.Identifier(REFERENCE, seed.name),
        sql.SQL(", ").join(columns),
        sql.SQL(", ").join(map(sql.Identifier, seed.key)),
    )


def _is_required(column: Mapping[str, Any]) -> bool:
    return any(constraint["type"] == "not_null" for constraint in column.get("constraints", ()))
