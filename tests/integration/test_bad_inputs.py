"""All bad deliveries at once, beside a sound one: the sensor and its run live on, the sound one loads, nothing is done twice."""

from __future__ import annotations

import os
import time

import dagster as dg
from graph import SETTLED_SECONDS, Graph, day
from support.bad_inputs import BAD_INPUTS, LeftAlone, Loads, Quarantined, Refused

from energy_assets.automation.sensors import landing_sensor
from energy_assets.keys import table_key

SMALL = [bad for bad in BAD_INPUTS if not bad.is_large]

GERMAN = """
name = "german"
description = "Semicolons and decimal commas"
[recognise]
[csv]
delimiter = ";"
[sources.meter_readings.columns]
meter_id = "meter_id"
reading_at = "reading_at"
consumption_kwh = { column = "consumption_kwh", decimal = "," }
"""


def put_all(graph: Graph) -> None:
    """The corpus, as files that were written a while ago."""
    for bad in SMALL:
        bad.put(graph.home.landing)
    before = time.time() - SETTLED_SECONDS
    for folder, _, names in os.walk(graph.home.landing):
        for name in names:
            if not os.path.islink(path := os.path.join(folder, name)):  # noqa: PTH114, PTH118 - one name is no text
                os.utime(path, (before, before))


def ledger_of(graph: Graph) -> dict[str, tuple]:
    """Path -> status, message, rows read and rejected, of what was read."""
    rows = graph.warehouse.rows(
        "select path, status, message, rows_read, rows_rejected"
        " from raw_data.landing_paths join raw_data.landing_files using (sha256)"
    )
    return {path: tuple(others) for path, *others in rows}


def said_by_sensor(graph: Graph) -> str:
    """Why a tick of the landing sensor asks for nothing."""
    resources = {"warehouse": graph.warehouse, "landing_zone": graph.landing_zone}
    with dg.build_sensor_context(instance=graph.instance, resources=resources) as context:
        return landing_sensor.evaluate_tick(context).skip_message


def kept(graph: Graph) -> list[tuple]:
    """How many rows each table of landings holds, and the newest of them."""
    return graph.warehouse.rows(
        "select (select count(*) from raw_data.rejected_rows), (select count(*) from raw_data.landing_parts),"
        " (select count(*) from raw_data.meters), (select max(landed_at) from raw_data.landing_files),"
        " (select max(seen_at) from raw_data.landing_paths)"
    )


def test_a_zone_full_of_bad_deliveries_neither_stops_the_sensor_nor_the_sound_one(graph: Graph) -> None:
    (sound,) = graph.deliver(day(3))
    put_all(graph)

    (run,) = graph.tick_landing()

    assert run.success
    found = ledger_of(graph)
    rows = len(sound.read_text().splitlines()) - 1
    assert found.pop(f"meter_readings/{day(3)}.csv")[:3] == ("landed", None, rows)
    for bad in SMALL:
        path = bad.path if bad.path != "meter_readings/folder.csv" else "meter_readings/folder.csv/inside.csv"
        if isinstance(bad.outcome, Quarantined):
            status, message, *_ = found.pop(path)
            assert status == "unreadable", bad.name
            assert all(part in message for part in bad.outcome.told), message
        elif isinstance(bad.outcome, Loads):
            accepted, rejected = len(bad.outcome.rows), len(bad.outcome.rejected)
            assert found.pop(path) == ("landed", None, accepted + rejected, rejected), bad.name
    assert not found, "nothing else was read"

    (check,) = [event for event in run.get_asset_check_evaluations() if event.check_name == "readable"]
    assert not check.passed
    told = said_by_sensor(graph)
    for bad in SMALL:
        if isinstance(bad.outcome, Refused):
            assert all(part in told for part in bad.outcome.told), bad.name
    assert any(isinstance(bad.outcome, LeftAlone) and f"{bad.path} is left alone" in told for bad in SMALL)

    before = kept(graph)
    assert graph.tick_landing() == [], "nothing is asked for twice"
    assert graph.land().success
    assert kept(graph) == before, "and nothing is done twice"

    assert graph.run(day(3), [table_key("meter_readings")]).success
    loaded = graph.count("meter_readings", "reading_date", day(3))
    assert (
        loaded
        == rows
        - graph.warehouse.rows(
            "select rows_rejected from raw_data.landing_files join raw_data.landing_paths using (sha256) where path = %s",
            (f"meter_readings/{day(3)}.csv",),
        )[0][0]
    )


def test_a_file_that_no_mapping_fitted_is_read_again_once_one_does(graph: Graph) -> None:
    """With nothing else to do: that is what its message told."""
    graph.drop("meter_readings/a.csv", "meter_id;reading_at;consumption_kwh\nM1;2024-01-01;1,5\nM1;2024-01-01;x\n")
    assert [run.success for run in graph.tick_landing()] == [True]
    assert ledger_of(graph)["meter_readings/a.csv"][0] == "unreadable"
    assert graph.tick_landing() == []

    graph.home.mappings.mkdir(exist_ok=True)
    mapping = graph.home.mappings / "german.toml"
    mapping.write_text(GERMAN)
    try:
        assert [run.success for run in graph.tick_landing()] == [True]
        assert ledger_of(graph)["meter_readings/a.csv"] == ("landed", None, 2, 1)
        assert graph.warehouse.rows("select row_number, reason from raw_data.rejected_rows") == [(3, "is no number")]
        assert graph.owed() == [day(1)]
        assert graph.tick_landing() == []
    finally:
        mapping.unlink()


def test_the_same_content_in_the_wrong_folder_first_keeps_the_right_one_from_nothing(graph: Graph) -> None:
    content = "meter_id,reading_at,consumption_kwh\nM1,2024-01-01,1\n"
    for path in ("weather/a.csv", "meter_readings/a.csv"):
        graph.drop(path, content)
        assert graph.land().success
    assert ledger_of(graph)["meter_readings/a.csv"] == ("landed", None, 1, 0)
    assert graph.owed() == [day(1)]
