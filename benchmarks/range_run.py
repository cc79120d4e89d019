"""A 30-day range in one run, beside the same days one run each.

What is compared: one `energy-assets backfill` over 30 days of 100 meters, as a process from start to end, against 30 times the
median of three `energy-assets materialize --day`: extrapolated, because 30 would take ten minutes. Fair because both write
the same rows through the same gates; the single runs come second and find their models fitted, which speeds them up.
The ratio is of times, range ÷ 30 singles.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from benchmarks.homes import landed_home, run
from benchmarks.measure import Measure

METERS, DAYS, SINGLES = 100, 30, 3
GOAL = 0.2


def measure() -> Iterator[Measure]:
    with landed_home(METERS, DAYS) as home:
        first, last = home.calendar().first_day, home.calendar().last_day
        whole = run(home, "backfill", "--from", str(first), "--to", str(last)).seconds
        days = [last.replace(day=last.day - back) for back in range(SINGLES)]
        single = median(run(home, "materialize", "--day", str(day)).seconds for day in days)
    yield Measure(
        name=f"{DAYS}-day range, {METERS} meters",
        what=f"seconds of one range run ÷ seconds of {DAYS} single runs (extrapolated from {SINGLES})",
        value=whole / (DAYS * single),
        unit="",
        goal=GOAL,
        better="lower",
        ours=f"{whole:.1f} s",
        bare=f"{DAYS} × {single:.1f} s",
    )
