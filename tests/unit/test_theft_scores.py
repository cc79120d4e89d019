"""Scores: the order is that of suspicion, probabilities keep to the expected rate, and rows hold all of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from energy_assets.resources.losses_explained import neighbours
from energy_assets.resources.theft import parts_of, purchases_of, transformer_numbers
from ml.evaluation import theft_windows
from ml.theft.evidence import evidence
from ml.theft.explain import WAYS
from ml.theft.purchases import carried_over
from ml.theft.ranker import columns, is_of_days, matrix, tail, taught, theft_scores
from ml.theft.reasons import WAY_WORDS, WORDS, in_words, reasons_of
from ml.theft.scores import SCORED, TOO_FEW_DAYS, UNBOUGHT_SCORE, prior_probability, scores
from ml.theft.table import Purchases, evidence_of, evidence_table, first_day, scores_table
from ml.theft.traits import day_traits
from ml.validation.outages import NO_TRANSFORMER
from tests.unit.test_theft_evidence import DAYS, METERS, ONSET, drawn, fleet, seen

DAY = date(2024, 3, 24)
THIEF = 5


@pytest.fixture(scope="module")
def found():
    true = drawn()
    reported = true.copy()
    reported[ONSET:, THIEF] *= 0.35
    return seen(fleet(true, reported))


def test_the_thief_is_first_with_onset_energy_and_reasons(found) -> None:
    scored = scores(found, expected_rate=0.05)
    assert scored.score.argmax() == THIEF
    assert abs(scored.onset_day[THIEF] - ONSET) <= 2
    assert scored.stolen_low_wh[THIEF] < scored.stolen_wh[THIEF] < scored.stolen_high_wh[THIEF]
    told = reasons_of(found, DAY - timedelta(days=DAYS - 1), ["T1"] * METERS)[THIEF]
    assert [reason["code"] for reason in told[:2]] == ["explains_loss", "level_fell"]
    assert told[1]["change"] == pytest.approx(-65, abs=6)
    assert "T1" in in_words(told, 0)
    assert "pertes de T1" in in_words(told, 1)


def test_a_meter_that_was_silent_for_weeks_is_not_scored(found) -> None:
    found.known_days[8] = 13
    scored = scores(found, expected_rate=0.05)
    found.known_days[8] = 28
    assert scored.status[8] == TOO_FEW_DAYS
    assert np.isnan([scored.score[8], scored.probability[8]]).all()
    assert (np.delete(scored.status, 8) == SCORED).all()


def test_probabilities_keep_the_order_and_the_expected_rate() -> None:
    score = np.array([0.01, 0.9, 0.2, np.nan, 0.05])
    probability = prior_probability(score, 0.1)
    assert np.nanmean(probability) == pytest.approx(0.1)
    assert np.argsort(probability[:3]).tolist() == np.argsort(score[:3]).tolist()
    assert np.isnan(probability[3])
    assert np.isnan(prior_probability(np.full(2, np.nan), 0.1)).all()


def test_use_that_nobody_bought_is_suspicious_whatever_else_is_seen(found) -> None:
    unbought = np.full(METERS, np.nan)
    unbought[9] = 0.8
    with_it, without = scores(found, expected_rate=0.05, unbought_share=unbought), scores(found, expected_rate=0.05)
    assert with_it.score[9] == max(UNBOUGHT_SCORE, without.score[9])
    np.testing.assert_array_equal(np.delete(with_it.score, 9), np.delete(without.score, 9))


def test_a_large_fleet_is_parted_between_transformers_and_never_through_one() -> None:
    transformer = transformer_numbers(np.array([f"T{number // 25:03d}" for number in range(1000)] + [""] * 500))
    assert transformer[-1] == NO_TRANSFORMER
    parts = parts_of(transformer, most_meters=400)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(1500))
    assert all(300 <= len(part) <= 450 for part in parts)
    behind = [set(transformer[part]) - {NO_TRANSFORMER} for part in parts]
    assert sum(map(len, behind)) == 40, "each transformer is in one part"
    placeholder = parts_of(np.zeros(1500, dtype=int), most_meters=400)
    assert {len(part) for part in placeholder} == {375}


def test_losses_are_explained_by_parts_of_whole_feeders_and_a_small_fleet_at_once() -> None:
    feeder_ids = np.array([f"F{number // 4}" for number in range(12)] + ["", ""])
    transformer = np.append(np.repeat(np.arange(14), 25), np.full(50, NO_TRANSFORMER))
    assert [part.tolist() for part in neighbours(transformer, feeder_ids, 400)] == [list(range(400))]
    parts = neighbours(transformer, feeder_ids, 200)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(350)), "all that are behind a transformer, once"
    assert all(100 <= len(part) <= 250 for part in parts)
    behind = [set(feeder_ids[transformer[part]]) - {""} for part in parts]
    assert sum(map(len, behind)) == 3, "each feeder is in one part"


def test_what_a_home_used_before_it_bought_had_been_there_and_what_it_bought_since_may_be() -> None:
    stocked, never, exact, lavish = (np.full(10, 3) for _ in range(4))
    stocked[4] -= 40  # 12 were there before
    exact -= 3
    lavish[[0, 9]] -= 30
    assert carried_over(np.column_stack([stocked, never, exact, lavish])).tolist() == [12 + 40 - 30, 0, 0, 60 - 30]
    assert carried_over(np.zeros((0, 2), dtype=int)).tolist() == [0, 0]


def test_what_is_left_of_earlier_purchases_was_bought(found) -> None:
    used = np.full(METERS, 168_000.0)
    bought, carried = np.zeros((2, METERS))
    carried[1] = 160_000
    carried[2] = np.nan
    table = evidence_table(
        found, DAY, np.arange(METERS).astype(str), np.full(METERS, ""), None, Purchases(used, bought, carried)
    )
    unbought = purchases_of(table, found)[1]
    assert unbought[:3] == pytest.approx([1, 8 / 168, 1])


def test_a_tail_is_the_share_of_the_fleet_that_is_as_far_out() -> None:
    found = tail(np.array([3.0, 1.0, np.nan, 2.0]))
    assert found.tolist() == pytest.approx([-np.log2(1 / 4), -np.log2(3 / 4), 0.0, -np.log2(2 / 4)])


def test_the_shipped_rankers_are_of_this_evidence(found) -> None:
    for with_balance in (True, False):
        seen_by = matrix(found.values, with_balance=with_balance)
        assert seen_by.shape == (METERS, len(columns(with_balance)))
        assert taught(with_balance).with_balance is taught(with_balance, True).with_balance is with_balance
    assert theft_scores(found.values).min() >= 0


def test_a_meter_of_which_only_days_are_known_is_judged_by_the_ranker_of_days(found) -> None:
    true = drawn()
    true[ONSET:, THIEF] *= 0.35
    history = fleet(drawn(), true)
    wh, lost = (values.sum(axis=2, keepdims=True) for values in (history.wh, history.lost_wh))
    read = theft_windows.evidence_of(replace(history, wh=wh, lost_wh=lost))
    daily = read.values
    assert is_of_days(read["zero_share"]).all() and not is_of_days(found["zero_share"]).any()
    by_ranker = taught(True, True).scores(matrix(daily, with_balance=True))
    np.testing.assert_array_equal(theft_scores(daily), by_ranker)
    assert by_ranker.argmax() == THIEF
    assert not np.array_equal(by_ranker, taught(True).scores(matrix(daily, with_balance=True)))
    ids, nothing = np.arange(METERS).astype(str), Purchases.unknown(METERS)
    table = evidence_table(read, DAY, ids, np.array(["T1"] * METERS), DAY, nothing)
    rows = scores_table(scores(read, expected_rate=0.05), [[]] * METERS, table, DAY, np.ones(METERS, dtype=bool))
    assert set(rows["model_version"].to_pylist()) == {"taught-with-balance-of-days"}


def test_evidence_comes_back_from_its_rows(found) -> None:
    ids = np.array([f"M{number:03d}" for number in range(METERS)])
    shift = (DAY - first_day(DAY)).days - (DAYS - 1)
    # Rows count days from the lookback's first, this fleet from its own.
    found.drop_day[:] = np.where(found.drop_day > 0, found.drop_day + shift, 0)
    found.onset_day[:] = np.where(found.onset_day > 0, found.onset_day + shift, 0)
    found.explanation.since[:] = np.where(found.explanation.since > 0, found.explanation.since + shift, 0)
    table = evidence_table(found, DAY, ids, np.array(["T1"] * METERS), DAY, Purchases.unknown(METERS))
    back = evidence_of(table, DAY)
    np.testing.assert_allclose(back.values, found.values, atol=1e-6)
    np.testing.assert_array_equal(back.drop_day, found.drop_day)
    np.testing.assert_array_equal(back.explanation.way, found.explanation.way)
    scored = scores(back, expected_rate=0.05)
    rows = scores_table(
        scored, reasons_of(back, first_day(DAY), ["T1"] * METERS), table, DAY, np.ones(METERS, dtype=bool)
    )
    thief = rows.to_pylist()[THIEF]
    assert thief["meter_id"] == "M005"
    assert abs((thief["onset_date"] - (DAY - timedelta(days=DAYS - 1 - ONSET))).days) <= 2
    assert thief["model_version"] == "taught-with-balance"


def test_what_is_far_below_last_year_is_a_reason_with_its_peers() -> None:
    true = drawn()
    history = fleet(true, true).without_balance()
    traits = np.stack([day_traits(wh, 30) for wh in history.wh])
    told = (traits, history.day_types, history.customer_class, None)
    year_ago = evidence(*told).reported_wh / 0.9
    year_ago[THIEF] *= 2
    known = evidence(*told, year_ago_wh=year_ago)
    reasons = reasons_of(known, DAY, ["T1"] * METERS)
    told_of = {
        meter: reason for meter, of in enumerate(reasons) for reason in of if reason["code"] == "below_last_year"
    }
    assert told_of.keys() == {THIEF}
    assert told_of[THIEF]["change"] == pytest.approx(-55, abs=2)
    assert told_of[THIEF]["peers"] == pytest.approx(-10, abs=1)
    assert f"{told_of[THIEF]['change']} % against the same weeks a year ago" in in_words(reasons[THIEF], 0)
    table = evidence_table(
        known, DAY, np.arange(METERS).astype(str), np.full(METERS, ""), None, Purchases.unknown(METERS)
    )
    assert reasons_of(evidence_of(table, DAY), DAY, ["T1"] * METERS) == reasons


def test_each_way_and_each_reason_has_its_words() -> None:
    assert set(WAY_WORDS) == set(WAYS)
    assert all(english and french and english != french for english, french in WORDS.values())
