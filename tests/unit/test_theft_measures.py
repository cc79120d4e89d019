"""Measures of an order of meters, against cases that are computed by hand, and the weighted ones against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from ml.evaluation import measures

ONE_FLEET = np.zeros(5, dtype=int)


def flags(text: str) -> np.ndarray:
    return np.array([sign == "x" for sign in text])


def test_ranks_are_within_the_fleet_ties_share_the_mean_and_what_has_no_score_is_last():
    scores = np.array([3.0, np.nan, 5.0, 3.0, 700.0, 900.0])
    fleet = np.array([0, 0, 0, 0, 1, 1])
    assert measures.fleet_ranks(scores, fleet) == pytest.approx([2.5 / 4, 1 / 4, 4 / 4, 2.5 / 4, 1 / 2, 2 / 2])


def test_auc_and_average_precision_of_five_meters():
    # From the top: thief, honest, thief and honest at once, honest.
    ranks, is_theft = np.array([5.0, 4.0, 2.5, 2.5, 1.0]), flags("x.x..")
    # Pairs: the first thief before 3 of 3; the second before 1 and level with 1 of 3.
    assert measures.roc_auc(is_theft, ranks) == pytest.approx((3 + 1.5) / 6)
    # Recall ½ at precision 1, the other half at precision 2/4.
    assert measures.average_precision(is_theft, ranks) == pytest.approx(0.5 * 1 + 0.5 * 0.5)


def test_without_thieves_there_is_nothing_to_measure():
    assert np.isnan(measures.roc_auc(flags("....."), np.arange(5.0)))
    assert np.isnan(measures.roc_auc(flags("xxxxx"), np.arange(5.0)))
    assert np.isnan(measures.average_precision(flags("....."), np.arange(5.0)))


def test_each_fleet_has_its_visits_and_ties_share_them():
    scores = np.array([9.0, 8.0, 8.0, 1.0, np.nan, np.nan])
    fleet = np.array([0, 0, 0, 0, 1, 1])
    chance = measures.visited(scores, fleet, 0.5)
    assert chance == pytest.approx([1, 0.5, 0.5, 0, 0.5, 0.5])
    assert measures.precision(flags("xx...x"), chance) == pytest.approx((1 + 0.5 + 0.5) / 3)


def test_a_small_fleet_has_one_visit():
    assert measures.visited(np.array([1.0, 2.0, 3.0]), np.zeros(3), 0.01) == pytest.approx([0, 0, 1])


def test_an_attack_is_held_against_all_honest_and_no_other_attack():
    ranks = np.array([5.0, 4.0, 3.0, 2.0, 1.0])
    kind = np.array(["h1", "", "h2", "vacancy", "h2"], dtype=object)
    found = measures.auc_by_attack(kind, flags("x.x.x"), ranks)
    assert found == {"h1": (1, 1.0), "h2": (2, pytest.approx(1 / 4))}


def test_look_alikes_are_counted_among_the_visits():
    kind = np.array(["h1", "vacancy", "vacancy", "", ""], dtype=object)
    found = measures.look_alikes(kind, flags("x...."), np.array([1.0, 1.0, 0.0, 0.0, 0.0]))
    assert found["vacancy"] == measures.LookAlike(2, 0.5, 0.5)
    assert found[""] == measures.LookAlike(2, 0.0, 0.0)


def test_onset_is_judged_where_it_lies_within_the_days_and_was_estimated():
    estimated, true = np.array([10.0, 30.0, np.nan, 4.0, 9.0]), np.array([12, 20, 5, -3, 0])
    assert measures.onset_error_days(estimated, true, flags("xxxx.")) == pytest.approx((2 + 10) / 2)
    assert np.isnan(measures.onset_error_days(estimated, true, flags("..x..")))


def test_errors_of_stolen_energy_add_up_and_their_bias_cancels():
    found = measures.stolen_error(
        np.array([120.0, 80.0, 7.0, np.nan]), np.array([100.0, 100.0, 0.0, 50.0]), flags("xx.x")
    )
    assert found == measures.EnergyError(pytest.approx(0.2), pytest.approx(0.0))


def test_money_is_held_against_the_best_choice_of_as_many_visits():
    recoverable = np.array([10.0, 0.0, 30.0, 0.0, 5.0])
    assert measures.money_share(np.array([5.0, 4.0, 3.0, 2.0, 1.0]), recoverable, ONE_FLEET, 0.4) == pytest.approx(
        10 / 40
    )


def test_weighted_measures_are_scikit_learns():
    rng = np.random.default_rng(3)
    is_theft, ranks = rng.random(200) < 0.2, np.round(rng.random(200), 1)
    weights = rng.integers(0, 3, (4, 200)).astype(float)
    for ours, theirs in (
        (measures.weighed_roc_auc, roc_auc_score),
        (measures.weighed_average_precision, average_precision_score),
    ):
        expected = [theirs(is_theft, ranks, sample_weight=row) for row in weights]
        assert ours(is_theft, ranks)(weights) == pytest.approx(expected)


def test_the_interval_of_a_share_is_as_wide_as_it_should_be():
    is_theft = np.arange(400) < 200
    found = measures.bootstrap(
        measures.weighed_precision(is_theft, np.ones(400)), np.arange(400), value=0.5, repetitions=1000
    )
    # Standard error of a share of a half among 400: 0.025.
    assert found.low == pytest.approx(0.5 - 1.96 * 0.025, abs=0.006)
    assert found.high == pytest.approx(0.5 + 1.96 * 0.025, abs=0.006)


def test_meters_of_one_customer_are_drawn_together():
    is_theft = np.arange(400) < 200
    measure = measures.weighed_precision(is_theft, np.ones(400))
    apart = measures.bootstrap(measure, np.arange(400), value=0.5)
    together = measures.bootstrap(measure, np.arange(400) // 20, value=0.5)
    assert together.high - together.low > 3 * (apart.high - apart.low)


def test_a_guess_is_no_better_than_chance_and_the_interval_says_so():
    rng = np.random.default_rng(4)
    is_theft, scores = rng.random(5_000) < 0.08, rng.random(5_000)
    found = measures.headline(scores, is_theft, np.zeros(5_000, dtype=int), np.arange(5_000), (0.01, 0.05))
    assert found["roc_auc"].low < 0.5 < found["roc_auc"].high
    assert found["roc_auc"].low < found["roc_auc"].value < found["roc_auc"].high
    assert found["precision_0.05"].low < 0.08 < found["precision_0.05"].high


def test_a_narrower_coverage_lies_within_a_wider_one():
    rng = np.random.default_rng(1)
    ranks, is_theft = rng.random(200), rng.random(200) < 0.3
    narrow, wide = (
        measures.bootstrap(measures.weighed_roc_auc(is_theft, ranks), np.arange(200), value=0.5, coverage=coverage)
        for coverage in (0.5, 0.99)
    )
    assert wide.low < narrow.low < narrow.high < wide.high
