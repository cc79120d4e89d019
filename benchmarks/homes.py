"""Homes to measure in: temporary, with stores of their own; and the command line, run as a user runs it.

What belongs here: making a home, filling its landing zone, running a command with its time and memory.
What does not: what is measured.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from energy_assets.embedded import supervisor
from energy_assets.home import Home
from energy_assets.operations.ingest import look, prepare_home
from energy_assets.operations.stores import bring_up
from energy_assets.simulation import simulate_readings

COMMAND = (str(Path(sys.executable).with_name("energy-assets")),)
SETTLED = {"ENERGY_SETTLE_SECONDS": "0"}
"""Delivered files are whole: nothing is waited for."""
RED = 3
"""What a command ends with where a day is red: some of a simulated city are."""


@dataclass(frozen=True)
class Usage:
    """What a command took. `peak_bytes` is the resident memory of its largest process."""

    seconds: float
    peak_bytes: int
    processor_seconds: float


@contextmanager
def temporary_home() -> Iterator[Home]:
    """A home without stores yet; stopped and removed at the end."""
    directory = Path(tempfile.mkdtemp(prefix="energy-bench-"))
    home = Home(directory / "home")
    try:
        yield home
    finally:
        supervisor.down(home)
        shutil.rmtree(directory)


@contextmanager
def delivered_home(meters: int, days: int, simulated: Callable[..., object]) -> Iterator[Home]:
    """A home with running stores, where a fleet's files wait in the landing zone."""
    with temporary_home() as home:
        simulated(meters=meters, days=days, seed=1, out=home.landing)
        prepare_home(home, look(home.landing, home), is_historical=True)
        bring_up(home)
        yield home


@contextmanager
def landed_home(meters: int, days: int, simulated: Callable[..., object] = simulate_readings) -> Iterator[Home]:
    """A home with running stores, where a fleet's files, of readings alone or of a whole city (simulate), have landed and no day has run."""
    with delivered_home(meters, days, simulated) as home:
        land_all(home)
        yield home


def land_all(home: Home) -> None:
    """Read what waits in the landing zone, in a process of its own: the calendar is read once a process."""
    landing = multiprocessing.get_context("spawn").Process(target=land, args=(home,))
    landing.start()
    landing.join()
    if landing.exitcode:
        raise RuntimeError(f"landing failed with exit code {landing.exitcode}")


def land(home: Home) -> None:
    """The same, in this process."""
    os.environ.update(SETTLED)
    from energy_assets.operations.runs import Runner

    os.environ["ENERGY_HOME"] = str(home.path)
    with Runner(home) as runner:
        runner.land()


def run(home: Home, *arguments: str, command: tuple[str, ...] = COMMAND, codes: Collection[int] = (0,)) -> Usage:
    """Run a command on `home` to its end.

    Raises RuntimeError with the end of what it printed where it ends with none of `codes`.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            [*command, *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment | {"ENERGY_HOME": str(home.path)},
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in codes:
            output.seek(0)
            raise RuntimeError(f"{' '.join(arguments)} failed:\n{output.read().decode(errors='replace')[-3000:]}")
    return Usage(seconds, usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime)
