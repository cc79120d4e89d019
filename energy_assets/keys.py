"""Asset keys, groups, owners and kinds: where a table lives is what its asset is called.

What belongs here: names. What does not: assets.
"""

from __future__ import annotations

import dagster as dg

REFERENCE = "reference"
RAW = "raw_data"
STAGING = "staging"
INTERMEDIATE = "intermediate"
ML = "ml"
MARTS = "marts"
QUALITY = "quality"
SERVING = "energy_analytics"
DASHBOARDS = "dashboards"

OWNERS = ["team:data"]

FEATURES = "int_consumption_features"
WEATHER = "stg_weather_observations"
"""What scores are made of."""
LOADS = ("stg_transformer_readings", "stg_outages", WEATHER)
REGISTERS = ("stg_transformers", "stg_meters")
"""What load forecasts are made of: days of the lookback, and the registers of the origin alone."""
TRAITS = "int_day_traits"
EXPLAINED_FROM = ("stg_meters", "int_transformer_balance")
"""What losses are explained by, beside profiles and traits."""

ESTIMATE_LOOKBACK_DAYS = 28
"""Four whole weeks: as many proxy days of each weekday, and a meter that was silent for longer is no gap any more."""

GATED: dict[str, str] = {
    "meter_readings": RAW,
    "transformer_readings": RAW,
    "register_readings": RAW,
    "weather_observations": RAW,
    "outages": RAW,
    "token_purchases": RAW,
    "reading_annotations": RAW,
    "stg_meters": STAGING,
    "stg_transformers": STAGING,
    "stg_outages": STAGING,
    "stg_meter_readings": STAGING,
    "stg_transformer_readings": STAGING,
    "stg_register_readings": STAGING,
    "stg_weather_observations": STAGING,
    "stg_token_purchases": STAGING,
    "stg_inspections": STAGING,
    "stg_case_events": STAGING,
    "stg_reading_annotations": STAGING,
    "int_consumption_features": INTERMEDIATE,
    "int_reading_estimates": INTERMEDIATE,
    "int_readings_hourly": INTERMEDIATE,
    "int_readings_daily": INTERMEDIATE,
    "int_transformer_balance": INTERMEDIATE,
    "int_validation_hits": INTERMEDIATE,
    "int_day_traits": INTERMEDIATE,
    "anomaly_scores": ML,
    "load_forecast": ML,
    "loss_explanations": ML,
    "theft_evidence": ML,
    "theft_scores": ML,
    "mart_consumption_metrics": MARTS,
    "mart_anomaly_flags": MARTS,
    "mart_load_profile": MARTS,
    "mart_data_quality": MARTS,
    "mart_transformer_losses": MARTS,
    "mart_forecast_accuracy": MARTS,
    "mart_theft_cases": MARTS,
    "mart_detection_performance": MARTS,
}
"""Every day-partitioned table that a checkpoint judges, and its schema, in the order in which data flows."""

VIEWS: dict[str, str] = {"int_readings_monthly": INTERMEDIATE, "mart_area_losses": MARTS}
"""Views over a gated table's days, which show those alone whose gate is open; they have no gate of their own."""


def table_key(table: str) -> dg.AssetKey:
    return dg.AssetKey([GATED[table], table])


def checkpoint_key(table: str) -> dg.AssetKey:
    return dg.AssetKey([QUALITY, f"{table}_checkpoint"])


def is_gated(key: dg.AssetKey) -> bool:
    return len(key.path) == 2 and GATED.get(key.path[1]) == key.path[0]
