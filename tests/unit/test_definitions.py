"""The graph as it is declared: a walk over every asset, what loading it costs, and what it takes from inside Dagster."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

from energy_assets.assets.anomaly import MODEL_LOOKBACK_DAYS
from energy_assets.assets.daily import declared_columns
from energy_assets.assets.dashboards import dashboards_in_superset
from energy_assets.assets.models import PROJECT, LayerTranslator
from energy_assets.assets.records import served_records
from energy_assets.assets.serving import SERVED
from energy_assets.assets.theft import MODEL_LOOKBACK_DAYS as THEFT_MODEL_LOOKBACK_DAYS
from energy_assets.assets.theft import PURCHASED
from energy_assets.assets.validation import LOOKED_BACK_ON
from energy_assets.automation.edges import EDGES, WRITERS, assets_of, edges_of, writers_of
from energy_assets.automation.freshness import (
    FRESHNESS_CHECKS,
    FRESHNESS_SENSORS,
    freshness_checks,
    freshness_sensors,
)
from energy_assets.automation.jobs import DAILY_JOB, LANDING_JOB
from energy_assets.checkpoints.checkpoint import CHECK
from energy_assets.definitions import build_defs
from energy_assets.home import Calendar
from energy_assets.keys import (
    DASHBOARDS,
    ESTIMATE_LOOKBACK_DAYS,
    EXPLAINED_FROM,
    GATED,
    LOADS,
    ML,
    QUALITY,
    RAW,
    REFERENCE,
    SERVING,
    VIEWS,
    checkpoint_key,
    is_gated,
    table_key,
)
from energy_assets.landing.schemas import ARROW_TYPES
from energy_assets.partitions import BACKFILL, DAILY
from energy_assets.resources.due import Edge, Work
from ml.anomaly import HISTORY_DAYS
from ml.anomaly.scores import SCHEMA
from ml.forecast import LOOKBACK_DAYS as FORECAST_LOOKBACK_DAYS
from ml.theft.lookbacks import BALANCE_DAYS, LOOKBACK_DAYS, SEASON_DAYS, YEAR_DAYS
from quality_suites import SUITES

UNPARTITIONED = {
    *(
        dg.AssetKey([RAW, table])
        for table in ("landing_files", "rejected_rows", "meters", "transformers", "inspections", "case_events")
    ),
    *(dg.AssetKey([REFERENCE, table]) for table in ("tariffs", "tariff_tiers")),
}
RECORDS = {
    dg.AssetKey([SERVING, table]) for table in ("gate_states", "validation_results", "deliveries", "rejected_rows")
}
"""Copies of what was judged and delivered: made whenever that changes, behind no gate."""
MODELS = {dg.AssetKey([ML, table]) for table in ("anomaly_model", "theft_model")}
"""Made once for a week: they have no gate, and nothing newer makes one due."""
HEAVY = ("numpy", "pyarrow", "great_expectations", "sklearn", "chdb", "skops", "pandas")


@cache
def definitions() -> dg.Definitions:
    return build_defs()


@cache
def asset_graph() -> AssetGraph:
    return definitions().resolve_asset_graph()


def made() -> list[dg.AssetsDefinition]:
    """The assets of landing and of days."""
    return [
        definition for definition in definitions().assets if definition not in (dashboards_in_superset, served_records)
    ]


def nodes() -> Iterator:
    return (asset_graph().get(key) for key in sorted(asset_graph().get_all_asset_keys()))


def test_every_asset_says_what_it_is() -> None:
    for node in nodes():
        known = node.metadata
        assert node.description, node.key
        assert node.owners, node.key
        assert node.kinds, node.key
        assert node.group_name == layer_of(node.key), f"{node.key} is not shown in its layer"
        if node.key.path[0] == DASHBOARDS:
            continue  # a page holds no rows
        assert known["dagster/column_schema"].columns, node.key
        assert known["dagster/table_name"], node.key
        assert bool(known.get("partition_expr")) == node.is_partitioned, node.key


def layer_of(key: dg.AssetKey) -> str:
    """Where the asset's data lives; a gate is shown with the table that it guards."""
    return GATED[key.path[-1].removesuffix("_checkpoint")] if key.path[0] == QUALITY else key.path[0]


def test_the_whole_chain_shares_one_partitions_definition_and_one_policy_so_that_it_shares_one_run() -> None:
    for definition in made():
        daily = {key for key in definition.keys if key not in UNPARTITIONED}
        assert not (daily and definition.keys - daily), f"{definition} mixes days and files"
        if daily:
            assert definition.partitions_def is DAILY, definition
            assert definition.backfill_policy is BACKFILL, definition
    for check in definitions().asset_checks:
        for spec in () if check in FRESHNESS_CHECKS else check.check_specs:
            assert spec.partitions_def is (None if spec.asset_key in UNPARTITIONED else DAILY), spec.key
    for spec in (spec for definition in made() for spec in definition.check_specs):
        assert spec.description and not spec.blocking, (
            f"{spec.key}: a dbt test says what it is about, and stops nothing"
        )


def test_the_two_jobs_are_the_whole_graph() -> None:
    landing, daily = (
        definitions().resolve_job_def(job.name).asset_layer.executable_asset_keys for job in (LANDING_JOB, DAILY_JOB)
    )
    assert landing == UNPARTITIONED
    assert landing | daily == asset_graph().get_all_asset_keys() - dashboards_in_superset.keys - RECORDS


def test_everything_that_is_read_downstream_stands_behind_a_gate() -> None:
    for node in nodes():
        if node.key.path[0] != QUALITY:
            read = {key for key in node.parent_keys if is_gated(key)}
            assert not read or node.key.path[-1] in VIEWS, f"{node.key} reads {read} without its checkpoint between"


def test_every_day_partitioned_table_has_a_suite_a_checkpoint_and_a_blocking_check() -> None:
    tables = {node.key for node in nodes() if node.is_partitioned and node.key.path[0] not in (QUALITY, SERVING)}
    views = {dg.AssetKey([schema, view]) for view, schema in VIEWS.items()}
    assert tables - views - MODELS == {table_key(table) for table in GATED}
    assert set(SUITES) == set(GATED)
    for table, schema in GATED.items():
        assert SUITES[table].schema == schema
        assert asset_graph().get(checkpoint_key(table)).parent_keys == {table_key(table)}
        check = asset_graph().get(dg.AssetCheckKey(checkpoint_key(table), CHECK))
        assert check.blocking, f"{table}: a check that does not block lets a red day through"


def test_every_served_table_is_reconciled_with_the_table_that_it_copies() -> None:
    served = {node.key for node in nodes() if node.key.path[0] == SERVING} - RECORDS
    assert served == {entry.key for entry in SERVED}
    for key in served:
        assert asset_graph().get(dg.AssetCheckKey(key, "reconcile")).blocking


def test_a_page_stands_behind_served_tables_alone_and_nothing_behind_it() -> None:
    for key in dashboards_in_superset.keys:
        node = asset_graph().get(key)
        assert node.parent_keys and {parent.path[0] for parent in node.parent_keys} == {SERVING}, key
        assert not node.child_keys, key


def test_a_served_column_is_a_column_of_its_source() -> None:
    for served in SERVED:
        source = asset_graph().get(table_key(served.source)).metadata["dagster/column_schema"]
        known = {column.name for column in source.columns}
        assert {column.name for column in served.columns} <= known, served.table
        assert all(column.description for column in served.columns), served.table


def test_the_scores_table_is_declared_as_it_is_made() -> None:
    declared = declared_columns("ml.anomaly_scores")
    assert [column.name for column in declared] == SCHEMA.names
    assert [ARROW_TYPES[column.type] for column in declared] == SCHEMA.types


def test_the_edges_that_decide_what_is_owed_are_those_of_the_graph() -> None:
    looks_back = {
        ("int_consumption_features", "anomaly_scores"): HISTORY_DAYS,
        ("int_readings_daily", "mart_consumption_metrics"): 29,
        ("int_readings_daily", "mart_transformer_losses"): 29,
        ("stg_meters", "mart_transformer_losses"): 29,
        ("int_transformer_balance", "mart_transformer_losses"): 27,
        ("int_consumption_features", "int_reading_estimates"): ESTIMATE_LOOKBACK_DAYS,
        **{
            (table, "int_validation_hits"): ESTIMATE_LOOKBACK_DAYS
            for table in ("int_consumption_features", *LOOKED_BACK_ON)
        },
        ("outages", "stg_outages"): 14,
        **{(table, "load_forecast"): FORECAST_LOOKBACK_DAYS for table in LOADS},
        ("load_forecast", "mart_forecast_accuracy"): 1,
        ("int_day_traits", "loss_explanations"): LOOKBACK_DAYS - 1,
        ("int_day_traits", "theft_evidence"): LOOKBACK_DAYS - 1,
        **{(table, "loss_explanations"): BALANCE_DAYS - 1 for table in ("int_consumption_features", *EXPLAINED_FROM)},
        **{(table, "theft_evidence"): LOOKBACK_DAYS - 1 for table in PURCHASED},
        ("loss_explanations", "theft_evidence"): 6,
        ("theft_scores", "mart_theft_cases"): 4,
        ("stg_inspections", "mart_detection_performance"): 181,
        ("mart_theft_cases", "mart_detection_performance"): 182,
        ("loss_explanations", "mart_theft_cases"): 13,
        **{(table, "mart_theft_cases"): 35 for table in ("stg_inspections", "stg_case_events")},
    }
    expected = {
        Edge("mart_theft_cases", "mart_theft_cases", 35, nearest_days=1),
        Edge("int_day_traits", "theft_evidence", YEAR_DAYS + SEASON_DAYS - 1, is_bounded=True, nearest_days=YEAR_DAYS),
    }
    for node in nodes():
        if node.key.path[0] == QUALITY or node.key in MODELS | RECORDS:
            continue
        output = ".".join(node.key.path) if node.key.path[0] == SERVING else node.key.path[-1]
        for key in node.parent_keys:
            if key.path[0] == QUALITY or node.key.path[-1] in VIEWS:
                table = key.path[-1].removesuffix("_checkpoint")
                is_score = node.key.path[0] == ML
                expected.add(Edge(table, output, looks_back.get((table, output), 0), is_bounded=is_score))
    assert set(EDGES) == expected
    for table, read, days in (
        ("theft_evidence", "int_day_traits", YEAR_DAYS + SEASON_DAYS - 1),
        ("anomaly_model", "int_consumption_features", MODEL_LOOKBACK_DAYS),
        ("theft_model", "stg_inspections", THEFT_MODEL_LOOKBACK_DAYS),
        ("theft_model", "theft_evidence", THEFT_MODEL_LOOKBACK_DAYS),
    ):
        mapping = asset_graph().get_partition_mapping(dg.AssetKey([ML, table]), checkpoint_key(read))
        assert mapping.start_offset == -days


def test_a_model_that_reads_a_reference_table_shows_it_as_an_input_and_waits_for_no_gate_of_it() -> None:
    manifest = json.loads(PROJECT.manifest_path.read_text(encoding="utf-8"))
    model, tariffs = "model.energy_assets.mart_load_profile", "seed.energy_assets.tariffs"
    manifest["nodes"][model]["depends_on"]["nodes"].append(tariffs)

    spec = LayerTranslator().get_asset_spec(manifest, model, PROJECT)

    key = dg.AssetKey([REFERENCE, "tariffs"])
    read = ("int_consumption_features", "stg_meters", "stg_weather_observations")
    assert {dep.asset_key for dep in spec.deps} == {key, *map(checkpoint_key, read)}
    assert asset_graph().get(key).is_executable
    layer = dg.AssetsDefinition(specs=[spec])
    assert {edge.input for edge in edges_of([layer])} == set(read), "it has no days to be newer on"
    assert writers_of([layer]) == {"mart_load_profile": (spec.key,)}, "a run over days cannot load it"


def test_what_is_owed_can_be_run_for_every_table() -> None:
    daily = definitions().resolve_job_def(DAILY_JOB.name).asset_layer.executable_asset_keys
    everything = Work(tuple(WRITERS), ())
    assert set(assets_of(everything)) == daily
    assert assets_of(Work((), ("meter_readings",))) == [checkpoint_key("meter_readings")]


def test_a_live_home_expects_yesterday_of_every_table_by_nine_and_a_historical_one_of_none() -> None:
    (checks,) = freshness_checks(Calendar("Africa/Douala", date(2024, 1, 1)))
    tables = {node.key for node in nodes() if node.is_partitioned and node.key.path[0] != QUALITY}
    assert {spec.asset_key for spec in checks.check_specs} == tables
    for spec in checks.check_specs:
        known = spec.metadata["dagster/freshness_params"].value
        assert known == {"timezone": "Africa/Douala", "deadline_cron": "0 9 * * *"}
        assert not spec.blocking
    assert not freshness_checks(Calendar("Africa/Douala", date(2024, 1, 1), date(2024, 1, 31)))
    assert not freshness_checks(Calendar("Africa/Douala", date.today())), "its first deadline is still to come"
    assert not freshness_sensors([])


def test_sensors_run_by_default_and_no_two_definitions_share_a_name() -> None:
    names = [sensor.name for sensor in definitions().sensors if sensor not in FRESHNESS_SENSORS]
    assert sorted(names) == [
        "data_docs_sensor",
        "due_days_sensor",
        "landing_sensor",
        "records_sensor",
        "red_days_alert",
    ]
    assert all(sensor.default_status == dg.DefaultSensorStatus.RUNNING for sensor in definitions().sensors)
    dg.Definitions.validate_loadable(definitions())


def test_loading_needs_no_store_and_none_of_the_slow_libraries(tmp_path: Path) -> None:
    """In a process of its own, in an empty home: nothing is started, nothing is read from a store, nothing slow is imported."""
    script = (
        "import json, sys, socket\n"
        "def refuse(*args): raise AssertionError(f'loading opened a connection: {args}')\n"
        "socket.socket.connect = refuse\n"
        "from energy_assets.definitions import defs\n"
        "defs.resolve_job_def('daily')\n"
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))\n"
    )
    known = {name: value for name, value in os.environ.items() if not name.startswith("ENERGY_")}
    loaded = subprocess.run(
        [sys.executable, "-c", script],
        env=known | {"ENERGY_HOME": str(tmp_path / "nowhere")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert loaded.returncode == 0, loaded.stderr
    assert json.loads(loaded.stdout) == []
    assert not (tmp_path / "nowhere").exists()


def test_dagsters_target_class_is_still_what_day_evaluations_make_of_it() -> None:
    """It is not exported: this test fails when an upgrade moves or changes it (energy_assets/checkpoints/day_evaluations.py)."""
    target = AssetCheckEvaluationTargetMaterializationData(storage_id=1, run_id="r", timestamp=2.0)
    evaluation = dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey("a"),
        check_name="c",
        passed=True,
        metadata={},
        target_materialization_data=target,
        partition="2024-01-01",
        blocking=True,
    )
    assert evaluation.target_materialization_data == target
    assert evaluation.partition == "2024-01-01"
    assert {"storage_id", "run_id", "timestamp"} == set(inspect.signature(type(target).__new__).parameters) - {
        "_cls",
        "cls",
    }
