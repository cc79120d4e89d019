"""What must hold of a day's scores and forecasts: every accepted reading has a score, and feeders are the sum of their parts.

What belongs here: suites of `ml`. What does not: how good they are (ml/ evaluates).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quality_suites.columns import BIGINT, BOOLEAN, DATE, FLOAT, INSTANT, SMALLINT, TEXT
from quality_suites.trailing import usual

if TYPE_CHECKING:
    from quality_suites import Limits
    from quality_suites.expectations import DayExpectation, Rules

ANOMALY_TYPES = ("spike", "drop", "drift", "flat", "unusual_pattern")
AREA_KINDS = ("transformer", "feeder")
FORECAST_METHODS = ("ridge", "seasonal_naive")
SCORE_STATUSES = ("scored", "no_model")
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
