"""Data Docs are Great Expectations' own pages of what was recorded, as many as are shown and no more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import unquote

import dagster as dg
import psycopg2
import pytest
from graph import Graph, day, days
from support import commands

from energy_assets.automation.data_docs import data_docs_sensor
from energy_assets.home import Calendar, Home
from energy_assets.keys import checkpoint_key
from energy_assets.links import verdict_page, verdict_url
from energy_assets.resources.data_docs import NEWEST_DAYS, build, build_after_runs
from energy_assets.resources.schema import apply_schema
from energy_assets.resources.warehouse import Warehouse
from energy_assets.resources.why import explain

FIRST, DAYS = date(1999, 1, 1), 20
TABLE = "stg_meter_readings"
RUN = "data-docs-test"
JUDGED = """
insert into quality.day_versions (table_name, reading_date, version, row_count, run_id) values (%(table)s, %(day)s, 1, 96, %(run)s);
insert into quality.validation_results
    (reading_date, table_name, version, expectation_id, expectation, column_name, severity, success, sample, message, run_id)
values
    (%(day)s, %(table)s, 1, 'accepted_wh-in-range', 'expect_no_rows_where', 'accepted_wh', 'critical', %(held)s,
     '{"meter_id=<M1>, accepted_wh=-7"}', '1 of 96 rows with accepted_wh outside 0 to 1,000,000 (limit 0)', %(run)s),
    (%(day)s, %(table)s, 1, 'of-an-older-suite', 'expect_no_rows_where', null, 'warning', false, '{}', 'a finding', %(run)s)
"""
JUDGED_AGAIN = """
update quality.validation_results set success = true, message = 'all is well', judged_at = clock_timestamp()
where reading_date = %(day)s and run_id = %(run)s
"""
FORGOTTEN = "delete from quality.validation_results where run_id = %(run)s; delete from quality.day_versions where run_id = %(run)s"


@pytest.fixture
def judged(stores) -> Iterator[tuple[Home, Warehouse]]:
    """Twenty judged days of one table, the first of them red. No other test of this process has so old ones, or a verdict."""
    home, connections = stores
    home.write_calendar(Calendar("Africa/Douala", FIRST))
    with (
        closing(psycopg2.connect(connections.transformer_dsn)) as database,
        closing(psycopg2.connect(connections.loader_dsn)) as loader,
    ):
        apply_schema(loader, database)
        with database, database.cursor() as cursor:
            for day in (FIRST + timedelta(days=n) for n in range(DAYS)):
                cursor.execute(JUDGED, {"table": TABLE, "day": day, "run": RUN, "held": day != FIRST})
        yield home, Warehouse(home=str(home.path))
        with database, database.cursor() as cursor:
            cursor.execute(FORGOTTEN, {"run": RUN})


def test_the_newest_days_and_the_red_ones_have_a_page_and_older_ones_lose_theirs(judged):
    home, warehouse = judged
    home.data_docs.mkdir(exist_ok=True)
    (home.data_docs / "page-of-long-ago.html").touch()

    index = build(warehouse)
    pages = {path.stem: path.read_text() for path in pages_of(home)}
    red = pages[f"{TABLE}-{FIRST}"]

    assert sorted(pages) == [f"{TABLE}-{FIRST}"] + [
        f"{TABLE}-{FIRST + timedelta(days=n)}" for n in range(DAYS - NEWEST_DAYS, DAYS)
    ]
    assert not (home.data_docs / "page-of-long-ago.html").exists()
    assert "1 of 96 rows with accepted_wh outside 0 to 1,000,000 (limit 0)" in red
    assert "no rows with accepted_wh outside 0 to 1,000,000" in red
    assert "no longer part of the suite" in red
    assert "Failed" in red and "Succeeded" in pages[f"{TABLE}-{FIRST + timedelta(days=DAYS - 1)}"]
    assert f"{FIRST} red {TABLE}</a>" in index.read_text()


def test_delivered_text_is_no_markup_on_the_pages(judged):
    home, warehouse = judged
    build(warehouse)

    (red,) = (page for page in pages_of(home) if page.stem == f"{TABLE}-{FIRST}")

    assert "meter_id=<M1>" not in red.read_text()
    assert "meter_id=&lt;M1&gt;" in red.read_text()


def test_a_build_renders_what_was_judged_since_and_takes_the_other_pages_over(judged):
    home, warehouse = judged
    build(warehouse)
    before = {page: page.stat().st_ino for page in pages_of(home)}
    build(warehouse)
    assert {page: page.stat().st_ino for page in pages_of(home)} == before, "nothing changed: nothing was built"

    warehouse.rows(f"{JUDGED_AGAIN} returning 1", {"day": FIRST, "run": RUN})
    build(warehouse)

    after = {page: page.stat().st_ino for page in pages_of(home)}
    (red,) = before.keys() - after.keys()
    (green,) = after.keys() - before.keys()
    assert (red.stem, green.stem) == (f"{TABLE}-{FIRST}", f"{TABLE}-{FIRST}")
    assert "all is well" in green.read_text()
    assert all(after[page] == before[page] for page in before.keys() & after.keys()), "an unchanged page was made anew"
    assert f"{FIRST} green {TABLE}</a>" in home.data_docs_index.read_text()

    build(warehouse, anew=True)
    assert not {page.stat().st_ino for page in pages_of(home)} & set(after.values())


def test_the_page_of_a_day_is_found_under_a_name_that_holds_neither_verdict_nor_time(judged):
    home, warehouse = judged
    build(warehouse)

    signpost = home.data_docs / verdict_page(TABLE, FIRST)

    (page,) = (path for path in pages_of(home) if path.stem == f"{TABLE}-{FIRST}")
    url = signpost.read_text().partition("url=")[2].partition('"')[0]
    assert (signpost.parent / unquote(url)).resolve() == page.resolve()


def test_data_docs_that_cannot_be_built_cost_no_run_and_are_said_loudly(judged):
    home, warehouse = judged
    said: list[str] = []
    obstacle = home.data_docs.with_name(".data_docs.draft")
    obstacle.touch()
    try:
        build_after_runs(warehouse, said.append)
    finally:
        obstacle.unlink()

    (line,) = said
    assert "Data Docs were not built" in line
    assert str(obstacle) in line, "why"
    assert "→ energy-assets data-docs" in line


def test_after_a_run_of_the_daemon_its_verdicts_are_shown_also_where_it_failed(graph: Graph):
    result = graph.land_and_run(days(1, 2), red=[day(2)])
    assert not result.success

    first, second = tick(graph), tick(graph)

    assert "were built" in first and "show what was judged" in second
    red = next(page for page in pages_of(graph.home) if page.stem == f"meter_readings-{day(2)}")
    assert "Failed" in red.read_text() and "rows rejected" in red.read_text()
    assert (graph.home.data_docs / verdict_page("meter_readings", day(1))).is_file()

    commands.run(graph.home, "accept", str(day(2)), "meter_readings", "--reason", "a test")
    assert "were built" in tick(graph)
    assert f"{day(2)} accepted meter_readings</a>" in graph.home.data_docs_index.read_text()


def test_a_gate_names_the_page_of_its_own_day(graph: Graph):
    result = graph.land_and_run(days(1, 2), red=[day(2)])

    logged = graph.instance.all_logs(result.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    verdicts = [entry.get_dagster_event().asset_check_evaluation_data for entry in logged]
    pages = {
        verdict.partition: verdict.metadata["Data Docs"].url
        for verdict in verdicts
        if verdict.asset_key == checkpoint_key("meter_readings")
    }
    closed = pages.pop(None)
    assert pages == {str(of): verdict_url(graph.home, "meter_readings", of) for of in days(1, 2)}
    assert closed == pages[str(day(2))], "what is said last of a range is about the day that it closed"
    alone = graph.run(day(1), [checkpoint_key("meter_readings")])
    (event,) = alone.asset_materializations_for_node("quality__meter_readings_checkpoint")
    assert event.metadata["Data Docs"].url == verdict_url(graph.home, "meter_readings", day(1))

    tick(graph)
    (red,) = explain(graph.warehouse, day(2))
    page = (graph.home.data_docs / verdict_page("meter_readings", day(2))).as_uri()
    assert f"  page {page}\n  → correct the file" in red.text(), "no UI serves this home: the file"


def test_after_a_command_that_met_a_red_day_its_verdicts_are_shown(graph: Graph):
    graph.deliver(days(1, 2), red=[day(2)])

    commands.run(graph.home, "resume", code=3)

    assert f"{day(2)} red meter_readings</a>" in graph.home.data_docs_index.read_text()
    assert (graph.home.data_docs / verdict_page("mart_anomaly_flags", day(1))).is_file(), (
        "the green day went on to its end"
    )


def pages_of(home: Home) -> list[Path]:
    return sorted(home.data_docs.glob("validations/**/*.html"))


def tick(graph: Graph) -> str:
    """What the sensor says of a tick."""
    with dg.build_sensor_context(
        instance=graph.instance,
        resources={"warehouse": graph.warehouse},
        definitions=graph.definitions,
        sensor_name=data_docs_sensor.name,
    ) as context:
        return data_docs_sensor.evaluate_tick(context).skip_message
