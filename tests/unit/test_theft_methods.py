"""Our detection as a method: every window is looked at, blocks see what the whole fleet sees, and short daily histories are enough."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from ml.evaluation.methods import METHODS, SUPERVISED, verdict
from ml.evaluation.theft_features import year_on_year
from ml.evaluation.theft_methods import highest, taught_ranker, without_the_balance
from ml.evaluation.theft_windows import blockwise, evidence_of, window_days, windows
from ml.evaluation.verdicts import Verdict
from ml.theft.evidence import Evidence
from ml.theft.explain import Explanation
from ml.theft.history import FleetHistory
from tests.unit.test_theft_baselines import METERS, THIEF, fleet

OURS = ["theft evidence, taught ranker", "theft evidence, without the balance", "Isolation Forest over the evidence"]


def test_windows_end_every_56_days_back_and_the_earliest_begins_with_the_first_day() -> None:
    assert window_days(26) == [(0, 26)]
    assert window_days(112) == [(0, 112)]
    assert window_days(113) == [(1, 113), (0, 112)]
    assert window_days(300) == [(188, 300), (132, 244), (76, 188), (20, 132), (0, 112)]


def test_who_stole_only_in_the_first_of_two_years_is_found_by_the_window_that_saw_it() -> None:
    history = stopped(since=200, until=330)
    last = windows(history)[0].evidence
    found = taught_ranker(history)
    of_last = taught_ranker(history.last(112))
    assert last.values.shape == (METERS, last.values.shape[1]) and len(windows(history)) == 13
    assert of_last.scores.argmax() != THIEF
    assert found.scores.argmax() == THIEF
    assert abs(found.onset[THIEF] - 200) <= 2, "counted from the history's first day"
    assert found.stolen_wh[THIEF] > 0


def test_of_several_verdicts_the_highest_score_counts_with_all_that_it_says() -> None:
    nothing = np.array([np.nan, 0.2, np.nan])
    first = Verdict(nothing, onset=np.array([1.0, 2.0, 3.0]))
    second = Verdict(np.array([0.1, 0.1, np.nan]), onset=np.array([4.0, 5.0, 6.0]))
    found = highest([first, second])
    np.testing.assert_array_equal(found.scores, [0.1, 0.2, np.nan])
    np.testing.assert_array_equal(found.onset, [4.0, 2.0, 3.0])
    assert found.value is None


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("has_balance", [True, False])
def test_26_days_of_daily_readings_are_enough(name: str, has_balance: bool) -> None:
    history = fleet(26, 1, kept=0.2)
    said = verdict(METHODS[name], history if has_balance else history.without_balance())
    assert not np.isnan(said.scores).any()
    assert THIEF in np.argsort(-said.scores)[:3]


@pytest.mark.parametrize("has_balance", [True, False])
def test_blocks_that_are_each_like_the_fleet_equal_the_whole(has_balance: bool) -> None:
    history = twice(fleet(56, 24))
    history = history if has_balance else history.without_balance()
    whole, found = evidence_of(history), blockwise(history, most_meters=METERS)
    assert_same(whole, found, Evidence)
    if has_balance:
        assert_same(whole.explanation, found.explanation, Explanation)
        assert not np.isnan(found.explanation.unexplained_wh).any()


def test_blocks_of_another_fleet_tell_nearly_the_same() -> None:
    """Medians of a part are not those of the whole: no more than that may differ."""
    history = fleet(84, 1).without_balance()
    whole, found = evidence_of(history), blockwise(history, most_meters=METERS // 2)
    assert np.corrcoef(whole["drop_t"], found["drop_t"])[0, 1] > 0.99
    np.testing.assert_array_equal(whole.known_days, found.known_days)


def test_evidence_is_gathered_once_for_a_history_and_forgotten_with_it() -> None:
    history = fleet(28, 1)
    assert windows(history) is windows(history)
    assert windows(replace(history)) is not windows(history)


def test_without_the_balance_nothing_of_losses_is_read() -> None:
    history = fleet(84, 24)
    absurd = replace(history, lost_wh=history.lost_wh + 1e6)
    np.testing.assert_array_equal(without_the_balance(history).scores, without_the_balance(absurd).scores)


@pytest.mark.parametrize(("days", "has_years"), [(26, False), (112, False), (420, True)])
def test_features_are_named_and_know_what_is_of_missingness(days: int, has_years: bool) -> None:
    found = SUPERVISED["gradient boosting on theft evidence"](fleet(days, 1).without_balance())
    assert found.values.shape == (METERS, len(found.names)) and len(set(found.names)) == len(found.names)
    assert ("year_ratio" in found.names) is has_years
    assert ("drop_tail_most" in found.names) is (days > 112)
    assert ("missing_share" in found.names) is (days > 112)
    kept = found.without_missingness()
    assert not {"known_days", "missing_share", "gaps"} & set(kept.names) and "drop_tail" in kept.names


def test_a_level_that_halved_since_last_year_is_log_half() -> None:
    wh = np.full((420, 12), 10_000.0)
    wh[-28:, 2] = 4_900.0
    found = year_on_year(wh)
    assert found["year_ratio"] == pytest.approx([0, 0, np.log(5_100 / 10_200), *[0] * 9])
    assert found["year_ratio_least"][2] == found["year_ratio"][2]
    assert found["year_ratio_mean"][2] == pytest.approx(found["year_ratio"][2] / 2)


def stopped(since: int, until: int) -> FleetHistory:
    """Two years of daily readings of which THIEF reports a fifth for a while."""
    history = fleet(730, 1, kept=1.0).without_balance()
    wh = history.wh.copy()
    wh[since:until, THIEF] *= 0.2
    return replace(history, wh=wh)


def twice(history: FleetHistory) -> FleetHistory:
    """Every transformer with its meters a second time, so that each second one is a whole fleet."""
    meters = np.repeat(np.arange(history.meters), 2)
    transformers = history.lost_wh.shape[1]
    return replace(
        history,
        wh=history.wh[:, meters],
        customer_class=history.customer_class[meters],
        transformer=2 * history.transformer[meters] + np.arange(len(meters)) % 2,
        lost_wh=history.lost_wh[:, np.repeat(np.arange(transformers), 2)],
    )


def assert_same(one: object, other: object, kind: type) -> None:
    for field in fields(kind):
        values = getattr(one, field.name)
        if isinstance(values, np.ndarray):
            np.testing.assert_allclose(values, getattr(other, field.name), err_msg=field.name, rtol=1e-9, atol=1e-12)
