"""Proposes a suite for a table, from what its newest days hold.

What belongs here: profiling days in SQL, and writing what they suggest as a suite in Python. What does not: deciding: a
person reads the proposal, for what was never seen wrong yet may be wrong already.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import combinations
from math import ceil, floor, log10
from typing import Any

from quality_suites import SUITES, columns
from quality_suites.sql import fill, identifier, literal, relation

Ask = Callable[[str], list[tuple[Any, ...]]]
"""Runs one statement and gives its rows."""

FEW_VALUES = 12
"""So many distinct values look like codes, and are listed."""
LONGEST_KEY = 3
NUMBERS = ("smallint", "integer", "bigint", "numeric", "double precision", "real")
CODES = ("text", "smallint", "integer", "boolean")
KEYS = ("text", "smallint", "integer", "bigint", "timestamp with time zone", "uuid")
KNOWN_TYPES = ("DATE", "TEXT", "INSTANT", "BOOLEAN", "FLOAT", "NUMERIC", "SMALLINT", "INTEGER", "BIGINT", "BIGINTS")

DECLARED = """
    select attname, format_type(atttypid, null) from pg_catalog.pg_attribute
    where attrelid = to_regclass({table}) and attnum > 0 and not attisdropped order by attnum
"""
NEWEST_DAYS = "select distinct {day} from {table} where {day} is not null order by 1 desc limit {days}"
ROWS = "(select * from {table} where {day} in {days}) as day_rows"
VALUES = "select distinct {column} from {rows} where {column} is not null order by 1"
REPEATED = "select 1 from {rows} group by {key} having count(*) > 1 limit 1"


class ProposalError(Exception):
    """Nothing to propose from; the message says what is missing."""


@dataclass(frozen=True)
class Column:
    """What the days hold of a column. `minimum` and `maximum` are of numbers only, NaN and infinities left out."""

    name: str
    type: str
    null_count: int
    distinct_count: int
    minimum: float | Decimal | None
    maximum: float | Decimal | None
    values: tuple[Any, ...]
    """All of them, where they are few and look like codes."""


@dataclass(frozen=True)
class Profile:
    """The newest days of `schema.table`; `key` are the fewest columns that tell the newest day's rows apart, or none."""

    schema: str
    table: str
    date_column: str
    days: tuple[date, ...]
    row_count: int
    columns: tuple[Column, ...]
    key: tuple[str, ...]


def profile(ask: Ask, schema: str, table: str, *, days: int = 7) -> Profile:
    """Look at the newest `days` days that have rows. Raises ProposalError without table, date column or rows."""
    name = relation(schema, table)
    types: dict[str, str] = dict(ask(fill(DECLARED, {"table": literal(name)})))
    if not types:
        raise ProposalError(f"there is no table {schema}.{table}, or this role may not see it")
    date_column = _date_column(table, types)
    day = identifier(date_column)
    found = [row[0] for row in ask(fill(NEWEST_DAYS, {"day": day, "table": name, "days": literal(days)}))]
    if not found:
        raise ProposalError(f"{schema}.{table} is empty: there is no day to propose from")
    rows = fill(ROWS, {"table": name, "day": day, "days": f"({', '.join(map(literal, found))})"})
    newest = fill(ROWS, {"table": name, "day": day, "days": f"({literal(found[0])})"})
    count = ask(f"select count(*) from {rows}")[0][0]
    seen = tuple(_column(ask, rows, column, kind) for column, kind in types.items())
    return Profile(
        schema, table, date_column, tuple(sorted(found)), count, seen, _key(ask, newest, seen, date_column, count)
    )


def proposal(seen: Profile) -> str:
    """The suite as the text of a Python function in the style of this package's modules, and where it goes."""
    rules = "\n".join(f"        {rule}" for rule in _rules(seen))
    return (
        f"# Proposed from {len(seen.days)} days, {seen.days[0]} … {seen.days[-1]}, {seen.row_count:,} rows. Read before you take it:\n"
        f"# what these days hold is not yet what must hold. Warnings are limits that were seen, not known.\n"
        f"#\n# quality_suites/__init__.py, in SUITES:\n"
        f'#     Suite("{seen.schema}", "{seen.table}", "{seen.date_column}", ({_listed(seen.key)}), "One row per …"),\n'
        f"# quality_suites/{seen.schema}.py:\n\n\n"
        f"def {seen.table}(rules: Rules, limits: Limits) -> list[DayExpectation]:\n    return [\n{rules}\n    ]\n"
    )


def _rules(seen: Profile) -> Iterator[str]:
    """Each a line, or the lines, of the list."""
    declared = "\n".join(f"            {column.name}={_type(column.type)}," for column in seen.columns)
    yield f"rules.columns(\n{declared}\n        ),"
    full = [column.name for column in seen.columns if not column.null_count and column.name != seen.date_column]
    if full:
        yield f"*rules.not_null({', '.join(map(_quoted, full))}),"
    for column in seen.columns:
        if column.null_count == seen.row_count:
            yield f"# {column.name} is always null here: nothing to propose"
        elif column.null_count:
            yield f"# {column.name} is null in {100 * column.null_count / seen.row_count:.3g} % of rows"
    if seen.key:
        yield f"rules.unique({', '.join(map(_quoted, seen.key))}),"
    for column in seen.columns:
        if column.values and column.type != "boolean" and column.name not in seen.key:
            yield f"rules.one_of({_quoted(column.name)}, ({_listed(column.values)})),"
        elif column.minimum is not None and column.maximum is not None and column.name not in seen.key:
            low, high = _range(column)
            yield (
                f'rules.between({_quoted(column.name)}, {low}, {high}, severity="warning"),'
                f"  # seen: {column.minimum:g} … {column.maximum:g}"
            )


def _date_column(table: str, types: dict[str, str]) -> str:
    if table in SUITES:
        return SUITES[table].date_column
    dates = [name for name, kind in types.items() if kind == "date"]
    if not dates:
        raise ProposalError(f"{table} has no column of type date: suites judge days")
    return dates[0]


def _column(ask: Ask, rows: str, name: str, kind: str) -> Column:
    column = identifier(name)
    finite = f"{column}::text not in ('NaN', 'Infinity', '-Infinity')"
    extremes = f"min({column}) filter (where {finite}), max({column}) filter (where {finite})"
    null_count, distinct, low, high = ask(
        f"select count(*) - count({column}), count(distinct {column}),"
        f" {extremes if kind in NUMBERS else 'null, null'} from {rows}"
    )[0]
    values: tuple[Any, ...] = ()
    if kind in CODES and 0 < distinct <= FEW_VALUES:
        values = tuple(row[0] for row in ask(fill(VALUES, {"column": column, "rows": rows})))
    return Column(name, kind, null_count, distinct, low, high, values)


def _key(ask: Ask, newest: str, seen: tuple[Column, ...], date_column: str, count: int) -> tuple[str, ...]:
    """Names before instants before numbers, so that a key reads as one would say it."""
    able = [
        column
        for column in seen
        if column.type in KEYS and not column.null_count and column.name != date_column and column.distinct_count > 1
    ]
    able.sort(key=lambda column: KEYS.index(column.type) if column.type != "timestamp with time zone" else 0.5)
    for length in range(1, LONGEST_KEY + 1):
        for key in combinations([column.name for column in able], length):
            if not ask(fill(REPEATED, {"rows": newest, "key": ", ".join(map(identifier, key))})):
                return key
    return ()


def _range(column: Column) -> tuple[str, str]:
    """The range that was seen, widened to round numbers; shares and percentages as wide as they can be."""
    low, high = float(column.minimum or 0), float(column.maximum or 0)
    if column.name.endswith("_pct") and low >= 0 and high <= 100:
        return "0", "100"
    if column.name.endswith(("_share", "_score")) and low >= 0 and high <= 1:
        return "0", "1"
    return ("0" if low >= 0 else _rounded(low, floor)), _rounded(high, ceil)


def _rounded(value: float, towards: Callable[[float], int]) -> str:
    """`value` with one significant digit, away from what was seen: 4,801 becomes 5,000."""
    if not value:
        return "0"
    unit = 10.0 ** floor(log10(abs(value)))
    return f"{towards(value / unit) * unit:.12g}"


def _type(kind: str) -> str:
    """The constant of columns.py that starts at the type, or the type itself."""
    return next((name for name in KNOWN_TYPES if getattr(columns, name)[0] == kind), f"({_quoted(kind)},)")


def _listed(values: tuple[Any, ...]) -> str:
    """The inside of a tuple in Python, with the comma that makes one of a single value."""
    return ", ".join(map(_quoted, values)) + ("," if len(values) == 1 else "")


def _quoted(value: str | int) -> str:
    return json.dumps(value, ensure_ascii=False)
