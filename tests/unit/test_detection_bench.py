"""The detection bench gives methods the last days alone, cuts the truth alike, and counts who it says it counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.detection import last_days, pooled, score, tables
from benchmarks.theft_fleets import KnownFleet, city


@pytest.fixture(scope="module")
def known() -> KnownFleet:
    """A small city with 12 thieves, all made to have begun on day 10 of 42 and to steal until the last day."""
    fleet = city(1, 0.2, meters=60, days=42)
    kind = np.array(["h1"] * 8 + ["h5"] * 2 + ["hook"] * 2 + ["vacancy"] * 6 + ["honest"] * 42, dtype=object)
    is_theft = np.isin(kind, ["h1", "h5", "hook"])
    stolen = np.where(is_theft, np.arange(42.0)[:, None] * (kind != "h5"), 0.0)
    return replace(fleet, kind=kind, is_theft=is_theft, is_judged=kind != "", onset=np.full(60, 10), stolen_wh=stolen)


def test_days_before_the_lookback_are_gone_and_the_truth_is_counted_from_its_first(known: KnownFleet) -> None:
    cut = last_days(known, 30)
    assert np.array_equal(cut.history.wh, known.history.wh[12:], equal_nan=True)
    assert (cut.onset == -2).all() and np.array_equal(cut.stolen_wh, known.stolen_wh[12:])
    assert last_days(known, 100).onset is not known.onset and (last_days(known, 100).onset == 10).all()


def test_what_goes_back_to_be_judged_holds_scores_of_all_meters_and_no_readings(known: KnownFleet) -> None:
    scored = score(last_days(known), ("level drop against peers",))
    assert scored.said["level drop against peers"].scores.shape == (60,)
    assert scored.known.history.days == 1 and scored.known.history.lost_wh is None


def test_tables_count_thieves_attacks_and_look_alikes(known: KnownFleet) -> None:
    second = replace(known, name="again", customer=known.customer + 1000)
    found = pooled("small", [known, second], ("level drop against peers", "non-negative least squares"))
    lines = tables([found])
    assert "| small | 2 | 120 | 24 | 4 | 4 | 12 |" in lines
    assert [line.split(" | ")[1:3] for line in lines if line.startswith("| small | h")][:2] == [
        ["h1", "16"],
        ["h5", "4"],
    ]
    assert any(line.startswith("| small | vacancy | 12 |") for line in lines)
    headline = next(line for line in lines if line.startswith("| small | non-negative least squares | 0."))
    assert headline.count("%") >= 9 and "– |" in headline, "no onset, but energy and money"
