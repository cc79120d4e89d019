"""Run the graph from the command line: landing, and days in ranges, in this process, recorded like any other run.

What belongs here: executing jobs, what happened, and going on with the green days after a red one.
What does not: what a day's chain consists of (automation/jobs.py), printing (cli.py).
"""

from __future__ import annotations

import os
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from energy_assets.home import Home
from energy_assets.operations.errors import OperationError
from energy_assets.operations.instance import PLANNED_AS_ONE, dagster_instance, show_runs_on_first_page

if TYPE_CHECKING:
    import dagster as dg

    from energy_assets.days import DayWindow
    from energy_assets.resources.warehouse import Warehouse

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


RANGE_EVENTS = {"DAGSTER_EVENT_BATCH_SIZE": "1000", **PLANNED_AS_ONE}
"""Environment: a range's events of partitions are written in batches; completeness is then verified in the database."""


class RunFailed(OperationError):
    """A run failed for another reason than a red day; the message holds the failing steps' own."""


@dataclass
class Progress:
    """Told what happens while runs go on: `step(name, done, total)` after each step of a run over `label`."""

    step: Callable[[str, str, int, int], None] = lambda label, name, done, total: None


@dataclass
class RangeOutcome:
    """What a backfill came to."""

    window: DayWindow
    red: dict[date, str] = field(default_factory=dict)
    """Red day -> table."""
    incomplete: list[str] = field(default_factory=list)
    """Days that are neither red nor served, in words."""
    seconds: Counter[str] = field(default_factory=Counter)
    """Layer -> seconds of its steps."""
    runs: int = 0

    @property
    def is_complete(self) -> bool:
        return not self.red and not self.incomplete


class Runner:
    """Runs of one home. Entering it loads the code location, whose calendar is then fixed for this process."""

    def __init__(
        self, home: Home, progress: Progress | None = None, say: Callable[[str], None] = lambda line: None
    ) -> None:
        self._home = home
        self.progress = progress or Progress()
        self._say = say
        self._stack = ExitStack()
        self.has_run_days = False
        self.data_docs_seconds = 0.0
        """What building the pages of the runs' verdicts took, once this runner is left."""

    def __enter__(self) -> Runner:
        _require_runs_here()
        for name, value in RANGE_EVENTS.items():
            os.environ.setdefault(name, value)
        self._instance = self._stack.enter_context(dagster_instance(self._home))
        show_runs_on_first_page(self._instance, self._home)
        from energy_assets.automation.killed_runs import close_killed_runs, report_written_days
        from energy_assets.definitions import defs

        self._definitions: dg.Definitions = defs
        self.require_same_calendar()
        close_killed_runs(self._instance)
        report_written_days(self._instance, self.warehouse)
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        """Show the verdicts of what ran, however it ended, but by Ctrl-C: of a failed run they matter most."""
        with self._stack:
            if self.has_run_days and (kind is None or issubclass(kind, Exception)):
                from energy_assets.resources.data_docs import build_after_runs

                started = time.monotonic()
                build_after_runs(self.warehouse, self._say)
                self.data_docs_seconds = time.monotonic() - started
                self._copy_records()

    def _copy_records(self) -> None:
        from energy_assets.assets.records import copied
        from energy_assets.resources.served_records import copy_after_runs
        from energy_assets.resources.serving import Serving

        for event in copied(copy_after_runs(self.warehouse, Serving(home=str(self._home.path)), self._say)):
            self._instance.report_runless_asset_event(event)

    @property
    def warehouse(self) -> Warehouse:
        from energy_assets.resources.warehouse import Warehouse

        return Warehouse(home=str(self._home.path))

    def require_same_calendar(self) -> None:
        """Raises OperationError where the home's calendar is no longer the one that this process loaded: a landing widened it."""
        from energy_assets.partitions import CALENDAR

        if self._home.calendar() != CALENDAR:
            raise OperationError(
                f"the calendar of home {self._home.name} changed while this program ran: run the command again"
            )

    def window(self, first: date, last: date) -> DayWindow:
        """The days from `first` to `last`. Raises OperationError where the calendar does not hold them."""
        from energy_assets.days import ONE_DAY, DayWindow
        from energy_assets.partitions import DAILY

        keys = DAILY.get_partition_keys()
        if last < first:
            raise OperationError(f"--from {first} is after --to {last}: swap them")
        for day in (first, last):
            if day.isoformat() not in keys:
                raise OperationError(
                    f"{day} is no day of home {self._home.name}, whose days are {keys[0]} … {keys[-1]}"
                )
        return DayWindow(first, last + ONE_DAY)

    def newest_day(self) -> date:
        """The newest day of which a table holds rows. Raises OperationError where there is none."""
        newest = self.warehouse.newest_day()
        if newest is None:
            raise OperationError("no day was run yet: `energy-assets resume` runs what is owed")
        return newest

    def keys(self, select: str) -> list[dg.AssetKey]:
        """The assets named `schema/table`, comma-separated; a schema alone names all of it. Raises OperationError for what does not exist."""
        known = sorted(self._definitions.resolve_job_def("daily").asset_layer.executable_asset_keys)
        names = [name.strip() for name in select.split(",")]
        found = {name: [key for key in known if name in (key.to_user_string(), key.path[0])] for name in names}
        if unknown := [name for name, keys in found.items() if not keys]:
            there_are = ", ".join(key.to_user_string() for key in known)
            raise OperationError(f"no daily asset is called {', '.join(unknown)}: there are {there_are}")
        return list(dict.fromkeys(key for keys in found.values() for key in keys))

    def land(self) -> dict[str, Any]:
        """Read what waits in the landing zone; the counts that the landing asset reports.

        Raises RunFailed.
        """
        result = self._execute("landing", "landing", {}, None)
        if not result.success:
            raise RunFailed(failure_text(result))
        return {
            name: entry.value
            for materialization in result.get_asset_materialization_events()
            for name, entry in materialization.materialization.metadata.items()
        }

    def backfill(self, window: DayWindow, keys: Iterable[dg.AssetKey] | None = None) -> RangeOutcome:
        """Run every day of `window`, in chunks; after a red day the chunk's other days go on.

        Raises RunFailed where a run fails without a red day.
        """
        from energy_assets.assets.serving import SERVED
        from energy_assets.resources.due import unserved_days
        from energy_assets.settings import settings

        wanted = list(keys) if keys else None
        outcome = RangeOutcome(window)
        self.has_run_days = True
        for chunk in window.chunks(settings().backfill_chunk_days):
            self._run_range(chunk, wanted, outcome)
        copies = {served.ledger_name: served.source for served in SERVED if wanted is None or served.key in wanted}
        unserved = unserved_days(self.warehouse, window, copies)
        outcome.incomplete = [line for day, line in unserved if day not in outcome.red]
        return outcome

    def _run_range(self, window: DayWindow, keys: list[dg.AssetKey] | None, outcome: RangeOutcome) -> None:
        from energy_assets.automation.jobs import DAILY_JOB, range_tags
        from energy_assets.days import runs_of_days
        from energy_assets.resources.due import red_days

        result = self._execute(DAILY_JOB.name, str(window), range_tags(window), keys, outcome)
        if result.success:
            return
        red = red_days(self.warehouse, window)
        if not red:
            raise RunFailed(failure_text(result))
        outcome.red |= red
        remaining = self._unfinished(result, keys)
        for green in runs_of_days([day for day in window if day not in red]):
            self._run_range(green, remaining, outcome)

    def _execute(
        self,
        job: str,
        label: str,
        tags: dict[str, str],
        keys: list[dg.AssetKey] | None,
        outcome: RangeOutcome | None = None,
    ) -> dg.ExecuteInProcessResult:
        definition = self._definitions.resolve_job_def(job)
        run_id = str(uuid.uuid4())
        total = len(definition.nodes) if keys is None else len(keys)
        watch = _StepWatch(label, total, self.progress, outcome)
        self._instance.add_event_listener(run_id, watch)
        return definition.execute_in_process(
            instance=self._instance,
            run_id=run_id,
            tags=tags,
            asset_selection=keys,
            run_config=QUIET,
            raise_on_error=False,
        )

    def _unfinished(self, result: dg.ExecuteInProcessResult, keys: list[dg.AssetKey] | None) -> list[dg.AssetKey]:
        """Assets of the run that were not written: the failed checkpoint's successors."""
        from dagster import DagsterEventType

        graph = self._definitions.resolve_asset_graph()
        selected = set(keys or self._definitions.resolve_job_def("daily").asset_layer.executable_asset_keys)
        failed = {event.step_key for event in result.all_events if event.event_type == DagsterEventType.STEP_FAILURE}
        written = {
            event.asset_key
            for event in result.all_events
            if event.event_type == DagsterEventType.ASSET_MATERIALIZATION and event.step_key not in failed
        }
        judged = {key for key in selected if key.to_python_identifier() in failed and key.path[0] == "quality"}
        return [key for key in graph.toposorted_asset_keys if key in selected - written - judged]


def _require_runs_here() -> None:
    """Raises OperationError where runs are pods: what watches over those would take a run of this process for one whose pod is gone, and close it."""
    from energy_assets.settings import settings

    if settings().runs_in == "pods":
        raise OperationError(
            "runs of this home are pods (ENERGY_RUNS_IN): its daemon asks for what is delivered and owed by itself; ask for other days on Dagster's page"
        )


class _StepWatch:
    """Counts finished steps of a run, for progress and for seconds per layer."""

    def __init__(self, label: str, total: int, progress: Progress, outcome: RangeOutcome | None) -> None:
        self._label, self._total, self.progress, self._outcome = label, total, progress, outcome
        self._started: dict[str, float] = {}
        self._done = 0

    def __call__(self, entry: Any) -> None:
        event = entry.dagster_event
        if event is None:
            return
        kind = event.event_type_value
        if kind == "PIPELINE_START" and self._outcome is not None:
            self._outcome.runs += 1
        if kind == "STEP_START":
            self._started[event.step_key] = time.monotonic()
        if kind in ("STEP_SUCCESS", "STEP_FAILURE", "STEP_SKIPPED"):
            self._done += 1
            elapsed = time.monotonic() - self._started.get(event.step_key, time.monotonic())
            if self._outcome is not None:
                self._outcome.seconds[layer_of(event.step_key)] += elapsed  # type: ignore[assignment]  # a Counter of seconds
            self.progress.step(self._label, event.step_key, self._done, self._total)


def layer_of(step: str) -> str:
    """The layer that a step belongs to, as the summary names it."""
    for prefix, layer in LAYERS.items():
        if step.startswith(prefix):
            return layer
    return step


LAYERS = {
    "landing": "landing",
    "raw_data__": "raw",
    "dbt_staging": "staging",
    "dbt_intermediate": "intermediate",
    "intermediate__": "intermediate",
    "ml__": "scores",
    "dbt_marts": "marts",
    "quality__": "gates",
    "energy_analytics__": "ClickHouse",
    "freshness_check_": "freshness",
}


def failure_text(result: dg.ExecuteInProcessResult) -> str:
    """The failing steps' own messages."""
    from energy_assets.resources.why import failed_steps

    lines = [f"{step}: {message}" for step, message in failed_steps(result.all_events).items()]
    return "\n".join(lines) or "the run failed before its first step"
