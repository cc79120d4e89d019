"""The day loop: a fleet lives through its days, and those that are asked for are written.

What belongs here: settings, which days are lived and which are written. What does not: a day (one_day.py), its files (deliver.py).

A run that begins later than the fleet lives through the days before without writing them: what is written is the same whatever
days are asked for at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path

from energy_assets.simulation import truth
from energy_assets.simulation.defects import NO_DEFECTS, DefectRates
from energy_assets.simulation.deliver import write_day, write_truth
from energy_assets.simulation.errors import SimulationError
from energy_assets.simulation.files import DayTable, Folder, Format, Writer
from energy_assets.simulation.fleet import FIRST_DAY, THEFT_RATE, make_fleet
from energy_assets.simulation.one_day import live_through
from energy_assets.simulation.roles import HORIZON_DAYS

SOURCES = (
    "meter_readings",
    "transformer_readings",
    "weather",
    "outages",
    "meters",
    "transformers",
    "token_purchases",
    "inspections",
    "register_readings",
)
"""Every source of the landing contract."""


def simulate(
    meters: int,
    days: int,
    seed: int,
    out: Path,
    first_day: date = FIRST_DAY,
    timezone: str = "Africa/Douala",
    *,
    transformers: int | None = None,
    theft_rate: float = THEFT_RATE,
    attacks: Collection[str] | None = None,
    look_alikes: bool = True,
    with_defects: bool = True,
    rates: DefectRates | None = None,
    since: date | None = None,
    horizon_days: int = HORIZON_DAYS,
    sources: Collection[str] = SOURCES,
    with_truth: bool = True,
    format: Format = "parquet",
    red_days: Collection[date] = (),
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write a city's landing sources to `out`, one file a day, and its truth to `out`/truth; the files of readings.

    `theft_rate` is the share of meters that steal at some time, by `attacks` (names of ATTACKS and STRANGER_HOOK; all by
    default). `since` is the fleet's first day (default: `first_day`); thefts begin within `horizon_days` of it. Later days of the
    same fleet: the same settings with `since`, a later `first_day`, the same `out`. On `red_days` a quarter of the rows lacks its
    meter. `progress(done, total)` is called after each day.

    Raises SimulationError for an impossible fleet and for unknown names, and where `out` holds another fleet.
    """
    if meters < 1 or days < 1:
        raise SimulationError(f"a fleet needs at least one meter and one day, not {meters} meters and {days} days")
    if unknown := sorted(set(sources) - set(SOURCES)):
        raise SimulationError(f"no source is called {', '.join(unknown)}: there are {', '.join(SOURCES)}")
    since = since or first_day
    if first_day < since:
        raise SimulationError(f"the fleet begins on {since}: there is no day {first_day}")
    fleet = make_fleet(
        meters,
        seed,
        since,
        timezone,
        transformers=transformers,
        theft_rate=theft_rate,
        attacks=attacks,
        look_alikes=look_alikes,
        rates=(rates or DefectRates()) if with_defects else NO_DEFECTS,
        horizon_days=horizon_days,
    )
    folder = out / "truth"
    if with_truth:
        settings = {
            "format": format,
            "meters": meters,
            "transformers": fleet.city.transformers,
            "seed": seed,
            "since": str(since),
            "timezone": timezone,
            "theft_rate": theft_rate,
            "attacks": sorted(attacks) if attacks is not None else None,
            "look_alikes": look_alikes,
            "horizon_days": horizon_days,
            "defects": asdict(fleet.rates),
        }
        truth.claim(folder, settings)
        truth.write_roles(folder, fleet.city, fleet.roles)
    last_day = first_day + timedelta(days=days - 1)
    written: list[Path] = []
    with ExitStack() as stack:
        writer = stack.enter_context(Writer())
        landing = Folder(out, format, sources, writer)
        tables = (
            [
                stack.enter_context(DayTable(folder / f"{name}.parquet", schema, first_day, last_day))
                for name, schema in (("defects", truth.DEFECTS), ("interruptions", truth.INTERRUPTIONS))
            ]
            if with_truth
            else None
        )
        carried = fleet.fresh()
        for number in range((last_day - since).days + 1):
            day = since + timedelta(days=number)
            one = live_through(fleet, day, carried, is_red=day in red_days)
            if day < first_day:
                continue
            written += write_day(fleet, one, landing)
            if tables is not None:
                write_truth(fleet, one, folder, writer, *tables, suffix=format)
            if progress is not None:
                progress((day - first_day).days + 1, days)
    return written
