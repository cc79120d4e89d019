"""How often visits were right, week by week, beside random ones.

What belongs here: reading mart_detection_performance. What does not: how it is counted (dbt_project/models/marts).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from energy_assets.resources.warehouse import Warehouse

WEEKS = """
    select week_date, selection, week_visits, week_thefts, visits, decided, thefts, hit_rate, hit_rate_low, hit_rate_high,
        precision_at_5, precision_at_10, precision_at_20, lift, lift_low, lift_high, recovered_kwh_per_visit, net_value_per_visit, currency,
        judged, judged_thefts, expected_thefts, brier_score
    from (
        select *, dense_rank() over (order by week_date desc) as age
        from marts.mart_detection_performance
        where week_date in (
            select reading_date from quality.day_states
            where table_name = 'mart_detection_performance' and state in ('green', 'accepted') and row_count > 0
        )
    ) as weeks
    where age <= %s
    order by week_date, array_position(array['ranked', 'random', 'other', 'all'], selection)
"""


@dataclass(frozen=True)
class Week:
    """Visits of one way of choosing: `week_*` of the week to the Sunday `week_date`, all else of the 26 weeks to it."""

    week_date: date
    selection: str
    week_visits: int
    week_thefts: int
    visits: int
    decided: int
    thefts: int
    hit_rate: Decimal | None
    hit_rate_low: Decimal | None
    hit_rate_high: Decimal | None
    precision_at_5: Decimal | None
    precision_at_10: Decimal | None
    precision_at_20: Decimal | None
    lift: Decimal | None
    lift_low: Decimal | None
    lift_high: Decimal | None
    recovered_kwh_per_visit: Decimal
    net_value_per_visit: Decimal | None
    currency: str | None
    judged: int
    judged_thefts: int | None
    expected_thefts: Decimal | None
    brier_score: Decimal | None


def weeks(warehouse: Warehouse, most: int) -> list[Week]:
    """The newest `most` weeks that had visits in their 26 weeks, the oldest first."""
    return [Week(*row) for row in warehouse.rows(WEEKS, (most,))]
