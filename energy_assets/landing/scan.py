"""What a folder of deliveries would become, without landing any of it: for a dry run, and for a new home's calendar.

What belongs here: reading every file through its mapping and keeping counts, days, samples and the zone.
What does not: writing anything.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa

from energy_assets.home import DEFAULT_TIMEZONE
from energy_assets.landing.contract import Source
from energy_assets.landing.contract import source as contract_source
from energy_assets.landing.damage import defect_reason
from energy_assets.landing.files import DataFile, list_files
from energy_assets.landing.formats import UnreadableFile
from energy_assets.landing.mapping import InstantFrom, Mapping, Mappings, NumberFrom
from energy_assets.landing.quarantine import describe
from energy_assets.landing.reader import choose_mapping, read_file
from energy_assets.landing.schemas import REJECTED_ROWS

FIRST_ROWS = 5
SAMPLED_REJECTS = 1000


class ScanError(Exception):
    """Deliveries that cannot share one home; the message names the remedy."""


@dataclass(frozen=True)
class FileScan:
    """What one file would become. `message` says why it could not be read; `rejects` are sentences about the
    first SAMPLED_REJECTS rejected rows."""

    path: str
    mapping: str | None = None
    message: str = ""
    local_zone: str | None = None
    """The zone that its date-times without an offset are taken in."""
    unit: str | None = None
    """The delivered unit of its energy or, where it states none, the scale that is applied."""
    rows_read: int = 0
    rows_rejected: int = 0
    sources: dict[str, dict[date, int]] = field(default_factory=dict)
    """Source -> local day -> accepted rows."""
    records: dict[str, int] = field(default_factory=dict)
    """Source of records -> accepted rows."""
    first_rows: tuple[dict[str, object], ...] = ()
    """The first accepted rows of the first source, in canonical columns, instants in UTC."""
    rejects: tuple[str, ...] = ()
    unknown_columns: tuple[str, ...] = ()
    values_left_out: dict[str, int] = field(default_factory=dict)

    @property
    def is_readable(self) -> bool:
        return not self.message


@dataclass(frozen=True)
class ScanReport:
    """What all files would become. Days are local days of `timezone`, of accepted rows only."""

    files: tuple[FileScan, ...]
    timezone: str
    timezone_origin: str
    """Who says so: `ENERGY_TIMEZONE`, `mapping NAME`, `the home` or `default`."""
    refused: dict[str, str] = field(default_factory=dict)
    left_alone: tuple[str, ...] = ()

    @property
    def rows_by_day(self) -> dict[date, int]:
        """Accepted rows of the sources that make the home's days, by local day, in order."""
        total: Counter[date] = Counter()
        for file in self.files:
            for name, days in file.sources.items():
                if contract_source(name).makes_days:
                    total.update(days)
        return dict(sorted(total.items()))

    @property
    def first_day(self) -> date | None:
        return min(self.rows_by_day, default=None)

    @property
    def last_day(self) -> date | None:
        return max(self.rows_by_day, default=None)

    @property
    def rows_read(self) -> int:
        return sum(file.rows_read for file in self.files)

    @property
    def rows_rejected(self) -> int:
        return sum(file.rows_rejected for file in self.files)

    @property
    def rows_accepted(self) -> int:
        return self.rows_read - self.rows_rejected

    @property
    def unreadable(self) -> tuple[FileScan, ...]:
        return tuple(file for file in self.files if not file.is_readable)


def scan(
    data_path: Path,
    mappings: Mappings,
    settings_timezone: str | None = None,
    now: datetime | None = None,
    *,
    home_timezone: str | None = None,
) -> ScanReport:
    """Read every data file of `data_path` (a folder or one file) as landing would, and write nothing.

    The zone of days is `settings_timezone`, else that of the files' mappings, else that of the home they go into, else Africa/Douala.
    Raises ScanError where the files' mappings name different zones and no setting decides.
    """
    listing = list_files(data_path)
    chosen = [_choose(file, mappings) for file in listing.settled]
    used = [mapping for _, mapping, _, _ in chosen if mapping is not None]
    timezone, origin = _zone(used, settings_timezone, home_timezone)
    moment = now or datetime.now(UTC)
    files = tuple(_scan_file(*one, timezone, moment) for one in chosen)
    return ScanReport(files, timezone, origin, listing.refused, listing.left_alone)


class _CountingSink:
    """Keeps counts by day, the first rows and a sample of the rejected ones."""

    def __init__(self, first_source: str) -> None:
        self.sources: dict[str, Counter[date]] = {}
        self.records: Counter[str] = Counter()
        self.first_rows: list[dict[str, object]] = []
        self._rejects: list[pa.Table] = []
        self._sampled = 0
        self._first_source = first_source
        self._lock = threading.Lock()

    def accept(self, source: Source, rows: pa.Table, *, is_resolved: bool = False) -> None:
        if source.date_column is None:
            self.records[source.name] += rows.num_rows
        else:
            counts = rows[source.date_column].value_counts().to_pylist()
            found = {count["values"]: count["counts"] for count in counts}
            self.sources.setdefault(source.name, Counter()).update(found)
        if source.name == self._first_source and len(self.first_rows) < FIRST_ROWS:
            self.first_rows += rows.slice(0, FIRST_ROWS - len(self.first_rows)).to_pylist()

    def reject(self, rows: pa.Table) -> None:
        with self._lock:
            sample = rows.slice(0, max(0, SAMPLED_REJECTS - self._sampled))
            self._sampled += sample.num_rows
            self._rejects.append(sample)

    def rejects(self) -> pa.Table:
        return pa.concat_tables([REJECTED_ROWS.empty_table(), *self._rejects])


def _choose(file: DataFile, mappings: Mappings) -> tuple[DataFile, Mapping | None, list[str], str]:
    try:
        return file, *choose_mapping(file, mappings), ""
    except (UnreadableFile, OSError) as error:
        return file, None, [], str(error)


def _zone(mappings: list[Mapping], settings_timezone: str | None, home_timezone: str | None) -> tuple[str, str]:
    if settings_timezone is not None:
        return settings_timezone, "ENERGY_TIMEZONE"
    zones = {mapping.timezone: mapping.name for mapping in mappings if mapping.timezone is not None}
    if len(zones) > 1:
        named = ", ".join(f"{zone} ({name})" for zone, name in zones.items())
        raise ScanError(f"the files' mappings name several zones, {named}: set ENERGY_TIMEZONE, or ingest them apart")
    for zone, name in zones.items():
        return zone, f"mapping {name}"
    return (home_timezone, "the home") if home_timezone else (DEFAULT_TIMEZONE, "default")


def _scan_file(
    file: DataFile, mapping: Mapping | None, header: list[str], failure: str, timezone: str, now: datetime
) -> FileScan:
    if mapping is None:
        return FileScan(file.relative, message=failure)
    sink = _CountingSink(next(iter(mapping.sources)))
    try:
        reading = read_file(file, mapping, header, sink, home_zone=timezone, now=now)
    except (UnreadableFile, OSError) as error:
        return FileScan(file.relative, mapping.name, str(error))
    except MemoryError:
        raise
    except Exception as error:  # as landing does: a defect must not keep the other files from being looked at
        return FileScan(file.relative, mapping.name, defect_reason(error))
    return FileScan(
        path=file.relative,
        mapping=mapping.name,
        local_zone=_local_zone(mapping, timezone),
        unit=_unit(mapping),
        rows_read=reading.rows_read,
        rows_rejected=reading.rows_rejected,
        sources={name: dict(sorted(days.items())) for name, days in sink.sources.items() if days},
        records=dict(sink.records),
        first_rows=tuple(sink.first_rows),
        rejects=tuple(describe(file.relative, sink.rejects())),
        unknown_columns=reading.unknown_columns,
        values_left_out=dict(reading.values_left_out),
    )


def _local_zone(mapping: Mapping, timezone: str) -> str:
    own = [
        origin.timezone
        for fed in mapping.sources.values()
        for origin in fed.columns.values()
        if isinstance(origin, InstantFrom) and origin.timezone
    ]
    return own[0] if own else mapping.timezone or timezone


def _unit(mapping: Mapping) -> str | None:
    fed = mapping.sources.get("meter_readings")
    if fed is None:
        return None
    origin = fed.columns["consumption_kwh"]
    if isinstance(origin, NumberFrom) and origin.unit is None and origin.factor is not None:
        return f"kWh = delivered × {origin.factor:g}" + (f" + {origin.offset:g}" if origin.offset else "")
    return origin.unit or "kWh" if isinstance(origin, NumberFrom) else None
