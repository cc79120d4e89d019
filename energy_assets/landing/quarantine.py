"""Rejected rows: kept as Parquet in bounded memory, and told in sentences that an engineer can act on.

What belongs here: storing and describing rejected rows of one file.
What does not: deciding what is rejected (reader.py).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from energy_assets.landing.schemas import REJECTED_ROWS

ROWS_AT_ONCE = 200_000


class RejectWriter:
    """Writes rejected rows to one Parquet file; makes none where there are none. Safe to share between threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pa.Table] = []

    def add(self, rows: pa.Table) -> None:
        with self._lock:
            self._waiting.append(rows)
            if sum(table.num_rows for table in self._waiting) >= ROWS_AT_ONCE:
                self._flush()

    def close(self) -> Path | None:
        """The finished file, or None where nothing was rejected."""
        with self._lock:
            self._flush()
            if self._writer is None:
                return None
            self._writer.close()
            return self._path

    def _flush(self) -> None:
        if not self._waiting:
            return
        rows = pa.concat_tables(self._waiting).sort_by("row_number")
        self._waiting = []
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, REJECTED_ROWS, compression="zstd")
        self._writer.write_table(rows)


def whole_file(source: str, reason: str) -> pa.Table:
    """The one rejected row, number 0, that stands for a file that could not be read."""
    row = {
        "source": source,
        "reading_date": None,
        "row_number": 0,
        "column_name": None,
        "value": None,
        "reason": reason,
    }
    return pa.Table.from_pylist([row], schema=REJECTED_ROWS)


def read_rejects(path: Path) -> Iterator[pa.RecordBatch]:
    """Batches of REJECTED_ROWS."""
    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(batch_size=ROWS_AT_ONCE)


def describe(path: str, rejects: pa.Table, *, most: int = 10) -> list[str]:
    """Sentences about the rejected rows of the file `path`: one for each column and kind of reason, at most `most`.

    >>> "octopus/2017-11-05 236 Customers.csv, row 2, column interval_start: "0.0" is no date-time (expected e.g. …)"
    """
    if not rejects.num_rows:
        return []
    grouped = (
        rejects.group_by(["column_name", "reason"], use_threads=False)
        .aggregate([("row_number", "min"), ("row_number", "count"), ("row_number", "count_distinct")])
        .sort_by([("row_number_count", "descending"), ("row_number_min", "ascending")])
    )
    return [_sentence(path, rejects, kind) for kind in grouped.slice(0, most).to_pylist()]


def _sentence(path: str, rejects: pa.Table, kind: dict[str, object]) -> str:
    if kind["row_number_min"] == 0:
        return f"{path}: {kind['reason']}"
    matches = pc.equal(rejects["reason"], kind["reason"])
    if kind["column_name"] is not None:
        matches = pc.and_(matches, pc.fill_null(pc.equal(rejects["column_name"], kind["column_name"]), False))
    rows = rejects.filter(matches).sort_by("row_number")
    where = f"{path}, {_listed(rows['row_number'].unique().to_pylist())}"
    column = "" if kind["column_name"] is None else f", column {kind['column_name']}"
    value = "the row" if kind["column_name"] is None else f'"{rows["value"][0].as_py() or ""}"'
    return f"{where}{column}: {value} {kind['reason']}"


def _listed(numbers: Iterable[int]) -> str:
    numbers = list(numbers)
    if len(numbers) == 1:
        return f"row {numbers[0]}"
    if len(numbers) <= 3:
        return f"rows {', '.join(map(str, numbers))}"
    return f"rows {', '.join(map(str, numbers[:3]))} and {len(numbers) - 3:,} more"
