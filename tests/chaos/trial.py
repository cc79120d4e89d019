"""A home to do harm to: its deliveries, its commands in processes of their own, where a run is, and what can be killed.

What belongs here: that. What does not: when what is killed (kills.py), what should be left (compare.py).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from support.commands import CLI, environment

from energy_assets.embedded import processes, supervisor
from energy_assets.embedded.endpoint import ClickHouse
from energy_assets.embedded.postgres import Postgres
from energy_assets.home import Home
from energy_assets.operations.runs import layer_of
from energy_assets.settings import Settings

TESTS = Path(__file__).resolve().parents[1]
EMBEDDED = Settings(POSTGRES_URL=None, CLICKHOUSE_URL=None)
STUCK_SECONDS = 300.0
"""A command that writes no event for so long is stuck: the longest step of an undisturbed run takes seconds."""


@dataclass
class Command:
    """A command that goes on, and what it printed once it ended."""

    process: subprocess.Popen[str]
    printed: Path
    began: float
    log_from: int
    """Size of the home's log when the command started."""

    @property
    def code(self) -> int | None:
        return self.process.poll()

    @property
    def said(self) -> str:
        return self.printed.read_text(errors="replace")


class Trial:
    """The home `utility` below `root`, into which the deliveries at `city` are ingested."""

    def __init__(self, root: Path, city: Path, settings: Mapping[str, str] | None = None) -> None:
        self.root = root
        self.city = city
        self.home = Home(root / "utility")
        self.settings = dict(settings or {})
        self._commands = 0
        root.mkdir(parents=True, exist_ok=True)

    # Commands

    def start(self, *arguments: str, **settings: str) -> Command:
        """Start `energy-assets` with `arguments` on this home; `settings` are further environment variables."""
        self._commands += 1
        printed = self.root / f"command-{self._commands}.txt"
        with printed.open("w") as output:
            process = subprocess.Popen(
                [str(CLI), *arguments],
                env=environment(self.root) | self.settings | settings,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        return Command(process, printed, time.monotonic(), self.log_size)

    def run(self, *arguments: str, **settings: str) -> Command:
        """`start`, to its end, however it ends. Raises RuntimeError where it is stuck."""
        return self.finish(self.start(*arguments, **settings))

    def finish(self, command: Command) -> Command:
        """Wait until `command` ends. Raises RuntimeError where it writes nothing for STUCK_SECONDS."""
        for _ in self.watch(command):
            pass
        return command

    def bring_up_stores(self) -> None:
        """What `up` does about the stores, without the seconds that a command takes to start. Raises StoreError."""
        supervisor.up(self.home, EMBEDDED)

    def ingest(self) -> Command:
        return self.start("ingest", str(self.city), "--historical")

    # Where a run is

    @property
    def log(self) -> Path:
        return self.home.logs / "events.jsonl"

    @property
    def log_size(self) -> int:
        return self.log.stat().st_size if self.log.is_file() else 0

    def watch(self, command: Command) -> Iterator[Where]:
        """Where `command` is, again and again, until it ends. Raises RuntimeError where nothing happens for STUCK_SECONDS."""
        follow = Follow(self.log, command.log_from)
        heard = time.monotonic()
        while True:
            ended = command.code is not None
            if follow.read():
                heard = time.monotonic()
            yield follow.where
            if ended:
                return
            if time.monotonic() - heard > STUCK_SECONDS:
                raise RuntimeError(f"stuck in {follow.where}: {command.process.args}\n{command.said[-2000:]}")
            time.sleep(0.005)

    # Victims

    def victims(self, name: str, command: Command | None, *, whole_family: bool) -> list[psutil.Process]:
        """The processes that `name` (run, postgres, clickhouse) stands for now; none where it does not run."""
        if name == "run":
            return [psutil.Process(command.process.pid)] if command and command.code is None else []
        server = {"postgres": Postgres, "clickhouse": ClickHouse}[name](self.home).server()
        if server is None:
            return []
        try:
            return [server, *(server.children() if whole_family else [])]
        except psutil.NoSuchProcess:
            return []

    def kill(self, victims: list[psutil.Process]) -> bool:
        """SIGKILL to all of `victims` at once; whether the first of them was there to be killed."""
        killed = False
        for number, process in enumerate(victims):
            try:
                process.kill()
                killed |= number == 0
            except psutil.NoSuchProcess:
                continue
        processes.wait_gone(victims[:1], 10)
        return killed

    # What is left

    def state(self) -> dict[str, Any]:
        """See state.py."""
        done = subprocess.run(
            [sys.executable, "-m", "chaos.state", str(self.home.path)],
            env=environment(self.home) | {"PYTHONPATH": str(TESTS)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"the state of {self.home.path} cannot be read:\n{done.stderr[-3000:]}")
        return json.loads(done.stdout)

    def down(self) -> None:
        supervisor.down(self.home)

    def remove(self) -> None:
        self.down()
        shutil.rmtree(self.root, ignore_errors=True)


@dataclass
class Where:
    """Where a command's run is: its stage, and the step that was begun last."""

    stage: str = "start"
    step: str = ""
    is_running: bool = False
    """Whether that step is not over."""


@dataclass
class Follow:
    """Reads on in a home's log of events and knows where the newest run is."""

    log: Path
    position: int
    where: Where = field(default_factory=Where)

    def read(self) -> bool:
        """Take up what was written since; whether anything was."""
        if not self.log.is_file():
            return False
        with self.log.open("rb") as handle:
            handle.seek(self.position)
            text = handle.read()
        whole = text[: text.rfind(b"\n") + 1]
        self.position += len(whole)
        for line in whole.splitlines():
            try:
                self._take(json.loads(line))
            except ValueError:
                continue  # a line that a killed process left half written
        return bool(whole)

    def _take(self, event: Mapping[str, Any]) -> None:
        kind, step = event.get("dagster_event"), event.get("step", "")
        if kind == "STEP_START":
            self.where = Where(stage_of(step), step, True)
        elif kind in ("STEP_SUCCESS", "STEP_FAILURE"):
            self.where = Where(self.where.stage, step, False)
        elif kind == "PIPELINE_SUCCESS" and event.get("job") == "daily":
            self.where = Where("after the run", "", False)


def stage_of(step: str) -> str:
    """The stage of a run that a step belongs to."""
    if step in ("landing_files", "reference_tables") or step.startswith("raw_data__landing"):
        return "landing"
    return layer_of(step)


STAGES = (
    "start",
    "landing",
    "raw",
    "staging",
    "intermediate",
    "scores",
    "marts",
    "gates",
    "ClickHouse",
    "after the run",
)


def wait_until(is_true: Callable[[], Any], *, seconds: float, what: str) -> float:
    """Seconds until `is_true`. Raises RuntimeError where it does not become so."""
    began = time.monotonic()
    while not is_true():
        if time.monotonic() - began > seconds:
            raise RuntimeError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.05)
    return time.monotonic() - began


@contextmanager
def ended_at_last(command: Command) -> Iterator[Command]:
    """`command`, and what it started, do not outlive the block."""
    try:
        yield command
    finally:
        if command.code is None:
            os.killpg(command.process.pid, signal.SIGKILL)
            command.process.wait()
