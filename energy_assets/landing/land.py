"""Landing one file: read once, whole, into parts by day and rejected rows; or not at all, with the reason.

What belongs here: the order of hashing, reading and publishing, and what a landed file is.
What does not: remembering landed files (the ledger) and deciding which ones to land (files.py lists them).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from energy_assets.home import Calendar
from energy_assets.landing import quarantine
from energy_assets.landing.contract import Source
from energy_assets.landing.contract import source as contract_source
from energy_assets.landing.damage import defect_reason
from energy_assets.landing.erasures import Erased
from energy_assets.landing.files import DataFile, data_file, folder_of, relative_to, sha256_of, why_refused
from energy_assets.landing.formats import UnreadableFile
from energy_assets.landing.mapping import Mapping, Mappings
from energy_assets.landing.parts import (
    PartWriter,
    draft_directory,
    drop_draft,
    move_durably,
    part_path,
    read_parts_at,
    rejects_path,
)
from energy_assets.landing.reader import Reading, choose_mapping, read_file
from energy_assets.landing.schemas import REJECTED_ROWS

Status = Literal["landed", "unreadable", "changed_while_read"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LandedFile:
    """What became of one file.

    `landed`: its parts are there. `unreadable`: rejected whole, `message` says why and what to do, there are no parts.
    `changed_while_read`: it was being written or went away; nothing is kept, land it again later.
    """

    path: str
    """Below the landing root, with forward slashes."""
    folder: str
    sha256: str | None
    """Hexadecimal, of the file as it lies there; None where it changed or could not be opened."""
    size: int
    mtime_ns: int
    status: Status
    message: str = ""
    mapping: str | None = None
    mapping_hash: str | None = None
    same_path: Literal["corrects", "adds"] = "corrects"
    status_rank: tuple[str, ...] = ()
    rows_read: int = 0
    """Rows of the file, wholly empty ones left out."""
    rows_rejected: int = 0
    """Rows that at least one of the sources they feed could not take."""
    sources: dict[str, dict[date, int]] = field(default_factory=dict)
    """Source -> local day -> accepted rows."""
    records: dict[str, Path] = field(default_factory=dict)
    """Source of records -> its part."""
    rejected: dict[str, int] = field(default_factory=dict)
    """Source -> rejected rows."""
    rows_erased: int = 0
    """Rows that a source lost because they are of an erased customer."""
    unknown_columns: tuple[str, ...] = ()
    values_left_out: dict[str, int] = field(default_factory=dict)
    """Optional delivered column -> values that could not be read and are null."""
    rejected_file: Path | None = None
    """Parquet of the rejected rows, where there are any."""

    @property
    def rows_accepted(self) -> int:
        return self.rows_read - self.rows_rejected

    @property
    def days(self) -> tuple[date, ...]:
        """Local days that the file brings rows of, over all its sources."""
        return tuple(sorted({day for days in self.sources.values() for day in days}))

    def reject_batches(self) -> Iterator[pa.RecordBatch]:
        """The rejected rows (REJECTED_ROWS) as a stream; an unreadable file is one row, number 0."""
        if self.status == "unreadable":
            yield from quarantine.whole_file(self.folder, self.message).to_batches()
        elif self.rejected_file is not None:
            yield from quarantine.read_rejects(self.rejected_file)

    def record_batches(self, source: str) -> Iterator[pa.RecordBatch]:
        """The accepted rows of a source of records, as a stream."""
        yield from read_parts_at([self.records[source]])

    def rejects(self) -> pa.Table:
        """The rejected rows (REJECTED_ROWS), all in memory."""
        return pa.Table.from_batches(self.reject_batches(), schema=REJECTED_ROWS)


def land_file(
    path: Path,
    root: Path,
    parts_dir: Path,
    mappings: Mappings,
    calendar: Calendar,
    now: datetime | None = None,
    erased: Erased | None = None,
) -> LandedFile:
    """Read the file at `path` below the landing root `root` into parts of `calendar`'s local days, without rows of `erased` customers.

    Landing the same content again leaves the same parts. `now` bounds what date-times can be true.
    Never raises for what is wrong with the file.
    """
    try:
        before = data_file(path, root)
        if reason := why_refused(path, root):  # a pipe in the file's place would be waited for without end
            return _not_opened(path, root, reason)
        path.open("rb").close()
    except FileNotFoundError:
        return _changed(path, root, "the file went away")
    except OSError as error:
        return _not_opened(path, root, _unreadable_reason(error))
    draft = draft_directory(parts_dir)
    try:
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="landing-hash") as pool:
            hashing = pool.submit(sha256_of, path)
            outcome = _read(before, draft, mappings, calendar, now or datetime.now(UTC), erased or Erased())
            sha256 = hashing.result()
        if data_file(path, root) != before:
            return _changed(path, root, "the file changed while it was read")
        return _publish(before, sha256, outcome, parts_dir)
    except FileNotFoundError:
        if path.exists():
            raise
        return _changed(path, root, "the file went away while it was read")
    except OSError as error:
        if _can_be_read(path):
            raise  # the machine's fault, not the file's
        return _not_opened(path, root, _unreadable_reason(error))
    finally:
        drop_draft(draft)


@dataclass
class _Outcome:
    """What reading left in the draft directory."""

    mapping: Mapping | None = None
    reading: Reading | None = None
    parts: PartWriter | None = None
    rejects: Path | None = None
    failure: str = ""
    rows_erased: int = 0


class _DraftSink:
    """Takes the rows of one file into its drafts."""

    def __init__(self, draft: Path, erased: Erased) -> None:
        self._erased = erased
        self.rows_erased = 0
        self.parts = PartWriter(draft)
        self.rejects = quarantine.RejectWriter(draft / "rejected.parquet")

    def accept(self, source: Source, rows: pa.Table, *, is_resolved: bool = False) -> None:
        kept = self._erased.without(source, rows)
        self.rows_erased += rows.num_rows - kept.num_rows
        self.parts.add(source, kept, is_late=is_resolved)

    def reject(self, rows: pa.Table) -> None:
        self.rejects.add(self._erased.without_words(rows))


def _read(
    file: DataFile, draft: Path, mappings: Mappings, calendar: Calendar, now: datetime, erased: Erased
) -> _Outcome:
    outcome = _Outcome()
    sink = _DraftSink(draft, erased)
    try:
        outcome.mapping, header = choose_mapping(file, mappings)
        outcome.reading = read_file(file, outcome.mapping, header, sink, home_zone=calendar.timezone, now=now)
        outcome.parts = sink.parts
        outcome.rows_erased = sink.rows_erased
    except UnreadableFile as error:
        outcome.failure = str(error)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # a defect here must not keep the files behind this one from being read
        _log.exception("reading %s ended in a defect", file.relative)
        outcome.failure = defect_reason(error)
    finally:
        outcome.rejects = sink.rejects.close()
    return outcome


def _publish(file: DataFile, sha256: str, outcome: _Outcome, parts_dir: Path) -> LandedFile:
    mapping, reading = outcome.mapping, outcome.reading
    known: dict[str, Any] = {
        "path": file.relative,
        "folder": file.folder,
        "sha256": sha256,
        "size": file.size,
        "mtime_ns": file.mtime_ns,
        "mapping": mapping.name if mapping else None,
        "mapping_hash": mapping.hash if mapping else None,
        "same_path": mapping.same_path if mapping else "corrects",
        "status_rank": mapping.status_rank if mapping else (),
    }
    if reading is None or outcome.parts is None:
        return LandedFile(**known, status="unreadable", message=outcome.failure)
    outcome.parts.publish(parts_dir, sha256)
    rejected_file = None
    if outcome.rejects is not None:
        rejected_file = rejects_path(parts_dir, sha256)
        move_durably(outcome.rejects, rejected_file)
    return LandedFile(
        **known,
        status="landed",
        rows_read=reading.rows_read,
        rows_rejected=reading.rows_rejected,
        sources=_days_by_source(outcome.parts),
        records=_records(outcome.parts, parts_dir, sha256),
        rejected=dict(reading.rejected),
        rows_erased=outcome.rows_erased,
        unknown_columns=reading.unknown_columns,
        values_left_out=dict(reading.values_left_out),
        rejected_file=rejected_file,
    )


def _days_by_source(parts: PartWriter) -> dict[str, dict[date, int]]:
    sources: dict[str, dict[date, int]] = {}
    for (source, day), rows in parts.rows.items():
        if day is not None:
            sources.setdefault(source, {})[day] = rows
    return {source: dict(sorted(days.items())) for source, days in sorted(sources.items())}


def _records(parts: PartWriter, parts_dir: Path, sha256: str) -> dict[str, Path]:
    return {name: part_path(parts_dir, contract_source(name), None, sha256) for name, day in parts.rows if day is None}


def _changed(path: Path, root: Path, message: str) -> LandedFile:
    relative = relative_to(path, root)
    return LandedFile(
        relative, folder_of(relative), None, 0, 0, "changed_while_read", f"{message}: it is read again later"
    )


def _not_opened(path: Path, root: Path, reason: str) -> LandedFile:
    relative = relative_to(path, root)
    return LandedFile(relative, folder_of(relative), None, 0, 0, "unreadable", f"the file is not opened: {reason}")


def _unreadable_reason(error: OSError) -> str:
    return f"cannot be read ({error.strerror}): give the user who runs this the right to read it, or mend its disk"


def _can_be_read(path: Path) -> bool:
    try:
        sha256_of(path)
    except OSError:
        return False
    return True
