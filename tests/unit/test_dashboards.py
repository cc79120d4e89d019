"""Dashboards fit the tables that they read, and a file that does not is named with its remedy, without Superset."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace as replaced
from pathlib import Path

import pytest
import yaml

from energy_assets.assets.dashboards import dashboards_in_superset
from energy_assets.assets.models import PROJECT
from energy_assets.assets.serving import SERVED
from energy_assets.dashboards.bundle import FOLDERS, SUPERSET, Bundle, BundleError, places, read
from energy_assets.dashboards.tidy import dump, tidy
from energy_assets.dashboards.translate import catalogue, texts, translated, untranslated
from energy_assets.dashboards.validate import problems
from energy_assets.keys import GATED
from energy_assets.resources.serving_ddl import scripts, tables_behind, tables_of

TABLES = tables_of(scripts())
UUID_OF_NOTHING = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A copy of the dashboards' files, to be spoiled."""
    for folder in FOLDERS:
        shutil.copytree(SUPERSET / folder, tmp_path / folder)
    return tmp_path


def found(files: Path) -> list[str]:
    return problems(read(files), TABLES)


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, f"{path} no longer holds {old!r}: this test tests nothing"
    path.write_text(text.replace(old, new, 1))


def test_the_dashboards_fit_the_tables() -> None:
    assert problems(read(), TABLES) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        (
            "datasets/consumption_metrics.yaml",
            "column_name: peak_kwh,",
            "column_name: peak_kw,",
            "datasets/consumption_metrics.yaml: energy_analytics.consumption_metrics has no column peak_kw (clickhouse_ddl/): "
            "write peak_kwh",
        ),
        (
            "datasets/consumption_metrics.yaml",
            "type: UInt16, description: Readings delivered",
            "type: String, description: Readings delivered",
            "datasets/consumption_metrics.yaml: column reading_count is of type UInt16, not String: write that",
        ),
        (
            "datasets/consumption_metrics.yaml",
            "expression: sum(total_kwh) / count()",
            "expression: sum(totl_kwh) / count()",
            "datasets/consumption_metrics.yaml: the expression of kwh_per_meter reads totl_kwh, which the table has not: "
            "write total_kwh",
        ),
        (
            "datasets/load_profile.yaml",
            "intDiv(minute_of_day, 60)",
            "intDiv(minute_of_day, 60",
            "datasets/load_profile.yaml: the expression of hour_of_day cannot be read as ClickHouse's SQL",
        ),
        (
            "datasets/data_quality.yaml",
            "table_name: data_quality",
            "table_name: data_qualty",
            "datasets/data_quality.yaml: table data_qualty is not in clickhouse_ddl/: write data_quality",
        ),
        (
            "charts/strangest_meter_days.yaml",
            '["anomaly_score", false]',
            '["anomaly_scre", false]',
            "charts/strangest_meter_days.yaml: order_by_cols names anomaly_scre, which is no column or metric of "
            "datasets/anomaly_flags.yaml: write anomaly_score",
        ),
        (
            "charts/coverage_by_day.yaml",
            "metrics: [completeness]",
            "metrics: [completenes]",
            "charts/coverage_by_day.yaml: metrics names completenes, which is no metric of datasets/consumption_metrics.yaml: "
            "write completeness",
        ),
        (
            "charts/coverage_by_day.yaml",
            "x_axis: metric_date",
            "x_axis: reading_date",
            "charts/coverage_by_day.yaml: x_axis names reading_date, which is no column of datasets/consumption_metrics.yaml",
        ),
        (
            "charts/coverage_by_day.yaml",
            "metrics: [completeness]",
            "metrics: [{expressionType: SQL, sqlExpression: sum(nothing)}]",
            "charts/coverage_by_day.yaml: metrics holds SQL of its own: make it a metric of datasets/consumption_metrics.yaml",
        ),
        (
            "charts/coverage_by_day.yaml",
            "TEMPORAL_RANGE",
            "==",
            "charts/coverage_by_day.yaml: without a TEMPORAL_RANGE filter on a time column a dashboard's period does not reach it",
        ),
        (
            "dashboards/losses.yaml",
            "column: {name: feeder_id}",
            "column: {name: feeder}",
            "dashboards/losses.yaml: filter Area takes values of feeder, which is no column of "
            "datasets/transformer_losses.yaml: write feeder_id",
        ),
        (
            "dashboards/patterns.yaml",
            "excluded: [1, 2, 4, 5, 6]",
            "excluded: [2, 4, 5, 6]",
            "dashboards/patterns.yaml: filter Area does not reach charts/load_heatmap.yaml, whose table has no "
            "feeder_id, and the page does not say so: add chartId 1 to the filter's scope, excluded",
        ),
        (
            "dashboards/patterns.yaml",
            "excluded: [1, 2, 4, 5, 6]",
            "excluded: [1, 2, 4, 5, 6, 77]",
            "dashboards/patterns.yaml: filter Area leaves out chartId 77, which no chart of the page has",
        ),
        (
            "dashboards/patterns.yaml",
            "chartId: 2\n",
            "chartId: 1\n",
            "dashboards/patterns.yaml: 2 charts have the chartId 1: number them, each differently",
        ),
        (
            "dashboards/patterns.yaml",
            "children: [CHART-load_heatmap, CHART-load_profiles]",
            "children: [CHART-load_heatmap, CHART-load_profil]",
            "dashboards/patterns.yaml: CHART-load_profiles stands nowhere in the layout",
        ),
        (
            "databases/clickhouse.yaml",
            "//bi@",
            "//bi:secret@",
            "databases/clickhouse.yaml: sqlalchemy_uri must name a user and no password",
        ),
        (
            "databases/clickhouse.yaml",
            "allow_dml: false",
            "allow_dml: true",
            "databases/clickhouse.yaml: set allow_dml: false",
        ),
    ],
)
def test_what_does_not_fit_is_named_with_file_and_remedy(
    files: Path, file: str, old: str, new: str, expected: str
) -> None:
    replace(files / file, old, new)

    assert any(line.startswith(expected) for line in found(files)), found(files)


@pytest.mark.parametrize(
    ("file", "key"),
    [
        ("datasets/load_profile.yaml", "database_uuid"),
        ("charts/load_profiles.yaml", "dataset_uuid"),
    ],
)
def test_a_reference_to_nothing_is_named(files: Path, file: str, key: str) -> None:
    held = yaml.safe_load((files / file).read_text())[key]
    replace(files / file, f"{key}: {held}", f"{key}: {UUID_OF_NOTHING}")

    assert any(line.startswith(f"{file}: {key} {UUID_OF_NOTHING} is of no file") for line in found(files))


def test_a_page_that_shows_a_chart_which_is_no_more_is_named(files: Path) -> None:
    (files / "charts" / "peak_hours.yaml").unlink()

    assert any(line.startswith("dashboards/patterns.yaml: CHART-peak_hours shows chart") for line in found(files))


def test_a_chart_without_a_page_and_a_dataset_without_a_chart_are_named(files: Path) -> None:
    replace(files / "charts" / "forecast_by_day.yaml", "uuid: ", f"uuid: {UUID_OF_NOTHING}\n#")
    replace(files / "charts" / "forecast_error.yaml", "uuid: ", f"uuid: {UUID_OF_NOTHING}\n#")

    assert "datasets/forecast_accuracy.yaml is read by no chart: remove the file" in found(files)


def test_two_files_of_one_uuid_are_named(files: Path) -> None:
    shutil.copy(files / "charts" / "peak_hours.yaml", files / "charts" / "copied.yaml")

    assert any(line.startswith("charts/copied.yaml and charts/peak_hours.yaml share the uuid") for line in found(files))


def test_what_is_no_yaml_is_named_with_its_line(files: Path) -> None:
    replace(files / "charts" / "peak_hours.yaml", "params:", "params: [")

    with pytest.raises(BundleError, match=r"charts/peak_hours\.yaml, line \d+, column \d+"):
        read(files)


def test_a_page_depends_on_the_tables_that_its_charts_read_and_dbt_knows_of_it() -> None:
    bundle = read()
    exposures = {entry["name"]: entry for entry in json.loads(PROJECT.manifest_path.read_text())["exposures"].values()}
    sources = {served.table: served.source for served in SERVED}
    assert exposures.keys() == {dashboard.key for dashboard in bundle.dashboards}
    for dashboard, spec in zip(bundle.dashboards, dashboards_in_superset.specs, strict=True):
        read_tables = set(bundle.tables_of(dashboard))
        held = tables_behind(read_tables)
        assert {dep.asset_key.path[-1] for dep in spec.deps} == set(held)
        marts = {sources[table] for table in held if GATED.get(sources.get(table)) == "marts"}
        assert {node.split(".")[-1] for node in exposures[dashboard.key]["depends_on"]["nodes"]} == marts, (
            f"dbt_project/models/exposures.yml: {dashboard.key} reads {', '.join(sorted(marts))}"
        )
        assert exposures[dashboard.key]["label"] == dashboard.content["dashboard_title"]


def test_every_chart_says_what_it_shows_and_in_which_unit() -> None:
    bundle = read()
    for chart in bundle.charts:
        assert chart.content["description"], chart.name
        params = chart.content["params"]
        if chart.content["viz_type"] == "big_number_total":
            assert params["subtitle"], f"{chart.name}: a number needs its unit"
        elif chart.content["viz_type"].startswith("echarts"):
            assert params["y_axis_title"], f"{chart.name}: an axis needs its unit"
        elif chart.content["viz_type"] == "bubble_v2":
            assert params["x_axis_label"] and params["y_axis_label"], f"{chart.name}: an axis needs its unit"
    titles = {chart.uuid: chart.content["slice_name"] for chart in bundle.charts}
    for dashboard in bundle.dashboards:
        for place in places(dashboard):
            assert place["meta"]["sliceName"] == titles[place["meta"]["uuid"]], f"{dashboard.name}: {place['id']}"


def test_files_are_as_an_export_writes_them() -> None:
    for document in read().documents:
        if document.folder != "databases":
            assert document.text == dump(tidy(document.folder, document.content)), (
                f"{document.name}: make dashboards-export"
            )


def test_the_pages_are_whole_in_french_and_fit_the_tables_there_as_well() -> None:
    bundle, known = read(), catalogue("fr")
    assert untranslated(bundle, known) == [], "write them into dashboards/superset/fr.yaml"
    seen = {text for document in bundle.documents for text in texts(document)}
    assert {text for text in known if "(" not in text} <= seen, "fr.yaml translates what no page says"

    french = Bundle(tuple(replaced(document, content=translated(document, known)) for document in bundle.documents))

    assert problems(french, TABLES) == []
    assert "Vue d'ensemble" in {page.content["dashboard_title"] for page in french.dashboards}
    queue = next(dataset for dataset in french.datasets if dataset.key == "case_queue")
    assert "any(reason_fr)" in {metric["expression"] for metric in queue.content["metrics"]}


def test_a_changed_page_differs_in_what_was_changed_alone(files: Path) -> None:
    """As Superset exports it: other numbers of charts, things that it makes up, and a title that somebody changed."""
    page = yaml.safe_load((files / "dashboards" / "losses.yaml").read_text())
    before = dump(tidy("dashboards", page))
    numbers = {}
    for place in page["position"].values():
        if isinstance(place, dict) and place["type"] == "CHART":
            numbers[place["meta"]["chartId"]] = place["meta"]["chartId"] = place["meta"]["chartId"] + 140
    for entry in page["metadata"]["native_filter_configuration"]:
        entry["scope"]["excluded"] = [numbers[number] for number in entry["scope"]["excluded"]]
        entry["chartsInScope"] = list(numbers.values())
    page["metadata"] |= {"chart_configuration": {"141": {}}, "shared_label_colors": []}
    assert dump(tidy("dashboards", page)) == before

    page["dashboard_title"] = "Where it goes"
    assert dump(tidy("dashboards", page)) == before.replace("dashboard_title: Losses", "dashboard_title: Where it goes")
