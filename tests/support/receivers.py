"""The other side of alerts: a web server and a mail server on loopback that keep what they are given.

What belongs here: taking messages, and refusing them as real servers do. What does not: what they should hold.
"""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

Server = TypeVar("Server", bound=socketserver.BaseServer)


class WebServer(ThreadingHTTPServer):
    """Answers POSTs with the codes of `answers`, one each, then with 200; `taken` holds the bodies of the 2xx ones."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Post)
        self.answers: list[int] = []
        self.asked = 0
        self.taken: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Post(BaseHTTPRequestHandler):
    server: WebServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked += 1
        code = self.server.answers.pop(0) if self.server.answers else 200
        if code < 300:
            self.server.taken.append(body)
        self.send_response(code)
        if 300 <= code < 400:
            self.send_header("Location", f"{self.server.url}/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Nothing: a test prints what matters."""


class MailServer(socketserver.ThreadingTCPServer):
    """Speaks as much SMTP as a client needs that wants no TLS; `refused` are addresses that it does not know."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Smtp)
        self.refused: set[str] = set()
        self.taken: list[EmailMessage] = []
        self.logins = 0

    @property
    def port(self) -> int:
        return self.server_address[1]


class _Smtp(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self._say("220 ready")
        while line := self.rfile.readline().decode().strip():
            word = line.split()[0].upper()
            if word == "EHLO":
                self._say("250-here")
                self._say("250 AUTH PLAIN")
            elif word == "AUTH":
                self.server.logins += 1
                self._say("235 known")
            elif word == "RCPT" and line.partition("<")[2].rstrip(">") in self.server.refused:
                self._say("550 no such user")
            elif word == "DATA":
                self._say("354 go on")
                self._take()
                self._say("250 taken")
            elif word == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 ok")

    def _take(self) -> None:
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line.removeprefix(b"."))
        self.server.taken.append(message_from_bytes(b"".join(lines), policy=policy.default))

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """The server answers in a thread of its own until the end."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
