"""`python -m benchmarks.campaigns`: half a year of weekly campaigns in a simulated city whose crew mends what it finds; writes docs/campaigns.md.

What belongs here: the weeks through the graph (deliver, land, run, read the list, visit), and what is recorded of them. What does not: the city
and what its crew finds (campaign_city.py), the page (campaign_page.py).

Each week's files, what the crew found among them, land on its Sunday and run as one range, as the warm-up's do: the assets before
mart_detection_performance.
Sunday's list is visited from the next Monday to Friday. A second city of the same fleet, which nobody visits, lives beside it.
"""

from __future__ import annotations

import csv
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from benchmarks.campaign_city import City, Finding
from benchmarks.homes import SETTLED, temporary_home
from energy_assets.simulation.fleet import FIRST_DAY, Fleet, make_fleet
from energy_assets.simulation.roles import ONSET_WINDOW

if TYPE_CHECKING:
    import dagster as dg

    from energy_assets.home import Home
    from energy_assets.operations.cases import Case
    from energy_assets.operations.runs import Runner

METERS, TRANSFORMERS, THEFT_RATE, SEED = 400, 16, 0.08, 21
WARM_UP_WEEKS, CAMPAIGNS = 6, 26
WEEKLY_VISITS, WORKDAYS = 8, 5
SETTINGS = {
    "ENERGY_WEEKLY_VISITS": str(WEEKLY_VISITS),
    "ENERGY_RANDOM_VISIT_SHARE": "0.125",
    "ENERGY_DEFAULT_TARIFF": "cm_residential",
}
SOURCES = ("meter_readings", "transformer_readings", "outages", "meters", "transformers", "token_purchases")
"""What the assets on the way read. The inspections of a city's past stay out: this utility never visited anybody."""
LAST = "mart_detection_performance"
COMPARED = "int_readings_hourly"
"""What a test of the models on the way compares with them, though nothing on the way reads it."""
FINDINGS = ("meter_id", "inspected_on", "outcome", "recovered_kwh", "case_id", "selection")
PERFORMANCE = """
    select selection, week_visits, decided, thefts, hit_rate, hit_rate_low, hit_rate_high, lift, lift_low, lift_high, precision_at_5,
        recovered_kwh_per_visit, net_value_per_visit, currency, judged, judged_thefts, expected_thefts, brier_score
    from marts.mart_detection_performance where week_date = %s
"""
CASES = """
    select case_date, case_id, subject_kind, subject_id, state, previous_state, opened_on, is_new from marts.mart_theft_cases
    where is_new or previous_state is distinct from state or case_date = %s
    order by case_date, case_id
"""


@dataclass(frozen=True)
class Visit:
    """A visit of the list, and what it found."""

    case: Case
    on: date
    finding: Finding


@dataclass(frozen=True)
class Week:
    """One week, as it stands on its Sunday. `performance` is the table's rows by selection; energy in kWh."""

    number: int
    sunday: date
    visits: tuple[Visit, ...]
    performance: Mapping[str, Mapping[str, Any]]
    listed: int
    thieves: int
    hooks: int
    hidden_kwh: float
    unvisited_kwh: float
    """Hidden in the city that nobody visits."""
    red_days: int
    seconds: float
    own_seconds: float
    """Of the processor, in the program's own process: Postgres and whatever else the machine does are not in it."""

    @property
    def stopped(self) -> float:
        return 1 - self.hidden_kwh / self.unvisited_kwh


@dataclass(frozen=True)
class Campaigns:
    """The last week of the warm-up and those of the campaigns, and what the table of cases holds."""

    fleet: Fleet
    weeks: tuple[Week, ...]
    changes: tuple[Mapping[str, Any], ...]
    """A row per case and day on which it opened or changed its state, and all cases of the last day."""
    seconds: float


def the_fleet() -> Fleet:
    """The city: the last of its thieves begins as the campaigns end."""
    days = 7 * (WARM_UP_WEEKS + CAMPAIGNS)
    return make_fleet(
        METERS, SEED, transformers=TRANSFORMERS, theft_rate=THEFT_RATE, horizon_days=round(days / ONSET_WINDOW[1])
    )


def visiting_days(listed: Sequence[Case], monday: date) -> dict[date, list[Case]]:
    """The list over the working days from `monday` on, in its order."""
    days: dict[date, list[Case]] = {}
    for number, case in enumerate(listed):
        days.setdefault(monday + timedelta(days=number * WORKDAYS // len(listed)), []).append(case)
    return days


def find(city: City, case: Case, day: date) -> Finding:
    """What the visit of a case finds."""
    if case.subject_kind == "transformer":
        return city.walk(int((city.fleet.city.transformer_ids == case.subject_id).argmax()), day)
    return city.visit(int((city.fleet.city.meter_ids == case.subject_id).argmax()), day, SEED)


class Utility:
    """The platform in a home, fed a week at a time."""

    def __init__(self, home: Home, runner: Runner) -> None:
        self.home, self._runner, self.warehouse = home, runner, runner.warehouse
        self._keys = keys_before(runner)

    def run(self, first: date, last: date, visits: Sequence[Visit]) -> int:
        """Land and run the days from `first` to `last`; how many are red."""
        self._deliver(last, visits)
        self._runner.land()
        outcome = self._runner.backfill(self._runner.window(first, last), self._keys)
        for day, table in outcome.red.items():
            print(f"  {day} is red: {table}", flush=True)
        return len(outcome.red)

    def listed(self) -> tuple[Case, ...]:
        from energy_assets.operations.cases import case_list

        return case_list(self.warehouse).on_list()

    def performance(self, sunday: date) -> dict[str, dict[str, Any]]:
        rows = self.warehouse.rows(PERFORMANCE, (sunday,))
        names = [name.strip() for name in PERFORMANCE.partition("from")[0].replace("select", "").split(",")]
        return {row[0]: {name: _number(value) for name, value in zip(names, row, strict=True)} for row in rows}

    def changes(self, last: date) -> tuple[dict[str, Any], ...]:
        names = [name.strip() for name in CASES.partition("from")[0].replace("select", "").split(",")]
        return tuple(dict(zip(names, row, strict=True)) for row in self.warehouse.rows(CASES, (last,)))

    def _deliver(self, on: date, visits: Sequence[Visit]) -> None:
        """Meters' visits as a file of the landing zone; those of transformers by command, for no source of files tells of them."""
        from energy_assets.operations.decisions import record_visit

        meters = [visit for visit in visits if visit.case.subject_kind == "meter"]
        for visit in visits:
            if visit.case.subject_kind == "transformer":
                record_visit(self.home, self.warehouse, visit.case, visit.finding.outcome, on=visit.on)
        if not meters:
            return
        path = self.home.landing / "inspections" / f"{on}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as handle:
            writer = csv.writer(handle)
            writer.writerow(FINDINGS)
            for visit in meters:
                found = visit.finding
                recovered = f"{found.recovered_kwh:.3f}" if found.outcome == "theft" else ""
                case = visit.case
                writer.writerow([case.subject_id, visit.on, found.outcome, recovered, case.case_id, case.selection])


def keys_before(runner: Runner) -> list[dg.AssetKey]:
    """The daily assets on the way to what is measured, and no other."""
    import dagster as dg

    from energy_assets.definitions import defs
    from energy_assets.keys import checkpoint_key

    before = (
        dg.AssetSelection.assets(checkpoint_key(LAST), checkpoint_key(COMPARED))
        .upstream()
        .resolve(defs.resolve_asset_graph())
    )
    daily = defs.resolve_job_def("daily").asset_layer.executable_asset_keys
    return sorted(key for key in before if key in daily)


def campaigns(weeks: int) -> Campaigns:
    """The warm-up and `weeks` campaigns, in a home of their own."""
    from energy_assets.days import ONE_DAY, DayWindow
    from energy_assets.home import Calendar
    from energy_assets.operations.runs import Runner
    from energy_assets.operations.stores import bring_up
    from energy_assets.simulation.deliver import write_day
    from energy_assets.simulation.files import Folder, Writer

    began, fleet = time.perf_counter(), the_fleet()
    visited, unvisited, records = City(fleet), City(fleet), []
    listed: tuple[Case, ...] = ()
    last = FIRST_DAY + timedelta(days=7 * (WARM_UP_WEEKS + weeks) - 1)
    with temporary_home() as home:
        home.write_calendar(Calendar("Africa/Douala", FIRST_DAY, last))
        os.environ["ENERGY_HOME"] = str(home.path)
        bring_up(home)
        with Runner(home) as runner:
            utility = Utility(home, runner)
            first = FIRST_DAY
            for number in range(weeks + 1):
                sunday = FIRST_DAY + timedelta(days=7 * (WARM_UP_WEEKS + number) - 1)
                planned, visits = visiting_days(listed, first), []
                with Writer() as writer:
                    folder = Folder(home.landing, "parquet", SOURCES, writer)
                    for day in DayWindow(first, sunday + ONE_DAY):
                        visits += [Visit(case, day, find(visited, case, day)) for case in planned.get(day, [])]
                        one = visited.live(day)
                        write_day(visited.fleet, one, folder)
                        unvisited.live(day)
                began_week, began_own = time.perf_counter(), time.process_time()
                red = utility.run(first, sunday, visits)
                seconds, own_seconds = time.perf_counter() - began_week, time.process_time() - began_own
                listed = utility.listed()
                week = Week(
                    number,
                    sunday,
                    tuple(visits),
                    utility.performance(sunday),
                    len(listed),
                    len(visited.thieves(sunday)),
                    len(visited.hooks(sunday)),
                    sum(visited.hidden_kwh[-7:]) + sum(visited.hooked_kwh[-7:]),
                    sum(unvisited.hidden_kwh[-7:]) + sum(unvisited.hooked_kwh[-7:]),
                    red,
                    seconds,
                    own_seconds,
                )
                records.append(week)
                print(line(week), flush=True)
                first = sunday + ONE_DAY
            changes = utility.changes(last)
            # Pages of every verdict of half a year are nothing that is measured here.
            runner.has_run_days = False
    return Campaigns(fleet, tuple(records), changes, time.perf_counter() - began)


def line(week: Week) -> str:
    """A week on the terminal."""
    outcomes = [visit.finding.outcome for visit in week.visits]
    counted = ", ".join(f"{outcomes.count(name)} {name}" for name in dict.fromkeys(outcomes))
    return (
        f"week {week.number:3d} to {week.sunday}: {len(outcomes)} visits ({counted}), {week.thieves} thieves and {week.hooks} hooks at large, "
        f"{week.hidden_kwh:.0f} kWh hidden, {week.stopped:.0%} stopped, {week.listed} listed, {week.red_days} red, "
        f"{week.seconds:.1f} s, {week.own_seconds:.1f} s of its own"
    )


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value


def main(weeks: int = CAMPAIGNS) -> None:
    os.environ.update(SETTINGS | SETTLED)
    load = os.getloadavg()[0]
    result = campaigns(weeks)
    if weeks == CAMPAIGNS:
        from benchmarks.campaign_page import write

        write(result, load)
    print(f"{result.seconds / 60:.1f} minutes")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else CAMPAIGNS)
