"""The landing zone of a home: which files wait, reading one into parts, and the parts of a day.

What belongs here: the home's paths and settings around landing/. What does not: what was read before (ledger.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import dagster as dg

from energy_assets.home import Home
from energy_assets.landing.contract import Source
from energy_assets.settings import settings

if TYPE_CHECKING:
    import pyarrow as pa

    from energy_assets.landing.files import DataFile, Listing
    from energy_assets.landing.land import LandedFile
    from energy_assets.resources.ledger import ActiveFile


class LandingZone(dg.ConfigurableResource):  # type: ignore[type-arg]  # Dagster's own resources are not parametrised either
    """Listing opens no file; reading happens in runs."""

    home: str

    def listing(self) -> Listing:
        from energy_assets.landing.files import list_files

        return list_files(self._home.landing, settle_seconds=settings().settle_seconds)

    def mappings_changed_at(self) -> datetime | None:
        """When the user's mappings changed last, by their files; None where there are none."""
        folder = self._home.mappings
        if not folder.is_dir():
            return None
        changed = max(path.stat().st_mtime for path in (folder, *folder.glob("*.toml")))
        return datetime.fromtimestamp(changed, UTC)

    def land(self, files: Sequence[DataFile]) -> Iterator[LandedFile]:
        """Read each file into parts; what is wrong with a file is in its result, never raised."""
        from energy_assets.landing.erasures import Erased
        from energy_assets.landing.land import land_file
        from energy_assets.landing.mapping import load_mappings

        mappings = load_mappings(self._home.mappings)
        calendar, erased = self._home.calendar(), Erased(self._home)
        for file in files:
            yield land_file(file.path, self._home.landing, self._home.parts, mappings, calendar, erased=erased)

    def day(self, source: Source, day: date, files: Sequence[ActiveFile]) -> Iterator[pa.RecordBatchReader]:
        """The rows of a raw day, a stream per file."""
        for file in files:
            yield self._with_file(source, day, file)

    def _with_file(self, source: Source, day: date, file: ActiveFile) -> pa.RecordBatchReader:
        import pyarrow as pa

        from energy_assets.landing.parts import part_path, read_parts
        from energy_assets.landing.schemas import part_schema

        path = part_path(self._home.parts, source, day, file.sha256)
        if not path.is_file():
            raise dg.Failure(
                f"{path} is missing, which the ledger says holds rows of {day}: restore it from a backup, or deliver the file "
                "again: reading it writes its parts anew",
                allow_retries=False,
            )
        parts = read_parts(self._home.parts, source, day, [file.sha256])
        schema = part_schema(source).append(pa.field("file_id", pa.int32()))

        def batches() -> Iterator[pa.RecordBatch]:
            for batch in parts:
                yield pa.RecordBatch.from_arrays(
                    [*batch.columns, pa.repeat(pa.scalar(file.file_id, pa.int32()), batch.num_rows)], schema=schema
                )

        return pa.RecordBatchReader.from_batches(schema, batches())

    @property
    def _home(self) -> Home:
        return Home.at(self.home)


def not_taken(listing: Listing) -> list[str]:
    """Of each file that is not opened, and each that lies in no source's folder: which, why, and what to do."""
    from energy_assets.landing.files import FOLDERS

    refused = [f"{path} is refused: {reason}" for path, reason in sorted(listing.refused.items())]
    left = [
        f"{path} is left alone, its folder is no source's: move it into {', '.join(FOLDERS)}, or take it away"
        for path in listing.left_alone
    ]
    return [*refused, *left]
