"""Day-ahead forecasts as a table: loads through the origin in, the next day's intervals of transformers and feeders out.

What belongs here: what a feeder is made of, a transformer's capacity, and how both become rows. What does not: how a load is
forecast (ml/forecast), where loads come from (loads.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from energy_assets.day_types import day_types
from energy_assets.days import ONE_DAY
from energy_assets.resources.loads import Areas, clock_slots, slot_starts
from ml.forecast.day_ahead import NINETY_PERCENT, DayAhead, LoadHistory, combined, day_ahead, overload_probability
from ml.validation.estimation import whole

if TYPE_CHECKING:
    from energy_assets.resources.loads import LoadDays
    from energy_assets.resources.warehouse import Warehouse
    from energy_assets.settings import Settings

SCHEMA = pa.schema(
    [
        ("forecast_date", pa.date32()),
        ("area_kind", pa.string()),
        ("area_id", pa.string()),
        ("starts_at", pa.timestamp("us", tz="UTC")),
        ("interval_minutes", pa.int16()),
        ("feeder_id", pa.string()),
        ("forecast_wh", pa.int64()),
        ("naive_wh", pa.int64()),
        ("low_wh", pa.int64()),
        ("high_wh", pa.int64()),
        ("capacity_wh", pa.int64()),
        ("overload_probability", pa.float64()),
        ("method", pa.string()),
    ]
)
DECIMALS = 4
TRANSFORMER, FEEDER = "transformer", "feeder"

MOST_SHOWN = 5
LIKELY_OVERLOADS = """
    select area_id, round(sum(interval_minutes) filter (where overload_probability >= 0.5) / 60.0, 2)::double precision,
        max(overload_probability)
    from ml.load_forecast where forecast_date = %s and area_kind = 'transformer'
    group by area_id having max(overload_probability) >= 0.5 order by 2 desc, 3 desc, 1 limit %s
"""


@dataclass(frozen=True, eq=False)
class _Forecast:
    """The next day of areas of one kind and interval length; `feeder_ids` and `capacity_wh` are [areas], as in Areas."""

    kind: str
    interval_minutes: int
    area_ids: np.ndarray
    feeder_ids: np.ndarray
    capacity_wh: np.ndarray
    ahead: DayAhead


def forecast_of(loads: LoadDays, zone: ZoneInfo, origin: date, known: Settings) -> pa.Table:
    """The forecast of the day after `origin`, as SCHEMA; no rows where no transformer was read lately."""
    transformers = [_transformers(areas, origin, known) for areas in loads.areas(origin)]
    tables = (_rows(forecast, zone, origin) for forecast in [*transformers, *_feeders(transformers)])
    return pa.concat_tables([SCHEMA.empty_table(), *tables])


def _transformers(areas: Areas, origin: date, known: Settings) -> _Forecast:
    days = [origin - timedelta(days=back) for back in range(len(areas.wh) - 1, -1, -1)]
    types = np.array(day_types([*days, origin + ONE_DAY], known.holidays))
    ahead = day_ahead(LoadHistory(areas.wh, types, areas.temperature_c))
    capacity = areas.rating_kva * known.power_factor * 1000 * areas.interval_minutes / 60
    return _Forecast(TRANSFORMER, areas.interval_minutes, areas.transformer_ids, areas.feeder_ids, capacity, ahead)


def _feeders(transformers: list[_Forecast]) -> Iterator[_Forecast]:
    """Each feeder as the sum of its transformers, at the longest of their intervals."""
    if not transformers:
        return
    names = np.unique(np.concatenate([forecast.feeder_ids for forecast in transformers]))
    for name in names[names != ""]:
        parts = [forecast for forecast in transformers if (forecast.feeder_ids == name).any()]
        minutes = max(forecast.interval_minutes for forecast in parts)
        ahead = combined(
            part.ahead.of(part.feeder_ids == name).coarser(minutes // part.interval_minutes) for part in parts
        )
        yield _Forecast(FEEDER, minutes, np.array([name]), np.array([""]), np.array([np.nan]), ahead)


def _rows(forecast: _Forecast, zone: ZoneInfo, origin: date) -> pa.Table:
    """Intervals of the day after `origin` of which something is expected."""
    day, minutes, ahead = origin + ONE_DAY, forecast.interval_minutes, forecast.ahead
    slot_of = clock_slots(day, minutes, zone)
    wh, naive, deviation = (values[:, slot_of] for values in (ahead.wh, ahead.naive_wh, ahead.deviation_wh))
    area, slot = np.nonzero(~np.isnan(wh) & ~np.isnan(naive))
    wh, naive, deviation, capacity = (
        wh[area, slot],
        naive[area, slot],
        deviation[area, slot],
        forecast.capacity_wh[area],
    )
    columns = [
        pa.repeat(pa.scalar(origin, pa.date32()), len(area)),
        pa.repeat(forecast.kind, len(area)),
        pa.array(forecast.area_ids[area]),
        pa.array(slot_starts(day, minutes, zone)[slot].astype("datetime64[us]")),
        pa.repeat(minutes, len(area)),
        pa.array(forecast.feeder_ids[area], mask=forecast.feeder_ids[area] == ""),
        *(
            _whole(values)
            for values in (
                wh,
                naive,
                np.maximum(wh - NINETY_PERCENT * deviation, 0),
                wh + NINETY_PERCENT * deviation,
                capacity,
            )
        ),
        _nullable(np.round(overload_probability(wh, deviation, capacity), DECIMALS)),
        pa.repeat(ahead.method, len(area)),
    ]
    return pa.table(columns, names=SCHEMA.names).cast(SCHEMA)


def _whole(values: np.ndarray) -> pa.Array:
    """Whole Wh, null where not known."""
    return _nullable(whole(values)).cast(pa.int64())


def _nullable(values: np.ndarray) -> pa.Array:
    return pa.array(values, mask=np.isnan(values))


def likely_overloads(warehouse: Warehouse, origin: date) -> list[tuple[str, float, float]]:
    """Transformers likely to be overloaded on the day after `origin`: hours at even odds or worse, and the worst odds."""
    return warehouse.rows(LIKELY_OVERLOADS, (origin, MOST_SHOWN))
