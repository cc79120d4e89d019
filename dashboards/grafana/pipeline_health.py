"""Pipeline health: is the newest day there, does anything stand still, do runs fail."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue, ValueMap, ValueMappingResult

from dashboards.grafana.parts import (
    GREEN,
    RED,
    YELLOW,
    bad_from,
    bars,
    course,
    graded,
    lines,
    metric,
    now,
    page,
    rows,
    stat,
    table,
)


def pipeline_health() -> Dashboard:
    return (
        page(
            "Pipeline health",
            "energy-pipeline-health",
            "Is the newest day there, does anything stand still, do runs fail.",
        )
        .with_row(Row("Now"))
        .with_panel(_stores())
        .with_panel(
            bad_from(
                stat(
                    "Days behind",
                    "Days from the newest day that is green in every layer to the one that should be there. 0 is up to date.",
                    "staleday",
                    now(f"max by (instance) ({metric('green_day_lag_days')})", "days"),
                ),
                1,
            )
        )
        .with_panel(
            bad_from(
                stat(
                    "Red tables of the newest week",
                    "Tables with a red gate on any of the newest seven days.",
                    "redgate",
                    now(
                        f"count by (instance) ({metric('gate_days', state='red')} > 0) or on (instance) 0 * {metric('home_info')}",
                        "tables",
                    ),
                ),
                1,
            )
        )
        .with_panel(
            graded(
                stat(
                    "Days owed",
                    "Days that the sensors, or `energy-assets resume`, will run: something that they are made of is newer.",
                    "fileswaiting",
                    now(metric("days_owed"), "days"),
                ),
                (None, GREEN),
                (1, YELLOW),
            )
        )
        .with_panel(
            graded(
                stat(
                    "Files waiting",
                    "Files of the landing zone that were not read yet.",
                    "fileswaiting",
                    now(metric("landing_files_waiting"), "files"),
                ),
                (None, GREEN),
                (1, YELLOW),
            )
        )
        .with_panel(
            graded(
                stat(
                    "Runs now",
                    "Runs that are queued or in progress.",
                    "runsfailing",
                    now(metric("runs_active"), "{{status}}"),
                ),
                (None, GREEN),
            )
        )
        .with_row(Row("Days"))
        .with_panel(
            bad_from(
                bars(
                    "How far each layer is behind",
                    "The first layer that is behind holds the reason: `energy-assets why DAY` names it.",
                    "staleday",
                    now(f"max by (layer) ({metric('green_day_lag_days')})", "{{layer}}"),
                    width=8,
                ).decimals(0),
                1,
            )
        )
        .with_panel(
            table(
                "Red days",
                "The newest red day of each table, of the newest seven: `energy-assets why DAY TABLE` names files and rows.",
                "redgate",
                # Milliseconds are what Grafana shows as a date; noon has the right date in any zone.
                rows(f"({metric('red_day_timestamp_seconds')} + 43200) * 1000"),
                width=8,
                value="day",
            )
            .override_by_name("day", [_unit("dateTimeAsLocal")])
            .height(7)
            .no_value("no red day")
        )
        .with_panel(
            table(
                "Rows of the newest day in ClickHouse",
                "What the dashboards read. 0 where a source delivered nothing of the day.",
                "staleday",
                rows(metric("table_day_rows", layer="energy_analytics")),
                width=8,
                value="rows",
            ).height(7)
        )
        .with_row(Row("Runs"))
        .with_panel(
            lines(
                "How long the newest run took",
                "By job. A range of days takes longer than a day; one that grows by itself does not.",
                "runsfailing",
                course(metric("run_duration_seconds"), "{{job_name}}"),
                unit="s",
            )
        )
        .with_panel(
            lines(
                "Runs ended within 24 hours",
                "By how they ended. A red day makes its run fail: then the gate has held.",
                "runsfailing",
                course(metric("runs_ended"), "{{status}}"),
            )
        )
        .with_panel(
            bad_from(
                lines(
                    "Failures in a row",
                    "Runs of a job that failed since its newest success. Three in a row are an alert.",
                    "runsfailing",
                    course(metric("run_failures_in_a_row"), "{{job_name}}"),
                ),
                3,
            )
        )
    )


def _stores() -> Stat:
    words = {
        "0": ValueMappingResult(text="away", color=RED),
        "1": ValueMappingResult(text="there", color=GREEN),
    }
    chart = stat(
        "Stores", "Whether each store answered the exporter's last scrape.", "storedown", now(metric("up"), "{{store}}")
    )
    return graded(chart, (None, RED), (1, GREEN)).mappings([ValueMap(options=words)])


def _unit(unit: str) -> DynamicConfigValue:
    return DynamicConfigValue(id_val="unit", value=unit)
