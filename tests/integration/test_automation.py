"""Automation: what lands becomes served rows by the sensors and the schedule alone, and nothing is asked for twice."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import dagster as dg
import pytest
from graph import (
    FIRST_DAY,
    LAST_DAY,
    METERS,
    RUN_KEY_TAG,
    Graph,
    day,
    days,
    ephemeral_instance,
    failure_of,
    script,
    window_of,
)
from support import commands
from support.content_hash import WITHOUT_DELIVERY, assert_same, content

from energy_assets.automation import sensors
from energy_assets.automation.schedules import morning
from energy_assets.home import Calendar
from energy_assets.keys import GATED, SERVING, checkpoint_key, table_key
from energy_assets.resources import due
from energy_assets.resources.serving import DATABASE
from energy_assets.resources.serving_ddl import quoted
from energy_assets.settings import settings
from energy_assets.simulation import simulate_readings

SOUND_ROWS = range(METERS * 48 - 20, METERS * 48 + 1)
"""Rows of a sound day: a few of its readings are missing or cannot be read."""


SERVED_READINGS = dg.AssetKey([SERVING, "meter_readings"])


def test_a_dropped_file_becomes_served_rows_and_a_correction_turns_its_red_day_green(graph: Graph) -> None:
    graph.deliver(days(1, 3), red=[day(2)])
    first = graph.settle()
    assert day_windows(first) == [days(1, 3), days(1, 1), days(3, 3)]
    assert set(graph.served()) == {day(1), day(3)}

    graph.deliver(day(2))
    second = graph.settle()

    assert set(graph.states(day(2))) == set(GATED)
    assert set(graph.states(day(2)).values()) == {"green"}
    assert all(graph.served()[of] in SOUND_ROWS for of in days(1, 3))
    assert day_windows(second) == [days(2, 2), days(3, 3)], "the day itself, then the day that looks back on it"
    assert all(run.success for run in second)


@pytest.mark.full
def test_a_day_that_turns_green_is_looked_back_on_as_if_it_had_always_been(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph.deliver(days(1, 6))
    graph.deliver(days(8, 9))
    graph.settle()
    without = content(graph.warehouse, graph.serving, ["ml.anomaly_scores"])
    versions = graph.versions(days(1, 9))
    graph.deliver(day(7))
    graph.tick_landing()
    assert day_windows(graph.tick_due()) == [days(7, 7)]

    with monkeypatch.context() as patched:
        patched.setattr(due, "settings", lambda: settings().model_copy(update={"restatement_days": 1}))
        (request,) = graph.ask_due()
        assert request.tags.items() >= range_of(8).items(), "the earliest first"
        assert table_key("mart_consumption_metrics") in request.asset_selection, "its comparisons are always restated"
        assert table_key("anomaly_scores") not in request.asset_selection, "older scores are not"
    assert [window_of(run) for run in graph.settle()] == [days(8, 9)]

    after = graph.versions(days(8, 9))
    rewritten = {table for (table, of), version in after.items() if version != versions[(table, of)]}
    assert rewritten.isdisjoint(OF_THE_DAY_ALONE), "what reads no day before is left as it is"
    assert rewritten >= LOOKS_BACK
    # Verdicts that compare a day with those before it depend on the order in which days were judged; tables do not.
    with_it = content(graph.warehouse, graph.serving, WITHOUT_DELIVERY)
    assert without["ml.anomaly_scores"][str(day(9))] != with_it["ml.anomaly_scores"][str(day(9))]
    assert graph.run(days(1, 9)).success
    assert_same(with_it, content(graph.warehouse, graph.serving, WITHOUT_DELIVERY))


def test_a_day_whose_run_died_before_its_gate_is_judged_and_goes_on(graph: Graph) -> None:
    graph.deliver(days(1, 1))
    graph.land()
    raw = [table_key(table) for table, schema in GATED.items() if schema == "raw_data"]
    assert graph.run(day(1), raw).success
    before = graph.versions(days(1, 1))

    (run,) = graph.settle()

    assert run.success
    assert set(graph.served()) == {day(1)}
    assert graph.versions(days(1, 1)).items() >= before.items(), "it was judged as it had been written"


def test_runs_that_were_killed_before_they_wrote_anything_are_asked_for_again(graph: Graph) -> None:
    graph.deliver(days(1, 1))
    kill(graph, graph.ask_landing())
    assert [run.success for run in graph.tick_landing()] == [True]
    kill(graph, graph.ask_due())

    assert all(run.success for run in graph.settle())
    assert set(graph.served()) == {day(1)}


def test_days_that_a_killed_run_wrote_without_reporting_them_are_shown(graph: Graph) -> None:
    keys = [
        table_key("meter_readings"),
        checkpoint_key("meter_readings"),
        table_key("mart_load_profile"),
        SERVED_READINGS,
    ]
    with ephemeral_instance() as unheard:
        silent = replace_instance(graph, unheard)
        graph.deliver(days(1, 1))
        assert silent.land().success and silent.run(day(1)).success
    assert [graph.materialized_days(key) for key in keys] == [set()] * 4
    run = graph.instance.create_run_for_job(graph.definitions.resolve_job_def("daily"), tags=range_of(1))
    graph.instance.report_run_failed(run, "its process is gone")

    assert graph.ask_due() == [], "nothing is owed"

    assert [graph.materialized_days(key) for key in keys] == [{day(1)}] * 4
    assert graph.materialized_days(table_key("anomaly_scores")) == {day(1)}


def test_files_that_never_stop_coming_do_not_keep_days_from_being_run(graph: Graph) -> None:
    graph.deliver(days(1, 1))
    assert len(graph.ask_landing()) == 1
    reading = in_progress(graph, "landing")
    graph.deliver(days(2, 2))
    assert graph.ask_landing() == [], "a landing run that is asked for reads all that waits: no queue of them grows"
    assert graph.ask_due() == []
    graph.instance.report_run_canceled(reading)

    assert all(run.success for run in graph.tick_landing())
    in_progress(graph, "landing")

    (request,) = graph.ask_due()
    assert request.tags["days"] == str(days(1, 2)), "the second landing is not waited for"


def in_progress(graph: Graph, job: str) -> dg.DagsterRun:
    """A run of `job` that is made and has not ended."""
    return graph.instance.create_run_for_job(graph.definitions.resolve_job_def(job))


def test_what_kills_every_run_is_not_asked_for_for_ever(graph: Graph) -> None:
    graph.deliver(days(1, 1))
    for _ in range(3):
        kill(graph, graph.ask_landing())

    assert graph.ask_landing() == []


def test_a_day_that_failed_is_asked_for_again_only_where_something_was_written_since(graph: Graph) -> None:
    graph.deliver(days(1, 1))
    with served_table_away(graph, "meter_readings"):
        runs = graph.settle()
    assert [run.success for run in runs] == [True, False, False], "landing, the day, what it left; then no more"
    assert "meter_readings" in failure_of(runs[-1], "energy_analytics__meter_readings")

    assert graph.settle() == []
    assert graph.owed() == [day(1)], "`energy-assets resume` goes on with it"


def test_days_are_looked_through_again_only_after_something_changed(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph.deliver(days(1, 2), red=[day(2)])
    graph.settle()
    counted: list[int] = []
    monkeypatch.setattr(sensors, "due_days", lambda *known: counted.append(1) or due.due_days(*known))
    assert graph.ask_due() == []
    assert not counted, "nothing was written, accepted or withdrawn since"

    commands.run(graph.home, "accept", str(day(2)), "meter_readings", "--reason", "a test")
    assert len(graph.ask_due()) == 1
    assert counted == [1]


def test_a_file_that_is_still_being_written_is_left_alone_and_read_when_it_is_whole(graph: Graph) -> None:
    (path,) = graph.deliver(days(1, 1))
    whole = path.read_text()
    graph.drop("meter_readings/2024-01-01.csv", whole[: len(whole) // 2], age_seconds=0)
    assert graph.tick_landing() == []

    graph.drop("meter_readings/2024-01-01.csv", whole)
    (landing,) = graph.tick_landing()

    assert landing.success
    assert graph.warehouse.rows("select rows_read from raw_data.landing_files") == [(whole.count("\n") - 1,)]
    assert graph.tick_landing() == [], "it is read once"


def test_days_beyond_the_calendar_widen_it_and_wait_until_it_is_loaded_anew(graph: Graph) -> None:
    before, after = FIRST_DAY - timedelta(days=1), LAST_DAY + timedelta(days=1)
    for beyond in (before, after):
        (path,) = simulate_readings(meters=METERS, days=1, seed=7, out=graph.home.path / "beyond", first_day=beyond)
        graph.drop(f"meter_readings/{beyond}.csv", path.read_text())

    assert [result.success for result in graph.settle()] == [True], "landing alone: this process cannot run those days"

    assert graph.home.calendar() == Calendar("Africa/Douala", before, after)
    told = json.loads(script(graph.home, ASK_DUE))
    assert told == {"days": [str(before), str(after)], "asked": [str(before)]}, (
        "the earliest first, one range at a time"
    )


def test_the_morning_schedule_serves_yesterday_in_a_live_home_and_is_off_in_a_historical_one(graph: Graph) -> None:
    assert morning.default_status == dg.DefaultScheduleStatus.STOPPED
    graph.deliver(day(14))
    graph.land()
    graph.home.calendar_file.unlink()
    graph.home.write_calendar(Calendar("Africa/Douala", FIRST_DAY))

    told = json.loads(script(graph.home, MORNING_TICK))

    assert told == {"status": "RUNNING", "cron": "0 6 * * *", "zone": "Africa/Douala", "days": ["2024-01-14"]}
    assert set(graph.served()) == {day(14)}


def day_windows(runs: list[dg.ExecuteInProcessResult]) -> list:
    """The windows of the runs that were over days."""
    return [window for run in runs if (window := window_of(run))]


def range_of(number: int) -> dict[str, str]:
    return {f"dagster/asset_partition_range_{end}": str(day(number)) for end in ("start", "end")}


def replace_instance(graph: Graph, instance: dg.DagsterInstance) -> Graph:
    """The same home, whose runs `instance` hears of."""
    return Graph(graph.home, graph.definitions, instance, graph._files)


def kill(graph: Graph, requests: Sequence[dg.RunRequest]) -> None:
    """Leave what the daemon leaves of a requested run whose process was killed at its start."""
    (request,) = requests
    run = graph.instance.create_run_for_job(
        graph.definitions.resolve_job_def("landing"), tags={**request.tags, RUN_KEY_TAG: str(request.run_key)}
    )
    graph.instance.report_run_failed(run, "its process is gone")


@contextmanager
def served_table_away(graph: Graph, table: str) -> Iterator[None]:
    """ClickHouse's table is under another name meanwhile: whoever writes to it fails."""
    here, away = quoted(DATABASE, table), quoted(DATABASE, f"{table}_away")
    with graph.serving.client() as client:
        client.command(f"RENAME TABLE {here} TO {away}")
        try:
            yield
        finally:
            client.command(f"RENAME TABLE {away} TO {here}")


OF_THE_DAY_ALONE = {
    "meter_readings",
    "stg_meter_readings",
    "int_consumption_features",
    "int_readings_hourly",
    "mart_load_profile",
    "energy_analytics.meter_readings",
    "energy_analytics.load_profile",
}
LOOKS_BACK = {
    "int_reading_estimates",
    "anomaly_scores",
    "load_forecast",
    "theft_evidence",
    "mart_consumption_metrics",
    "mart_anomaly_flags",
    "energy_analytics.anomaly_scores",
    "energy_analytics.consumption_metrics",
    "energy_analytics.anomaly_flags",
}

ASK_DUE = """
import json
import dagster as dg
from energy_assets.automation.sensors import due_days_sensor
from energy_assets.definitions import defs
from energy_assets.partitions import DAILY
with (
    dg.DagsterInstance.ephemeral() as instance,
    dg.build_sensor_context(
        instance=instance, definitions=defs, sensor_name="due_days_sensor", resources={"warehouse": defs.resources["warehouse"]}
    ) as context,
):
    requests = due_days_sensor.evaluate_tick(context).run_requests
    days = DAILY.get_partition_keys()
    asked = [request.tags["dagster/asset_partition_range_start"] for request in requests]
    print(json.dumps({"days": [days[0], days[-1]], "asked": asked}))
"""

MORNING_TICK = """
import json
from datetime import datetime
import dagster as dg
from energy_assets.definitions import defs
from energy_assets.partitions import CALENDAR
schedule = defs.resolve_schedule_def("morning")
with dg.DagsterInstance.ephemeral() as instance:
    tick = dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=datetime(2024, 1, 15, 6, tzinfo=CALENDAR.zone),
        repository_def=defs.get_repository_def(),
    )
    requests = schedule.evaluate_tick(tick).run_requests
    for request in requests:
        result = defs.resolve_job_def("daily").execute_in_process(
            instance=instance, partition_key=request.partition_key, raise_on_error=True,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
print(json.dumps({
    "status": schedule.default_status.value,
    "cron": schedule.cron_schedule,
    "zone": schedule.execution_timezone,
    "days": [request.partition_key for request in requests],
}))
"""
