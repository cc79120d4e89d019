"""What must hold of a day's scores, forecasts and evidence: who is to be judged is judged, in words and ranges that readers know.

What belongs here: suites of `ml`. What does not: how good they are (ml/ evaluates).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml.theft.lookbacks import LEAST_METERS
from quality_suites.columns import BIGINT, BOOLEAN, DATE, FLOAT, INSTANT, SMALLINT, TEXT
from quality_suites.trailing import usual

if TYPE_CHECKING:
    from quality_suites import Limits
    from quality_suites.expectations import DayExpectation, Rules

ANOMALY_TYPES = ("spike", "drop", "drift", "flat", "unusual_pattern")
AREA_KINDS = ("transformer", "feeder")
FORECAST_METHODS = ("ridge", "seasonal_naive")
SCORE_STATUSES = ("scored", "no_model")
PROBABILITY_BASES = ("prior", "labels")
THEFT_STATUSES = ("scored", "too_few_days")
WAYS = ("share", "night", "weekend", "missing", "invented")
"""What a loss follows. Like the statistics below, as ml.theft has them, whose modules import SciPy."""
STATISTICS = (
    *("drop_t", "drop", "joint_change", "level_t", "base_t", "low_t", "middle_t", "peak_t", "zero_t", "spread_t"),
    *(
        "step_t",
        "bend_t",
        "night_t",
        "evening_t",
        "profile_likeness",
        "profile_reversal",
        "recent_trend",
        "same_season",
    ),
    *(
        "day_spread",
        "low_days",
        "zero_share",
        "plateau_share",
        "equal_share",
        "base_ratio",
        "peak_ratio",
        "spread_ratio",
    ),
    *("step_ratio", "weekend_ratio", "class_likeness", "reversed_likeness", "sibling_change", "nothing_reported"),
    *("balance_gain", "balance_share", "stolen_share"),
)
KNOWN_DAYS = 28
"""Days of traits that evidence counts: no more can be known."""
ALARMING_THEFT_SCORE, ALARMING_THEFT_SHARE = 0.5, 0.15
"""Where more meters than that have a higher score, the register or the balance is at fault rather than so many customers."""
ALARMING_MULTIPLE = 5
"""So many times the expected share of anomalies says more of the model or the delivery than of the meters."""


def anomaly_scores(rules: Rules, limits: Limits) -> list[DayExpectation]:
    alarming = min(1.0, ALARMING_MULTIPLE * limits.anomaly_share)
    return [
        rules.columns(
            reading_date=DATE,
            meter_id=TEXT,
            reading_at=INSTANT,
            accepted_wh=BIGINT,
            expected_wh=FLOAT,
            anomaly_score=FLOAT,
            is_anomaly=BOOLEAN,
            anomaly_type=TEXT,
            score_status=TEXT,
            model_version=TEXT,
        ),
        *rules.not_null("meter_id", "reading_at", "score_status"),
        rules.unique("meter_id", "reading_at"),
        rules.between("anomaly_score", 0, 1),
        rules.one_of("score_status", SCORE_STATUSES),
        rules.one_of("anomaly_type", ANOMALY_TYPES),
        rules.no_rows_where(
            "anomaly_score-where-scored",
            "(anomaly_score is null) <> (score_status = 'no_model')",
            fault="whose anomaly_score and score_status disagree",
            column="anomaly_score",
            shows=("anomaly_score", "score_status"),
        ),
        rules.no_rows_where(
            "model_version-where-scored",
            "score_status = 'scored' and model_version is null",
            fault="scored without a model_version",
            column="model_version",
        ),
        rules.no_rows_from(
            "one-per-accepted-reading",
            """
                select 'meter_id=' || meter_id || ', reading_at=' || reading_at
                    || case when read.accepted_wh is null then ': a score without an accepted reading'
                            else ': an accepted reading without a score' end
                from (
                    select meter_id, reading_at, accepted_wh from staging.stg_meter_readings
                    where reading_date = {day} and accepted_wh is not null
                ) as read
                full join (select meter_id, reading_at, score_status from {batch} as day_rows) as scored
                    using (meter_id, reading_at)
                where read.accepted_wh is null or scored.score_status is null
                order by meter_id, reading_at
            """,
            fault="accepted readings without a score, or scores without an accepted reading",
        ),
        rules.share(
            "anomaly-share",
            part="count(*) filter (where is_anomaly)",
            whole="count(anomaly_score)",
            maximum=alarming,
            fault="scored readings flagged",
            sample="""
                select 'meter_id=' || meter_id || ': ' || count(*) || ' flagged'
                from {batch} as day_rows where is_anomaly group by meter_id order by count(*) desc, meter_id
            """,
            severity="warning",
            column="is_anomaly",
        ),
        usual(
            rules,
            limits,
            "mean-anomaly_score-usual",
            "avg(anomaly_score)",
            fault="mean anomaly score",
            column="anomaly_score",
        ),
    ]


def load_forecast(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            forecast_date=DATE,
            area_kind=TEXT,
            area_id=TEXT,
            starts_at=INSTANT,
            interval_minutes=SMALLINT,
            feeder_id=TEXT,
            forecast_wh=BIGINT,
            naive_wh=BIGINT,
            low_wh=BIGINT,
            high_wh=BIGINT,
            capacity_wh=BIGINT,
            overload_probability=FLOAT,
            method=TEXT,
        ),
        *rules.not_null("area_kind", "area_id", "starts_at", "interval_minutes", "forecast_wh", "naive_wh", "method"),
        rules.unique("area_kind", "area_id", "starts_at"),
        rules.one_of("area_kind", AREA_KINDS),
        rules.one_of("method", FORECAST_METHODS),
        rules.between("overload_probability", 0, 1),
        rules.no_rows_where(
            "forecast-in-order",
            "low_wh < 0 or low_wh > forecast_wh or forecast_wh > high_wh or forecast_wh < 0",
            fault="that break 0 ≤ low_wh ≤ forecast_wh ≤ high_wh",
            column="forecast_wh",
            shows=("low_wh", "forecast_wh", "high_wh"),
        ),
        rules.no_rows_where(
            "starts_at-next-day",
            f"(starts_at at time zone '{limits.timezone}')::date <> forecast_date + 1",
            fault="that are not of the day after forecast_date",
            column="starts_at",
        ),
        # Each part was rounded to a whole Wh, and so was the sum.
        rules.no_rows_from(
            "feeders-are-their-transformers",
            """
                select 'area_id=' || feeder.area_id || ', starts_at=' || feeder.starts_at || ': ' || feeder.forecast_wh
                    || ' Wh, its transformers ' || coalesce(sum(part.forecast_wh), 0)
                from (select * from {batch} as day_rows where area_kind = 'feeder') as feeder
                left join (select * from {batch} as day_rows where area_kind = 'transformer') as part
                    on part.feeder_id = feeder.area_id
                    and part.starts_at >= feeder.starts_at
                    and part.starts_at < feeder.starts_at + feeder.interval_minutes * interval '1 minute'
                group by feeder.area_id, feeder.starts_at, feeder.forecast_wh
                having abs(feeder.forecast_wh - coalesce(sum(part.forecast_wh), 0)) > (count(*) + 1) / 2.0
                order by feeder.area_id, feeder.starts_at
            """,
            fault="intervals of feeders whose forecast is not the sum of their transformers'",
            column="forecast_wh",
        ),
    ]


def loss_explanations(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            explained_date=DATE,
            transformer_id=TEXT,
            meter_id=TEXT,
            energy_wh=BIGINT,
            energy_low_wh=BIGINT,
            energy_high_wh=BIGINT,
            way=TEXT,
            coefficient=FLOAT,
            since_date=DATE,
            gain=FLOAT,
            gain_share=FLOAT,
            has_drifting_clock=BOOLEAN,
            is_misplaced=BOOLEAN,
        ),
        *rules.not_null("transformer_id", "meter_id", "energy_wh", "energy_low_wh", "energy_high_wh"),
        *rules.not_null("has_drifting_clock", "is_misplaced"),
        rules.unique("transformer_id", "meter_id"),
        rules.one_of("way", WAYS),
        rules.between("coefficient", 0),
        rules.between("gain", 0),
        rules.between("gain_share", 0, 1),
        # Nobody's part is what is left of the loss: below zero where meters say more than came in.
        rules.no_rows_where(
            "interval-in-order",
            "energy_low_wh > energy_wh or energy_wh > energy_high_wh or (meter_id <> '' and energy_low_wh < 0)",
            fault="that break energy_low_wh ≤ energy_wh ≤ energy_high_wh, or of a meter lie below zero",
            column="energy_wh",
            shows=("energy_low_wh", "energy_wh", "energy_high_wh"),
        ),
        rules.no_rows_where(
            "since_date-not-later",
            "since_date > explained_date",
            fault="whose since_date is after explained_date",
            column="since_date",
        ),
        rules.no_rows_where(
            "energy_wh-where-explained",
            "(way is not null and (coefficient is null or meter_id = ''))"
            " or (way is null and since_date is not null)"
            " or (way is null and meter_id <> '' and energy_high_wh <> 0)",
            fault="with energy of a meter but no way, or a way but no coefficient or meter",
            column="energy_wh",
            shows=("energy_wh", "way", "coefficient", "since_date"),
        ),
        rules.no_rows_from(
            "one-per-transformer",
            """
                select 'transformer_id=' || transformer_id || ': ' || count(*) filter (where meter_id = '') || ' rows of nobody'
                from {batch} as day_rows
                group by transformer_id having count(*) filter (where meter_id = '') <> 1
                order by transformer_id
            """,
            fault="transformers without one row of what nobody explains",
        ),
        rules.no_rows_from(
            "meter-explains-once",
            """
                select 'meter_id=' || meter_id || ': ' || string_agg(transformer_id, ', ' order by transformer_id)
                from {batch} as day_rows where meter_id <> ''
                group by meter_id having count(distinct transformer_id) > 1
                order by meter_id
            """,
            fault="meters that explain losses of several transformers",
        ),
    ]


def theft_evidence(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            score_date=DATE,
            meter_id=TEXT,
            transformer_id=TEXT,
            known_days=SMALLINT,
            reported_wh=BIGINT,
            drop_date=DATE,
            before_w=FLOAT,
            after_w=FLOAT,
            fleet_change=FLOAT,
            onset_date=DATE,
            explained_date=DATE,
            explained_way=TEXT,
            explained_since=DATE,
            explained_wh=BIGINT,
            explained_low_wh=BIGINT,
            explained_high_wh=BIGINT,
            used_wh=BIGINT,
            bought_wh=BIGINT,
            carried_wh=BIGINT,
            year_ago_wh=BIGINT,
            **dict.fromkeys(STATISTICS, FLOAT),
        ),
        *rules.not_null("meter_id", "known_days", "reported_wh"),
        rules.unique("meter_id"),
        rules.between("known_days", 0, KNOWN_DAYS),
        rules.between("reported_wh", 0),
        rules.between("before_w", 0),
        rules.between("after_w", 0),
        rules.between("used_wh", 0),
        rules.between("carried_wh", 0),
        rules.between("year_ago_wh", 0),
        rules.one_of("explained_way", WAYS),
        rules.no_rows_where(
            "dates-not-later",
            "greatest(drop_date, onset_date, explained_date) > score_date or explained_since > explained_date",
            fault="that tell of a day which was still to come",
            column="score_date",
            shows=("drop_date", "onset_date", "explained_date", "explained_since"),
        ),
        rules.no_rows_where(
            "explained_wh-where-explained",
            "num_nulls(explained_way, explained_wh, explained_low_wh, explained_high_wh) not in (0, 4)"
            " or (explained_way is null and explained_since is not null)"
            " or (explained_way is not null and explained_date is null)",
            fault="with energy that is explained but no way, or a way but no energy or day",
            column="explained_wh",
            shows=("explained_date", "explained_way", "explained_since", "explained_wh"),
        ),
        rules.no_rows_where(
            "balance_gain-where-explained",
            "(explained_date is null) <> (balance_gain is null)",
            fault="whose balance_gain and explained_date disagree",
            column="balance_gain",
            shows=("explained_date", "balance_gain"),
        ),
        rules.no_rows_where(
            "interval-in-order",
            "explained_low_wh < 0 or explained_low_wh > explained_wh or explained_wh > explained_high_wh",
            fault="that break 0 ≤ explained_low_wh ≤ explained_wh ≤ explained_high_wh",
            column="explained_wh",
            shows=("explained_low_wh", "explained_wh", "explained_high_wh"),
        ),
        # NaN sorts above all numbers.
        rules.no_rows_where(
            "statistics-finite",
            f"'Infinity' <= any (array[{', '.join(STATISTICS)}]) or '-Infinity' = any (array[{', '.join(STATISTICS)}])",
            fault="with a statistic that is infinite or NaN",
        ),
        rules.no_rows_from(
            "one-per-meter-with-traits",
            """
                select 'meter_id=' || traits.meter_id || ': traits without evidence'
                from intermediate.int_day_traits as traits
                where traits.reading_date = {day}
                    and not exists (select from {batch} as day_rows where day_rows.meter_id = traits.meter_id)
                    and (
                        exists (select from {batch} as day_rows)
                        or (select count(*) from intermediate.int_day_traits as fleet where fleet.reading_date = {day}) >= {least}
                    )
                order by traits.meter_id
            """.replace("{least}", str(LEAST_METERS)),
            fault="meters with traits of the day but without evidence",
        ),
    ]


def theft_scores(rules: Rules, limits: Limits) -> list[DayExpectation]:
    return [
        rules.columns(
            score_date=DATE,
            meter_id=TEXT,
            transformer_id=TEXT,
            theft_score=FLOAT,
            theft_probability=FLOAT,
            probability_basis=TEXT,
            onset_date=DATE,
            stolen_kwh_per_day=FLOAT,
            stolen_kwh_low=FLOAT,
            stolen_kwh_high=FLOAT,
            reasons=TEXT,
            reason_en=TEXT,
            reason_fr=TEXT,
            score_status=TEXT,
            model_version=TEXT,
        ),
        *rules.not_null("meter_id", "score_status", "reasons", "reason_en", "reason_fr"),
        rules.unique("meter_id"),
        rules.between("theft_score", 0, 1),
        rules.between("theft_probability", 0, 1),
        rules.one_of("score_status", THEFT_STATUSES),
        rules.one_of("probability_basis", PROBABILITY_BASES),
        *(
            rules.no_rows_where(
                f"{column}-where-scored",
                f"({column} is null) <> (score_status <> 'scored')",
                fault=f"whose {column} and score_status disagree",
                column=column,
                shows=(column, "score_status"),
            )
            for column in ("theft_score", "theft_probability", "probability_basis", "model_version")
        ),
        rules.no_rows_where(
            "stolen_kwh_per_day-where-scored",
            "score_status <> 'scored' and stolen_kwh_per_day is not null",
            fault="not scored, but with energy stolen",
            column="stolen_kwh_per_day",
            shows=("stolen_kwh_per_day", "score_status"),
        ),
        rules.no_rows_where(
            "interval-in-order",
            "num_nulls(stolen_kwh_low, stolen_kwh_per_day, stolen_kwh_high) not in (0, 3) or stolen_kwh_low < 0"
            " or stolen_kwh_low > stolen_kwh_per_day or stolen_kwh_per_day > stolen_kwh_high"
            " or stolen_kwh_high >= 'Infinity'",
            fault="that break 0 ≤ stolen_kwh_low ≤ stolen_kwh_per_day ≤ stolen_kwh_high, or know but some of them",
            column="stolen_kwh_per_day",
            shows=("stolen_kwh_low", "stolen_kwh_per_day", "stolen_kwh_high"),
        ),
        rules.no_rows_where(
            "onset_date-not-later",
            "onset_date > score_date",
            fault="whose onset_date is after score_date",
            column="onset_date",
        ),
        rules.no_rows_where(
            "reasons-in-words",
            "left(reasons, 1) <> '[' or (reasons <> '[]' and '' in (reason_en, reason_fr))",
            fault="whose reasons are no list, or not told in words",
            column="reasons",
            shows=("reasons", "reason_en", "reason_fr"),
        ),
        rules.no_rows_from(
            "one-per-evidence",
            """
                select 'meter_id=' || meter_id
                    || case when evidence.known_days is null then ': a score without evidence' else ': evidence without a score' end
                from (select meter_id, known_days from ml.theft_evidence where score_date = {day}) as evidence
                full join (select meter_id, score_status from {batch} as day_rows) as scored using (meter_id)
                where evidence.known_days is null or scored.score_status is null
                order by meter_id
            """,
            fault="rows of evidence without a score, or scores without evidence",
        ),
        rules.share(
            "suspected-share",
            part="count(*) filter (where theft_score > {alarming})",
            whole="count(theft_score)",
            maximum=ALARMING_THEFT_SHARE,
            fault=f"scored meters with a theft_score above {ALARMING_THEFT_SCORE}",
            sample="""
                select 'meter_id=' || meter_id || ': ' || round(theft_score::numeric, 3)
                from {batch} as day_rows where theft_score > {alarming} order by theft_score desc, meter_id
            """,
            severity="warning",
            column="theft_score",
            alarming=ALARMING_THEFT_SCORE,
        ),
        usual(
            rules,
            limits,
            "mean-theft_score-usual",
            "avg(theft_score)",
            fault="mean theft score",
            column="theft_score",
        ),
    ]
