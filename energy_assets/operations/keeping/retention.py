"""How long a home keeps the days of which table: what it holds, what the graph reads back, and what may go.

What belongs here: periods, who needs how much, and the order of dropping. What does not: statements (resources/retention.py).

Days are counted back from the newest day that was written, so that a historical home keeps what a live one would.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from statistics import median

from energy_assets.home import Home
from energy_assets.operations.errors import OperationError
from energy_assets.resources.due import Edge
from energy_assets.resources.retention import (
    PARTS,
    HeldDay,
    drop_days,
    drop_served,
    files_before,
    give_back,
    held_days,
    mark_parts,
    served_partitions,
)
from energy_assets.resources.serving import Serving
from energy_assets.resources.turns import alone, files_kept
from energy_assets.resources.warehouse import Warehouse
from energy_assets.settings import settings

LANDING = "landing"
KEPT = {
    "stg_meters": "what the register said of each day, read whenever a day is computed again",
    "stg_transformers": "what the register said of each day, read whenever a day is computed again",
    "stg_inspections": "what visits found, which rankers learn from",
    "stg_case_events": "what was decided about cases",
    "mart_theft_cases": "cases go on from their own day before, and are a record of what was known when",
    "mart_detection_performance": "the record of how often visits were right",
}
"""Tables that are never dropped, and why; they are small."""
RAW_LAYERS = ("raw_data", "staging", "intermediate")
RECENT_DAYS = 14
"""Whose median is what a day takes."""


@dataclass(frozen=True)
class Need:
    """How many days somebody reads back."""

    days: int
    reader: str


@dataclass
class Kept:
    """A table, or a folder of the home: what it holds and what of it may go."""

    name: str
    days: list[HeldDay] = field(default_factory=list)
    need: Need = Need(0, "nobody")
    period: int | None = None
    """Days that it keeps; None: all."""
    newest: date | None = None
    is_made_anew: bool = False
    """Whether a day that was dropped can be made again from its parts."""

    @property
    def bytes(self) -> int:
        return sum(held.bytes for held in self.days)

    @property
    def bytes_a_day(self) -> int:
        newest = sorted(self.days, key=lambda held: held.day)[-RECENT_DAYS:]
        return int(median(held.bytes for held in newest)) if newest else 0

    @property
    def going(self) -> list[HeldDay]:
        if self.period is None or self.newest is None:
            return []
        first_kept = self.newest - timedelta(days=self.period - 1)
        return sorted((held for held in self.days if held.day < first_kept), key=lambda held: held.day)

    @property
    def not_needed(self) -> int:
        """Bytes of days that nothing of the graph reads any more."""
        if self.newest is None:
            return 0
        first_read = self.newest - timedelta(days=self.need.days - 1)
        return sum(held.bytes for held in self.days if held.day < first_read)


def needs(edges: Iterable[Edge], others: Iterable[tuple[str, Need]], restatement_days: int) -> dict[str, Need]:
    """Table -> the days of it that somebody may still read: the farthest look back, and the days that late data restate."""
    found: dict[str, Need] = {}
    readers = [
        *((edge.input, Need(edge.lookback_days, edge.output)) for edge in edges),
        *others,
    ]
    for table, need in readers:
        if need.days > found.get(table, Need(-1, "")).days:
            found[table] = need
    return {table: Need(need.days + restatement_days + 1, need.reader) for table, need in found.items()}


def kept_by(home: Home) -> list[Kept]:
    """What the home keeps, table by table in the order in which data flow, then its parts and what landed.

    Raises OperationError where the settings keep less than somebody reads, or name what cannot be dropped.
    """
    from energy_assets.keys import GATED

    warehouse = Warehouse(home=str(home.path))
    known, periods = _needs(), settings().retention_days
    longest = max(known.values(), key=lambda need: need.days)
    limits = {
        **{table: known.get(table, Need(settings().restatement_days + 1, "late data")) for table in GATED},
        PARTS: longest,
        LANDING: Need(1, "nobody"),
    }
    _require_allowed(periods, limits)
    newest = warehouse.newest_day()
    by_table: dict[str, list[HeldDay]] = defaultdict(list)
    for held in held_days(warehouse):
        by_table[held.table].append(held)
    tables = [
        Kept(name, by_table[name], limits[name], periods.get(name), newest, is_made_anew=schema in RAW_LAYERS)
        for name, schema in GATED.items()
    ]
    parts = Kept(PARTS, part_days(home.parts), longest, periods.get(PARTS), newest)
    return [*tables, parts, Kept(LANDING, [], limits[LANDING], periods.get(LANDING), newest)]


def served_by(home: Home) -> list[Kept]:
    """What ClickHouse keeps, by table; its periods are ENERGY_SERVING_RETENTION_DAYS, counted from today as its own are."""
    found = served_partitions(Serving(home=str(home.path)))
    today = date.today()
    return [
        Kept(
            table,
            [HeldDay(table, day, size, is_partition=True) for day, size in days.items()],
            period=settings().serving_retention_days.get(table),
            newest=today,
        )
        for table, days in sorted(found.items())
    ]


def landed_files(home: Home, kept: Kept) -> list[Path]:
    """Files of the landing zone that were read and whose days are past the period."""
    if kept.period is None or kept.newest is None:
        return []
    warehouse = Warehouse(home=str(home.path))
    old = files_before(warehouse, kept.newest - timedelta(days=kept.period - 1))
    return [path for name in old if (path := home.landing / name).is_file()]


def apply(home: Home, say: Callable[[str], None] = lambda line: None) -> int:
    """Drop what is past its period; bytes that went. No run goes on meanwhile, and a backup is not made."""
    warehouse, serving = Warehouse(home=str(home.path)), Serving(home=str(home.path))
    dsn = warehouse.connections.transformer_dsn
    gone = 0
    with files_kept(dsn, say=say), alone(dsn, say=say):
        kept = kept_by(home)
        for table in kept:
            if table.going and table.name not in (PARTS, LANDING):
                drop_days(warehouse, table.going)
        give_back(warehouse, [table.name for table in kept if any(not held.is_partition for held in table.going)])
        gone += sum(held.bytes for table in kept for held in table.going)
        for table in served_by(home):
            drop_served(serving, table.name, [held.day for held in table.going])
            gone += sum(held.bytes for held in table.going)
        parts, landing = kept[-2:]
        days = {held.day for held in parts.going}
        mark_parts(warehouse, days)  # before: a day that is believed to be there and is not fails its run
        for path in (path for day in days for path in home.parts.glob(f"*/{day}")):
            shutil.rmtree(path)
        for path in landed_files(home, landing):
            gone += path.stat().st_size
            path.unlink()
    return gone


def part_days(parts: Path) -> list[HeldDay]:
    """Days of which there are parts, of all sources together."""
    sizes: dict[date, int] = defaultdict(int)
    for path in parts.glob("*/????-??-??/*.parquet"):
        sizes[date.fromisoformat(path.parent.name)] += path.stat().st_size
    return [HeldDay(PARTS, day, size, is_partition=True) for day, size in sizes.items()]


def _needs() -> dict[str, Need]:
    from energy_assets.assets.anomaly import MODEL_LOOKBACK_DAYS as ANOMALY_DAYS
    from energy_assets.assets.theft import MODEL_LOOKBACK_DAYS as THEFT_DAYS
    from energy_assets.automation.edges import EDGES
    from energy_assets.case_sheet.read import TABLES as SHEET_TABLES
    from energy_assets.keys import FEATURES
    from ml.theft.lookbacks import LOOKBACK_DAYS as SHEET_DAYS

    others = [
        (FEATURES, Need(ANOMALY_DAYS, "anomaly_model")),
        ("theft_evidence", Need(THEFT_DAYS, "theft_model")),
        *((table, Need(SHEET_DAYS - 1, "energy-assets sheet")) for table in SHEET_TABLES),
    ]
    return needs(EDGES, others, settings().restatement_days)


def _require_allowed(periods: Mapping[str, int], limits: Mapping[str, Need]) -> None:
    problems: Sequence[str] = [
        *(f"{name} is never dropped: it holds {KEPT[name]}" for name in periods if name in KEPT),
        *(f"{name} is nothing that is kept by day" for name in periods if name not in limits),
        *(
            f"{name} must keep {limits[name].days} days or more, not {days}: {limits[name].reader} reads so far back, and late data restate"
            f" {settings().restatement_days} days"
            for name, days in periods.items()
            if name in limits and name not in KEPT and days < limits[name].days
        ),
    ]
    if problems:
        names = ", ".join(name for name in limits if name not in KEPT)
        raise OperationError(
            "ENERGY_RETENTION_DAYS: "
            + "; ".join(problems)
            + f"\n→ correct it; there are {names}. `energy-assets retention` shows each"
        )
