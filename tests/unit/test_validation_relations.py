"""Checks that need a relation: registers, siblings, balances. Each finds what is planted and leaves the rest alone."""

from __future__ import annotations

import numpy as np
import pytest

from ml.validation.fleet_checks import silent_siblings, unread_days, wrong_transformer
from ml.validation.outages import NO_TRANSFORMER
from ml.validation.register_checks import multiplier, register_reset, sum_differs
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
