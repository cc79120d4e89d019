"""A day of delivered readings into Postgres, beside what a user would pick instead: pandas, dlt, and a copier in Rust.

What is compared: landing and raw load as raw_load.py has them (the CSV hashed, read, checked, parted by local day; then the raw day) against each of
loader_scripts.py, from the same CSV into an emptied table without an index. Fair to the others, which check nothing, keep no record, and whose
imports are not counted. They have an environment of their own, which is made where it is missing. The ratio is of speeds, ours ÷ theirs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path

from benchmarks import loader_scripts
from benchmarks.homes import temporary_home
from benchmarks.measure import Measure, alternately, speed
from benchmarks.raw_load import CALENDAR, READINGS, SLOTS, Ours, bare_table, write_day
from energy_assets.home import Home
from energy_assets.operations.stores import bring_up
from energy_assets.resources.warehouse import Warehouse

METERS = 2_000
GOAL = 1.0
TOOLS = Path(sys.prefix) / "tools" / "loaders"
PACKAGES = (
    "dlt[postgres]==1.31.0",
    "pandas==3.1.1",
    "pgpq==0.12.0",
    "psycopg[binary]==3.3.9",
    "psycopg2-binary==2.9.13",
    "pyarrow==26.0.1",
)


def measure() -> Iterator[Measure]:
    python = installed()
    with temporary_home() as home, tempfile.TemporaryDirectory() as scratch:
        home.write_calendar(CALENDAR)
        bring_up(home)
        yield from beside_others(home, python, scratch)


def beside_others(home: Home, python: Path, scratch: str) -> Iterator[Measure]:
    path = write_day(home.landing / READINGS.name / f"{METERS}.csv", METERS)
    warehouse, ours = Warehouse(home=str(home.path)), Ours(home, path, METERS)
    bare_table(warehouse)

    def other(name: str) -> float:
        with warehouse.transaction(as_loader=True) as connection, connection.cursor() as cursor:
            cursor.execute("truncate raw_data.by_hand_day")
        known = {"DSN": warehouse.connections.loader_dsn, "DLT_DATA_DIR": scratch, "RUNTIME__DLTHUB_TELEMETRY": "false"}
        command = [python, loader_scripts.__file__, name, path]
        done = subprocess.run(command, env=os.environ | known, stdout=subprocess.PIPE, check=True, text=True)
        return float(done.stdout.split()[-1])

    def both() -> None:
        ours.read()
        ours.load()

    taken = alternately(both, rounds=5)[0]
    what = "speed from landed CSV, read and checked, to the raw day ÷ speed of theirs from the same CSV"
    for name in loader_scripts.LOADERS:
        theirs = min(other(name) for _ in range(2))
        yield speed(f"landing and raw load beside {name}", what, METERS * SLOTS, taken, theirs, goal=GOAL)


def installed() -> Path:
    """The Python that has the other loaders."""
    python = TOOLS / "bin" / "python"
    if not python.exists():
        venv.create(TOOLS, with_pip=True)
        quiet = ("--quiet", "--disable-pip-version-check")
        subprocess.run([python, "-m", "pip", "install", *quiet, *PACKAGES], check=True)
    return python
