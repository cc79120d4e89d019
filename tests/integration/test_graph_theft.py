"""Theft through the graph: a small city of five weeks, from profiles to scores with reasons."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from graph import Graph, days
from support.content_hash import assert_same, content
from support.selections import BALANCE, with_gates

from energy_assets.case_sheet.facts import Kind, Subject
from energy_assets.case_sheet.read import read_sheet, subject_of
from energy_assets.case_sheet.sheet import write_sheet
from energy_assets.home import HomeError
from energy_assets.landing.files import deliver
from energy_assets.operations.theft import dossier, suspects
from energy_assets.simulation import simulate

METERS, TRANSFORMERS, DAYS, SEED = 50, 2, 30, 4
LAST_MONDAY = date(2024, 1, 29)
THEFT = ("int_day_traits", "loss_explanations", "theft_evidence", "theft_scores")
TABLES = (*BALANCE, "mart_transformer_losses", "token_purchases", "stg_token_purchases", *THEFT)
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

    tables = [f"ml.{table}" for table in THEFT[1:]]
    as_range = content(graph.warehouse, graph.serving, tables)
    for number in range(28, DAYS + 1):
        assert graph.run(date(2024, 1, number), with_gates(*THEFT)).success
    assert_same(as_range, content(graph.warehouse, graph.serving, tables))

    told_of_the_first(graph)
    shown_of_the_first(graph, truth, tmp_path)


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


def shown_of_the_first(graph: Graph, truth: pl.DataFrame, folder: Path) -> None:
    """The first meter's sheet: what it reported and what was expected, its transformer's loss, its neighbours; and nothing of a closed day."""
    day = date(2024, 1, DAYS)
    first = suspects(graph.warehouse, graph.home, 1).first[0]
    subject = subject_of(graph.warehouse, first.meter_id, day)
    assert subject == Subject(Kind.METER, first.meter_id)
    page = write_sheet(graph.warehouse, subject, day, "fr", folder / "sheets" / "first.html").read_text()
    assert f"Compteur {first.meter_id}" in page
    assert "Pertes non techniques de" in page

    seen = read_sheet(graph.warehouse, subject, day)
    assert np.isfinite(seen.daily.reported_kwh).all()
    onset = truth.filter(pl.col("meter_id") == first.meter_id)["onset"][0]
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
