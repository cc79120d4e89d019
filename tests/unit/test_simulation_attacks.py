"""Attacks: each does to a meter's readings what its formula says, whatever the load."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from energy_assets.simulation.attacks import ATTACKS, Attack, Moment

SLOTS = 48
HOUR = np.arange(SLOTS) / 2
METERS = 3
loads = arrays(float, (METERS, SLOTS), elements=st.floats(0.0, 50.0, allow_subnormal=False))


def moment(seed: int = 1, *, is_weekend: bool = True, days: int = 30) -> Moment:
    return Moment(HOUR, is_weekend, np.full(METERS, days), np.random.default_rng(seed).random((METERS, SLOTS)))


def reported(attack: Attack, x: np.ndarray, seed: int, **at: int) -> np.ndarray:
    parameters = attack.draw(np.random.default_rng(seed), np.full(METERS, 2.0))
    return attack.reported(x, parameters, moment(seed, **at))


@pytest.mark.parametrize("name", ATTACKS)
@given(x=loads, seed=st.integers(0, 1000))
def test_every_attack_keeps_the_days_energy_or_reports_less(name: str, x: np.ndarray, seed: int) -> None:
    attack, before = ATTACKS[name], x.copy()
    m = reported(attack, x, seed)
    assert np.array_equal(x, before), "the truth was changed"
    assert m.shape == x.shape
    assert m.min() >= 0
    tolerance = 1e-9 * (1 + x.sum(axis=1))
    if attack.keeps_energy:
        assert np.all(np.abs(m.sum(axis=1) - x.sum(axis=1)) <= tolerance)
    else:
        assert np.all(m.sum(axis=1) <= x.sum(axis=1) + tolerance)


@pytest.mark.parametrize("name", [name for name, a in ATTACKS.items() if not a.keeps_energy and name != "h2"])
def test_an_attack_that_reduces_energy_does_so_on_an_ordinary_day(name: str) -> None:
    x = np.random.default_rng(3).gamma(1.0, 0.3, (METERS, SLOTS)) + 0.05
    assert np.all(reported(ATTACKS[name], x, 5).sum(axis=1) < 0.995 * x.sum(axis=1))


X = np.random.default_rng(2).gamma(1.0, 0.4, (METERS, SLOTS))
A = {"share": np.array([0.2, 0.5, 0.8])}


def test_a_constant_share_has_the_shape_of_the_truth() -> None:
    for name in ("h1", "magnet"):
        assert np.allclose(ATTACKS[name].reported(X, A, moment()) / X, A["share"][:, None])


def test_h2_reports_nothing_inside_its_window_and_the_truth_outside() -> None:
    window = {"from_hour": np.full(METERS, 18.0), "hours": np.full(METERS, 5.0)}
    at = Moment(HOUR, False, np.zeros(METERS, int), np.full((METERS, SLOTS), 0.5))
    m = ATTACKS["h2"].reported(X, window, at)
    inside = (HOUR >= 18) & (HOUR < 23)
    assert np.all(m[:, inside] == 0)
    assert np.array_equal(m[:, ~inside], X[:, ~inside])
    left_alone = Moment(HOUR, False, np.zeros(METERS, int), np.zeros((METERS, SLOTS)))
    assert np.array_equal(ATTACKS["h2"].reported(X, window, left_alone), X)


@given(seed=st.integers(0, 1000))
def test_h2_windows_last_at_least_four_hours_and_end_by_midnight(seed: int) -> None:
    window = ATTACKS["h2"].draw(np.random.default_rng(seed), np.ones(20))
    assert window["hours"].min() >= 4
    assert window["from_hour"].min() >= 0
    assert (window["from_hour"] + window["hours"]).max() <= 24


def test_h3_draws_a_share_for_each_interval_between_a_tenth_and_four_fifths() -> None:
    share = ATTACKS["h3"].reported(X, {}, moment()) / X
    assert share.min() >= 0.1
    assert share.max() <= 0.8
    assert np.ptp(share, axis=1).min() > 0.5


def test_h4_and_h5_have_lost_the_shape_of_the_day() -> None:
    mean = X.mean(axis=1, keepdims=True)
    h4 = ATTACKS["h4"].reported(X, {}, moment()) / mean
    assert 0.1 <= h4.min() < h4.max() <= 0.8
    assert np.allclose(ATTACKS["h5"].reported(X, {}, moment()), mean)


def test_h6_reports_the_evening_in_the_morning() -> None:
    assert np.array_equal(ATTACKS["h6"].reported(X, {}, moment())[:, :10], X[:, :-11:-1])


def test_clipping_attacks_cap_or_cut() -> None:
    c = np.array([0.1, 0.4, 9.0])
    assert np.array_equal(ATTACKS["fdi2"].reported(X, {"cap_kwh": c}, moment()), np.minimum(X, c[:, None]))
    cut = ATTACKS["fdi3"].reported(X, {"cut_kwh": c}, moment())
    assert np.allclose(cut, np.clip(X - c[:, None], 0, None))
    assert np.all(cut[2] == 0)


def test_a_ramp_begins_small_and_ends_at_its_final_share() -> None:
    p = {"final_share": np.array([0.3, 0.6, 1.0]), "over_days": np.full(METERS, 40.0)}
    missing = [1 - ATTACKS["ramp"].reported(X, p, moment(days=days)).sum(1) / X.sum(1) for days in (0, 20, 40, 400)]
    assert np.allclose(missing[0], 0.05)
    assert np.all(missing[0] < missing[1])
    assert np.all(missing[1] < missing[2])
    assert np.allclose(missing[2], p["final_share"])
    assert np.allclose(missing[3], p["final_share"])


def test_bypasses_leave_the_hours_outside_their_window_alone() -> None:
    night = ATTACKS["night_bypass"].reported(X, A, moment())
    is_night = (HOUR >= 22) | (HOUR < 5)
    assert np.array_equal(night[:, ~is_night], X[:, ~is_night])
    assert np.allclose(night[:, is_night], A["share"][:, None] * X[:, is_night])
    assert np.array_equal(ATTACKS["weekend_bypass"].reported(X, A, moment(is_weekend=False)), X)
    assert np.allclose(ATTACKS["weekend_bypass"].reported(X, A, moment(is_weekend=True)), A["share"][:, None] * X)


def test_lost_phases_take_a_third_each() -> None:
    assert np.allclose(ATTACKS["one_phase_lost"].reported(X, {}, moment()), X * 2 / 3)
    assert np.allclose(ATTACKS["two_phases_lost"].reported(X, {}, moment()), X / 3)
    assert all(ATTACKS[name].needs_three_phases for name in ("one_phase_lost", "two_phases_lost"))


def test_a_full_bypass_reports_nothing_and_a_hook_what_it_did_before() -> None:
    assert not ATTACKS["full_bypass"].reported(X, {}, moment()).any()
    hook = ATTACKS["hook"]
    p = hook.draw(np.random.default_rng(1), np.ones(METERS))
    with_hook = X * (1 + hook.added_use(p))[:, None]
    assert np.all(with_hook.sum(axis=1) > 1.25 * X.sum(axis=1))
    assert np.allclose(hook.reported(with_hook, p, moment()), X, rtol=1e-12)
