"""The day-ahead forecast: it knows nothing of the day it tells, beats a week ago where there is something to learn, and says how sure it is."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from energy_assets.day_types import day_types
from energy_assets.resources.loads import clock_slots, slot_starts
from ml.forecast import LOOKBACK_DAYS, REST, SATURDAY, WORKDAY
from ml.forecast import day_ahead as module
from ml.forecast.day_ahead import MODEL, NAIVE, LoadHistory, combined, day_ahead, overload_probability, seasonal_naive

SLOTS, AREAS = 48, 6
TYPES = [0, 0, 0, 0, 0, 1, 2]


def loads(days: int, seed: int = 5, noise: float = 0.05) -> np.ndarray:
    """Areas of different size with an evening peak, less on days of rest, a slow drift, and noise: Wh [days, areas, slots]."""
    rng = np.random.default_rng(seed)
    hour = np.arange(SLOTS) / 2
    shape = 0.5 + np.exp(-(((hour - 20) / 2.5) ** 2)) + 0.3 * np.exp(-(((hour - 8) / 2) ** 2))
    rest = np.array([0.8 if TYPES[day % 7] == REST else 1.0 for day in range(days)])
    level = np.exp(np.cumsum(rng.normal(0, 0.05, (days, AREAS)), axis=0))
    size = 10_000 * (1 + np.arange(AREAS))
    values = size[None, :, None] * level[..., None] * shape * rest[:, None, None]
    return values * rng.lognormal(0, noise, values.shape)


def types(days: int) -> np.ndarray:
    return np.array([TYPES[day % 7] for day in range(days + 1)])


def history(wh: np.ndarray, **also: np.ndarray) -> LoadHistory:
    return LoadHistory(wh, types(len(wh)), **also)


def test_it_beats_the_week_before_where_levels_drift_and_its_interval_holds_nine_of_ten():
    wh = loads(100)
    errors, naive_errors, within = [], [], []
    for origin in range(60, 99):
        ahead = day_ahead(history(wh[origin - LOOKBACK_DAYS : origin + 1]))
        actual = wh[origin + 1]
        errors.append(np.abs(ahead.wh - actual) / actual)
        naive_errors.append(np.abs(ahead.naive_wh - actual) / actual)
        within.append(np.abs(ahead.wh - actual) <= 1.645 * ahead.deviation_wh)
    assert np.mean(errors) < 0.75 * np.mean(naive_errors)
    assert 0.8 <= np.mean(within) <= 0.95


def test_only_the_days_of_the_lookback_count():
    wh = loads(80)
    whole = LoadHistory(wh, types(80))
    part = LoadHistory(wh[-LOOKBACK_DAYS - 1 :], types(80)[-LOOKBACK_DAYS - 2 :])
    assert np.array_equal(day_ahead(whole).wh, day_ahead(part).wh)


def test_slots_without_supply_change_nothing_but_what_is_known():
    """An outage is no low load: what is expected stays what it would be with supply."""
    wh = loads(60, noise=0.01)
    dark = wh.copy()
    dark[-1, 2, 36:44] = np.nan
    dark[-8, 2, 30:40] = np.nan
    with_outage, without = (day_ahead(history(values)).wh[2] for values in (dark, wh))
    assert np.abs(with_outage / without - 1).max() < 0.1
    zeros = np.nan_to_num(dark)
    assert np.abs(day_ahead(history(zeros)).wh[2] / without - 1).max() > 0.1, "the outage is large enough to show"


def test_warm_days_are_learnt_from_the_weather_before():
    """Heat comes in spells; load follows it, and yesterday's heat says something of today's beyond yesterday's load."""
    rng = np.random.default_rng(2)
    days = 90
    spell = np.zeros(days)
    for day in range(1, days):
        spell[day] = 0.8 * spell[day - 1] + rng.normal(0, 1.5)
    temperature = 27 + spell[:, None] + np.zeros((1, SLOTS))
    # What people feel is yesterday's heat in their walls: load lags the weather by a day.
    wh = loads(days, noise=0.02) * (1 + 0.06 * np.roll(spell, 1))[:, None, None]
    aware, blind = [], []
    for origin in range(60, days - 1):
        part = slice(origin - LOOKBACK_DAYS, origin + 1)
        for found, also in ((aware, {"temperature_c": temperature[part]}), (blind, {})):
            ahead = day_ahead(history(wh[part], **also))
            found.append(np.abs(ahead.wh / wh[origin + 1] - 1).mean())
    assert np.mean(aware) < 0.95 * np.mean(blind)


@pytest.mark.parametrize(("days", "method"), [(1, NAIVE), (8, NAIVE), (13, NAIVE), (14, MODEL), (42, MODEL)])
def test_too_few_days_are_no_model_and_say_so(days, method):
    ahead = day_ahead(history(loads(days)))
    assert ahead.method == method
    assert ahead.wh.shape == (AREAS, SLOTS) and not np.isnan(ahead.wh).any()
    assert np.isnan(ahead.deviation_wh).all() == (method == NAIVE)


def test_the_baseline_is_the_same_day_a_week_before_or_the_week_before_that():
    wh = np.full((15, 1, 1), np.nan)
    wh[:, 0, 0] = np.arange(15)
    assert seasonal_naive(wh, 15)[0, 0] == 8
    wh[8] = np.nan
    assert seasonal_naive(wh, 15)[0, 0] == 1
    wh[1] = np.nan
    assert seasonal_naive(wh, 15)[0, 0] == 14, "no week has it: the latest day"


def test_a_feeder_is_the_sum_of_its_transformers_and_surer_than_they_are():
    ahead = day_ahead(history(loads(60)))
    chosen = np.arange(AREAS) < 4
    feeder = combined([ahead.of(chosen & (np.arange(AREAS) % 2 == 0)), ahead.of(chosen & (np.arange(AREAS) % 2 == 1))])
    assert feeder.wh == pytest.approx(ahead.wh[chosen].sum(axis=0, keepdims=True))
    assert (feeder.deviation_wh < ahead.deviation_wh[chosen].sum(axis=0)).all()
    assert feeder.coarser(2).wh == pytest.approx(feeder.wh.reshape(1, -1, 2).sum(axis=2))


def test_an_area_that_was_never_read_is_expected_to_be_nothing_known():
    wh = loads(50)
    wh[:, 1] = np.nan
    ahead = day_ahead(history(wh))
    assert np.isnan(ahead.wh[1]).all()
    assert not np.isnan(np.delete(ahead.wh, 1, axis=0)).any()


def test_of_very_many_loads_some_are_enough_to_learn_from(monkeypatch):
    whole = day_ahead(history(loads(60)))
    monkeypatch.setattr(module, "MOST_TRAINING_ROWS", 5 * AREAS * SLOTS)
    assert np.abs(day_ahead(history(loads(60))).wh / whole.wh - 1).mean() < 0.03


@pytest.mark.parametrize(
    ("day", "intervals", "twice", "never"),
    [
        (date(2024, 3, 30), 48, [], []),
        (date(2024, 3, 31), 46, [], [2, 3]),
        (date(2024, 10, 27), 50, [2, 3], []),
    ],
)
def test_slots_of_the_clock_are_left_out_or_come_twice_where_clocks_change(day, intervals, twice, never):
    zone = ZoneInfo("Europe/London")
    slots = clock_slots(day, 30, zone).tolist()
    assert len(slots) == len(slot_starts(day, 30, zone)) == intervals
    assert sorted(slots) == sorted([*(slot for slot in range(SLOTS) if slot not in never), *twice])
    assert clock_slots(day, 1440, zone).tolist() == [0], "a daily reading is of the day, however long"


def test_a_load_at_its_capacity_is_above_it_one_time_in_two():
    at = overload_probability(
        np.array([100.0, 100.0, 100.0]), np.array([10.0, 10.0, np.nan]), np.array([100.0, 120.0, 90.0])
    )
    assert at[0] == 0.5
    assert at[1] == pytest.approx(0.0228, abs=1e-4)
    assert np.isnan(at[2])


def test_public_holidays_are_days_of_rest():
    national_day, saturday, sunday = date(2024, 5, 20), date(2024, 5, 18), date(2024, 5, 19)
    assert day_types([saturday, sunday, national_day], "CM") == [SATURDAY, REST, REST]
    assert day_types([national_day], "") == [WORKDAY]
