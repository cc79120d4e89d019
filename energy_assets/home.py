"""Where a utility's state lives: one directory a *home*, with its own stores, landing zone, parts and models.

What belongs here: the paths of a home, its calendar (`energy.toml`), and which home is the current one.
What does not: settings that come from the environment (settings.py), and anything that starts a process.

`$ENERGY_HOME` (default `.energy`) is either a home itself (it holds `energy.toml`) or the root of several,
whose `current` file names the one that commands act on.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import tomlkit
from tomlkit.exceptions import TOMLKitError

CALENDAR_FILE = "energy.toml"
CURRENT_FILE = "current"
DEFAULT_ROOT = Path(".energy")
DEFAULT_TIMEZONE = "Africa/Douala"


class HomeError(Exception):
    """A home that is missing, or that holds something else than what was asked; the message names the remedy."""


@dataclass(frozen=True)
class Calendar:
    """The utility's days: local days of `timezone`, from `first_day`, up to `last_day` where the home is historical."""

    timezone: str
    first_day: date
    last_day: date | None = None

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise HomeError(
                f"{self.timezone!r} is no IANA time zone: use a name such as Africa/Douala or Europe/London"
            ) from error
        if self.last_day is not None and self.last_day < self.first_day:
            raise HomeError(f"last_day {self.last_day} is before first_day {self.first_day}")

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def is_historical(self) -> bool:
        return self.last_day is not None

    def including(self, first: date, last: date) -> Calendar:
        """The calendar that also holds `first` to `last`; a live one has no last day and needs none."""
        return Calendar(
            self.timezone,
            min(self.first_day, first),
            max(self.last_day, last) if self.last_day is not None else None,
        )


@dataclass(frozen=True)
class Home:
    """The paths of one home. Nothing is created by naming it."""

    path: Path

    @classmethod
    def at(cls, path: str | Path) -> Home:
        return cls(Path(path).absolute())

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def calendar_file(self) -> Path:
        return self.path / CALENDAR_FILE

    @property
    def credentials_file(self) -> Path:
        """Generated passwords, mode 0600."""
        return self.path / "credentials.toml"

    @property
    def ports_file(self) -> Path:
        return self.path / "ports.toml"

    @property
    def stores_lock(self) -> Path:
        """Held while the stores are started or stopped."""
        return self.path / ".stores.lock"

    @property
    def landing(self) -> Path:
        return self.path / "landing"

    @property
    def mappings(self) -> Path:
        """The user's own dialect mappings, beside the ones that are shipped."""
        return self.path / "mappings"

    @property
    def parts(self) -> Path:
        return self.path / "parts"

    @property
    def models(self) -> Path:
        return self.path / "models"

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    @property
    def clickhouse(self) -> Path:
        return self.path / "clickhouse"

    @property
    def dagster(self) -> Path:
        return self.path / "dagster"

    @property
    def superset(self) -> Path:
        """What Superset caches; all else that it knows is in Postgres."""
        return self.path / "superset"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def dbt_target(self) -> Path:
        return self.path / "dbt"

    @property
    def data_docs(self) -> Path:
        """Great Expectations' site of the newest verdicts; absent until it was built."""
        return self.path / "data_docs"

    @property
    def data_docs_index(self) -> Path:
        return self.data_docs / "index.html"

    @property
    def dbt_docs(self) -> Path:
        """dbt's documentation of the project; absent until it was built."""
        return self.path / "dbt_docs"

    @property
    def dbt_docs_index(self) -> Path:
        return self.dbt_docs / "index.html"

    def exists(self) -> bool:
        return self.calendar_file.is_file()

    def calendar(self) -> Calendar:
        """The calendar as stored.

        Raises HomeError where the home has none or its file cannot be read.
        """
        if not self.exists():
            raise HomeError(f"no home at {self.path}: run `energy-assets demo` or `energy-assets ingest DIR` first")
        try:
            stored = tomlkit.parse(self.calendar_file.read_text(encoding="utf-8")).unwrap()
            last_day = stored.get("last_day")
            return Calendar(stored["timezone"], _day(stored["first_day"]), None if last_day is None else _day(last_day))
        except KeyError as missing:
            raise HomeError(
                f"{self.calendar_file} lacks {missing}: add it, or remove the home and ingest again"
            ) from missing
        except (TOMLKitError, UnicodeDecodeError, TypeError) as error:
            raise HomeError(f"{self.calendar_file} cannot be read ({error}): correct it by hand") from error

    def timezone(self) -> str | None:
        """The zone of its days; None while it has no calendar."""
        return self.calendar().timezone if self.exists() else None

    def write_calendar(self, calendar: Calendar) -> None:
        """Store `calendar`, atomically. The first day may move earlier; the zone never changes.

        Raises HomeError where the home already holds another zone, or days before the new first day.
        """
        held = self.calendar() if self.exists() else calendar
        if held.timezone != calendar.timezone:
            raise HomeError(
                f"home {self.name} keeps its days in {held.timezone}, not {calendar.timezone}: "
                f"use another home, e.g. `energy-assets --home {self.name}-{_slug(calendar.timezone)} …`, or, if ENERGY_TIMEZONE says so, unset it"
            )
        if held.first_day < calendar.first_day:
            raise HomeError(
                f"home {self.name} has days from {held.first_day} on, which {calendar.first_day} would hide: keep the earlier first day"
            )
        document = tomlkit.document()
        document.add(tomlkit.comment("The utility's calendar. Written by `energy-assets`; the zone never changes."))
        document["timezone"] = calendar.timezone
        document["first_day"] = calendar.first_day
        if calendar.last_day is not None:
            document["last_day"] = calendar.last_day
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(self.calendar_file, tomlkit.dumps(document))


@contextmanager
def acting_on(home: Home) -> Iterator[Home]:
    """Inside, `home` is the one that commands and the code location act on."""
    before = os.environ.get("ENERGY_HOME")
    os.environ["ENERGY_HOME"] = str(home.path)
    try:
        yield home
    finally:
        if before is None:
            del os.environ["ENERGY_HOME"]
        else:
            os.environ["ENERGY_HOME"] = before


def root() -> Path:
    """The root of all homes: `$ENERGY_HOME`, or `.energy` below the working directory; absolute."""
    return Path(os.environ.get("ENERGY_HOME") or DEFAULT_ROOT).expanduser().absolute()


def named(name: str) -> Home:
    """The home called `name` below the root (or at the path `name`, where it is one)."""
    if os.sep in name:
        return Home(Path(name).absolute())
    return Home(_homes_root() / _slug(name))


def current() -> Home:
    """The home that commands act on.

    Raises HomeError where none was made yet, or where the current one was removed.
    """
    base = root()
    if Home(base).exists():
        return Home(base)
    pointer = base / CURRENT_FILE
    if not pointer.is_file():
        raise HomeError(f"no home below {base}: run `energy-assets demo` or `energy-assets ingest DIR` first")
    home = Home(base / pointer.read_text(encoding="utf-8").strip())
    if not home.exists():
        raise HomeError(f"{pointer} names {home.path}, which is no home (any more): {_choice(base)}")
    return home


def activate(home: Home) -> None:
    """Make `home` the current one of its root."""
    write_atomically(home.path.parent / CURRENT_FILE, home.name + "\n")


def all_homes() -> list[Home]:
    base = _homes_root()
    return [Home(path.parent) for path in sorted(base.glob(f"*/{CALENDAR_FILE}"))]


def write_atomically(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Replace `path` by `text`: a reader sees the old file or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own, made anew: neither another thread's draft nor one that a killed process left (with its mode) is used.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _choice(base: Path) -> str:
    names = [path.parent.name for path in sorted(base.glob(f"*/{CALENDAR_FILE}"))]
    return (
        f"pick one of {', '.join(names)} with --home"
        if names
        else "run `energy-assets demo` or `energy-assets ingest DIR`"
    )


def _day(value: object) -> date:
    """A TOML date. Raises TypeError for any other value."""
    if type(value) is not date:
        raise TypeError(f"{value!r} is no date such as 2024-03-07, without quotes")
    return value


def _homes_root() -> Path:
    base = root()
    return base.parent if Home(base).exists() else base


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "home"
