"""Sensors: new files are read, and the days that the graph then owes are run.

What belongs here: when to ask. What does not: which days are owed (resources/due.py), reading files (runs do that).
"""

import dagster as dg
from dagster._core.storage.tags import RUN_FAILURE_REASON_TAG, RUN_KEY_TAG

from energy_assets.automation.edges import EDGES, assets_of
from energy_assets.automation.jobs import DAILY_JOB, LANDING_JOB, range_tags
from energy_assets.partitions import DAILY
from energy_assets.resources import ledger
from energy_assets.resources.due import DueRange, digest, due_days, due_ranges
from energy_assets.resources.landing_zone import LandingZone, not_taken
from energy_assets.resources.warehouse import Warehouse
from energy_assets.settings import settings

IN_PROGRESS = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]

OWN_FAILURES = ("STEP_FAILURE", "RUN_EXCEPTION", "JOB_INITIALIZATION_FAILURE")
"""Dagster's reasons of runs that came to an end of their own; those that were killed have another one, or none."""
ATTEMPTS = 3
"""So often is the same asked for where each run was killed: what kills three may kill any number."""


@dg.sensor(
    job=LANDING_JOB,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks for a landing run when files wait that were not read yet. It lists files and opens none.",
)
def landing_sensor(
    context: dg.SensorEvaluationContext, warehouse: Warehouse, landing_zone: LandingZone
) -> dg.RunRequest | dg.SkipReason:
    listing, changed_at = landing_zone.listing(), landing_zone.mappings_changed_at()
    waiting = ledger.unread(warehouse, listing.settled, changed_at)
    if not waiting:
        return dg.SkipReason("; ".join(["no new file", *not_taken(listing)]))
    state = [f"{file.relative} {file.size} {file.mtime_ns}" for file in waiting]
    key = unanswered(context.instance, digest([*state, *([str(changed_at)] if changed_at else [])]))
    if key is None:
        return dg.SkipReason(
            f"{len(waiting)} files wait, which a run was asked to read: where it failed → energy-assets resume"
        )
    return dg.RunRequest(run_key=key)


@dg.sensor(
    job=DAILY_JOB,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks for the days that the graph owes: touched by a landing, turned green, accepted, or looking back on such a day.",
)
def due_days_sensor(context: dg.SensorEvaluationContext, warehouse: Warehouse) -> dg.SensorResult | dg.SkipReason:
    if busy := context.instance.get_runs(dg.RunsFilter(statuses=IN_PROGRESS), limit=1):
        return dg.SkipReason(f"run {busy[0].run_id[:8]} is in progress: what is owed is counted after it")
    mark = change_mark(context.instance, warehouse)
    counted_at, _, answer = (context.cursor or "").partition(" ")
    if counted_at == mark:
        return dg.SkipReason(answer)
    owed = next_owed(context.instance, warehouse)
    if isinstance(owed, dg.RunRequest):
        return dg.SensorResult(run_requests=[owed])
    return dg.SensorResult(skip_reason=owed, cursor=f"{mark} {owed}")


def change_mark(instance: dg.DagsterInstance, warehouse: Warehouse) -> str:
    """Changes whenever what is owed can have changed: no need to look at every day again while it stays.

    Only runs write; a person accepts, withdraws and restores; days come to their end; an upgrade brings other tables.
    """
    newest = instance.get_run_records(limit=1, order_by="update_timestamp")
    decisions = warehouse.rows(
        "select (select concat(count(*), max(accepted_at)) from quality.overrides),"
        " (select concat(count(*), max(retracted_at)) from raw_data.landing_files where retracted_at is not null)"
    )
    ended = [(record.dagster_run.run_id, record.update_timestamp) for record in newest]
    return digest(map(str, (ended, decisions, DAILY.get_last_partition_key(), EDGES)))


def next_owed(instance: dg.DagsterInstance, warehouse: Warehouse) -> dg.RunRequest | str:
    """The earliest range that is owed and was not asked for; where there is none, why, in words."""
    due = due_days(warehouse, EDGES)
    known = set(DAILY.get_partition_keys())
    ready = [entry for entry in due if entry.day.isoformat() in known]
    if not ready:
        return f"{due[0].day} is not over yet, or beyond the calendar that is loaded" if due else "no day is owed"
    owed = list(due_ranges(ready, settings().backfill_chunk_days))
    # One range at a time, the earliest first: a later week's model must find the days before it.
    for entry in owed:
        if key := unanswered(instance, entry.key):
            return request_of(entry, key)
    return f"{owed[0].window} is owed, but its run failed and nothing was written since: → energy-assets resume"


def unanswered(instance: dg.DagsterInstance, key: str) -> str | None:
    """The run key under which to ask for what `key` names; None where a run of it goes on, or answered, well or badly.

    A run that was killed (a UI that was stopped, a machine that went down) is no answer: then the key names the attempt.
    """
    for number in range(1, ATTEMPTS + 1):
        attempt = key if number == 1 else f"{key}#{number}"
        runs = instance.get_runs(dg.RunsFilter(tags={RUN_KEY_TAG: attempt}), limit=1)
        if not runs:
            return attempt
        if not was_killed(runs[0]):
            return None
    return None


def was_killed(run: dg.DagsterRun) -> bool:
    return run.status is dg.DagsterRunStatus.FAILURE and run.tags.get(RUN_FAILURE_REASON_TAG) not in OWN_FAILURES


def request_of(owed: DueRange, key: str) -> dg.RunRequest:
    """One run over the range, of what its days owe."""
    return dg.RunRequest(run_key=key, tags=range_tags(owed.window), asset_selection=assets_of(owed.work))
