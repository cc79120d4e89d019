"""Start, stop and look at a home's stores; what `energy-assets up`, `down`, `status` and `logs` call.

What belongs here: the life cycle that both stores share, under one lock a home. What does not: what each store needs (postgres.py,
endpoint.py), and printing (the command line).
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from http.client import HTTPException
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg2
from tenacity import (
    RetryError,
    Retrying,
    retry_if_exception_type,
    retry_if_not_result,
    stop_after_delay,
    wait_exponential,
)

from energy_assets.embedded import bootstrap, credentials, endpoint, ports, postgres, processes
from energy_assets.embedded.connections import ROLES_NOT_MADE, Connections, connections
from energy_assets.embedded.credentials import Credentials
from energy_assets.embedded.endpoint import ClickHouse
from energy_assets.embedded.errors import StoreError
from energy_assets.embedded.postgres import Postgres
from energy_assets.home import Home
from energy_assets.settings import Settings
from energy_assets.settings import settings as current_settings

Say = Callable[[str], None]
Store = Postgres | ClickHouse

MINIMUM_VERSIONS = {"postgres": 15, "clickhouse": 24}
START_SECONDS = 180.0
"""Long, since a killed store first replays its log."""
LOCK_SECONDS = 600.0
_LEFTOVER_STEPS = ((signal.SIGTERM, 5.0), (signal.SIGKILL, 10.0))
_PORT_ATTEMPTS = 3
_UNREACHABLE = (psycopg2.Error, OSError, HTTPException, StoreError)

_REMEDIES = {
    "Address already in use": "another program took the port: run `energy-assets up` again, which picks another",
    "No space left on device": "the disk is full: free space there, then run `energy-assets up`",
    "could not map anonymous shared memory": "memory is short: close other programs, then run `energy-assets up`",
    "Cannot allocate memory": "memory is short: close other programs, then run `energy-assets up`",
    "ermission denied": "the home's files belong to another user: run as the user who made it",
    "No module named": "the install is incomplete: run `make install`",
    "Cannot lock file": "another process holds the data: stop it (`energy-assets down` where it was started)",
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoreStatus:
    """What can be said of one store now; None where there is nothing to say (not running, or a real server's pid and size)."""

    name: str
    is_embedded: bool
    is_healthy: bool
    version: str | None
    pid: int | None
    address: str | None
    """host:port"""
    uptime_seconds: float | None
    data_bytes: int | None
    """Bytes on disk of the data directory."""
    problem: str | None
    """Why it is not healthy, with the remedy."""


class _Exited(Exception):
    """A store ended while it was being waited for."""


def up(home: Home, settings: Settings | None = None, *, say: Say = _log.info) -> Connections:
    """Have both stores of `home` running and ready, starting what is not; `say` is told what happens, line by line.

    A store whose URL is set is not started, only looked at: it must answer and be recent enough.
    Raises StoreError, with the last lines of the log and the remedy, where a store does not get ready.
    """
    settings = settings or current_settings()
    with _locked(home, say):
        _start_embedded(home, _embedded(home, settings), say)
        _check_real(home, settings, say)
    return connections(home, settings)


def down(home: Home, *, say: Say = _log.info) -> list[str]:
    """Stop what runs of `home`; the names of the stores that did.

    Raises StoreError where a process survives every signal.
    """
    if not home.path.is_dir():
        return []
    stores: list[Store] = [Postgres(home), ClickHouse(home)]
    with _locked(home, say), ThreadPoolExecutor(len(stores)) as pool:
        stopped = list(pool.map(lambda store: _stop(store, say), stores))
    return [store.name for store, was_running in zip(stores, stopped, strict=True) if was_running]


def status(home: Home, settings: Settings | None = None) -> list[StoreStatus]:
    """Both stores as they are now; changes nothing and never raises for a store that is down."""
    settings = settings or current_settings()
    real = {"postgres": settings.postgres_url, "clickhouse": settings.clickhouse_url}
    return [
        _server_status(home, settings, store.name) if real[store.name] else _embedded_status(home, store)
        for store in (Postgres(home), ClickHouse(home))
    ]


def logs(home: Home, store: str) -> Path:
    """The log file of `store`, postgres or clickhouse. Raises StoreError for any other name, or where it has none yet."""
    paths = {known.name: known.log for known in (Postgres(home), ClickHouse(home))}
    if store not in paths:
        raise StoreError(f"no store is called {store!r}: {' or '.join(paths)}")
    if not paths[store].is_file():
        raise StoreError(
            f"{paths[store]} does not exist: the {store} of this home was never started (`energy-assets up`)"
        )
    return paths[store]


def _embedded(home: Home, settings: Settings) -> list[Store]:
    stores: list[Store] = []
    if not settings.postgres_url:
        stores.append(Postgres(home))
    if not settings.clickhouse_url:
        stores.append(ClickHouse(home))
    return stores


def _start_embedded(home: Home, stores: list[Store], say: Say) -> None:
    """Start `stores` at the same time; each that got ready has its port remembered, even when the other failed."""
    if not stores:
        return
    held, generated = credentials.ensure(home)
    with ThreadPoolExecutor(len(stores)) as pool:
        starts = {store.name: pool.submit(_ensure_ready, store, held, generated, say) for store in stores}
    failures = {name: error for name, start in starts.items() if (error := start.exception())}
    ports.remember(home, **{name: start.result() for name, start in starts.items() if name not in failures})
    for error in failures.values():
        if not isinstance(error, StoreError):
            raise error
    if failures:
        raise StoreError("\n\n".join(str(error) for error in failures.values())) from next(iter(failures.values()))


def _ensure_ready(store: Store, held: Credentials, generated: set[str], say: Say) -> int:
    """The port of `store`, which is running and ready."""
    port = _running(store, held) or _start(store, held, generated, say)
    store.finish(port, held)
    return port


def _running(store: Store, held: Credentials) -> int | None:
    """The port of a server that runs already, once it is ready; None where there is none, or where it ends instead."""
    server = store.server()
    if server is None:
        return None
    port = _port_of(store, server)
    if port is None and processes.is_alive(server):
        raise StoreError(
            f"{store.title} (process {server.pid}) was started by hand: stop it, then run `energy-assets up`"
        )
    try:
        _wait_ready(store, port or 0, held, is_alive=lambda: processes.is_alive(server), since=_size(store.log))
    except _Exited:
        return None
    return port


def _is_running(child: subprocess.Popen[bytes]) -> bool:
    return child.poll() is None


def _start(store: Store, held: Credentials, generated: set[str], say: Say) -> int:
    _clear_leftovers(store, say)
    store.prepare(held, generated, say=say)
    processes.rotate(store.log)
    for attempt in range(1, _PORT_ATTEMPTS + 1):
        port, since = ports.choose(store.home, store.name, say=say), _size(store.log)
        say(f"starting {store.title} ({ports.LOOPBACK}:{port})")
        child = store.start(port)
        try:
            _wait_ready(store, port, held, is_alive=partial(_is_running, child), since=since)
        except _Exited:
            # Between looking and listening somebody else may take a port: then look again.
            if attempt < _PORT_ATTEMPTS and not ports.is_free(port):
                continue
            raise _start_failure(store, port, f"ended (code {child.returncode}) before it was ready", since) from None
        return port
    raise AssertionError("unreachable: the last attempt returns or raises")


def _wait_ready(store: Store, port: int, held: Credentials, *, is_alive: Callable[[], bool], since: int) -> None:
    """Return once `store` answers. Raises _Exited where it ends instead, StoreError after START_SECONDS."""

    def is_ready() -> bool:
        if not is_alive():
            raise _Exited
        return store.is_ready(port, held)

    waiting = Retrying(
        retry=retry_if_not_result(bool),
        stop=stop_after_delay(START_SECONDS),
        wait=wait_exponential(multiplier=0.02, max=0.5),
    )
    try:
        waiting(is_ready)
    except RetryError:
        raise _start_failure(store, port, f"did not answer within {START_SECONDS:.0f} s", since) from None


def _start_failure(store: Store, port: int, what: str, since: int) -> StoreError:
    last_lines = processes.tail(store.log, since=since)
    remedies = [remedy for sign, remedy in _REMEDIES.items() if sign in last_lines]
    remedy = remedies[0] if remedies else "run `energy-assets doctor`, which checks ports, disk, memory and permissions"
    return StoreError(
        f"{store.title} at {ports.LOOPBACK}:{port} {what}. Last lines of {store.log}:\n{last_lines}\n→ {remedy}"
    )


def _stop(store: Store, say: Say) -> bool:
    """Stop `store` and what a killed server left; whether there was anything."""
    server = store.server()
    if server is not None:
        say(f"stopping {store.title}")
        if processes.stop([server], store.stop_steps, what=store.title, say=say):
            raise StoreError(
                f"{store.title} (process {server.pid}) survives SIGKILL: its disk hangs; look at it, then run it again"
            )
    return _clear_leftovers(store, say) or server is not None


def _clear_leftovers(store: Store, say: Say) -> bool:
    """End the backends that a killed server left: they would write into files that a new one believes its own."""
    leftovers = store.leftovers()
    if processes.stop(leftovers, _LEFTOVER_STEPS, what=f"a leftover process of {store.title}", say=say):
        raise StoreError(
            f"leftover processes of {store.title} survive SIGKILL: {[process.pid for process in leftovers]}"
        )
    return bool(leftovers)


def _check_real(home: Home, settings: Settings, say: Say) -> None:
    """Have the platform's roles or schemas on a real Postgres. Raises StoreError where a real store does not answer or is too old."""
    if admin := settings.postgres_admin_url:
        _raise_if(_real_status("postgres", admin.get_secret_value(), "POSTGRES_ADMIN_URL").problem)
        say("making the platform's roles on the server that POSTGRES_URL names")
        held, _ = credentials.ensure(home, settings.role_passwords)
        bootstrap.bootstrap(admin.get_secret_value(), held.postgres)
    for name, url in (("postgres", settings.postgres_url), ("clickhouse", settings.clickhouse_url)):
        if url:
            _raise_if(_server_status(home, settings, name).problem)
    if url := settings.postgres_user_url:
        bootstrap.bootstrap_real(url)


def _raise_if(problem: str | None) -> None:
    if problem:
        raise StoreError(problem)


def _server_status(home: Home, settings: Settings, name: str) -> StoreStatus:
    """A real store as the platform uses it: Postgres as the role that loads, where the platform has roles of its own there."""
    url = {"postgres": settings.postgres_url, "clickhouse": settings.clickhouse_url}[name] or ""
    if name != "postgres" or not settings.has_roles_on_server:
        return _real_status(name, url)
    try:
        status = _real_status(name, connections(home, settings).loader_dsn)
    except StoreError as error:
        return _real_status(name, url, problem=str(error))
    is_refused = "password authentication failed" in (status.problem or "")
    return replace(status, problem=ROLES_NOT_MADE) if is_refused else status


def _real_status(name: str, url: str, variable: str = "", problem: str | None = None) -> StoreStatus:
    """The server at `url`, which the setting `variable` names; it is not asked where a problem is known already."""
    parts, variable = urlsplit(url), variable or f"{name.upper()}_URL"
    version = None
    try:
        if problem is None:
            version = {"postgres": postgres.server_version, "clickhouse": endpoint.server_version}[name](url)
            problem = too_old(name, version)
    except _UNREACHABLE as error:
        problem = f"{variable} ({parts.hostname}) does not answer: {str(error).strip()}\n→ correct or unset {variable}"
    return StoreStatus(
        name=name,
        is_embedded=False,
        is_healthy=problem is None,
        version=version,
        pid=None,
        address=f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname,
        uptime_seconds=None,
        data_bytes=None,
        problem=problem,
    )


def too_old(name: str, version: str) -> str | None:
    """What to do about a store whose version is below the least that the platform runs on; None where it is not."""
    least = MINIMUM_VERSIONS[name]
    return None if int(version.split(".")[0]) >= least else f"{name} {version} is too old: use version {least} or newer"


def _embedded_status(home: Home, store: Store) -> StoreStatus:
    server = store.server()
    port = _port_of(store, server) if server else ports.remembered(home).get(store.name)
    version, problem = _health(home, store, server, port)
    return StoreStatus(
        name=store.name,
        is_embedded=True,
        is_healthy=problem is None,
        version=version,
        pid=server.pid if server else None,
        address=f"{ports.LOOPBACK}:{port}" if port else None,
        uptime_seconds=time.time() - server.create_time() if server else None,
        data_bytes=_disk_usage(store.data),
        problem=problem,
    )


def _health(home: Home, store: Store, server: psutil.Process | None, port: int | None) -> tuple[str | None, str | None]:
    """Version and problem of an embedded store, one of the two being None."""
    if server is None or port is None:
        return None, "not running: `energy-assets up`"
    try:
        passwords = credentials.read(home)
    except StoreError as error:  # it was not asked, and its message is the remedy
        return None, str(error)
    try:
        return store.version(port, passwords), None
    except _UNREACHABLE as error:
        return (
            None,
            f"runs but does not answer: {str(error).strip()}\n→ `energy-assets logs {store.name}`, then `energy-assets down` and `up`",
        )


def _port_of(store: Store, server: psutil.Process) -> int | None:
    """The port that `server` was started for; None where somebody started it by hand, or it has just ended."""
    try:
        return next((int(value) for option, value in pairwise(server.cmdline()) if option == store.port_option), None)
    except psutil.NoSuchProcess:
        return None


def _disk_usage(directory: Path) -> int | None:
    if not directory.is_dir():
        return None
    total = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            try:
                total += Path(parent, name).lstat().st_blocks * 512
            except FileNotFoundError:  # a running store removes files while they are being counted
                continue
    return total


def _size(log: Path) -> int:
    return log.stat().st_size if log.is_file() else 0


@contextmanager
def _locked(home: Home, say: Say) -> Iterator[None]:
    """One `up` or `down` of a home at a time. The lock goes with its process, however that ends."""
    try:
        home.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        home.logs.mkdir(mode=0o700, exist_ok=True)
        handle = home.stores_lock.open("w")
    except PermissionError as error:
        raise StoreError(
            f"{error.filename} belongs to another user: run as the user who made this home, or pick another (--home)"
        ) from error
    waiting = Retrying(
        retry=retry_if_exception_type(BlockingIOError),
        stop=stop_after_delay(LOCK_SECONDS),
        wait=wait_exponential(multiplier=0.05, max=0.5),
    )
    with handle:
        try:
            waiting(fcntl.flock, handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except RetryError:
            raise StoreError(
                f"another `up` or `down` of {home.path} holds {home.stores_lock} for {LOCK_SECONDS:.0f} s: end it first"
            ) from None
        yield
