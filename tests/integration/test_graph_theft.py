"""Theft through the graph: a small city of five weeks, from profiles to scores with reasons."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest
from graph import Graph, days
from support.content_hash import assert_same, content
from support.selections import BALANCE, with_gates

from energy_assets.home import HomeError
from energy_assets.keys import ML
from energy_assets.landing.files import deliver
from energy_assets.operations.theft import dossier, suspects
from energy_assets.resources.models import Models
from energy_assets.resources.theft_models import TheftModels
from energy_assets.resources.theft_visits import TeachingVisits
from energy_assets.simulation import simulate
from ml.theft.contest import KEPT, Decision
from ml.theft.learnt import Visits, fit
from ml.theft.ranker import columns

METERS, TRANSFORMERS, DAYS, SEED = 50, 2, 30, 4
LAST_MONDAY = date(2024, 1, 29)
THEFT = ("int_day_traits", "loss_explanations", "theft_evidence", "theft_scores")
TABLES = (*BALANCE, "token_purchases", "stg_token_purchases", "stg_inspections", *THEFT)
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
    graph.drop("inspections/found.csv", VISITS)
    assert graph.land().success
    assert graph.run(days(1, DAYS), [*with_gates(*TABLES), MODEL]).success
    return pl.read_parquet(tmp_path / "truth" / "meters.parquet")


def test_thieves_come_first_with_reasons_and_the_same_day_by_day(graph: Graph, truth: pl.DataFrame) -> None:
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

    tables = [f"ml.{table}" for table in THEFT[1:]]
    as_range = content(graph.warehouse, graph.serving, tables)
    for number in range(28, DAYS + 1):
        assert graph.run(date(2024, 1, number), [*with_gates(*THEFT), MODEL]).success
    assert_same(as_range, content(graph.warehouse, graph.serving, tables))

    told_of_the_first(graph)
    a_week_is_decided_by_visits_before_it_and_once(graph)
    a_week_that_has_a_ranker_is_scored_by_it_and_no_other_week_is(graph)


def told_of_the_first(graph: Graph) -> None:
    """What speaks for the first meter, and who shares its transformer's loss."""
    found = suspects(graph.warehouse, graph.home, 3)
    first = found.first[0]
    told = dossier(graph.warehouse, first.meter_id, found.day)
    assert (told.suspect, told.explained_date) == (first, LAST_MONDAY)
    assert told.telling[0].farther_than > 0.9
    assert first.meter_id in [meter for meter, *_ in told.sharers]
    assert "" in [meter for meter, *_ in told.sharers], "what nobody explains is told as well"
    with pytest.raises(HomeError, match="no meter M999999 delivered anything"):
        dossier(graph.warehouse, "M999999", found.day)
    with pytest.raises(HomeError, match=f"the newest day that has is {found.day}"):
        dossier(graph.warehouse, first.meter_id, date(2025, 1, 1))


def a_week_is_decided_by_visits_before_it_and_once(graph: Graph) -> None:
    asked = (
        "select fitted_date, decision, model_version, theft_visits, clean_visits, reason from ml.theft_model order by 1"
    )
    decided = graph.warehouse.rows(asked)
    assert [row[:5] for row in decided] == [
        (date(2024, 1, monday), "too_few_labels", None, theft, clean)
        for monday, theft, clean in ((1, 0, 0), (8, 0, 0), (15, 1, 1), (22, 1, 1), (29, 2, 1))
    ]
    assert decided[-1][5] == "2 visits found theft, 200 needed (ENERGY_LEAST_THEFT_LABELS)"

    graph.drop("inspections/late.csv", "meter_id,inspected_on,outcome\nM000006,2024-01-10,theft\n")
    assert graph.land().success
    assert graph.run(date(2024, 1, 10), with_gates("stg_inspections")).success
    assert graph.run(date(2024, 1, DAYS), [MODEL]).success
    assert graph.warehouse.rows(asked) == decided, "a late inspection teaches later weeks alone"
    late = TeachingVisits(graph.warehouse, [LAST_MONDAY])
    assert late.counts(LAST_MONDAY) == (3, 1)
    assert {(str(day), meter) for day, meter in zip(late.seen.day, late.seen.meter, strict=True)} == {
        ("2024-01-24", "M000004")
    }, "on the morning of the 10th no meter had a fortnight of days yet"


def a_week_that_has_a_ranker_is_scored_by_it_and_no_other_week_is(graph: Graph) -> None:
    """A fleet of fifty cannot teach one: it is given what invented visits taught."""
    rng = np.random.default_rng(1)
    seen, is_theft = rng.normal(size=(100, len(columns(True)) + 1)), rng.random(100) < 0.5
    days_ago = np.full(100, "2024-01-20", dtype="datetime64[D]")
    meters = np.array([f"X{number}" for number in range(100)])
    visits = Visits(days_ago, meters, is_theft, ~is_theft, np.full(100, 100), seen)
    decision = Decision(KEPT, "invented", 50, 50, ranker=fit(visits, until=LAST_MONDAY))
    with graph.warehouse.transaction() as connection, connection.cursor() as cursor:
        cursor.execute("delete from ml.theft_model where fitted_date = %s", (LAST_MONDAY,))
    rankers = TheftModels(graph.warehouse, Models(home=str(graph.home.path)))
    published = rankers.publish(LAST_MONDAY, decision, None, run_id="test")
    assert rankers.decided(LAST_MONDAY) == published

    assert graph.run(days(27, DAYS), [*with_gates("theft_scores"), MODEL]).success
    by_day = graph.warehouse.rows(
        "select distinct score_date, probability_basis, model_version, theft_score = theft_probability from ml.theft_scores"
        " where score_date >= '2024-01-27' order by 1"
    )
    assert by_day == [
        *((date(2024, 1, day), "prior", "taught-with-balance", False) for day in (27, 28)),
        *((date(2024, 1, day), "labels", "theft-2024-01-29", True) for day in (29, 30)),
    ]
    graph.home.models.joinpath("theft-2024-01-29.skops").unlink()
    assert rankers.decided(LAST_MONDAY) is None, "it is to be fitted again"
    assert rankers.publish(LAST_MONDAY, decision, None, run_id="test") == published
    assert rankers.scoring(LAST_MONDAY) is not None
