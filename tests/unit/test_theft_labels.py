"""What inspections teach is used where it has proved better on later visits, and never before it was known."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from ml.model_store import ModelStore, model_bytes
from ml.theft.contest import DROPPED, KEPT, LEAST_LABELS, NOT_BETTER, STAYS, TOO_FEW_LABELS, Decision, decide, match
from ml.theft.evidence import PIECES
from ml.theft.learnt import ALL_COLUMNS, FOLDS, Learnt, Visits, fit, log_odds, seen_by, weights
from ml.theft.lookbacks import LABEL_DAYS
from ml.theft.ranker import UNTAUGHT, columns, matrix

FIRST = date(2023, 1, 2)
WEEKS, EACH = 40, 15
UNTIL = FIRST + timedelta(weeks=WEEKS)
TELLING = 3
"""Column that the score does not listen to."""


def drawn(known: str = "labels", *, weeks: int = WEEKS, first: date = FIRST, seed: int = 1) -> Visits:
    """Campaigns of EACH visits a week, none to the same meter twice. Theft follows what is `known`: to the `labels` through a column that the score
    does not tell of, to the `score`, or to `nobody`."""
    rng = np.random.default_rng(seed)
    count = weeks * EACH
    seen = rng.normal(size=(count, len(ALL_COLUMNS) + 1))
    told = {"labels": 2.5 * seen[:, TELLING], "score": 2.5 * seen[:, -1], "nobody": np.zeros(count)}[known]
    is_theft = rng.random(count) < 1 / (1 + np.exp(-(told + 0.5 * seen[:, -1] * (known == "labels"))))
    day = np.datetime64(first, "D") + np.repeat(7 * np.arange(weeks), EACH).astype("timedelta64[D]")
    meter = np.array([f"M{seed}-{number:05d}" for number in range(count)])
    return Visits(day, meter, is_theft, np.arange(count) % EACH == 0, np.full(count, 5000), seen)


def with_thefts(visits: Visits, count: int) -> Visits:
    """Without as many that found theft, from all of the time, as are more than `count`."""
    thefts = np.flatnonzero(visits.is_theft)
    spared = thefts[np.linspace(0, len(thefts) - 1, len(thefts) - count).astype(int)]
    return visits.of(np.setdiff1d(np.arange(len(visits)), spared))


def together(*parts: Visits) -> Visits:
    return Visits.joined(parts)


@pytest.fixture(scope="module")
def won() -> Decision:
    return decide(drawn(), None, until=UNTIL)


def test_what_labels_know_and_the_score_does_not_is_kept_and_fitted_on_all_visits(won: Decision) -> None:
    assert won.decision == KEPT
    assert won.beside_unsupervised is not None and won.beside_unsupervised.is_won
    assert won.judged_from == FIRST + timedelta(weeks=30), "the last quarter of visits in time judges"
    assert won.beside_unsupervised.theft + won.beside_unsupervised.clean == 10 * EACH
    assert won.ranker is not None
    assert (won.ranker.theft, won.ranker.clean) == (won.theft, won.clean)
    assert won.theft + won.clean == WEEKS * EACH
    assert f"{won.beside_unsupervised.precision:.3f} beside {won.beside_unsupervised.other_precision:.3f}" in won.reason


def test_the_kept_ranker_orders_and_is_sure_of_others_as_often_as_they_steal(won: Decision) -> None:
    others = drawn(weeks=200, seed=2)
    assert won.ranker is not None
    assert match(others, won.ranker.log_odds(others.seen), others.score).gain.value > 0.2
    probability = won.ranker.probability(others.seen)
    for low, high in ((0.0, 0.3), (0.3, 0.7), (0.7, 1.0)):
        of = (probability >= low) & (probability < high)
        assert others.is_theft[of].mean() == pytest.approx(probability[of].mean(), abs=0.08)


@pytest.mark.parametrize("known", ["nobody", "score"])
def test_where_labels_are_noise_or_tell_what_the_score_tells_nothing_is_kept(known: str) -> None:
    decision = decide(drawn(known), None, until=UNTIL)
    assert (decision.decision, decision.ranker) == (NOT_BETTER, None)
    assert decision.beside_unsupervised is not None, "it was tried"
    assert "not better than the unsupervised score" in decision.reason


def test_visits_of_the_fitted_day_and_later_or_of_long_ago_are_never_read(won: Decision) -> None:
    later, before = drawn("nobody", weeks=10, first=UNTIL, seed=3), UNTIL - timedelta(days=LABEL_DAYS)
    ancient = drawn("nobody", weeks=1, first=before - timedelta(days=1), seed=4)
    decision = decide(together(later, drawn(), ancient), None, until=UNTIL)
    assert decision == won
    assert decision.ranker is not None and won.ranker is not None
    assert model_bytes(decision.ranker) == model_bytes(won.ranker)
    with pytest.raises(ValueError, match=f"a visit on {UNTIL} or later"):
        fit(later, until=UNTIL)
    assert decide(together(drawn(), drawn("nobody", weeks=1, first=before, seed=4)), None, until=UNTIL) != won


def test_with_one_label_too_few_nothing_is_tried() -> None:
    visits = drawn()
    spared = with_thefts(visits, LEAST_LABELS - 1)
    decision = decide(spared, None, until=UNTIL)
    assert (decision.decision, decision.theft, decision.beside_unsupervised) == (TOO_FEW_LABELS, 199, None)
    assert "199 visits found theft, 200 needed" in decision.reason
    enough = with_thefts(visits, LEAST_LABELS)
    assert "200 needed" not in decide(enough, None, until=UNTIL).reason
    assert decide(spared, None, until=UNTIL, least_labels=150).beside_unsupervised is not None


def test_a_meter_that_is_visited_again_does_not_teach_what_it_judges() -> None:
    visits = drawn(weeks=20)
    again = replace(visits, day=visits.day + np.timedelta64(20 * 7, "D"))
    decision = decide(together(visits, again), None, until=UNTIL)
    judged = decision.beside_unsupervised
    assert judged is not None
    quarter = visits.of(np.arange(len(visits)) >= len(visits) // 2)
    assert (judged.theft, judged.clean) == (quarter.theft, quarter.clean)
    everyone = together(*(replace(visits, day=visits.day[0] + np.full(len(visits), 7 * turn)) for turn in range(2)))
    assert "needed before and from" in decide(everyone, None, until=UNTIL).reason, "there is nobody else to learn from"


def test_a_champion_stays_until_a_challenger_is_better_on_visits_that_neither_learnt_from(won: Decision) -> None:
    more = together(drawn(), drawn(weeks=30, first=UNTIL, seed=5))
    decision = decide(more, won.ranker, until=UNTIL + timedelta(weeks=30))
    assert (decision.decision, decision.ranker) == (STAYS, None)
    assert decision.beside_champion is not None and decision.judged_from is not None
    assert decision.judged_from > UNTIL, "all judged visits are new to the champion"
    assert "not better than the champion" in decision.reason

    soon = decide(together(drawn(), drawn(weeks=1, first=UNTIL, seed=5)), won.ranker, until=UNTIL + timedelta(weeks=1))
    assert (soon.decision, soon.beside_champion) == (STAYS, None)
    assert "visits since the champion was fitted" in soon.reason


def test_a_champion_of_another_time_is_replaced_by_who_learnt_the_new_one() -> None:
    champion = fit(drawn("score"), until=UNTIL)
    decision = decide(
        together(drawn(), drawn(weeks=60, first=UNTIL, seed=5)), champion, until=UNTIL + timedelta(weeks=60)
    )
    assert decision.decision == KEPT
    assert decision.beside_champion is not None and decision.beside_champion.is_won
    assert "better than the champion" in decision.reason


def test_a_champion_that_is_worse_than_the_score_is_dropped(won: Decision) -> None:
    now = together(drawn(), drawn("score", weeks=60, first=UNTIL, seed=6))
    decision = decide(now, won.ranker, until=UNTIL + timedelta(weeks=60))
    assert (decision.decision, decision.ranker) == (DROPPED, None)
    assert "worse than the unsupervised score" in decision.reason


def test_random_visits_stand_for_whom_nobody_chose_but_for_no_more_than_the_ranked() -> None:
    visits = drawn()
    random, ranked = WEEKS, WEEKS * (EACH - 1)
    assert set(weights(visits)[~visits.is_random]) == {1.0}
    assert weights(visits)[visits.is_random] == pytest.approx(ranked / random)
    assert weights(visits, np.inf)[visits.is_random] == pytest.approx((5000 - ranked) / random)
    small = replace(visits, fleet=np.full(len(visits), ranked + 2 * random))
    assert weights(small)[small.is_random] == pytest.approx(2.0)
    assert set(weights(replace(visits, is_random=np.zeros(len(visits), dtype=bool)))) == {1.0}


def test_the_order_of_rows_teaches_nothing_and_a_ranker_comes_back_from_its_file(won: Decision, tmp_path: Path) -> None:
    visits = drawn()
    shuffled = visits.of(np.random.default_rng(7).permutation(len(visits)))
    assert won.ranker is not None
    assert model_bytes(fit(shuffled, until=UNTIL)) == model_bytes(won.ranker)
    store = ModelStore(tmp_path)
    back = store.load("theft-2023-10-09", store.publish(won.ranker, "theft-2023-10-09"), Learnt)
    np.testing.assert_array_equal(back.probability(visits.seen), won.ranker.probability(visits.seen))
    with pytest.raises(ValueError, match="does not make \\(none\\)"):
        Learnt.restore(back.estimator, back.metadata() | {"columns": ["none"]})


def test_a_ranker_of_before_there_was_a_piece_of_evidence_scores_on_without_it() -> None:
    visits = drawn()
    earlier = [name for name in ALL_COLUMNS if name.removesuffix("_tail") not in UNTAUGHT]
    assert 0 < len(earlier) < len(ALL_COLUMNS)
    knew = [*map(ALL_COLUMNS.index, earlier), -1]
    fitted = fit(replace(visits, seen=visits.seen[:, knew]), until=UNTIL)
    old = Learnt.restore(fitted.estimator, fitted.metadata() | {"columns": earlier})
    expected = 1 / (
        1
        + np.exp(
            -(
                old.intercept
                + old.boosted_slope * old.estimator.decision_function(visits.seen[:, knew])
                + old.score_slope * visits.score
            )
        )
    )
    np.testing.assert_allclose(old.probability(visits.seen), expected)


def test_fewer_meters_of_one_outcome_than_folds_teach_nothing() -> None:
    visits = drawn()
    few = visits.of(~visits.is_theft | (np.cumsum(visits.is_theft) < FOLDS))
    with pytest.raises(ValueError, match=f"{FOLDS - 1} meters were found stealing"):
        fit(few, until=UNTIL)


def test_a_visited_meter_is_seen_by_its_place_in_the_whole_fleet() -> None:
    values = np.random.default_rng(8).normal(size=(100, len(PIECES)))
    score = np.append(np.linspace(0, 1, 99), np.nan)
    seen = seen_by(values, score)
    assert seen.shape == (100, len(ALL_COLUMNS) + 1)
    np.testing.assert_array_equal(seen[:, -1], log_odds(score))
    shipped = [ALL_COLUMNS.index(name) for name in columns(True)]
    np.testing.assert_array_equal(seen[:, shipped], matrix(values, with_balance=True))
    assert not np.array_equal(seen[:50, 0], seen_by(values[:50], score[:50])[:, 0])
