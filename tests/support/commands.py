"""Commands and scripts on a home, each in a process of its own: a process has one calendar.

What belongs here: starting them with the home's environment. What does not: what they should come to.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from energy_assets.home import Home

CLI = Path(sys.executable).with_name("energy-assets")
NOT_INHERITED = ("ENERGY_", "DAGSTER_", "DBT_", "POSTGRES_URL", "CLICKHOUSE_URL")


def environment(home: Home | Path) -> dict[str, str]:
    """The environment of a process that acts on `home` (or on the root of homes) and on nothing of the tester's own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)}
    path = home.path if isinstance(home, Home) else home
    return inherited | {"ENERGY_HOME": str(path), "ENERGY_SETTLE_SECONDS": "0"}


def start(home: Home | Path, *arguments: str, **settings: str) -> subprocess.Popen[str]:
    """Start `energy-assets` with `arguments`; `settings` are further environment variables."""
    return subprocess.Popen(
        [str(CLI), *arguments],
        env=environment(home) | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen[str], *, code: int = 0, timeout: float = 300) -> str:
    """What the process printed. Fails where it does not exit with `code`."""
    printed, _ = process.communicate(timeout=timeout)
    assert process.returncode == code, f"exit code {process.returncode}, not {code}:\n{printed}"
    return printed


def run(home: Home | Path, *arguments: str, code: int = 0, timeout: float = 300, **settings: str) -> str:
    """Run `energy-assets` with `arguments`; what it printed. Fails where it does not exit with `code`."""
    return finish(start(home, *arguments, **settings), code=code, timeout=timeout)
