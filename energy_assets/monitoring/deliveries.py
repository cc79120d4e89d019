"""Deliveries: what waits in the landing zone, what could not be read, what was rejected.

What belongs here: counts. What does not: the ledger (resources/ledger.py), reading files (landing/).
"""

from __future__ import annotations

from collections.abc import Iterator

from energy_assets.landing.files import list_files
from energy_assets.monitoring.metrics import (
    DELIVERED_ROWS,
    GATE_DAYS,
    QUARANTINED,
    REJECTED_ROWS,
    WAITING,
    WAITING_SINCE,
    Sample,
)
from energy_assets.monitoring.sources import Sources
from energy_assets.resources import ledger
from energy_assets.settings import settings


def waiting(sources: Sources) -> Iterator[Sample]:
    """Takes as long as the landing zone has files, read ones too: a part of its own, asked for less often the longer it takes."""
    listed = list_files(sources.home.landing, settle_seconds=settings().settle_seconds).settled
    files = ledger.unread(sources.postgres, listed)
    yield Sample(WAITING, len(files))
    if files:
        yield Sample(WAITING_SINCE, min(file.mtime_ns for file in files) / 1e9)
    yield Sample(QUARANTINED, len(ledger.unreadable_files(sources.postgres)))


def rows(sources: Sources) -> Iterator[Sample]:
    rows = sources.postgres.rows(
        "select source, sum(row_count), sum(rejected_count) from raw_data.landing_parts"
        " join raw_data.active_files using (file_id) where reading_date = any(%s) group by source",
        (sources.recent_days[:GATE_DAYS],),
    )
    for source, count, rejected in rows:
        yield Sample(DELIVERED_ROWS, float(count), (source,))
        yield Sample(REJECTED_ROWS, float(rejected), (source,))
