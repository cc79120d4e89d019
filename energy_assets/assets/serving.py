"""Serve tables to ClickHouse: each day swapped whole, so that readers never see half of one.

What belongs here: which columns of which gated table are served, and the check that both stores agree.
What does not: how a day is swapped (resources/serving.py), engines and keys (clickhouse_ddl/).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from energy_assets.assets.models import report_row_counts
from energy_assets.keys import GATED, OWNERS, SERVING, checkpoint_key
from energy_assets.partitions import BACKFILL, DAILY, day_window
from energy_assets.resources.gates import require_readable
from energy_assets.resources.serving import DATABASE, Serving, quoted
from energy_assets.resources.warehouse import Warehouse, quoted_name


@dataclass(frozen=True)
class Served:
    """A gated Postgres table and its copy. `columns` are the copy's name, type and Postgres expression."""

    source: str
    date_column: str
    columns: tuple[tuple[str, str, str], ...]
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
    def day_query(self) -> str:
        selected = ", ".join(f"{expression} as {quoted_name(name)}" for name, _, expression in self.columns)
        return f"select {selected} from {quoted_name(GATED[self.source], self.source)} where {quoted_name(self.date_column)} = $1::text::date"


def same(name: str, type_: str) -> tuple[str, str, str]:
    return (name, type_, quoted_name(name))


def cast(name: str, type_: str, postgres_type: str) -> tuple[str, str, str]:
    return (name, type_, f"{quoted_name(name)}::{postgres_type}")


SERVED: tuple[Served, ...] = (
    Served(
        source="stg_meter_readings",
        date_column="reading_date",
        columns=(
            same("reading_date", "Date"),
            same("meter_id", "String"),
            same("reading_at", "DateTime"),
            same("interval_minutes", "UInt16"),
            same("accepted_wh", "Nullable(Int64)"),
            same("quality_code", "LowCardinality(String)"),
        ),
        measure=("coalesce(sum(accepted_wh), 0)::bigint", "coalesce(sum(accepted_wh), 0)"),
    ),
    Served(
        source="anomaly_scores",
        date_column="reading_date",
        columns=(
            same("reading_date", "Date"),
            same("meter_id", "String"),
            same("reading_at", "DateTime"),
            same("accepted_wh", "Int64"),
            same("expected_wh", "Nullable(Float64)"),
            same("anomaly_score", "Nullable(Float64)"),
            same("is_anomaly", "Nullable(Bool)"),
            same("anomaly_type", "LowCardinality(Nullable(String))"),
            same("score_status", "LowCardinality(String)"),
            same("model_version", "LowCardinality(Nullable(String))"),
        ),
        measure=(
            "coalesce(sum(round(anomaly_score::numeric * 1000000)), 0)::bigint",
            "toInt64(coalesce(sum(round(anomaly_score * 1000000)), 0))",
        ),
    ),
    Served(
        source="mart_consumption_metrics",
        date_column="metric_date",
        columns=(
            same("metric_date", "Date"),
            same("meter_id", "String"),
            cast("total_kwh", "Float64", "double precision"),
            cast("mean_kwh", "Nullable(Float64)", "double precision"),
            cast("peak_kwh", "Nullable(Float64)", "double precision"),
            same("peak_hour", "Nullable(UInt8)"),
            cast("min_kwh", "Nullable(Float64)", "double precision"),
            cast("variance_kwh2", "Nullable(Float64)", "double precision"),
            same("reading_count", "UInt16"),
            same("expected_count", "UInt16"),
            cast("completeness_pct", "Float64", "double precision"),
            same("anomaly_count", "Nullable(UInt32)"),
            cast("anomaly_rate_pct", "Nullable(Float64)", "double precision"),
        ),
        measure=("coalesce(sum(round(total_kwh * 1000)), 0)::bigint", "toInt64(sum(round(total_kwh * 1000)))"),
    ),
    Served(
        source="mart_anomaly_flags",
        date_column="reading_date",
        columns=(
            same("reading_date", "Date"),
            same("meter_id", "String"),
            same("reading_at", "DateTime"),
            cast("consumption_kwh", "Float64", "double precision"),
            cast("expected_kwh", "Nullable(Float64)", "double precision"),
            cast("deviation_ratio", "Nullable(Float64)", "double precision"),
            cast("anomaly_score", "Float64", "double precision"),
            same("anomaly_type", "LowCardinality(String)"),
            same("model_version", "LowCardinality(String)"),
        ),
        measure=(
            "coalesce(sum(round(consumption_kwh * 1000)), 0)::bigint",
            "toInt64(sum(round(consumption_kwh * 1000)))",
        ),
    ),
)


def served_table(served: Served) -> dg.AssetsDefinition:
    """An asset that keeps ClickHouse's copy of a table equal to Postgres, day by day."""

    @dg.asset(
        key=served.key,
        deps=[checkpoint_key(served.source)],
        partitions_def=DAILY,
        backfill_policy=BACKFILL,
        group_name=SERVING,
        owners=OWNERS,
        kinds={"clickhouse"},
        description=f"ClickHouse's copy of {GATED[served.source]}.{served.source}, day by day.",
        metadata={
            "partition_expr": served.date_column,
            "dagster/table_name": f"{DATABASE}.{served.table}",
            "dagster/column_schema": dg.TableSchema([dg.TableColumn(name, type_) for name, type_, _ in served.columns]),
        },
    )
    def copied(context: dg.AssetExecutionContext, warehouse: Warehouse, serving: Serving) -> dg.MaterializeResult:
        window = day_window(context)
        require_readable(warehouse, [served.source], window)
        with warehouse.locked(served.ledger_name), serving.client() as client:
            for day in window:
                with warehouse.stream(served.day_query, (day.isoformat(),)) as batches:
                    rows = serving.replace_day(client, served.table, day, batches, run_id=context.run_id)
                warehouse.bump_day(served.ledger_name, day, rows, run_id=context.run_id)
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


def differences(wanted: Sequence[tuple], found: Sequence[tuple]) -> list[str]:
    """Days on which (day, rows, sum) differ, in words."""
    left, right = ({row[0]: tuple(row[1:]) for row in rows} for rows in (wanted, found))
    return [
        f"{day}: Postgres has {left.get(day, (0, 0))}, ClickHouse {right.get(day, (0, 0))} (rows, sum)"
        for day in sorted(left.keys() | right.keys())
        if left.get(day) != right.get(day)
    ]


SERVED_ASSETS = [served_table(served) for served in SERVED]
RECONCILE_CHECKS = [reconciled(served) for served in SERVED]
