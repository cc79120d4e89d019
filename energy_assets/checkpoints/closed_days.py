"""A closed day on Dagster's page: it is red at its gate, and nowhere else.

What belongs here: the one place that writes Dagster's own record of what a run set out to make. What does not: verdicts (resources/gates.py).

Dagster calls a day failed where a failed run had planned it. By default a run plans every day of every asset, so that one red day painted
forty tables behind its gate red as well. The home's processes therefore plan a run's days as one set (operations/instance.py), which shows
nothing as failed, and a gate names the days that it closed.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

import dagster as dg
from dagster._core.events import AssetMaterializationPlannedData, DagsterEvent


def show_closed_days(context: dg.AssetExecutionContext, closed: Mapping[date, Mapping[str, Any]]) -> None:
    """Let the bar of the asset's days show `closed` as failed, each with its metadata; call it before the step fails.

    A later materialization of a day turns it green.
    """
    for day, metadata in closed.items():
        planned = AssetMaterializationPlannedData(context.asset_key, partition=day.isoformat(), partitions_subset=None)
        context.instance.report_dagster_event(
            DagsterEvent.build_asset_materialization_planned_event(
                context.job_name, context.op_execution_context.get_step_execution_context().step.key, planned
            ),
            run_id=context.run_id,
        )
        context.log_event(dg.AssetObservation(context.asset_key, partition=day.isoformat(), metadata=metadata))
