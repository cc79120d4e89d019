"""A month of a city of 1,000 meters in one range run: its peak memory; and then one more day, whose time is itemised.

What is measured: resident memory of the largest process of `energy-assets backfill` over 30 days, as the kernel accounts for
it (the servers are other processes, with limits of their own); and the wall time of `energy-assets materialize --day` on the
31st, a home's daily work with a month behind it, split by accounts.py. The day is a Wednesday: its week's model exists.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path

from benchmarks.accounts import DATABASES, IMPORTS, LEARNING
from benchmarks.homes import RED, landed_home, run
from benchmarks.measure import Measure
from energy_assets.home import Home
from energy_assets.simulation import simulate

METERS, DAYS = 1_000, 31
PEAK_GOAL_MB, OVERHEAD_GOAL = 1000.0, 45.0


def measure() -> Iterator[Measure]:
    with landed_home(METERS, DAYS, partial(simulate, format="csv")) as home:
        first, last = home.calendar().first_day, home.calendar().last_day
        month = run(home, "backfill", "--from", str(first), "--to", str(last - timedelta(days=1)), codes=(0, RED))
        yield Measure(
            name=f"memory of a {DAYS - 1}-day range, {METERS:,} meters",
            what="peak resident memory of the run's process",
            value=month.peak_bytes / 1e6,
            unit="MB",
            goal=PEAK_GOAL_MB,
            better="lower",
            ours=f"{month.seconds:.1f} s for {METERS * 48 * (DAYS - 1):,} readings",
        )
        items = itemised(home, "materialize", "--day", str(last))
    overhead = sum(seconds for name, seconds in items.items() if not name.startswith((DATABASES, LEARNING)))
    yield Measure(
        name=f"overhead of a daily run, {METERS:,} meters",
        what="seconds of one day's run that are neither databases nor scikit-learn",
        value=overhead,
        unit="s",
        goal=OVERHEAD_GOAL,
        better="lower",
        ours=f"{sum(items.values()):.1f} s in all",
        items=items,
    )


def itemised(home: Home, *arguments: str) -> dict[str, float]:
    """Seconds of a command by what they went to; they add up to its wall time."""
    account = home.path / "account.json"
    started = time.time()
    usage = run(home, str(account), *arguments, command=(sys.executable, "-m", "benchmarks.accounts"), codes=(0, RED))
    return _whole(json.loads(Path(account).read_text()), started, usage.seconds)


def _whole(account: Mapping[str, float], started: float, seconds: float) -> dict[str, float]:
    """The account with what lies before and after it, small imports taken together, the largest first."""
    items = {name: value for name, value in account.items() if name not in ("began", "ended")}
    small = {name for name, value in items.items() if name.startswith(IMPORTS) and value < 0.1}
    items[f"{IMPORTS}the others"] = sum(items.pop(name) for name in small)
    items["interpreter: start and stop"] = seconds - (account["ended"] - account["began"])
    assert account["began"] >= started
    return dict(sorted(items.items(), key=lambda item: -item[1]))
