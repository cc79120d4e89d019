"""What `postgres_ddl/` declares: its tables and views, with the comments that say what they hold.

What belongs here: reading the scripts. What does not: applying them (schema.py), the raw tables (landing/contract.py) and
dbt's (dbt_project/), which no script declares.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources

import sqlglot
from sqlglot import exp

# sqlglot's names of types that Postgres' own catalogue calls otherwise.
CATALOGUE_NAMES = {"int": "integer", "decimal": "numeric"}


@dataclass(frozen=True)
class PostgresColumn:
    """A column as it is declared; its description is the comment behind it."""

    name: str
    type: str
    description: str


@dataclass(frozen=True)
class PostgresTable:
    """A table or view as it is declared; `name` is schema.table, its description the comment above it."""

    name: str
    description: str
    columns: tuple[PostgresColumn, ...]
    key: tuple[str, ...]
    is_view: bool = False


@lru_cache(maxsize=1)
def postgres_tables() -> Mapping[str, PostgresTable]:
    """The tables and views of all scripts, by schema.table, in the order in which they are made."""
    tables: dict[str, PostgresTable] = {}
    for statement in _declarations():
        if isinstance(statement, exp.Alter):
            known = tables[_name(statement)]
            tables[known.name] = replace(known, columns=(*known.columns, *_columns(statement.args["actions"])))
            continue
        if statement.kind == "TABLE":
            table = _table(statement)
        elif statement.kind == "VIEW":
            table = _view(statement, {c.name: c.type for known in tables.values() for c in known.columns})
        else:
            continue
        tables[table.name] = table
    return tables


def _declarations() -> Iterator[exp.Create | exp.Alter]:
    """What makes tables and views, and what adds columns to them. Bodies of functions and the like are beyond the parser, and of no interest: they are skipped."""
    for script in sorted(resources.files(__package__).joinpath("postgres_ddl").iterdir(), key=lambda entry: entry.name):
        if script.name.endswith(".sql"):
            for statement in sqlglot.parse(
                script.read_text(encoding="utf-8"), dialect="postgres", error_level=sqlglot.ErrorLevel.IGNORE
            ):
                if isinstance(statement, exp.Create | exp.Alter):
                    yield statement


def _table(statement: exp.Create) -> PostgresTable:
    definitions = _definitions(statement.this.expressions)
    keys = [
        *(
            c.name
            for c in definitions
            for kind in c.constraints
            if isinstance(kind.kind, exp.PrimaryKeyColumnConstraint)
        ),
        *(column.name for key in statement.this.find_all(exp.PrimaryKey) for column in key.expressions),
    ]
    return PostgresTable(
        _name(statement),
        _comment(statement),
        _columns(definitions),
        tuple(keys),
    )


def _definitions(parts: Iterable[exp.Expression]) -> list[exp.ColumnDef]:
    return [part for part in parts if isinstance(part, exp.ColumnDef)]


def _columns(parts: Iterable[exp.Expression]) -> tuple[PostgresColumn, ...]:
    return tuple(PostgresColumn(of.name, _type(of.kind), _trailing_comment(of)) for of in _definitions(parts))


def _view(statement: exp.Create, known_types: Mapping[str, str]) -> PostgresTable:
    """A view's column has the type that it is cast to, else that of the table's column of its name."""
    columns = []
    for projection in statement.expression.selects:
        inner = projection.unalias()
        name = projection.alias_or_name
        type_ = _type(inner.to) if isinstance(inner, exp.Cast) else known_types[name]
        columns.append(PostgresColumn(name, type_, _trailing_comment(projection)))
    return PostgresTable(_name(statement), _comment(statement), tuple(columns), key=(), is_view=True)


def _name(statement: exp.Create | exp.Alter) -> str:
    table = statement.this.find(exp.Table) if not isinstance(statement.this, exp.Table) else statement.this
    return f"{table.db}.{table.name}"


def _type(kind: exp.DataType | None) -> str:
    name = kind.sql("postgres").lower() if kind else ""
    return CATALOGUE_NAMES.get(name, name)


def _comment(node: exp.Expr) -> str:
    return " ".join(line.strip() for line in node.comments or [])


def _trailing_comment(node: exp.Expression) -> str:
    """The parser hangs it on whatever stands last before it."""
    return next((comment for part in node.walk() if (comment := _comment(part))), "")
