"""Processes that outlive the command that started them: found by their command line, stopped step by step, never mistaken.

What belongs here: start, find, stop and wait, and the log a process writes. What does not: what a store needs to run.

No pid file can go stale, since there is none: a store's command line names its data directory, which is its identity. A found
process is a `psutil.Process`, which knows its creation time and refuses to signal a stranger that was given the same pid.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_exponential

from energy_assets.embedded.machine import MIB

LOG_LIMIT = 10 * MIB
"""A log larger than this is set aside at the next start; one former log is kept."""

_started: list[subprocess.Popen[bytes]] = []
"""Children of this very process: asked now and then, so that a dead one does not stay behind as a zombie."""


def find(matches: Callable[[list[str]], bool], *, owners: set[int]) -> list[psutil.Process]:
    """Living processes of the user ids `owners` whose argument list `matches`."""
    _reap()
    found = []
    for process in psutil.process_iter(["cmdline", "uids"]):
        arguments, uids = process.info["cmdline"], process.info["uids"]
        if arguments and uids and uids.real in owners and matches(arguments):
            found.append(process)
    return found


def marked(mark: str, value: str) -> dict[psutil.Process, int]:
    """Living processes, but this one, in whose environment `mark` is `value`, each with its parent's pid.

    What a program starts inherits the mark: so its children are found again, whoever started them.
    """
    found = {}
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(mark) == value and is_alive(process):
                found[process] = process.ppid()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            # Ended meanwhile, or of another user: none of ours.
            continue
    return found


def start(
    command: Sequence[str],
    *,
    log: Path,
    cwd: Path,
    environment: Mapping[str, str],
    user: int | None = None,
    group: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own, writing to the end of `log`; as `user` and `group` where given (root only)."""
    identity: dict[str, Any] = {} if user is None else {"user": user, "group": group, "extra_groups": []}
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=dict(environment),
            start_new_session=True,
            **identity,
        )
    _started.append(child)
    return child


def stop(
    processes: list[psutil.Process],
    steps: Sequence[tuple[signal.Signals, float]],
    *,
    what: str,
    say: Callable[[str], None],
) -> list[psutil.Process]:
    """Signal `processes`, giving each step's signal its seconds and saying the harsher ones; those that are still alive."""
    alive, given = processes, 0.0
    for number, seconds in steps:
        if not alive:
            break
        if given:
            say(f"{what} did not stop within {given:.0f} s: sending {number.name}")
        for process in alive:
            _signal(process, number)
        alive, given = wait_gone(alive, seconds), seconds
    return alive


def wait_gone(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those of `processes` that are still alive after `seconds`."""
    waiting = Retrying(
        retry=retry_if_result(bool),
        stop=stop_after_delay(seconds),
        wait=wait_exponential(multiplier=0.01, max=0.2),
        retry_error_callback=lambda state: state.outcome and state.outcome.result(),
    )
    return waiting(lambda: [process for process in processes if is_alive(process)])


def is_alive(process: psutil.Process) -> bool:
    """Whether `process` runs; a zombie does not, though nobody may ever collect it (in a container without an init)."""
    _reap()
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def rotate(log: Path) -> None:
    """Set a log aside that has grown past its limit, and make sure that there is one."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.is_file() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_name(f"{log.name}.1"))
    log.touch(mode=0o600)


def tail(log: Path, *, since: int = 0, lines: int = 15) -> str:
    """The last `lines` of what was written to `log` from byte `since` on."""
    if not log.is_file():
        return ""
    with log.open("rb") as handle:
        handle.seek(max(since, log.stat().st_size - 64 * 1024))
        return "\n".join(handle.read().decode(errors="replace").splitlines()[-lines:])


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def _reap() -> None:
    _started[:] = [child for child in _started if child.poll() is None]
