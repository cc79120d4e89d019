"""What a failed run says to the engineer: the same lines as `energy-assets why`.

What belongs here: the failure sensor. What does not: the sentences (resources/why.py).
"""

from collections.abc import Sequence

import dagster as dg

from energy_assets.checkpoints.checkpoint import RED_DAYS
from energy_assets.resources.due import red_days
from energy_assets.resources.turns import run_window
from energy_assets.resources.warehouse import Warehouse
from energy_assets.resources.why import explain, failed_steps


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Logs why a run failed and what to do: of red days, the lines of `energy-assets why`.",
)
def red_days_alert(context: dg.RunFailureSensorContext, warehouse: Warehouse) -> None:
    context.log.error(alert_text(warehouse, context.dagster_run, context.get_step_failure_events()))


def alert_text(warehouse: Warehouse, run: dg.DagsterRun, failures: Sequence[dg.DagsterEvent]) -> str:
    """Why each red day of the run's window is red, and what the failed steps say of anything else."""
    window = run_window(run)
    red = red_days(warehouse, window) if window else {}
    lines = [entry.text() for day in sorted(red) for entry in explain(warehouse, day)]
    others = failed_steps(event for event in failures if not (red and is_verdict(event)))
    lines += [f"{step}: {message}" for step, message in others.items()]
    return "\n".join(lines) or f"run {run.run_id} failed before its first step"


def is_verdict(failure: dg.DagsterEvent) -> bool:
    """Whether the step failed because days are red, which is told day by day."""
    raised = failure.event_specific_data.user_failure_data
    return bool(raised and RED_DAYS in raised.metadata)
