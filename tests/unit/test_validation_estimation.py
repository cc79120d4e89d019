"""Gaps are estimated in the stated order, in whole Wh, and never where supply was off."""

from __future__ import annotations

import numpy as np
import pytest

from ml.validation.estimation import METHODS, NONE, class_profile, estimate, interpolated, proxy_days
from ml.validation.outages import NO_TRANSFORMER, dark_slots, runs

NAN = np.nan
HALF_HOURS = 48


def methods_of(method: np.ndarray) -> list[list[str | None]]:
    return [[None if number == NONE else METHODS[number] for number in row] for row in method]


def test_a_short_gap_is_a_line_between_its_neighbours_in_whole_watt_hours() -> None:
    wh = np.array([[100, NAN, NAN, 201, NAN, NAN, NAN, 100]], dtype=np.float32)
    found = interpolated(wh, longest=2)
    assert found[0, 1:3].tolist() == [134, 167]
    assert np.isnan(found[0, 4:7]).all(), "longer than may be interpolated"
    assert np.isnan(found[0, [0, 3, 7]]).all(), "what was measured is no gap"


def test_a_gap_at_an_end_of_the_day_is_no_line() -> None:
    wh = np.array([[NAN, 100, 100, NAN], [NAN] * 4], dtype=np.float32)
    assert np.isnan(interpolated(wh, longest=4)).all()


def test_proxies_are_the_mean_of_days_that_have_the_slot() -> None:
    proxies = np.array([[[10, NAN, 5]], [[30, 7, NAN]], [[51, NAN, NAN]]], dtype=np.float32)
    assert proxy_days(proxies, least_days=2)[0, 0] == 30
    assert np.isnan(proxy_days(proxies, least_days=2)[0, 1:]).all()
    assert np.isnan(proxy_days(np.zeros((0, 2, 3)), least_days=2)).all()


def test_a_class_profile_needs_enough_meters_of_the_class() -> None:
    wh = np.array([[100, 10], [200, 20], [300, NAN], [9000, 9000], [NAN, NAN]], dtype=np.float32)
    found = class_profile(wh, np.array([0, 0, 0, 1, 0]), least_meters=3)
    assert found[4, 0] == 200
    assert np.isnan(found[4, 1]), "two meters are no profile"
    assert np.isnan(found[3]).all()


def test_methods_are_tried_in_their_order_and_only_where_slots_are_open() -> None:
    wh = np.array([[100, NAN, 100, NAN, NAN, NAN, NAN, NAN]], dtype=np.float32)
    is_open = np.ones(wh.shape, dtype=bool)
    is_open[0, 7] = False
    proxies = np.full((2, 1, 8), NAN, dtype=np.float32)
    proxies[:, 0, 1:5] = 50
    found = estimate(wh, is_open, proxies, np.full(wh.shape, 70.0), interval_minutes=30)
    assert methods_of(found.method) == [
        [None, "interpolated", None, "proxy_days", "proxy_days", "class_profile", "class_profile", None]
    ]
    assert found.wh[0, [1, 3, 4, 5, 6]].tolist() == [100, 50, 50, 70, 70]
    assert np.isnan(found.wh[0, [0, 2, 7]]).all()


@pytest.mark.parametrize("seed", range(3))
def test_estimates_are_whole_not_negative_and_never_beside_a_reading(seed: int) -> None:
    rng = np.random.default_rng(seed)
    wh = np.where(rng.random((20, HALF_HOURS)) < 0.3, NAN, rng.integers(0, 900, (20, HALF_HOURS)))
    proxies = np.where(rng.random((8, 20, HALF_HOURS)) < 0.5, NAN, rng.integers(0, 900, (8, 20, HALF_HOURS)))
    found = estimate(
        wh, np.ones(wh.shape, bool), proxies, class_profile(wh, np.zeros(20, dtype=int)), interval_minutes=30
    )
    is_estimated = found.method != NONE
    assert (is_estimated == ~np.isnan(found.wh)).all()
    assert not (is_estimated & ~np.isnan(wh)).any()
    assert (is_estimated | ~np.isnan(wh)).all(), "every gap has an estimate here"
    assert (found.wh[is_estimated] >= 0).all() and (found.wh[is_estimated] % 1 == 0).all()


def test_supply_was_off_where_no_sibling_shows_any_energy() -> None:
    wh = np.full((9, 6), 100, dtype=np.float32)
    transformer = np.array([0, 0, 0, 0, 1, 1, 1, 2, NO_TRANSFORMER])
    wh[:4, 2:4] = [[NAN, 0]] * 4
    wh[4:7, 2] = 0
    is_fed = np.zeros((3, 6), dtype=bool)
    dark = dark_slots(wh, transformer, is_fed, least_siblings=3)
    assert np.flatnonzero(dark[0]).tolist() == [2, 3], "silent or at zero, all of them"
    assert np.flatnonzero(dark[1]).tolist() == [2]
    assert not dark[2].any(), "a single meter proves nothing"
    wh[0, 3] = 1
    is_fed[1, 2] = True
    dark = dark_slots(wh, transformer, is_fed, least_siblings=3)
    assert np.flatnonzero(dark[0]).tolist() == [2], "one that draws has supply"
    assert not dark[1].any(), "its transformer was fed: the meters merely said nothing"


def test_runs_are_told_row_by_row() -> None:
    where = np.array([[1, 1, 0, 1], [0, 0, 0, 0], [0, 1, 1, 1]], dtype=bool)
    row, first, last = runs(where)
    assert list(zip(row.tolist(), first.tolist(), last.tolist(), strict=True)) == [(0, 0, 2), (0, 3, 4), (2, 1, 4)]
