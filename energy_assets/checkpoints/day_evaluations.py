"""Each day's own verdict in a check's history, also from a run over many days.

What belongs here: the one place that touches Dagster's unexported target class (a contract test watches it).
What does not: verdicts themselves (resources/gates.py).
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData


def log_day_evaluation(
    context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext,
    *,
    asset_key: dg.AssetKey,
    check_name: str,
    day: date,
    passed: bool,
    description: str,
    metadata: Mapping[str, Any],
) -> None:
    """Record one day's evaluation of a partitioned check.

    Without a target materialization the UI leaves the day unresolved: name the day's latest one where there is any.
    """
    context.op_execution_context.log_event(
        dg.AssetCheckEvaluation(
            asset_key=asset_key,
            check_name=check_name,
            passed=passed,
            metadata=metadata,
            severity=dg.AssetCheckSeverity.ERROR,
            blocking=True,
            description=description,
            partition=day.isoformat(),
            target_materialization_data=_latest_materialization(context, asset_key, day),
        )
    )


def _latest_materialization(
    context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext, asset_key: dg.AssetKey, day: date
) -> AssetCheckEvaluationTargetMaterializationData | None:
    records = context.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=asset_key, asset_partitions=[day.isoformat()]), limit=1
    ).records
    if not records:
        return None
    return AssetCheckEvaluationTargetMaterializationData(
        run_id=records[0].run_id, storage_id=records[0].storage_id, timestamp=records[0].timestamp
    )
