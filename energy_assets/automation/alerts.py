"""What a failed run says to the engineer: the same lines as `energy-assets why`.

What belongs here: the failure sensor, and which runs and days an alert is about. What does not: the sentences
(resources/why.py), the ways to people (resources/notify.py).
"""

from collections.abc import Sequence
from pathlib import Path

import dagster as dg
from dagster._core.execution.plan.objects import StepFailureData

from energy_assets.checkpoints.checkpoint import RED_DAYS
from energy_assets.resources.due import red_days
from energy_assets.resources.notify import Alert, channels_of, deliver
from energy_assets.resources.turns import run_window
from energy_assets.resources.warehouse import Warehouse
from energy_assets.resources.why import explain, failed_steps
from energy_assets.settings import settings


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Says why a run failed and what to do, in the lines of `energy-assets why`: in its log, and by webhook and"
    " e-mail where the settings name them.",
)
def red_days_alert(context: dg.RunFailureSensorContext, warehouse: Warehouse) -> None:
    alert = alert_of(warehouse, context.dagster_run, context.get_step_failure_events())
    # Logged before anything is sent: no channel's trouble may cost this line.
    context.log.error(alert.text)
    for delivery in deliver(alert, channels_of(settings())):
        if delivery.is_sent:
            context.log.info(delivery.text())
        else:
            context.log.error(delivery.text())


def alert_of(warehouse: Warehouse, run: dg.DagsterRun, failures: Sequence[dg.DagsterEvent]) -> Alert:
    """The run's alert, about its red days or, where none is red, about all of its days.

    It says why each red day of the run's window is red, and what the failed steps say of anything else.
    """
    window = run_window(run)
    red = red_days(warehouse, window) if window else {}
    lines = [entry.text() for day in sorted(red) for entry in explain(warehouse, day)]
    others = failed_steps(event for event in failures if not (red and is_verdict(event)))
    lines += [f"{step}: {message}" for step, message in others.items()]
    return Alert(
        home=Path(warehouse.home).name,
        text="\n".join(lines) or f"run {run.run_id} failed before its first step",
        run_id=run.run_id,
        days=tuple(sorted(red) or window or ()),
    )


def is_verdict(failure: dg.DagsterEvent) -> bool:
    """Whether the step failed because days are red, which is told day by day."""
    data = failure.event_specific_data
    raised = data.user_failure_data if isinstance(data, StepFailureData) else None
    return bool(raised and RED_DAYS in raised.metadata)
