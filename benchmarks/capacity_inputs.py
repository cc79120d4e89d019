"""What the pages of measurements print, as numbers: where each stands, and finding it there.

What belongs here: the places, each once, and reading them. What does not: what follows from the numbers (capacity_model.py).

Pages are read and not copied, so that a new measurement flows in. A number that should be there and is not is an error that names its place; one
that a page may not have yet is None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
FLEETS = (1_000, 10_000, 100_000)
"""Meters of the three days that are measured with days before them."""
MILLION = 1_000_000
DAILY, YEAR, RESULTS, MODELS = (f"benchmarks/{name}.md" for name in ("DAILY", "YEAR", "RESULTS", "CLICKHOUSE_MODELS"))
PAGES, DETECTION = "benchmarks/PAGES.md", "benchmarks/DETECTION.md"
KEEPING, CAMPAIGNS, README = "docs/keeping-data.md", "docs/campaigns.md", "README.md"
LIKE = {" ": r"\s*", "…": r"[^\n]*?", "#": r"(\d[\d,]*(?:\.\d+)?)"}


@dataclass(frozen=True)
class Printed:
    """A number on a page. In `words` # is the number, … anything of a line, a space any white space or none.

    It is looked for behind the first `after`. `may_lack` says that the page may not have it yet.
    """

    page: str
    words: str
    after: str = ""
    may_lack: bool = False

    def found_in(self, text: str) -> float | None:
        start = text.find(self.after)
        found = _pattern(self.words).search(text, start) if start >= 0 else None
        return float(found[1].replace(",", "")) if found else None

    def read(self) -> float | None:
        """Raises LookupError where a number that should be there is not."""
        value = self.found_in(text_of(self.page))
        if value is None and not self.may_lack:
            raise LookupError(
                f"{self.page} no longer prints “{self.words}”: say in {Path(__file__).name} where it stands now"
            )
        return value


@dataclass(frozen=True)
class Measured:
    """The numbers, in the unit of their names; by meters or by table where there are several."""

    run_s: Mapping[int, float]
    """Of a day's run, days before it as `days_before`."""
    days_before: Mapping[int, float]
    run_mb: Mapping[int, float]
    """The run's process at its peak, a million meters included."""
    million_s: float
    """Of the run of a million meters' first day."""
    million_beside_minutes: float | None
    """Of these, while other work took half of the processors."""
    million_landing_s: float | None
    """0 where it was not timed."""
    million_run_core_s: float
    million_postgres_core_s: float
    million_clickhouse_core_s: float
    million_cores: float
    million_delivered_gb: float
    million_postgres_gb: float
    """Its directory after the day, with the log of changes."""
    million_clickhouse_gb: float
    million_sorts_gb: float | None
    evidence_long_s: float
    """Theft evidence of a day of 100,000 meters with all the days that it reads back, and …"""
    evidence_short_s: float
    """… with those that the daily run's home has."""
    range_s: float
    """Of 30 days of 1,000 meters in one range."""
    year_s: float | None
    """Of 365."""
    year_first_chunk_s: float | None
    """Seconds a day of its first chunk, and …"""
    year_last_chunk_s: float | None
    land_and_load_s: float
    """Of 480,000 rows, read and loaded, and …"""
    load_s: float
    """… loaded alone."""
    postgres_mb: Mapping[str, float]
    """A day of 1,000 meters of the tables with a row per meter and interval, or meter and hour."""
    postgres_rest_mb: float
    parts_mb: float
    least_days: float
    """Days that each of `postgres_mb` must keep."""
    backup_mb: float
    """Of three days of 1,000 meters."""
    served_readings: float
    served_gb: float
    """What these take in ClickHouse."""
    pages_ms: float
    """95 % of Superset's answers are there by then, eight at a time, 10,000 meters."""
    demo_meters: float
    demo_days: float
    demo_lost_mwh: float
    demo_lost_xaf: float
    campaign_meters: float
    campaign_weeks: float
    campaign_visits: float
    campaign_hidden_kwh: float
    campaign_unvisited_kwh: float
    campaign_billed_kwh: float


BIG_TABLES = ("anomaly_scores", "stg_meter_readings", "meter_readings", "int_readings_hourly")
A_DAY, A_MILLION = "**a day of {meters:,} meters, … days before it**: ", "## A million meters"
PRINTED: Mapping[str, Printed | Mapping[int | str, Printed]] = {
    "run_s": {n: Printed(DAILY, A_DAY.format(meters=n) + "seconds of the run | | | # s") for n in FLEETS},
    "days_before": {
        n: Printed(DAILY, f"**a day of {n:,} meters, # days before it**: seconds of the run | | |") for n in FLEETS
    },
    "run_mb": {
        **{n: Printed(DAILY, A_DAY.format(meters=n) + "peak memory of the run's process | | | # MB") for n in FLEETS},
        MILLION: Printed(DAILY, "Peak memory: the run # MB", A_MILLION),
    },
    "million_s": Printed(DAILY, f"**a day of {MILLION:,} meters**: … | landing … s, run # s:", A_MILLION),
    "million_beside_minutes": Printed(
        DAILY, "other work took about half of both processors during the first # of its", A_MILLION, may_lack=True
    ),
    "million_landing_s": Printed(
        DAILY, f"**a day of {MILLION:,} meters**: … | landing # s, run", A_MILLION, may_lack=True
    ),
    "million_run_core_s": Printed(DAILY, "Processor seconds during the run, … : the run # s", A_MILLION),
    "million_postgres_core_s": Printed(DAILY, "Processor seconds during the run, … postgres # s", A_MILLION),
    "million_clickhouse_core_s": Printed(DAILY, "Processor seconds during the run, … clickhouse # s", A_MILLION),
    "million_cores": Printed(DAILY, "Processor seconds during the run, … that # cores have", A_MILLION),
    "million_delivered_gb": Printed(DAILY, "Disk: delivered files # GB", A_MILLION),
    "million_postgres_gb": Printed(DAILY, "Disk: … postgres # GB", A_MILLION),
    "million_clickhouse_gb": Printed(DAILY, "Disk: … clickhouse # GB", A_MILLION),
    "million_sorts_gb": Printed(DAILY, "# GB of them files that sorts need", A_MILLION, may_lack=True),
    "evidence_long_s": Printed(DETECTION, "| evidence, 112 days of traits read | 100,000 | # s |"),
    "evidence_short_s": Printed(DAILY, "| Python: theft_evidence | # |", "## a day of 100,000 meters"),
    "range_s": Printed(RESULTS, "**memory of a 30-day range, 1,000 meters**: … | # s for"),
    "year_s": Printed(YEAR, "**365 days of 1,000 meters**: … one backfill | # s,", may_lack=True),
    "year_first_chunk_s": Printed(YEAR, "the first chunk of all # s", may_lack=True),
    "year_last_chunk_s": Printed(YEAR, "whose windows are full | # s; the first chunk", may_lack=True),
    "land_and_load_s": Printed(RESULTS, "**landing and raw load, 480,000 rows**: … | # s ("),
    "load_s": Printed(RESULTS, "**raw load, 480,000 rows**: … | # s ("),
    "postgres_mb": {name: Printed(KEEPING, f"| `{name}` | # |") for name in BIG_TABLES},
    "postgres_rest_mb": Printed(KEEPING, "| all other tables together | # |"),
    "parts_mb": Printed(KEEPING, "| parts, … | # |"),
    "least_days": Printed(KEEPING, "| `stg_meter_readings` | … | # |"),
    "backup_mb": Printed(KEEPING, "Its backup of three days took # MB"),
    "served_readings": Printed(PAGES, "`python -m benchmarks readings` on … : # readings of"),
    "served_gb": Printed(PAGES, "`python -m benchmarks readings` on … meters, # GB in"),
    "pages_ms": Printed(PAGES, "| all of these | … | … | … | … | … | … / # |"),
    "demo_meters": Printed(README, "Days … · # meters ·"),
    "demo_days": Printed(README, "of … transformers on # days"),
    "demo_lost_mwh": Printed(README, "Energy in … non-technical # MWh"),
    "demo_lost_xaf": Printed(README, "Energy in … ≈ # XAF"),
    "campaign_meters": Printed(CAMPAIGNS, "`python -m benchmarks.campaigns`: # meters"),
    "campaign_weeks": Printed(CAMPAIGNS, "before the first list and # campaigns"),
    "campaign_visits": Printed(CAMPAIGNS, "| visits to meters | #,"),
    "campaign_hidden_kwh": Printed(CAMPAIGNS, "| hidden in these weeks | # kWh;"),
    "campaign_unvisited_kwh": Printed(CAMPAIGNS, "| hidden in these weeks | … kWh; # kWh in the city"),
    "campaign_billed_kwh": Printed(CAMPAIGNS, "| billed afterwards | # kWh"),
}
"""By the names of Measured."""


def measured() -> Measured:
    """What the pages of this checkout print. Raises LookupError as Printed.read does."""
    return Measured(
        **{
            name: place.read() if isinstance(place, Printed) else {key: one.read() for key, one in place.items()}
            for name, place in PRINTED.items()
        }
    )


def by_meters(text: str, row: str) -> dict[int, float]:
    """A row of the first table of CLICKHOUSE_MODELS.md whose columns are fleets; empty where there is none."""
    head = re.search(r"^\| seconds \|(.*)\|$", text, re.MULTILINE)
    found = re.search(rf"^\| {re.escape(row)} \|(.*)\|$", text, re.MULTILINE)
    if not head or not found:
        return {}
    meters = [int(cell.split()[0].replace(",", "")) for cell in head[1].split("|")]
    return dict(zip(meters, (float(cell.replace(",", "")) for cell in found[1].split("|")), strict=True))


def told(text: str, words: str) -> str | None:
    """What a line says behind `words`, which it begins with."""
    found = re.search(rf"^{re.escape(words)}(.*)$", text, re.MULTILINE)
    return found[1].strip() if found else None


def measured_on(page: str, command: str) -> str | None:
    """When `command` wrote its part of the page, and on what processors, as the page says it."""
    head = re.search(
        rf"`{re.escape(command)}` on (\d{{4}}-\d\d-\d\d).*?^- machine: ([^,\n]+)",
        text_of(page),
        re.MULTILINE | re.DOTALL,
    )
    return f"{head[1]} on {head[2]}" if head else None


@lru_cache
def text_of(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


@lru_cache
def _pattern(words: str) -> re.Pattern[str]:
    return re.compile("".join(LIKE.get(letter) or re.escape(letter) for letter in words))
