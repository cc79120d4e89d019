"""Copies of what was judged and delivered, for the pages of data quality.

What belongs here: when to copy. What does not: what is copied (resources/served_records.py), command line runs, which copy themselves.

As with Data Docs, one sensor asks what was recorded, not which run ended: so red days and quarantined files show while a range still runs.
"""

import dagster as dg

from energy_assets.assets.records import copied
from energy_assets.resources.served_records import copy, is_current
from energy_assets.resources.serving import Serving
from energy_assets.resources.warehouse import Warehouse


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Copies gates, verdicts, deliveries and quarantine to ClickHouse after any of them changed. It asks for no run.",
)
def records_sensor(warehouse: Warehouse, serving: Serving) -> dg.SensorResult | dg.SkipReason:
    if is_current(warehouse):
        return dg.SkipReason("ClickHouse holds what was recorded")
    return dg.SensorResult(asset_events=copied(copy(warehouse, serving)))
