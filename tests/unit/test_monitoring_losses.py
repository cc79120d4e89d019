"""Losses as metrics: few series whatever the utility's size, and a usual loss only where there are days to tell it by."""

from __future__ import annotations

import pytest

from energy_assets.monitoring.losses import UTILITY, folded, ratios
from energy_assets.monitoring.metrics import LOSS_RATIO, MOST_FEEDERS, USUAL_RATIO, Sample


def test_a_utility_of_many_feeders_keeps_the_largest_and_loses_no_energy() -> None:
    feeders = {f"F{number}": (float(number), 0.1, 0.2) for number in range(1, MOST_FEEDERS + 4)}

    told = folded(feeders)

    assert len(told) == MOST_FEEDERS + 1
    assert told["other"] == pytest.approx((1 + 2 + 3, 0.3, 0.6)), "the three that carry least"
    assert sum(energy_in for energy_in, *_ in told.values()) == sum(energy_in for energy_in, *_ in feeders.values())


def test_few_feeders_are_told_as_they_are() -> None:
    assert folded({"F1": (5.0, 0.1, 0.2)}) == {"F1": (5.0, 0.1, 0.2)}


def test_the_usual_loss_is_the_median_of_the_days_before_and_needs_three() -> None:
    before = [(100.0, 2.0, lost) for lost in (10.0, 90.0, 12.0)]

    assert list(ratios(UTILITY, (200.0, 4.0, 50.0), before)) == [
        Sample(LOSS_RATIO, 0.25, UTILITY),
        Sample(USUAL_RATIO, 0.12, UTILITY),
    ]
    assert [sample.metric for sample in ratios(UTILITY, (200.0, 4.0, 50.0), before[:2])] == [LOSS_RATIO]


def test_an_area_without_energy_has_no_share() -> None:
    assert list(ratios(UTILITY, (0.0, 0.0, 0.0), [(0.0, 0.0, 0.0)] * 5)) == []
