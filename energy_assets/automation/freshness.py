"""Freshness of a live home: by nine in the morning every table holds yesterday. A historical home has none.

What belongs here: which tables, and until when. What does not: what is owed (resources/due.py), whether a day is right (checkpoints/).

Dagster's `FreshnessPolicy` takes an asset for fresh when any of its days was written lately: a corrected delivery of last month
would hide that yesterday is missing. `build_time_partition_freshness_checks` asks for yesterday's own partition. It is called
superseded by those policies, but has no successor that knows partitions, and no date of removal.
"""

import warnings
from collections.abc import Sequence
from datetime import datetime, timedelta

import dagster as dg

from energy_assets.assets.anomaly import anomaly_model
from energy_assets.assets.raw import RAW_ASSETS
from energy_assets.assets.theft import theft_model
from energy_assets.automation.edges import COMPUTED_ASSETS
from energy_assets.home import Calendar
from energy_assets.partitions import CALENDAR

warnings.filterwarnings("ignore", category=dg.SupersessionWarning)

DEADLINE = "0 9 * * *"
"""Three hours after the morning run starts."""

TABLES = sorted({key for asset in [*RAW_ASSETS, *COMPUTED_ASSETS, anomaly_model, theft_model] for key in asset.keys})


def freshness_checks(calendar: Calendar) -> Sequence[dg.AssetChecksDefinition]:
    """A check on each table: yesterday's day was written by the deadline. None in a historical home.

    Nor in one whose first deadline is still to come, where Dagster's check finds no day to ask for and fails.
    """
    today = datetime.now(calendar.zone).date()
    if calendar.is_historical or calendar.first_day >= today - timedelta(days=1):
        return []
    return dg.build_time_partition_freshness_checks(
        assets=TABLES, deadline_cron=DEADLINE, timezone=calendar.timezone, severity=dg.AssetCheckSeverity.WARN
    )


def freshness_sensors(checks: Sequence[dg.AssetChecksDefinition]) -> list[dg.SensorDefinition]:
    """What asks for the checks: once after each deadline, and for those that failed when their table was written since."""
    if not checks:
        return []
    return [
        dg.build_sensor_for_freshness_checks(
            freshness_checks=checks,
            minimum_interval_seconds=300,
            default_status=dg.DefaultSensorStatus.RUNNING,
        )
    ]


FRESHNESS_CHECKS = freshness_checks(CALENDAR)
FRESHNESS_SENSORS = freshness_sensors(FRESHNESS_CHECKS)
