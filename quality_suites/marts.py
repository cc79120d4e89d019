"""What must hold of a day as analysts read it.

What belongs here: suites of `marts`. What does not: what ClickHouse serves (reconcile checks).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml.validation.rules import rules as rules_of_validation
from quality_suites.columns import BIGINT, BOOLEAN, DATE, INSTANT, INTEGER, NUMERIC, SMALLINT, TEXT
from quality_suites.ml import ANOMALY_TYPES, AREA_KINDS, FORECAST_METHODS
from quality_suites.staging import SELECTIONS, SUBJECTS

if TYPE_CHECKING:
    from quality_suites import Limits
    from quality_suites.expectations import DayExpectation, Rules

DAY_TYPES = ("workday", "saturday", "sunday")
QUALITY_RULES = tuple(rules_of_validation())
SUSPECTS = """
    select 'transformer_id=' || losses.transformer_id || ': ' || round(losses.metered_kwh, 1) || ' kWh metered, '
        || round(losses.energy_in_kwh, 1) || ' came in; suspects '
        || coalesce((
            select string_agg(suspect.meter_id || ' (' || round(suspect.total_wh / 1000.0, 1) || ' kWh'
                || case when suspect.ct_multiplier <> 1 then ', multiplier ' || round(suspect.ct_multiplier, 2) else '' end || ')', ', ')
            from (
                select meter_id, daily.total_wh, registered.ct_multiplier
                from staging.stg_meters as registered
                join intermediate.int_readings_daily as daily using (reading_date, meter_id)
                where reading_date = {day} and registered.transformer_id = losses.transformer_id
                order by registered.ct_multiplier = 1, abs(daily.total_wh + 1000 * losses.non_technical_loss_kwh), meter_id
                limit 3
            ) as suspect
        ), 'none')
    from {batch} as losses
    where not is_plausible
    order by non_technical_loss_kwh
"""
"""Transformers whose balance cannot be, each with the meters that alone could account for what is too much: those behind
current transformers first, then the nearest in energy."""
IMPLAUSIBLE = """
    select 'transformer_id=' || transformer_id || ': ' || round(-non_technical_loss_kwh, 1) || ' kWh too much'
    from {batch} as day_rows where not is_plausible order by non_technical_loss_kwh
"""
CASE_STATES = ("open", "assigned", "snoozed", "confirmed", "cleared", "faulty_meter", "dismissed", "lapsed")
WAYS_OF_CHOOSING = (*SELECTIONS, "other", "all")
CASE_ORIGINS = ("evidence", "random", "visit")
LAST_MINUTE = 25 * 60 - 15
"""Start of the last quarter hour of the longest day, in minutes from midnight."""


def mart_consumption_metrics(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            metric_date=DATE,
            meter_id=TEXT,
            total_kwh=NUMERIC,
            mean_kwh=NUMERIC,
            peak_kwh=NUMERIC,
            peak_hour=SMALLINT,
            min_kwh=NUMERIC,
            variance_kwh2=NUMERIC,
            reading_count=SMALLINT,
            expected_count=SMALLINT,
            completeness_pct=NUMERIC,
            anomaly_count=INTEGER,
            anomaly_rate_pct=NUMERIC,
            loss_estimate_kwh=NUMERIC,
            day_before_kwh=NUMERIC,
            day_change_pct=NUMERIC,
            week_before_kwh=NUMERIC,
            week_change_pct=NUMERIC,
            month_before_kwh=NUMERIC,
            month_change_pct=NUMERIC,
            customer_class=TEXT,
            transformer_id=TEXT,
            feeder_id=TEXT,
        ),
        *rules.not_null("meter_id", "total_kwh", "completeness_pct"),
        rules.unique("meter_id"),
        rules.no_rows_where(
            "energy-in-order",
            "min_kwh < 0 or min_kwh > mean_kwh or mean_kwh > peak_kwh or peak_kwh > total_kwh or total_kwh < 0",
            fault="that break 0 ≤ min_kwh ≤ mean_kwh ≤ peak_kwh ≤ total_kwh",
            column="total_kwh",
            shows=("min_kwh", "mean_kwh", "peak_kwh", "total_kwh"),
        ),
        rules.between("variance_kwh2", 0),
        rules.between("peak_hour", 0, 23),
        rules.between("completeness_pct", 0, 100),
        rules.between("anomaly_rate_pct", 0, 100),
        rules.between("loss_estimate_kwh", 0),
        rules.between("day_change_pct", -100),
        rules.between("week_change_pct", -100),
        rules.between("month_change_pct", -100),
        rules.no_rows_where(
            "counts-in-order",
            "reading_count < 0 or reading_count > expected_count or anomaly_count < 0 or anomaly_count > reading_count",
            fault="that break 0 ≤ anomaly_count ≤ reading_count ≤ expected_count",
            column="reading_count",
            shows=("anomaly_count", "reading_count", "expected_count"),
        ),
        rules.energy_agrees(
            "total_kwh-of-daily",
            column="total_kwh",
            source="intermediate.int_readings_daily",
            theirs="total_wh",
            fault="Wh of the day against int_readings_daily",
        ),
    ]


def mart_anomaly_flags(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            reading_date=DATE,
            meter_id=TEXT,
            reading_at=INSTANT,
            consumption_kwh=NUMERIC,
            expected_kwh=NUMERIC,
            deviation_ratio=NUMERIC,
            anomaly_score=NUMERIC,
            anomaly_type=TEXT,
            model_version=TEXT,
            customer_class=TEXT,
            transformer_id=TEXT,
            feeder_id=TEXT,
            meter_day_flags=INTEGER,
        ),
        *rules.not_null("meter_id", "reading_at", "consumption_kwh", "anomaly_score", "anomaly_type", "model_version"),
        rules.unique("meter_id", "reading_at"),
        rules.one_of("anomaly_type", ANOMALY_TYPES),
        rules.between("anomaly_score", 0, 1),
        rules.no_rows_from(
            "one-per-flagged-score",
            """
                select 'meter_id=' || meter_id || ', reading_at=' || reading_at
                    || case when scored.score_status is null then ': a flag without a flagged score'
                            else ': a flagged score without a flag' end
                from (
                    select meter_id, reading_at, score_status from ml.anomaly_scores
                    where reading_date = {day} and is_anomaly
                ) as scored
                full join (select meter_id, reading_at, 1 as present from {batch} as day_rows) as flagged
                    using (meter_id, reading_at)
                where scored.score_status is null or flagged.present is null
                order by meter_id, reading_at
            """,
            fault="flagged scores without a flag, or flags without a flagged score",
        ),
    ]


def mart_load_profile(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            reading_date=DATE,
            customer_class=TEXT,
            day_type=TEXT,
            interval_minutes=SMALLINT,
            slot=SMALLINT,
            minute_of_day=SMALLINT,
            meter_count=INTEGER,
            total_kwh=NUMERIC,
            mean_kwh=NUMERIC,
            std_kwh=NUMERIC,
            mean_kw=NUMERIC,
            temperature_c=NUMERIC,
        ),
        *rules.not_null("customer_class", "day_type", "slot", "meter_count", "total_kwh"),
        rules.unique("customer_class", "interval_minutes", "slot"),
        rules.one_of("day_type", DAY_TYPES),
        rules.between("minute_of_day", 0, LAST_MINUTE),
        rules.between("meter_count", 1),
        rules.between("total_kwh", 0),
        rules.energy_agrees(
            "total_kwh-of-profiles",
            column="total_kwh",
            source="intermediate.int_consumption_features",
            theirs="total_wh",
            where="interval_minutes <= 60",
            by="interval_minutes",
            fault="Wh of the day against int_consumption_features",
        ),
    ]


def mart_data_quality(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            reading_date=DATE,
            rule=TEXT,
            area_id=TEXT,
            hit_count=BIGINT,
            meter_count=INTEGER,
            expected_count=BIGINT,
            share_pct=NUMERIC,
        ),
        *rules.not_null("rule", "area_id", "hit_count", "expected_count"),
        rules.unique("rule", "area_id"),
        rules.one_of("rule", QUALITY_RULES),
        rules.between("hit_count", 0),
        rules.no_rows_where(
            "meters-where-hit",
            "meter_count > hit_count",
            fault="with more meters than hits",
            column="meter_count",
            shows=("rule", "meter_count", "hit_count"),
        ),
    ]


def mart_transformer_losses(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            loss_date=DATE,
            transformer_id=TEXT,
            feeder_id=TEXT,
            connected_meters=INTEGER,
            interval_count=SMALLINT,
            balanced_count=SMALLINT,
            outage_count=SMALLINT,
            incomplete_count=SMALLINT,
            delivered_kwh=NUMERIC,
            energy_in_kwh=NUMERIC,
            metered_kwh=NUMERIC,
            estimated_kwh=NUMERIC,
            technical_loss_basis=TEXT,
            technical_loss_kwh=NUMERIC,
            non_technical_loss_kwh=NUMERIC,
            deviation_kwh=NUMERIC,
            non_technical_loss_low_kwh=NUMERIC,
            non_technical_loss_high_kwh=NUMERIC,
            non_technical_loss_pct=NUMERIC,
            currency=TEXT,
            price_per_kwh=NUMERIC,
            non_technical_loss_value=NUMERIC,
            is_plausible=BOOLEAN,
            rating_kva=NUMERIC,
            latitude=NUMERIC,
            longitude=NUMERIC,
        ),
        *rules.not_null(
            "transformer_id", "energy_in_kwh", "metered_kwh", "technical_loss_kwh", "non_technical_loss_kwh"
        ),
        rules.unique("transformer_id"),
        rules.no_rows_where(
            "counts-add-up",
            "interval_count <> balanced_count + outage_count + incomplete_count",
            fault="whose intervals are not the balanced and the left out ones",
            column="interval_count",
            shows=("interval_count", "balanced_count", "outage_count", "incomplete_count"),
        ),
        rules.no_rows_where(
            "parts-add-up",
            "energy_in_kwh <> metered_kwh + technical_loss_kwh + non_technical_loss_kwh",
            fault="whose energy is not metered + technical + non-technical",
            column="energy_in_kwh",
            shows=("energy_in_kwh", "metered_kwh", "technical_loss_kwh", "non_technical_loss_kwh"),
        ),
        rules.sums_agree(
            "unmetered_kwh-of-balance",
            ours="sum(energy_in_kwh - metered_kwh) * 1000",
            theirs="(select sum(energy_in_wh - metered_wh) from intermediate.int_transformer_balance"
            " where reading_date = {day} and excluded_because is null)",
            fault="unmetered Wh of the day against int_transformer_balance",
            column="metered_kwh",
            sample="""
                select 'transformer_id=' || transformer_id || ': ' || energy_in_kwh - metered_kwh || ' kWh not metered'
                from {batch} as day_rows order by transformer_id
            """,
        ),
        rules.no_rows_from(
            "no-energy-from-nowhere",
            SUSPECTS,
            fault="transformers whose meters say more than came in: a meter is mapped to the wrong one, or multiplied wrongly",
            severity="warning",
        ),
        rules.share(
            "implausible-share",
            part="sum(energy_in_kwh) filter (where not is_plausible)",
            whole="sum(energy_in_kwh)",
            maximum=limits.implausible_loss_share,
            fault="kWh came in at transformers whose meters say more than that",
            sample=IMPLAUSIBLE,
            column="is_plausible",
        ),
    ]


def mart_forecast_accuracy(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            reading_date=DATE,
            area_kind=TEXT,
            area_id=TEXT,
            hour=SMALLINT,
            method=TEXT,
            interval_count=SMALLINT,
            compared_count=SMALLINT,
            bounded_count=SMALLINT,
            within_count=SMALLINT,
            actual_kwh=NUMERIC,
            forecast_kwh=NUMERIC,
            naive_kwh=NUMERIC,
            error_pct=NUMERIC,
            naive_error_pct=NUMERIC,
        ),
        *rules.not_null("area_kind", "area_id", "hour", "method", "interval_count", "compared_count"),
        rules.unique("area_kind", "area_id", "hour"),
        rules.one_of("area_kind", AREA_KINDS),
        rules.one_of("method", FORECAST_METHODS),
        rules.between("hour", 0, 23),
        rules.between("actual_kwh", 0),
        rules.no_rows_where(
            "counts-in-order",
            "not (0 <= within_count and within_count <= bounded_count and bounded_count <= compared_count"
            " and compared_count <= interval_count)",
            fault="that break 0 ≤ within_count ≤ bounded_count ≤ compared_count ≤ interval_count",
            column="compared_count",
            shows=("within_count", "bounded_count", "compared_count", "interval_count"),
        ),
        rules.no_rows_where(
            "compared-or-null",
            "(compared_count > 0) <> (actual_kwh is not null)",
            fault="whose load and compared_count disagree",
            column="actual_kwh",
            shows=("actual_kwh", "compared_count"),
        ),
    ]


def mart_theft_cases(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            case_date=DATE,
            case_id=TEXT,
            subject_kind=TEXT,
            subject_id=TEXT,
            transformer_id=TEXT,
            customer_class=TEXT,
            latitude=NUMERIC,
            longitude=NUMERIC,
            origin=TEXT,
            opened_on=DATE,
            state=TEXT,
            state_since=DATE,
            crew=TEXT,
            suppressed_until=DATE,
            last_visited_on=DATE,
            visit_count=SMALLINT,
            recovered_kwh=NUMERIC,
            supported_on=DATE,
            probability=NUMERIC,
            probability_basis=TEXT,
            onset_date=DATE,
            stolen_kwh_per_day=NUMERIC,
            stolen_kwh_low=NUMERIC,
            stolen_kwh_high=NUMERIC,
            recoverable_kwh=NUMERIC,
            currency=TEXT,
            price_per_kwh=NUMERIC,
            bill_effect_per_month=NUMERIC,
            visit_cost=NUMERIC,
            value=NUMERIC,
            place=INTEGER,
            selection=TEXT,
            random_week=DATE,
            is_new=BOOLEAN,
            previous_state=TEXT,
            previous_place=INTEGER,
            reason_en=TEXT,
            reason_fr=TEXT,
        ),
        *rules.not_null("case_id", "subject_kind", "subject_id", "origin", "opened_on", "state", "state_since"),
        rules.unique("case_id"),
        rules.unique("subject_kind", "subject_id"),
        rules.one_of("subject_kind", SUBJECTS),
        rules.one_of("state", CASE_STATES),
        rules.one_of("origin", CASE_ORIGINS),
        rules.one_of("selection", SELECTIONS),
        rules.between("probability", 0, 1),
        rules.no_rows_where(
            "dates-in-order",
            "opened_on > case_date or state_since > case_date or last_visited_on > case_date or onset_date > case_date",
            fault="with a date that is later than case_date",
            column="opened_on",
            shows=("opened_on", "state_since", "last_visited_on", "onset_date"),
        ),
        rules.no_rows_where(
            "rested-where-suppressed",
            "(place is not null or selection is not null) and (suppressed_until is not null or state not in ('open', 'assigned'))",
            fault="on the list though their subject rests, or their case has ended",
            column="place",
            shows=("state", "suppressed_until", "place", "selection"),
        ),
        rules.no_rows_where(
            "selected-by-place",
            "selection = 'ranked' and place is null",
            fault="selected by rank without a place",
            column="selection",
            shows=("place", "selection"),
        ),
        rules.no_rows_where(
            "interval-in-order",
            "num_nulls(stolen_kwh_low, stolen_kwh_per_day, stolen_kwh_high) not in (0, 3) or stolen_kwh_low < 0"
            " or stolen_kwh_low > stolen_kwh_per_day or stolen_kwh_per_day > stolen_kwh_high",
            fault="that break 0 ≤ stolen_kwh_low ≤ stolen_kwh_per_day ≤ stolen_kwh_high, or know but some of them",
            column="stolen_kwh_per_day",
            shows=("stolen_kwh_low", "stolen_kwh_per_day", "stolen_kwh_high"),
        ),
    ]


def mart_detection_performance(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            week_date=DATE,
            selection=TEXT,
            week_visits=INTEGER,
            week_thefts=INTEGER,
            visits=INTEGER,
            no_access=INTEGER,
            decided=INTEGER,
            thefts=INTEGER,
            hit_rate=NUMERIC,
            hit_rate_low=NUMERIC,
            hit_rate_high=NUMERIC,
            precision_at_5=NUMERIC,
            precision_at_10=NUMERIC,
            precision_at_20=NUMERIC,
            lift=NUMERIC,
            lift_low=NUMERIC,
            lift_high=NUMERIC,
            recovered_kwh=NUMERIC,
            recovered_kwh_per_visit=NUMERIC,
            currency=TEXT,
            net_value=NUMERIC,
            net_value_per_visit=NUMERIC,
            judged=INTEGER,
            judged_thefts=INTEGER,
            expected_thefts=NUMERIC,
            brier_score=NUMERIC,
        ),
        *rules.not_null("selection", "visits", "decided", "thefts"),
        rules.unique("selection"),
        rules.one_of("selection", WAYS_OF_CHOOSING),
        rules.no_rows_where(
            "counts-in-order",
            "not (0 <= thefts and thefts <= decided and decided + no_access <= visits and week_thefts <= week_visits and week_visits <= visits)",
            fault="that break 0 ≤ thefts ≤ decided ≤ visits − no_access",
            column="thefts",
            shows=("thefts", "decided", "no_access", "visits"),
        ),
        rules.no_rows_where(
            "shares-in-order",
            "hit_rate_low > hit_rate or hit_rate > hit_rate_high or hit_rate_low < 0 or hit_rate_high > 1 or lift_low > lift or lift > lift_high",
            fault="whose share or lift is outside its own interval",
            column="hit_rate",
            shows=("hit_rate_low", "hit_rate", "hit_rate_high", "lift_low", "lift", "lift_high"),
        ),
    ]
