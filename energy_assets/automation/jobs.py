"""Jobs: landing what arrived, and the day chain from raw to ClickHouse.

What belongs here: selections, and requesting the chain for a range of days. What does not: when they run (sensors, schedules).
"""

from typing import Any, Literal

import dagster as dg
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from energy_assets.assets.dashboards import dashboards_in_superset
from energy_assets.assets.landing import LANDED
from energy_assets.assets.records import served_records
from energy_assets.assets.reference import reference_tables
from energy_assets.automation.freshness import FRESHNESS_CHECKS
from energy_assets.days import DayWindow
from energy_assets.partitions import DAILY
from energy_assets.settings import Settings, settings

POD_TAG = "dagster-k8s/config"
"""By which a run tells Dagster's launcher of Kubernetes what its pod is like; every other launcher leaves it alone."""


def pod_tags(job: Literal["landing", "daily"], known: Settings) -> dict[str, Any]:
    """The tag that gives pods of the job's runs resources of their own. A run is one pod: its assets have none apart."""
    resources = known.run_resources.get(job)
    return {POD_TAG: {"container_config": {"resources": resources}}} if resources else {}


LANDING_SELECTION = dg.AssetSelection.assets(*LANDED, reference_tables)

LANDING_JOB = dg.define_asset_job(
    "landing",
    selection=LANDING_SELECTION,
    tags=pod_tags("landing", settings()),
    description="Read every file that landed and was not read yet, and see to the reference tables: what has no days.",
)

BESIDE_DAYS = dg.AssetSelection.assets(served_records, dashboards_in_superset)
"""They have no days: records are copied whenever anything was recorded (automation/records.py), pages imported by `make dashboards`."""

# Whether yesterday is there is no question about a run's own days: the freshness sensor asks it.
DAILY_SELECTION = (
    dg.AssetSelection.all() - LANDING_SELECTION - BESIDE_DAYS - dg.AssetSelection.checks(*FRESHNESS_CHECKS)
)

DAILY_JOB = dg.define_asset_job(
    "daily",
    selection=DAILY_SELECTION,
    partitions_def=DAILY,
    tags=pod_tags("daily", settings()),
    description="A day, or a range of days, from raw to ClickHouse, through every gate.",
)


DAYS_TAG = "days"
"""What the list of runs shows of a run over days; Dagster's own tags of a range hide behind a click."""


def range_tags(window: DayWindow) -> dict[str, str]:
    """The tags that make one run materialize a range of days."""
    return {
        DAYS_TAG: str(window),
        ASSET_PARTITION_RANGE_START_TAG: window.start.isoformat(),
        ASSET_PARTITION_RANGE_END_TAG: window.last.isoformat(),
    }
