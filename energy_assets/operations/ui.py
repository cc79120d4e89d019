"""Dagster's web server and daemon of a home, on one code server that can be reloaded when the calendar widens.

What belongs here: starting these three and stopping them together. What does not: the stores (embedded/).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from energy_assets.embedded import ports
from energy_assets.embedded.ports import LOOPBACK
from energy_assets.home import Home, write_atomically
from energy_assets.operations.errors import OperationError
from energy_assets.operations.instance import environment

STOP_SECONDS = 20
POLL_SECONDS = 1.0


class UiError(OperationError):
    """A process of the UI that did not stay up; the message names its log."""


@dataclass
class Service:
    """One process of the UI and its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path


def serve(home: Home, *, port: int | None, say: Callable[[str], None], ready: Callable[[str], None]) -> None:
    """Run until interrupted. `ready` gets the address once the page answers.

    Raises UiError where one of the processes ends by itself.
    """
    code_port = ports.choose(home, "code", say=say)
    web_port = port or ports.choose(home, "ui", say=say)
    ports.remember(home, code=code_port, ui=web_port)
    workspace = home.dagster / "workspace.yaml"
    write_atomically(
        workspace,
        f"load_from:\n  - grpc_server:\n      host: {LOOPBACK}\n      port: {code_port}\n      location_name: energy_assets\n",
    )
    services: list[Service] = []
    # A terminated `ui` must take its children with it, as an interrupted one does.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        services.append(
            _start(
                home,
                "code-server",
                [
                    "dagster",
                    "code-server",
                    "start",
                    "-m",
                    "energy_assets.definitions",
                    "-h",
                    LOOPBACK,
                    "-p",
                    str(code_port),
                ],
            )
        )
        _wait(services, lambda: _listens(code_port))
        web = ["dagster-webserver", "-h", LOOPBACK, "-p", str(web_port), "-w", str(workspace)]
        services.append(_start(home, "webserver", web))
        services.append(_start(home, "daemon", ["dagster-daemon", "run", "-w", str(workspace)]))
        _wait(services, lambda: _listens(web_port))
        ready(f"http://{LOOPBACK}:{web_port}")
        _watch(services, home, code_port)
    except KeyboardInterrupt:
        pass
    finally:
        _stop(services)


def _watch(services: list[Service], home: Home, code_port: int) -> None:
    """Stay until a process ends; reload the code when the home's calendar changes."""
    calendar = home.calendar()
    while True:
        time.sleep(POLL_SECONDS)
        _raise_if_ended(services)
        if (now := home.calendar()) != calendar:
            calendar = now
            _reload_code(code_port)


def _reload_code(code_port: int) -> None:
    from dagster._grpc.client import DagsterGrpcClient

    DagsterGrpcClient(host=LOOPBACK, port=code_port).reload_code(timeout=120)


def _start(home: Home, name: str, arguments: list[str]) -> Service:
    log = home.logs / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    executable = Path(sys.executable).parent / arguments[0]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(executable), *arguments[1:]],
            env={**os.environ, **environment(home)},
            cwd=home.path,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C reaches this process only, which then stops them in order.
            start_new_session=True,
        )
    return Service(name, process, log)


def _wait(services: list[Service], is_ready: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not is_ready():
        _raise_if_ended(services)
        if time.monotonic() > deadline:
            raise UiError(f"the {services[-1].name} did not answer within {seconds:.0f} s: see {services[-1].log}")
        time.sleep(0.2)


def _raise_if_ended(services: list[Service]) -> None:
    for service in services:
        if service.process.poll() is not None:
            tail = "\n".join(service.log.read_text(errors="replace").splitlines()[-15:])
            raise UiError(
                f"the {service.name} ended (code {service.process.returncode}):\n{tail}\n→ its log is {service.log}"
            )


def _stop(services: list[Service]) -> None:
    for service in reversed(services):
        if service.process.poll() is None:
            service.process.send_signal(signal.SIGINT)
    for service in reversed(services):
        try:
            service.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            service.process.kill()
            service.process.wait()


def _listens(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((LOOPBACK, port)) == 0


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt
