"""Declarations of all metrics: name, help, labels. The table of docs/monitoring.md is written from here.

What belongs here: what a number is called and means. What does not: asking for it (the modules of each subject).

Names follow Prometheus' conventions: a unit at the end, `_total` for what only grows, instants as `_timestamp_seconds`. Energy is in kWh, as
everywhere in this project.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PREFIX = "energy_assets_"
GATE_DAYS = 7
"""Days whose gates are counted."""
SEEN_DAYS = 35
"""Days that a scrape looks back at most, as far as scores are restated."""
USUAL_DAYS = 14
"""Days before the newest whose median loss is the usual one."""
MOST_FEEDERS = 100
"""Feeders that have series of their own: those that carry most."""


@dataclass(frozen=True)
class Metric:
    """A metric without its prefix. A counter's name ends with `_total`."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    kind: Literal["gauge", "counter"] = "gauge"

    @property
    def full_name(self) -> str:
        return PREFIX + self.name


@dataclass(frozen=True)
class Sample:
    """A number of a metric, with a value for each of its labels."""

    metric: Metric
    value: float
    labels: tuple[str, ...] = ()


# The exporter
UP = Metric("up", "Whether the store answered this scrape: 1 or 0.", ("store",))
ERRORS = Metric(
    "scrape_errors_total",
    "Times that a part of the metrics could not be asked for since the exporter started; its series are then absent, never old.",
    ("part",),
    "counter",
)
DURATION = Metric("scrape_duration_seconds", "How long the part took when it was asked last.", ("part",))
AGE = Metric(
    "scrape_age_seconds",
    "How long ago the part was asked: what takes long is asked less often, so that asking never takes more than a twentieth of the time.",
    ("part",),
)

# The home
HOME = Metric("home_info", "1, with the home's name and time zone.", ("home", "timezone"))
HISTORICAL = Metric("home_historical", "Whether the home's days have ended (last_day in energy.toml): 1 or 0.")

# Runs
RUNS_ENDED = Metric(
    "runs_ended", "Runs that ended within the last 24 hours, by how: success, failure or canceled.", ("status",)
)
RUNS_ACTIVE = Metric("runs_active", "Runs that are queued or in progress now.", ("status",))
RUN_DURATION = Metric("run_duration_seconds", "How long the job's newest ended run took.", ("job_name",))
RUN_END = Metric("run_end_timestamp_seconds", "When the job's newest ended run ended.", ("job_name",))
RUN_FAILURES = Metric(
    "run_failures_in_a_row",
    "Runs of the job that failed since its newest success; a red day makes its run fail too.",
    ("job_name",),
)
HEARTBEAT = Metric(
    "daemon_heartbeat_timestamp_seconds",
    "When Dagster's daemon, which runs sensors and schedules, was heard last; absent where it never ran.",
)

# Days
ROWS = Metric("table_day_rows", "Rows of the table's newest written day.", ("layer", "table"))
GATES = Metric(
    "gate_days",
    f"Of the newest {GATE_DAYS} days that should be there, those on which the table's gate is green, overridden (accepted by a person), red, "
    "unjudged, or missing (never written).",
    ("layer", "table", "state"),
)
RED_DAY = Metric(
    "red_day_timestamp_seconds",
    f"Start of the newest of these {GATE_DAYS} days on which the table's gate is red; absent where none is.",
    ("layer", "table"),
)
GREEN_DAY = Metric(
    "green_day_timestamp_seconds",
    f"Start of the newest day on which every gate of the layer is open (energy_analytics: every copy is up to date); absent beyond {SEEN_DAYS} days.",
    ("layer",),
)
GREEN_LAG = Metric(
    "green_day_lag_days",
    "Days from that day (or from before the home's first) to the one that should be there: yesterday, from 09:00 local time on; in a "
    f"historical home its last day. {SEEN_DAYS} stands for {SEEN_DAYS} and more.",
    ("layer",),
)
OWED = Metric(
    "days_owed", "Days that the graph owes: touched by a landing, turned green, accepted, or behind such a day."
)
OWED_SINCE = Metric("days_owed_oldest_timestamp_seconds", "Start of the oldest day that is owed; absent where none is.")

# Deliveries
WAITING = Metric("landing_files_waiting", "Files of the landing zone that were not read yet and have come to rest.")
WAITING_SINCE = Metric(
    "landing_files_waiting_oldest_timestamp_seconds",
    "When the file that waits longest was changed last; absent where none waits.",
)
QUARANTINED = Metric("quarantined_files", "Files that could not be read and that nobody corrected or withdrew.")
DELIVERED_ROWS = Metric(
    "delivered_rows", f"Rows that counting files hold of the newest {GATE_DAYS} days, by source.", ("source",)
)
REJECTED_ROWS = Metric("rejected_rows", "Rows of those days that are in quarantine, by source.", ("source",))

# Energy and cases
LOSS_DAY = Metric(
    "loss_day_timestamp_seconds", f"Start of the newest day whose losses may be read; absent beyond {SEEN_DAYS} days."
)
_FEEDER = (
    f"by feeder, the {MOST_FEEDERS} that carry most; `other` are the rest, `none` the transformers without a feeder"
)
ENERGY_IN = Metric(
    "energy_in_kwh", f"Energy that came in over the balanced intervals of that day, {_FEEDER}.", ("feeder",)
)
TECHNICAL = Metric("technical_loss_kwh", "Part of it that transformers turned to heat, computed.", ("feeder",))
NON_TECHNICAL = Metric(
    "non_technical_loss_kwh",
    "Part of it that is neither metered nor a technical loss: stolen, or metered or mapped wrongly.",
    ("feeder",),
)
LOSS_RATIO = Metric(
    "non_technical_loss_ratio",
    "Non-technical loss of that day as a share of the energy that came in, of each feeder and of the utility (`all`).",
    ("area_kind", "area"),
)
USUAL_RATIO = Metric(
    "non_technical_loss_usual_ratio",
    f"Median of the same over the {USUAL_DAYS} days before, those that may be read; absent with fewer than three.",
    ("area_kind", "area"),
)
CASES = Metric(
    "theft_cases", "Theft cases of the newest day that may be read, by state, that have not ended.", ("state",)
)
CASES_LISTED = Metric("theft_cases_listed", "Of those, the ones on the list of this week's visits.")

# Sizes
DATABASE_SIZE = Metric("postgres_database_size_bytes", "Size of a database of Postgres.", ("database",))
CONNECTIONS = Metric("postgres_connections", "Connections to a database of Postgres.", ("database",))
TABLE_SIZE = Metric("clickhouse_table_size_bytes", "Size on disk of a table of ClickHouse.", ("table",))
TABLE_ROWS = Metric("clickhouse_table_rows", "Rows of a table of ClickHouse.", ("table",))
TABLE_PARTS = Metric("clickhouse_table_parts", "Parts of a table of ClickHouse.", ("table",))
DISK_SIZE = Metric("clickhouse_disk_size_bytes", "Size of a disk of ClickHouse.", ("disk",))
DISK_FREE = Metric("clickhouse_disk_free_bytes", "Free space of a disk of ClickHouse.", ("disk",))
DIRECTORY_SIZE = Metric(
    "home_directory_size_bytes", "What the files of a directory of the home take on the disk.", ("directory",)
)
FILESYSTEM_SIZE = Metric("home_filesystem_size_bytes", "Size of the file system that the home is on.")
FILESYSTEM_FREE = Metric("home_filesystem_free_bytes", "What this user may still write there.")
