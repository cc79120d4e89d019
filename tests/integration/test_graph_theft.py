"""Theft through the graph: a small city of five weeks, from profiles to scores with reasons."""

from __future__ import annotations

import json
import os
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from graph import Graph, days
from support.content_hash import assert_same, content
from support.selections import BALANCE, with_gates

from energy_assets.automation.edges import EDGES
from energy_assets.case_sheet.facts import Kind, Subject
from energy_assets.case_sheet.read import read_sheet, subject_of
from energy_assets.case_sheet.sheet import write_sheet
from energy_assets.days import DayWindow
from energy_assets.home import HomeError
from energy_assets.keys import ML
from energy_assets.landing.files import deliver
from energy_assets.operations.cases import case_list, found, history, standing
from energy_assets.operations.decisions import decide, record_visit
from energy_assets.operations.performance import weeks
from energy_assets.operations.theft import dossier, newest_day
from energy_assets.resources import theft
from energy_assets.resources.due import due_days
from energy_assets.resources.gates import record_verdict
from energy_assets.resources.ledger import retract
from energy_assets.resources.models import Models
from energy_assets.resources.theft_models import TheftModels
from energy_assets.resources.theft_visits import TeachingVisits
from energy_assets.resources.traits import SCHEMA
from energy_assets.simulation import simulate
from ml.theft.contest import KEPT, Decision
from ml.theft.learnt import ALL_COLUMNS, Visits, fit
from ml.theft.lookbacks import SEASON_DAYS, YEAR_DAYS
from quality_suites.validator import Outcome

METERS, TRANSFORMERS, DAYS, SEED = 50, 2, 30, 4
LAST_MONDAY = date(2024, 1, 29)
THEFT = ("int_day_traits", "loss_explanations", "theft_evidence", "theft_scores")
CASES = ("stg_inspections", "stg_case_events", "mart_theft_cases")
PERFORMANCE = "mart_detection_performance"
TABLES = (*BALANCE, "mart_transformer_losses", "token_purchases", "stg_token_purchases", *THEFT, *CASES, PERFORMANCE)
MODEL = dg.AssetKey([ML, "theft_model"])
VISITS = """meter_id,inspected_on,outcome,selection
M000001,2024-01-10,clean,random
M000002,2024-01-10,theft,ranked
M000003,2024-01-11,no_access,ranked
M000004,2024-01-24,theft,ranked
M000005,2024-01-29,theft,ranked
"""
CITY = {
    "transformers": TRANSFORMERS,
    "theft_rate": 0.16,
    "attacks": ("h1", "full_bypass", "h4"),
    "look_alikes": False,
    "with_defects": False,
    "horizon_days": 20,
}
SETTLED = 1_700_000_000


@pytest.fixture
def truth(graph: Graph, tmp_path: Path) -> pl.DataFrame:
    """The city's month, landed and run as one range, as far as theft; who steals, and since when."""
    simulate(METERS, DAYS, SEED, tmp_path, **CITY)
    for file in tmp_path.glob("*/*.parquet"):
        os.utime(file, (SETTLED, SETTLED))
    deliver(tmp_path, graph.home.landing)
    assert graph.land().success
    assert graph.run(days(1, DAYS), with_gates(*TABLES)).success
    return pl.read_parquet(tmp_path / "truth" / "meters.parquet")


def test_thieves_come_first_with_reasons_and_the_same_day_by_day(
    graph: Graph, truth: pl.DataFrame, tmp_path: Path
) -> None:
    last = date(2024, 1, DAYS)
    rows = graph.warehouse.rows(
        "select meter_id, theft_score, theft_probability, probability_basis, onset_date, stolen_kwh_per_day, reasons, reason_en,"
        " reason_fr, model_version from ml.theft_scores where score_date = %s order by theft_score desc",
        (last,),
    )
    assert len(rows) == METERS
    stole_for_a_week = {
        row["meter_id"]
        for row in truth.filter(pl.col("is_theft") & pl.col("end").is_null()).iter_rows(named=True)
        if (last - row["onset"]).days >= 7
    }
    first = [row[0] for row in rows[: len(stole_for_a_week)]]
    assert set(first[:2]) <= stole_for_a_week
    assert 3 * len(stole_for_a_week & set(first)) >= 2 * len(stole_for_a_week), (first, stole_for_a_week)
    assert sum(row[2] for row in rows) / len(rows) == pytest.approx(0.05, abs=1e-4)
    meter, _, _, basis, _, stolen, reasons, english, french, version = rows[0]
    assert (basis, version) == ("prior", "taught-with-balance")
    assert stolen > 0
    assert json.loads(reasons)[0]["code"]
    assert english
    assert french
    assert english != french

    explained = graph.warehouse.rows(
        "select explained_date, count(*) filter (where meter_id = ''), count(*) from ml.loss_explanations group by 1 order by 1"
    )
    assert explained[-1] == (LAST_MONDAY, TRANSFORMERS, METERS + TRANSFORMERS)
    assert all(of.weekday() == 0 for of, *_ in explained), "explained on Mondays alone"
    assert meter in {
        row[0] for row in graph.warehouse.rows("select meter_id from ml.loss_explanations where way is not null")
    }

    tables = [*(f"ml.{table}" for table in THEFT[1:]), "marts.mart_theft_cases"]
    as_range = content(graph.warehouse, graph.serving, tables)
    for number in range(28, DAYS + 1):
        assert graph.run(date(2024, 1, number), with_gates(*THEFT, CASES[-1])).success
    assert_same(as_range, content(graph.warehouse, graph.serving, tables))

    told_of_the_first(graph, meter)
    decisions_and_visits_carry_cases_on(graph, stole_for_a_week)
    shown_of_the_first(graph, meter, truth, tmp_path)
    a_week_is_decided_by_visits_before_it_and_once(graph)
    a_week_that_has_a_ranker_is_scored_by_it_and_no_other_week_is(graph)
    the_weeks_of_a_year_before_are_read_and_what_lies_between_is_not(graph)
    what_was_bought_before_the_judged_weeks_still_counts(graph)


def told_of_the_first(graph: Graph, meter: str) -> None:
    """What speaks for the first meter, and who shares its transformer's loss."""
    day = newest_day(graph.warehouse)
    told = dossier(graph.warehouse, meter, day)
    assert (told.suspect.meter_id, told.suspect.place, told.explained_date) == (meter, 1, LAST_MONDAY)
    assert told.telling[0].farther_than > 0.9
    assert meter in [meter for meter, *_ in told.sharers]
    assert "" in [meter for meter, *_ in told.sharers], "what nobody explains is told as well"
    with pytest.raises(HomeError, match="no meter M999999 delivered anything"):
        dossier(graph.warehouse, "M999999", day)
    with pytest.raises(HomeError, match=f"the newest day that has is {day}"):
        dossier(graph.warehouse, meter, date(2025, 1, 1))
    assert "is on the list, at place" in standing(graph.warehouse, meter, day, told.suspect.probability)
    assert "no case: one opens where theft is at least 20%" in standing(graph.warehouse, "M999999", day, None)


def decisions_and_visits_carry_cases_on(graph: Graph, thieves: set[str]) -> None:
    """What is decided shows on the list at once, and in the tables once its day is run; later days are owed."""
    last = date(2024, 1, DAYS)
    before = case_list(graph.warehouse)
    assert before.day == last
    first, second, third = sorted((case for case in before.cases if case.place), key=lambda case: case.place)[:3]
    assert first.subject_id in thieves
    assert {case.subject_id for case in before.on_list(2)} == {first.subject_id, second.subject_id}

    decide(graph.home, graph.warehouse, [second], "assigned", on=last, crew="two")
    record_visit(graph.home, graph.warehouse, first, "theft", on=last, recovered_kwh=120.5)
    dismissal = decide(graph.home, graph.warehouse, [third], "dismissed", on=last, reason="house empty")
    with pytest.raises(HomeError, match="is before the decision"):
        decide(graph.home, graph.warehouse, [second], "snoozed", on=last, until=date(2024, 1, 1))
    listed = {case.case_id: case for case in case_list(graph.warehouse).on_list()}
    assert listed[second.case_id].event == "assigned"
    assert not {first.case_id, third.case_id} & listed.keys()

    owed = {entry.day: entry.work.written for entry in due_days(graph.warehouse, EDGES)}
    assert {*CASES} <= {*owed[last]}
    assert graph.run(last, with_gates(*CASES)).success
    carried = {case.case_id: case for case in case_list(graph.warehouse).cases}
    assert (carried[first.case_id].state, carried[first.case_id].recovered_kwh) == ("confirmed", Decimal("120.500"))
    assert (carried[second.case_id].state, carried[second.case_id].crew) == ("assigned", "two")
    assert carried[third.case_id].suppressed_until == last + timedelta(days=90)
    assert [row[1] for row in history(graph.warehouse, first.case_id).days] == ["open", "confirmed"]
    with pytest.raises(HomeError, match="ended as confirmed"):
        decide(graph.home, graph.warehouse, [carried[first.case_id]], "assigned", on=last, crew="two")

    retract(graph.warehouse, dismissal.relative_to(graph.home.landing).as_posix(), reason="the house is lived in")
    assert graph.run(last, with_gates(*CASES)).success
    assert found(case_list(graph.warehouse), third.subject_id).state == "open"

    assert graph.run(date(2024, 1, DAYS - 1), with_gates(CASES[-1])).success
    owed = {entry.day: entry.work.written for entry in due_days(graph.warehouse, EDGES)}
    assert CASES[-1] in owed[last], "a day goes on from the one before"

    record_visit(graph.home, graph.warehouse, third, "clean", on=date(2024, 1, 27))
    assert graph.run(days(27, DAYS), with_gates(*CASES, PERFORMANCE)).success
    cleared = found(case_list(graph.warehouse), third.subject_id)
    assert (cleared.state, cleared.state_since) == ("cleared", date(2024, 1, 27))
    seen = weeks(graph.warehouse, 1)
    assert [(week.week_date, week.selection, week.week_visits, week.thefts) for week in seen] == [
        (date(2024, 1, 28), "ranked", 1, 0),
        (date(2024, 1, 28), "all", 1, 0),
    ]


def shown_of_the_first(graph: Graph, meter: str, truth: pl.DataFrame, folder: Path) -> None:
    """The first meter's sheet: what it reported and what was expected, its transformer's loss, its neighbours; and nothing of a closed day."""
    day = date(2024, 1, DAYS)
    subject = subject_of(graph.warehouse, meter, day)
    assert subject == Subject(Kind.METER, meter)
    page = write_sheet(graph.warehouse, subject, day, "fr", folder / "sheets" / "first.html").read_text()
    assert f"Compteur {meter}" in page
    assert "Pertes non techniques de" in page

    seen = read_sheet(graph.warehouse, subject, day)
    assert np.isfinite(seen.daily.reported_kwh).all()
    onset = truth.filter(pl.col("meter_id") == meter)["onset"][0]
    expected, reported = (
        of[np.array([of_day > onset for of_day in seen.daily.days])].sum()
        for of in (seen.daily.expected_kwh, seen.daily.reported_kwh)
    )
    assert reported < 0.9 * expected
    assert seen.loss.explained.estimate.kwh > 0
    behind = graph.warehouse.rows(
        "select count(*) from staging.stg_meters where reading_date = %s and transformer_id = %s",
        (day, seen.whereabouts.transformer_id),
    )[0][0]
    assert len(seen.neighbours) + seen.other_meters == behind - 1
    assert subject_of(graph.warehouse, seen.whereabouts.transformer_id, day).kind is Kind.TRANSFORMER
    with pytest.raises(HomeError, match="no meter and no transformer nobody"):
        subject_of(graph.warehouse, "nobody", day)

    closed = date(2024, 1, 10)
    graph.warehouse.bump_days("int_readings_daily", {closed: METERS}, run_id="written again, and not judged yet")
    blind = read_sheet(graph.warehouse, subject, day).daily
    assert [of_day for of_day, kwh in zip(blind.days, blind.reported_kwh, strict=True) if np.isnan(kwh)] == [closed]
    graph.warehouse.bump_days("theft_scores", {day: METERS}, run_id="written again, and not judged yet")
    with pytest.raises(HomeError, match=f"energy-assets why {day} theft_scores"):
        read_sheet(graph.warehouse, subject, day)


def a_week_is_decided_by_visits_before_it_and_once(graph: Graph) -> None:
    """Beside the visits of before: one of the 27th found none, one of the last day theft."""
    graph.drop("inspections/found.csv", VISITS)
    assert graph.land().success
    assert graph.run(days(10, 29), with_gates("stg_inspections")).success
    assert graph.run(days(1, DAYS), [MODEL]).success
    asked = (
        "select fitted_date, decision, model_version, theft_visits, clean_visits, reason from ml.theft_model order by 1"
    )
    decided = graph.warehouse.rows(asked)
    assert [row[:5] for row in decided] == [
        (date(2024, 1, monday), "too_few_labels", None, theft, clean)
        for monday, theft, clean in ((1, 0, 0), (8, 0, 0), (15, 1, 1), (22, 1, 1), (29, 2, 2))
    ]
    assert decided[-1][5] == "2 visits found theft, 200 needed (ENERGY_LEAST_THEFT_LABELS)"

    graph.drop("inspections/late.csv", "meter_id,inspected_on,outcome\nM000006,2024-01-10,theft\n")
    assert graph.land().success
    assert graph.run(date(2024, 1, 10), with_gates("stg_inspections")).success
    assert graph.run(date(2024, 1, DAYS), [MODEL]).success
    assert graph.warehouse.rows(asked) == decided, "a late inspection teaches later weeks alone"
    late = TeachingVisits(graph.warehouse, [LAST_MONDAY])
    assert late.counts(LAST_MONDAY) == (3, 2)
    taught = {(str(day), meter) for day, meter in zip(late.seen.day, late.seen.meter, strict=True)}
    assert ("2024-01-24", "M000004") in taught
    assert {day for day, _ in taught} == {"2024-01-24", "2024-01-27"}, (
        "on the 10th no meter had a fortnight of days yet"
    )


def a_week_that_has_a_ranker_is_scored_by_it_and_no_other_week_is(graph: Graph) -> None:
    """A fleet of fifty cannot teach one: it is given what invented visits taught."""
    rng = np.random.default_rng(1)
    seen, is_theft = rng.normal(size=(100, len(ALL_COLUMNS) + 1)), rng.random(100) < 0.5
    days_ago = np.full(100, "2024-01-20", dtype="datetime64[D]")
    meters = np.array([f"X{number}" for number in range(100)])
    visits = Visits(days_ago, meters, is_theft, ~is_theft, np.full(100, 100), seen)
    decision = Decision(KEPT, "invented", 50, 50, ranker=fit(visits, until=LAST_MONDAY))
    with graph.warehouse.transaction() as connection, connection.cursor() as cursor:
        cursor.execute("delete from ml.theft_model where fitted_date = %s", (LAST_MONDAY,))
    rankers = TheftModels(graph.warehouse, Models(home=str(graph.home.path)))
    published = rankers.publish(LAST_MONDAY, decision, None, run_id="test")
    assert rankers.decided(LAST_MONDAY) == published

    assert graph.run(days(28, 29), [*with_gates("theft_scores"), MODEL]).success
    by_day = graph.warehouse.rows(
        "select distinct score_date, probability_basis, model_version, theft_score = theft_probability from ml.theft_scores"
        " where score_date between '2024-01-28' and '2024-01-29' order by 1"
    )
    assert by_day == [
        (date(2024, 1, 28), "prior", "taught-with-balance", False),
        (date(2024, 1, 29), "labels", "theft-2024-01-29", True),
    ]
    graph.home.models.joinpath("theft-2024-01-29.skops").unlink()
    assert rankers.decided(LAST_MONDAY) is None, "it is to be fitted again"
    assert rankers.publish(LAST_MONDAY, decision, None, run_id="test") == published
    assert rankers.scoring(LAST_MONDAY) is not None


def the_weeks_of_a_year_before_are_read_and_what_lies_between_is_not(graph: Graph) -> None:
    """This year's traits stand for last year's, but that one meter drew three times as much then."""
    last, meter = date(2024, 1, DAYS), "M000007"
    season = DayWindow.of(last).looked_back_on(YEAR_DAYS, YEAR_DAYS + SEASON_DAYS - 1)
    traits_of_another_time(graph, DayWindow(date(2023, 8, 1), date(2023, 8, 8)), meter)
    assert THEFT[2] not in owed_of(graph, last), "what lies between the spans owes nothing"
    traits_of_another_time(graph, season, meter)
    assert THEFT[2] in owed_of(graph, last)
    assert THEFT[1] not in owed_of(graph, last)

    asked = (
        "select meter_id, same_season, year_ago_wh, reported_wh from ml.theft_evidence where score_date = %s order by 1"
    )
    assert {row[1:3] for row in graph.warehouse.rows(asked, (last,))} == {(None, None)}
    beside = "select count(sibling_change) from ml.theft_evidence where score_date = %s"
    assert graph.warehouse.rows(beside, (last,)) == [(0,)], (
        "of thirty days there are too few before the last four weeks"
    )
    traits_of_another_time(graph, DayWindow(date(2023, 12, 18), date(2024, 1, 1)), meter)
    assert graph.run(last, with_gates(*THEFT[1:])).success
    assert graph.warehouse.rows(beside, (last,)) == [(METERS,)]
    rows = graph.warehouse.rows(asked, (last,))
    assert len(rows) == METERS
    assert sorted(row[1] for row in rows)[METERS // 2] == pytest.approx(0, abs=0.05)
    found = {row[0]: row[1:] for row in rows}[meter]
    assert found[0] == pytest.approx(np.log((found[2] + 200) / (3 * found[2] + 200)), abs=0.1)
    assert found[1] == pytest.approx(3 * found[2], rel=0.1)
    told = graph.warehouse.rows(
        "select reason_en from ml.theft_scores where score_date = %s and meter_id = %s", (last, meter)
    )
    assert "against the same weeks a year ago" in told[0][0]
    assert THEFT[2] not in owed_of(graph, last)


def traits_of_another_time(graph: Graph, window: DayWindow, meter: str) -> None:
    """Traits of `window`, judged green: those of the last day of January that was read."""
    found = graph.warehouse.table(
        "select meter_id, traits from intermediate.int_day_traits where reading_date = %(day)s::date",
        {"day": f"2024-01-{DAYS}"},
    )
    values = np.array(found["traits"].to_pylist(), dtype=np.float32)
    values[np.array(found["meter_id"].to_pylist()) == meter, 0] *= 3
    for day in window:
        table = pa.table(
            [pa.repeat(pa.scalar(day), len(values)), found["meter_id"], values.tolist()], names=SCHEMA.names
        ).cast(SCHEMA)
        graph.warehouse.replace_day("intermediate", THEFT[0], day, [table], run_id="another time")
    versions = {of: version for (table, of), version in graph.versions(window).items() if table == THEFT[0]}
    sound = Outcome("schema", "schema", None, "critical", True, "", 0, len(values), (), "")
    record_verdict(graph.warehouse, THEFT[0], versions, [sound], run_id="another time")


def owed_of(graph: Graph, day: date) -> tuple[str, ...]:
    return next((entry.work.written for entry in due_days(graph.warehouse, EDGES) if entry.day == day), ())


def what_was_bought_before_the_judged_weeks_still_counts(graph: Graph) -> None:
    """Four prepaid homes use 3 kWh a day: one bought three months at once, one never bought, one was never short, one is read for five weeks alone."""
    last = date(2023, 6, 30)
    bought = {
        "stocked": {69: 300_000},
        "bypassed": {},
        "steady": {ago: 30_000 for ago in range(110, 0, -10)},
        "young": {20: 60_000},
    }
    read = [
        (last - timedelta(days=ago), meter) for meter in bought for ago in range(112) if meter != "young" or ago < 35
    ]
    with graph.warehouse.transaction() as connection, connection.cursor() as cursor:
        for statement, rows in (
            (
                "insert into staging.stg_meters (reading_date, meter_id, is_prepaid) values (%s, %s, true)",
                [(last, meter) for meter in bought],
            ),
            (
                "insert into intermediate.int_readings_daily (reading_date, meter_id, total_wh) values (%s, %s, 3000)",
                read,
            ),
            (
                "insert into staging.stg_token_purchases (purchase_date, meter_id, energy_wh, purchased_at) values (%s, %s, %s, '2023-01-01')",
                [(last - timedelta(days=ago), meter, wh) for meter, of in bought.items() for ago, wh in of.items()],
            ),
        ):
            cursor.executemany(statement, rows)
    days = [last - timedelta(days=ago) for ago in range(112)]
    held = {(table, of) for table in ("stg_meters", "stg_token_purchases", "int_readings_daily") for of in days}
    ids = np.array(sorted([*bought, "postpaid"]))
    found = theft._purchases(graph.warehouse, last, ids, held)
    told = {
        meter: tuple(float(wh[number]) for wh in (found.used_wh, found.bought_wh, found.carried_wh))
        for number, meter in enumerate(ids)
    }
    assert np.isnan(told.pop("postpaid")).all()
    assert told == {
        "bypassed": (168_000, 0, 0),
        "steady": (168_000, 150_000, 15_000),
        "stocked": (168_000, 0, 300_000 - 14 * 3_000),
        "young": (105_000, 60_000, 0),
    }
    lately = {key for key in held if key[1] > last - timedelta(days=56)}
    without = theft._purchases(graph.warehouse, last, ids, lately)
    assert not np.nan_to_num(without.carried_wh).any(), "a home without longer history is judged by what it has"
    np.testing.assert_array_equal(without.used_wh, found.used_wh)
    assert np.isnan(
        theft._purchases(
            graph.warehouse, last, ids, {key for key in held if key[1] > last - timedelta(days=27)}
        ).used_wh
    ).all()
