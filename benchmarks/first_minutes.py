"""What a newcomer waits for: the demo in a new home, the same again, and the pages that `energy-assets ui` then serves.

What is measured: the wall time of `energy-assets demo`, as a process from start to end, into an empty home and then once more, where all is done already; the time
until the page answers; and for each of Dagster's pages that an engineer opens first, the time in Chromium until half a second went by without a request, less
that half second. Pages: the first opening with an empty cache, then the median of three. No bare tool does this, so that goals are seconds.
"""

from __future__ import annotations

import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page

from benchmarks.browser import CHROMIUM, NONE, launched
from benchmarks.homes import COMMAND, run
from benchmarks.measure import Measure, seconds_of
from energy_assets.embedded import supervisor
from energy_assets.home import Home

COLD_GOAL, WARM_GOAL, SERVED_GOAL, PAGE_GOAL = 300.0, 30.0, 30.0, 3.0
IDLE_SECONDS, OPENED_AGAIN = 0.5, 3
PAGES = {
    "runs by time": "/overview/activity/timeline",
    "the graph": "/asset-groups",
    "a table's days": "/assets/staging/stg_meter_readings?view=partitions&partition=2024-02-01",
    "a gate's checks": "/assets/quality/stg_meter_readings_checkpoint?view=checks",
    "runs": "/runs",
}


def measure() -> Iterator[Measure]:
    with tempfile.TemporaryDirectory(prefix="energy-bench-") as root:
        home = Home(Path(root) / "demo")
        try:
            yield _seconds("the demo, in a new home", run(Home(Path(root)), "demo").seconds, COLD_GOAL)
            yield _seconds("the demo, where all is done", run(Home(Path(root)), "demo").seconds, WARM_GOAL)
            with served(home) as (address, waited):
                yield _seconds("`energy-assets ui` until the page answers", waited, SERVED_GOAL)
                yield from opened(address)
        finally:
            supervisor.down(home)


@contextmanager
def served(home: Home) -> Iterator[tuple[str, float]]:
    """The address of the home's page, and the seconds that it took."""
    started = time.perf_counter()
    process = subprocess.Popen([*COMMAND, "--home", str(home.path), "ui"], stdout=subprocess.PIPE, text=True)
    try:
        said = ""
        for line in process.stdout:
            said += line
            if "(Ctrl-C stops it)" in line:
                break
        address = re.search(r"http://[^\s/]+", said)
        if address is None:
            raise RuntimeError(f"`energy-assets ui` did not serve:\n{said[-2000:]}")
        yield address.group(), time.perf_counter() - started
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def opened(address: str) -> Iterator[Measure]:
    """Each page; none where there is no browser, which is told."""
    if CHROMIUM is None:
        print(NONE, file=sys.stderr)
        return
    with launched() as browser:
        for name, path in PAGES.items():
            page = browser.new_context().new_page()
            first = opening(page, address + path)
            again = [opening(page, address + path) for _ in range(OPENED_AGAIN)]
            page.context.close()
            yield _seconds(f"page: {name}", first, PAGE_GOAL, f"again {statistics.median(again):.2f} s")


def opening(page: Page, address: str) -> float:
    """Seconds until the page asks for nothing more."""
    return max(0.0, seconds_of(lambda: page.goto(address, wait_until="networkidle", timeout=60_000)) - IDLE_SECONDS)


def _seconds(name: str, value: float, goal: float, ours: str = "") -> Measure:
    return Measure(name, "seconds", value, "s", goal, "lower", ours)
