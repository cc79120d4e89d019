"""The one place where names and values become SQL text.

What belongs here: quoting identifiers, writing literals, filling the placeholders of a rule's SQL.
What does not: the rules' SQL itself (one module a schema), running it (validator.py).

Great Expectations takes expressions as text, so values cannot travel beside them as parameters.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import date

Value = str | int | float | date | Sequence[str] | Sequence[int]

PLACEHOLDER = re.compile(r"\{(\w+)\}")


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def relation(schema: str, table: str) -> str:
    return f"{identifier(schema)}.{identifier(table)}"


def literal(value: Value) -> str:
    """`value` as SQL: dates as `date '…'`, sequences as `('a', 'b')`. Raises ValueError for what has no literal."""
    if isinstance(value, date):
        return f"date '{value:%Y-%m-%d}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return repr(value)
    if isinstance(value, list | tuple) and value:
        return "(" + ", ".join(literal(item) for item in value) + ")"
    raise ValueError(f"{value!r} cannot be written as an SQL literal")


def fill(template: str, fragments: Mapping[str, str]) -> str:
    """`template` with each `{name}` that `fragments` knows replaced; other placeholders stay for later."""
    return PLACEHOLDER.sub(lambda match: fragments.get(match[1], match[0]), template)
