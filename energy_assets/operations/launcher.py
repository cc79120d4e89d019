"""Which recorded runs are still worked on: a run whose process was killed must not count as in progress for ever.

What belongs here: asking the machine for a run's process. What does not: closing runs (Dagster's run monitoring does).

Only for homes whose processes share one machine: `energy-assets up` names this launcher in the home's dagster.yaml.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
from dagster import DagsterEventType
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus

if TYPE_CHECKING:
    import dagster as dg

CLOCK_SLACK_SECONDS = 2.0
"""The kernel counts a process's start in ticks since boot, events in wall-clock time."""


class LocalRunLauncher(DefaultRunLauncher):
    """Dagster's own launcher, which can also say whether the process of a started run lives."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """RUNNING until a run has named a process of its own; from then on, whether that process lives."""
        recorded = self._process(run)
        if recorded is None or _lives(*recorded):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(
            WorkerStatus.NOT_FOUND,
            f"process {recorded[0]} of the run is gone: it was killed, or the program that started it was stopped. "
            "No day was left half written; what is owed is asked for again",
        )

    def _process(self, run: dg.DagsterRun) -> tuple[int, float] | None:
        """The pid of the process that works on the run, and the time at which it said so."""
        for entry in reversed(self._instance.all_logs(run.run_id, of_type=DagsterEventType.ENGINE_EVENT)):
            metadata = entry.get_dagster_event().engine_event_data.metadata
            if "pid" in metadata:
                return int(str(metadata["pid"].value)), entry.timestamp
        return None


def _lives(pid: int, seen_at: float) -> bool:
    """Whether the process that had `pid` at `seen_at` still runs; a stranger with the same pid began later."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= seen_at + CLOCK_SLACK_SECONDS
    except psutil.NoSuchProcess:
        return False
