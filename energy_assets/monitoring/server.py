"""Serve a home's metrics to Prometheus: on loopback, on a port that is remembered, until interrupted.

What belongs here: one exporter a home, and its port. What does not: the numbers (collector.py).
"""

from __future__ import annotations

import fcntl
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, ProcessCollector, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from energy_assets.embedded import ports
from energy_assets.embedded.ports import LOOPBACK
from energy_assets.home import Home
from energy_assets.monitoring.collector import HomeCollector
from energy_assets.monitoring.graph import Graph
from energy_assets.operations.errors import OperationError
from energy_assets.settings import settings

PROGRAM = "metrics"
CLIENT_SECONDS = 10
"""How long a client may say nothing."""
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Say = Callable[[str], None]


class MetricsError(OperationError):
    """The metrics cannot be served; the message names the reason and the remedy."""


def serve(home: Home, *, port: int | None, say: Say, ready: Callable[[str], None]) -> None:
    """Answer scrapes until interrupted or terminated; `ready` gets the address once it does. The stores may come and go.

    Raises MetricsError where the home's exporter runs already or the port is taken.
    """
    with _only_one(home):
        chosen = _port(home, port, say)
        registry = CollectorRegistry()
        registry.register(HomeCollector(home, Graph.of(home)))
        ProcessCollector(registry=registry)  # the exporter's own memory and time
        try:
            server = http_server(chosen, registry)
        except OSError as error:
            raise MetricsError(f"port {chosen} was taken meanwhile: run `energy-assets metrics` again") from error
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            ready(f"http://{LOOPBACK}:{chosen}/metrics")
            _wait_for_the_end()
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _Handler(WSGIRequestHandler):
    timeout = CLIENT_SECONDS

    def log_message(self, format: str, *args: object) -> None:
        """Each scrape in a log is too much."""


def http_server(port: int, registry: CollectorRegistry) -> WSGIServer:
    """The server of `/metrics`, which waits for no slow client, and answers none that calls this machine by another name.

    Such a name may be a foreign page's, which its owner lets point here: feeders and their losses are nothing for it to read.
    """
    metrics = make_wsgi_app(registry)

    def guarded(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if urlsplit(f"//{environ.get('HTTP_HOST', LOOPBACK)}").hostname not in settings().served_hosts:
            start_response("403 Forbidden", [("Content-Type", "text/plain")])
            return [b"ask for http://127.0.0.1, or name the host in ENERGY_SERVED_AS\n"]
        return metrics(environ, start_response)

    return make_server(settings().listen_address, port, guarded, ThreadingWSGIServer, handler_class=_Handler)


def _port(home: Home, port: int | None, say: Say) -> int:
    """A free port, remembered for the next start. Raises MetricsError where the wanted one is taken."""
    if port is not None and not ports.is_free(port):
        raise MetricsError(f"port {port} is taken by another program: choose another with --port, or leave it out")
    chosen = port or ports.choose(home, PROGRAM, say=say)
    ports.remember(home, **{PROGRAM: chosen})
    return chosen


@contextmanager
def _only_one(home: Home) -> Iterator[None]:
    """Hold the home's lock of exporters, which the kernel gives back however this process ends."""
    with (home.path / ".metrics.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held = ports.remembered(home).get(PROGRAM)
            where = f" at http://{LOOPBACK}:{held}/metrics" if held else ""
            raise MetricsError(f"the metrics of home {home.name} are served already{where}") from None
        yield


def _wait_for_the_end() -> None:
    """Return when a signal asks to end, in whatever way it was started; a closed terminal means nothing under nohup."""
    ended = threading.Event()
    before = {number: signal.getsignal(number) for number in ENDINGS}
    for number, handler in before.items():
        if number != signal.SIGHUP or handler is not signal.SIG_IGN:
            signal.signal(number, lambda *_: ended.set())
    try:
        ended.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
