"""The programs behind a home's pages: the command of each, whether the UI starts them all or a container one alone.

What belongs here: commands, and the file that tells Dagster's programs where the code is. What does not: starting, watching, stopping (ui.py, part.py).
"""

from __future__ import annotations

import sys
from pathlib import Path

from energy_assets.home import Home, write_atomically
from energy_assets.operations.instance import LOCATION

WORKSPACE = """\
# Written by `energy-assets ui` and `part`.
load_from:
  - grpc_server:
      host: {host}
      port: {port}
      location_name: {name}
"""

Command = list[str]


def code_server(home: Home, host: str, port: int) -> Command:
    """Serves the code location."""
    return _dagster(
        home, "dagster", "code-server", "start", "-m", "energy_assets.definitions", "-h", host, "-p", str(port)
    )


def daemon(home: Home, workspace: Path) -> Command:
    """Runs sensors, schedules and what is queued."""
    return _dagster(home, "dagster-daemon", "run", "-w", str(workspace))


def page(home: Home, host: str, port: int, workspace: Path) -> Command:
    """Serves Dagster's page."""
    return _dagster(home, "dagster-webserver", "-h", host, "-p", str(port), "-w", str(workspace))


def docs(home: Home, port: int) -> Command:
    """Serves Data Docs and dbt docs."""
    return module("energy_assets.operations.docs_server", str(home.path), str(port))


def written_workspace(home: Home, host: str, port: int) -> Path:
    """The file that names the code server, for the daemon and the page."""
    file = home.dagster / "workspace.yaml"
    write_atomically(file, WORKSPACE.format(host=host, port=port, name=LOCATION))
    return file


def module(name: str, *arguments: str) -> Command:
    """A module run by this Python."""
    return [sys.executable, "-m", name, *arguments]


def _dagster(home: Home, program: str, *arguments: str) -> Command:
    return module("energy_assets.operations.service", str(home.path), program, *arguments)
