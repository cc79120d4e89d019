"""Files: the landing sources as Parquet or CSV, and tables of the truth that grow day by day.

What belongs here: formats, names of files, writing whole files only. What does not: what is in them.

A source's file of a day is SOURCE/YYYY-MM-DD.parquet. Files are written under another name and renamed: none is ever half there.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from types import TracebackType
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

Format = Literal["parquet", "csv"]
MORNING = time(3)
AT_WORK = 6
"""Files that may wait to be written: what bounds memory."""


def write_table(rows: pa.Table, path: Path, written_on: date | None = None) -> Path:
    """Write `rows` to `path` in the format of its suffix; instants in CSV are ISO 8601 with their offset.

    The file says that it was written on `written_on`, early in the morning, where that is given.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    if path.suffix == ".parquet":
        # The stored schema would bring dictionaries back where the contract says text.
        pq.write_table(rows, draft, store_schema=False, **encoding(rows.schema))
    else:
        options = pacsv.WriteOptions(quoting_style="needed", quoting_header="none")
        pacsv.write_csv(_as_text(rows), draft, options)
    if written_on is not None:
        at = datetime.combine(written_on, MORNING, UTC).timestamp()
        os.utime(draft, (at, at))
    return draft.replace(path)


def encoding(schema: pa.Schema) -> dict[str, object]:
    """Parquet options: dictionaries, but for true energy, whose values hardly repeat."""
    split = [field.name for field in schema if field.name in ("true_kwh", "reported_kwh", "metered_kwh")]
    return {
        "compression": "zstd",
        "compression_level": 1,
        "use_dictionary": [field.name for field in schema if field.name not in split],
        "use_byte_stream_split": split,
    }


class Writer:
    """Writes files in the background, as many at once as there are cores; the first error is raised on the next call."""

    def __init__(self, threads: int = 2) -> None:
        self._pool = ThreadPoolExecutor(threads)
        self._waiting: deque[Future[Path]] = deque()

    def write(self, rows: pa.Table, path: Path, written_on: date | None = None) -> Path:
        while len(self._waiting) >= AT_WORK or (self._waiting and self._waiting[0].done()):
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(write_table, rows, path, written_on))
        return path

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown(wait=True, cancel_futures=error is not None)
        if error is None:
            while self._waiting:
                self._waiting.popleft().result()


@dataclass(frozen=True)
class Folder:
    """Where the landing sources go, and which of them."""

    out: Path
    format: Format
    sources: Collection[str]
    writer: Writer

    def write(self, source: str, day: date, rows: pa.Table | None, part: str = "") -> Path | None:
        """Write a source's file of the day, unless it is not wanted or has no rows; `part` tells a second file apart.

        It looks as if a head-end had written it the morning after: late files are late.
        """
        path = self.out / source / f"{day}{part}.{self.format}"
        if source not in self.sources or rows is None or not rows.num_rows:
            # What a run before this one may have left would be another fleet's.
            path.unlink(missing_ok=True)
            return None
        return self.writer.write(rows, path, day + timedelta(days=1))


class DayTable:
    """One Parquet file of rows by day, written as the days go by; rows of days before and after stay as they were."""

    def __init__(self, path: Path, schema: pa.Schema, first: date, last: date) -> None:
        self._path, self._draft = path, path.with_name(f".{path.name}.part")
        self._schema, self._first, self._last = schema, first, last
        self._stack = ExitStack()

    def __enter__(self) -> DayTable:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = self._stack.enter_context(
            pq.ParquetWriter(self._draft, self._schema, compression="zstd", compression_level=1)
        )
        self._copy(pc.field("reading_date") < self._first)
        return self

    def append(self, rows: pa.Table) -> None:
        if rows.num_rows:
            self._writer.write_table(rows)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None:
            self._copy(pc.field("reading_date") > self._last)
        self._stack.close()
        if error is None:
            self._draft.replace(self._path)
        else:
            self._draft.unlink()

    def _copy(self, which: pc.Expression) -> None:
        if self._path.exists():
            self.append(pq.read_table(self._path, schema=self._schema, filters=which))


def named(names: np.ndarray, index: np.ndarray) -> pa.DictionaryArray:
    """names[index] without repeating the text; null where the index is negative."""
    is_nobody = index < 0
    indices = pa.array(index, pa.int32(), mask=is_nobody if is_nobody.any() else None)
    return pa.DictionaryArray.from_arrays(indices, pa.array(names, pa.string()), safe=False)


def as_instants(values: np.ndarray) -> pa.Array:
    """datetime64 as timestamps in UTC."""
    return pa.array(values.astype("datetime64[us]", copy=False), pa.timestamp("us", "UTC"))


def _as_text(rows: pa.Table) -> pa.Table:
    for number, field in enumerate(rows.schema):
        if pa.types.is_timestamp(field.type):
            encoded = rows[field.name].combine_chunks().dictionary_encode()
            text = pc.strftime(encoded.dictionary.cast(pa.timestamp("s", "UTC")), "%Y-%m-%dT%H:%M:%S+00:00")
            rows = rows.set_column(number, field.name, text.take(encoded.indices))
        elif pa.types.is_dictionary(field.type):
            rows = rows.set_column(number, field.name, rows[field.name].cast(pa.string()))
    return rows
