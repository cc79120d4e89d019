"""A part of a day by name: gates that judge again, layers that are written again, and nothing beside them."""

from __future__ import annotations

import pytest
from graph import Graph, day, days
from support import commands

from energy_assets.keys import GATED

LAYERS = ("staging", "intermediate", "marts")


@pytest.fixture
def ran(graph: Graph) -> Graph:
    assert graph.land_and_run(days(1, 2)).success
    return graph


def versions(graph: Graph) -> dict[tuple[str, int], int]:
    """The version of each day of each gated table."""
    rows = graph.warehouse.rows(
        "select table_name, extract(day from reading_date)::int, version from quality.day_versions where table_name = any(%s)",
        (list(GATED),),
    )
    return {(table, number): version for table, number, version in rows}


def judged_by(graph: Graph) -> dict[tuple[str, int], str]:
    """The run that judged each day of each table last."""
    rows = graph.warehouse.rows(
        "select distinct on (table_name, reading_date) table_name, extract(day from reading_date)::int, run_id"
        " from quality.validation_results order by table_name, reading_date, judged_at desc"
    )
    return {(table, number): run for table, number, run in rows}


def test_the_newest_day_is_judged_again_at_every_gate_and_nothing_is_written(ran: Graph) -> None:
    written, judged = versions(ran), judged_by(ran)

    printed = commands.run(ran.home, "materialize", "--select", "quality")

    assert f"{day(2)}: 1 of 1 days went through" in printed
    assert versions(ran) == written
    again = judged_by(ran)
    assert {key for key in again if again[key] != judged.get(key)} == {(table, 2) for table in GATED}


@pytest.mark.full
def test_layers_of_a_day_are_written_and_judged_and_what_reads_them_is_owed(ran: Graph) -> None:
    written = versions(ran)

    commands.run(ran.home, "materialize", "--day", "2024-01-01", "--select", ",".join((*LAYERS, "quality")))

    again = versions(ran)
    changed = {key for key in again if again[key] != written[key]}
    assert changed == {(table, 1) for table, schema in GATED.items() if schema in LAYERS}
    closed = "select table_name from quality.day_states where state <> 'green' and table_name = any(%s)"
    assert ran.warehouse.rows(closed, (list(GATED),)) == [], "each day that was written was judged"
    assert "days went through" in commands.run(ran.home, "resume"), "scores and served tables follow"
    followed = versions(ran)
    assert {schema for table, schema in GATED.items() if followed[table, 1] != again[table, 1]} >= {"ml", "marts"}
    assert "went through" not in commands.run(ran.home, "resume"), "and then nothing is owed"


def test_a_part_that_there_is_not_is_named_with_those_that_there_are(graph: Graph) -> None:
    printed = commands.run(graph.home, "materialize", "--day", "2024-01-01", "--select", "quality,stagging", code=1)

    assert "no daily asset is called stagging: there are" in printed and "quality/meter_readings_checkpoint" in printed


def test_without_a_day_that_ran_there_is_no_newest_one(graph: Graph) -> None:
    assert "no day was run yet" in commands.run(graph.home, "materialize", code=1)
