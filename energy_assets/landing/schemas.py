"""Arrow's view of the landing contract: schemas of parts and of rejected rows.

What belongs here: Arrow types. What does not: what the columns mean (contract.py).
"""

from __future__ import annotations

import pyarrow as pa

from energy_assets.landing.contract import Column, Source

ARROW_TYPES: dict[str, pa.DataType] = {
    "text": pa.string(),
    "date": pa.date32(),
    "timestamptz": pa.timestamp("us", tz="UTC"),
    "double precision": pa.float64(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "boolean": pa.bool_(),
}
"""By their names in SQL."""

INSTANT = ARROW_TYPES["timestamptz"]

REJECTED_ROWS = pa.schema(
    [
        ("source", pa.string()),
        ("reading_date", pa.date32()),
        ("row_number", pa.int64()),
        ("column_name", pa.string()),
        ("value", pa.string()),
        ("reason", pa.string()),
    ]
)
"""Rows that could not be read; `reading_date` where it could be, `row_number` as in a part; a whole file is row 0."""


def arrow_type(column: Column) -> pa.DataType:
    return ARROW_TYPES[column.type]


def part_schema(source: Source) -> pa.Schema:
    """Schema of a part: one source, one local day, one file. `row_number` counts the file's rows, the header being 1."""
    return pa.schema([(column.name, arrow_type(column)) for column in source.part_columns])
