"""Loading the code location, beside importing the libraries that it cannot do without.

What is compared: `import energy_assets.definitions` against `import dagster, dagster_dbt`, each in a fresh interpreter with
bytecode in place. Fair because the platform is a Dagster code location with dbt models: it can never load faster than these
two; what lies between is ours. Seconds are processor time of the import statement, which waits for nothing and is spared
the machine's other work; the ratio is of times, ours ÷ bare.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from statistics import median

from benchmarks.homes import temporary_home
from benchmarks.measure import Measure

TIMED = "import time; started = time.process_time(); import {modules}; print(time.process_time() - started)"
# The same two come first in both: CPython 3.11 maps and unmaps a chunk of its stack with every call that crosses its end,
# so that the same import, one level deeper, can take a quarter of a second more or less.
OURS, BARE = "dagster, dagster_dbt, energy_assets.definitions", "dagster, dagster_dbt"
ROUNDS = 5
GOAL = 1.3


def measure() -> Iterator[Measure]:
    with temporary_home() as home:
        environment = {**os.environ, "ENERGY_HOME": str(home.path)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for modules in (OURS, BARE):
            import_seconds(modules, environment)  # compiles what is not compiled yet
        taken = [(import_seconds(OURS, environment), import_seconds(BARE, environment)) for _ in range(ROUNDS)]
    ours, bare = (median(column) for column in zip(*taken, strict=True))
    yield Measure(
        name="import of the code location",
        what="seconds to import energy_assets.definitions ÷ seconds to import dagster and dagster_dbt",
        value=ours / bare,
        unit="",
        goal=GOAL,
        better="lower",
        ours=f"{ours:.2f} s",
        bare=f"{bare:.2f} s",
    )


def import_seconds(modules: str, environment: dict[str, str]) -> float:
    code = TIMED.format(modules=modules)
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    return float(done.stdout)
