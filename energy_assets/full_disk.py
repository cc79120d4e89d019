"""A full disk, wherever it shows: told from other errors by its words, named, and with what to do.

What belongs here: that. What does not: how much room there is before it is too late (embedded/doctor.py, alert rules).
"""

from __future__ import annotations

import os
import shutil

from energy_assets.home import Home

SIGNS = ("No space left on device", "NOT_ENOUGH_SPACE", "DiskFull")
"""The system's own words, which Postgres and Python repeat; ClickHouse's and psycopg2's names for it."""
FULL_BYTES = 32 * 1024**2
"""With less than this free no store can write on."""
REMEDY = "free room there, then give the same command again: nothing was left half written"


def is_full_disk(error: BaseException | str) -> bool:
    """Whether the error, or what it was raised from, says that a disk is full."""
    while isinstance(error, BaseException):
        if any(sign in f"{type(error).__name__} {error}" for sign in SIGNS):
            return True
        error = error.__cause__ or error.__context__ or ""
    return any(sign in error for sign in SIGNS)


def full_places(home: Home) -> list[str]:
    """Directories of `home` that lie on a full disk, the outermost of each disk."""
    found: dict[int, str] = {}
    parts = (home.postgres, home.clickhouse, home.parts, home.landing, home.models, home.dagster, home.logs)
    for place in (home.path, *parts):
        if place.exists() and shutil.disk_usage(place).free < FULL_BYTES:
            found.setdefault(place.stat().st_dev, os.path.realpath(place))
    return list(found.values())


def message(error: BaseException | str, home: Home | None) -> str:
    """What to tell a person: which disk, in which words the system said so, and what to do."""
    places = full_places(home) if home else []
    said = next((line for line in str(error).splitlines() if any(sign in line for sign in SIGNS)), str(error))
    where = f"the disk of {' and of '.join(places)}" if places else "a disk"
    return f"{where} is full: {said.strip()}\n→ {REMEDY}; energy-assets doctor shows how much room there is"
