"""Who asked what of a home: one JSON object a line, only ever added to, for its owner alone.

What belongs here: writing down a command, or a reader's query of ClickHouse, and reading them again. What does not: which queries
(embedded/clickhouse/query_log.py), what programs do (logs.py), who may do what (docs/security.md).
"""

from __future__ import annotations

import fcntl
import heapq
import json
import os
import pwd
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from energy_assets.home import Home

FILE = "access.jsonl"
QUERIES_FILE = "queries.jsonl"
"""Beside it, for a page of dashboards asks more in a minute than people command in a week: what they did must not be set aside for it."""
QUERY = "query"
"""What stands in a command's place."""
NOTED = {
    *("sql", "cases", "case", "sheet", "explain", "why", "performance"),
    *("accept", "retract", "backup", "restore", "retention", "erase-customer", "access", "who"),
}
"""Commands that show or change what is about people, or decide what counts."""
UNNAMED = {"erase-customer": "CUSTOMER_ID"}
"""Commands whose first argument is not written down, and what stands in its place: the log would name who was erased."""
LIMIT_BYTES = 10 << 20
FORMER = 9
"""So many former files are kept, each as large."""


@dataclass(frozen=True)
class Access:
    """A command that somebody gave, or a query that a user of ClickHouse sent."""

    at: datetime
    user: str
    home: str
    command: str
    arguments: str


def note(home: Home, arguments: Sequence[str]) -> None:
    """Write the command line `arguments` down, where its command is one of NOTED."""
    command = next((word for word in arguments if word in NOTED), None)
    if command is None:
        return
    given = list(arguments[list(arguments).index(command) + 1 :])
    if command in UNNAMED:
        given = [UNNAMED[command], *(word for word in given if word.startswith("--") and "=" not in word)]
    from energy_assets.logs import (
        PASSWORD_IN_ADDRESS,  # late: it takes longer to load than ClickHouse's endpoint, which uses this too
    )

    told = PASSWORD_IN_ADDRESS.sub(r"\1\2***", shlex.join(given))
    _append(home, FILE, Access(_now(), user(), home.name, command, told))


def note_query(home: Home, user_name: str, told: str) -> None:
    """Write down that a user of ClickHouse asked something. `told` holds no value of the query's."""
    _append(home, QUERIES_FILE, Access(_now(), user_name, home.name, QUERY, told))


def _now() -> datetime:
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _append(home: Home, name: str, entry: Access) -> None:
    home.logs.mkdir(parents=True, exist_ok=True)
    path = home.logs / name
    with (home.logs / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.is_file() and path.stat().st_size > LIMIT_BYTES:
            _set_aside(path)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(entry), default=str) + "\n")


def loggable(arguments: Sequence[str]) -> Sequence[str]:
    """The command line as programs may log it: of a command of UNNAMED no argument."""
    command = next((at for at, word in enumerate(arguments) if word in UNNAMED), None)
    return arguments if command is None else [*arguments[: command + 1], "…"]


def noted(home: Home, lines: int, *, with_queries: bool = True) -> list[Access]:
    """The last `lines` commands and queries, the oldest first."""
    kept = [_newest_first(home, name) for name in (FILE, *([QUERIES_FILE] if with_queries else []))]
    newest = heapq.merge(*kept, key=lambda entry: entry.at, reverse=True)
    return list(islice(newest, lines))[::-1]


def _newest_first(home: Home, name: str) -> Iterator[Access]:
    for path in (home.logs / name, *(home.logs / f"{name}.{number}" for number in range(1, FORMER + 1))):
        if path.is_file():
            for line in reversed(path.read_text(encoding="utf-8").splitlines()):
                told = json.loads(line)
                yield Access(**{**told, "at": datetime.fromisoformat(told["at"])})


def user() -> str:
    """Who gives the command: the process's user, by number where it has no name, and before it the person behind `sudo`.

    What a shell may set (USER, LOGNAME) is not asked. SUDO_USER is such a thing too, therefore the user that counts stands beside it.
    """
    try:
        name = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        name = str(os.geteuid())
    behind = os.environ.get("SUDO_USER", name)
    return name if behind in ("", name) else f"{behind} as {name}"


def _set_aside(path: Path) -> None:
    for number in range(FORMER, 0, -1):
        former = path if number == 1 else path.with_name(f"{path.name}.{number - 1}")
        if former.is_file():
            former.replace(path.with_name(f"{path.name}.{number}"))
