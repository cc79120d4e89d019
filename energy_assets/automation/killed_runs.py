"""Runs whose process was killed: they are closed, and what they wrote before they could say so is shown.

What belongs here: records of Dagster's that a kill left wrong. What does not: days (what is owed is asked for again: resources/due.py);
telling whether a run's process lives (operations/launcher.py).

A step first writes a day, then reports it. A kill between the two leaves a day that is right, that nobody owes, and that Dagster's page
shows as missing for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime

import dagster as dg
from dagster._core.launcher import WorkerStatus
from dagster._core.storage.tags import RUN_FAILURE_REASON_TAG

from energy_assets.automation.edges import WRITERS
from energy_assets.automation.jobs import DAILY_JOB
from energy_assets.days import DayWindow, runs_of_days
from energy_assets.keys import GATED, checkpoint_key
from energy_assets.resources.gates import day_states
from energy_assets.resources.turns import run_window
from energy_assets.resources.warehouse import Warehouse

OWN_FAILURES = ("STEP_FAILURE", "RUN_EXCEPTION", "JOB_INITIALIZATION_FAILURE")
"""Dagster's reasons of runs that came to an end of their own; those that were killed have another one, or none."""
SEEN = "energy_assets failed runs seen to"
"""Where Dagster's storage keeps until when failed runs were looked at."""
REPORTED = "written by a run that ended before it could say so"


def was_killed(run: dg.DagsterRun) -> bool:
    return run.status is dg.DagsterRunStatus.FAILURE and run.tags.get(RUN_FAILURE_REASON_TAG) not in OWN_FAILURES


def close_killed_runs(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Close the runs whose process is gone, as Dagster's daemon does where one runs; these runs."""
    launcher = instance.run_launcher
    if not launcher.supports_check_run_worker_health:
        return []
    closed = []
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        health = launcher.check_run_worker_health(run)
        if health.status is WorkerStatus.NOT_FOUND:
            instance.report_run_failed(run, health.msg)
            closed.append(run)
    return closed


def report_written_days(instance: dg.DagsterInstance, warehouse: Warehouse) -> int:
    """Report what runs that failed since the last call wrote and could not report; the number of days and tables.

    Not only killed ones: where Postgres was killed, the run failed by itself, and its last reports went with the server.
    """
    storage = instance.daemon_cursor_storage
    seen = storage.get_cursor_values({SEEN}).get(SEEN)
    failed = instance.get_run_records(
        dg.RunsFilter(
            statuses=[dg.DagsterRunStatus.FAILURE],
            job_name=DAILY_JOB.name,
            updated_after=datetime.fromisoformat(seen) if seen else None,
        ),
        order_by="update_timestamp",
    )
    if not failed:
        return 0
    days = {day for record in failed for day in run_window(record.dagster_run) or ()}
    reported = 0
    for window in runs_of_days(days):
        for materialization in unreported(instance, warehouse, window):
            instance.report_runless_asset_event(materialization)
            reported += 1
    storage.set_cursor_values({SEEN: max(record.update_timestamp for record in failed).isoformat()})
    return reported


def unreported(
    instance: dg.DagsterInstance, warehouse: Warehouse, window: DayWindow
) -> Iterator[dg.AssetMaterialization]:
    """A materialization for each day of `window` that is written, or judged and open, and that Dagster does not know of."""
    written: dict[dg.AssetKey, list[date]] = {}
    for table, day in warehouse.rows(
        "select table_name, reading_date from quality.day_versions where reading_date >= %s and reading_date < %s order by 2",
        (window.start, window.end),
    ):
        if writers := WRITERS.get(table):
            written.setdefault(writers[0], []).append(day)
    for (table, day), state in sorted(day_states(warehouse, list(GATED), window).items()):
        if state.is_readable:
            written.setdefault(checkpoint_key(table), []).append(day)
    for key, days in written.items():
        for day in _without(days, instance.get_materialized_partitions(key)):
            yield dg.AssetMaterialization(key, partition=day.isoformat(), description=REPORTED)


def _without(days: Iterable[date], known: Iterable[str]) -> list[date]:
    reported = set(known)
    return [day for day in days if day.isoformat() not in reported]
