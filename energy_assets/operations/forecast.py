"""How well the next day's load was foretold, and what is likely too much for whom tomorrow, in a few numbers.

What belongs here: sums over the days that may be read. What does not: the forecast (ml/forecast), printing (cli.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from energy_assets.days import ONE_DAY

if TYPE_CHECKING:
    from energy_assets.resources.warehouse import Warehouse

ACCURACY = """
    select area_kind, count(distinct accuracy.reading_date), avg(abs(error_pct))::float, avg(abs(naive_error_pct))::float
    from marts.mart_forecast_accuracy as accuracy
    join quality.day_states as gate on gate.table_name = 'mart_forecast_accuracy' and gate.reading_date = accuracy.reading_date
    where gate.state in ('green', 'accepted') and method = 'ridge' and error_pct is not null and naive_error_pct is not null
    group by area_kind
"""


@dataclass(frozen=True)
class Accuracy:
    """MAPE in per cent by area and hour, of the model and of the same hour a week before, over so many days."""

    days: int
    model_pct: float
    week_before_pct: float


@dataclass(frozen=True)
class Foretold:
    """`accuracy` is by kind of area, of days that a model foretold; `overload_hours` by transformer, of `next_day`, the longest first."""

    accuracy: Mapping[str, Accuracy]
    next_day: date
    overload_hours: Mapping[str, float]


def foretold(warehouse: Warehouse) -> Foretold | None:
    """None where nothing was ever foretold."""
    from energy_assets.resources.gates import newest_readable_day
    from energy_assets.resources.load_forecasts import likely_overloads

    newest = newest_readable_day(warehouse, "load_forecast")
    if newest is None:
        return None
    return Foretold(
        {kind: Accuracy(*measures) for kind, *measures in warehouse.rows(ACCURACY)},
        newest + ONE_DAY,
        {transformer: hours for transformer, hours, _ in likely_overloads(warehouse, newest)},
    )
