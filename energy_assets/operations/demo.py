"""The whole job once, in a home of its own: what `make demo` does.

What belongs here: choosing the home, simulating where no data is given, timing. What does not: the steps themselves.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from energy_assets import home as homes
from energy_assets.embedded import supervisor
from energy_assets.home import Home, HomeError
from energy_assets.operations.dashboards.service import end as end_dashboards
from energy_assets.operations.ingest import Ingested, ingest, run_due
from energy_assets.operations.runs import Progress

if TYPE_CHECKING:
    from energy_assets.operations.balance import Balance, Truth
    from energy_assets.operations.demo_visits import Visited
    from energy_assets.operations.forecast import Foretold
    from energy_assets.operations.summary import Summary
    from energy_assets.operations.theft import JudgedList
    from energy_assets.resources.warehouse import Warehouse

METERS, TRANSFORMERS, DAYS, SEED, THEFT_RATE = 200, 8, 60, 1, 0.08
RED_DAY = date(2024, 1, 20)
"""On this day the simulated head-end loses a quarter of the meter identifiers: a gate must be seen to hold."""


@dataclass(frozen=True)
class DemoReport:
    """What the demo shows. `seconds` by stage, in the order in which they ran."""

    home: Home
    timezone: str
    summary: Summary
    seconds: dict[str, float]
    balance: Balance | None = None
    """None where no transformer was metered."""
    truth: Truth | None = None
    """None where nobody knows it."""
    foretold: Foretold | None = None
    """None where no load was foretold."""
    cases: JudgedList | None = None
    """None where no case ever opened."""
    sheet: Path | None = None
    """The sheet of the first case on the list."""
    visited: Visited | None = None
    """What the demo's crew found; None where it did not go, or went before."""


def run_demo(
    data: Path | None,
    *,
    say: Callable[[str], None],
    progress: Callable[[], AbstractContextManager[Progress]],
) -> DemoReport:
    """Simulate (or take `data`), ingest, run every day, and sum up.

    Raises HomeError, StoreError or OperationError, each naming the remedy.
    """
    seconds: dict[str, float] = {}
    home = homes.named(data.absolute().name if data else "demo")
    stop_other_home(home, say)
    if data is None:
        with timed(seconds, "simulate"):
            data = simulated(home, say)
    started = time.monotonic()
    with progress() as bars:
        ingested = ingest(data, home, is_historical=True, say=say, progress=bars)
        layers = layer_seconds(ingested)
        docs = {"Data Docs": ingested.data_docs_seconds}
        seconds["look, start, land"] = time.monotonic() - started - sum(layers.values()) - sum(docs.values())
        seconds |= layers | docs
        with timed(seconds, "visits"):
            visited = visits(home, say, bars)
    from energy_assets.operations.balance import balance, truth_of
    from energy_assets.operations.forecast import foretold
    from energy_assets.operations.summary import summarize
    from energy_assets.operations.theft import judged_list
    from energy_assets.resources.serving import Serving
    from energy_assets.resources.warehouse import Warehouse

    warehouse = Warehouse(home=str(home.path))
    summary = summarize(warehouse, Serving(home=str(home.path)))
    found = balance(warehouse)
    truth = truth_of(home, warehouse) if found else None
    cases = judged_list(warehouse, home)
    return DemoReport(
        home,
        ingested.report.timezone,
        summary,
        seconds,
        found,
        truth,
        foretold(warehouse),
        cases,
        first_sheet(warehouse, home, cases) if cases and cases.listed else None,
        visited,
    )


def visits(home: Home, say: Callable[[str], None], progress: Progress) -> Visited | None:
    """Two weeks of visits, once, and the days that follow from their results."""
    from energy_assets.operations.demo_visits import visit
    from energy_assets.operations.runs import Runner
    from energy_assets.resources.warehouse import Warehouse

    if any(home.landing.glob("inspections/by-command/*.csv")):
        return None
    visited = visit(home, Warehouse(home=str(home.path)))
    if visited:
        with Runner(home, progress, say) as runner:
            run_due(runner)
    return visited


def first_sheet(warehouse: Warehouse, home: Home, found: JudgedList) -> Path:
    from energy_assets.operations.case_sheets import sheets_of

    (path,) = sheets_of(warehouse, found.listed[:1], found.known.day, "en", "html", home.path / "case_sheets")
    return path


def simulated(home: Home, say: Callable[[str], None]) -> Path:
    """The simulated deliveries of the demo, written once."""
    from energy_assets.simulation import simulate

    out = home.path / "simulated"
    if not out.exists():
        say(f"simulating {METERS} meters, {TRANSFORMERS} transformers, {DAYS} days")
        simulate(METERS, DAYS, SEED, out, transformers=TRANSFORMERS, theft_rate=THEFT_RATE, red_days=[RED_DAY])
    return out


def stop_other_home(home: Home, say: Callable[[str], None]) -> None:
    """The home that was current until now keeps its data; its stores stop, for nobody would think of stopping them later."""
    try:
        other = homes.current()
    except HomeError:
        return
    if other.path == home.path:
        return
    end_dashboards(other, say)
    if stopped := supervisor.down(other, say=say):
        say(f"stopped {' and '.join(stopped)} of home {other.name}")


def layer_seconds(ingested: Ingested) -> dict[str, float]:
    total: Counter[str] = Counter()
    for outcome in ingested.outcomes:
        total.update(outcome.seconds)
    return dict(total)


class timed:
    """Adds the seconds of its block to `seconds[name]`."""

    def __init__(self, seconds: dict[str, float], name: str) -> None:
        self._seconds, self._name = seconds, name

    def __enter__(self) -> None:
        self._started = time.monotonic()

    def __exit__(self, *error: object) -> None:
        self._seconds[self._name] = time.monotonic() - self._started
