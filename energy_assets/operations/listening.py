"""Whether a program of this machine listens and answers.

What belongs here: asking a port of the loopback address. What does not: which ports there are (embedded/ports.py), who listens there.
"""

from __future__ import annotations

import http.client
import socket

from energy_assets.embedded.ports import LOOPBACK


def listens(port: int, *, seconds: float = 0.5) -> bool:
    with socket.socket() as probe:
        probe.settimeout(seconds)
        return probe.connect_ex((LOOPBACK, port)) == 0


def answers(port: int, path: str, *, seconds: float = 10.0) -> bool:
    """Whether a page is there, with 200."""
    # Past any proxy of the environment: what runs on this machine is not reached through one.
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=seconds)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
