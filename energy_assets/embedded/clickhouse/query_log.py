"""Which statements are written down in the home's log of who looked (energy_assets/access.py), and what of them.

What belongs here: that choice, in words that hold no value of a statement's. What does not: what a statement reads (access.py of this package).

Written down is what `bi` reads of tables about people or fails to, whatever it is refused, and every refused password. Not written down are
statements of `writer`, which is the platform at its work, and what clients ask of `system` to find their way.
"""

from __future__ import annotations

import logging
import shlex
import time
from dataclasses import dataclass, field

from energy_assets import access as people
from energy_assets.embedded.clickhouse.access import ACCESS_DENIED, AUTHENTICATION_FAILED, CONSTRAINT, READONLY, Reading
from energy_assets.embedded.clickhouse.protocol import EndpointError, Statistics
from energy_assets.home import Home

logger = logging.getLogger(__name__)

REFUSALS = frozenset({READONLY, CONSTRAINT, ACCESS_DENIED, AUTHENTICATION_FAILED})
"""Errors by which a user is kept from something; others are mistakes."""
GUESSES_SECONDS = 1.0
"""Of refused passwords one is written down in so many seconds, with the number of others: who guesses must not push out what others did."""


@dataclass(frozen=True)
class Asked:
    """A statement that was answered, or not."""

    user: str
    """Of the endpoint; `nobody` where the name is unknown, for anything may be typed there."""
    is_reader: bool
    address: str
    """host:port that it came from."""
    reading: Reading | None
    """None where it was not looked at."""
    statistics: Statistics
    outcome: str
    error: EndpointError | None
    milliseconds: int


@dataclass
class QueryLog:
    """The log of a home; of none, where the endpoint serves none."""

    home: Home | None
    _guesses: int = field(default=0, init=False)
    _guessed_at: float = field(default=float("-inf"), init=False)

    def note(self, asked: Asked) -> None:
        """Write it down where it is to be; a log that cannot be written is told of and holds nobody up."""
        if self.home is None or not self._is_noted(asked):
            return
        try:
            people.note_query(self.home, asked.user, self._told(asked))
        except OSError as error:
            logger.error("%s cannot be written: %s", self.home.logs / people.QUERIES_FILE, error.strerror)

    def _is_noted(self, asked: Asked) -> bool:
        if asked.error is not None and asked.error.code == AUTHENTICATION_FAILED:
            self._guesses += 1
            return time.monotonic() - self._guessed_at >= GUESSES_SECONDS
        return asked.is_reader and (asked.error is not None or bool(asked.reading and asked.reading.is_of_people))

    def _told(self, asked: Asked) -> str:
        told = {"outcome": _outcome(asked), "from": asked.address}
        if asked.reading is not None:
            told |= {"tables": ",".join(asked.reading.tables), "shape": asked.reading.shape}
        if asked.outcome == "ok":
            told |= {"rows": str(asked.statistics.result_rows), "bytes": str(asked.statistics.result_bytes)}
        if asked.error is not None and asked.error.code == AUTHENTICATION_FAILED:
            told["times"] = str(self._guesses)
            self._guesses, self._guessed_at = 0, time.monotonic()
        return shlex.join(f"{name}={value}" for name, value in {**told, "ms": str(asked.milliseconds)}.items() if value)


def _outcome(asked: Asked) -> str:
    """In fixed words and the error's number: its message quotes the statement."""
    if asked.error is None:
        return "answered" if asked.outcome == "ok" else "left"
    return f"{'refused' if asked.error.code in REFUSALS else 'failed'}:{asked.error.code}"
