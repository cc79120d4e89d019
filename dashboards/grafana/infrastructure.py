"""Infrastructure: how much room is left and what takes it, and whether the exporter itself is well."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from dashboards.grafana.parts import GREEN, RED, YELLOW, bad_from, course, graded, lines, metric, now, page, stat

GIB = 2**30


def infrastructure() -> Dashboard:
    free, size = metric("home_filesystem_free_bytes"), metric("home_filesystem_size_bytes")
    return (
        page(
            "Infrastructure",
            "energy-infrastructure",
            "How much room is left and what takes it, and whether the exporter itself is well.",
        )
        .with_row(Row("Now"))
        .with_panel(
            graded(
                stat(
                    "Free disk",
                    "Of the file system that the home is on.",
                    "diskalmostfull",
                    now(free, "free"),
                    unit="bytes",
                ),
                (None, RED),
                (5 * GIB, YELLOW),
                (20 * GIB, GREEN),
            )
        )
        .with_panel(
            graded(
                stat(
                    "Free share of the disk",
                    "Below 5 % is an alert.",
                    "diskalmostfull",
                    now(f"{free} / {size}", "free"),
                    unit="percentunit",
                ),
                (None, RED),
                (0.05, YELLOW),
                (0.2, GREEN),
            )
        )
        .with_panel(
            graded(
                stat(
                    "Free in three days",
                    "As the last six hours went on; with less than some hours of data it says little. Below 0 the disk is full by then.",
                    "diskfillsup",
                    now(f"predict_linear({free}[6h], 3 * 86400)", "free"),
                    unit="bytes",
                ),
                (None, RED),
                (5 * GIB, GREEN),
            )
        )
        .with_panel(
            stat(
                "Connections to Postgres",
                "By database, the exporter's own included.",
                "storedown",
                now(metric("postgres_connections"), "{{database}}"),
                width=6,
            )
        )
        .with_panel(
            bad_from(
                stat(
                    "Failed questions within an hour",
                    "Times that the exporter could not ask a store or for a part of the metrics.",
                    "metricsmissing",
                    now(f"sum by (instance) (increase({metric('scrape_errors_total')}[1h]))", "errors"),
                    width=6,
                ).decimals(0),
                1,
            )
        )
        .with_row(Row("What takes the room"))
        .with_panel(
            lines(
                "Directories of the home",
                "What the files of each take on the disk; the stores' data are postgres and clickhouse.",
                "diskfillsup",
                course(metric("home_directory_size_bytes"), "{{directory}}"),
                unit="bytes",
            )
        )
        .with_panel(
            lines(
                "Databases of Postgres",
                "energy holds the platform's tables, dagster its runs and events.",
                "diskfillsup",
                course(metric("postgres_database_size_bytes"), "{{database}}"),
                unit="bytes",
            )
        )
        .with_panel(
            lines(
                "Tables of ClickHouse",
                "The ten that take most.",
                "diskfillsup",
                course(f"topk(10, {metric('clickhouse_table_size_bytes')})", "{{table}}"),
                unit="bytes",
            )
        )
        .with_row(Row("The exporter and what it asks"))
        .with_panel(
            bad_from(
                lines(
                    "Parts of ClickHouse's tables",
                    "A day is a part once merged. Thousands of a table slow it down.",
                    "storedown",
                    course(f"topk(5, {metric('clickhouse_table_parts')})", "{{table}}"),
                ),
                3000,
            )
        )
        .with_panel(
            lines(
                "How long the exporter's questions take",
                "By part of the metrics. What takes long is asked less often.",
                "metricsmissing",
                course(metric("scrape_duration_seconds"), "{{part}}"),
                unit="s",
            )
        )
        .with_panel(
            lines(
                "Memory of the exporter",
                "Of its process. It holds the newest answers and no more: it does not grow with the home.",
                "exporterdown",
                course('process_resident_memory_bytes{job="energy_assets", instance=~"$instance"}', "{{instance}}"),
                unit="bytes",
            )
        )
    )
