"""The code location: everything is assembled here and nowhere else.

Loading it opens no connection and imports neither Great Expectations nor scikit-learn nor chDB.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from energy_assets import home as homes
from energy_assets.assets.anomaly import anomaly_model
from energy_assets.assets.dashboards import dashboards_in_superset
from energy_assets.assets.landing import landing, readable
from energy_assets.assets.raw import RAW_ASSETS
from energy_assets.assets.records import served_records
from energy_assets.assets.reference import reference_tables
from energy_assets.assets.serving import RECONCILE_CHECKS
from energy_assets.assets.theft import theft_model
from energy_assets.automation.alerts import red_days_alert
from energy_assets.automation.data_docs import data_docs_sensor
from energy_assets.automation.edges import COMPUTED_ASSETS, LONGEST_LOOKBACK_DAYS
from energy_assets.automation.freshness import FRESHNESS_CHECKS, FRESHNESS_SENSORS
from energy_assets.automation.jobs import DAILY_JOB, LANDING_JOB
from energy_assets.automation.records import records_sensor
from energy_assets.automation.schedules import morning
from energy_assets.automation.sensors import due_days_sensor, landing_sensor
from energy_assets.checkpoints.checkpoint import checkpoint, gate
from energy_assets.keys import GATED
from energy_assets.resources.dbt import PROJECT_DIR, Dbt
from energy_assets.resources.landing_zone import LandingZone
from energy_assets.resources.models import Models
from energy_assets.resources.serving import Serving
from energy_assets.resources.warehouse import Warehouse


def build_defs(resource_overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """The definitions of the current home; `resource_overrides` replaces resources by name."""
    home = str(current_home())
    resources: dict[str, Any] = {
        "warehouse": Warehouse(home=home, lookback_days=LONGEST_LOOKBACK_DAYS),
        "serving": Serving(home=home),
        "landing_zone": LandingZone(home=home),
        "models": Models(home=home),
        "dbt": Dbt(home=home, project_dir=str(PROJECT_DIR)),
    }
    return dg.Definitions(
        assets=[
            landing,
            reference_tables,
            *RAW_ASSETS,
            anomaly_model,
            theft_model,
            *COMPUTED_ASSETS,
            *(checkpoint(table) for table in GATED),
            served_records,
            dashboards_in_superset,
        ],
        asset_checks=[readable, *(gate(table) for table in GATED), *RECONCILE_CHECKS, *FRESHNESS_CHECKS],
        jobs=[LANDING_JOB, DAILY_JOB],
        sensors=[landing_sensor, due_days_sensor, red_days_alert, data_docs_sensor, records_sensor, *FRESHNESS_SENSORS],
        schedules=[morning],
        resources={**resources, **(resource_overrides or {})},
        executor=dg.in_process_executor,
    )


def current_home() -> Any:
    """The current home's path; without one, where the first would be."""
    try:
        return homes.current().path
    except homes.HomeError:
        return homes.root()


defs = build_defs()
