"""What must hold of a day once one delivery of each key was chosen and judged.

What belongs here: suites of `staging`. What does not: shares of rejected rows (raw_data).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quality_suites.columns import BIGINT, DATE, FLOAT, INSTANT, INTERVAL_MINUTES, MEASURED, SMALLINT, TEXT
from quality_suites.sql import fill
from quality_suites.trailing import usual

if TYPE_CHECKING:
    from quality_suites import Limits
    from quality_suites.expectations import DayExpectation, Rules

QUALITY_CODES = ("valid", "negative", "above_limit", "fold_assumed")
REFUSED_CODES = ("negative", "above_limit")

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
        rules.no_rows_where(
            "accepted_wh-where-accepted",
            "(accepted_wh is null) <> (quality_code in {refused})",
            fault="whose accepted_wh and quality_code disagree",
            column="accepted_wh",
            shows=("accepted_wh", "quality_code"),
            refused=REFUSED_CODES,
        ),
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
