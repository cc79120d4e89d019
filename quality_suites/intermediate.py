"""What must hold of a meter's day: counts and extremes in order, and no energy lost on the way.

What belongs here: suites of `intermediate`. What does not: single readings (staging).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from ml.theft.traits import TRAITS
from ml.validation.rules import rules as declared_rules
from quality_suites.columns import (
    BIGINT,
    BIGINTS,
    BOOLEAN,
    DATE,
    FLOAT,
    INSTANT,
    INTEGER,
    INTERVAL_MINUTES,
    NUMERIC,
    REALS,
    SMALLINT,
    TEXT,
)
from quality_suites.trailing import no_silent_meters, usual

if TYPE_CHECKING:
    from quality_suites import Limits
    from quality_suites.expectations import DayExpectation, Rules

EXCLUSIONS = ("outage", "no_energy_in", "meters_missing")
BASES = ("ratings", "assumed")
METHODS = ("interpolated", "proxy_days", "class_profile")

LONGEST_PROFILE = 100
"""Slots of a day: 96 quarter hours, 100 on the day that clocks are set back."""


def int_readings_hourly(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            reading_date=DATE,
            meter_id=TEXT,
            hour_at=INSTANT,
            hour_of_day=SMALLINT,
            reading_count=SMALLINT,
            accepted_count=SMALLINT,
            total_wh=BIGINT,
            mean_wh=NUMERIC,
            max_wh=BIGINT,
            min_wh=BIGINT,
            std_wh=NUMERIC,
        ),
        *rules.not_null("meter_id", "hour_at", "reading_count", "accepted_count", "total_wh"),
        rules.unique("meter_id", "hour_at"),
        rules.between("hour_of_day", 0, 23),
        rules.between("std_wh", 0),
        rules.no_rows_where(
            "counts-in-order",
            "not (0 <= accepted_count and accepted_count <= reading_count)",
            fault="that break 0 ≤ accepted_count ≤ reading_count",
            column="reading_count",
            shows=("accepted_count", "reading_count"),
        ),
        rules.no_rows_where(
            "energy-in-order",
            "min_wh < 0 or min_wh > mean_wh or mean_wh > max_wh or max_wh > total_wh or total_wh < 0",
            fault="that break 0 ≤ min_wh ≤ mean_wh ≤ max_wh ≤ total_wh",
            column="total_wh",
            shows=("min_wh", "mean_wh", "max_wh", "total_wh"),
        ),
        rules.energy_agrees(
            "total_wh-of-staging",
            column="total_wh",
            source="staging.stg_meter_readings",
            theirs="accepted_wh",
            where="interval_minutes <= 60",
            fault="Wh of the day against its accepted readings in stg_meter_readings",
        ),
    ]


def int_readings_daily(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            reading_date=DATE,
            meter_id=TEXT,
            interval_minutes=SMALLINT,
            reading_count=SMALLINT,
            accepted_count=SMALLINT,
            expected_count=SMALLINT,
            total_wh=BIGINT,
            estimated_wh=BIGINT,
            peak_wh=BIGINT,
            peak_at=INSTANT,
            min_wh=BIGINT,
            is_complete=BOOLEAN,
        ),
        *rules.not_null("meter_id", "reading_count", "accepted_count", "expected_count", "total_wh"),
        rules.unique("meter_id"),
        rules.no_rows_where(
            "counts-in-order",
            "not (0 <= accepted_count and accepted_count <= reading_count and reading_count <= expected_count)",
            fault="that break 0 ≤ accepted_count ≤ reading_count ≤ expected_count",
            column="reading_count",
            shows=("accepted_count", "reading_count", "expected_count"),
        ),
        rules.no_rows_where(
            "energy-in-order",
            "min_wh < 0 or min_wh > peak_wh or peak_wh > total_wh or total_wh < 0",
            fault="that break 0 ≤ min_wh ≤ peak_wh ≤ total_wh",
            column="total_wh",
            shows=("min_wh", "peak_wh", "total_wh"),
        ),
        rules.energy_agrees(
            "total_wh-of-staging",
            column="total_wh",
            source="staging.stg_meter_readings",
            theirs="accepted_wh",
            fault="Wh of the day against its accepted readings in stg_meter_readings",
        ),
        no_silent_meters(rules),
        usual(
            rules,
            limits,
            "median-total_wh-usual",
            "percentile_cont(0.5) within group (order by total_wh) filter (where is_complete)",
            fault="Wh in the median meter's complete day",
            column="total_wh",
        ),
        usual(
            rules,
            limits,
            "high-total_wh-usual",
            "percentile_cont(0.9) within group (order by total_wh) filter (where is_complete)",
            fault="Wh in a complete day that one meter in ten exceeds",
            column="total_wh",
        ),
    ]


def int_consumption_features(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            reading_date=DATE,
            meter_id=TEXT,
            interval_minutes=SMALLINT,
            profile_wh=BIGINTS,
            accepted_count=SMALLINT,
            total_wh=BIGINT,
        ),
        *rules.not_null("meter_id", "accepted_count", "total_wh"),
        rules.unique("meter_id"),
        rules.no_rows_where(
            "profile_wh-length",
            "coalesce(cardinality(profile_wh), 0) not between 1 and {longest}",
            fault=f"with a profile_wh of no slots or more than {LONGEST_PROFILE}",
            column="profile_wh",
            longest=LONGEST_PROFILE,
        ),
        rules.energy_agrees(
            "total_wh-of-staging",
            column="total_wh",
            source="staging.stg_meter_readings",
            theirs="accepted_wh",
            fault="Wh of the day against its accepted readings in stg_meter_readings",
        ),
    ]


def int_reading_estimates(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            reading_date=DATE,
            meter_id=TEXT,
            reading_at=INSTANT,
            interval_minutes=SMALLINT,
            estimated_wh=BIGINT,
            method=TEXT,
        ),
        *rules.not_null("meter_id", "reading_at", "estimated_wh", "method"),
        rules.unique("meter_id", "reading_at"),
        rules.one_of("interval_minutes", INTERVAL_MINUTES),
        rules.one_of("method", METHODS),
        rules.between("estimated_wh", 0, round(limits.max_interval_kwh * 1000)),
        rules.no_rows_from(
            "no-estimate-of-what-was-measured",
            """
                select 'meter_id=' || estimates.meter_id || ', reading_at=' || estimates.reading_at
                from {batch} as estimates
                join staging.stg_meter_readings as readings using (reading_date, meter_id, reading_at)
                where readings.reading_date = {day} and readings.accepted_wh is not null
                order by estimates.meter_id, estimates.reading_at
            """,
            fault="estimates beside an accepted reading",
        ),
        rules.no_rows_from(
            "no-estimate-in-an-outage",
            """
                select 'meter_id=' || estimates.meter_id || ', reading_at=' || estimates.reading_at
                from {batch} as estimates
                join staging.stg_meters as registered using (reading_date, meter_id)
                join staging.stg_outages as outages
                    on outages.reading_date = {day} and outages.area_id in (registered.transformer_id, registered.feeder_id)
                    and outages.off_from < estimates.reading_at + estimates.interval_minutes * interval '1 minute'
                    and outages.off_until > estimates.reading_at
                where registered.reading_date = {day} and estimates.interval_minutes < 1440
                order by estimates.meter_id, estimates.reading_at
            """,
            fault="estimates while supply was off",
        ),
    ]


def int_validation_hits(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            reading_date=DATE,
            rule=TEXT,
            subject_id=TEXT,
            from_at=INSTANT,
            to_at=INSTANT,
            hit_count=BIGINT,
            observed=FLOAT,
            threshold=FLOAT,
            related_id=TEXT,
        ),
        *rules.not_null("rule", "subject_id", "from_at", "to_at", "hit_count", "observed"),
        rules.unique("rule", "subject_id"),
        rules.one_of("rule", tuple(rule.name for rule in declared_rules().values() if rule.told_by == "validation")),
        rules.between("hit_count", 1),
        rules.no_rows_where(
            "extent-in-order",
            "from_at >= to_at or to_at - from_at > interval '25 hours'",
            fault="that end before they begin, or are longer than a day",
            column="from_at",
            shows=("from_at", "to_at"),
        ),
    ]


def int_day_traits(rules: Rules, limits: Limits) -> list[DayExpectation]:
    quantiles = [TRAITS.index(name) + 1 for name in ("p10_w", "p25_w", "p50_w", "p75_w", "p90_w", "max_w")]
    in_pairs = pairwise(quantiles)
    shares = [TRAITS.index(name) + 1 for name in TRAITS if name.endswith("_share")]
    return [
        rules.columns(reading_date=DATE, meter_id=TEXT, traits=REALS),
        *rules.not_null("meter_id", "traits"),
        rules.unique("meter_id"),
        rules.no_rows_where(
            "traits-length",
            "cardinality(traits) <> {length}",
            fault=f"whose traits are not {len(TRAITS)}",
            column="traits",
            length=len(TRAITS),
        ),
        rules.no_rows_where(
            "mean_w-not-null",
            "traits[{mean}] is null",
            fault="of a meter of whose day not even the mean is known",
            column="traits",
            mean=TRAITS.index("mean_w") + 1,
        ),
        # Powers, differences and shares alike; NaN sorts above all numbers.
        rules.no_rows_where(
            "traits-in-range",
            "0 > any (traits) or 'Infinity' <= any (traits) or "
            + " or ".join(f"traits[{share}] > 1" for share in shares),
            fault="with a trait below 0, infinite, NaN, or a share above 1",
            column="traits",
        ),
        rules.no_rows_where(
            "quantiles-in-order",
            " or ".join(f"traits[{lower}] > traits[{upper}]" for lower, upper in in_pairs),
            fault="that break p10_w ≤ p25_w ≤ p50_w ≤ p75_w ≤ p90_w ≤ max_w",
            column="traits",
        ),
    ]


def int_transformer_balance(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            reading_date=DATE,
            transformer_id=TEXT,
            reading_at=INSTANT,
            feeder_id=TEXT,
            interval_minutes=SMALLINT,
            energy_in_wh=BIGINT,
            metered_wh=BIGINT,
            estimated_wh=BIGINT,
            connected_meters=INTEGER,
            reporting_meters=NUMERIC,
            technical_loss_basis=TEXT,
            technical_loss_wh=BIGINT,
            non_technical_loss_wh=BIGINT,
            excluded_because=TEXT,
        ),
        *rules.not_null("transformer_id", "reading_at", "metered_wh", "connected_meters", "technical_loss_basis"),
        rules.unique("transformer_id", "reading_at"),
        rules.one_of("technical_loss_basis", BASES),
        rules.one_of("excluded_because", EXCLUSIONS),
        rules.no_rows_where(
            "loss-where-balanced",
            "(excluded_because is null) <> (non_technical_loss_wh is not null)"
            " or energy_in_wh <> metered_wh + technical_loss_wh + non_technical_loss_wh",
            fault="whose loss is told without a balance, or is not what is left",
            column="non_technical_loss_wh",
            shows=("energy_in_wh", "metered_wh", "technical_loss_wh", "non_technical_loss_wh", "excluded_because"),
        ),
        rules.sums_agree(
            "energy_in_wh-of-staging",
            ours="sum(energy_in_wh)",
            theirs="(select sum(accepted_wh) from staging.stg_transformer_readings where reading_date = {day})",
            fault="Wh of the day against its accepted readings in stg_transformer_readings",
            column="energy_in_wh",
            sample="""
                select 'transformer_id=' || coalesce(balance.transformer_id, fed.transformer_id)
                    || ': ' || coalesce(balance.total_wh::text, 'no') || ' Wh here, ' || coalesce(fed.total_wh::text, 'no') || ' there'
                from (select transformer_id, sum(energy_in_wh) as total_wh from {batch} as day_rows group by transformer_id) as balance
                full join (
                    select transformer_id, sum(accepted_wh) as total_wh
                    from staging.stg_transformer_readings where reading_date = {day} group by transformer_id
                ) as fed on fed.transformer_id = balance.transformer_id
                where balance.total_wh is distinct from fed.total_wh
                order by coalesce(balance.transformer_id, fed.transformer_id)
            """,
        ),
        rules.share(
            "balanced-intervals",
            part="count(*) filter (where excluded_because is null)",
            whole="count(*) filter (where excluded_because is distinct from 'outage')",
            minimum=limits.completeness,
            fault="intervals with supply balanced",
            sample="""
                select 'transformer_id=' || transformer_id || ': ' || count(*) || ' intervals without a balance, '
                    || min(excluded_because) || ', from ' || min(reading_at)
                from {batch} as day_rows where excluded_because <> 'outage'
                group by transformer_id order by count(*) desc, transformer_id
            """,
            severity="warning",
            column="excluded_because",
        ),
    ]
