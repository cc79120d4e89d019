"""What the tests of the landing zone share: a zone in a temporary directory, and landing one file in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa

from energy_assets.home import Calendar
from energy_assets.landing.contract import METER_READINGS, Source
from energy_assets.landing.land import LandedFile, land_file
from energy_assets.landing.mapping import Mappings, load_mappings
from energy_assets.landing.parts import part_path, read_parts
from energy_assets.landing.schemas import part_schema

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HEADER = "meter_id,reading_at,consumption_kwh\n"


@dataclass(frozen=True)
class Zone:
    """A landing root and its parts."""

    path: Path
    timezone: str = "Africa/Douala"

    @property
    def root(self) -> Path:
        return self.path / "landing"

    @property
    def parts(self) -> Path:
        return self.path / "parts"

    def at(self, timezone: str) -> Zone:
        return replace(self, timezone=timezone)

    def put(self, content: str | bytes, name: str = "meter_readings/a.csv") -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def land(self, path: Path, mappings: Mappings | None = None, now: datetime = NOW) -> LandedFile:
        calendar = Calendar(self.timezone, date(2024, 1, 1))
        return land_file(path, self.root, self.parts, mappings or load_mappings(), calendar, now)

    def land_text(
        self, content: str | bytes, name: str = "meter_readings/a.csv", mappings: Mappings | None = None
    ) -> LandedFile:
        return self.land(self.put(content, name), mappings)

    def rows(self, landed: LandedFile, source: Source = METER_READINGS) -> pl.DataFrame:
        """All accepted rows of a landed file, in the file's order."""
        days = landed.sources.get(source.name, {})
        batches = [b for day in days for b in read_parts(self.parts, source, day, [landed.sha256])]
        return pl.from_arrow(pa.Table.from_batches(batches, schema=part_schema(source))).sort("row_number")

    def part(self, landed: LandedFile, day: date, source: Source = METER_READINGS) -> Path:
        return part_path(self.parts, source, day, landed.sha256)


def accepted_rows(zone: Zone, landed: LandedFile, source: Source) -> dict[int, dict[str, object]]:
    """Accepted rows of a landed file by their number, of a source of measurements or of records."""
    if not source.is_records:
        rows = zone.rows(landed, source).to_arrow().cast(part_schema(source)).to_pylist()
    elif source.name in landed.records:
        rows = pa.Table.from_batches(landed.record_batches(source.name), schema=part_schema(source)).to_pylist()
    else:
        rows = []
    return {row["row_number"]: row for row in rows}


def rejected(landed: LandedFile) -> list[tuple[int, str | None, str | None, str]]:
    """(row, column, value, reason) of each rejected row, in order."""
    rows = landed.rejects().sort_by("row_number").to_pylist()
    return [(row["row_number"], row["column_name"], row["value"], row["reason"]) for row in rows]
