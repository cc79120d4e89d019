"""One program of a home, alone and in the foreground: what each container of docker-compose.yml runs, where `energy-assets ui` runs them all.

What belongs here: which program a part is, its port, and whether it is well. What does not: the programs (ui.py, dashboards/), the stores.

Parts of one home share its directory; those that look after runs must also see the processes of the part `code`, which works on them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import psutil

from energy_assets.embedded import ports, processes
from energy_assets.embedded.ports import LOOPBACK
from energy_assets.home import Home
from energy_assets.operations import programs
from energy_assets.operations.code_reload import CalendarWatch
from energy_assets.operations.errors import OperationError
from energy_assets.operations.instance import dagster_instance, environment
from energy_assets.operations.listening import answers, listens
from energy_assets.settings import settings

ANSWER_SECONDS = 10.0

Say = Callable[[str], None]


class Part(StrEnum):
    code = "code"
    daemon = "daemon"
    page = "page"
    docs = "docs"
    superset = "superset"
    superset_worker = "superset-worker"


PORTS = {Part.code: 4266, Part.page: 3070, Part.docs: 3170, Part.superset: 8088}
"""Where each listens unless it is told otherwise: a container's ports are nobody else's."""
PATHS = {Part.page: "/server_info", Part.docs: "/", Part.superset: "/login/"}
"""What answers where the part is well; Superset's `/health` does so even where no page can be drawn."""


@dataclass(frozen=True)
class Address:
    host: str
    port: int

    @classmethod
    def of(cls, text: str) -> Address:
        """HOST:PORT. Raises OperationError for anything else."""
        host, _, port = text.rpartition(":")
        if not host or not port.isdigit():
            raise OperationError(f"{text!r} is no address such as {LOOPBACK}:{PORTS[Part.code]}")
        return cls(host, int(port))


def run(home: Home, part: Part, *, port: int | None, code: Address, say: Say) -> None:
    """Be this part until it ends: this process becomes the program, but for the code, which is watched.

    Raises OperationError where the part ends by itself or cannot be started.
    """
    chosen = port or PORTS.get(part, 0)
    if part in (Part.docs, Part.superset):
        ports.remember(home, **{part.value: chosen})  # links to its pages name it
    if part is Part.code:
        _run_code(home, chosen, say)
    elif part in (Part.superset, Part.superset_worker):
        _become(*_superset(home, part, chosen, say))
    elif part is Part.docs:
        _become(programs.docs(home, chosen), _known(home))
    else:
        workspace = programs.written_workspace(home, code.host, code.port)
        daemon = programs.daemon(home, workspace)
        page = programs.page(home, settings().listen_address, chosen, workspace)
        _become(daemon if part is Part.daemon else page, _known(home))


def is_well(home: Home, part: Part, *, port: int | None) -> bool:
    """Whether the part of this machine (or container) answers."""
    chosen = port or PORTS.get(part, 0)
    if part in PATHS:
        return answers(chosen, PATHS[part], seconds=ANSWER_SECONDS)
    if part is Part.code:
        return listens(chosen, seconds=ANSWER_SECONDS)
    if part is Part.daemon:
        return _daemon_beats(home)
    from energy_assets.operations.dashboards.service import worker_answers

    return worker_answers(ANSWER_SECONDS)


def _run_code(home: Home, port: int, say: Say) -> None:
    """The code server, reloaded when the calendar of the home widens: a landing in a run does that."""
    from energy_assets.operations.ui import STOP_STEPS, interruptible

    command = programs.code_server(home, settings().listen_address, port)
    with interruptible():
        process = subprocess.Popen(command, cwd=home.path, env=_known(home))
        try:
            _watch(process, home, port, say)
        except KeyboardInterrupt:
            say("stopping the code server")
        finally:
            processes.stop([psutil.Process(process.pid)], STOP_STEPS, what="the code server", say=say)


def _watch(process: subprocess.Popen[bytes], home: Home, port: int, say: Say) -> None:
    from energy_assets.operations.ui import POLL_SECONDS

    calendar = CalendarWatch(home, port, say)
    while (ended := process.poll()) is None:
        time.sleep(POLL_SECONDS)
        calendar.look()
    raise OperationError(f"the code server ended by itself (code {ended}): the lines above say why")


def _superset(home: Home, part: Part, port: int, say: Say) -> tuple[list[str], dict[str, str]]:
    from energy_assets.operations.dashboards.bring_up import prepared
    from energy_assets.operations.dashboards.service import server_command, worker_command

    superset = prepared(home, port, say, sets_up=part is Part.superset)
    command = server_command(port, settings().listen_address) if part is Part.superset else worker_command()
    return command, superset.environment()


def _known(home: Home) -> dict[str, str]:
    return {**os.environ, **environment(home)}


def _become(command: list[str], environment: dict[str, str]) -> None:
    """Replace this process: who sends it a signal, or reads its output, then speaks to the program itself.

    It knows `environment` and nothing else: Superset is told no password of those who write.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(command[0], command, environment)  # noqa: S606 (our own programs)


def _daemon_beats(home: Home) -> bool:
    with dagster_instance(home) as instance:
        from dagster._daemon.controller import all_daemons_live

        return all_daemons_live(instance)
