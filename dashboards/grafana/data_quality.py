"""Data quality: which gates are shut and why, what was rejected, what of the energy is unexplained."""

from __future__ import annotations

from grafana_foundation_sdk.builders.barchart import Panel as BarChart
from grafana_foundation_sdk.builders.dashboard import Dashboard, Row
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.models.common import StackingMode

from dashboards.grafana.parts import (
    CLICKHOUSE,
    GREEN,
    POSTGRES,
    RED,
    YELLOW,
    SqlQuery,
    bad_from,
    course,
    framed,
    graded,
    legend,
    lines,
    metric,
    now,
    page,
    stat,
    table,
)

FINDINGS = """
select to_char(reading_date, 'YYYY-MM-DD') as "day", table_name as "table", severity, message as "finding", unexpected_count as "rows"
from quality.validation_results
where not success and severity <> 'info'
  and reading_date > (select max(reading_date) from quality.validation_results) - 7
order by reading_date desc, severity <> 'critical', table_name, expectation_id
limit 100
"""
ACCEPTED = """
select to_char(reading_date, 'YYYY-MM-DD') as "day", table_name as "table", reason, accepted_by as "by"
from quality.overrides
order by accepted_at desc
limit 20
"""
RULES = """
WITH (SELECT max(reading_date) FROM energy_analytics.data_quality) AS newest
SELECT rule, sumIf(hit_count, reading_date = newest) AS newest_day, sum(hit_count) AS seven_days,
       100 * sum(hit_count) / nullIf(sum(expected_count), 0) AS share_pct
FROM energy_analytics.data_quality
WHERE reading_date > newest - 7
GROUP BY rule
ORDER BY seven_days DESC, rule
"""
ENERGY = """
SELECT toString(loss_date) AS day, sum(metered_kwh) AS metered, sum(technical_loss_kwh) AS technical,
       sum(non_technical_loss_kwh) AS non_technical
FROM energy_analytics.transformer_losses
WHERE loss_date > (SELECT max(loss_date) FROM energy_analytics.transformer_losses) - 30
GROUP BY loss_date
ORDER BY loss_date
"""


def data_quality() -> Dashboard:
    rejected, delivered = metric("rejected_rows"), metric("delivered_rows")
    return (
        page(
            "Data quality",
            "energy-data-quality",
            "Which gates are shut and why, what was rejected, what of the energy is unexplained.",
        )
        .with_row(Row("Gates of the newest seven days, over all tables"))
        .with_panel(_gates("Green", "green", "Days of tables whose gate is open.", (None, GREEN)))
        .with_panel(_gates("Red", "red", "Days of tables that nothing behind them reads.", (None, GREEN), (1, RED)))
        .with_panel(
            _gates(
                "Missing",
                "missing",
                "Days of tables that were never written: they stand behind a red day, or nothing arrived.",
                (None, GREEN),
                (1, YELLOW),
            )
        )
        .with_panel(
            _gates(
                "Overridden",
                "overridden",
                "Red days that a person took as they are, with name and reason.",
                (None, GREEN),
                (1, YELLOW),
            )
        )
        .with_panel(
            bad_from(
                stat(
                    "Files nobody can read",
                    "Quarantined files that were neither corrected nor withdrawn: `energy-assets deliveries` lists them.",
                    "redgate",
                    now(metric("quarantined_files"), "files"),
                ),
                1,
            )
        )
        .with_panel(
            stat(
                "Cases worth a visit",
                "Theft cases on this week's list: `energy-assets cases`.",
                "lossjump",
                now(metric("theft_cases_listed"), "cases"),
            )
        )
        .with_row(Row("What failed"))
        .with_panel(
            table(
                "What the gates found in the newest seven days",
                "Critical findings shut the gate, warnings do not. `energy-assets why DAY TABLE` names files and rows.",
                "redgate",
                SqlQuery(POSTGRES, FINDINGS),
                width=16,
            )
        )
        .with_panel(
            table(
                "What was accepted as it is",
                "The newest twenty overrides, with who and why.",
                "redgate",
                SqlQuery(POSTGRES, ACCEPTED),
                width=8,
            )
        )
        .with_panel(
            bad_from(
                lines(
                    "Rows rejected, share of what was delivered",
                    "Of the newest seven days, by source. A day above 1 % is red (ENERGY_REJECTED_SHARE_LIMIT).",
                    "redgate",
                    course(f"{rejected} / ({rejected} + {delivered} > 0)", "{{source}}"),
                    width=12,
                    unit="percentunit",
                ),
                0.01,
            )
        )
        .with_panel(
            table(
                "What rules of validation hit",
                "Readings of the newest day and of the newest seven, and their share of the expected ones in per cent.",
                "redgate",
                SqlQuery(CLICKHOUSE, RULES),
                width=12,
            )
        )
        .with_row(Row("Energy"))
        .with_panel(_energy())
        .with_panel(
            lines(
                "Non-technical loss against the usual one",
                "Of the newest day that may be read, by feeder and of the utility (all); `usual` is the median of the two weeks before. "
                "Five points above it are an alert.",
                "lossjump",
                course(metric("non_technical_loss_ratio"), "{{area}}"),
                course(metric("non_technical_loss_usual_ratio", area="all"), "usual, {{area}}", "B"),
                width=12,
                unit="percentunit",
                least=None,
            )
        )
    )


def _gates(title: str, state: str, says: str, *steps: tuple[float | None, str]) -> Stat:
    query = now(f"sum by (instance) ({metric('gate_days', state=state)})", "days of tables")
    return graded(stat(title, says, "redgate", query), *steps)


def _energy() -> BarChart:
    chart = BarChart().x_field("day").stacking(StackingMode.NORMAL).legend(legend())
    chart = chart.with_target(SqlQuery(CLICKHOUSE, ENERGY))
    return framed(
        chart.unit("kwatth").datasource(CLICKHOUSE),
        "Where the energy went, by day",
        "Energy that came in over the balanced intervals of the newest thirty days that are served: metered, lost in transformers, and lost otherwise.",
        "lossjump",
        width=12,
        height=8,
    )
