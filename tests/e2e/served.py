"""A home served by `energy-assets ui` and a page of a real browser on it, for the tests of this folder.

What belongs here: starting, looking, clicking, ending. What does not: what should be seen (test_ui.py).
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Page, Response, expect
from support import commands

from energy_assets.embedded import supervisor
from energy_assets.home import Home
from energy_assets.operations.ui import MARK
from energy_assets.resources.serving import Serving
from energy_assets.resources.warehouse import Warehouse
from energy_assets.simulation import simulate, simulate_readings

METERS = 6
CITY_METERS, CITY_DAYS, RED_DAY, RED = 60, 32, date(2024, 1, 4), 3
"""Days for a week to learn from, for scores, and for cases that opened on three of five days."""
VISITS = """meter_id,inspected_on,outcome,recovered_kwh,selection
M000020,2024-01-22,clean,,random
M000043,2024-01-23,theft,300,ranked
M000002,2024-01-24,clean,,ranked
M000051,2024-01-24,clean,,random
"""
"""Two of them to the first two places of the list of the day before."""
DAYS = 7
"""The simulation also writes the day after, for a delivery beyond the calendar."""
RED_MORNING = date(2024, 1, 2)
"""Between two sound days: the last thing that the range says is not about it."""

expect.set_options(timeout=30_000)

RED_RUN = ".bp5-popover div:has(> [class*=runStatusDot][style*=accent-red]) > a"
"""The link of a failed run, where the timeline tells of the runs under the pointer; it lists them in no order."""


@dataclass
class Served:
    """A home, the files of its fleet, and the `energy-assets ui` that serves it."""

    home: Home
    files: Path
    process: subprocess.Popen[str] | None = None
    url: str = ""
    said: str = ""
    """What `energy-assets ui` printed when the page answered."""

    @property
    def defective(self) -> Path:
        return self.files.parent / "defective"

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse(home=str(self.home.path))

    @property
    def serving(self) -> Serving:
        return Serving(home=str(self.home.path))

    def start(self) -> str:
        """Serve the home; what the command said once the page answered."""
        self.process = commands.start(self.home, "ui")
        self.said = ""
        for line in self.process.stdout:
            self.said += line
            if "(Ctrl-C stops it)" in line:
                self.url = line.split()[1]
            if line.startswith("Data Docs"):
                return self.said
        pytest.fail(f"energy-assets ui ended (code {self.process.wait()}):\n{self.said}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the UI by a signal and wait for it."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.communicate(timeout=60)
            self.process = None

    def processes(self) -> list[str]:
        """Command lines of what the UI started and still lives."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == str(self.home.path) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(" ".join(process.cmdline()))
            except psutil.Error:
                continue
        return found

    def version(self, table: str, day: str) -> int:
        """The number of the day's last write."""
        return self.warehouse.rows(
            "select version from quality.day_versions where table_name = %s and reading_date = %s", (table, day)
        )[0][0]


@dataclass
class Watched:
    """A page and the answers of the server that it got."""

    page: Page
    answers: list[Response] = field(default_factory=list)

    def open(self, url: str) -> None:
        """Open `url` and wait until its requests have come to rest."""
        self.page.goto(url)
        self.page.wait_for_load_state("networkidle")

    def errors(self) -> list[str]:
        """What went wrong on the server or in its code, as the page was told since the last look."""
        answers, self.answers[:] = list(self.answers), []
        return [f"{answer.status} {answer.url}" for answer in answers if answer.status >= 400] + [
            answer.text()[:2000]
            for answer in answers
            if answer.url.endswith("/graphql") and answer.ok and '"PythonError"' in answer.text()
        ]


@contextmanager
def city_home() -> Iterator[Served]:
    """A historical home of three weeks of a city with thieves, two weeks of visits and a red day, run by the command line."""
    directory = Path(tempfile.mkdtemp(prefix="energy-e2e-"))
    served = Served(Home(directory / "home"), directory / "city")
    try:
        simulate(CITY_METERS, CITY_DAYS, 1, served.files, transformers=3, theft_rate=0.2, red_days=[RED_DAY])
        (served.files / "inspections" / "visits.csv").write_text(VISITS)
        commands.run(directory, "--home", str(served.home.path), "ingest", str(served.files), "--historical", code=RED)
        yield served
    finally:
        supervisor.down(served.home)
        shutil.rmtree(directory)


@contextmanager
def served_home(days: int, *, red: bool = False) -> Iterator[Served]:
    """A historical home of `days` days that the command line ran, with its UI not started yet.

    `files` are sound; where `red`, RED_MORNING's file came with a quarter of its rows lacking their meter. Either way
    such a file lies in `defective`.
    """
    directory = Path(tempfile.mkdtemp(prefix="energy-e2e-"))
    served = Served(Home(directory / "home"), directory / "fleet")
    try:
        simulate_readings(meters=METERS, days=days + 1, seed=3, out=served.files)
        simulate_readings(meters=METERS, days=days, seed=3, out=served.defective, red_days=[RED_MORNING])
        delivered = directory / "delivered" / "meter_readings"
        delivered.mkdir(parents=True)
        for path in sorted((served.files / "meter_readings").iterdir())[:days]:
            as_delivered = served.defective if red and path.stem == str(RED_MORNING) else served.files
            shutil.copy(as_delivered / "meter_readings" / path.name, delivered)
        code = RED if red else 0
        commands.run(
            directory, "--home", str(served.home.path), "ingest", str(delivered.parent), "--historical", code=code
        )
        yield served
    finally:
        served.stop()
        supervisor.down(served.home)
        shutil.rmtree(directory)
