"""Decisions on cases and what visits found, by command: each is delivered into the landing zone as a file, and read at once.

What belongs here: the files' rows. What does not: which cases there are (cases.py), landing (landing/), what follows of it (dbt).

A decision is a delivery like any other: it lies in the ledger, `energy-assets retract` takes it back, and the days from it on are owed.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from energy_assets.access import user
from energy_assets.case_words import CaseError
from energy_assets.home import Home, HomeError
from energy_assets.landing.contract import CASE_EVENTS, DISMISSED, INSPECTIONS, OPEN, SNOOZED, Source
from energy_assets.landing.files import data_file
from energy_assets.operations.cases import Case
from energy_assets.resources import ledger
from energy_assets.resources.landing_zone import LandingZone

if TYPE_CHECKING:
    from energy_assets.resources.warehouse import Warehouse

HELD_DAYS = {SNOOZED: 14, DISMISSED: 90}
"""Days for which a decision holds where its end is not said."""
BY_HAND = "by hand"
METER = "meter"


def day_of_decision(home: Home, newest: date) -> date:
    """Today; in a historical home, whose days have ended, the newest day that has cases."""
    calendar = home.calendar()
    return newest if calendar.is_historical else datetime.now(calendar.zone).date()


def decide(
    home: Home,
    warehouse: Warehouse,
    cases: Sequence[Case],
    event: str,
    *,
    on: date,
    until: date | None = None,
    crew: str | None = None,
    reason: str | None = None,
) -> Path:
    """Record the same decision about each of `cases`; the file that was delivered.

    Raises HomeError where a case has ended, or where `until` is before the decision.
    """
    if event in HELD_DAYS and until is None:
        until = on + timedelta(days=HELD_DAYS[event])
    if until and until < on:
        raise CaseError("until_before", until=until, day=on)
    for case in cases:
        if case.has_ended and event != OPEN:
            raise CaseError("ended_already", case=case.case_id, state=case.state, day=case.state_since)
    rows = [
        {
            "subject_kind": case.subject_kind,
            "subject_id": case.subject_id,
            "decided_on": on,
            "event": event,
            "until_on": until,
            "crew": crew,
            "reason": reason,
            "decided_by": user(),
            "case_id": case.case_id,
        }
        for case in cases
    ]
    return _deliver(home, warehouse, CASE_EVENTS, rows)


def record_visit(
    home: Home,
    warehouse: Warehouse,
    case: Case,
    outcome: str,
    *,
    on: date,
    recovered_kwh: float | None = None,
    notes: str | None = None,
) -> Path:
    """Record what a visit found; the file that was delivered: an inspection of a meter, an event of a transformer's case."""
    if case.subject_kind == METER:
        visit = {
            "meter_id": case.subject_id,
            "inspected_on": on,
            "outcome": outcome,
            "recovered_kwh": recovered_kwh,
            "case_id": case.case_id,
            "selection": case.selection,
            "notes": notes,
        }
        return _deliver(home, warehouse, INSPECTIONS, [visit])
    event = {
        "subject_kind": case.subject_kind,
        "subject_id": case.subject_id,
        "decided_on": on,
        "event": outcome,
        "reason": notes,
        "decided_by": user(),
        "case_id": case.case_id,
        "recovered_kwh": recovered_kwh,
    }
    return _deliver(home, warehouse, CASE_EVENTS, [event])


def _deliver(home: Home, warehouse: Warehouse, source: Source, rows: Sequence[Mapping[str, object]]) -> Path:
    """Write a file of `source` and land it; its version is the time in milliseconds, so that the last word counts."""
    version = time.time_ns() // 1_000_000
    path = home.landing / source.name / "by-command" / f"{version}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}")
    with unfinished.open("x", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, [*rows[0], "version"])
        writer.writeheader()
        writer.writerows({**row, "version": version} for row in rows)
    unfinished.rename(path)
    (landed,) = LandingZone(home=str(home.path)).land([data_file(path, home.landing)])
    ledger.record(warehouse, landed, run_id=BY_HAND)
    if landed.status != "landed" or landed.rows_rejected:
        raise HomeError(
            f'{path} was written, but not taken in whole: {landed.message or "see"} energy-assets sql "select * from raw_data.rejected_rows"'
        )
    return path
