"""Parts of the daily chain that a test runs where the rest would only cost time.

What belongs here: asset keys by table names. What does not: running them.
"""

from __future__ import annotations

import dagster as dg

from energy_assets.keys import ML, checkpoint_key, table_key

STAGING = ("meter_readings", "stg_transformers", "stg_meters", "stg_meter_readings")
FEATURES = (*STAGING, "int_consumption_features")
INTERMEDIATE = (
    *FEATURES,
    *("outages", "stg_outages", "transformer_readings", "stg_transformer_readings"),
    *("int_readings_hourly", "int_reading_estimates", "int_readings_daily"),
)

BALANCE = (*INTERMEDIATE, "int_transformer_balance")


def with_gates(*tables: str) -> list[dg.AssetKey]:
    """The tables and their checkpoints."""
    return [key for table in tables for key in (table_key(table), checkpoint_key(table))]


def model() -> list[dg.AssetKey]:
    """All that the model of a day needs, and the model."""
    return [*with_gates(*FEATURES), dg.AssetKey([ML, "anomaly_model"])]


def scores() -> list[dg.AssetKey]:
    """All that the scores of a day need, the model among it, and the scores."""
    return [*model(), *with_gates("weather_observations", "stg_weather_observations", "anomaly_scores")]
