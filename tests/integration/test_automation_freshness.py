"""Freshness: in a live home the real sensor tells, table by table, that yesterday is missing, and that it came after all."""

from __future__ import annotations

import json

from graph import FIRST_DAY, Graph, day, days, script

from energy_assets.automation.freshness import FRESHNESS_CHECKS, FRESHNESS_SENSORS
from energy_assets.home import Calendar
from energy_assets.keys import RAW


def test_yesterday_is_missed_table_by_table_though_an_older_day_was_just_corrected(graph: Graph) -> None:
    assert not FRESHNESS_CHECKS and not FRESHNESS_SENSORS, "this process has a historical calendar"
    graph.deliver(days(13, 14))
    graph.land()
    graph.home.calendar_file.unlink()
    graph.home.write_calendar(Calendar("Africa/Douala", FIRST_DAY))

    told = json.loads(script(graph.home, FRESHNESS_TICKS))

    tables = set(told["tables"])
    raw = {table for table in tables if table.startswith(f"{RAW}/")}
    at_nine, again, served, at_rest, next_day = told["ticks"]
    assert set(at_nine["fresh"]) == raw, "raw days were written, what is made of them was not"
    assert set(at_nine["overdue"]) == tables - raw, f"the {day(13)} was written this morning, yesterday was not"
    assert again == {"fresh": [], "overdue": []}, "nothing was written since"
    assert served == {"fresh": sorted(tables - raw), "overdue": []}, "what was missed came, and is asked about again"
    assert at_rest == {"fresh": [], "overdue": []}
    assert next_day == {"fresh": [], "overdue": sorted(tables)}, "the next deadline asks for the next day"


FRESHNESS_TICKS = """
import json
from datetime import datetime, time
import dagster as dg
from dagster._core.test_utils import freeze_time
from energy_assets.automation.freshness import FRESHNESS_SENSORS, TABLES
from energy_assets.definitions import defs
from energy_assets.partitions import CALENDAR
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
(sensor,) = FRESHNESS_SENSORS
job = defs.resolve_job_def("daily")

def clock(day, at):
    return freeze_time(datetime.combine(datetime(2024, 1, day), time.fromisoformat(at), tzinfo=CALENDAR.zone))

def run(instance, at, day, keys=None):
    with clock(15, at):
        job.execute_in_process(
            instance=instance, partition_key=day, asset_selection=keys, run_config=QUIET, raise_on_error=True
        )

def tick(instance, day, at):
    with clock(day, at):
        with dg.build_sensor_context(instance=instance, definitions=defs, sensor_name=sensor.name) as context:
            requests = sensor.evaluate_tick(context).run_requests or []
        found = [
            evaluation
            for request in requests
            for evaluation in defs.resolve_implicit_global_asset_job_def()
            .get_subset(asset_selection=set(), asset_check_selection=set(request.asset_check_keys))
            .execute_in_process(instance=instance, run_config=QUIET)
            .get_asset_check_evaluations()
        ]
    named = lambda passed: sorted(e.asset_key.to_user_string() for e in found if e.passed is passed)
    return {"fresh": named(True), "overdue": named(False)}

with dg.DagsterInstance.ephemeral() as instance:
    run(instance, "08:00", "2024-01-13")
    run(instance, "08:00", "2024-01-14", [key for key in TABLES if key.path[0] == "raw_data"])
    ticks = [tick(instance, 15, "09:01"), tick(instance, 15, "09:06")]
    run(instance, "10:00", "2024-01-14")
    ticks += [tick(instance, 15, "10:05"), tick(instance, 15, "10:10"), tick(instance, 16, "09:01")]
print(json.dumps({"tables": [key.to_user_string() for key in TABLES], "ticks": ticks}))
"""
