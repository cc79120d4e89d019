"""What `clickhouse_ddl/` declares: its scripts, and the tables that they add up to, read off their statements.

What belongs here: reading the scripts. What does not: running them (serving_schema.py), their form for a cluster
(serving_cluster.py), which table is a copy of what (assets/serving.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import sqlglot
from sqlglot import exp

DATABASE = "energy_analytics"
DDL = Path(__file__).resolve().parents[2] / "clickhouse_ddl"
_PROJECTION = re.compile(
    r"(?:--[^\n]*\n|\s)*ALTER TABLE (?P<database>\w+)\.(?P<table>\w+)(?: ON CLUSTER \"\w+\")?\s+"
    r"(?P<change>(?P<verb>ADD PROJECTION IF NOT EXISTS|MATERIALIZE PROJECTION IF EXISTS) (?P<name>\w+)\b.*)",
    re.DOTALL,
)


@dataclass(frozen=True)
class Script:
    """A file of statements; `name` is the file's, and orders it among the others."""

    name: str
    text: str
    form: tuple[str, ...] | None = None
    """Statements that are run in the place of the text's own (serving_cluster.py)."""

    @property
    def sha256(self) -> str:
        return sha256(self.text.encode()).hexdigest()

    @property
    def statements(self) -> tuple[str, ...]:
        if self.form is not None:
            return self.form
        return tuple(statement.strip() for statement in self.text.split(";\n") if statement.strip())


@dataclass(frozen=True)
class ServedColumn:
    """A column as it is declared. What ClickHouse computes when asked (an alias) is not stored."""

    name: str
    type: str
    description: str
    is_stored: bool = True


@dataclass(frozen=True)
class DeclaredTable:
    """A table or view as all scripts together declare it; keys are the expressions of their tuples, none of a view."""

    name: str
    columns: tuple[ServedColumn, ...]
    partition_key: tuple[str, ...]
    sorting_key: tuple[str, ...]
    reads: tuple[str, ...] = ()
    """Of a view, the tables behind it."""
    description: str = ""
    """Of a view, the comment above it: a table's is in ClickHouse itself."""
    projections: tuple[str, ...] = ()
    """Names of the pre-aggregates that each of its parts carries."""


@dataclass(frozen=True)
class ProjectionChange:
    """An ALTER that gives a table a projection (`is_new`), or has the parts that are there already carry it. sqlglot does not read these."""

    database: str
    table: str
    name: str
    is_new: bool
    change: str
    """What stands behind the table."""

    def on(self, table: str, cluster: str) -> str:
        """The same of `table` on every server of `cluster`."""
        return f'ALTER TABLE {self.database}.{table} ON CLUSTER "{cluster}" {self.change}'


def scripts(directory: Path = DDL) -> list[Script]:
    """The scripts in the order in which they are applied."""
    return [Script(path.name, path.read_text(encoding="utf-8")) for path in sorted(directory.glob("*.sql"))]


@lru_cache(maxsize=1)
def served_columns() -> Mapping[str, tuple[ServedColumn, ...]]:
    """The stored columns of each table, in their order."""
    return {name: tuple(column for column in table.columns if column.is_stored) for name, table in _declared().items()}


@lru_cache(maxsize=1)
def _declared() -> Mapping[str, DeclaredTable]:
    return tables_of(scripts())


def tables_behind(names: Iterable[str]) -> list[str]:
    """The tables that hold what `names`, tables or views, show."""
    return sorted({table for name in names for table in (_declared()[name].reads or (name,))})


def tables_of(made_by: Iterable[Script]) -> dict[str, DeclaredTable]:
    """The tables that the scripts add up to."""
    return declared_tables(statement for script in made_by for statement in script.statements)


def declared_tables(statements: Iterable[str]) -> dict[str, DeclaredTable]:
    """The tables that `statements` make, one after the other.

    Raises ValueError for an ALTER that does not only add columns or a projection: nothing here could tell what it leaves.
    """
    tables: dict[str, DeclaredTable] = {}
    for text in statements:
        if change := projection_change(text):
            tables[change.table] = _with_projection(tables[change.table], change)
            continue
        statement = parsed(text)
        table = statement.find(exp.Table)
        name = table.name if table else ""
        if isinstance(statement, exp.Create) and statement.kind in ("TABLE", "VIEW"):
            if statement.args.get("replace") or name not in tables:
                tables[name] = _created(name, statement)
        elif isinstance(statement, exp.Alter):
            tables[name] = replace(tables[name], columns=_with_added(tables[name].columns, added_columns(statement)))
    return tables


def projection_change(statement: str) -> ProjectionChange | None:
    """What `statement` does to a projection; None where it does something else."""
    found = _PROJECTION.fullmatch(statement)
    if found is None:
        return None
    is_new = found["verb"].startswith("ADD")
    return ProjectionChange(found["database"], found["table"], found["name"], is_new, found["change"])


def projection_names(text: str) -> tuple[str, ...]:
    """Names of the projections in a CREATE TABLE, sorted."""
    return tuple(sorted(re.findall(r"\bPROJECTION (\w+)\s*\(", text)))


def parsed(statement: str) -> exp.Expression:
    """Raises ValueError for what sqlglot does not understand as ClickHouse's DDL."""
    tree = sqlglot.parse_one(statement, dialect="clickhouse")
    if not isinstance(tree, exp.Create | exp.Alter):
        raise ValueError(f"clickhouse_ddl/ creates, and adds columns or projections, but here stands: {statement[:80]}")
    return tree


def added_columns(statement: exp.Alter) -> list[exp.ColumnDef]:
    """Raises ValueError where `statement` does anything else than ADD COLUMN."""
    actions = statement.args["actions"]
    if not all(isinstance(action, exp.ColumnDef) for action in actions):
        raise ValueError(
            f"clickhouse_ddl/ creates, and adds columns or projections, but here stands: {statement.sql()[:80]}"
        )
    return actions


def column_type(text: str) -> str:
    """One spelling of a type: the engine's own and a script's may differ in case and blanks."""
    return exp.DataType.build(text, dialect="clickhouse").sql("clickhouse")


def key_expressions(text: str) -> tuple[str, ...]:
    """The expressions of a key in one spelling, of `a, b`, `(a, b)` or nothing."""
    return _key(sqlglot.parse_one(f"({text})", dialect="clickhouse")) if text else ()


def _created(name: str, statement: exp.Create) -> DeclaredTable:
    if statement.kind == "VIEW":
        reads = sorted({table.name for table in statement.expression.find_all(exp.Table) if table.db == DATABASE})
        said = (statement.comments or [""])[-1].strip()
        return DeclaredTable(name, _columns(statement), (), (), reads=tuple(reads), description=said)
    order = statement.find(exp.Order)
    partition = statement.find(exp.PartitionedByProperty)
    return DeclaredTable(
        name,
        _columns(statement),
        partition_key=_key(partition.this) if partition else (),
        sorting_key=_key(order.expressions[0].this) if order else (),
        projections=projection_names(statement.sql("clickhouse")),
    )


def _with_projection(table: DeclaredTable, change: ProjectionChange) -> DeclaredTable:
    names = {*table.projections, change.name} if change.is_new else table.projections
    return replace(table, projections=tuple(sorted(names)))


def _columns(statement: exp.Create) -> tuple[ServedColumn, ...]:
    return tuple(_column(column) for column in statement.this.expressions if isinstance(column, exp.ColumnDef))


def _with_added(columns: Sequence[ServedColumn], added: Iterable[exp.ColumnDef]) -> tuple[ServedColumn, ...]:
    """`columns` with those of an ALTER, each at the place that it names; one that is there already stays as it is."""
    result = list(columns)
    for definition in added:
        names = [column.name for column in result]
        if definition.name not in names:
            result.insert(_place(definition, names), _column(definition))
    return tuple(result)


def _place(definition: exp.ColumnDef, names: list[str]) -> int:
    position = definition.args.get("position")
    if position is None:
        return len(names)
    return 0 if position.args["position"] == "FIRST" else names.index(position.this.name) + 1


def _column(column: exp.ColumnDef) -> ServedColumn:
    comment = _constraint(column, exp.CommentColumnConstraint)
    return ServedColumn(
        column.name,
        column.kind.sql("clickhouse") if column.kind else "",
        comment.this.name if comment else "",
        is_stored=_constraint(column, exp.ComputedColumnConstraint) is None,
    )


def _constraint(column: exp.ColumnDef, kind: type[exp.Expression]) -> exp.Expression | None:
    return next((constraint.kind for constraint in column.constraints if isinstance(constraint.kind, kind)), None)


def _key(tree: exp.Expr) -> tuple[str, ...]:
    inner = tree.unnest()
    parts = inner.expressions if isinstance(inner, exp.Tuple | exp.Struct) else [inner]
    return tuple(part.sql("clickhouse") for part in parts)


def quoted(*names: str) -> str:
    """A ClickHouse identifier, each part quoted."""
    return ".".join("`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`" for name in names)
