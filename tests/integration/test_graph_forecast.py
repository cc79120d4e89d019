"""The load forecast through the graph: two transformers of a feeder, one of them small, and an evening without supply."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from graph import Graph, day, days
from support.content_hash import assert_same, content, differences
from support.selections import with_gates

from energy_assets.operations.forecast import foretold

LAST = 14
"""The first day with two weeks behind it: the first whose next day a model tells."""
SLOTS = 48
DARK_DAY, DARK = 10, range(38, 42)
"""Half-hours without supply at T1: 19:00 to 21:00."""
FED = ("outages", "stg_outages", "transformer_readings", "stg_transformer_readings", "stg_transformers", "stg_meters")
WEATHER = ("weather_observations", "stg_weather_observations")
TABLES = (*FED, *WEATHER, "load_forecast", "mart_forecast_accuracy")
SIZES = {"T1": 4_000, "T2": 9_000}


def load_wh(transformer: str, number: int, slot: int) -> int:
    """An evening peak, a workday's level that grows by a hundredth a day, less at weekends."""
    shape = 3 if 36 <= slot < 44 else 1 + slot % 5 / 10
    weekend = Decimal("0.8") if number % 7 in (6, 0) else 1
    return int(SIZES[transformer] * Decimal(shape) * weekend * (100 + number) / 100)


def starts_at(number: int, slot: int) -> datetime:
    """Start of a half-hour of the day in Douala, an hour ahead of UTC."""
    return datetime(2024, 1, number, tzinfo=UTC) + timedelta(minutes=30 * slot - 60)


def deliver(graph: Graph, first: int = 1, last: int = LAST, *, times: int = 1) -> None:
    """Readings of both transformers, `times` what they are; T1's are none while supply is off."""
    for number in range(first, last + 1):
        rows = [
            f"{transformer},{starts_at(number, slot):%Y-%m-%dT%H:%MZ},{load_wh(transformer, number, slot) * times / 1000}"
            for transformer in SIZES
            for slot in range(SLOTS)
            if not (transformer == "T1" and number == DARK_DAY and slot in DARK)
        ]
        graph.drop(
            f"transformer_readings/{number:02}.csv", "\n".join(["transformer_id,reading_at,energy_kwh", *rows]) + "\n"
        )
    graph.drop(
        "transformers/register.csv",
        "transformer_id,feeder_id,rating_kva,no_load_loss_w,load_loss_w\nT1,F1,25,,\nT2,F1,160,,\n",
    )
    graph.drop("outages/a.csv", f"area_id,started_at,ended_at\nT1,2024-01-{DARK_DAY} 19:00,2024-01-{DARK_DAY} 21:00\n")
    graph.deliver(days(first, last))


@pytest.fixture
def forecast(graph: Graph) -> Graph:
    """All days, landed and run as one range, as far as the forecast and its accuracy."""
    deliver(graph)
    assert graph.land().success
    assert graph.run(days(1, LAST), with_gates(*TABLES)).success
    return graph


def test_each_day_tells_the_next_ones_intervals_and_a_feeder_is_the_sum_of_its_transformers(forecast: Graph) -> None:
    told = forecast.warehouse.rows(
        "select forecast_date, area_kind, method, count(*), min(starts_at), max(starts_at) from ml.load_forecast"
        " group by 1, 2, 3 order by 1, 2"
    )
    assert told == [
        (
            day(number),
            kind,
            "ridge" if number == LAST else "seasonal_naive",
            SLOTS * (1 if kind == "feeder" else 2),
            starts_at(number, SLOTS),
            starts_at(number, 2 * SLOTS - 1),
        )
        for number in range(1, LAST + 1)
        for kind in ("feeder", "transformer")
    ]
    rows = forecast.warehouse.rows(
        "select area_id, starts_at, forecast_wh, naive_wh, low_wh, high_wh, overload_probability from ml.load_forecast"
        " where forecast_date = %s",
        (day(LAST),),
    )
    by_area = {(area, at): values for area, at, *values in rows}
    peak = starts_at(LAST + 1, 40)
    for slot in range(SLOTS):
        at = starts_at(LAST + 1, slot)
        parts = by_area["T1", at][0] + by_area["T2", at][0]
        assert abs(by_area["F1", at][0] - parts) <= 1
        assert by_area["T2", at][1] == load_wh("T2", LAST - 6, slot), "a week before"
    expected, naive, low, high, _ = by_area["T2", peak]
    truth = load_wh("T2", LAST + 1, 40)
    assert abs(expected - truth) < abs(naive - truth) / 2, "it sees that loads grow"
    assert low < expected < high
    # T1's 25 kVA let 11,250 Wh through in a half-hour; its peak is some 13,700.
    assert by_area["T1", peak][4] > 0.9
    assert by_area["T2", peak][4] < 0.01
    assert by_area["F1", peak][4] is None, "a feeder has no rating"

    told_of = foretold(forecast.warehouse)
    assert (told_of.next_day, dict(told_of.overload_hours)) == (day(LAST + 1), {"T1": 4.0})
    assert not told_of.accuracy, "what the model told has not come yet"


def test_what_came_is_compared_hour_by_hour_where_there_was_supply(forecast: Graph) -> None:
    hours = forecast.warehouse.rows(
        "select area_id, hour, interval_count, compared_count, actual_kwh, naive_kwh, error_pct from marts.mart_forecast_accuracy"
        " where reading_date = %s order by 1, 2",
        (day(DARK_DAY),),
    )
    assert len(hours) == 3 * 24
    for area, hour, intervals, compared, actual, naive, error in hours:
        assert intervals == 2
        if area in ("T1", "F1") and hour in (19, 20):
            assert (compared, actual, naive, error) == (0, None, None, None)
            continue
        members = SIZES if area == "F1" else [area]
        came, before = (
            Decimal(sum(load_wh(of, number, slot) for of in members for slot in (2 * hour, 2 * hour + 1))) / 1000
            for number in (DARK_DAY, DARK_DAY - 7)
        )
        assert (compared, actual, naive) == (2, came, before)
        assert error == round(100 * (before - came) / came, 2)
    assert not forecast.count("mart_forecast_accuracy", "reading_date", day(1)), "no day before it told it"


def test_a_forecast_is_made_of_nothing_later_and_the_same_day_by_day_or_as_a_range(forecast: Graph) -> None:
    tables = ["ml.load_forecast", "marts.mart_forecast_accuracy"]
    as_range = content(forecast.warehouse, forecast.serving, tables)

    for of in days(8, LAST):
        assert forecast.run(of, with_gates("load_forecast", "mart_forecast_accuracy")).success
    assert_same(as_range, content(forecast.warehouse, forecast.serving, tables))

    deliver(forecast, LAST, LAST, times=2)
    assert forecast.land().success
    assert forecast.run(days(1, LAST), with_gates(*TABLES)).success
    now = content(forecast.warehouse, forecast.serving, tables)
    assert {difference.split()[1] for difference in differences(as_range, now)} == {f"{day(LAST)}:"}


@pytest.mark.full
def test_a_home_without_transformers_has_no_forecast_and_no_trouble(graph: Graph) -> None:
    graph.deliver(days(1, 2))
    assert all(result.success for result in graph.settle())
    assert not graph.count("load_forecast", "forecast_date", day(2))
    assert graph.states(day(2))["load_forecast"] == graph.states(day(2))["mart_forecast_accuracy"] == "green"
    assert not graph.served("load_forecast", "forecast_date")
