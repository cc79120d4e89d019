"""Baselines find the thief that each is made for, on half-hours and on days, and say where they cannot tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ml.evaluation import balance_baselines, baselines
from ml.evaluation.methods import METHODS, NEED_BALANCE, verdict
from ml.evaluation.summary_features import summary_features
from ml.evaluation.supervised import out_of_fold_scores
from ml.evaluation.windows import daily_wh, profiles, recent_days
from ml.theft.history import FleetHistory
from ml.validation.outages import NO_TRANSFORMER

METERS, TRANSFORMERS, THIEF = 30, 3, 7
OF_LEVEL = [baselines.z_score, baselines.level_drop]
OF_PROFILES = [baselines.isolation_forest_per_home, baselines.local_outlier_factor]
BALANCE = [balance_baselines.non_negative_least_squares, balance_baselines.honesty_coefficients]


def fleet(days: int = 84, slots: int = 48, kept: float = 0.2, since: int | None = None, seed: int = 6) -> FleetHistory:
    """Homes of one class behind three transformers; THIEF reports the share `kept` of its energy from day `since` (half-way) on."""
    rng = np.random.default_rng(seed)
    hour = np.arange(slots) * 24 / slots
    evening = rng.uniform(17, 22, METERS)
    shape = 0.3 + np.exp(-(((hour - evening[:, None]) / 3) ** 2))
    level = rng.lognormal(0, 0.4, METERS) * 12_000 / slots
    true = (
        level[:, None]
        * shape
        * rng.lognormal(0, 0.25 if slots > 1 else 0.05, (days, METERS, slots))
        * rng.lognormal(0, 0.1, (days, METERS, 1))
    )
    reported = true.copy()
    reported[(days // 2 if since is None else since) :, THIEF] *= kept
    transformer = np.arange(METERS) % TRANSFORMERS
    lost = np.stack([(true - reported)[:, transformer == number].sum(axis=1) for number in range(TRANSFORMERS)], axis=1)
    lost += rng.normal(0, 20, lost.shape)
    types = np.array([0, 0, 0, 0, 0, 1, 2] * (days // 7 + 1))[:days]
    return FleetHistory(reported.astype(np.float32), types, np.zeros(METERS, dtype=int), transformer, lost)


@pytest.mark.parametrize("method", OF_LEVEL)
@pytest.mark.parametrize(("days", "slots"), [(84, 48), (84, 96), (140, 1), (26, 1)])
def test_a_home_that_reports_a_fifth_in_the_last_weeks_stands_on_top(method, days: int, slots: int) -> None:
    scores = method(fleet(days, slots, since=days - recent_days(days)))
    assert scores.dtype == np.float64 and scores.shape == (METERS,)
    assert np.nanargmax(scores) == THIEF


@pytest.mark.parametrize("method", OF_PROFILES)
@pytest.mark.parametrize(("days", "slots", "stolen"), [(84, 48, 8), (84, 96, 8), (140, 1, 14)])
def test_a_home_whose_last_days_are_like_none_before_stands_on_top(method, days: int, slots: int, stolen: int) -> None:
    """Few enough to be outliers: of a third of its days neither method says that they are strange."""
    scores = method(fleet(days, slots, kept=0.05, since=days - stolen))
    assert scores.dtype == np.float64 and scores.shape == (METERS,)
    assert np.nanargmax(scores) == THIEF


@pytest.mark.parametrize("method", [*OF_LEVEL, *OF_PROFILES])
def test_without_the_thief_it_does_not(method) -> None:
    assert np.nanargmax(method(fleet(kept=1.0))) != THIEF


@pytest.mark.parametrize("method", BALANCE)
@pytest.mark.parametrize(("days", "slots"), [(84, 48), (140, 1)])
def test_the_balance_finds_who_explains_the_loss_also_where_it_always_was(method, days: int, slots: int) -> None:
    assert np.nanargmax(method(fleet(days, slots, kept=0.4, since=0))) == THIEF


@pytest.mark.parametrize("method", BALANCE)
def test_of_26_days_of_daily_readings_the_thief_is_among_the_first_three(method) -> None:
    scores = method(fleet(26, 1, kept=0.2, since=0))
    assert THIEF in np.argsort(-np.nan_to_num(scores))[:3]


def test_least_squares_share_a_loss_among_those_who_could_have_caused_it() -> None:
    history = fleet(kept=0.0, since=56)
    stolen = daily_wh(fleet(kept=1.0))[56:, THIEF].mean()
    explained = balance_baselines.non_negative_least_squares(history)
    siblings = history.transformer == history.transformer[THIEF]
    assert explained.argmax() == THIEF, "though its meter reports nothing"
    assert explained[siblings].sum() == pytest.approx(stolen, rel=0.05)
    assert explained[~siblings].sum() < 0.1 * stolen
    assert np.isnan(balance_baselines.honesty_coefficients(history)[THIEF]), "nothing reported has no coefficient"


def test_the_honesty_coefficient_is_true_energy_over_reported() -> None:
    assert balance_baselines.honesty_coefficients(fleet(kept=0.5, since=0))[THIEF] == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("method", BALANCE)
def test_without_a_transformers_meter_the_balance_tells_nothing(method) -> None:
    history = fleet()
    assert np.isnan(method(history.without_balance())).all()
    apart = history.transformer.copy()
    apart[3] = NO_TRANSFORMER
    scores = method(replace(history, transformer=apart))
    assert np.isnan(scores[3]) and not np.isnan(np.delete(scores, 3)).any()


def test_the_forest_on_readings_finds_a_home_unlike_all_others() -> None:
    history = fleet(kept=1.0)
    wh = history.wh.copy()
    wh[:, THIEF] *= 8
    assert baselines.isolation_forest_on_readings(replace(history, wh=wh)).argmax() == THIEF


@pytest.mark.parametrize("name", list(METHODS))
@pytest.mark.parametrize(("days", "slots"), [(84, 48), (26, 1)])
def test_gaps_a_meter_without_readings_and_one_at_zero_stop_no_method(name: str, days: int, slots: int) -> None:
    history = fleet(days, slots)
    wh, lost = history.wh.copy(), history.lost_wh.copy()
    rng = np.random.default_rng(2)
    wh[rng.random(wh.shape) < 0.1] = np.nan
    lost[rng.random(lost.shape) < 0.1] = np.nan
    wh[:, 4], wh[:, 5], wh[days // 2 :, 6] = np.nan, 0.0, np.nan
    said = verdict(METHODS[name], replace(history, wh=wh, lost_wh=lost))
    assert not np.isinf(said.scores).any()
    assert name in NEED_BALANCE or np.isnan(said.scores[4])
    assert (~np.isnan(said.scores)).sum() >= METERS - 3


def test_a_week_is_the_profile_of_daily_readings_where_there_are_enough_and_weeks_end_with_the_last_day() -> None:
    points, recent = profiles(fleet(26, 1))
    assert points.shape == (26, METERS, 1) and recent == 13
    points, recent = profiles(fleet(60, 1))
    history = fleet(60, 1)
    assert points.shape == (8, METERS, 7) and recent == 4
    assert points[-1, 0] == pytest.approx(history.wh[-7:, 0, 0])


def test_a_day_of_which_half_is_known_is_scaled_and_one_of_less_is_unknown() -> None:
    history = fleet(4, 4)
    wh = np.full((4, METERS, 4), 10.0, dtype=np.float32)
    wh[1, 0, :2], wh[2, 0, :3] = np.nan, np.nan
    assert daily_wh(replace(history, wh=wh))[:, 0] == pytest.approx([40, 40, np.nan, 40], nan_ok=True)


def test_no_model_sees_a_meter_of_the_customer_that_it_judges() -> None:
    """Evidence that tells customers apart and nothing else helps nobody who was not seen."""
    rng = np.random.default_rng(1)
    customer = np.repeat(np.arange(60), 10)
    is_theft = rng.random(60)[customer] < 0.4
    known = rng.normal(size=(60, 5))[customer]
    scores = out_of_fold_scores(known, is_theft, customer)
    assert not np.isnan(scores).any()
    assert (scores[is_theft].mean() - scores[~is_theft].mean()) < 0.2
    told = out_of_fold_scores(np.column_stack([known, is_theft]), is_theft, customer)
    assert told[is_theft].min() > told[~is_theft].max()


def test_too_few_thieves_cannot_be_learnt_from() -> None:
    with pytest.raises(ValueError, match="3 customers steal: cross-validation in 5 parts needs 5 or more"):
        out_of_fold_scores(np.zeros((50, 2)), np.arange(50) < 3, np.arange(50))


def test_gaps_tell_nothing_where_features_of_missingness_are_left_out() -> None:
    history = fleet(140, 1, kept=1.0)
    wh = history.wh.copy()
    wh[::2, 3] = np.nan
    evidence = summary_features(replace(history, wh=wh))
    gap = evidence.names.index("missing_share")
    assert evidence.values[3, gap] == pytest.approx(0.5) and evidence.of_missingness[gap]
    without = evidence.without_missingness()
    assert "missing_share" not in without.names and not np.isnan(without.values).any()
