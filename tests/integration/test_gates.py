"""Gates: nothing reads a day that is red, unjudged or rewritten since it was judged, in this run or in a later one."""

from __future__ import annotations

import re

import dagster as dg
import pytest
from graph import Graph, day, days, failure_of, materialized
from psycopg2 import sql

from energy_assets.automation.alerts import alert_text
from energy_assets.checkpoints.checkpoint import CHECK
from energy_assets.keys import GATED, SERVING, checkpoint_key, table_key
from energy_assets.operations.why import explain
from energy_assets.resources.gates import accept

RAW_TABLES = {"meter_readings", "weather_observations", "reading_annotations"}
RAW_GATE = "quality__meter_readings_checkpoint"


def test_a_red_day_stops_everything_behind_its_gate_and_says_which_file_row_and_what_to_do(graph: Graph) -> None:
    assert graph.land_and_run(days(1, 1)).success
    before = graph.served()

    result = graph.land_and_run(days(2, 2), red=[day(2)])

    assert not result.success
    assert graph.states(day(2)) == {
        "meter_readings": "red",
        "weather_observations": "green",
        "reading_annotations": "green",
    }
    for table, column in (("stg_meter_readings", "reading_date"), ("mart_consumption_metrics", "metric_date")):
        assert graph.count(table, column, day(1))
        assert not graph.count(table, column, day(2))
    assert before and graph.served() == before, "yesterday's served rows stay"
    message = failure_of(result, RAW_GATE)
    assert re.search(r"2024-01-02 meter_readings is red", message)
    assert re.search(r"meter_readings/2024-01-02\.csv, rows \d+, \d+, \d+ and \d+ more, column meter_id", message)
    assert "deliver it again under the same path" in message
    assert "energy-assets accept 2024-01-02 meter_readings --reason" in message
    assert alert_text(graph.warehouse, result.dagster_run, failures_of(result)) in message


def failures_of(result: dg.ExecuteInProcessResult) -> list[dg.DagsterEvent]:
    return [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
