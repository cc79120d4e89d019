"""Serve tables to ClickHouse: each day swapped whole, so that readers never see half of one.

What belongs here: which gated tables are served, and the check that both stores agree.
What does not: how a day is swapped (resources/serving.py), columns, engines and keys (clickhouse_ddl/).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from energy_assets.assets.daily import daily_asset, report_row_counts
from energy_assets.keys import GATED, SERVING, checkpoint_key
from energy_assets.partitions import DAILY, day_window
from energy_assets.resources.gates import require_readable
from energy_assets.resources.serving import Serving, tried_again_while_away
from energy_assets.resources.serving_ddl import DATABASE, ServedColumn, quoted, served_columns
from energy_assets.resources.warehouse import Warehouse, quoted_name

# Postgres sends exact numbers where ClickHouse keeps measured ones.
CASTS = {"Float64": "::double precision"}


@dataclass(frozen=True)
class Served:
    """A gated Postgres table and its copy, whose columns `clickhouse_ddl/` declares."""

    source: str
    date_column: str
    measure: tuple[str, str]
    """What both stores must agree on besides the rows, per day: an exact sum in Postgres and in ClickHouse."""

    @property
    def table(self) -> str:
        return self.source.removeprefix("mart_").removeprefix("stg_")

    @property
    def key(self) -> dg.AssetKey:
        return dg.AssetKey([SERVING, self.table])

    @property
    def ledger_name(self) -> str:
        """The copy's name in quality.day_versions."""
        return f"{SERVING}.{self.table}"

    @property
    def columns(self) -> tuple[ServedColumn, ...]:
        return served_columns()[self.table]

    @property
    def day_query(self) -> str:
        selected = ", ".join(f"{quoted_name(column.name)}{_cast(column.type)}" for column in self.columns)
        return (
            f"select {selected} from {quoted_name(GATED[self.source], self.source)}"
            f" where {quoted_name(self.date_column)} = %(day)s::date"
        )


def _cast(type_: str) -> str:
    return CASTS.get(type_.removeprefix("Nullable(").removesuffix(")"), "")


SERVED: tuple[Served, ...] = (
    Served(
        source="stg_meter_readings",
        date_column="reading_date",
        measure=("coalesce(sum(accepted_wh), 0)::bigint", "coalesce(sum(accepted_wh), 0)"),
    ),
    Served(
        source="anomaly_scores",
        date_column="reading_date",
        measure=(
            "coalesce(sum(round(anomaly_score::numeric * 1000000)), 0)::bigint",
            "toInt64(coalesce(sum(round(anomaly_score * 1000000)), 0))",
        ),
    ),
    Served(
        source="mart_consumption_metrics",
        date_column="metric_date",
        measure=("coalesce(sum(round(total_kwh * 1000)), 0)::bigint", "toInt64(sum(round(total_kwh * 1000)))"),
    ),
    Served(
        source="mart_anomaly_flags",
        date_column="reading_date",
        measure=(
            "coalesce(sum(round(consumption_kwh * 1000)), 0)::bigint",
            "toInt64(sum(round(consumption_kwh * 1000)))",
        ),
    ),
    Served(
        source="mart_load_profile",
        date_column="reading_date",
        measure=("coalesce(sum(round(total_kwh * 1000)), 0)::bigint", "toInt64(sum(round(total_kwh * 1000)))"),
    ),
    Served(
        source="mart_data_quality",
        date_column="reading_date",
        measure=("coalesce(sum(hit_count), 0)::bigint", "toInt64(sum(hit_count))"),
    ),
    Served(
        source="mart_transformer_losses",
        date_column="loss_date",
        measure=(
            "coalesce(sum(round(non_technical_loss_kwh * 1000)), 0)::bigint",
            "toInt64(sum(round(non_technical_loss_kwh * 1000)))",
        ),
    ),
    Served(
        source="load_forecast",
        date_column="forecast_date",
        measure=("coalesce(sum(forecast_wh), 0)::bigint", "coalesce(sum(forecast_wh), 0)"),
    ),
    Served(
        source="theft_scores",
        date_column="score_date",
        measure=(
            "coalesce(sum(round(theft_score::numeric * 1000000)), 0)::bigint",
            "toInt64(coalesce(sum(round(theft_score * 1000000)), 0))",
        ),
    ),
    Served(
        source="mart_theft_cases",
        date_column="case_date",
        measure=(
            "coalesce(sum(round(value * 100)), 0)::bigint",
            "toInt64(coalesce(sum(round(value * 100)), 0))",
        ),
    ),
    Served(
        source="stg_case_events",
        date_column="decided_on",
        measure=("coalesce(sum(recovered_wh), 0)::bigint", "coalesce(sum(recovered_wh), 0)"),
    ),
    Served(
        source="mart_detection_performance",
        date_column="week_date",
        measure=("coalesce(sum(visits), 0)::bigint", "toInt64(sum(visits))"),
    ),
    Served(
        source="mart_forecast_accuracy",
        date_column="reading_date",
        measure=(
            "coalesce(sum(round(actual_kwh * 1000)), 0)::bigint",
            "toInt64(coalesce(sum(round(actual_kwh * 1000)), 0))",
        ),
    ),
)


def served_table(served: Served) -> dg.AssetsDefinition:
    """An asset that keeps ClickHouse's copy of a table equal to Postgres, day by day."""

    @daily_asset(
        served.key,
        deps=[checkpoint_key(served.source)],
        kinds={"clickhouse"},
        description=f"ClickHouse's copy of {GATED[served.source]}.{served.source}, day by day.",
        date_column=served.date_column,
        columns=(dg.TableColumn(column.name, column.type, column.description) for column in served.columns),
    )
    def copied(context: dg.AssetExecutionContext, warehouse: Warehouse, serving: Serving) -> dg.MaterializeResult:
        window = day_window(context)
        require_readable(warehouse, [served.source], window)
        counts = warehouse.row_counts(served.source, window)
        empty = [day for day in window if not counts[day]]
        with (
            tried_again_while_away(),
            warehouse.locked(served.ledger_name),
            serving.client() as client,
            serving.swapping(client, served.table, run_id=context.run_id) as swap,
        ):
            for day in window:
                if counts[day]:
                    with warehouse.stream(served.day_query, {"day": day}) as batches:
                        rows = swap.replace(day, batches)
                    warehouse.bump_days(served.ledger_name, {day: rows}, run_id=context.run_id)
            if empty:
                swap.empty(empty)
                warehouse.bump_days(served.ledger_name, dict.fromkeys(empty, 0), run_id=context.run_id)
        report_row_counts(context, warehouse, context.asset_key, window, ledger_name=served.ledger_name)
        return dg.MaterializeResult()

    return copied


def reconciled(served: Served) -> dg.AssetChecksDefinition:
    """A check that ClickHouse holds the rows and the sum that Postgres holds, on each day."""

    @dg.asset_check(
        asset=served.key,
        name="reconcile",
        blocking=True,
        partitions_def=DAILY,
        description=f"Rows and sums per day equal those of {GATED[served.source]}.{served.source}.",
    )
    def equal(context: dg.AssetCheckExecutionContext, warehouse: Warehouse, serving: Serving) -> dg.AssetCheckResult:
        window = day_window(context)
        day = quoted_name(served.date_column)
        wanted = warehouse.rows(
            f"select {day}, count(*), {served.measure[0]} from {quoted_name(GATED[served.source], served.source)}"
            f" where {day} >= %s and {day} < %s group by {day} order by {day}",
            (window.start, window.end),
        )
        with serving.client() as client:
            found = client.query(
                f"SELECT {quoted(served.date_column)}, count(), {served.measure[1]} FROM {quoted(DATABASE, served.table)}"
                f" WHERE {quoted(served.date_column)} >= {{start:Date}} AND {quoted(served.date_column)} < {{end:Date}}"
                " GROUP BY 1 ORDER BY 1",
                parameters={"start": window.start, "end": window.end},
            ).result_rows
        differing = differences(wanted, found)
        return dg.AssetCheckResult(
            passed=not differing,
            description=f"{len(wanted)} days agree" if not differing else "; ".join(differing),
            metadata={"days": len(window), "rows": sum(row[1] for row in wanted)},
        )

    return equal


def differences(wanted: Sequence[Sequence[Any]], found: Sequence[Sequence[Any]]) -> list[str]:
    """Days on which (day, rows, sum) differ, in words."""
    left, right = ({row[0]: tuple(row[1:]) for row in rows} for rows in (wanted, found))
    return [
        f"{day}: Postgres has {left.get(day, (0, 0))}, ClickHouse {right.get(day, (0, 0))} (rows, sum)"
        for day in sorted(left.keys() | right.keys())
        if left.get(day) != right.get(day)
    ]


SERVED_ASSETS = [served_table(served) for served in SERVED]
RECONCILE_CHECKS = [reconciled(served) for served in SERVED]
