"""Runs of Dagster: how they end, how long they take, which are on their way; and whether the daemon lives.

What belongs here: questions to Dagster's own tables, whose shape Dagster's locked version fixes. What does not: events of runs.

Asked are the newest runs, and those of the last day by an index of Dagster's: nothing grows with history.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, timedelta
from typing import Any

from energy_assets.monitoring.metrics import (
    HEARTBEAT,
    RUN_DURATION,
    RUN_END,
    RUN_FAILURES,
    RUNS_ACTIVE,
    RUNS_ENDED,
    Sample,
)
from energy_assets.monitoring.sources import Sources

NEWEST_RUNS = 200
ENDED = {"SUCCESS": "success", "FAILURE": "failure", "CANCELED": "canceled"}
ACTIVE = {
    "QUEUED": "queued",
    "NOT_STARTED": "queued",
    "STARTING": "in_progress",
    "STARTED": "in_progress",
    "CANCELING": "in_progress",
}


def runs(sources: Sources) -> Iterator[Sample]:
    # Dagster makes its tables with the first run.
    if sources.dagster.rows("select to_regclass('runs') is null")[0][0]:
        return
    yield from _counts(sources)
    yield from _jobs(sources)
    yield from _daemon(sources)


def _counts(sources: Sources) -> Iterator[Sample]:
    # Dagster stores times of day without zone, in UTC.
    since = (sources.now - timedelta(days=1)).astimezone(UTC).replace(tzinfo=None)
    ended = dict(
        sources.dagster.rows(
            "select status, count(*) from runs where status = any(%s) and update_timestamp >= %s group by status",
            (list(ENDED), since),
        )
    )
    for status, name in ENDED.items():
        yield Sample(RUNS_ENDED, ended.get(status, 0), (name,))
    active = dict(
        sources.dagster.rows(
            "select status, count(*) from runs where status = any(%s) group by status", (list(ACTIVE),)
        )
    )
    for name in sorted(set(ACTIVE.values())):
        yield Sample(RUNS_ACTIVE, sum(active.get(status, 0) for status in ACTIVE if ACTIVE[status] == name), (name,))


def _jobs(sources: Sources) -> Iterator[Sample]:
    newest = sources.dagster.rows(
        "select pipeline_name, status, start_time, end_time from runs order by id desc limit %s", (NEWEST_RUNS,)
    )
    by_job: dict[str, list[tuple[Any, ...]]] = {}
    for job, *run in newest:
        if run[0] in ENDED:
            # Assets that a person picked on the page run as a job without a name of its own.
            by_job.setdefault("picked assets" if job.startswith("__") else job, []).append(tuple(run))
    for job, ended in by_job.items():
        _, start, end = ended[0]
        if end is not None:
            yield Sample(RUN_END, end, (job,))
        if start is not None and end is not None:
            yield Sample(RUN_DURATION, end - start, (job,))
        decided = [status for status, *_ in ended if status != "CANCELED"]
        failed = decided.index("SUCCESS") if "SUCCESS" in decided else len(decided)
        yield Sample(RUN_FAILURES, failed, (job,))


def _daemon(sources: Sources) -> Iterator[Sample]:
    if sources.dagster.rows("select to_regclass('daemon_heartbeats') is null")[0][0]:
        return
    heard = sources.dagster.rows("select max(timestamp) from daemon_heartbeats")[0][0]
    if heard is not None:
        yield Sample(HEARTBEAT, heard.replace(tzinfo=UTC).timestamp())
