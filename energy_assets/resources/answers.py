"""What a statement came to that comes to one value.

What belongs here: taking it out of a cursor. What does not: statements.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor


def answer(cursor: Cursor) -> Any:
    """The first column of the only row. Raises LookupError where there is none."""
    row = cursor.fetchone()
    if row is None:
        raise LookupError("the statement came to no row")
    return row[0]
