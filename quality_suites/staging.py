"""What must hold of a day once one delivery of each key was chosen and judged.

What belongs here: suites of `staging`. What does not: shares of rejected rows (raw_data).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quality_suites import REJECTED_SHARE
from quality_suites.columns import (
    BIGINT,
    BOOLEAN,
    DATE,
    FLOAT,
    INSTANT,
    INTERVAL_MINUTES,
    MEASURED,
    NUMERIC,
    SMALLINT,
    TEXT,
)
from quality_suites.sql import fill
from quality_suites.trailing import usual

if TYPE_CHECKING:
    from quality_suites import Limits
    from quality_suites.expectations import DayExpectation, Rules

QUALITY_CODES = ("valid", "negative", "above_limit", "interval_size", "unit", "fold_assumed")
REFUSED_CODES = ("negative", "above_limit", "interval_size", "unit")
OUTCOMES = ("theft", "clean", "no_access", "faulty_meter")
SELECTIONS = ("ranked", "random")
SUBJECTS = ("meter", "transformer")
DECISIONS = ("assigned", "snoozed", "dismissed", "open")

LARGEST_LOSS_SHARE = 0.1
"""Distribution transformers lose 1–3 % of their rating: ten times a factor of a thousand would show far above this."""

REJECTED_RECORDS = (
    "(select count(*) from raw_data.rejected_rows join raw_data.active_files using (file_id)"
    " where source = {source} and reading_date is null)"
)
RECORDS = "(select count(*) from raw_data.{table} join raw_data.active_files using (file_id))"
FIRST_REJECTED_RECORDS = """
    select path || ' row ' || row_number || coalesce(', column ' || column_name, '')
        || coalesce(' = ' || quote_literal(nullif(left(value, 60), '')), '') || ': ' || reason
    from (
        select file_id, row_number, column_name, value, reason, min(path) as path
        from raw_data.rejected_rows
        join raw_data.active_files using (file_id)
        join raw_data.landing_paths using (sha256)
        where source = {source} and reading_date is null and is_current
        group by file_id, row_number, column_name, value, reason
    ) as rejected
    order by path, row_number
"""

# A day of a clock change is an hour shorter or longer.
DAY_MINUTES = "(extract(epoch from ({day} + 1)::timestamp at time zone {timezone} - {day}::timestamp at time zone {timezone}) / 60.0)"

# Meters that delivered nothing at all are not seen here: that needs the meter register.
METERS = fill(
    """(
    select meter_id, avg(case when interval_minutes = 1440 then 1 else {day_minutes} / interval_minutes end) as expected,
           count(accepted_wh) as accepted
    from {batch} as day_rows group by meter_id
) as meters""",
    {"day_minutes": DAY_MINUTES},
)
ACCEPTED = fill("(select sum(accepted) from {meters})", {"meters": METERS})
EXPECTED = fill("(select round(sum(expected)) from {meters})", {"meters": METERS})
INCOMPLETE_METERS = fill(
    """
    select 'meter_id=' || meter_id || ': ' || accepted || ' of ' || round(expected) from {meters}
    where accepted < expected order by accepted / expected, meter_id
    """,
    {"meters": METERS},
)


def stg_meter_readings(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            reading_date=DATE,
            meter_id=TEXT,
            reading_at=INSTANT,
            interval_minutes=SMALLINT,
            delivered_kwh=FLOAT,
            accepted_wh=BIGINT,
            quality_code=TEXT,
        ),
        *rules.not_null("meter_id", "reading_at", "interval_minutes", "quality_code"),
        rules.unique("meter_id", "reading_at"),
        rules.one_of("interval_minutes", INTERVAL_MINUTES),
        rules.one_of("quality_code", QUALITY_CODES),
        rules.between("accepted_wh", 0, round(limits.max_interval_kwh * 1000)),
        _accepted_where_plausible(rules),
        # Daily readings start at local midnight. Every zone is whole quarter hours from UTC, so these are in UTC too.
        rules.no_rows_where(
            "reading_at-on-grid",
            "interval_minutes < 1440 and mod(extract(epoch from reading_at), 900) <> 0",
            fault="that start off the quarter hour",
            severity="warning",
        ),
        rules.share(
            "completeness",
            part=ACCEPTED,
            whole=EXPECTED,
            minimum=limits.completeness,
            maximum=float("inf"),
            fault="expected readings accepted",
            sample=INCOMPLETE_METERS,
            severity="warning",
            column="accepted_wh",
            timezone=limits.timezone,
        ),
    ]


def stg_transformer_readings(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            reading_date=DATE,
            transformer_id=TEXT,
            reading_at=INSTANT,
            interval_minutes=SMALLINT,
            delivered_kwh=FLOAT,
            accepted_wh=BIGINT,
            quality_code=TEXT,
        ),
        *rules.not_null("transformer_id", "reading_at", "interval_minutes", "quality_code"),
        rules.unique("transformer_id", "reading_at"),
        rules.one_of("interval_minutes", INTERVAL_MINUTES),
        rules.one_of("quality_code", QUALITY_CODES),
        rules.between("accepted_wh", 0, round(limits.max_transformer_interval_kwh * 1000)),
        _accepted_where_plausible(rules),
    ]


def stg_register_readings(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(reading_date=DATE, meter_id=TEXT, read_at=INSTANT, delivered_kwh=FLOAT, register_wh=BIGINT),
        *rules.not_null("meter_id", "read_at"),
        rules.unique("meter_id", "read_at"),
        rules.between("register_wh", 0),
    ]


def stg_outages(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            reading_date=DATE,
            area_id=TEXT,
            started_at=INSTANT,
            ended_at=INSTANT,
            kind=TEXT,
            off_from=INSTANT,
            off_until=INSTANT,
        ),
        *rules.not_null("area_id", "started_at", "off_from", "off_until"),
        rules.unique("area_id", "started_at"),
        rules.no_rows_where(
            "off-within-the-day",
            "off_from < started_at or off_until <= off_from or off_until > ended_at or off_until - off_from > interval '25 hours'",
            fault="whose part of the day is not part of the outage, or longer than a day",
            column="off_from",
            shows=("started_at", "ended_at", "off_from", "off_until"),
        ),
    ]


def stg_token_purchases(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            purchase_date=DATE, meter_id=TEXT, purchased_at=INSTANT, energy_wh=BIGINT, amount=NUMERIC, currency=TEXT
        ),
        *rules.not_null("meter_id", "purchased_at", "energy_wh"),
        rules.unique("meter_id", "purchased_at"),
    ]


def stg_meters(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            reading_date=DATE,
            meter_id=TEXT,
            customer_id=TEXT,
            customer_class=TEXT,
            transformer_id=TEXT,
            feeder_id=TEXT,
            tariff_code=TEXT,
            is_prepaid=BOOLEAN,
            phases=SMALLINT,
            ct_multiplier=NUMERIC,
            latitude=NUMERIC,
            longitude=NUMERIC,
        ),
        *rules.not_null("meter_id", "customer_class", "ct_multiplier"),
        rules.unique("meter_id"),
        _few_records_rejected(rules, limits, "meters"),
        rules.no_rows_where(
            "ct_multiplier-positive",
            "ct_multiplier <= 0",
            fault="with a ct_multiplier of 0 or less",
            column="ct_multiplier",
        ),
        rules.no_rows_where(
            "transformer_id-registered",
            "transformer_id not in (select transformer_id from staging.stg_transformers where reading_date = {day})"
            " and exists (select from staging.stg_transformers where reading_date = {day})",
            fault="behind a transformer that its register does not hold",
            column="transformer_id",
            shows=("transformer_id",),
            severity="warning",
        ),
        *_on_earth(rules),
    ]


def stg_transformers(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            reading_date=DATE,
            transformer_id=TEXT,
            feeder_id=TEXT,
            rating_kva=NUMERIC,
            no_load_loss_w=NUMERIC,
            load_loss_w=NUMERIC,
            latitude=NUMERIC,
            longitude=NUMERIC,
        ),
        *rules.not_null("transformer_id"),
        rules.unique("transformer_id"),
        _few_records_rejected(rules, limits, "transformers"),
        rules.no_rows_where(
            "losses-of-the-rating",
            "rating_kva <= 0 or no_load_loss_w < 0 or load_loss_w < 0 or no_load_loss_w + load_loss_w > {most} * rating_kva * 1000",
            fault=f"without a rating, or losing more than {LARGEST_LOSS_SHARE:.0%} of it: W and kVA may be mixed up",
            column="rating_kva",
            shows=("rating_kva", "no_load_loss_w", "load_loss_w"),
            most=LARGEST_LOSS_SHARE,
        ),
        *_on_earth(rules),
    ]


def stg_inspections(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            inspected_on=DATE,
            meter_id=TEXT,
            outcome=TEXT,
            recovered_wh=BIGINT,
            case_id=TEXT,
            selection=TEXT,
            notes=TEXT,
        ),
        *rules.not_null("meter_id", "outcome"),
        rules.unique("meter_id"),
        rules.one_of("outcome", OUTCOMES),
        rules.one_of("selection", SELECTIONS, severity="warning"),
        rules.between("recovered_wh", 0, severity="warning"),
    ]


def stg_weather_observations(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            observation_date=DATE,
            station_id=TEXT,
            observed_at=INSTANT,
            temperature_c=MEASURED,
            humidity_pct=MEASURED,
            wind_speed_kmh=MEASURED,
        ),
        *rules.not_null("station_id", "observed_at"),
        rules.unique("station_id", "observed_at"),
        rules.between("humidity_pct", 0, 100, severity="warning"),
        rules.between("temperature_c", -60, 60, severity="warning"),
        usual(
            rules,
            limits,
            "mean-temperature_c-usual",
            "avg(temperature_c)",
            fault="°C on average",
            column="temperature_c",
            least_spread=1.0,
        ),
    ]


def stg_reading_annotations(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            reading_date=DATE,
            meter_id=TEXT,
            reading_at=INSTANT,
            delivered_label=TEXT,
            past_average_kwh=MEASURED,
        ),
        *rules.not_null("meter_id", "reading_at"),
        rules.unique("meter_id", "reading_at"),
    ]


def _accepted_where_plausible(rules: Rules) -> DayExpectation:
    return rules.no_rows_where(
        "accepted_wh-where-accepted",
        "(accepted_wh is null) <> (quality_code in {refused})",
        fault="whose accepted_wh and quality_code disagree",
        column="accepted_wh",
        shows=("accepted_wh", "quality_code"),
        refused=REFUSED_CODES,
    )


def _few_records_rejected(rules: Rules, limits: Limits, source: str) -> DayExpectation:
    """Records have no raw day whose gate could judge this: a register of which half was unreadable is no register."""
    return rules.share(
        REJECTED_SHARE,
        part=REJECTED_RECORDS,
        whole=f"({REJECTED_RECORDS} + {fill(RECORDS, {'table': source})})",
        maximum=limits.rejected_share,
        fault="records rejected",
        sample=FIRST_REJECTED_RECORDS,
        source=source,
    )


def _on_earth(rules: Rules) -> list[DayExpectation]:
    return [
        rules.between("latitude", -90, 90, severity="warning"),
        rules.between("longitude", -180, 180, severity="warning"),
    ]


def stg_case_events(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            decided_on=DATE,
            subject_kind=TEXT,
            subject_id=TEXT,
            event=TEXT,
            until_on=DATE,
            crew=TEXT,
            reason=TEXT,
            decided_by=TEXT,
            case_id=TEXT,
            recovered_wh=BIGINT,
        ),
        *rules.not_null("subject_kind", "subject_id", "event"),
        rules.unique("subject_kind", "subject_id"),
        rules.one_of("subject_kind", SUBJECTS),
        rules.one_of("event", (*DECISIONS, *OUTCOMES)),
        rules.no_rows_where(
            "until_on-not-earlier",
            "until_on < decided_on",
            fault="whose until_on is before decided_on",
            column="until_on",
            shows=("decided_on", "until_on"),
        ),
        rules.no_rows_where(
            "visits-are-inspections",
            f"subject_kind = 'meter' and event in {OUTCOMES}",
            fault="that say what a visit to a meter found: that is for inspections/",
            column="event",
            shows=("event",),
        ),
        rules.between("recovered_wh", 0, severity="warning"),
    ]
