"""The endpoint as a process: arguments, port, data directory, signals, end.

What belongs here: what happens before the first request and after the last. What does not: requests (app.py).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import uvicorn
import uvloop

from energy_assets.home import Home

if TYPE_CHECKING:
    from energy_assets.embedded.clickhouse.access import Users
    from energy_assets.embedded.clickhouse.app import Endpoint
    from energy_assets.embedded.clickhouse.engine import Engine

HOST = "127.0.0.1"
_FINISH_SECONDS = 7
"""How long requests may go on after SIGTERM; then their statements are cancelled, and they have `_CANCEL_SECONDS` to say so."""
_CANCEL_SECONDS = 2
_KEEP_ALIVE_SECONDS = 600
"""Long: a client that finds its idle connection closed may not repeat an insert, and no stranger can reach loopback."""
_MEMORY_SHARE = 0.4
_MEMORY_BYTES = (1 << 30, 8 << 30)


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT. Returns the exit code; a failure to start is one line on stderr."""
    options = _options(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # The engine takes its zone from here: instants are UTC on every machine.
    os.environ["TZ"] = "UTC"
    _raise_file_limit()

    from energy_assets.embedded.clickhouse.access import CredentialsError, Users
    from energy_assets.embedded.clickhouse.engine import DataDirectoryError, Engine

    try:
        users = Users.from_file(options.credentials.absolute())
        listening = _listen(options.port)
        data = options.data.absolute()
        engine = Engine(data, memory_bytes=options.memory_mb << 20)
    except (CredentialsError, DataDirectoryError, PortError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    engine.clear_spool()
    logging.info("ClickHouse %s (chDB) on http://%s:%d, data in %s", engine.version, HOST, options.port, data)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(engine, users, listening, options.home))


class PortError(Exception):
    """A port that cannot be had; the message names the remedy."""


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m energy_assets.embedded.clickhouse", description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="directory of the engine, made where it does not exist"
    )
    parser.add_argument("--port", type=int, required=True, help=f"TCP port on {HOST}")
    parser.add_argument(
        "--credentials", type=Path, required=True, help="TOML of mode 0600 with [clickhouse] writer and bi"
    )
    parser.add_argument("--home", type=Path, help="home in whose log it is written down who asked; none: nowhere")
    parser.add_argument(
        "--memory-mb", type=int, default=default_memory_bytes() >> 20, help="the engine's limit (%(default)s)"
    )
    return parser.parse_args(arguments)


def default_memory_bytes() -> int:
    """The engine's share of this machine: enough to sort a month, never so much that Postgres and runs starve."""
    low, high = _MEMORY_BYTES
    return int(min(max(psutil.virtual_memory().total * _MEMORY_SHARE, low), high))


def _raise_file_limit() -> None:
    """As many open files as this user may have: connections and the engine's parts share them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft != hard:
        # macOS refuses an infinite one.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _listen(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen(256)
    except (OSError, OverflowError) as error:
        listening.close()
        message = f"cannot listen on {HOST}:{port}: {error}; stop what listens there, or choose another --port"
        raise PortError(message) from error
    return listening


class _Server(uvicorn.Server):
    """uvicorn that cancels statements before it gives up on requests, and leaves the exit to `main`."""

    def __init__(self, config: uvicorn.Config, endpoint: Endpoint) -> None:
        super().__init__(config)
        self._endpoint = endpoint

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        timer = asyncio.get_running_loop().call_later(_FINISH_SECONDS, self._endpoint.cancel_all)
        try:
            await super().shutdown(sockets)
        finally:
            timer.cancel()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn's own raises the signal again after serving: the engine would end unclosed.
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class _Quiet(logging.Filter):
    """Drops uvicorn's complaint about results that were broken off on purpose; they are logged as such."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "without completing response" not in record.getMessage()


async def _serve(engine: Engine, users: Users, listening: socket.socket, home: Path | None) -> int:
    from energy_assets.embedded.clickhouse.app import Endpoint, application
    from energy_assets.embedded.clickhouse.query_log import QueryLog
    from energy_assets.embedded.clickhouse.wire import GuardedProtocol

    endpoint = Endpoint(engine, users, log=QueryLog(Home(home.absolute()) if home else None))
    config = uvicorn.Config(
        application(endpoint),
        http=GuardedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_FINISH_SECONDS + _CANCEL_SECONDS,
    )
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(_Quiet())
    await _Server(config, endpoint).serve([listening])
    is_idle = endpoint.close()
    if is_idle:
        engine.close()
        logging.info("stopped")
        return 0
    # A statement that does not obey KILL must not keep the process: MergeTree survives this as it survives a power cut.
    logging.error("a statement would not end: leaving it")
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
