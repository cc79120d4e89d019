"""What must hold of each gated table, day by day: one Great Expectations suite per table.

What belongs here: the register of suites and their limits; the suites themselves are one module a schema.
What does not: running them (validator.py), Dagster, recording verdicts. Importing this package imports no Great
Expectations: that happens when a suite's expectations are first asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quality_suites.expectations import DayExpectation

REJECTED_SHARE = "rejected-share"
"""The expectation whose breaches the quarantine lists row by row."""


@dataclass(frozen=True)
class Limits:
    """What suites must know of a utility: its thresholds, by default those of the profile `generic`, and its zone."""

    timezone: str = "UTC"
    """IANA zone of the local days."""

    rejected_share: float = 0.01
    """Share of a day's delivered rows that may be rejected, 0–1."""
    completeness: float = 0.9
    """Share of a day's expected readings below which a warning is given, 0–1."""
    max_interval_kwh: float = 1000.0
    """Energy that no interval of a meter can physically exceed."""
    max_transformer_interval_kwh: float = 10_000.0
    """Energy that no interval of a transformer can physically exceed."""
    anomaly_share: float = 0.01
    """Share of readings that are expected to be anomalous, 0–1; five times as many is worth a warning."""
    implausible_loss_share: float = 0.5
    """Share of a day's energy that may be behind transformers whose meters say more than came in, 0–1."""
    row_count_drift: float = 0.2
    """Share of the trailing month's median by which a day's row count may differ without a warning."""
    measure_drift: float = 0.5
    """The same for what a day's numbers amount to: seasons and holidays move them, units mixed up move them more."""
    drift_spreads: float = 5.0
    """So many standard deviations of the trailing month are no drift either."""

    def __post_init__(self) -> None:
        for name in ("rejected_share", "completeness", "anomaly_share", "implausible_loss_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a share: give a number from 0 to 1, not {getattr(self, name)}")
        for name in ("row_count_drift", "measure_drift", "drift_spreads"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, not {getattr(self, name)}")
        for name in ("max_interval_kwh", "max_transformer_interval_kwh"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")


@dataclass(frozen=True)
class Suite:
    """What must hold of one day of `schema.table`, the day being the rows whose `date_column` is it."""

    schema: str
    table: str
    date_column: str
    key: tuple[str, ...]
    """What one row of a day is about; samples name it."""
    description: str
    is_regular: bool = True
    """Whether a day has about as many rows as the days before it: visits and failures do not."""

    def expectations(self, limits: Limits) -> list[DayExpectation]:
        """The suite as Great Expectations' own objects. Imports Great Expectations (some seconds, once a process)."""
        from quality_suites.expectations import Rules
        from quality_suites.trailing import usual_row_count

        build = getattr(import_module(f"quality_suites.{self.schema}"), self.table)
        rules = Rules(self)
        return [*build(rules, limits), *([usual_row_count(rules, limits)] if self.is_regular else [])]


SUITES: dict[str, Suite] = {
    suite.table: suite
    for suite in (
        Suite(
            "raw_data",
            "meter_readings",
            "reading_date",
            ("file_id", "row_number"),
            "Delivered readings: readable, finite, of a known interval, and few rejected beside them",
        ),
        Suite(
            "raw_data",
            "transformer_readings",
            "reading_date",
            ("file_id", "row_number"),
            "Delivered readings of transformers: readable, finite, of a known interval, and few rejected beside them",
        ),
        Suite(
            "raw_data",
            "register_readings",
            "reading_date",
            ("file_id", "row_number"),
            "Delivered states of registers: readable, and few rejected beside them",
        ),
        Suite(
            "raw_data",
            "outages",
            "outage_date",
            ("file_id", "row_number"),
            "Delivered outages: readable, ended after they began, and few rejected beside them",
            is_regular=False,
        ),
        Suite(
            "raw_data",
            "token_purchases",
            "purchase_date",
            ("file_id", "row_number"),
            "Delivered purchases: readable, of some energy, and few rejected beside them",
        ),
        Suite(
            "raw_data",
            "weather_observations",
            "observation_date",
            ("file_id", "row_number"),
            "Delivered weather: readable, and few rows rejected beside it",
        ),
        Suite(
            "raw_data",
            "reading_annotations",
            "reading_date",
            ("file_id", "row_number"),
            "What deliveries say about readings: readable, and few rows rejected beside it",
        ),
        Suite(
            "staging",
            "stg_meter_readings",
            "reading_date",
            ("meter_id", "reading_at"),
            "One row per meter and instant, accepted exactly where its energy is plausible",
        ),
        Suite(
            "staging",
            "stg_transformer_readings",
            "reading_date",
            ("transformer_id", "reading_at"),
            "One row per transformer and instant, accepted exactly where its energy is plausible",
        ),
        Suite(
            "staging",
            "stg_register_readings",
            "reading_date",
            ("meter_id", "read_at"),
            "One row per meter and instant, accepted where it is not negative",
        ),
        Suite(
            "staging",
            "stg_outages",
            "reading_date",
            ("area_id", "started_at"),
            "One row per outage that touches the day, clipped to it",
            is_regular=False,
        ),
        Suite(
            "staging",
            "stg_token_purchases",
            "purchase_date",
            ("meter_id", "purchased_at"),
            "One row per purchase",
        ),
        Suite(
            "staging",
            "stg_meters",
            "reading_date",
            ("meter_id",),
            "One entry per meter that the register holds on the day, each behind a transformer that is known",
        ),
        Suite(
            "staging",
            "stg_transformers",
            "reading_date",
            ("transformer_id",),
            "One entry per transformer that the register holds on the day, rated as transformers can be",
        ),
        Suite(
            "staging",
            "stg_inspections",
            "inspected_on",
            ("meter_id",),
            "One row per visited meter, with an outcome that is known",
            is_regular=False,
        ),
        Suite(
            "staging",
            "stg_case_events",
            "decided_on",
            ("subject_kind", "subject_id"),
            "One row per decision on a case, of a kind that is known",
            is_regular=False,
        ),
        Suite(
            "staging",
            "stg_weather_observations",
            "observation_date",
            ("station_id", "observed_at"),
            "One row per station and instant, within what weather can be",
        ),
        Suite(
            "staging",
            "stg_reading_annotations",
            "reading_date",
            ("meter_id", "reading_at"),
            "One row of labels per meter and instant",
        ),
        Suite(
            "intermediate",
            "int_reading_estimates",
            "reading_date",
            ("meter_id", "reading_at"),
            "One row per estimated interval, of which nothing was measured and in which supply was on",
            is_regular=False,
        ),
        Suite(
            "intermediate",
            "int_readings_hourly",
            "reading_date",
            ("meter_id", "hour_at"),
            "One row per meter and hour, its extremes in order, its energy that of the accepted readings",
        ),
        Suite(
            "intermediate",
            "int_readings_daily",
            "reading_date",
            ("meter_id",),
            "One row per meter, its counts and extremes in order, its energy that of the accepted readings",
        ),
        Suite(
            "intermediate",
            "int_consumption_features",
            "reading_date",
            ("meter_id",),
            "One profile per meter, as long as a day, with the energy of the accepted readings",
        ),
        Suite(
            "intermediate",
            "int_transformer_balance",
            "reading_date",
            ("transformer_id", "reading_at"),
            "One row per transformer and interval, balanced or with the reason why not, with the energy of staging",
        ),
        Suite(
            "intermediate",
            "int_validation_hits",
            "reading_date",
            ("rule", "subject_id"),
            "One row per rule and subject that it hit, within the day and of a rule that there is",
            is_regular=False,
        ),
        Suite(
            "intermediate",
            "int_day_traits",
            "reading_date",
            ("meter_id",),
            "One row of traits per meter, as many as there are, each a number that can be",
        ),
        Suite(
            "ml",
            "anomaly_scores",
            "reading_date",
            ("meter_id", "reading_at"),
            "One score per accepted reading, from 0 to 1, absent exactly where there was no model",
        ),
        Suite(
            "ml",
            "load_forecast",
            "forecast_date",
            ("area_kind", "area_id", "starts_at"),
            "One row per area and interval of the next day, feeders being the sum of their transformers",
        ),
        Suite(
            "ml",
            "loss_explanations",
            "explained_date",
            ("transformer_id", "meter_id"),
            "One row per meter behind a balanced transformer and one per such transformer for what nobody explains",
            is_regular=False,
        ),
        Suite(
            "ml",
            "theft_evidence",
            "score_date",
            ("meter_id",),
            "One row per meter, at least of those that have traits, with nothing in it that is later than its day",
        ),
        Suite(
            "ml",
            "theft_scores",
            "score_date",
            ("meter_id",),
            "One score per row of evidence, from 0 to 1, absent exactly where days are too few",
        ),
        Suite(
            "marts",
            "mart_consumption_metrics",
            "metric_date",
            ("meter_id",),
            "One row per meter, within range, with the energy of the daily table",
        ),
        Suite(
            "marts",
            "mart_anomaly_flags",
            "reading_date",
            ("meter_id", "reading_at"),
            "One row per flagged score, with its kind and model",
        ),
        Suite(
            "marts",
            "mart_load_profile",
            "reading_date",
            ("customer_class", "interval_minutes", "slot"),
            "One row per class and slot, with the energy of the profiles",
        ),
        Suite(
            "marts",
            "mart_data_quality",
            "reading_date",
            ("rule", "area_id"),
            "One row per rule and area, whether it hit anything or not",
        ),
        Suite(
            "marts",
            "mart_transformer_losses",
            "loss_date",
            ("transformer_id",),
            "One row per transformer, whose parts add up, and few that give out more than came in",
        ),
        Suite(
            "marts",
            "mart_forecast_accuracy",
            "reading_date",
            ("area_kind", "area_id", "hour"),
            "One row per area and hour that was forecast, compared where it was fed",
        ),
        Suite(
            "marts",
            "mart_theft_cases",
            "case_date",
            ("case_id",),
            "One row per case, one case per subject, its dates, state and place in agreement",
            is_regular=False,
        ),
        Suite(
            "marts",
            "mart_detection_performance",
            "week_date",
            ("selection",),
            "On Sundays one row per way of choosing whom to visit, whose counts add up",
            is_regular=False,
        ),
    )
}
"""By table name; table names are unique across schemas."""
