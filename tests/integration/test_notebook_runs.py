"""Notebooks on a real home: every cell runs, pictures are there, and what is printed is what the stores hold."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from graph import Graph, day, days
from psycopg2.errors import ReadOnlySqlTransaction
from support.notebooks import NOTEBOOKS, executed, figures, printed, warned

from energy_assets.home import Calendar, Home
from energy_assets.operations.errors import OperationError
from energy_assets.operations.notebook import open_home
from energy_assets.simulation import simulate_readings

EXPLORATION, FEATURES, DETECTION = NOTEBOOKS
SCORED, RED = 8, 9
"""Days of January 2024: the first that has a week to learn from, and the last, whose gate is closed."""


@pytest.fixture
def truth(graph: Graph) -> Iterator[Path]:
    """Nine days of a fleet of thirty in the graph, the last one red, and beside the home what the simulator planted in it."""
    simulated = graph.home.path / "simulated"
    simulate_readings(meters=30, days=RED, seed=239, out=simulated, red_days=[day(RED)])
    try:
        for file in sorted((simulated / "meter_readings").iterdir()):
            graph.drop(f"meter_readings/{file.name}", file.read_text())
        assert graph.land().success
        assert graph.run(days(1, SCORED)).success
        assert not graph.run(day(RED)).success
        yield simulated / "truth" / "anomalies.csv"
    finally:
        shutil.rmtree(simulated)


@pytest.mark.full
def test_all_three_say_in_words_and_pictures_what_the_home_holds(graph: Graph, truth: Path) -> None:
    exploration = executed(EXPLORATION, graph.home)
    assert figures(exploration) == {
        "gates-picture",
        "deliveries-picture",
        "load-shape-picture",
        "one-meter-picture",
        "quality-codes-picture",
    }
    assert f"{RED} days, 1 of them red: {day(RED)}" in printed(exploration)
    assert "column meter_id: is empty" in printed(exploration), "it should say why the day is red"
    readings = sum(graph.served().values())
    assert f"valid {readings:,}" in printed(exploration)

    features = executed(FEATURES, graph.home)
    assert figures(features) == {"profile-picture", "distributions-picture", "plant-picture", "echo-picture"}
    assert "drop: ratio_to_mean leaves the usual range in 100 %" in printed(features)

    detection = executed(DETECTION, graph.home)
    assert figures(detection) == {"score-picture", "curve-picture", "crowds-picture", "theft-picture"}
    text = printed(detection)
    assert "the same as the published model anomaly-2024-01-08" in text
    flagged, hits = flags_and_hits(graph, truth)
    assert 0 < hits < flagged
    assert f"precision {100 * hits / flagged:.1f} %" in text
    bypassed, usual = (float(share) for share in re.search(r"with (\S+) % \(as it was: (\S+) %\)", text).groups())
    assert usual < 5 < 50 < bypassed, "a bypass in every meter is seen at first"

    for notebook in (exploration, features, detection):
        assert not warned(notebook), "a newcomer cannot tell a harmless warning from a defect"

    truth.unlink()
    without_truth = executed(DETECTION, graph.home)
    assert figures(without_truth) == {"score-picture", "theft-picture"}
    assert "skipped: no truth is known of this home" in printed(without_truth)
    assert "precision" not in printed(without_truth)


@pytest.mark.full
def test_a_home_too_young_for_a_model_says_so_and_skips_what_needs_one(graph: Graph) -> None:
    graph.land_and_run(days(1, 3))
    said = {name: executed(name, graph.home) for name in NOTEBOOKS}
    assert "one-meter-picture" in figures(said[EXPLORATION])
    assert "which 2 of the 7 days before it explain" in printed(said[FEATURES])
    assert "no model yet: a week's model needs 7 days" in printed(said[DETECTION])
    assert not figures(said[DETECTION])


def test_frames_are_bounded_and_typed_and_nothing_can_be_written(
    graph_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENERGY_HOME", str(graph_home.path))
    home = open_home()
    numbers = home.postgres("select n / 2.0 as half from generate_series(1, %(last)s) as n", {"last": 3})
    assert numbers["half"].dtype == float
    assert numbers["half"].tolist() == [0.5, 1.0, 1.5]
    served = home.clickhouse("SELECT toDateTime({at:String}, 'UTC') AS at", {"at": "2024-01-01 12:00:00"})
    assert served["at"].dt.tz_convert("Africa/Douala").dt.hour.tolist() == [13], "instants carry their zone"

    home.warehouse.rows("select 1 from quality.overrides")
    for refused in (
        lambda: home.postgres("with gone as (delete from quality.overrides returning 1) select * from gone"),
        lambda: home.warehouse.rows("delete from quality.overrides"),
        lambda: home.clickhouse("TRUNCATE TABLE energy_analytics.meter_readings"),
    ):
        with pytest.raises((OperationError, ReadOnlySqlTransaction), match=r"(?i)read-only|readonly|data-modifying"):
            refused()

    for ask, statement in (
        (home.postgres, "select * from generate_series(1, 100001)"),
        (home.clickhouse, "SELECT number FROM numbers(100001)"),
    ):
        with pytest.raises(OperationError, match=r"more than 100,000 rows for a frame: aggregate or limit"):
            ask(statement)
    with pytest.raises(OperationError, match="has no day of anomaly_flags yet: `make demo`"):
        home.readable_days("anomaly_flags")


def test_a_notebook_on_stopped_stores_names_the_command_that_starts_them(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.write_calendar(Calendar("Africa/Douala", day(1)))
    monkeypatch.setenv("ENERGY_HOME", str(home.path))
    with pytest.raises(
        OperationError, match="postgres and clickhouse of home home do not answer: run `energy-assets up`"
    ):
        open_home()


def flags_and_hits(graph: Graph, truth: Path) -> tuple[int, int]:
    """Flagged readings, and those of them that lie in a planted anomaly, counted by Postgres."""
    with truth.open() as file:
        planted = [(row["meter_id"], row["started_at"], row["ended_at"]) for row in csv.DictReader(file)]
    meters, started, ended = zip(*planted, strict=True)
    return graph.warehouse.rows(
        "with planted as (select * from unnest(%s::text[], %s::timestamptz[], %s::timestamptz[]) as known (meter_id, started_at, ended_at))"
        " select count(*), count(*) filter (where exists (select from planted where planted.meter_id = flags.meter_id"
        " and reading_at >= started_at and reading_at < ended_at)) from marts.mart_anomaly_flags as flags",
        (list(meters), list(started), list(ended)),
    )[0]
