"""Processes that outlive the command that started them: found by their command line, stopped step by step, never mistaken.

What belongs here: start, find, stop and wait, and the log a process writes. What does not: what a store needs to run.

No pid file can go stale, since there is none: a store's command line names its data directory, which is its identity. A found
process is a `psutil.Process`, which knows its creation time and refuses to signal a stranger that was given the same pid.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from energy_assets.embedded.machine import MIB

LOG_LIMIT = 10 * MIB
"""A log larger than this is set aside at the next start; one former log is kept."""

_started: list[subprocess.Popen] = []
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


def start(
    command: Sequence[str],
    *,
    log: Path,
    cwd: Path,
    environment: Mapping[str, str],
    user: int | None = None,
    group: int | None = None,
) -> psutil.Popen:
    """Start `command` in a session of its own, writing to the end of `log`; as `user` and `group` where given (root only)."""
    identity = {} if user is None else {"user": user, "group": group, "extra_groups": []}
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
    """Signal `processes`, each step's signal being given its seconds, harsher steps being said; what is still alive."""
    alive = processes
    for number, (number_or_name, seconds) in enumerate(steps):
        if number:
            say(f"{what} did not stop within {steps[number - 1][1]:.0f} s: sending {number_or_name.name}")
        for process in alive:
            _signal(process, number_or_name)
        alive = wait_gone(alive, seconds)
        if not alive:
            break
    return alive


def wait_gone(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those of `processes` that are still alive after `seconds`."""
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    _reap()
    return [process for process in alive if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def rotate(log: Path) -> None:
    """Set a log aside that has grown past its limit, and make sure that there is one."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.is_file() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))
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
