"""One delivered file, through its mapping, into accepted rows of each source and rejected ones with their reason.

What belongs here: applying a mapping to blocks of rows, and judging which rows lack what they need.
What does not: opening files (blocks.py), single values (values.py, instants.py), storing (parts.py, quarantine.py).
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from typing import Protocol

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from energy_assets.landing import instants, values
from energy_assets.landing.blocks import Block, check_header, read_blocks, read_header
from energy_assets.landing.contract import Column, Source
from energy_assets.landing.contract import source as contract_source
from energy_assets.landing.files import DataFile
from energy_assets.landing.formats import UnreadableFile
from energy_assets.landing.instants import AmbiguousDates, InstantReader, Instants, OrderProof, series_of
from energy_assets.landing.mapping import (
    BooleanFrom,
    CsvDialect,
    From,
    InstantFrom,
    Mapping,
    MappingError,
    Mappings,
    NumberFrom,
    SourceMapping,
    VersionFrom,
)
from energy_assets.landing.schemas import INSTANT, REJECTED_ROWS, arrow_type, part_schema

SHOWN_CHARACTERS = 200
RAGGED_AT_ONCE = 50_000


class Sink(Protocol):
    """Where a file's rows go while it is read."""

    def accept(self, source: Source, rows: pa.Table, *, is_resolved: bool = False) -> None:
        """Take rows of the part's schema, in the file's order; resolved ones come last and belong in between."""

    def reject(self, rows: pa.Table) -> None:
        """Take rows of REJECTED_ROWS; called from several threads."""


@dataclass
class Reading:
    """What was read of one file. A row is rejected if any source that it feeds lacks something."""

    rows_read: int = 0
    rows_rejected: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    """Source -> rejected rows."""
    values_left_out: Counter[str] = field(default_factory=Counter)
    """Optional delivered column -> values that could not be read and are null."""
    unknown_columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Converted:
    """One block as rows of one source: `blame` is 0 for accepted rows, else 1 + the index of the first judged column
    that cannot be taken."""

    rows: pa.Table
    doubled: pa.Table
    rejected: pa.Table
    blame: np.ndarray


def choose_mapping(file: DataFile, mappings: Mappings) -> tuple[Mapping, list[str]]:
    """The mapping that a file takes, and its header.

    Raises UnreadableFile where the header cannot be read, or not exactly one mapping fits.
    """
    headers: dict[CsvDialect, list[str]] = {}
    failure: UnreadableFile | None = None
    for dialect in mappings.dialects():
        try:
            headers[dialect] = read_header(file.path, dialect)
        except UnreadableFile as error:
            failure = failure or error
    if not headers and failure is not None:
        raise failure
    try:
        mapping = mappings.choose(PurePosixPath(file.relative), file.folder, headers)
    except MappingError as error:
        raise UnreadableFile(str(error)) from error
    check_header(headers[mapping.csv], mapping.known)
    return mapping, headers[mapping.csv]


def read_file(
    file: DataFile, mapping: Mapping, header: list[str], sink: Sink, *, home_zone: str, now: datetime
) -> Reading:
    """Read the whole file into `sink`, in bounded memory. Days are local days of `home_zone`; `now` bounds instants.

    Raises UnreadableFile; what the sink took by then must be thrown away.
    """
    orders = _proven_orders(file, mapping, header)
    readers = [
        SourceReader(contract_source(name), fed, mapping, header, file, home_zone=home_zone, now=now, orders=orders)
        for name, fed in mapping.sources.items()
    ]
    reading = Reading(
        unknown_columns=tuple(name for name in dict.fromkeys(header) if name and name not in mapping.known)
    )
    ragged = _RaggedRows(readers, sink, len(header), mapping.csv)
    doubled: dict[str, list[pa.Table]] = {reader.source.name: [] for reader in readers}
    for block in read_blocks(file.path, mapping.csv, header, ragged.note, mapping.known):
        reading.rows_read += len(block.row_numbers)
        is_rejected = np.zeros(len(block.row_numbers), bool)
        for reader in readers:
            converted = reader.convert(block, reading.values_left_out)
            sink.accept(reader.source, converted.rows)
            if converted.doubled.num_rows:
                doubled[reader.source.name].append(converted.doubled)
            if converted.rejected.num_rows:
                sink.reject(converted.rejected)
                reading.rejected[reader.source.name] += converted.rejected.num_rows
            is_rejected |= converted.blame != 0
        reading.rows_rejected += int(is_rejected.sum())
    ragged.flush()
    for reader in readers:
        if (resolved := instants.resolve_folds(doubled[reader.source.name], reader.source)) is not None:
            sink.accept(reader.source, resolved, is_resolved=True)
        reading.rejected[reader.source.name] += ragged.count
    reading.rows_read += ragged.count
    reading.rows_rejected += ragged.count
    if reading.rows_read == 0:
        raise UnreadableFile("the file holds a header and no rows: deliver it with its rows, or take it away")
    return reading


class SourceReader:
    """Turns blocks of one file into rows of one source."""

    def __init__(
        self,
        source: Source,
        fed: SourceMapping,
        mapping: Mapping,
        header: list[str],
        file: DataFile,
        *,
        home_zone: str,
        now: datetime,
        orders: dict[str, str | None],
    ) -> None:
        self.source = source
        self._status_rank = mapping.status_rank
        self._origins = {
            target: origin for target, origin in fed.columns.items() if origin.column is None or origin.column in header
        }
        self._constants = {
            target: _constant(origin, file) for target, origin in self._origins.items() if origin.column is None
        }
        self._instants = {
            target: InstantReader(
                origin,
                # A date is a date wherever it was written, also one whose midnight clocks skipped there.
                local_zone="UTC" if source.column(target).type == "date" else mapping.timezone or home_zone,
                home_zone=None if source.column(target).type == "date" else home_zone,
                now=now if target == source.instant else None,
                order=orders.get(origin.column or ""),
            )
            for target, origin in self._origins.items()
            if isinstance(origin, InstantFrom)
        }

        instant = self._origins[source.instant].column if source.instant else None
        self.instant_index = header.index(instant) if instant is not None else None
        """Position of the source's date-time in a delivered row, where it is delivered."""

    def convert(self, block: Block, left_out: Counter[str]) -> Converted:
        """The block's rows of this source; unreadable optional values are null and counted in `left_out`."""
        faults: dict[str, np.ndarray] = {}
        columns: dict[str, pa.Array] = {}
        for column in self.source.delivered:
            if column.name != self.source.instant:
                columns[column.name] = self._read(column, block, faults, left_out)
        when = None
        if self.source.instant and self.source.date_column:
            when = self._read_instants(self.source.instant, block, columns, faults)
            columns[self.source.instant] = pa.array(when.utc).cast(INSTANT)
            columns[self.source.date_column] = pa.array(when.day).cast(pa.date32())
        columns["row_number"] = pa.array(block.row_numbers).cast(pa.int32())
        self._derive(columns, len(block.row_numbers))
        schema = part_schema(self.source)
        rows = pa.table([columns[name] for name in schema.names], schema=schema)
        blame = self._blame(faults, len(block.row_numbers))
        return Converted(*self._split(rows, when, blame), self._rejected(block, when, faults, blame), blame)

    def days_of(self, delivered: pa.Array) -> pa.Array:
        """Local days of date-times as delivered; null where they cannot be read, and where rows have none."""
        if self.source.instant is None:
            return pa.nulls(len(delivered), pa.date32())
        when = self._instants[self.source.instant].read(delivered)
        return pa.array(when.day, mask=~when.has_day).cast(pa.date32())

    def _read(self, column: Column, block: Block, faults: dict[str, np.ndarray], left_out: Counter[str]) -> pa.Array:
        origin = self._origins.get(column.name)
        if origin is None:
            return pa.nulls(len(block.row_numbers), arrow_type(column))
        delivered = self._delivered(column.name, origin, block)
        with _naming_column(origin.column or column.name):
            if isinstance(origin, InstantFrom):
                read = _read_other_instants(delivered, column, self._instants[column.name])
            else:
                read = _read_values(delivered, column, origin)
        if column.required:
            faults[column.name] = read.fault
        elif column.strict:
            faults[column.name] = np.where(read.fault == values.EMPTY, 0, read.fault)
        elif lost := int(np.count_nonzero((read.fault != 0) & (read.fault != values.EMPTY))):
            left_out[origin.column or column.name] += lost
        return read.values

    def _read_instants(
        self, target: str, block: Block, columns: dict[str, pa.Array], faults: dict[str, np.ndarray]
    ) -> Instants:
        origin = self._origins[target]
        length = self._constants.get("interval_minutes")
        if length is not None:
            minutes: np.ndarray | int = int(length)
        elif "interval_minutes" in columns:
            minutes = columns["interval_minutes"].to_numpy(zero_copy_only=False)
        else:
            minutes = 0
        delivered = self._delivered(target, origin, block)
        with _naming_column(origin.column or target):
            when = self._instants[target].read(delivered, minutes)
        faults[target] = when.fault
        return when

    def _delivered(self, target: str, origin: From, block: Block) -> pa.Array:
        if origin.column is None:
            return pa.repeat(pa.scalar(self._constants[target]), len(block.row_numbers))
        column = block.columns.column(origin.column)
        return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()

    def _derive(self, columns: dict[str, pa.Array], rows: int) -> None:
        for column in self.source.columns:
            if column.derived:
                columns[column.name] = pa.nulls(rows, arrow_type(column))
        if self._status_rank and "status_rank" in columns:
            ranks = pc.index_in(columns["status"], value_set=pa.array(self._status_rank, pa.string()))
            columns["status_rank"] = ranks.cast(pa.int16())

    def _blame(self, faults: dict[str, np.ndarray], rows: int) -> np.ndarray:
        blame = np.zeros(rows, np.uint8)
        for position, name in enumerate(self.source.judged, start=1):
            if name in faults:
                blame[(blame == 0) & (faults[name] != 0)] = position
        return blame

    def _split(self, rows: pa.Table, when: Instants | None, blame: np.ndarray) -> tuple[pa.Table, pa.Table]:
        """Accepted rows, and those whose local time happened twice with their later fold beside them."""
        is_good = blame == 0
        is_doubled = is_good & (when.utc != when.later_utc) if when else np.zeros(len(blame), bool)
        if when is None or not is_doubled.any():
            return rows if is_good.all() else rows.filter(pa.array(is_good)), rows.slice(0, 0)
        folds = rows.append_column("later_at", pa.array(when.later_utc).cast(INSTANT))
        folds = folds.append_column("later_day", pa.array(when.later_day).cast(pa.date32()))
        return rows.filter(pa.array(is_good & ~is_doubled)), folds.filter(pa.array(is_doubled))

    def _rejected(
        self, block: Block, when: Instants | None, faults: dict[str, np.ndarray], blame: np.ndarray
    ) -> pa.Table:
        index = np.flatnonzero(blame)
        if not len(index):
            return REJECTED_ROWS.empty_table()
        tables = []
        for position, name in enumerate(self.source.judged, start=1):
            chosen = index[blame[index] == position]
            if len(chosen):
                tables.append(self._rejected_for(name, block, when, faults[name], chosen))
        return pa.concat_tables(tables)

    def _rejected_for(
        self, name: str, block: Block, when: Instants | None, fault: np.ndarray, index: np.ndarray
    ) -> pa.Table:
        origin = self._origins[name]
        reasons = self._instants[name].reasons() if name in self._instants else values.REASONS
        known = [reasons.get(code, "") for code in range(max(reasons) + 1)]
        delivered = values.as_text(self._delivered(name, origin, block).take(pa.array(index)))
        return rejected_rows(
            self.source.name,
            days=_days(when, index),
            row_numbers=pa.array(block.row_numbers[index]),
            column=origin.column or name,
            delivered=delivered,
            reasons=pa.array(known).take(pa.array(fault[index])),
        )


def rejected_rows(
    source: str, *, days: pa.Array, row_numbers: pa.Array, column: str | None, delivered: pa.Array, reasons: pa.Array
) -> pa.Table:
    """A table of REJECTED_ROWS; delivered values are cut, and made safe to store and show."""
    shown = series_of(delivered).str.slice(0, SHOWN_CHARACTERS).str.replace_all(r"\p{Cc}", "\N{REPLACEMENT CHARACTER}")
    rows = len(row_numbers)
    return pa.table(
        [
            pa.repeat(pa.scalar(source), rows),
            days,
            row_numbers,
            pa.repeat(pa.scalar(column, pa.string()), rows),
            shown.to_arrow().cast(pa.string()),
            reasons,
        ],
        schema=REJECTED_ROWS,
    )


class _RaggedRows:
    """Rejects rows of the wrong length, many at a time, with their day where the date-time still stands in its place."""

    def __init__(self, readers: list[SourceReader], sink: Sink, expected: int, dialect: CsvDialect) -> None:
        self.count = 0
        self._readers = readers
        self._sink = sink
        self._expected = expected
        self._dialect = dialect
        self._waiting: list[tuple[int, int, str]] = []

    def note(self, row_number: int, values_there: int, text: str) -> None:
        self._waiting.append((row_number, values_there, text))
        if len(self._waiting) >= RAGGED_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        self.count += len(waiting)
        rows = pl.DataFrame(waiting, schema={"number": pl.Int64, "values": pl.Int64, "text": pl.String}, orient="row")
        reasons = pl.format("has {} values, the header has {}", "values", pl.lit(self._expected))
        for reader in self._readers:
            self._sink.reject(
                rejected_rows(
                    reader.source.name,
                    days=reader.days_of(self._cells(rows["text"], reader.instant_index)),
                    row_numbers=rows["number"].to_arrow(),
                    column=None,
                    delivered=rows["text"].to_arrow(),
                    reasons=rows.select(reasons).to_series().to_arrow().cast(pa.string()),
                )
            )

    def _cells(self, texts: pl.Series, position: int | None) -> pa.Array:
        """The value at `position` of each row, null where the row is shorter."""
        if position is None:
            return pa.nulls(len(texts), pa.string())
        quote = self._dialect.quote
        if quote and texts.str.contains(quote, literal=True).any():
            rows = [_split(text, self._dialect) for text in texts]
            return pa.array([row[position] if position < len(row) else None for row in rows], pa.string())
        return (
            texts.str.split(self._dialect.delimiter).list.get(position, null_on_oob=True).to_arrow().cast(pa.string())
        )


def _split(text: str, dialect: CsvDialect) -> list[str]:
    """The values of a row that may be cut off anywhere; by itself, so that a quote that the cut left open takes in no other."""
    try:
        return next(csv.reader([text.rstrip("\r\n")], delimiter=dialect.delimiter, quotechar=dialect.quote), [])
    except csv.Error:
        return []


def _read_values(delivered: pa.Array, column: Column, origin: From) -> values.Values:
    if isinstance(origin, VersionFrom):
        return values.read_version(delivered)
    if isinstance(origin, NumberFrom):
        return values.read_number(delivered, column, origin)
    if isinstance(origin, BooleanFrom):
        return values.read_boolean(delivered, origin)
    return values.read_text(delivered)


def _read_other_instants(delivered: pa.Array, column: Column, reader: InstantReader) -> values.Values:
    """Date-times and dates beside the one that a row is filed under; of a local time that happened twice, the first."""
    read = reader.read(delivered)
    is_good = read.fault == 0
    found = pa.array(read.day if column.type == "date" else read.utc, mask=None if is_good.all() else ~is_good)
    return values.Values(found.cast(arrow_type(column)), read.fault)


def _days(when: Instants | None, index: np.ndarray) -> pa.Array:
    """Local days of these rows, null where they cannot be read, and where rows have none."""
    if when is None:
        return pa.nulls(len(index), pa.date32())
    return pa.array(when.day[index], mask=~when.has_day[index]).cast(pa.date32())


def _constant(origin: From, file: DataFile) -> str:
    if origin.file_name is None:
        return str(origin.constant)
    name = PurePosixPath(file.relative).name
    if not (match := re.search(origin.file_name, name)):
        raise UnreadableFile(f"its name does not fit the mapping's pattern {origin.file_name!r}: rename the file")
    return match[1]


def _proven_orders(file: DataFile, mapping: Mapping, header: list[str]) -> dict[str, str | None]:
    """Day/month order of each date-time column that the mapping leaves to the file: reads the file once more."""
    proofs = {
        origin.column: OrderProof(origin)
        for fed in mapping.sources.values()
        for origin in fed.columns.values()
        if isinstance(origin, InstantFrom) and origin.date_order == "auto" and origin.column in header
    }
    if not proofs:
        return {}
    for block in read_blocks(file.path, mapping.csv, header, _ignore, frozenset(proofs)):
        for name, proof in proofs.items():
            with _naming_column(name):
                proof.note(block.columns.column(name).combine_chunks())
    try:
        return {name: proof.order() for name, proof in proofs.items()}
    except AmbiguousDates as error:
        raise UnreadableFile(f"column {', '.join(proofs)}: {error}") from error


def _ignore(_row_number: int, _values: int, _text: str) -> None:
    return None


@contextmanager
def _naming_column(name: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise UnreadableFile(
            f"the column {name} is of a type that cannot be read ({reason}): store it as text"
        ) from error
