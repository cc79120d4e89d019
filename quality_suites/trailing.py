"""A day beside the days before it: its row count, what its numbers amount to, and the meters that fell silent.

What belongs here: expectations that compare with the trailing month. What does not: what must hold of a day by itself
(one module a schema).

They warn and never make a day red: what is unusual may well be true, and a verdict that depends on other days depends
on the order in which days were judged. None of them scans readings of other days: row counts are those of
`quality.day_versions`, other measures those that the same expectation recorded on each day.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from statistics import median
from typing import TYPE_CHECKING, Any

from quality_suites.expectations import DayExpectation, Rules, as_float, percent
from quality_suites.sql import fill, literal

if TYPE_CHECKING:
    from quality_suites import Limits

TRAILING_DAYS = 28
"""Four whole weeks, so that every weekday weighs the same."""
LEAST_DAYS = 7
"""With fewer days that may be read there is no verdict: nobody knows yet what is usual."""
SILENCE_DAYS = 7
"""A meter that delivered within so many days is expected to deliver today."""
WARNING = "warning"

MAD_TO_DEVIATION = 1.4826
"""Median absolute deviation to standard deviation, of normal noise."""

# One look at a primary key for each day: a join would judge the whole history of the table first.
TRAILING = """
    select past_day, ({value})::double precision as value
    from (select {day} - n as past_day from generate_series(1, {days}) as n) as past
"""
ROW_COUNT = """
    select row_count from quality.day_states
    where table_name = {table} and reading_date = past_day and state in ('green', 'accepted')
"""
RECORDED = """
    select nullif(observed, {nothing}) from quality.validation_results
    where table_name = {table} and reading_date = past_day and expectation_id = {rule}
        and exists ({row_count})
"""
# Nulls are left out in Python: a filter here would have Postgres plan and look up everything twice.
VALUES = "(select json_agg(value)::text from ({trailing}) as before)"
LATEST = "select past_day || ': ' || value from ({trailing}) as before where value is not null order by past_day desc"

NOTHING = "nothing to judge"

SILENT_METERS = """
    select 'meter_id=' || meter_id || ': last heard of on ' || max(reading_date)
    from intermediate.int_readings_daily
    where reading_date >= {day} - {days} and reading_date < {day} and accepted_count > 0
        and meter_id not in (select meter_id from {batch} as day_rows where accepted_count > 0 and meter_id is not null)
    group by meter_id order by meter_id
"""


class ExpectUsual(DayExpectation):
    """`measure`, a number about the day, is near the median of what it was on the days before.

    Near is within `share` of the median or within `spreads` standard deviations, whichever is more; the deviation is
    estimated by the median absolute deviation, so that past outliers do not excuse new ones, and is at least
    `least_spread`, in the measure's unit. A day without the measure, or too few days before it, passes.
    """

    measure: str
    past: str
    """An expression that gives the earlier days' numbers as a JSON array; null where a day has none."""
    share: float
    spreads: float
    least_spread: float

    def stated(self) -> str:
        return (
            f"{self.fault}: within {percent(self.share)} or {self.spreads:g} standard deviations of the median of the "
            f"{TRAILING_DAYS} days before"
        )

    def measures(self) -> dict[str, str]:
        return {"ours": as_float(self.measure), "past": self.past, "rows": "count(*)"}

    def found(self, values: Mapping[str, Any]) -> dict[str, Any]:
        ours = values["ours"]
        past = [value for value in json.loads(values["past"] or "[]") if value is not None]
        usual = median(past) if past else 0
        found = {
            "success": True,
            "observed": NOTHING if ours is None else repr(ours),
            "unexpected_count": None,
            "element_count": values["rows"],
            "message": f"{shown(ours)} {self.fault}",
        }
        if ours is None:
            return found | {"message": f"no {self.fault}: nothing to judge"}
        if len(past) < LEAST_DAYS:
            few = f"only {len(past)} of the {TRAILING_DAYS} days before may be read, no verdict with fewer than {LEAST_DAYS}"
            return found | {"message": f"{found['message']} ({few})"}
        if not usual:
            return found | {"message": f"{found['message']} (usually none, no verdict)"}
        tolerance = self._tolerance(past, usual)
        limit = f"usually {shown(usual)} ± {shown(tolerance)}, by {len(past)} of the {TRAILING_DAYS} days before"
        return found | {
            "success": abs(ours - usual) <= tolerance,
            "message": f"{found['message']} ({limit})",
        }

    def _tolerance(self, past: list[float], usual: float) -> float:
        spread = max(MAD_TO_DEVIATION * median(abs(value - usual) for value in past), self.least_spread)
        return max(self.share * abs(usual), self.spreads * spread)


def usual_row_count(rules: Rules, limits: Limits) -> DayExpectation:
    """The day has about as many rows as the days before it. Few rows are expected to vary by one or two."""
    return _usual(
        rules,
        limits,
        "row-count-usual",
        fault="rows",
        measure="count(*)",
        value=fill(ROW_COUNT, {"table": literal(rules.table)}),
        share=limits.row_count_drift,
        least_spread=1.0,
    )


def usual(
    rules: Rules, limits: Limits, rule_id: str, measure: str, *, fault: str, column: str, least_spread: float = 0.0
) -> DayExpectation:
    """`measure`, an SQL aggregate over the day's rows, is near what this expectation recorded on the days before.

    `fault` is the measure in words, with its unit, as it follows a number; `least_spread` is in that unit.
    """
    names = {"table": literal(rules.table), "rule": literal(rule_id), "nothing": literal(NOTHING)}
    return _usual(
        rules,
        limits,
        rule_id,
        fault=fault,
        column=column,
        measure=measure,
        value=fill(RECORDED, names | {"row_count": fill(ROW_COUNT, names)}),
        share=limits.measure_drift,
        least_spread=least_spread,
    )


def no_silent_meters(rules: Rules) -> DayExpectation:
    """Every meter that delivered in the week before delivers today; those that do not are named."""
    return rules.no_rows_from(
        "meters-not-silent",
        SILENT_METERS,
        fault=f"meters without an accepted reading that had one in the {SILENCE_DAYS} days before",
        severity=WARNING,
        days=SILENCE_DAYS,
    )


def _usual(rules: Rules, limits: Limits, rule_id: str, *, value: str, **fields: Any) -> DayExpectation:
    trailing = fill(TRAILING, {"value": value, "days": literal(TRAILING_DAYS)})
    return rules.rule(
        ExpectUsual,
        rule_id,
        severity=WARNING,
        past=fill(VALUES, {"trailing": trailing}),
        sample=fill(LATEST, {"trailing": trailing}),
        spreads=limits.drift_spreads,
        **fields,
    )


def shown(value: float | None) -> str:
    """`4801.0` as `4,801`; a small number with three digits that mean something."""
    if value is None:
        return "no"
    return f"{value:,.0f}" if abs(value) >= 100 or float(value).is_integer() else f"{value:.3g}"
