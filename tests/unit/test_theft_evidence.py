"""Evidence of theft: what is planted in a small fleet is found there, and where nothing is planted nothing is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ml.theft.changes import changes, series_of
from ml.theft.evidence import NAMES, PIECES, Evidence, evidence, explained
from ml.theft.explain import NOBODY, WAYS
from ml.theft.history import FleetHistory
from ml.theft.misplaced import placed
from ml.theft.season import same_season, season_wh, year_ratio
from ml.theft.siblings import less_response, sibling_change
from ml.theft.traits import TRAITS, day_traits
from ml.validation.outages import NO_TRANSFORMER

DAYS, METERS, SLOTS, BEHIND = 84, 40, 48, 20
ONSET = 50
LOSS_WH = 40.0
"""What each transformer loses in an interval by itself, known and taken away, give or take some noise."""


def drawn(seed: int = 1) -> np.ndarray:
    """Honest homes: an evening, a base load, appliances at random; Wh [days, meters, slots]."""
    rng = np.random.default_rng(seed)
    hour = np.arange(SLOTS) / 2
    evening = 20 + 200 * np.exp(-0.5 * ((hour - 20) / 2) ** 2)
    level = rng.lognormal(0, 0.4, METERS)
    appliances = (rng.random((DAYS, METERS, SLOTS)) < 0.06) * rng.gamma(4, 120, (DAYS, METERS, SLOTS))
    noise = rng.gamma(20, 1 / 20, (DAYS, METERS, SLOTS))
    return level[None, :, None] * (evening * noise + appliances)


def fleet(
    true: np.ndarray, reported: np.ndarray, registered: np.ndarray | None = None, hooked: float = 0.0
) -> FleetHistory:
    """The fleet as it is read, two transformers of BEHIND meters each; `hooked` Wh an interval are taken from the first."""
    rng = np.random.default_rng(2)
    transformer = np.arange(METERS) // BEHIND
    registered = transformer if registered is None else registered
    fed, metered = np.zeros((2, DAYS, 2, SLOTS))
    for number in range(2):
        fed[:, number] = true[:, transformer == number].sum(axis=1)
        metered[:, number] = reported[:, registered == number].sum(axis=1)
    lost = fed - metered + rng.normal(0, 5, fed.shape)
    lost[:, 0] += hooked
    types = np.array([(0, 0, 0, 0, 0, 1, 2)[day % 7] for day in range(DAYS)])
    return FleetHistory(reported.astype(np.float32), types, np.zeros(METERS, dtype=int), registered, lost)


def seen(history: FleetHistory) -> Evidence:
    traits = np.stack([day_traits(wh, 30) for wh in history.wh])
    explanation = explained(history, traits, history.day_types)
    return evidence(traits, history.day_types, history.customer_class, explanation, transformer=history.transformer)


def test_a_day_in_numbers_holds_its_mean_its_extremes_and_its_parts() -> None:
    wh = np.full((1, 48), 50.0)
    wh[0, 40:44] = 500.0
    named = dict(zip(TRAITS, day_traits(wh, 30)[0].tolist(), strict=True))
    assert named["mean_w"] == pytest.approx(2 * (44 * 50 + 4 * 500) / 48)
    assert (named["p50_w"], named["max_w"]) == (100.0, 1000.0)
    assert named["plateau_share"] == pytest.approx(4 / 48)
    assert named["block_6_w"] == pytest.approx((4 * 100 + 2 * 1000) / 6)
    assert named["block_0_w"] == 100.0


def test_a_day_of_which_too_little_is_known_has_no_traits() -> None:
    wh = np.full((2, 48), 50.0)
    wh[0, :20] = np.nan
    found = day_traits(wh, 30)
    assert np.isnan(found[0]).all()
    assert not np.isnan(found[1]).any()


def test_quarter_hours_and_half_hours_of_the_same_draw_have_the_same_traits() -> None:
    half = np.random.default_rng(3).gamma(2, 100, (3, 48))
    np.testing.assert_allclose(day_traits(np.repeat(half / 2, 2, axis=1), 15), day_traits(half, 30), rtol=1e-5)


def test_of_daily_readings_the_mean_alone_is_known() -> None:
    found = day_traits(np.array([[2400.0]]), 1440)
    assert found[0, 0] == 100.0
    assert np.isnan(found[0, 1:]).all()


def test_a_fall_is_found_on_its_day_and_what_the_whole_fleet_does_is_none() -> None:
    wh = drawn()
    wh[30:] *= 0.6  # a cool season for everybody
    wh[ONSET:, 7] *= 0.4
    found = changes(series_of(np.stack([day_traits(day, 30) for day in wh]), np.zeros(DAYS, dtype=int)))
    assert found.drop_t.argmin() == 7
    assert abs(found.drop_day[7] - ONSET) <= 2
    assert found.drop[7] == pytest.approx(np.log(0.4), abs=0.15)
    assert (np.delete(found.drop_t, 7) > found.drop_t[7] / 2).all()


def test_a_fortnight_is_too_short_for_a_change() -> None:
    found = changes(series_of(np.stack([day_traits(day, 30) for day in drawn()[:13]]), np.zeros(13, dtype=int)))
    assert not found.drop_t.any()
    assert not found.onset_day.any()


@pytest.mark.parametrize(
    ("way", "attack"),
    [
        ("share", lambda x, hour: 0.4 * x),
        ("night", lambda x, hour: np.where((hour >= 22) | (hour < 5), 0.2, 1.0) * x),
        ("missing", lambda x, hour: 0.0 * x),
        ("missing", lambda x, hour: np.where((hour >= 18) & (hour < 23), 0.0, x)),
    ],
    ids=["share", "night", "all", "evening"],
)
def test_a_loss_is_explained_by_the_thief_and_nobody_else(way, attack) -> None:
    true = drawn()
    reported = true.copy()
    hour = np.arange(SLOTS) / 2
    reported[ONSET:, 5] = attack(true[ONSET:, 5], hour)
    found = seen(fleet(true, reported)).explanation
    stolen = (true - reported)[-28:, 5].sum() / 28
    assert found.gain.argmax() == 5
    assert WAYS[found.way[5]] == way
    assert found.stolen_wh[5] == pytest.approx(stolen, rel=0.25)
    assert found.stolen_low_wh[5] <= found.stolen_wh[5] <= found.stolen_high_wh[5]
    assert np.delete(found.stolen_wh, 5).max() < 0.2 * stolen


def test_readings_that_keep_the_energy_and_not_its_course_are_told() -> None:
    true = drawn()
    reported = true.copy()
    reported[ONSET:, 5] = true[ONSET:, 5, ::-1]
    found = seen(fleet(true, reported))
    assert WAYS[found.explanation.way[5]] == "invented"
    assert found["profile_reversal"].argmax() == 5


def test_where_everybody_is_honest_nobody_explains_anything() -> None:
    true = drawn()
    found = seen(fleet(true, true)).explanation
    assert (found.way == NOBODY).all()
    assert abs(found.unexplained_wh).max() < 500


def test_what_no_meter_explains_is_left_to_nobody() -> None:
    true = drawn()
    found = seen(fleet(true, true, hooked=150.0)).explanation
    assert found.unexplained_wh[0] == pytest.approx(150.0 * SLOTS, rel=0.15)
    assert found.unexplained_low_wh[0] > 5000
    assert abs(found.unexplained_wh[1]) < 500


def test_a_misplaced_meter_is_put_where_it_is_and_suspected_of_nothing() -> None:
    true = drawn()
    registered = np.arange(METERS) // BEHIND
    registered[3] = 1
    history = fleet(true, true, registered)
    right = placed(history)
    assert right.moved.tolist() == [3]
    assert right.transformer[3] == 0
    found = seen(history).explanation
    assert found.is_misplaced.tolist() == [meter == 3 for meter in range(METERS)]
    assert (found.way == NOBODY).all()


def test_a_meter_that_nobody_here_feeds_belongs_to_no_known_transformer() -> None:
    true = drawn()
    elsewhere = true.copy()
    elsewhere[:, 3] = 0.0  # fed by a transformer that has no meter
    history = fleet(elsewhere, true)
    assert placed(history).transformer[3] == NO_TRANSFORMER


def test_a_clock_that_runs_fast_is_no_invention() -> None:
    true = drawn()
    reported = true.copy()
    flat = true[:, 5].ravel()
    late = np.concatenate([flat[:3], flat[:-3]]).reshape(DAYS, SLOTS)
    reported[20:, 5] = late[20:]
    found = seen(fleet(true, reported)).explanation
    assert found.has_drifting_clock[5]
    assert WAYS[found.way[5]] != "invented" or found.way[5] == NOBODY


def test_a_level_below_that_of_the_same_weeks_a_year_before_is_told_beside_the_fleets() -> None:
    now, before = np.full(12, 6_000.0), np.full(12, 10_000.0)  # everybody uses less than a year ago
    now[3] = 2_000.0
    before[7] = np.nan
    assert np.expm1(year_ratio(now, before)[3]) == pytest.approx(2_200 / 10_200 - 1)
    found = same_season(now, before)
    assert found[3] == pytest.approx(np.log(2_200 / 6_200))
    assert np.isnan(found[7])
    assert not np.delete(found, [3, 7]).any()


def test_of_fewer_days_or_meters_than_tell_anything_there_is_no_season() -> None:
    wh = np.full((28, 12), 6_000.0)
    wh[:15, 4] = np.nan
    assert np.flatnonzero(np.isnan(season_wh(wh))).tolist() == [4]
    wh[14, 4] = 6_000.0
    assert not np.isnan(season_wh(wh)).any()
    assert np.isnan(same_season(np.ones(9), np.ones(9))).all()


def test_evidence_knows_the_year_before_where_there_is_one() -> None:
    history = fleet(drawn(), drawn()).without_balance()
    traits = np.stack([day_traits(wh, 30) for wh in history.wh])
    told = (traits, history.day_types, history.customer_class, None)
    without = evidence(*told)
    year_ago = without.reported_wh.copy()
    year_ago[9] *= 3
    found = evidence(*told, year_ago_wh=year_ago)
    assert np.isnan(without["same_season"]).all()
    assert found["same_season"].argmin() == 9
    others = [number for number, name in enumerate(NAMES) if name != "same_season"]
    np.testing.assert_array_equal(found.values[:, others], without.values[:, others])


def weathered(slopes: np.ndarray, days: int = 112) -> np.ndarray:
    """Levels [days, meters] that follow a season, which turns in the last four weeks, each with its slope."""
    rng = np.random.default_rng(4)
    weather = 0.1 * np.sin(np.arange(days) / 3) - 0.8 * np.clip((np.arange(days) - days + 35) / 35, 0, 1)
    return weather[:, None] * slopes + 0.1 * rng.normal(size=(days, len(slopes)))


def test_beside_siblings_a_thief_stands_out_and_whoever_minds_the_weather_does_not() -> None:
    slopes = np.linspace(0.2, 1.8, 40)
    level, transformer = weathered(slopes), np.arange(40) // 20
    level[-28:, 3] -= 0.5  # steals, and heats little
    plain = level[-28:].mean(axis=0) - level[:-28].mean(axis=0)
    assert plain.argmin() > 30, "by the plain change those who heat most are first"
    found = sibling_change(level, transformer, 28)
    assert found.argmin() == 3
    assert np.sort(found)[1] > found[3] / 1.5


def test_what_all_behind_a_transformer_do_is_none_of_theirs() -> None:
    level, transformer = weathered(np.ones(40)), np.arange(40) // 20
    level[-14:, transformer == 1] -= 1.0
    found = sibling_change(level, transformer, 28)
    assert np.abs(found).max() < 0.2


def test_of_few_siblings_or_days_nothing_is_told() -> None:
    level = weathered(np.ones(40))
    transformer = np.where(np.arange(40) < 4, 0, np.where(np.arange(40) < 9, 1, NO_TRANSFORMER))
    level[-22:, 8] = np.nan  # six days are left of the four weeks
    found = sibling_change(level, transformer, 28)
    assert np.isnan(found).all(), "four meters have three siblings each, and of five one is not known"
    level[-22, 8] = 0.0
    assert np.flatnonzero(~np.isnan(sibling_change(level, transformer, 28))).tolist() == [4, 5, 6, 7, 8]
    assert np.isnan(sibling_change(level[:13], np.zeros(40, dtype=int), 28)).all()
    assert not np.isnan(sibling_change(level[:14, :8], np.zeros(8, dtype=int), 28)).any()


def test_siblings_are_the_others() -> None:
    level = np.zeros((56, 5))
    level[28:] = [0.0, -1.0, -2.0, -3.0, -4.0]
    own = less_response(level, 28)[28:].mean(axis=0)
    expected = [own[of] - np.median(np.delete(own, of)) for of in range(5)]
    assert sibling_change(level, np.zeros(5, dtype=int), 28) == pytest.approx(expected)


def test_without_a_balance_its_evidence_is_not_known_and_the_rest_is() -> None:
    true = drawn()
    found = seen(fleet(true, true).without_balance())
    unknown = [
        number for number, piece in enumerate(PIECES) if piece.family == "balance" or piece.name == "same_season"
    ]
    assert np.isnan(found.values[:, unknown]).all()
    assert not np.isnan(np.delete(found.values, unknown, axis=1)).any()


def test_daily_readings_have_the_evidence_that_a_day_can_have() -> None:
    true = drawn()
    reported = true.copy()
    reported[ONSET:, 5] *= 0.3
    daily = reported.sum(axis=2, keepdims=True).astype(np.float32)
    history = replace(fleet(true, reported).without_balance(), wh=daily)
    traits = np.stack([day_traits(wh, 1440) for wh in history.wh])
    found = evidence(traits, history.day_types, history.customer_class, None)
    assert found["drop_t"].argmin() == 5
    assert np.isnan(found["zero_share"]).all()
    assert len(NAMES) == found.values.shape[1]
