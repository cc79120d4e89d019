"""The demo's crew: the last two whole weeks of visits, by the list of the Sunday before each, found as the simulator knows it to be.

What belongs here: whom the crew visits, and what it finds. What does not: recording a visit (decisions.py), half a year of campaigns whose crew
also mends what it finds (benchmarks/campaigns.py). The demo's thieves steal on, for its readings were written before anybody went.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from energy_assets.home import Home, HomeError
from energy_assets.operations.cases import Case, case_list
from energy_assets.operations.decisions import METER, record_visit
from energy_assets.operations.theft import truth_folder

if TYPE_CHECKING:
    from energy_assets.resources.warehouse import Warehouse

WEEKS, VISITS_A_WEEK, WORKDAYS = 2, 3, 5
BILLED_DAYS = 90
"""Days before a visit of which what was hidden is billed."""
FAULTS = ("ct_multiplier_error", "clock_drift")
"""Look-alikes that are a fault of the meter, or of what the register says of it; the others are none that a crew would find at the meter."""
RANDOM = "random"


@dataclass(frozen=True)
class Visited:
    """What came of the visits: outcomes by how a meter was chosen (ranked or random), and the energy that was billed for them in kWh."""

    outcomes: dict[str, Counter[str]]
    recovered_kwh: float


def visit(home: Home, warehouse: Warehouse) -> Visited | None:
    """Record the visits; None where nobody knows the truth, or no list is that old."""
    truth = truth_folder(home)
    if truth is None:
        return None
    outcomes: dict[str, Counter[str]] = {}
    recovered = 0.0
    for case, on in _rounds(home, warehouse):
        outcome, kwh = _found(truth, case.subject_id, on)
        record_visit(home, warehouse, case, outcome, on=on, recovered_kwh=round(kwh, 1) if kwh else None)
        outcomes.setdefault(case.selection or "", Counter())[outcome] += 1
        recovered += kwh
    return Visited(outcomes, recovered) if outcomes else None


def _rounds(home: Home, warehouse: Warehouse) -> Iterator[tuple[Case, date]]:
    """(Case, day of its visit), each meter once: the first of each list, and whoever was drawn."""
    calendar = home.calendar()
    seen: set[str] = set()
    if calendar.last_day is None:
        raise HomeError(f"home {home.name} goes on: the demo's crew visits in a historical one")
    for sunday in _sundays(calendar.first_day, calendar.last_day):
        try:
            listed = case_list(warehouse, sunday).on_list()
        except HomeError:  # no case was open by then, or that day is held back
            continue
        meters = [case for case in listed if case.subject_kind == METER and case.subject_id not in seen]
        ranked = sorted((case for case in meters if case.place), key=lambda case: case.place or 0)
        drawn = [case for case in meters if case.selection == RANDOM]
        for number, case in enumerate([*ranked[:VISITS_A_WEEK], *drawn]):
            seen.add(case.subject_id)
            yield case, sunday + timedelta(days=1 + number % WORKDAYS)


def _sundays(first: date, last: date) -> list[date]:
    """Before each of the last WEEKS weeks that end by `last`."""
    newest = last - timedelta(days=(last.isoweekday() % 7) + 7)
    sundays = [newest - timedelta(weeks=week) for week in reversed(range(WEEKS))]
    return [sunday for sunday in sundays if sunday >= first]


def _found(folder: Path, meter_id: str, on: date) -> tuple[str, float]:
    """(Outcome, energy that can be billed in kWh) of a visit to a meter on a day."""
    import polars as pl

    known = pl.read_parquet(folder / "meters.parquet").filter(pl.col("meter_id") == meter_id).row(0, named=True)
    if not known["is_theft"] or known["onset"] > on or (known["end"] and known["end"] <= on):
        return ("faulty_meter" if known["type"] in FAULTS else "clean"), 0.0
    return "theft", _hidden_kwh(folder, meter_id, max(known["onset"], on - timedelta(days=BILLED_DAYS)), on)


def _hidden_kwh(folder: Path, meter_id: str, since: date, until: date) -> float:
    """What the meter did not count of the days that were simulated."""
    import polars as pl

    days = (since + timedelta(days=number) for number in range((until - since).days))
    paths = [path for day in days if (path := folder / "intervals" / f"{day}.parquet").is_file()]
    if not paths:
        return 0.0
    hidden = pl.scan_parquet(paths).filter(pl.col("meter_id") == meter_id)
    return max(float(hidden.select((pl.col("true_kwh") - pl.col("reported_kwh")).sum()).collect().item()), 0.0)
