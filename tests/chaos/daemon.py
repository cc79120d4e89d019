"""`energy-assets ui` of a trial's home: what its page is asked, what its runs are, and killing all of it.

What belongs here: that. What does not: what must come of it (disasters.py, soak.py).
"""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import httpx
import psutil

from chaos.trial import Command, Trial, wait_until
from energy_assets.embedded import processes
from energy_assets.landing.files import deliver
from energy_assets.operations.ui import MARK

START_SECONDS = 300.0
SETTLE_SECONDS = 1500.0
IN_PROGRESS = ("QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING")
LAUNCH = (
    "mutation($p: LaunchBackfillParams!) {launchPartitionBackfill(backfillParams: $p)"
    " {__typename ... on PythonError {message}}}"
)


class Daemon:
    """Inside the block `energy-assets ui` runs, unless it was killed."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.url = ""
        self.command: Command | None = None

    def __enter__(self) -> Daemon:
        self.command = self.trial.start("ui")
        wait_until(self._page, seconds=START_SECONDS, what="the page")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.command and self.command.code is None:
            self.command.process.send_signal(signal.SIGINT)
            self.command.process.wait(120)

    def _page(self) -> bool:
        if self.command.code is not None:
            raise RuntimeError(f"`energy-assets ui` ended:\n{self.command.said[-2000:]}")
        if found := re.search(r"http://\S+", self.command.said):
            self.url = found.group()
        return bool(found)

    # Asking

    def ask(self, query: str, **variables: Any) -> Any:
        answer = httpx.post(f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=60).json()
        if "errors" in answer:
            raise RuntimeError(str(answer["errors"]))
        return answer["data"]

    def runs(self) -> list[dict[str, Any]]:
        """Newest first: job, status and id of each run."""
        found = self.ask("{runsOrError(limit: 1000) {... on Runs {results {runId jobName status}}}}")
        return found["runsOrError"]["results"]

    def statuses(self) -> set[str]:
        return {run["status"] for run in self.runs()}

    def queue_days(self, *days: str) -> int:
        """Ask for a run of the whole chain for each of `days`, as the page's dialog does; how many were asked for."""
        query = "{assetNodes {assetKey {path} isPartitioned isMaterializable}}"
        keys = [
            {"path": node["assetKey"]["path"]}
            for node in self.ask(query)["assetNodes"]
            if node["isPartitioned"] and node["isMaterializable"]
        ]
        for day in days:
            answer = self.ask(LAUNCH, p={"assetSelection": keys, "partitionNames": [day]})["launchPartitionBackfill"]
            if answer["__typename"] != "LaunchBackfillSuccess":
                raise RuntimeError(str(answer))
        return len(days)

    # Doing

    def deliver(self) -> None:
        deliver(self.trial.city, self.trial.home.landing)

    def kill_all(self) -> int:
        """SIGKILL to every process of the UI, runs included; how many there were."""
        found = [*processes.marked(MARK, str(self.trial.home.path))]
        main = psutil.Process(self.command.process.pid)
        for process in [main, *found]:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        self.command.process.wait(30)
        return len(found) + 1

    # Waiting

    def wait(self, what: str, is_true: Callable[[], Any], seconds: float = SETTLE_SECONDS) -> float:
        def checked() -> bool:
            if self.command.code is not None:
                raise RuntimeError(f"`energy-assets ui` ended while waiting for {what}:\n{self.command.said[-2000:]}")
            time.sleep(0.5)
            return bool(is_true())

        return wait_until(checked, seconds=seconds, what=what)

    def wait_landed(self) -> float:
        return self.wait(
            "the files to be landed",
            lambda: any(run["jobName"] == "landing" and run["status"] == "SUCCESS" for run in self.runs()),
        )

    def wait_settled(self, quiet_seconds: float = 45.0) -> float:
        """Until no run is in progress and none was added for so long; the seconds that it took."""
        began, since, before = time.monotonic(), time.monotonic(), -1

        def settled() -> bool:
            nonlocal since, before
            runs = self.runs()
            if len(runs) != before or any(run["status"] in IN_PROGRESS for run in runs):
                since, before = time.monotonic(), len(runs)
            return time.monotonic() - since > quiet_seconds

        self.wait("every run to end", settled)
        return time.monotonic() - began - quiet_seconds
