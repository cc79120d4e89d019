"""What a failed run says to the engineer: the same lines as `energy-assets why`.

What belongs here: the failure sensor. What does not: the sentences (operations/why.py).
"""

from datetime import date, timedelta

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from energy_assets.days import DayWindow
from energy_assets.operations.why import explain
from energy_assets.resources.due import red_days
from energy_assets.resources.warehouse import Warehouse


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Logs why the red days of a failed run are red, and what to do.",
)
def red_days_alert(context: dg.RunFailureSensorContext, warehouse: Warehouse) -> None:
    context.log.error(alert_text(warehouse, context.dagster_run, context.failure_event.message or ""))


def alert_text(warehouse: Warehouse, run: dg.DagsterRun, message: str) -> str:
    """Why each red day of the run's window is red; the run's own message where none is."""
    window = window_of(run)
    red = red_days(warehouse, window) if window else {}
    explained = [entry.text() for day in sorted(red) for entry in explain(warehouse, day)]
    return "\n".join(explained) or f"run {run.run_id} failed: {message}"


def window_of(run: dg.DagsterRun) -> DayWindow | None:
    first = run.tags.get(ASSET_PARTITION_RANGE_START_TAG) or run.tags.get(PARTITION_NAME_TAG)
    last = run.tags.get(ASSET_PARTITION_RANGE_END_TAG) or run.tags.get(PARTITION_NAME_TAG)
    if not first or not last:
        return None
    return DayWindow(date.fromisoformat(first), date.fromisoformat(last) + timedelta(days=1))
