"""What must hold of a day as delivered: readable rows, and few that were not.

What belongs here: suites of `raw_data`. What does not: judging values (staging), or which delivery wins (dbt).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quality_suites import REJECTED_SHARE
from quality_suites.columns import BIGINT, DATE, FLOAT, INSTANT, INTEGER, INTERVAL_MINUTES, SMALLINT, TEXT

if TYPE_CHECKING:
    from quality_suites import Limits
    from quality_suites.expectations import DayExpectation, Rules

OUTAGE_KINDS = ("load_shedding", "fault", "maintenance")

PARTS_OF_THE_DAY = """
    from raw_data.landing_parts
    where source = {source} and reading_date = {day} and file_id in (select file_id from raw_data.active_files)
"""

REJECTED_ROWS = """
    select path || ' row ' || row_number || coalesce(', column ' || column_name, '')
        || coalesce(' = ' || quote_literal(nullif(left(value, 60), '')), '') || ': ' || reason
    from (
        select file_id, row_number, column_name, value, reason, min(path) as path
        from raw_data.rejected_rows
        join raw_data.active_files using (file_id)
        join raw_data.landing_paths using (sha256)
        where source = {source} and coalesce(reading_date, {day}) = {day} and is_current and file_id in (
            select file_id from raw_data.landing_parts where source = {source} and reading_date = {day}
        )
        group by file_id, row_number, column_name, value, reason
    ) as rejected
    order by path, row_number
"""
"""Rows without a readable day count towards every day of their file."""


def meter_readings(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            reading_date=DATE,
            meter_id=TEXT,
            reading_at=INSTANT,
            consumption_kwh=FLOAT,
            interval_minutes=SMALLINT,
            status=TEXT,
            version=BIGINT,
            instant_code=TEXT,
            row_number=INTEGER,
            file_id=INTEGER,
        ),
        *rules.not_null("meter_id", "reading_at", "consumption_kwh"),
        rules.one_of("interval_minutes", INTERVAL_MINUTES),
        _instant_near_its_day(rules, "reading_at"),
        rules.no_rows_where(
            "consumption_kwh-finite",
            "consumption_kwh in ('NaN', 'Infinity', '-Infinity')",
            fault="with a consumption_kwh that is no number",
            column="consumption_kwh",
        ),
        _few_rejected(rules, limits, "meter_readings"),
        rules.no_rows_where(
            "consumption_kwh-plausible",
            "abs(consumption_kwh) > {max_interval_kwh}",
            fault=f"beyond ±{limits.max_interval_kwh:g} kWh an interval",
            column="consumption_kwh",
            severity="warning",
            max_interval_kwh=limits.max_interval_kwh,
        ),
        rules.no_rows_where(
            "consumption_kwh-not-negative",
            "consumption_kwh < 0",
            fault="with negative consumption_kwh",
            column="consumption_kwh",
            severity="warning",
        ),
        rules.some_rows("readings-delivered", fault="no readings at all", severity="warning"),
    ]


def transformer_readings(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            reading_date=DATE,
            transformer_id=TEXT,
            reading_at=INSTANT,
            energy_kwh=FLOAT,
            interval_minutes=SMALLINT,
            version=BIGINT,
            instant_code=TEXT,
            row_number=INTEGER,
            file_id=INTEGER,
        ),
        *rules.not_null("transformer_id", "reading_at", "energy_kwh"),
        rules.one_of("interval_minutes", INTERVAL_MINUTES),
        _instant_near_its_day(rules, "reading_at"),
        _few_rejected(rules, limits, "transformer_readings"),
        rules.no_rows_where(
            "energy_kwh-plausible",
            "energy_kwh < 0 or energy_kwh > {most}",
            fault=f"below 0 or beyond {limits.max_transformer_interval_kwh:g} kWh an interval",
            column="energy_kwh",
            severity="warning",
            most=limits.max_transformer_interval_kwh,
        ),
    ]


def register_readings(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            reading_date=DATE,
            meter_id=TEXT,
            read_at=INSTANT,
            register_kwh=FLOAT,
            version=BIGINT,
            instant_code=TEXT,
            row_number=INTEGER,
            file_id=INTEGER,
        ),
        *rules.not_null("meter_id", "read_at", "register_kwh"),
        _instant_near_its_day(rules, "read_at"),
        _few_rejected(rules, limits, "register_readings"),
    ]


def outages(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            outage_date=DATE,
            area_id=TEXT,
            started_at=INSTANT,
            ended_at=INSTANT,
            kind=TEXT,
            version=BIGINT,
            instant_code=TEXT,
            row_number=INTEGER,
            file_id=INTEGER,
        ),
        *rules.not_null("area_id", "started_at"),
        _instant_near_its_day(rules, "started_at"),
        _few_rejected(rules, limits, "outages"),
        rules.one_of("kind", OUTAGE_KINDS, severity="warning"),
        rules.no_rows_where(
            "ended_at-after-start",
            "ended_at <= started_at",
            fault="that ended before they began",
            column="ended_at",
            shows=("started_at", "ended_at"),
            severity="warning",
        ),
    ]


def token_purchases(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            purchase_date=DATE,
            meter_id=TEXT,
            purchased_at=INSTANT,
            energy_kwh=FLOAT,
            amount=FLOAT,
            currency=TEXT,
            version=BIGINT,
            instant_code=TEXT,
            row_number=INTEGER,
            file_id=INTEGER,
        ),
        *rules.not_null("meter_id", "purchased_at", "energy_kwh"),
        _instant_near_its_day(rules, "purchased_at"),
        _few_rejected(rules, limits, "token_purchases"),
        rules.no_rows_where(
            "energy_kwh-not-negative",
            "energy_kwh < 0",
            fault="with negative energy_kwh",
            column="energy_kwh",
            severity="warning",
        ),
    ]


def weather_observations(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            observation_date=DATE,
            station_id=TEXT,
            observed_at=INSTANT,
            temperature_c=FLOAT,
            humidity_pct=FLOAT,
            wind_speed_kmh=FLOAT,
            instant_code=TEXT,
            row_number=INTEGER,
            file_id=INTEGER,
        ),
        *rules.not_null("station_id", "observed_at"),
        _instant_near_its_day(rules, "observed_at"),
        _few_rejected(rules, limits, "weather"),
    ]


def reading_annotations(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            reading_date=DATE,
            meter_id=TEXT,
            reading_at=INSTANT,
            delivered_label=TEXT,
            past_average_kwh=FLOAT,
            instant_code=TEXT,
            row_number=INTEGER,
            file_id=INTEGER,
        ),
        *rules.not_null("meter_id", "reading_at"),
        _instant_near_its_day(rules, "reading_at"),
        _few_rejected(rules, limits, "reading_annotations"),
    ]


def _instant_near_its_day(rules: Rules, column: str) -> DayExpectation:
    """A local day lies, in every zone, within a day of the UTC day of the same date."""
    return rules.no_rows_where(
        f"{column}-near-its-day",
        f"{column} < {{day}} - interval '1 day' or {column} >= {{day}} + interval '2 days'",
        fault=f"with {column} more than a day away from their day",
        column=column,
    )


def _few_rejected(rules: Rules, limits: Limits, source: str) -> DayExpectation:
    return rules.share(
        REJECTED_SHARE,
        part=f"(select sum(rejected_count) {PARTS_OF_THE_DAY})",
        whole=f"(select sum(row_count + rejected_count) {PARTS_OF_THE_DAY})",
        maximum=limits.rejected_share,
        fault="rows rejected",
        sample=REJECTED_ROWS,
        source=source,
    )
