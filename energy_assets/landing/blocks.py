"""A delivered file as blocks of rows, all as delivered: CSV as text, Parquet as typed columns.

What belongs here: opening, decompressing, decoding, headers, row numbers and ragged rows, in bounded memory.
What does not: what the columns mean (mapping.py, reader.py).
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from energy_assets.landing.mapping import CsvDialect

PARSED_BYTES = 2 << 20
"""The parser reads up to 32 of these ahead."""
BLOCK_BYTES = 8 << 20
BLOCK_ROWS = 250_000
HEADER_BYTES = 1 << 20
HOPELESS_ROWS = 100_000
"""Rows of the wrong length, and none of the right one, after which a file is given up."""
RAGGED_TEXT = 1000
"""Characters of a ragged row that are kept to find its day in."""


class UnreadableFile(Exception):
    """A file that cannot be read as a whole; the message gives reason and remedy."""


@dataclass(frozen=True)
class Block:
    """Consecutive rows of a file. `row_numbers` (int64) counts from the file's first row, a CSV's header being row 1."""

    columns: pa.Table
    row_numbers: np.ndarray


OnRagged = Callable[[int, int, str], None]
"""Takes the row number, the number of values and the text (cut to RAGGED_TEXT) of a row of the wrong length."""


def read_header(path: Path, dialect: CsvDialect) -> list[str]:
    """Names of the columns, trimmed.

    Raises UnreadableFile for an empty, undecodable or broken file.
    """
    if _is_parquet(path):
        with _as_unreadable():
            return [name.strip() for name in pq.read_schema(path).names]
    with _as_unreadable(), _open(path) as stream:
        head = stream.read(HEADER_BYTES)
    line = head.splitlines()[0] if head.strip() else b""
    if not line.strip():
        raise UnreadableFile(
            "the file is empty, or starts with an empty line: deliver it with a header as its first row"
        )
    try:
        text = line.decode(dialect.encoding).removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
    except UnicodeDecodeError as error:
        raise UnreadableFile(_encoding_reason(dialect)) from error
    quoting = {"quotechar": dialect.quote} if dialect.quote else {"quoting": csv.QUOTE_NONE}
    return [name.strip() for name in next(csv.reader([text], delimiter=dialect.delimiter, **quoting))]


def check_header(header: Sequence[str], used: frozenset[str]) -> None:
    """Raise UnreadableFile where a column that a mapping reads is there twice."""
    for name in header:
        if name in used and header.count(name) > 1:
            raise UnreadableFile(f"the column {name} is there {header.count(name)} times: leave one of them")


def read_blocks(path: Path, dialect: CsvDialect, header: Sequence[str], on_ragged: OnRagged) -> Iterator[Block]:
    """The file's rows, in order and in bounded memory; wholly empty ones are left out.

    The next block is parsed while the caller works on one. `on_ragged` is called (from another thread, in order) for each
    row whose number of values differs from the header's.
    Raises UnreadableFile for a broken file, at the latest after its last block.
    """
    blocks = _parquet_blocks(path, header) if _is_parquet(path) else _csv_blocks(path, dialect, header, on_ragged)
    return _read_ahead(blocks)


def _csv_blocks(path: Path, dialect: CsvDialect, header: Sequence[str], on_ragged: OnRagged) -> Iterator[Block]:
    ragged = array("q")  # ten million of them must fit

    refusals: list[str] = []

    def note(row: pacsv.InvalidRow) -> str:
        ragged.append(row.number)
        if "\n" in row.text.rstrip("\r\n"):
            refusals.append(_runaway_reason(row.number, dialect))
        elif len(ragged) == HOPELESS_ROWS and row.number == HOPELESS_ROWS + 1:
            refusals.append(_hopeless_reason(row, len(header)))
        on_ragged(row.number, row.actual_columns, row.text[:RAGGED_TEXT])
        return "error" if refusals else "skip"  # raising here would only be printed

    with _as_unreadable(dialect, refusals), _open(path) as stream:
        watched = _Watched(stream, dialect.quote.encode())
        names = [str(position) for position in range(len(header))]
        first = 2
        for columns in _gathered(_csv_batches(watched, dialect, names, note)):
            columns = columns.rename_columns(_unique(header))
            numbers, first = _row_numbers(first, columns.num_rows, ragged)
            if watched.saw_quote:
                _refuse_runaway_quotes(columns, numbers, dialect)
            yield _without_empty(columns, numbers)


def _csv_batches(
    stream: _Watched, dialect: CsvDialect, names: list[str], note: Callable[[pacsv.InvalidRow], str]
) -> Iterator[pa.RecordBatch]:
    try:
        reader = pacsv.open_csv(
            stream,
            read_options=pacsv.ReadOptions(
                use_threads=False,  # with threads a ragged row has no number
                block_size=PARSED_BYTES,
                column_names=names,
                skip_rows=1,
                encoding=dialect.encoding.removesuffix("-sig"),
            ),
            parse_options=pacsv.ParseOptions(
                delimiter=dialect.delimiter,
                quote_char=dialect.quote or False,
                newlines_in_values=True,
                ignore_empty_lines=False,  # an ignored line would shift the numbers of all rows after it
                invalid_row_handler=note,
            ),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                strings_can_be_null=False,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        if "Could not skip" in str(error):
            return  # a header without an end of line, and nothing after it
        raise
    yield from reader


def _gathered(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(piece.nbytes for piece in waiting) >= BLOCK_BYTES:
            yield pa.Table.from_batches(waiting)
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting)


def _parquet_blocks(path: Path, header: Sequence[str]) -> Iterator[Block]:
    with _as_unreadable(), pq.ParquetFile(path) as file:
        first = 1
        for batch in file.iter_batches(batch_size=BLOCK_ROWS):
            columns = pa.Table.from_batches([batch]).rename_columns(_unique(header))
            columns.validate(full=True)
            yield Block(columns, np.arange(first, first + batch.num_rows))
            first += batch.num_rows


def _row_numbers(first: int, rows: int, ragged: array[int]) -> tuple[np.ndarray, int]:
    """Numbers of the next `rows` well-formed rows, stepping over ragged ones, and the number after the last of them."""
    passed = np.array(ragged, dtype=np.int64)
    index = np.arange(rows, dtype=np.int64)
    numbers = first + index + np.searchsorted(passed - first - np.arange(len(passed)), index, side="right")
    following = int(numbers[-1]) + 1 if rows else first
    del ragged[: int(np.searchsorted(passed, following))]
    return numbers, following


def _without_empty(columns: pa.Table, numbers: np.ndarray) -> Block:
    empty = None
    for column in columns.columns:
        is_empty = pc.equal(column, "")
        empty = is_empty if empty is None else pc.and_(empty, is_empty)
        if not pc.any(empty).as_py():
            return Block(columns, numbers)
    kept = pc.invert(empty)
    return Block(columns.filter(kept), numbers[kept.to_numpy()])


def _refuse_runaway_quotes(columns: pa.Table, numbers: np.ndarray, dialect: CsvDialect) -> None:
    """A quote that is never closed swallows rows: no value of the contract runs over several lines."""
    for column in columns.columns:
        several = pc.match_substring_regex(column, r"[\r\n]")
        if pc.any(several).as_py():
            raise UnreadableFile(_runaway_reason(int(numbers[several.to_numpy()][0]), dialect))


def _runaway_reason(row_number: int | None, dialect: CsvDialect) -> str:
    return (
        f"row {row_number} opens a quote ({dialect.quote}) that is not closed on its line: "
        'correct the row, or declare quote = "" in a mapping where the mark is part of the values'
    )


def _hopeless_reason(row: pacsv.InvalidRow, expected: int) -> str:
    return (
        f"its first {HOPELESS_ROWS:,} rows all have another number of values than the header ({row.actual_columns}, not "
        f"{expected}): correct the header, or declare the delimiter in a mapping"
    )


def _unique(header: Sequence[str]) -> list[str]:
    """Column names that can be addressed: unnamed and repeated ones, which no mapping reads, get their position."""
    return [f"\0{position}" if not name or header.count(name) > 1 else name for position, name in enumerate(header)]


def _read_ahead(blocks: Iterator[Block]) -> Iterator[Block]:
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="landing-blocks") as pool:
        try:
            ahead = pool.submit(next, blocks, None)
            while (block := ahead.result()) is not None:
                ahead = pool.submit(next, blocks, None)
                yield block
        finally:
            ahead.cancel()
            pool.submit(blocks.close)


def _open(path: Path) -> BinaryIO:
    if path.name.lower().endswith(".gz"):
        return gzip.open(path, "rb")
    return path.open("rb", buffering=0)


def _is_parquet(path: Path) -> bool:
    return path.name.lower().endswith(".parquet")


def _encoding_reason(dialect: CsvDialect) -> str:
    return (
        f"the file is not encoded in {dialect.encoding}: save it as UTF-8, or declare its encoding "
        "(latin-1, cp1252) under [csv] in a mapping"
    )


class _Watched(io.RawIOBase):
    """A byte stream that remembers whether a quote went by."""

    def __init__(self, stream: BinaryIO, quote: bytes) -> None:
        self._stream = stream
        self._quote = quote
        self.saw_quote = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self.saw_quote = self.saw_quote or bool(self._quote and self._quote in data)
        return data


@contextmanager
def _as_unreadable(dialect: CsvDialect | None = None, refusals: Sequence[str] = ()) -> Iterator[None]:
    """Turn what a broken file raises into UnreadableFile; errors of the machine (OSError with a number) pass.

    `refusals` holds reasons that were found while parsing; they say more than what the parser then raises.
    """
    try:
        yield
    except UnicodeDecodeError as error:
        raise UnreadableFile(_encoding_reason(dialect or CsvDialect())) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UnreadableFile(f"the compressed file is damaged or cut off ({error}): deliver it again") from error
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        if refusals:
            raise UnreadableFile(refusals[0]) from error
        raise UnreadableFile(_damage_reason(str(error), dialect or CsvDialect())) from error


def _damage_reason(error: str, dialect: CsvDialect) -> str:
    if "invalid UTF8" in error:
        return _encoding_reason(dialect)
    if "straddl" in error:
        return f"a row is longer than {PARSED_BYTES >> 20} MB: probably a quote that is never closed; correct it"
    first_line = (error.splitlines() or ["no reason given"])[0][:200]
    return f"the file is damaged or of another format ({first_line}): deliver it again"
