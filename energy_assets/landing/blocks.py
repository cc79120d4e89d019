"""A delivered file as blocks of rows, all as delivered: CSV as text, Parquet as typed columns.

What belongs here: decoding, headers, row numbers and ragged rows of CSV, in bounded memory; Parquet's batches numbered alike.
What does not: opening (formats.py), Parquet's pages (parquet.py), and what the columns mean (mapping.py, reader.py).
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from array import array
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from energy_assets.landing import parquet
from energy_assets.landing.damage import ROW_BYTES, as_unreadable, runaway_reason
from energy_assets.landing.formats import (
    UnreadableFile,
    is_parquet,
    open_csv,
    refuse_other_formats,
    refuse_other_names,
    safe,
)
from energy_assets.landing.mapping import CsvDialect

PARSED_BYTES = ROW_BYTES
"""The parser reads up to 32 of these ahead."""
BLOCK_BYTES = 8 << 20
HEADER_BYTES = 1 << 20
MOST_COLUMNS = 10_000
NAME_CHARACTERS = 200
"""Of a column's name; no mapping needs more."""
HOPELESS_ROWS = 100_000
HOPELESS_SHARE = 0.9
"""After so many rows of the wrong length, and this share of all that came by then, a file is given up."""
RAGGED_TEXT = 1000
"""Characters of a ragged row that are kept to find its day in."""


@dataclass(frozen=True)
class Block:
    """Consecutive rows of a file. `row_numbers` (int64) counts from the file's first row, a CSV's header being row 1."""

    columns: pa.Table
    row_numbers: np.ndarray


OnRagged = Callable[[int, int, str], None]
"""Takes the row number, the number of values and the text (cut to RAGGED_TEXT) of a row of the wrong length."""


def read_header(path: Path, dialect: CsvDialect) -> list[str]:
    """Names of the columns, trimmed, and safe to store and show.

    Raises UnreadableFile for a file that is empty, of another format, undecodable or broken.
    """
    if is_parquet(path):
        return [_safe_name(name) for name in parquet.read_names(path)]
    refuse_other_names(path)
    with as_unreadable(path, dialect), open_csv(path) as stream:
        head = stream.read(HEADER_BYTES)
        refuse_other_formats(path, head)
        names = [_safe_name(name) for name in _split_header(_first_line(head), dialect)]
    if len(names) > MOST_COLUMNS:
        raise UnreadableFile(f"its header has {len(names):,} columns: deliver one row for each reading, not one column")
    return names


def _first_line(head: bytes) -> bytes:
    line = head.splitlines()[0] if head.strip() else b""
    if not line.strip():
        raise UnreadableFile(
            "the file is empty, or starts with an empty line: deliver it with a header as its first row"
        )
    if line.lower().lstrip(b"\xef\xbb\xbf").startswith(b"sep="):
        raise UnreadableFile("row 1 is Excel's note of the delimiter (sep=), no header: take that row away")
    if b"\0" in line:
        raise UnreadableFile(
            "row 1 holds NUL bytes, as damaged files, other formats and UTF-16 do: export it as CSV in UTF-8"
        )
    if len(line) == HEADER_BYTES:
        raise UnreadableFile(
            f"row 1 is longer than {HEADER_BYTES >> 20} MB: deliver the file with a header as its first row, has it lost its line ends?"
        )
    return line


def _split_header(line: bytes, dialect: CsvDialect) -> list[str]:
    text = line.decode(dialect.encoding).removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE
    given = csv.reader([text], delimiter=dialect.delimiter, quotechar=dialect.quote or None, quoting=quoting)
    try:
        return next(given)
    except csv.Error as error:
        raise UnreadableFile(
            f"row 1 is no header ({error}): deliver the file with the names of its columns as its first row"
        ) from error


def _safe_name(name: str) -> str:
    return safe(name.strip()[:NAME_CHARACTERS]).strip()


def check_header(header: Sequence[str], used: frozenset[str]) -> None:
    """Raise UnreadableFile where a column that a mapping reads is there twice."""
    for name in header:
        if name in used and header.count(name) > 1:
            raise UnreadableFile(f"the column {name} is there {header.count(name)} times: leave one of them")


def read_blocks(
    path: Path,
    dialect: CsvDialect,
    header: Sequence[str],
    on_ragged: OnRagged,
    needed: Collection[str] | None = None,
) -> Generator[Block]:
    """The file's rows, in order and in bounded memory; wholly empty ones are left out.

    The next block is parsed while the caller works on one. `on_ragged` is called (from another thread, in order) for each
    row whose number of values differs from the header's. `needed` names the columns that must be there, None all.
    Raises UnreadableFile for a broken file, at the latest after its last block.
    """
    if is_parquet(path):
        return _read_ahead(_parquet_blocks(path, header, needed))
    return _read_ahead(_csv_blocks(path, dialect, header, on_ragged))


def _csv_blocks(path: Path, dialect: CsvDialect, header: Sequence[str], on_ragged: OnRagged) -> Generator[Block]:
    ragged = array("q")  # ten million of them must fit

    refusals: list[str] = []
    count = 0

    def note(row: pacsv.InvalidRow) -> str:
        nonlocal count
        count += 1
        ragged.append(row.number)
        if re.search(r"[\r\n]", row.text.rstrip("\r\n")):
            refusals.append(runaway_reason(row.number, dialect))
        elif count % HOPELESS_ROWS == 0 and count >= HOPELESS_SHARE * (row.number - 1):
            refusals.append(_hopeless_reason(count, row, len(header)))
        on_ragged(row.number, row.actual_columns, row.text[:RAGGED_TEXT])
        return "error" if refusals else "skip"  # raising here would only be printed

    with as_unreadable(path, dialect, refusals), open_csv(path) as stream:
        watched = _Watched(stream, dialect)
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
                check_utf8=False,  # done as it is read
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


def _parquet_blocks(path: Path, header: Sequence[str], needed: Collection[str] | None) -> Generator[Block]:
    names = _unique(header)
    positions = None if needed is None else [position for position, name in enumerate(names) if name in needed]
    read = names if positions is None else [names[position] for position in positions]
    first = 1
    for table in parquet.read_tables(path, parquet.read_names(path), positions):
        yield Block(table.rename_columns(read), np.arange(first, first + table.num_rows))
        first += table.num_rows


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
            raise UnreadableFile(runaway_reason(int(numbers[several.to_numpy()][0]), dialect))


def _hopeless_reason(count: int, row: pacsv.InvalidRow, expected: int) -> str:
    return (
        f"{count:,} of its first {row.number - 1:,} rows have another number of values than the header "
        f"({row.actual_columns}, not {expected}): correct the header, or declare the delimiter in a mapping"
    )


def _unique(header: Sequence[str]) -> list[str]:
    """Column names that can be addressed: unnamed and repeated ones, which no mapping reads, get their position."""
    return [f"\0{position}" if not name or header.count(name) > 1 else name for position, name in enumerate(header)]


def _read_ahead(blocks: Generator[Block]) -> Generator[Block]:
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="landing-blocks") as pool:
        try:
            ahead = pool.submit(next, blocks, None)
            while (block := ahead.result()) is not None:
                ahead = pool.submit(next, blocks, None)
                yield block
        finally:
            ahead.cancel()
            pool.submit(blocks.close)


class _Watched(io.RawIOBase):
    """A byte stream that remembers whether a quote went by, and raises UnicodeDecodeError at what is no UTF-8 where it should be.

    Other encodings are decoded by the parser as it reads. UTF-8 it would check once rows are cut, after it gave ragged ones to their
    handler as text: a ragged row that is no text would only be printed, with a stack trace.
    """

    def __init__(self, stream: io.RawIOBase, dialect: CsvDialect) -> None:
        self._stream = stream
        self._quote = dialect.quote.encode()
        is_utf8 = dialect.encoding.startswith("utf-8")
        self._check = codecs.getincrementaldecoder("utf-8")().decode if is_utf8 else None
        self.saw_quote = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        if self._check:
            self._check(data, final=not data)
        self.saw_quote = self.saw_quote or bool(self._quote and self._quote in data)
        return data
