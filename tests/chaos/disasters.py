"""Disasters other than a kill: full disks, cut connections, two runs at once, a killed daemon, a clock that jumps.

What belongs here: doing each to a home of its own, and what the user then sees. What does not: kills of a run (kills.py).

Each ends as a kill does: what was wrong with the machine is put right, the same command is given again, every table is compared.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.small_disk import NotPermitted, fill, free, small_disk

from chaos.compare import compare
from chaos.daemon import Daemon
from chaos.trial import Command, Trial, ended_at_last
from energy_assets.embedded import ports
from energy_assets.operations.ingest import look, prepare_home

DISK_MEGABYTES = 400
MOST_RETRIES = 3
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
CUTS = 20
PROGRESS = re.compile(
    r"(landing|\d{4}-\d\d-\d\d \S+ \d{4}-\d\d-\d\d)  \S+$|starting |stopping |verdicts |store |postgres  |clickhouse  "
)
"""Lines that a command prints when nothing is wrong."""


class Skipped(Exception):
    """This machine does not let the disaster happen; the message says what is missing."""


@dataclass(frozen=True)
class Case:
    """`suffer` does it and returns what the user saw; what it starts ends with it."""

    what: str
    suffer: Callable[[Trial], list[str]]


@dataclass
class Suffered:
    """What came of a disaster."""

    said: list[str] = field(default_factory=list)
    retries: int = 0
    repairs: int = 0


def suffer(
    name: str, root: Path, city: Path, expected: Mapping[str, Any], say: Callable[[str], None]
) -> dict[str, Any]:
    """Do the disaster `name` to a new home below `root`, put things right, retry, and compare with `expected`."""
    trial, suffered = Trial(root, city), Suffered()
    trial.remove()
    trial.root.mkdir(parents=True)
    skipped = ""
    try:
        suffered.said = CASES[name].suffer(trial)
        for suffered.retries in range(1, MOST_RETRIES + 1):
            command = trial.finish(trial.ingest())
            if command.code == 0:
                break
            suffered.said += command.said.splitlines()[-3:]
        else:
            suffered.repairs = 1
        verdict = compare(expected, trial.state())
    except (Skipped, NotPermitted) as reason:
        skipped, verdict = str(reason), compare(expected, expected | {"drafts": []})
    finally:
        trial.down()
    say(f"  {verdict.summary() if not skipped else f'skipped: {skipped}'}; retries {suffered.retries}")
    for line in suffered.said:
        say(f"  | {line}")
    if not skipped and verdict.is_same and not suffered.repairs:
        trial.remove()
    return {
        "kind": "case",
        "case": name,
        "what": CASES[name].what,
        "skipped": skipped,
        "said": " ".join(suffered.said),
        "retries": suffered.retries,
        "repairs": suffered.repairs,
        "verdict": verdict.as_json(),
    }


# A full disk -----------------------------------------------------------------------------------------------------------


def disk_full(directory: str, stage: str | None) -> Callable[[Trial], list[str]]:
    """The disk of a directory of the home ("" for all of it) is full from `stage` of a run on (None: before it), until the run and `up` have said so."""

    def suffered(trial: Trial) -> list[str]:
        place = trial.root / "disk"
        with small_disk(place, megabytes=DISK_MEGABYTES):
            lay(trial, directory, place)
            if stage is None:
                fill(place)
            command = trial.ingest()
            with ended_at_last(command):
                if stage is not None:
                    until(trial, command, stage)
                    fill(place)
                trial.finish(command)
            said = [*tail(command), "up, the disk still full:", *tail(trial.run("up"))]
            free(place)
            trial.down()
            back(trial, directory, place)
        return said

    return suffered


def lay(trial: Trial, directory: str, place: Path) -> None:
    """Let `directory` of the home lie on the disk at `place`."""
    if not directory:
        trial.home.path.symlink_to(place / "utility")
        (place / "utility").mkdir()
        return
    trial.home.path.mkdir(exist_ok=True)
    (trial.home.path / directory).symlink_to(place / directory)
    if directory not in ("postgres",):
        (place / directory).mkdir()


def back(trial: Trial, directory: str, place: Path) -> None:
    """Move what lies on the small disk to where it would have been, so that the home outlives the disk."""
    link = trial.home.path / directory if directory else trial.home.path
    link.unlink()
    subprocess.run(["cp", "-a", str(place / (directory or "utility")), str(link)], check=True)


# Cut connections -------------------------------------------------------------------------------------------------------


def connections_cut(store: str, stage: str) -> Callable[[Trial], list[str]]:
    """All connections to `store` end, as with a network that goes away, twenty times within two seconds of `stage`: in the middle of whatever goes on."""

    def suffered(trial: Trial) -> list[str]:
        command = trial.ingest()
        with ended_at_last(command):
            until(trial, command, stage)
            port = ports.remembered(trial.home)[store]
            number = sum(cut(port) for _ in range(CUTS))
            if not number:
                raise Skipped("`ss -K` cannot cut a connection here: it needs root, and a kernel that lets it")
            trial.finish(command)
        return [f"{number} connections cut", *tail(command)]

    return suffered


def cut(port: int) -> int:
    """End what is connected to `port` now, and wait a little; how many connections ended."""
    done = subprocess.run(["ss", "-K", "-H", "-t", f"dport = :{port}"], capture_output=True, text=True, check=False)
    time.sleep(2.0 / CUTS)
    return len(done.stdout.splitlines())


# Two at once -----------------------------------------------------------------------------------------------------------


def two_ingests(trial: Trial) -> list[str]:
    """The same delivery is ingested twice at the same time, into a home that does not exist yet."""
    both = [trial.ingest() for _ in range(2)]
    for command in both:
        with ended_at_last(command):
            trial.finish(command)
    return [line for command in both for line in tail(command, lines=1)]


# The daemon ------------------------------------------------------------------------------------------------------------


def daemon_killed(trial: Trial) -> list[str]:
    """Every process of `energy-assets ui` is killed while a run goes on and others wait in the queue; then it is started again."""
    prepare_home(trial.home, look(trial.city, trial.home), is_historical=True)
    said = []
    with Daemon(trial) as daemon:
        daemon.deliver()
        daemon.wait_landed()
        queued = daemon.queue_days("2024-01-01", "2024-01-02", "2024-01-03")
        daemon.wait("a run to go on and another to wait", lambda: daemon.statuses() >= {"STARTED", "QUEUED"})
        time.sleep(3.0)
        said.append(f"{queued} runs asked for; killed {daemon.kill_all()} processes")
    with Daemon(trial) as daemon:
        seconds = daemon.wait_settled()
        said.append(f"started again: every day served, no run in progress, after {seconds:.0f} s")
    return said


# The clock -------------------------------------------------------------------------------------------------------------


def clock_jumps(*jumps: tuple[str, str]) -> Callable[[Trial], list[str]]:
    """The clock of the run, and of what it starts, jumps to an offset at each stage; afterwards it is right again.

    Harsher than a real clock: with libfaketime 0.9.10 the monotonic one has to jump as well, or every sleep fails.
    """

    def suffered(trial: Trial) -> list[str]:
        if not FAKETIME.is_file():
            raise Skipped("libfaketime is not installed (apt-get install libfaketime)")
        offset = trial.root / "offset"
        offset.write_text("+0\n")
        faked = {
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(offset),
            "FAKETIME_NO_CACHE": "1",
        }
        command = trial.start("ingest", str(trial.city), "--historical", **faked)
        with ended_at_last(command):
            for stage, to in jumps:
                until(trial, command, stage)
                draft = offset.with_suffix(".new")
                draft.write_text(to + "\n")
                draft.replace(offset)
            trial.finish(command)
        trial.down()  # what goes on must not keep the wrong clock
        return tail(command, lines=2)

    return suffered


# What several need -----------------------------------------------------------------------------------------------------


def until(trial: Trial, command: Command, stage: str) -> None:
    """Wait until the run of `command` is in a step of `stage`. Raises RuntimeError where it ends before."""
    for where in trial.watch(command):
        if where.stage == stage and where.is_running:
            return
    raise RuntimeError(f"the run ended before it came to {stage}:\n{command.said[-2000:]}")


def tail(command: Command, lines: int = 6) -> list[str]:
    """The last lines that a command printed, and its exit code where it is not zero."""
    said = [line for line in command.said.splitlines() if line.strip() and not PROGRESS.match(line)][-lines:]
    return [*said, *([f"(exit code {command.code})"] if command.code else [])]


CASES: dict[str, Case] = {
    "Postgres' disk full": Case(
        "filled while raw days are loaded; `up` while it is full", disk_full("postgres", "raw")
    ),
    "ClickHouse's disk full": Case(
        "filled while days are copied to ClickHouse; `up` while it is full", disk_full("clickhouse", "ClickHouse")
    ),
    "parts' disk full": Case("full when files are to be read; `up` while it is full", disk_full("parts", None)),
    "whole home's disk full": Case("filled while days are staged; `up` while it is full", disk_full("", "staging")),
    "connections to Postgres lost": Case(
        f"all cut, {CUTS} times in 2 s, while raw days are loaded", connections_cut("postgres", "raw")
    ),
    "connections to ClickHouse lost": Case(
        f"all cut, {CUTS} times in 2 s, while days are copied", connections_cut("clickhouse", "ClickHouse")
    ),
    "two ingests at once": Case("of the same delivery, into a home that neither found", two_ingests),
    "daemon killed, runs queued": Case("kill -9 of every process of `energy-assets ui`", daemon_killed),
    "clock jumps forward": Case(
        "by 26 hours while raw days are loaded, by 40 days while scores are made",
        clock_jumps(("raw", "+26h"), ("scores", "+40d")),
    ),
    "clock jumps back": Case(
        "by 3 hours while raw days are loaded, by 10 days while scores are made",
        clock_jumps(("raw", "-3h"), ("scores", "-10d")),
    ),
}
