"""Checks of a meter's day against its own past: each finds what is planted, and leaves a clean week alone."""

from __future__ import annotations

import numpy as np
import pytest

from ml.validation import profile_checks as checks
from ml.validation.rules import rules

RULES = rules()
METERS, SLOTS, DAYS = 12, 48, 28
MINUTES = 30


@pytest.fixture
def fleet() -> tuple[np.ndarray, np.ndarray]:
    """A day [meters, slots] and the four weeks before it: an evening peak, a morning one, and noise of one in seven."""
    rng = np.random.default_rng(5)
    hour = np.arange(SLOTS) / 2
    shape = 60 + 300 * np.exp(-((hour - 19.5) ** 2) / 4) + 120 * np.exp(-((hour - 7) ** 2) / 2)
    level = rng.uniform(0.5, 2.0, (METERS, 1))
    every = np.round(level * shape * rng.lognormal(0, 0.15, (DAYS + 1, METERS, SLOTS)))
    return every[-1], every[:-1]


@pytest.fixture
def on() -> np.ndarray:
    return np.zeros((METERS, SLOTS), dtype=bool)


def hits(finding: checks.Finding) -> list[int]:
    return np.flatnonzero(finding.is_hit).tolist()


def test_a_clean_day_is_not_flagged(fleet, on) -> None:
    wh, past = fleet
    found = {
        "spike": checks.spike(wh, past, RULES["spike"]),
        "high_low": checks.high_low(wh, past, RULES["high_low"]),
        "dynamic_comparison": checks.dynamic_comparison(wh, past, RULES["dynamic_comparison"]),
        "zero": checks.zero(wh, past, on, RULES["zero"]),
        "consecutive": checks.consecutive_interval(
            wh, past, on, RULES["consecutive_interval"], interval_minutes=MINUTES
        ),
        "frozen": checks.frozen_value(wh, past, RULES["frozen_value"], interval_minutes=MINUTES),
        "clock": checks.clock_drift(wh, past, RULES["clock_drift"], interval_minutes=MINUTES),
    }
    assert {name: hits(one) for name, one in found.items() if one.is_hit.any()} == {}
    assert all(not np.isnan(one.observed).any() for one in found.values()), "each could be judged"


def test_without_a_past_nothing_is_judged(fleet, on) -> None:
    wh, past = fleet
    few = past[-3:]
    for found in (
        checks.spike(wh * 100, few, RULES["spike"]),
        checks.high_low(wh * 100, few, RULES["high_low"]),
        checks.dynamic_comparison(wh * 100, few, RULES["dynamic_comparison"]),
        checks.zero(wh * 0, few, on, RULES["zero"]),
        checks.consecutive_interval(wh * 0, few, on, RULES["consecutive_interval"], interval_minutes=MINUTES),
        checks.frozen_value(wh * 0 + 5, few, RULES["frozen_value"], interval_minutes=MINUTES),
        checks.clock_drift(np.roll(wh, 6, axis=1), few, RULES["clock_drift"], interval_minutes=MINUTES),
        checks.high_low(wh * 100, past[:0], RULES["high_low"]),
        checks.spike(wh * 100, past[:0], RULES["spike"]),
    ):
        assert not hits(found)
        assert np.isnan(found.observed).all()


def test_a_spike_is_found_where_it_is(fleet) -> None:
    wh, past = fleet
    wh[3, 10:12] = 5 * past[:, 3].max()
    found = checks.spike(wh, past, RULES["spike"])
    assert hits(found) == [3]
    assert (found.first[3], found.last[3], found.count[3]) == (10, 12, 2)
    assert found.observed[3] == pytest.approx(5)


def test_a_day_far_above_or_below_its_usual_energy_is_found(fleet) -> None:
    wh, past = fleet
    wh[1] *= 20
    wh[2] *= 0.01
    wh[3] = 0
    wh[4, :30] = np.nan
    wh[4, 30:] *= 100
    found = checks.high_low(wh, past, RULES["high_low"])
    assert hits(found) == [1, 2], "a day of nothing is the rule zero's"
    assert (found.limit[1], found.limit[2]) == (RULES["high_low"]["high_ratio"], RULES["high_low"]["low_ratio"])
    assert np.isnan(found.observed[4]), "a day with gaps has no total"


def test_a_lasting_change_is_found_beside_how_everybody_changed(fleet) -> None:
    wh, past = fleet
    wh, past = wh * 5, np.concatenate([past[:-6], past[-6:] * 5])
    wh[7] /= 25
    past[-6:, 7] /= 25
    found = checks.dynamic_comparison(wh, past, RULES["dynamic_comparison"])
    assert hits(found) == [7], "a season that takes all along is nobody's change"
    assert found.observed[7] == pytest.approx(1 / 25, rel=0.2)


def test_days_of_zeros_of_a_meter_that_used_to_draw_are_found(fleet, on) -> None:
    wh, past = fleet
    wh[[0, 1, 2]] = 0
    past[-1, [0, 1]] = 0
    past[:, 1] = 0
    assert hits(checks.zero(wh, past, on, RULES["zero"])) == [0], (
        "one day may be a trip; a meter that never drew is empty"
    )
    on[0] = True
    assert not hits(checks.zero(wh, past, on, RULES["zero"])), "without supply there is nothing to draw"


def test_a_run_of_zeros_is_found_unless_it_is_usual_or_supply_was_off(fleet, on) -> None:
    wh, past = fleet
    wh[[0, 1, 2], 20:32] = 0
    past[5, 1, 20:34] = 0
    on[2, 20:32] = True
    found = checks.consecutive_interval(wh, past, on, RULES["consecutive_interval"], interval_minutes=MINUTES)
    assert hits(found) == [0]
    assert (found.first[0], found.last[0], found.observed[0]) == (20, 32, 6)


def test_a_value_that_repeats_itself_is_found(fleet) -> None:
    wh, past = fleet
    wh[6, 5:25] = 77
    wh[8, 5:25] = 0
    found = checks.frozen_value(wh, past, RULES["frozen_value"], interval_minutes=MINUTES)
    assert hits(found) == [6], "zeros are another rule's"
    assert (found.first[6], found.last[6], found.observed[6]) == (5, 25, 10)


def test_a_clock_that_runs_hours_wrong_is_found(fleet) -> None:
    wh, past = fleet
    wh[9] = np.roll(wh[9], 6)
    past[-6:, 9] = np.roll(past[-6:, 9], 6, axis=1)
    past[:, 10] = wh[10] = 100
    found = checks.clock_drift(wh, past, RULES["clock_drift"], interval_minutes=MINUTES)
    assert hits(found) == [9]
    assert np.isnan(found.observed[10]), "a flat profile has no shape"


def test_the_longest_of_several_runs_is_told_the_earliest_of_equals() -> None:
    where = np.array([[1, 0, 1, 1, 0, 1, 1, 0], [0] * 8, [1] * 8], dtype=bool)
    first, last = checks.longest_runs(where)
    assert list(zip(first.tolist(), last.tolist(), strict=True)) == [(2, 4), (0, 0), (0, 8)]
