"""What must stay is what somebody reads back, and only days past their period go."""

from __future__ import annotations

from datetime import date, timedelta

from energy_assets.operations.keeping.retention import Kept, Need, needs
from energy_assets.resources.due import Edge
from energy_assets.resources.retention import HeldDay

NEWEST = date(2024, 3, 31)


def test_a_table_stays_for_its_farthest_reader_and_what_late_data_restate() -> None:
    edges = [Edge("profiles", "daily", 28), Edge("profiles", "scores", 7), Edge("daily", "losses", 0)]
    found = needs(edges, [("profiles", Need(70, "model"))], restatement_days=35)
    assert found == {"profiles": Need(106, "model"), "daily": Need(36, "losses")}


def held(period: int | None) -> Kept:
    days = [HeldDay("readings", NEWEST - timedelta(days=number), 1000, is_partition=True) for number in range(60)]
    return Kept("readings", days, Need(36, "staging"), period, NEWEST)


def test_without_a_period_nothing_goes() -> None:
    assert held(None).going == []


def test_a_period_keeps_so_many_days_through_the_newest() -> None:
    kept = held(40)
    assert len(kept.going) == 20
    assert max(of.day for of in kept.going) == NEWEST - timedelta(days=40)
    assert kept.not_needed == 24 * 1000
    assert kept.bytes_a_day == 1000
