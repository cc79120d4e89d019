"""Each day's own verdict in a check's history, also from a run over many days.

What belongs here: the one place that touches Dagster's unexported target class (a contract test watches it).
What does not: verdicts themselves (resources/gates.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData

Context = dg.AssetExecutionContext | dg.AssetCheckExecutionContext
Target = AssetCheckEvaluationTargetMaterializationData


@dataclass(frozen=True)
class DayEvaluation:
    """What a check says of one day."""

    day: date
    passed: bool
    description: str
    metadata: Mapping[str, Any]


def log_day_evaluations(
    context: Context, *, asset_key: dg.AssetKey, check_name: str, evaluations: Sequence[DayEvaluation]
) -> None:
    """Record the days' evaluations of a partitioned, blocking check.

    Without a target materialization the UI leaves a day unresolved: each names the day's latest one where there is any.
    """
    targets = _latest_materializations(context, asset_key, [evaluation.day for evaluation in evaluations])
    for evaluation in evaluations:
        context.op_execution_context.log_event(
            dg.AssetCheckEvaluation(  # type: ignore[arg-type]  # Dagster takes it, its signature does not say so
                asset_key=asset_key,
                check_name=check_name,
                passed=evaluation.passed,
                metadata=evaluation.metadata,
                severity=dg.AssetCheckSeverity.ERROR,
                blocking=True,
                description=evaluation.description,
                partition=evaluation.day.isoformat(),
                target_materialization_data=targets.get(evaluation.day.isoformat()),
            )
        )


def log_closed_range(
    context: Context, *, asset_key: dg.AssetKey, check_name: str, description: str, metadata: Mapping[str, Any]
) -> None:
    """Record what a check says of a range of which days are closed.

    The page of a check shows the row that was added last: that of the range's last day, green or not, unless one of the whole range follows.
    """
    context.op_execution_context.log_event(
        dg.AssetCheckEvaluation(  # type: ignore[arg-type]  # the same
            asset_key=asset_key,
            check_name=check_name,
            passed=False,
            metadata=metadata,
            severity=dg.AssetCheckSeverity.ERROR,
            blocking=True,
            description=description,
        )
    )


def _latest_materializations(context: Context, asset_key: dg.AssetKey, days: Sequence[date]) -> dict[str, Target]:
    """The newest materialization of each day that has one; a look at the newest few records finds nearly all at once."""
    partitions = [day.isoformat() for day in days]
    found: dict[str, Target] = {}
    _fetch(context, asset_key, partitions, limit=2 * len(partitions), into=found)
    for partition in partitions:
        if partition not in found:
            _fetch(context, asset_key, [partition], limit=1, into=found)
    return found


def _fetch(
    context: Context, asset_key: dg.AssetKey, partitions: list[str], *, limit: int, into: dict[str, Target]
) -> None:
    wanted = dg.AssetRecordsFilter(asset_key=asset_key, asset_partitions=partitions)
    for record in context.instance.fetch_materializations(wanted, limit=limit).records:
        if record.partition_key is not None:
            into.setdefault(
                record.partition_key,
                Target(run_id=record.run_id, storage_id=record.storage_id, timestamp=record.timestamp),
            )
