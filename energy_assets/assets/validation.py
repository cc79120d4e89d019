"""Estimates of gaps, and hits of the rules that need history or relations: both by day, from what staging accepted.

What belongs here: which days are read, and writing both down. What does not: rules and methods (ml/validation), reading the fleet's
day (resources/fleet.py).
"""

import dagster as dg

from energy_assets.assets.daily import daily_asset, declared_columns, write_days
from energy_assets.keys import ESTIMATE_LOOKBACK_DAYS, FEATURES, INTERMEDIATE, checkpoint_key
from energy_assets.partitions import CALENDAR, day_window, lookback
from energy_assets.resources.gates import require_readable
from energy_assets.resources.warehouse import Warehouse
from energy_assets.settings import settings
from ml.validation.rules import rules

ESTIMATED_FROM = ("stg_meters", "stg_transformers", "stg_outages", "stg_transformer_readings")
"""What estimates and hits read of the day itself, beside profiles."""
LOOKED_BACK_ON = ("stg_register_readings", "stg_token_purchases", "int_transformer_balance")
"""What hits read of the lookback, beside profiles."""


@daily_asset(
    dg.AssetKey([INTERMEDIATE, "int_reading_estimates"]),
    deps=[
        dg.AssetDep(checkpoint_key(FEATURES), partition_mapping=lookback(ESTIMATE_LOOKBACK_DAYS)),
        *map(checkpoint_key, ESTIMATED_FROM),
    ],
    kinds={"numpy", "postgres"},
    description="What was estimated for intervals without an accepted reading, and how; never over an outage, never as measured.",
    date_column="reading_date",
    columns=declared_columns("intermediate.int_reading_estimates"),
)
def int_reading_estimates(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult:
    """Rewrite the estimates of each day of the window from measured readings of that day and the four weeks before it."""
    from energy_assets.resources.estimates import estimates_of
    from energy_assets.resources.fleet import fleet_states

    window = day_window(context)
    require_readable(warehouse, [FEATURES, *ESTIMATED_FROM], window)
    states = fleet_states(warehouse, window)
    write_days(context, warehouse, window, lambda day: estimates_of(warehouse, CALENDAR.zone, day, states))
    return dg.MaterializeResult()


@daily_asset(
    dg.AssetKey([INTERMEDIATE, "int_validation_hits"]),
    deps=[
        *(
            dg.AssetDep(checkpoint_key(table), partition_mapping=lookback(ESTIMATE_LOOKBACK_DAYS))
            for table in (FEATURES, *LOOKED_BACK_ON)
        ),
        *map(checkpoint_key, ESTIMATED_FROM),
    ],
    kinds={"numpy", "postgres"},
    description="What the rules that need history or relations hit: suspect readings stay accepted and are told.",
    date_column="reading_date",
    columns=declared_columns("intermediate.int_validation_hits"),
)
def int_validation_hits(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult:
    """Rewrite the hits of each day of the window; a rule whose source brought nothing in the lookback is off, and said to be."""
    from energy_assets.resources.fleet import fleet_states
    from energy_assets.resources.validation_hits import Validation

    window = day_window(context)
    require_readable(warehouse, [FEATURES, *LOOKED_BACK_ON, *ESTIMATED_FROM], window)
    validation = Validation(
        warehouse, CALENDAR.zone, rules(settings().validation_rules), fleet_states(warehouse, window)
    )
    write_days(context, warehouse, window, validation.hits)
    return dg.MaterializeResult(metadata={"rules that were off": ", ".join(validation.off) or "none"})


VALIDATION_ASSETS = [int_reading_estimates, int_validation_hits]
