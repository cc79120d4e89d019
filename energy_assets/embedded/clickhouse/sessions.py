"""Sessions: what a client's `session_id` keeps between requests, and for how long.

What belongs here: which sessions there are, who uses them, when they end. What does not: running statements (engine.py).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from energy_assets.embedded.clickhouse import sql
from energy_assets.embedded.clickhouse.protocol import EndpointError

_DEFAULT_SECONDS, _MAX_SECONDS = 60.0, 3600.0
MOST_SESSIONS = 1000
"""Of a user: beyond them the one that would end next ends at once."""


@dataclass
class Session:
    """State that statements left: `handle` is None until one did (SET, USE or a temporary table), which most never do."""

    handle: Any = None
    database: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    """Set by the session's own SET statements."""
    is_busy: bool = False
    is_answered: bool = False
    """Whether the request that uses it has its answer, and only tidies up."""
    released: asyncio.Event = field(default_factory=asyncio.Event)
    expires: float = 0.0


class Sessions:
    """The endpoint's sessions by user and id. For one thread: the event loop's."""

    def __init__(self, close: Callable[[Session], object]) -> None:
        """`close` gives up an ended session's handle."""
        self._close = close
        self._sessions: dict[tuple[str, str], Session] = {}

    async def take(self, user: str, session_id: str, *, must_exist: bool) -> Session:
        """The session, to be given back by `release`. Raises EndpointError 373 where a request uses it, 372 where it must exist."""
        self._end_expired()
        session = self._sessions.get((user, session_id))
        if session is None:
            if must_exist:
                raise EndpointError(372, "SESSION_NOT_FOUND", f"Session {session_id} not found")
            self._make_room(user)
            session = self._sessions[user, session_id] = Session()
        while session.is_busy:
            if not session.is_answered:
                raise EndpointError(373, "SESSION_IS_LOCKED", f"Session {session_id} is locked by a concurrent client")
            await session.released.wait()
        session.is_busy, session.is_answered = True, False
        session.released.clear()
        return session

    def release(self, session: Session, timeout: str) -> None:
        seconds = float(timeout) if timeout.isdigit() else _DEFAULT_SECONDS
        session.is_busy = False
        session.released.set()
        session.expires = time.monotonic() + min(seconds, _MAX_SECONDS)

    def _make_room(self, user: str) -> None:
        own = [key for key in self._sessions if key[0] == user]
        idle = [key for key in own if not self._sessions[key].is_busy]
        if len(own) >= MOST_SESSIONS and idle:
            self._end(min(idle, key=lambda key: self._sessions[key].expires))

    def _end_expired(self) -> None:
        now = time.monotonic()
        ended = [key for key, session in self._sessions.items() if not session.is_busy and session.expires < now]
        for key in ended:
            self._end(key)

    def end_all(self) -> None:
        for key in list(self._sessions):
            self._end(key)

    def _end(self, key: tuple[str, str]) -> None:
        session = self._sessions.pop(key)
        if session.handle is not None:
            self._close(session)


def leaves_state(statement: bytes) -> bool:
    """Whether a later request of the same session would notice that `statement` ran."""
    words = [token.keyword for token, _ in zip(sql.tokens(statement), range(4), strict=False)]
    return words[:1] in ([b"SET"], [b"USE"]) or (words[:1] == [b"CREATE"] and b"TEMPORARY" in words)


def settings_named(statement: bytes) -> list[str]:
    """The settings that a SET statement names."""
    found = list(sql.tokens(statement))
    names = []
    for before, name, after in zip(found, found[1:], found[2:], strict=False):
        if after.text == b"=" and (before.keyword == b"SET" or before.text == b",") and name.kind == "word":
            names.append(name.text.decode())
    return names
