"""Sensors: new files are read, and the days that the graph then owes are run.

What belongs here: when to ask. What does not: which days are owed (resources/due.py), reading files (runs do that).
"""

from collections.abc import Sequence

import dagster as dg

from energy_assets.automation.edges import EDGES, assets_of
from energy_assets.automation.jobs import DAILY_JOB, LANDING_JOB, range_tags
from energy_assets.partitions import DAILY
from energy_assets.resources import ledger
from energy_assets.resources.due import DueDay, digest, due_days, due_ranges
from energy_assets.resources.landing_zone import LandingZone
from energy_assets.resources.warehouse import Warehouse
from energy_assets.settings import settings

IN_PROGRESS = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dg.sensor(
    job=LANDING_JOB,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks for a landing run when files wait that were not read yet. It lists files and opens none.",
)
def landing_sensor(
    context: dg.SensorEvaluationContext, warehouse: Warehouse, landing_zone: LandingZone
) -> dg.RunRequest | dg.SkipReason:
    waiting = ledger.unread(warehouse, landing_zone.listing().settled)
    if not waiting:
        return dg.SkipReason("no new file")
    return dg.RunRequest(run_key=digest(f"{file.relative} {file.size} {file.mtime_ns}" for file in waiting))


@dg.sensor(
    job=DAILY_JOB,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks for the days that the graph owes: touched by a landing, turned green, accepted, or looking back on such a day.",
)
def due_days_sensor(context: dg.SensorEvaluationContext, warehouse: Warehouse) -> dg.SensorResult | dg.SkipReason:
    if busy := context.instance.get_runs(dg.RunsFilter(statuses=IN_PROGRESS), limit=1):
        return dg.SkipReason(f"run {busy[0].run_id[:8]} is in progress: what is owed is counted after it")
    due = due_days(warehouse, EDGES)
    known = set(DAILY.get_partition_keys())
    ready = [entry for entry in due if entry.day.isoformat() in known]
    if not ready:
        return dg.SkipReason(
            f"{due[0].day} is not over yet, or beyond the calendar that is loaded" if due else "no day is owed"
        )
    return dg.SensorResult(run_requests=day_requests(ready))


def day_requests(due: Sequence[DueDay]) -> list[dg.RunRequest]:
    """One run for each range of consecutive days that owe the same, of what they owe, none longer than a chunk."""
    return [
        dg.RunRequest(run_key=owed.key, tags=range_tags(owed.window), asset_selection=assets_of(owed.work))
        for owed in due_ranges(due, settings().backfill_chunk_days)
    ]
