"""Load forecast: each day says what the next one's load will be, from that day and the six weeks before it.

What belongs here: which days are read, and writing the forecast down. What does not: the forecast (ml/forecast), loads
(resources/loads.py), how well it did (mart_forecast_accuracy).
"""

import dagster as dg

from energy_assets.assets.daily import daily_asset, declared_columns, write_days
from energy_assets.keys import LOADS, ML, REGISTERS, checkpoint_key
from energy_assets.partitions import CALENDAR, day_window, lookback
from energy_assets.resources.gates import require_readable
from energy_assets.resources.warehouse import Warehouse
from energy_assets.settings import settings
from ml.forecast import LOOKBACK_DAYS


@daily_asset(
    dg.AssetKey([ML, "load_forecast"]),
    deps=[
        *(dg.AssetDep(checkpoint_key(table), partition_mapping=lookback(LOOKBACK_DAYS)) for table in LOADS),
        *map(checkpoint_key, REGISTERS),
    ],
    kinds={"scikitlearn", "postgres"},
    description="The next day's load of each transformer and feeder, beside that of a week before, and how likely it is too much.",
    date_column="forecast_date",
    columns=declared_columns("ml.load_forecast"),
)
def load_forecast(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult:
    """Rewrite the forecasts whose origins are the days of the window."""
    from energy_assets.resources.load_forecasts import forecast_of, likely_overloads
    from energy_assets.resources.loads import LoadDays

    window = day_window(context)
    require_readable(warehouse, [*LOADS, *REGISTERS], window)
    loads = LoadDays(warehouse, CALENDAR.zone)
    write_days(context, warehouse, window, lambda day: forecast_of(loads, CALENDAR.zone, day, settings()))
    records = [
        dg.TableRecord({"transformer": of, "likely_overload_hours": hours, "highest_probability": highest})
        for of, hours, highest in likely_overloads(warehouse, window.last)
    ]
    return dg.MaterializeResult(metadata={"likely overloads": dg.MetadataValue.table(records)} if records else {})
