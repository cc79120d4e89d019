"""Gates: nothing reads a day that is red, unjudged or rewritten since it was judged, in this run or in a later one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from unittest.mock import patch

import dagster as dg
import pytest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from graph import QUIET, Graph, day, days, dependents, failure_of, materialized, window_of
from psycopg2 import sql
from support.commands import run

from energy_assets.access import user
from energy_assets.automation.alerts import alert_of
from energy_assets.checkpoints.checkpoint import CHECK
from energy_assets.days import DayWindow
from energy_assets.keys import SERVING, checkpoint_key, table_key
from energy_assets.operations.instance import dagster_instance
from energy_assets.resources.gates import accept
from energy_assets.resources.why import explain, failed_steps

RAW_TABLES = {"meter_readings", "weather_observations", "reading_annotations"}
RAW_GATE = "quality__meter_readings_checkpoint"
READERS = {
    "mart_consumption_metrics": dg.AssetKey([SERVING, "consumption_metrics"]),
    "anomaly_scores": table_key("mart_anomaly_flags"),
    "int_consumption_features": table_key("anomaly_scores"),
    "stg_meter_readings": table_key("int_readings_daily"),
    "meter_readings": table_key("stg_meter_readings"),
}
"""A writer of each layer by what it reads, the last layer first."""
DECIDED = (AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED)


def test_a_red_day_stops_everything_behind_its_gate_and_says_which_file_row_and_what_to_do(graph: Graph) -> None:
    assert graph.land_and_run(days(1, 1)).success
    before = graph.served()

    result = graph.land_and_run(days(2, 2), red=[day(2)])

    assert not result.success
    states = graph.states(day(2))
    assert [table for table, state in states.items() if state != "green"] == ["meter_readings"]
    assert not states.keys() & (dependents("meter_readings") - {"meter_readings"}), (
        "nothing behind the gate was written"
    )
    for table, column in (("stg_meter_readings", "reading_date"), ("mart_consumption_metrics", "metric_date")):
        assert graph.count(table, column, day(1))
        assert not graph.count(table, column, day(2))
    assert before and graph.served() == before, "yesterday's served rows stay"
    message = failure_of(result, RAW_GATE)
    assert re.search(r"2024-01-02 meter_readings is red", message)
    assert re.search(r"meter_readings/2024-01-02\.csv, rows \d+, \d+, \d+ and \d+ more, column meter_id", message)
    assert "deliver it again under the same path" in message
    assert "energy-assets accept 2024-01-02 meter_readings --reason" in message
    assert alert_of(graph.warehouse, result.dagster_run, failures_of(result)).text in message


def test_a_backfill_serves_the_green_days_of_a_range_and_exits_with_3_naming_the_red_one(graph: Graph) -> None:
    graph.deliver(days(1, 7), red=[day(4)])
    assert graph.land().success

    printed = run(graph.home, "backfill", "--from", "2024-01-01", "--to", "2024-01-07", code=3)

    assert "6 of 7 days went through, in 3 runs" in printed, printed
    assert re.search(r"red 2024-01-04 meter_readings\s+→ energy-assets why 2024-01-04", printed), printed
    green = set(days(1, 7)) - {day(4)}
    assert set(graph.served()) == green
    assert graph.served().keys() == graph.served("consumption_metrics", "metric_date").keys()
    with recorded_runs(graph) as instance:
        assert verdicts(instance, "meter_readings", days(1, 7)) == {of: of in green for of in days(1, 7)}
        assert verdicts(instance, "mart_consumption_metrics", days(1, 7)) == dict.fromkeys(green, True)
        for key in (checkpoint_key("meter_readings"), dg.AssetKey([SERVING, "meter_readings"])):
            assert {date.fromisoformat(name) for name in instance.get_materialized_partitions(key)} == green


def test_a_range_with_a_red_day_keeps_each_days_own_verdict(graph: Graph) -> None:
    result = graph.land_and_run(days(1, 3), red=[day(2)])

    assert not result.success
    assert verdicts(graph.instance, "meter_readings", days(1, 3)) == {day(1): True, day(2): False, day(3): True}
    assert graph.materialized_days(checkpoint_key("meter_readings")) == {day(1), day(3)}
    written = {key.path[-1].removesuffix("_checkpoint") for key in materialized(result)}
    assert written & dependents("meter_readings") == {"meter_readings"}, "nothing behind the red gate is written"
    assert not graph.served()


def test_no_writer_reads_a_day_that_was_rewritten_and_not_judged_again(graph: Graph) -> None:
    assert graph.land_and_run(days(1, 1)).success
    for table, reader in READERS.items():
        assert graph.states(day(1))[table] == "green"
        graph.warehouse.bump_days(table, {day(1): 1}, run_id="a rewrite")
        before = graph.versions(days(1, 2))

        refused = graph.run(days(1, 2), [reader])

        (message,) = failed_steps(refused.all_events).values()
        assert f"{table} is unjudged on 2024-01-01; {table} is never written on 2024-01-02" in message
        assert f". Nothing was written. → energy-assets why 2024-01-01 {table}" in message
        assert graph.versions(days(1, 2)) == before, f"{reader} wrote"

    assert graph.run(day(1), [checkpoint_key("mart_consumption_metrics")]).success
    assert graph.run(day(1), [READERS["mart_consumption_metrics"]]).success, "judged again, it may be read"


def test_staging_refuses_red_days_until_a_person_accepts_them_and_the_acceptance_ends_with_a_rewrite(
    graph: Graph,
) -> None:
    assert not graph.land_and_run(days(1, 1), red=[day(1)]).success
    staging = [table_key(f"stg_{table}") for table in RAW_TABLES]
    refused = graph.run(day(1), staging)
    assert "meter_readings is red on 2024-01-01" in failure_of(refused, "dbt_staging_readings")
    assert not graph.count("stg_meter_readings", "reading_date", day(1))

    printed = run(graph.home, "accept", "2024-01-01", "meter_readings", "--reason", "the concentrator was replaced")

    assert f"by {user()}" in printed
    assert graph.warehouse.rows("select reason, accepted_by from quality.overrides") == [
        ("the concentrator was replaced", user())
    ]
    assert graph.states(day(1))["meter_readings"] == "accepted"
    went_on = graph.settle()
    assert [window_of(result) for result in went_on] == [days(1, 1)]
    assert graph.states(day(1))["meter_readings"] == "accepted", "what goes on does not rewrite what was accepted"
    assert set(graph.served()) == {day(1)}

    graph.run(day(1), [table_key("meter_readings"), checkpoint_key("meter_readings")])
    assert graph.states(day(1))["meter_readings"] == "red"


@pytest.mark.full
def test_resume_goes_on_with_an_accepted_day(graph: Graph) -> None:
    assert not graph.land_and_run(days(1, 1), red=[day(1)]).success
    accept(graph.warehouse, "meter_readings", day(1), reason="it is a test", accepted_by="a test")

    run(graph.home, "resume")

    assert set(graph.served()) == {day(1)}
    with pytest.raises(ValueError, match="meter_readings of 2024-01-01 is accepted, not red"):
        accept(graph.warehouse, "meter_readings", day(1), reason="twice", accepted_by="a test")


def test_a_gate_that_cannot_run_is_an_error_and_never_a_pass(graph: Graph) -> None:
    assert graph.land_and_run(days(1, 1)).success
    graph.run(day(1), [table_key("stg_meter_readings")])
    with missing_table(graph, "staging", "stg_meter_readings"):
        result = graph.run(day(1), [checkpoint_key("stg_meter_readings"), table_key("int_readings_daily")])

    assert not result.success
    message = failure_of(result, "quality__stg_meter_readings_checkpoint")
    assert "the gate on staging.stg_meter_readings could not judge 2024-01-01: the table does not exist" in message
    assert not materialized(result)
    assert graph.states(day(1))["stg_meter_readings"] == "unjudged"
    assert message in alert_of(graph.warehouse, result.dagster_run, failures_of(result)).text
    (explained,) = explain(graph.warehouse, day(1))
    assert explained.text() == (
        f"2024-01-01 stg_meter_readings is unjudged, {graph.count('stg_meter_readings', 'reading_date', day(1))} rows.\n"
        "  → it was rewritten and not judged since: energy-assets materialize --day 2024-01-01"
    )


def test_a_checkpoint_does_not_pass_a_day_that_was_never_written(graph: Graph) -> None:
    result = graph.run(day(1), [checkpoint_key("meter_readings")])

    assert "meter_readings was never written for 2024-01-01: materialize it first" in failure_of(result, RAW_GATE)


def test_the_check_alone_reads_the_recorded_verdicts(graph: Graph) -> None:
    graph.land_and_run(days(1, 2), red=[day(2)])

    assert {of: check_alone(graph, of) for of in days(1, 3)} == {day(1): True, day(2): False, day(3): False}


def test_why_names_a_file_that_could_not_be_read_and_its_day_keeps_what_it_had(graph: Graph) -> None:
    assert graph.land_and_run(days(1, 1)).success
    before = graph.served()
    graph.drop("meter_readings/2024-01-01.csv", "this,is\nno,delivery\n")

    (landing,) = graph.settle()
    assert landing.success, "it is read once, and no day is owed"
    (check,) = landing.get_asset_check_evaluations()
    assert not check.passed
    assert "meter_readings/2024-01-01.csv" in check.description

    assert graph.served() == before
    (explained,) = explain(graph.warehouse, day(1))
    assert explained.lines[0].startswith("meter_readings/2024-01-01.csv could not be read: ")
    assert any("energy-assets retract" in line for line in explained.remedy)
    assert explain(graph.warehouse, day(1), "meter_readings")[0].remedy == ()


def test_every_day_of_every_asset_says_how_many_rows_it_has(graph: Graph) -> None:
    graph.deliver(days(1, 2))
    events = graph.land().get_asset_materialization_events()
    counted = {event.asset_key for event in events if "dagster/row_count" in event.materialization.metadata}
    assert counted == graph.definitions.resolve_job_def("landing").asset_layer.executable_asset_keys

    events = graph.run(days(1, 2)).get_asset_materialization_events()

    daily = graph.definitions.resolve_job_def("daily").asset_layer.executable_asset_keys
    assert {(event.asset_key, event.partition) for event in events} == {
        (key, str(of)) for key in daily for of in days(1, 2)
    }
    silent = [
        event.asset_key for event in events if "dagster/partition_row_count" not in event.materialization.metadata
    ]
    assert not silent


def failures_of(result: dg.ExecuteInProcessResult) -> list[dg.DagsterEvent]:
    return [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]


def verdicts(instance: dg.DagsterInstance, table: str, window: DayWindow) -> dict[date, bool]:
    """The latest verdict in the check's history for each day that has one of its own."""
    check = dg.AssetCheckKey(checkpoint_key(table), CHECK)
    infos = instance.event_log_storage.get_asset_check_partition_info(
        [check], partition_keys=[str(of) for of in window]
    )
    known = {info.partition_key: info.latest_execution_status for info in infos if info.partition_key}
    return {
        of: known[str(of)] == AssetCheckExecutionRecordStatus.SUCCEEDED
        for of in window
        if known.get(str(of)) in DECIDED
    }


def check_alone(graph: Graph, of: date) -> bool:
    """What the blocking check of raw readings says when it is run by itself."""
    job = graph.definitions.resolve_implicit_global_asset_job_def().get_subset(
        asset_check_selection={dg.AssetCheckKey(checkpoint_key("meter_readings"), CHECK)}
    )
    result = job.execute_in_process(
        instance=graph.instance, partition_key=str(of), run_config=QUIET, raise_on_error=False
    )
    return result.get_asset_check_evaluations()[-1].passed


@contextmanager
def recorded_runs(graph: Graph) -> Iterator[dg.DagsterInstance]:
    """The home's own Dagster instance, which its command line writes to."""
    with patch.dict(os.environ), dagster_instance(graph.home) as instance:
        yield instance


@contextmanager
def missing_table(graph: Graph, schema: str, table: str) -> Iterator[None]:
    """The table is away, under another name, and comes back."""
    away, here = sql.Identifier(f"{table}_away"), sql.Identifier(table)
    rename = sql.SQL("alter table {}.{} rename to {}")
    with graph.warehouse.transaction() as connection, connection.cursor() as cursor:
        cursor.execute(rename.format(sql.Identifier(schema), here, away))
    try:
        yield
    finally:
        with graph.warehouse.transaction() as connection, connection.cursor() as cursor:
            cursor.execute(rename.format(sql.Identifier(schema), away, here))
