"""A closed day on Dagster's page: it is red at its gate, and nowhere else.

What belongs here: the one place that writes Dagster's own record of what a run set out to make. What does not: verdicts (resources/gates.py).

Dagster calls a day failed where a failed run had planned it. By default a run plans every day of every asset, so that one red day painted
forty tables behind its gate red as well. The home's processes therefore plan a run's days as one set (operations/instance.py), which shows
nothing as failed, and a gate names the days that it closed.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import dagster as dg
from dagster._core.events import AssetMaterializationPlannedData, DagsterEvent


def show_closed_days(context: dg.AssetExecutionContext, closed: Mapping[date, Mapping[str, Any]]) -> None:
    """Let the bar of the asset's days show `closed` as failed, each with its metadata; call it before the step fails.

    A later materialization of a day turns it green.
    """
    for day, metadata in closed.items():
        _plan(context, day)
        context.log_event(dg.AssetObservation(context.asset_key, partition=day.isoformat(), metadata=metadata))


def take_over_closed_days(context: dg.AssetExecutionContext, green: Iterable[date]) -> None:
    """Let the days of `green` that an earlier run closed be this run's; call it before they are materialized.

    Otherwise the page of such a day goes on to tell of the run that failed.
    """
    storage = context.instance.event_log_storage
    closed = storage.get_latest_asset_partition_materialization_attempts_without_materializations(context.asset_key)
    for day in green:
        if day.isoformat() in closed:
            _plan(context, day)


def _plan(context: dg.AssetExecutionContext, day: date) -> None:
    planned = AssetMaterializationPlannedData(context.asset_key, partition=day.isoformat(), partitions_subset=None)
    step = context.op_execution_context.get_step_execution_context().step.key
    context.instance.report_dagster_event(
        DagsterEvent.build_asset_materialization_planned_event(context.job_name, step, planned), run_id=context.run_id
    )
