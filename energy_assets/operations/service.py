"""Run one of Dagster's programs with its own messages also in the home's log for machines.

What belongs here: that. What does not: which programs (ui.py), what a line holds (logs.py).

Run by `energy-assets ui`: python -m energy_assets.operations.service HOME PROGRAM ARGUMENTS…
"""

from __future__ import annotations

import sys
from importlib.metadata import entry_points

from energy_assets.home import Home
from energy_assets.logs import configure
from energy_assets.operations.own_page import guard
from energy_assets.settings import settings

WEB_SERVER = "dagster-webserver"


def main(home: str, program: str, *arguments: str) -> None:
    configure(Home.at(home), settings().log_level)
    if program == WEB_SERVER:
        guard()
    (script,) = entry_points(group="console_scripts", name=program)
    sys.argv = [program, *arguments]
    script.load()()


if __name__ == "__main__":
    main(*sys.argv[1:])
