"""What `clickhouse_ddl/` declares: each served table's columns, read off the statements that create it.

What belongs here: reading the scripts. What does not: running them (serving.py), which table is a copy of what (assets/serving.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import sqlglot
from sqlglot import exp

DDL = Path(__file__).resolve().parents[2] / "clickhouse_ddl"


@dataclass(frozen=True)
class ServedColumn:
    """A stored column; what ClickHouse computes when asked (an alias) is none."""

    name: str
    type: str
    description: str


def scripts() -> list[Path]:
    """The scripts in the order in which they are applied."""
    return sorted(DDL.glob("*.sql"))


@lru_cache(maxsize=1)
def served_columns() -> Mapping[str, tuple[ServedColumn, ...]]:
    """The stored columns of each table, in their order."""
    return {table: columns for script in scripts() for table, columns in _tables(script.read_text())}


def _tables(script: str) -> Iterator[tuple[str, tuple[ServedColumn, ...]]]:
    for statement in sqlglot.parse(script, dialect="clickhouse"):
        if isinstance(statement, exp.Create) and statement.kind == "TABLE":
            columns = statement.find_all(exp.ColumnDef)
            yield statement.this.this.name, tuple(_column(column) for column in columns if not _is_computed(column))


def _is_computed(column: exp.ColumnDef) -> bool:
    return any(isinstance(constraint.kind, exp.ComputedColumnConstraint) for constraint in column.constraints)


def _column(column: exp.ColumnDef) -> ServedColumn:
    comments = (
        constraint.kind.this.name
        for constraint in column.constraints
        if isinstance(constraint.kind, exp.CommentColumnConstraint)
    )
    return ServedColumn(column.name, column.kind.sql("clickhouse"), next(comments, ""))
