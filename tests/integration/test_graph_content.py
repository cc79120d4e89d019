"""What the tables hold follows from what was delivered, not from how the days were run.

Every comparison is of all tables of both stores, by day, without times and ids of work (support/content_hash.py).
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import pytest
from graph import Graph, Simulated, day, days
from support import commands
from support.content_hash import Content, assert_same, content, differences
from support.sources import beside_readings

from energy_assets.days import DayWindow
from energy_assets.resources.serving import DATABASE

WHOLE = days(1, 9)
"""A week to learn from, and two days that its model scores."""

SERVED = ("meter_readings", "anomaly_scores", "consumption_metrics", "anomaly_flags")


def held(graph: Graph, *tables: str) -> Content:
    return content(graph.warehouse, graph.serving, tables or ("",))


def run(graph: Graph, *windows: DayWindow | date) -> None:
    """Run the windows one after the other. Fails where a run fails."""
    for window in windows:
        result = graph.run(window)
        failed = [event.step_key for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
        assert result.success, f"{window}: {', '.join(failed)}"


def landed(graph: Graph, window: DayWindow = WHOLE) -> None:
    for path, text in beside_readings(window).items():
        graph.drop(path, text)
    readings_landed(graph, window)


def readings_landed(graph: Graph, window: DayWindow) -> None:
    graph.deliver(window)
    assert graph.land().success


def by_range(graph: Graph) -> Content:
    """What one range over the whole window comes to."""
    graph.empty()
    landed(graph)
    run(graph, WHOLE)
    return held(graph)


def test_days_one_by_one_equal_one_range_and_twice_is_once(graph: Graph) -> None:
    expected = by_range(graph)
    for table in ("ml.anomaly_model", "staging.stg_outages", "marts.mart_transformer_losses"):
        assert expected[table], f"{table} holds nothing: there is less to compare than meant"
    graph.empty()
    landed(graph)
    run(graph, days(1, 6), day(7), day(8), day(9))
    assert_same(expected, held(graph))
    run(graph, days(7, 9))
    assert_same(expected, held(graph))


@pytest.mark.full
def test_every_day_by_itself_equals_one_range(graph: Graph) -> None:
    expected = by_range(graph)
    graph.empty()
    landed(graph)
    run(graph, *WHOLE)
    assert_same(expected, held(graph))


@pytest.mark.full
def test_ranges_that_overlap_equal_one_range(graph: Graph) -> None:
    expected = by_range(graph)
    graph.empty()
    landed(graph)
    run(graph, days(1, 5), days(3, 8), days(8, 9), days(2, 6))
    assert_same(expected, held(graph))


def test_two_runs_at_once_on_the_same_day_equal_one(graph: Graph) -> None:
    landed(graph, days(1, 2))
    run(graph, days(1, 2))
    expected = held(graph)
    both = [commands.start(graph.home, "materialize", "--day", "2024-01-02") for _ in range(2)]
    for process in both:
        assert "1 of 1 days went through" in commands.finish(process)
    assert_same(expected, held(graph))


@pytest.mark.full
def test_two_overlapping_ranges_at_once_equal_one(graph: Graph) -> None:
    expected = by_range(graph)
    graph.empty()
    landed(graph)
    run(graph, days(1, 4))
    both = [
        commands.start(graph.home, "backfill", "--from", first, "--to", last)
        for first, last in (("2024-01-03", "2024-01-09"), ("2024-01-02", "2024-01-07"))
    ]
    for process in both:
        commands.finish(process)
    run(graph, days(8, 9))
    assert_same(expected, held(graph))


def test_a_day_that_became_empty_is_empty_in_every_table(graph: Graph) -> None:
    readings_landed(graph, days(1, 3))
    run(graph, days(1, 3))
    before = held(graph)
    with_readings = {table for table, by_day in before.items() if by_day.get("2024-01-02")}
    assert with_readings >= {
        f"{DATABASE}.meter_readings",
        f"{DATABASE}.consumption_metrics",
        f"{DATABASE}.anomaly_scores",
    }

    retracted = commands.run(graph.home, "retract", "meter_readings/2024-01-02.csv", "--reason", "another utility's")
    assert "1 days are owed" in retracted
    graph.settle()
    after = held(graph)
    still_named = {table for table, by_day in after.items() if by_day.get("2024-01-02")}
    assert still_named == {
        "raw_data.landing_parts",
        "raw_data.rejected_rows",
        "quality.day_versions",
        "quality.validation_results",
    }, "the ledger of deliveries and of verdicts keeps the day, no table of readings does"
    for table in ("staging.stg_meter_readings", "intermediate.int_readings_daily", f"{DATABASE}.meter_readings"):
        assert differences({table: before[table]}, {table: after[table]}) == [
            f"{table} 2024-01-02: {before[table]['2024-01-02']} here, None there"
        ]

    graph.deliver(day(2))
    (again,) = graph.settle()
    assert again.success, "what was withdrawn stays so, however often it is delivered: no day is owed"
    commands.run(graph.home, "retract", "--undo", "meter_readings/2024-01-02.csv")
    graph.settle()
    assert_same(
        {table: before[table] for table in with_readings}, {table: held(graph)[table] for table in with_readings}
    )


@pytest.mark.full
def test_a_correction_of_fewer_days_clears_the_others(graph: Graph, simulated: Simulated) -> None:
    first, second = (simulated.file(day(number), is_red=False).read_text() for number in (1, 2))
    graph.drop("meter_readings/both.csv", first + second.partition("\n")[2])
    assert graph.land().success
    run(graph, days(1, 2))
    assert held(graph, DATABASE)[f"{DATABASE}.meter_readings"].keys() == {"2024-01-01", "2024-01-02"}
    graph.drop("meter_readings/both.csv", first)
    graph.settle()
    for table in SERVED[:3]:
        assert held(graph, f"{DATABASE}.{table}")[f"{DATABASE}.{table}"].keys() == {"2024-01-01"}


@contextmanager
def frozen(graph: Graph, statement: str) -> Iterator[None]:
    """Hold a lock of Postgres, so that whoever comes to need it stops right there."""
    with graph.warehouse.transaction() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        yield


def comes_to_wait(graph: Graph, seconds: float = 120) -> None:
    """Wait until any session waits for a lock."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if graph.warehouse.rows("select from pg_locks where not granted"):
            return
        time.sleep(0.05)
    pytest.fail("the run came by no lock that is held")


LEDGER = "lock table quality.day_versions in share mode"
"""Every day write ends in the ledger of versions: here it stops with all its rows written and nothing committed."""


def killed_in_the_middle(graph: Graph, of: date, lock: str = LEDGER) -> None:
    """Run the day, and kill -9 the run while it waits in the middle of a write."""
    with frozen(graph, lock):
        process = commands.start(graph.home, "materialize", "--day", of.isoformat())
        comes_to_wait(graph)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()


def test_a_run_killed_in_the_middle_of_a_write_leaves_the_old_day_and_a_retry_makes_it_whole(
    graph: Graph, simulated: Simulated
) -> None:
    def correct() -> None:
        text = simulated.file(day(2), is_red=False).read_text()
        graph.drop("meter_readings/2024-01-02.csv", text.replace(",0.1", ",0.2"))
        assert graph.land().success

    landed(graph, days(1, 2))
    correct()
    run(graph, days(1, 2))
    undisturbed = held(graph)

    graph.empty()
    landed(graph, days(1, 2))
    run(graph, days(1, 2))
    correct()
    before = held(graph, "raw_data.meter_readings")
    killed_in_the_middle(graph, day(2))
    assert_same(before, held(graph, "raw_data.meter_readings"))
    run(graph, day(2))
    assert_same(undisturbed, held(graph))


@pytest.mark.full
@pytest.mark.parametrize(
    "lock",
    [
        pytest.param("select quality.lock_table('staging.stg_meter_readings')", id="staging"),
        pytest.param("lock table quality.validation_results", id="gate"),
        pytest.param("lock table ml.anomaly_model", id="model"),
        pytest.param("select quality.lock_table('energy_analytics.meter_readings')", id="clickhouse"),
    ],
)
def test_a_run_killed_anywhere_is_made_whole_by_what_is_owed(graph: Graph, lock: str) -> None:
    expected = by_range(graph)
    graph.empty()
    landed(graph)
    run(graph, days(1, 7))
    killed_in_the_middle(graph, day(8), lock)
    commands.run(graph.home, "resume")
    assert_same(expected, held(graph))
