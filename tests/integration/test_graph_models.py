"""The model in the graph: fitted once for its week on the weeks before, then never changed, and never without its hash."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

import dagster as dg
import pytest
from graph import Graph, Simulated, day, days, failure_of
from support import commands, selections
from support.content_hash import assert_same, content, differences

from energy_assets.cli import print_demo
from energy_assets.days import DayWindow
from energy_assets.operations.demo import DemoReport
from energy_assets.operations.summary import summarize

MODEL = "anomaly-2024-01-08"
"""Of the first week that has one to learn from."""
SCORES = "ml.anomaly_scores"


def land_and_run(graph: Graph, *windows: DayWindow | date, keys: Sequence[dg.AssetKey] | None = None) -> None:
    """Land what waits, and run the windows: the whole chain, or the part of it that `keys` name."""
    assert graph.land().success
    for window in windows:
        result = graph.run(window, keys)
        failed = [
            (e.step_key, e.event_specific_data.error.message)
            for e in result.all_events
            if e.event_type_value == "STEP_FAILURE"
        ]
        assert result.success, f"{window}: {failed}"


def models(graph: Graph) -> list[tuple[object, ...]]:
    """Every published model: the week, its name, its hash and what it learnt from."""
    return graph.warehouse.rows(
        "select fitted_date, model_version, sha256, training_start_date, training_end_date, training_days, training_rows"
        " from ml.anomaly_model order by fitted_date"
    )


def scored_by(graph: Graph) -> dict[date, set[tuple[str, str | None, bool]]]:
    """By day, the distinct (status, model, is there a score) of its readings."""
    rows = graph.warehouse.rows(
        "select distinct reading_date, score_status, model_version, anomaly_score is not null from ml.anomaly_scores"
    )
    found: dict[date, set[tuple[str, str | None, bool]]] = {}
    for of, *what in rows:
        found.setdefault(of, set()).add(tuple(what))
    return found


def model_files(graph: Graph) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in graph.home.models.iterdir()}


def restated(simulated: Simulated, of: date) -> str:
    """The day's readings, each of three times the energy."""
    header, *rows = simulated.file(of, is_red=False).read_text().splitlines()
    tripled = []
    for row in rows:
        meter, at, kwh = row.split(",")
        tripled.append(f"{meter},{at},{3 * float(kwh):.3f}" if kwh.replace(".", "", 1).isdigit() else row)
    return "\n".join([header, *tripled]) + "\n"


def restate(graph: Graph, simulated: Simulated, of: Iterable[date]) -> None:
    """Correct the days' files."""
    for each in of:
        graph.drop(f"meter_readings/{each}.csv", restated(simulated, each))


@pytest.mark.full
def test_a_weeks_model_is_carried_through_it_and_never_changes(graph: Graph, simulated: Simulated) -> None:
    graph.deliver(days(1, 10))
    land_and_run(graph, days(1, 8), day(9), day(10))
    published, files = models(graph), model_files(graph)
    assert [row[:2] for row in published] == [(day(8), MODEL)]
    learnt = scored_by(graph)
    assert all(learnt[of] == {("no_model", None, False)} for of in days(1, 7))
    assert all(learnt[of] == {("scored", MODEL, True)} for of in days(8, 10))

    before = content(graph.warehouse, graph.serving, [SCORES])
    restate(graph, simulated, [day(5)])
    graph.settle()
    land_and_run(graph, days(8, 10))
    assert models(graph) == published
    assert model_files(graph) == files
    changed = differences(before, content(graph.warehouse, graph.serving, [SCORES]))
    assert {difference.split(":")[0] for difference in changed} >= {f"{SCORES} 2024-01-05", f"{SCORES} 2024-01-08"}, (
        "a late delivery restates the scores that looked back on it"
    )


def test_a_model_never_learns_from_what_it_scores(graph: Graph, simulated: Simulated) -> None:
    graph.deliver(days(1, 9))
    land_and_run(graph, days(1, 9), keys=selections.model())
    (published,) = models(graph)
    week, _, sha256, first, end, count, rows = published
    assert (week, first, end, count) == (day(8), date(2023, 12, 11), day(8), 7)
    assert rows == sum(graph.count("stg_meter_readings", "reading_date", of) for of in days(1, 7))

    graph.empty()
    graph.deliver(days(1, 9))
    restate(graph, simulated, days(8, 9))
    land_and_run(graph, days(1, 9), keys=selections.model())
    assert models(graph) == [published], "what is scored has changed, and what was learnt has not"

    graph.empty()
    graph.deliver(days(1, 8))
    restate(graph, simulated, [day(7)])
    land_and_run(graph, days(1, 8), keys=selections.model())
    assert models(graph)[0][2] != sha256, "what was learnt from has changed: this proof can fail"


def test_without_a_week_to_learn_from_scores_are_null_and_the_summary_says_so(
    graph: Graph, capsys: pytest.CaptureFixture[str]
) -> None:
    graph.deliver(days(1, 2))
    land_and_run(graph, days(1, 2))
    assert models(graph) == []
    assert scored_by(graph) == {of: {("no_model", None, False)} for of in days(1, 2)}
    metrics = graph.warehouse.rows("select count(*), count(anomaly_count) from marts.mart_consumption_metrics")
    assert metrics[0][0] > 0
    assert metrics[0][1] == 0, "where nothing could be scored, the count of anomalies is unknown, not zero"

    summary = summarize(graph.warehouse, graph.serving)
    assert (summary.scored_days, summary.anomaly_count) == (0, 0)
    print_demo(DemoReport(graph.home, "Africa/Douala", summary, {}))
    assert "fewer than 7 days to learn from there is no model" in capsys.readouterr().out


def tampered(graph: Graph) -> Path:
    """The model's file with one byte changed."""
    (path,) = graph.home.models.glob(f"{MODEL}.*")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    return path


def test_a_model_file_that_was_changed_is_refused_and_can_be_rebuilt(graph: Graph, simulated: Simulated) -> None:
    keys = selections.scores()
    graph.deliver(days(1, 8))
    land_and_run(graph, days(1, 8), keys=keys)
    expected, files = content(graph.warehouse, graph.serving, ["ml."]), model_files(graph)

    path = tampered(graph)
    message = failure_of(graph.run(day(8), keys), "ml__anomaly_scores")
    assert f"{path} is not the model that was published as {MODEL}" in message
    assert "remove it and materialize the day" in message
    assert_same(expected, content(graph.warehouse, graph.serving, ["ml."]))

    path.unlink()
    land_and_run(graph, day(8), keys=keys)
    assert model_files(graph) == files
    assert_same(expected, content(graph.warehouse, graph.serving, ["ml."]))


@pytest.mark.full
def test_another_model_never_takes_the_place_of_a_lost_one(graph: Graph, simulated: Simulated) -> None:
    keys = selections.model()
    graph.deliver(days(1, 8))
    land_and_run(graph, days(1, 8), keys=keys)
    published, (path,) = models(graph), graph.home.models.iterdir()
    path.unlink()
    restate(graph, simulated, [day(7)])
    land_and_run(graph, day(7), keys=keys)
    message = failure_of(graph.run(day(8), keys), "ml__anomaly_model")
    assert f"{path} is missing, and fitting again gives another model" in message
    assert "restore it from a backup" in message
    assert not path.exists()
    assert models(graph) == published


@pytest.mark.full
def test_the_command_line_names_the_changed_model(graph: Graph) -> None:
    graph.deliver(days(1, 8))
    land_and_run(graph, days(1, 8))
    path = tampered(graph)
    printed = commands.run(graph.home, "materialize", "--day", "2024-01-08", code=1)
    assert "ml__anomaly_scores" in printed
    assert str(path) in printed
    assert "Traceback" not in printed


@pytest.mark.full
def test_each_weeks_model_and_scores_are_the_same_day_by_day_and_in_one_range(graph: Graph) -> None:
    keys = selections.scores()
    graph.deliver(days(1, 14))
    land_and_run(graph, days(1, 14), keys=keys)
    expected = content(graph.warehouse, graph.serving, ["ml."])
    graph.empty()
    graph.deliver(days(1, 14))
    land_and_run(graph, days(1, 6), *days(7, 14), keys=keys)
    assert_same(expected, content(graph.warehouse, graph.serving, ["ml."]))
