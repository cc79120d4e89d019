"""Connections that keep to a size and a pace: a client that does not is cut off, and takes nothing from the others.

What belongs here: how large a request's head may be, how slowly it and its answer may pass, how many connections there may be.
What does not: bodies by their content and user (app.py).
"""

from __future__ import annotations

import asyncio
import time

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

HEAD_BYTES = 1 << 20
"""Of address and headers together; ClickHouse's own limit of an address."""
HEAD_SECONDS = 15.0
"""From the first byte of a request, or from connecting, until its headers are there."""
BODY_SECONDS = 30.0
"""Without a byte of a body that is waited for; what ClickHouse allows too. Data may be made as slowly as it likes, piece by piece."""
READ_SECONDS = 60.0
"""Without the client taking a byte of its answer."""
DISCARD_SECONDS = 5.0
"""In which a client that was refused may still send its body, so that it reads why."""
CONNECTIONS = 400
"""Beyond them the connection that has been idle longest makes room."""
_LOOK_SECONDS = 0.5


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with these limits. Time is looked at twice a second, which costs nothing with a few hundred connections."""

    _head_since: float | None = None
    """None where no head is being received."""
    _head_bytes = 0
    _is_body_open = False
    """Whether more of the newest request's body is to come."""
    _moved_at = 0.0
    """When bytes came last, or could not, for this side did not take them."""
    _answered_at = 0.0
    _unread = (0, 0.0)
    """Bytes of the answer that wait for the client, and since when they are that many."""
    _look: asyncio.TimerHandle | None = None

    @property
    def is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_since = self._moved_at = time.monotonic()
        if len(self.connections) > CONNECTIONS:
            self._make_room()
        if not transport.is_closing():
            self._look = self.loop.call_later(_LOOK_SECONDS, self._look_at_time)

    def _make_room(self) -> None:
        idle = [known for known in self.connections if isinstance(known, GuardedProtocol) and known.is_idle]
        oldest = min((known for known in idle if known is not self), key=lambda known: known._moved_at, default=None)
        if oldest is None:
            self._refuse(503, "all connections are at work")
        else:
            oldest.connections.discard(oldest)
            oldest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._moved_at = time.monotonic()
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_since is not None and self._head_bytes > HEAD_BYTES:
            self._refuse(431, f"address and headers are longer than {HEAD_BYTES >> 20} MiB: send the statement as body")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_since, self._head_bytes = time.monotonic(), 0

    def on_headers_complete(self) -> None:
        self._head_since, self._is_body_open = None, True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_body_open = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._answered_at = time.monotonic()
        super().on_response_complete()

    def _look_at_time(self) -> None:
        now = time.monotonic()
        if not self._is_too_slow(now):
            self._look = self.loop.call_later(_LOOK_SECONDS, self._look_at_time)

    def _is_too_slow(self, now: float) -> bool:
        """Whether the client was, and is cut off."""
        waiting = self.transport.get_write_buffer_size()
        if waiting != self._unread[0]:
            self._unread = (waiting, now)
        if waiting and now - self._unread[1] > READ_SECONDS:
            self.transport.abort()
            return True
        if self._head_since is not None and now - self._head_since > HEAD_SECONDS:
            self._refuse(408, f"the request's head did not come within {HEAD_SECONDS:.0f} s")
            return True
        if self.flow.read_paused:
            self._moved_at = now
        if self._is_body_open and now - self._moved_at > BODY_SECONDS:
            self.transport.abort()
            return True
        if self._is_body_open and self.is_idle and now - self._answered_at > DISCARD_SECONDS:
            self.transport.abort()
            return True
        return False

    def _refuse(self, status: int, message: str) -> None:
        """Say why, and close."""
        if self.is_idle and self._head_since is not None:
            head = b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
            text = message.encode() + b"\n"
            self.transport.write(STATUS_LINE[status] + head % len(text) + text)
            self.transport.close()
        else:
            self.transport.abort()
