"""Serving while ClickHouse is away: a restart is waited for, and the days arrive once."""

from __future__ import annotations

import threading

import psutil
import pytest
from graph import Graph, day, days, failure_of

from energy_assets.assets.serving import SERVED
from energy_assets.embedded import supervisor
from energy_assets.resources import serving
from energy_assets.resources.serving import DATABASE

READINGS = next(served for served in SERVED if served.source == "stg_meter_readings")
STEP = "energy_analytics__meter_readings"


@pytest.fixture
def without_clickhouse(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> Graph:
    """The graph with a day to serve, whose ClickHouse was killed."""
    assert graph.land_and_run(days(1, 2)).success
    monkeypatch.setattr(serving, "RETRY_AFTER_SECONDS", 2.0)
    kill_clickhouse(graph)
    yield graph
    supervisor.up(graph.home)


def kill_clickhouse(graph: Graph) -> None:
    (endpoint,) = (status for status in supervisor.status(graph.home) if status.name == "clickhouse")
    process = psutil.Process(endpoint.pid)
    process.kill()
    process.wait(10)


def test_a_day_is_served_once_clickhouse_is_back(without_clickhouse: Graph) -> None:
    graph = without_clickhouse
    back = threading.Timer(3, supervisor.up, [graph.home])
    back.start()

    result = graph.run(day(2), [READINGS.key])

    back.join()
    assert result.success
    assert [event.step_key for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]
    with graph.serving.client() as client:
        rows = client.query(
            "SELECT count(), uniqExact(meter_id, reading_at) FROM energy_analytics.meter_readings"
        ).first_row
    assert rows[0] == rows[1] > 0


def test_an_outage_that_lasts_fails_the_step_and_says_so(without_clickhouse: Graph) -> None:
    result = without_clickhouse.run(day(2), [READINGS.key])

    assert not result.success
    assert "onnect" in failure_of(result, STEP)


def test_what_a_killed_run_left_beside_a_table_is_gone_after_the_next_one(graph: Graph) -> None:
    assert graph.land_and_run(days(1, 1)).success
    beside = f"{DATABASE}.meter_readings__0123456789ab"
    with graph.serving.client() as client:
        client.command(f"CREATE TABLE {beside} AS {DATABASE}.meter_readings")
        client.command(f"INSERT INTO {beside} SELECT * FROM {DATABASE}.meter_readings")

    assert graph.run(day(1), [READINGS.key]).success

    with graph.serving.client() as client:
        assert client.command(f"EXISTS TABLE {beside}") == 0
