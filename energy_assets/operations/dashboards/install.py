"""Superset's own virtual environment, from its own lock: it needs versions of pandas and SQLAlchemy that ours cannot have.

What belongs here: making it, once for each lock. What does not: starting what is in it (service.py).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from energy_assets.dashboards.bundle import SUPERSET
from energy_assets.operations.errors import OperationError

LOCK = SUPERSET / "requirements.lock"
ENVIRONMENT = Path(sys.prefix) / "tools" / "superset"
PYTHON = ENVIRONMENT / "bin" / "python"
STAMP = ".installed"
NEWEST_PYTHON = (3, 12)
"""The lock's numpy and pandas have no wheels for newer ones."""

Say = Callable[[str], None]


def ensure_installed(say: Say, environment: Path = ENVIRONMENT, lock: Path = LOCK) -> None:
    """Have the packages of `lock`, and no others, in `environment`; nothing is done where they are there already.

    Raises OperationError where there is no Python for them, or where they cannot be installed.
    """
    if is_installed(environment, lock):
        return
    interpreter = suitable_python()
    with _making(environment) as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if is_installed(environment, lock):
            return
        say(f"installing Superset into {environment}: half a minute to two, about 0.9 GB")
        _run([interpreter, "-m", "venv", "--clear", "--without-pip", str(environment)])
        _install(environment, lock, say)
        (environment / STAMP).write_text(lock_hash(lock), encoding="utf-8")


def is_installed(environment: Path = ENVIRONMENT, lock: Path = LOCK) -> bool:
    """Whether `environment` was made from this very `lock`, to the end."""
    stamp = environment / STAMP
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == lock_hash(lock)


def suitable_python(version: tuple[int, int] = sys.version_info[:2]) -> str:
    """This Python, of `version`, or an older one beside it where this is too new. Raises OperationError where there is none."""
    if version <= NEWEST_PYTHON:
        return sys.executable
    for name in ("python3.12", "python3.11"):
        if found := shutil.which(name):
            return found
    raise OperationError(
        f"Superset needs Python 3.11 or 3.12, and this is {version[0]}.{version[1]}: install one of those beside it, then run it again"
    )


def _making(environment: Path) -> TextIO:
    """The file that is locked while `environment` is made. Raises OperationError where this user may not make it."""
    try:
        environment.parent.mkdir(parents=True, exist_ok=True)
        return environment.with_name(f".{environment.name}.lock").open("w")
    except PermissionError as error:
        raise OperationError(
            f"Superset belongs into {environment}, which another user owns: run `energy-assets dashboards` once as that user"
        ) from error


def _install(environment: Path, lock: Path, say: Say) -> None:
    options = ["--quiet", "--no-deps", "--require-hashes", "--requirement", str(lock)]
    into = str(environment / "bin" / "python")
    uv = Path(sys.executable).with_name("uv")
    if uv.is_file():
        try:
            _run([str(uv), "pip", "install", "--python", into, "--compile-bytecode", *options])
            return
        except OperationError as error:
            # uv does not read pip's configuration: where an index or a proxy stands only there, pip knows the way.
            say(f"uv could not install it, trying pip: {str(error).splitlines()[-1]}")
    _run([sys.executable, "-m", "pip", "--python", into, "install", "--compile", *options])


def _run(command: list[str]) -> None:
    # Without bytecode each start of Superset would compile a thousand modules anew.
    known = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, env=known, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stdout + done.stderr).strip()[-2000:]
        raise OperationError(
            f"Superset could not be installed ({' '.join(command[:3])} … answered {done.returncode}):\n{said}"
        )


def lock_hash(lock: Path) -> str:
    """What the stamp of an installation made from `lock` says."""
    return hashlib.sha256(lock.read_bytes()).hexdigest()
