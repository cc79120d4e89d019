"""What simulating costs: a million meter-days to Parquet, truth included, and whether memory grows with the days.

What belongs here: time and memory. What does not: how real the fleet is (real_meters.py).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.homes import Usage, run
from benchmarks.measure import Measure
from energy_assets.home import Home

METERS, DAYS = 10_000, 100
FEW_DAYS = 10
GOAL_SECONDS = 60
MOST_GROWTH = 1.1
MB = 1e6


def measure() -> Iterator[Measure]:
    few, many = simulated(FEW_DAYS), simulated(DAYS)
    yield Measure(
        name="simulate",
        what=f"{METERS:,} meters × {DAYS} days with every landing source and the truth, to Parquet",
        value=many.seconds,
        unit="s",
        goal=GOAL_SECONDS,
        better="lower",
        ours=f"{METERS * DAYS / many.seconds:,.0f} meter-days/s",
    )
    yield Measure(
        name="simulate, memory",
        what=f"peak resident memory of {DAYS} days / of {FEW_DAYS} days",
        value=many.peak_bytes / few.peak_bytes,
        unit="",
        goal=MOST_GROWTH,
        better="lower",
        ours=f"{many.peak_bytes / MB:,.0f} MB",
        bare=f"{few.peak_bytes / MB:,.0f} MB",
    )


def simulated(days: int) -> Usage:
    with tempfile.TemporaryDirectory(prefix="energy-bench-") as directory:
        arguments = ("--meters", str(METERS), "--days", str(days), "--out", f"{directory}/fleet")
        return run(Home(Path(directory) / "home"), "simulate", *arguments)
