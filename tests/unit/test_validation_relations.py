"""Checks that need a relation: registers, siblings, balances. Each finds what is planted and leaves the rest alone."""

from __future__ import annotations

import numpy as np
import pytest

from ml.validation.fleet_checks import (
    inactive,
    load_shedding_use,
    prepaid_without_purchases,
    silent_siblings,
    unread_days,
    wrong_transformer,
)
from ml.validation.outages import NO_TRANSFORMER
from ml.validation.register_checks import multiplier, register_reset, sum_differs, summed_wh
from ml.validation.rules import rules

RULES = rules()
NAN = np.nan


def test_a_register_that_went_back_is_a_reset() -> None:
    assert register_reset(np.array([5000, 0, -1, NAN])).tolist() == [False, False, True, False]


def test_a_multiple_of_the_register_is_a_multiplier_and_nothing_between_is() -> None:
    counted = np.array([5000.0, 5000, 200_000, 5000, 5000, 10, -5000])
    summed = np.array([5000.0, 202_000, 5000, 35_000, NAN, 400, 200_000])
    found = multiplier(counted, summed, RULES["multiplier"])
    assert found[1] == 40
    assert found[2] == pytest.approx(1 / 40)
    assert np.isnan(found[[0, 3, 4, 5, 6]]).all(), "equal, no usual one, unknown, too little, a reset"


def test_intervals_must_add_up_to_the_register_but_for_rounding() -> None:
    counted = np.array([50_000.0, 50_000, 1000, -10, 50_000])
    summed = np.array([50_900.0, 48_000, 1150, 500, NAN])
    differs, limit = sum_differs(counted, summed, RULES["sum"])
    assert (differs > limit).tolist() == [False, True, False, False, False]


def test_a_meter_alone_in_its_silence_is_told_and_a_silent_transformer_is_not() -> None:
    transformer = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, NO_TRANSFORMER])
    has_delivered = np.array([0, 1, 1, 1, 1, 0, 0, 0, 0, 0], dtype=bool)
    share = silent_siblings(has_delivered, np.ones(10, bool), transformer, RULES["sibling"])
    assert share[0] == 1
    assert np.isnan(share[1:5]).all(), "who delivered is not silent"
    assert share[5:9].tolist() == [0, 0, 0, 0]
    assert np.isnan(share[9])
    usually = np.ones(10, bool)
    usually[0] = False
    assert np.isnan(silent_siblings(has_delivered, usually, transformer, RULES["sibling"])[0]), "it never delivered"
    nowhere = np.full(10, NO_TRANSFORMER)
    assert np.isnan(silent_siblings(has_delivered, usually, nowhere, RULES["sibling"])).all()


def test_unread_days_are_counted_back_from_today() -> None:
    assert unread_days(np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1]], dtype=bool)).tolist() == [2, 1, 0]


def test_a_meter_unknown_to_the_register_is_inactive_only_where_it_delivers_energy() -> None:
    energy, is_hit = inactive(np.array([[10.0, NAN], [0, 0], [NAN, NAN], [5, 5]]), np.array([0, 0, 0, 1], dtype=bool))
    assert energy.tolist() == [10, 0, 0, 10]
    assert is_hit.tolist() == [True, False, False, False]


def test_energy_within_a_reported_outage_is_told_and_energy_beside_it_is_not() -> None:
    wh = np.array([[60.0, 60, 900], [NAN, 60, 900]])
    within, is_hit = load_shedding_use(wh, np.array([[1, 1, 0]] * 2, dtype=bool), RULES["load_shedding_use"])
    assert within.tolist() == [[60, 60, 0], [0, 60, 0]]
    assert is_hit.tolist() == [True, False], "100 Wh are needed"


def test_who_draws_for_four_weeks_and_buys_nothing_is_told_unless_too_little_is_known() -> None:
    wh, past = np.full((5, 2), 500.0), np.full((28, 5, 2), 500.0)
    past[:20, 4] = NAN
    bought, is_prepaid = np.array([0.0, 1, 0, 0, 0]), np.array([1, 1, 0, 1, 1], dtype=bool)
    wh[3], past[:, 3] = 1, 1
    used, is_hit = prepaid_without_purchases(wh, past, bought, is_prepaid, 29, RULES["prepaid_without_purchases"])
    assert used[0] == 29_000
    assert is_hit.tolist() == [True, False, False, False, False], "bought, postpaid, drew little, was hardly read"
    few_days = prepaid_without_purchases(wh, past, bought, is_prepaid, 20, RULES["prepaid_without_purchases"])[1]
    assert not few_days.any(), "purchases of too few days may be read"


def test_intervals_between_two_instants_are_summed_and_a_gap_or_a_cut_one_says_nothing() -> None:
    starts = np.datetime64("2024-01-01T00:00:00", "s") + np.arange(4) * np.timedelta64(1800, "s")
    next_day = starts + np.timedelta64(7200, "s")
    energy = np.array([[1.0, 2, 3, 4], [1, NAN, 3, 4], [1, 2, 3, 4]])
    from_at = np.repeat(starts[1], 3) + np.array([0, 0, 600], "timedelta64[s]")
    found = summed_wh(
        [(energy, starts), (energy * 10, next_day)], from_at, np.repeat(next_day[1], 3), interval_minutes=30
    )
    assert found[0] == 2 + 3 + 4 + 10
    assert np.isnan(found[1:]).all()


@pytest.fixture
def homes() -> np.ndarray:
    """Energy of twenty homes over four weeks, [meters, days, slots]: one daily shape for all, and noise."""
    rng = np.random.default_rng(3)
    shape = 100 + 300 * np.exp(-((np.arange(48) / 2 - 19.5) ** 2) / 4)
    return rng.lognormal(0, 0.6, (20, 28, 48)) * shape


def test_a_meter_behind_the_wrong_transformer_is_missing_here_and_left_over_there(homes: np.ndarray) -> None:
    fed_by = np.repeat([0, 1, 2, 3], 5)
    registered = fed_by.copy()
    registered[7] = 3
    residual = np.stack([homes[fed_by == t].sum(axis=0) - homes[registered == t].sum(axis=0) for t in range(4)])
    residual += np.random.default_rng(1).normal(0, 100, residual.shape)
    residual[2, 10] = NAN
    homes[12, :3] = NAN
    figure, better = wrong_transformer(homes, registered, residual, RULES["wrong_transformer"])
    assert np.flatnonzero(~np.isnan(figure)).tolist() == [7]
    assert (better[7], figure[7] > 0.5) == (1, True)
    residual[1] += np.random.default_rng(2).normal(0, 1e5, residual[1].shape)
    figure, better = wrong_transformer(homes, registered, residual, RULES["wrong_transformer"])
    assert (figure[7] > 0.5, better[7]) == (True, NO_TRANSFORMER), "where it belongs is drowned by another fault"
    few = wrong_transformer(homes[:, :10], registered, residual[:, :10], RULES["wrong_transformer"])
    assert np.isnan(few[0]).all(), "too little to judge"


def test_theft_and_a_shape_that_all_share_are_no_wrong_transformer(homes: np.ndarray) -> None:
    registered = np.repeat([0, 1], 10)
    shape = homes.mean(axis=(0, 1))
    residual = np.stack([homes[2] * 0.6 + 0.2 * shape, -0.5 * shape + np.zeros((28, 1))])
    residual += np.random.default_rng(2).normal(0, 20, residual.shape)
    figure, _ = wrong_transformer(homes, registered, residual, RULES["wrong_transformer"])
    assert np.isnan(figure).all(), "what rises with one's own draw is not registered elsewhere"
