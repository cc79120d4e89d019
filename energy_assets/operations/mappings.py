"""A mapping for a file that none fits: drafted, tried on the file, and put beside the home's own where that is wanted.

What belongs here: the order of these steps. What does not: guessing (landing/draft.py), reading (landing/).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from energy_assets.home import Home, write_atomically
from energy_assets.landing.draft import Draft, draft
from energy_assets.landing.formats import UnreadableFile
from energy_assets.landing.mapping import Mappings, load_mappings, parse_mapping
from energy_assets.landing.scan import ScanReport, scan
from energy_assets.operations.errors import OperationError
from energy_assets.settings import settings


@dataclass(frozen=True)
class Tried:
    """A draft, what the file would become with it, and where it was saved."""

    draft: Draft
    report: ScanReport
    saved: Path | None


def new_mapping(file: Path, home: Home, *, save: bool) -> Tried:
    """Draft a mapping for `file`; saved only where `save` says so and the file has rows that could be taken in.

    Raises OperationError where there is no such file, a mapping fits it and takes rows of it in, or one of the draft's name exists.
    """
    if not file.is_file():
        raise OperationError(f"{file} is no file: give one delivered file")
    if fitting := _fitting(file, home):
        raise OperationError(f"{file.name} needs no new mapping: {fitting} fits it  → energy-assets ingest {file}")
    try:
        drafted = draft(file)
    except UnreadableFile as error:
        raise OperationError(f"{file.name}: {error}") from error
    target = home.mappings / f"{drafted.name}.toml"
    mapping = parse_mapping(drafted.text, target.name, is_users=True)
    report = scan(file, Mappings((mapping,)), settings().timezone, home_timezone=home.timezone())
    if not save:
        return Tried(drafted, report, None)
    if target.exists():
        raise OperationError(f"{target} exists: correct it by hand, or remove it")
    if report.first_day is None:
        raise OperationError(
            f"no row of {file.name} can be read so: {_why(report)}\n→ write the draft to {target} by hand"
        )
    write_atomically(target, drafted.text)
    return Tried(drafted, report, target)


def _fitting(file: Path, home: Home) -> str | None:
    """The mapping that takes rows of the file in as things are; None where none does: other dates or numbers need another mapping too."""
    taken = scan(file, load_mappings(home.mappings), settings().timezone, home_timezone=home.timezone())
    return next((known.mapping for known in taken.files if known.rows_read > known.rows_rejected), None)


def _why(report: ScanReport) -> str:
    return "; ".join(reason for known in report.files for reason in (known.message, *known.rejects) if reason)
