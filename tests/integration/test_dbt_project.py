"""The dbt project on a home where every table is there: its own tests, its documentation, and its tests as Dagster's checks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from graph import Graph, day, days
from support.commands import environment

from energy_assets.assets.models import LAYER_ASSETS
from energy_assets.embedded.connections import connections
from energy_assets.keys import table_key
from energy_assets.links import docs_address
from energy_assets.operations import dbt_docs
from energy_assets.resources.column_lineage import COLUMN_LINEAGE, SHOWN
from energy_assets.resources.dbt import PROJECT_DIR, connection_variables
from energy_assets.settings import settings

DBT = Path(sys.executable).with_name("dbt")
TESTS = [check.key for layer in LAYER_ASSETS for check in layer.check_specs]


@pytest.fixture
def served(graph: Graph) -> Graph:
    assert graph.land_and_run(days(1, 2)).success
    return graph


def dbt(graph: Graph, target: Path, *arguments: str) -> str:
    """What dbt prints, run by hand against the home as docs/architecture.md says. Fails where dbt does."""
    variables = connection_variables(connections(graph.home, settings()).transformer_dsn)
    done = subprocess.run(
        [str(DBT), "--no-use-colors", *arguments, "--target-path", str(target), "--log-path", str(target)],
        cwd=PROJECT_DIR,
        env=environment(graph.home) | variables | {"DBT_PROFILES_DIR": str(PROJECT_DIR)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_unit_tests_hold_documentation_builds_and_sources_are_fresh(served: Graph, tmp_path: Path) -> None:
    tested = dbt(served, tmp_path, "test", "--select", "test_type:unit")
    models = {path.stem for path in (PROJECT_DIR / "models").rglob("*.sql")}
    untested = {model for model in models if f"{model}::" not in tested}
    assert untested == {"stg_reading_annotations"}, "which chooses as stg_weather_observations does"

    assert dbt_docs.is_stale(served.home)
    page = dbt_docs.build(served.home).read_text()
    assert not dbt_docs.is_stale(served.home)
    catalog = json.loads((served.home.dbt_target / "docs" / "catalog.json").read_text())
    assert {f"model.energy_assets.{model}" for model in models - {"theft_suspects"}} <= catalog["nodes"].keys(), (
        "all but what is no table"
    )
    for layer in LAYER_ASSETS:
        for key in layer.keys:
            metadata = served.instance.get_latest_materialization_event(key).asset_materialization.metadata
            address, _, unique_id = metadata["dbt docs"].url.partition("/dbt-docs/#!/model/")
            assert address == docs_address(served.home)
            assert f'"unique_id": "{unique_id}"' in page

    assert "PASS freshness of raw_data.meter_readings" in dbt(served, tmp_path, "source", "freshness")


def test_dbts_tests_are_checks_that_are_judged_with_their_models_and_stop_nothing(graph: Graph) -> None:
    graph.deliver(days(1, 2))
    assert graph.land().success
    result = graph.run(days(1, 2))

    judged = {
        evaluation.asset_check_key: evaluation.passed
        for evaluation in result.get_asset_check_evaluations()
        if evaluation.asset_check_key in TESTS
    }
    assert judged == dict.fromkeys(TESTS, True)

    with graph.warehouse.transaction() as connection, connection.cursor() as cursor:
        cursor.execute(
            "update intermediate.int_consumption_features set total_wh = total_wh + 1 where reading_date = %s",
            (day(2),),
        )
    again = graph.run(day(2), [table_key("mart_load_profile")])
    broken = dg.AssetCheckKey(table_key("mart_load_profile"), "profiles_hold_the_energy_of_their_meters")
    failed = [evaluation for evaluation in again.get_asset_check_evaluations() if not evaluation.passed]
    assert [evaluation.asset_check_key for evaluation in failed] == [broken]
    assert again.success, "a failing test is shown; the gate decides"


def test_a_models_columns_say_where_they_come_from(served: Graph) -> None:
    for layer in LAYER_ASSETS:
        for key in layer.keys:
            event = served.instance.get_latest_materialization_event(key)
            lineage = event.asset_materialization.metadata[COLUMN_LINEAGE].value.deps_by_column
            declared = layer.specs_by_key[key].metadata["dagster/column_schema"]
            assert set(lineage) == {column.name for column in declared.columns}, key

    event = served.instance.get_latest_materialization_event(table_key("mart_consumption_metrics"))
    metadata = event.asset_materialization.metadata
    origins = metadata[COLUMN_LINEAGE].value.deps_by_column["total_kwh"]
    assert origins == [dg.TableColumnDep(table_key("int_readings_daily"), "total_wh")]
    shown = {record.data["column"]: record.data["comes from"] for record in metadata[SHOWN].records}
    assert shown["total_kwh"] == "int_readings_daily.total_wh"
