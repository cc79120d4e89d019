"""Dagster's web server and daemon of a home, on one code server that is reloaded when the calendar widens, and the docs beside.

What belongs here: starting these once a home and stopping them together. What does not: the stores (embedded/).
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import psutil

from energy_assets.embedded import ports, processes
from energy_assets.embedded.ports import LOOPBACK
from energy_assets.home import Home
from energy_assets.links import is_served
from energy_assets.operations import dbt_docs, programs
from energy_assets.operations.code_reload import CalendarWatch
from energy_assets.operations.errors import OperationError
from energy_assets.operations.instance import environment
from energy_assets.operations.listening import answers, listens

START_SECONDS = 180.0
POLL_SECONDS = 1.0
STOP_STEPS = ((signal.SIGINT, 15.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))
END_SECONDS = sum(seconds for _, seconds in (*STOP_STEPS, *STOP_STEPS[1:])) + 10.0
"""A UI takes at most this long to end, a run in progress and stubborn processes included."""
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
MARK = "ENERGY_UI_HOME"
"""Set for the processes of a UI, which hand it on to theirs: so they are found again, whoever started them."""

Say = Callable[[str], None]


class UiError(OperationError):
    """The UI cannot be served; the message names the reason and the remedy."""


@dataclass
class Service:
    """One process of the UI and what it writes."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    since: int
    """Size of the log when the process started."""


def serve(home: Home, *, port: int | None, say: Say, ready: Callable[[str, str], None]) -> None:
    """Run until interrupted or terminated. `ready` gets the addresses of the page and of the docs once they answer.

    Raises UiError where the home's UI runs already, the port is taken, the code does not load, or a process ends by itself.
    """
    with _only_one(home) as lock, interruptible():
        try:
            _clear(home, lambda: say("ending what an earlier UI, which was killed, left behind"), say)
            chosen = _ports(home, port, say)
            address = f"http://{LOOPBACK}:{chosen.page}"
            _write(lock, f"{os.getpid()} {address}")
            services = _start_all(home, chosen)
            documenting = _document(home)
            ready(address, f"http://{LOOPBACK}:{chosen.docs}")
            _watch(services, home, chosen.code, say, documenting)
        except KeyboardInterrupt:
            say("stopping the UI")
        finally:
            with _uninterruptible():
                _clear(home, lambda: None, say)


def end(home: Home, say: Say) -> bool:
    """End the UI that serves `home`, whoever started it, and what a killed one left; whether there was anything to end.

    Raises UiError where something does not end.
    """
    pid = _serving(home)
    if pid is None:
        left = bool(_marked(home))
        _clear(home, lambda: None, say)
        return left
    if processes.stop([psutil.Process(pid)], ((signal.SIGTERM, END_SECONDS),), what="the UI", say=say):
        raise UiError(
            f"the UI of home {home.name} (process {pid}) did not end within {END_SECONDS:.0f} s: end it by hand"
        )
    return True


def _serving(home: Home) -> int | None:
    """The process that serves `home`; None where none does."""
    if not _lock_file(home).exists():
        return None
    try:
        with _only_one(home):
            return None
    except UiError:
        pid, _, _ = _lock_file(home).read_text(encoding="utf-8").partition(" ")
        return int(pid) if pid else None


@contextmanager
def _only_one(home: Home) -> Iterator[TextIO]:
    """Hold the home's UI lock, which the kernel gives back however this process ends; the file to say in who holds it."""
    _lock_file(home).parent.mkdir(parents=True, exist_ok=True)
    with _lock_file(home).open("a+", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            pid, _, address = handle.read().strip().partition(" ")
            where = f" at {address} (process {pid})" if address else ", it is just starting"
            raise UiError(
                f"the UI of home {home.name} runs already{where}: open that, or stop it first (Ctrl-C"
                + (f", or kill {pid})" if address else ")")
            ) from None
        _write(handle, f"{os.getpid()}")
        yield handle
        _write(handle, "")


def _lock_file(home: Home) -> Path:
    return home.dagster / ".ui.lock"


def _write(handle: TextIO, text: str) -> None:
    handle.truncate(0)
    handle.write(text)
    handle.flush()


@contextmanager
def interruptible() -> Iterator[None]:
    """A terminated UI, or one whose terminal closed, takes its children with it, as an interrupted one does."""
    before = {number: signal.getsignal(number) for number in ENDINGS}
    for number, handler in before.items():
        # Under nohup a closed terminal means nothing. An ignored Ctrl-C (a script's background) would be handed on to
        # Dagster's processes, which then could not be asked to end: it is taken here.
        if number != signal.SIGHUP or handler is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _uninterruptible() -> Iterator[None]:
    """A second Ctrl-C must not leave children behind: stopping has a time limit of its own."""
    for number in ENDINGS:
        signal.signal(number, signal.SIG_IGN)
    yield


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


@dataclass(frozen=True)
class Ports:
    """Where the code server, the page and the docs listen."""

    code: int
    page: int
    docs: int


def _ports(home: Home, port: int | None, say: Say) -> Ports:
    """Free ports, remembered for the next start. Raises UiError where the wanted one of the page is taken."""
    if port is not None and not ports.is_free(port):
        raise UiError(f"port {port} is taken by another program: choose another with --port, or leave it out")
    chosen = Ports(
        code=ports.choose(home, "code", say=say),
        page=port or ports.choose(home, "ui", say=say),
        docs=ports.choose(home, "docs", say=say),
    )
    ports.remember(home, code=chosen.code, ui=chosen.page, docs=chosen.docs)
    return chosen


def _start_all(home: Home, chosen: Ports) -> list[Service]:
    """The processes, once the code is loaded and the page answers."""
    code_port, web_port = chosen.code, chosen.page
    workspace = programs.written_workspace(home, LOOPBACK, code_port)
    code = _start(home, "code-server", programs.code_server(home, LOOPBACK, code_port))
    _wait([code], lambda: listens(code_port))
    _raise_if_broken(code, code_port)
    services = [
        code,
        _start(home, "docs", programs.docs(home, chosen.docs)),
        _start(home, "daemon", programs.daemon(home, workspace)),
        _start(home, "webserver", programs.page(home, LOOPBACK, web_port, workspace)),
    ]
    _wait(services, lambda: is_served(home) and answers(web_port, "/server_info", seconds=5.0))
    return services


def _document(home: Home) -> Service | None:
    """Let dbt document a project that changed, beside everything else: nothing waits for it."""
    command = programs.module("energy_assets", "dbt-docs")
    return _start(home, "dbt-docs", command) if dbt_docs.is_stale(home) else None


def _start(home: Home, name: str, command: programs.Command) -> Service:
    log = home.logs / f"{name}.log"
    processes.rotate(log)
    since = log.stat().st_size
    process = processes.start(
        command,
        log=log,
        cwd=home.path,
        environment={**os.environ, **environment(home), MARK: str(home.path)},
    )
    return Service(name, process, log, since)


def _watch(services: list[Service], home: Home, code_port: int, say: Say, documenting: Service | None) -> None:
    """Stay until a process ends; reload the code when the home's calendar changes."""
    calendar = CalendarWatch(home, code_port, say)
    while True:
        time.sleep(POLL_SECONDS)
        _raise_if_ended(services)
        if documenting and (code := documenting.process.poll()) is not None:
            if code:
                say(f"dbt docs were not built: {documenting.log} says why; energy-assets dbt-docs tries again")
            documenting = None
        calendar.look()


def _raise_if_broken(code: Service, code_port: int) -> None:
    """The servers run on with code that does not load and show an empty page: say it here instead."""
    from dagster._grpc.client import DagsterGrpcClient
    from dagster._serdes import deserialize_value
    from dagster_shared.error import SerializableErrorInfo

    loaded = deserialize_value(DagsterGrpcClient(host=LOOPBACK, port=code_port).list_repositories())
    if isinstance(loaded, SerializableErrorInfo):
        while loaded.cause:
            loaded = loaded.cause
        raise UiError(f"the code does not load: {loaded.message.strip()}\n→ its log is {code.log}")


def _wait(services: list[Service], is_ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not is_ready():
        _raise_if_ended(services)
        if time.monotonic() > deadline:
            raise UiError(
                f"the {services[-1].name} did not answer within {START_SECONDS:.0f} s: see {services[-1].log}"
            )
        time.sleep(0.1)


def _raise_if_ended(services: list[Service]) -> None:
    for service in services:
        if (code := service.process.poll()) is not None:
            tail = processes.tail(service.log, since=service.since)
            raise UiError(
                f"the {service.name} ended by itself (code {code}):\n{tail}\n→ run `energy-assets ui` again; its log is {service.log}"
            )


def _clear(home: Home, found: Callable[[], None], say: Say) -> None:
    """Stop every process of the home's UI; what the first ones started in turn (the code, runs, log readers) after them."""
    if alive := _marked(home):
        found()
    pids = {process.pid for process in alive}
    processes.stop([p for p, parent in alive.items() if parent not in pids], STOP_STEPS, what="the UI", say=say)
    if survivors := processes.stop(list(_marked(home)), STOP_STEPS[1:], what="a run of the UI", say=say):
        raise UiError(
            f"processes {', '.join(str(p.pid) for p in survivors)} of the UI survive every signal: end them by hand"
        )


def _marked(home: Home) -> dict[psutil.Process, int]:
    """Living processes that carry the mark of the home's UI, each with its parent's pid."""
    return processes.marked(MARK, str(home.path))
