"""Parts: accepted rows as Parquet, one file for each source, local day and delivered file.

What belongs here: writing parts of one file in bounded memory, all or nothing; reading those of a day; taking them away.
What does not: reading deliveries (reader.py), and which parts count (the ledger of landed files knows).
"""

from __future__ import annotations

import os
import shutil
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from energy_assets.landing.contract import SOURCES, Source
from energy_assets.landing.schemas import part_schema

HELD_BYTES = 48 << 20
"""Rows held in memory before they are spilled."""
GROUP_ROWS = 500_000
BATCH_ROWS = 32_768
"""Rows handed on at a time: Postgres stores one batch while the next is made ready."""
ABANDONED_SECONDS = 86_400
REJECTED = "rejected_rows"
UNDATED = "records"
EPOCH = date(1970, 1, 1)

Key = tuple[str, date | None]
"""Source and local day; records have no day."""


def part_path(parts: Path, source: Source, day: date | None, sha256: str) -> Path:
    """Where the part of a source, local day and file lies below `parts`; the day of records is None."""
    return parts / source.name / (day.isoformat() if day else UNDATED) / f"{sha256[:16]}.parquet"


def rejects_path(parts: Path, sha256: str) -> Path:
    """Where the rejected rows of a file lie."""
    return parts / REJECTED / f"{sha256[:16]}.parquet"


def read_parts(parts: Path, source: Source, day: date | None, shas: Iterable[str]) -> pa.RecordBatchReader:
    """The rows of one local day (None: of records) from the files `shas` (hexadecimal sha256), each file's in its order, as a stream.

    Files without rows of that day are passed over.
    """
    paths = [path for sha in shas if (path := part_path(parts, source, day, sha)).is_file()]
    return pa.RecordBatchReader.from_batches(part_schema(source), read_parts_at(paths))


def remove_parts(parts: Path, sha256: str) -> int:
    """Delete the parts and rejected rows of a file; how many files that were."""
    mine = [*parts.glob(f"*/*/{sha256[:16]}.parquet"), *parts.glob(f"{REJECTED}/{sha256[:16]}.parquet")]
    for path in mine:
        path.unlink(missing_ok=True)
    return len(mine)


class PartWriter:
    """Takes the rows of one file as they are read and leaves its parts only when `publish` is called.

    `draft` is a directory on the same file system as the parts; it belongs to this writer alone. Rows are held in memory
    up to HELD_BYTES, then spilled below it, so that neither many days nor many rows cost memory.
    """

    def __init__(self, draft: Path) -> None:
        self._draft = draft
        self._held: dict[Key, list[pa.Table]] = defaultdict(list)
        self._late: dict[Key, list[pa.Table]] = defaultdict(list)
        self._held_bytes = 0
        self._spills: list[_Spill] = []
        self.rows: dict[Key, int] = defaultdict(int)

    def add(self, source: Source, rows: pa.Table, *, is_late: bool = False) -> None:
        """Take rows of the part's schema, in ascending row number across calls; late ones belong in between those."""
        kept = self._late if is_late else self._held
        for day, table in _by_day(rows, source.date_column):
            key = (source.name, day)
            kept[key].append(table)
            self.rows[key] += table.num_rows
        self._held_bytes += rows.nbytes
        if self._held_bytes > HELD_BYTES and not is_late:
            self._spills.append(_Spill(self._draft / f"spill-{len(self._spills)}", self._held))
            self._held, self._held_bytes = defaultdict(list), 0

    def publish(self, parts: Path, sha256: str) -> None:
        """Write all parts, then move them to their places."""
        schemas = {source.name: source for source in SOURCES}
        drafts: dict[Path, Path] = {}
        for source_name, day in self.rows:
            source = schemas[source_name]
            draft = self._draft / f"{source_name}-{day}.parquet"
            self._write(draft, source, (source_name, day))
            drafts[draft] = part_path(parts, source, day, sha256)
        for draft, target in drafts.items():
            move_durably(draft, target)

    def _write(self, path: Path, source: Source, key: Key) -> None:
        with pq.ParquetWriter(path, part_schema(source), compression="zstd") as writer:
            for table in _grouped(_merged(self._stream(key), self._late.get(key, []))):
                writer.write_table(table, row_group_size=GROUP_ROWS)

    def _stream(self, key: Key) -> Iterator[pa.Table]:
        for spill in self._spills:
            yield from spill.read(key)
        yield from self._held.pop(key, [])


class _Spill:
    """Held rows of many days on disk, one Arrow file a source, read back by day."""

    def __init__(self, path: Path, held: dict[Key, list[pa.Table]]) -> None:
        self._batches: dict[Key, list[int]] = defaultdict(list)
        self._path = path
        writers: dict[str, pa.ipc.RecordBatchFileWriter] = {}
        written: dict[str, int] = defaultdict(int)
        for key, tables in held.items():
            name = key[0]
            if name not in writers:
                writers[name] = pa.ipc.new_file(self._file(name), tables[0].schema)
            for batch in pa.concat_tables(tables).combine_chunks().to_batches():
                writers[name].write_batch(batch)
                self._batches[key].append(written[name])
                written[name] += 1
        for writer in writers.values():
            writer.close()

    def read(self, key: Key) -> Iterator[pa.Table]:
        if key not in self._batches:
            return
        with pa.OSFile(self._file(key[0])) as spilled:
            reader = pa.ipc.open_file(spilled)
            for index in self._batches[key]:
                yield pa.Table.from_batches([reader.get_batch(index)])

    def _file(self, name: str) -> str:
        return f"{self._path}-{name}.arrow"


def move_durably(draft: Path, target: Path) -> None:
    """Rename `draft` to `target` such that after a crash it is there whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    _sync(draft)
    draft.replace(target)
    _sync(target.parent)


def draft_directory(parts: Path) -> Path:
    """A new directory for a file's parts in the making; those that killed processes left a day ago are cleared away."""
    for left in parts.glob(".draft-*"):
        with suppress(FileNotFoundError):  # another process cleared it
            if left.stat().st_mtime < time.time() - ABANDONED_SECONDS:
                drop_draft(left)
    path = parts / f".draft-{os.getpid()}-{os.urandom(4).hex()}"
    path.mkdir(parents=True)
    return path


def drop_draft(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)


def read_parts_at(paths: Iterable[Path]) -> Iterator[pa.RecordBatch]:
    """The rows of these parts, each part's in its order."""
    for path in paths:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(batch_size=BATCH_ROWS)


def _by_day(rows: pa.Table, date_column: str | None) -> Iterator[tuple[date | None, pa.Table]]:
    if not rows.num_rows:
        return
    if date_column is None:
        yield None, rows
        return
    days = rows[date_column].cast(pa.int32()).to_numpy()
    if days.min() == days.max():
        yield EPOCH + timedelta(days=int(days[0])), rows
        return
    if (np.diff(days) < 0).any():
        order = np.argsort(days, kind="stable")
        rows, days = rows.take(pa.array(order)), days[order]
    starts = np.flatnonzero(np.diff(days, prepend=days[0] - 1))
    for start, end in zip(starts, [*starts[1:], len(days)], strict=True):
        yield EPOCH + timedelta(days=int(days[start])), rows.slice(start, end - start)


def _merged(tables: Iterator[pa.Table], late: list[pa.Table]) -> Iterator[pa.Table]:
    """`tables` (ascending row numbers) with the `late` rows put in their places."""
    waiting = pa.concat_tables(late).sort_by("row_number") if late else None
    for table in tables:
        if waiting is not None and waiting.num_rows:
            due = int(np.searchsorted(waiting["row_number"].to_numpy(), table["row_number"][-1].as_py()))
            if due:
                table = pa.concat_tables([table, waiting.slice(0, due)]).sort_by("row_number")
                waiting = waiting.slice(due)
        yield table
    if waiting is not None and waiting.num_rows:
        yield waiting


def _grouped(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in pieces of about GROUP_ROWS."""
    gathered: list[pa.Table] = []
    for table in tables:
        gathered.append(table)
        if sum(piece.num_rows for piece in gathered) >= GROUP_ROWS:
            yield pa.concat_tables(gathered)
            gathered = []
    if gathered:
        yield pa.concat_tables(gathered)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
