"""Bring deliveries in: look first, then give the home its calendar, copy, land, and run the days that are due.

What belongs here: the order of these steps. What does not: reading files (landing/), runs (runs.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from energy_assets import home as homes
from energy_assets.home import Calendar, Home, HomeError
from energy_assets.landing.files import deliver, nothing_to_deliver
from energy_assets.landing.mapping import load_mappings
from energy_assets.landing.scan import ScanReport, scan
from energy_assets.logs import configure
from energy_assets.operations.runs import Progress, RangeOutcome, Runner
from energy_assets.operations.stores import bring_up
from energy_assets.settings import settings

if TYPE_CHECKING:
    from energy_assets.days import DayWindow


SHOWN_REASONS = 5


@dataclass
class Ingested:
    """What an ingest came to."""

    home: Home
    report: ScanReport
    landed: dict[str, Any] = field(default_factory=dict)
    outcomes: list[RangeOutcome] = field(default_factory=list)
    data_docs_seconds: float = 0.0

    @property
    def window(self) -> DayWindow | None:
        from energy_assets.days import DayWindow

        days = [outcome.window for outcome in self.outcomes]
        return DayWindow(min(w.start for w in days), max(w.end for w in days)) if days else None


def look(data: Path, home: Home | None) -> ScanReport:
    """What `data` holds, read as landing would; writes nothing.

    Raises HomeError where it holds nothing that could be ingested: a new home needs readings, whose days become its own.
    """
    report = scan(
        data,
        load_mappings(home.mappings if home else None),
        settings().timezone,
        home_timezone=home.timezone() if home else None,
    )
    if not report.files:
        raise HomeError(nothing_to_deliver(data, report.refused, report.left_alone))
    if report.first_day is None and not (report.rows_accepted and home and home.exists()):
        remedy = (
            " A new home takes its days from readings: deliver those first, or together."
            if report.rows_accepted
            else ""
        )
        raise HomeError(f"{data} holds no reading that could be taken in.{remedy}{_reasons(report)}")
    return report


def _reasons(report: ScanReport) -> str:
    """Why no reading was taken in, a line each: files that could not be read, and rows where all of a file's were rejected."""
    said = [f"{file.path}: {file.message}" for file in report.unreadable]
    said += [reason for file in report.files for reason in file.rejects]
    lines = [f"  {reason}" for reason in said[:SHOWN_REASONS]]
    if len(said) > SHOWN_REASONS:
        lines.append(f"  and {len(said) - SHOWN_REASONS:,} more")
    if report.rows_rejected and not report.rows_accepted:
        lines.append("→ dates or numbers of another form are declared in a mapping: energy-assets mapping new FILE")
    return "".join(f"\n{line}" for line in lines)


def prepare_home(home: Home, report: ScanReport, *, is_historical: bool) -> None:
    """Give `home` a calendar that holds the report's days, where it has any, and make it the current one.

    Raises HomeError where the home keeps its days in another zone.
    """
    if report.first_day is None or report.last_day is None:
        homes.activate(home)
        return
    wanted = Calendar(report.timezone, report.first_day, report.last_day if is_historical else None)
    if home.exists():
        held = home.calendar()
        if held.timezone == wanted.timezone:
            wanted = held.including(report.first_day, report.last_day)
    home.write_calendar(wanted)
    homes.activate(home)


def ingest(
    data: Path,
    home: Home,
    *,
    is_historical: bool,
    say: Callable[[str], None] = lambda line: None,
    progress: Progress | None = None,
    delivered: Callable[[int, int], None] | None = None,
) -> Ingested:
    """Deliver `data` into `home` and run what became due.

    Raises HomeError, StoreError or RunFailed, each naming the remedy.
    """
    report = look(data, home)
    prepare_home(home, report, is_historical=is_historical)
    configure(home, settings().log_level)  # a new home has a log only now
    bring_up(home, say)
    deliver(data, home.landing, delivered)
    ingested = Ingested(home, report)
    with Runner(home, progress, say) as runner:
        ingested.landed = runner.land()
        ingested.outcomes = run_due(runner)
    ingested.data_docs_seconds = runner.data_docs_seconds
    return ingested


def run_due(runner: Runner) -> list[RangeOutcome]:
    """Run all that the graph owes, in ranges, until nothing more comes of it; what is asked for once is not asked for again.

    Raises RunFailed; OperationError where a landing brought days that this process's calendar does not hold.
    """
    from energy_assets.automation.edges import EDGES, assets_of
    from energy_assets.partitions import DAILY
    from energy_assets.resources.due import due_days, due_ranges

    known = set(DAILY.get_partition_keys())
    outcomes: list[RangeOutcome] = []
    asked: set[str] = set()
    while True:
        due = due_days(runner.warehouse, EDGES)
        ready = [entry for entry in due if entry.day.isoformat() in known]
        owed = [entry for entry in due_ranges(ready, settings().backfill_chunk_days) if entry.key not in asked]
        if not owed:
            break
        for entry in owed:
            asked.add(entry.key)
            outcomes.append(runner.backfill(entry.window, assets_of(entry.work)))
    runner.require_same_calendar()
    return outcomes
