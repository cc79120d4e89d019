"""Charts that were mended, asked as they were before beside how they are asked now.

What belongs here: the former statements, and that both say the same. What does not: how pages are timed (pages.py).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.measure import alternately, seconds_of
from benchmarks.page_questions import COURSE, Question
from energy_assets.resources.serving_ddl import DATABASE, scripts

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

ROUNDS = 5
FORMER = f"{DATABASE}.case_course_017"
STRANGEST = "The strangest meter-days"
FORECASTS = (
    "Load forecast of the day before against what came, in MWh a day",
    "How far forecasts were off, in % of the hour",
)
GROUPED = f"""
SELECT toStartOfDay(toDateTime(reading_date)) AS reading_date, meter_id AS meter_id, transformer_id AS transformer_id,
    argMax(anomaly_type, anomaly_score) AS strangest_kind, count() AS flagged_readings, max(anomaly_score) AS highest_score,
    argMax(consumption_kwh, anomaly_score) AS strangest_kwh, argMax(expected_kwh, anomaly_score) AS strangest_expected_kwh
FROM {DATABASE}.anomaly_flags
{{where}}
GROUP BY reading_date, meter_id, transformer_id
ORDER BY highest_score DESC
"""


@dataclass(frozen=True)
class Mended:
    """`seconds` are medians: before and now, one at a time; then the same of many at once."""

    name: str
    variant: str
    seconds: tuple[float, float, float, float]


@dataclass(frozen=True)
class Former:
    """How a question was asked, and which of its columns are the same numbers as those of the first statement now."""

    statements: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)


def beside(client: Client, asked: Sequence[Question], threads: int) -> list[Mended]:
    """Times of each mended question. Raises AssertionError where an answer is another than before."""
    client.command(f"DROP VIEW IF EXISTS {FORMER}")
    for statement in next(script for script in scripts() if script.name.startswith("017")).statements:
        if "IF NOT EXISTS energy_analytics.case_course" in statement:
            client.command(statement.replace(f"{DATABASE}.case_course", FORMER))
    found = []
    for question in asked:
        former = former_of(question)
        if former is None:
            continue
        require_same(client, question, former)

        def before(former: Former = former) -> None:
            for statement in former.statements:
                client.query(statement, settings=dict(former.settings))

        def now(question: Question = question) -> None:
            for statement in question.sql:
                client.query(statement)

        one_by_one = alternately(before, now, rounds=ROUNDS)
        together = [statistics.median(many_at_once(work, threads)) for work in (before, now)]
        found.append(Mended(question.name, question.variant, (*one_by_one, *together)))
    client.command(f"DROP VIEW {FORMER}")
    return found


def former_of(question: Question) -> Former | None:
    if question.name == COURSE:
        return Former(tuple(statement.replace("`case_course`", "`case_course_017`") for statement in question.sql))
    if question.name in FORECASTS:
        return Former(question.sql, {"optimize_use_projections": 0})
    if question.name == STRANGEST:
        conditions = [line for line in question.sql[0].splitlines() if line.strip().startswith("WHERE")]
        where = conditions[0].split("ORDER BY")[0].replace("`meter_day_flags` IS NOT NULL", "1") if conditions else ""
        grouped = GROUPED.format(where=where)
        return Former(
            (f"{grouped} LIMIT 10", f"SELECT COUNT(*) AS rowcount FROM ({grouped} LIMIT 10000) AS rowcount_qry")
        )
    return None


def require_same(client: Client, question: Question, former: Former) -> None:
    """What is shown is the same: of equal rank, either may come first, so lists are compared by their scores."""
    now = sorted(map(_comparable, client.query(question.sql[0]).result_rows), key=str)
    before = sorted(
        map(_comparable, client.query(former.statements[0], settings=dict(former.settings)).result_rows), key=str
    )
    if question.name == STRANGEST:
        now, before = [row[5:6] for row in now], [row[5:6] for row in before]
        now, before = sorted(now), sorted(before)
    if len(now) != len(before) or not all(
        _same(*pair) for one, other in zip(now, before, strict=True) for pair in zip(one, other, strict=True)
    ):
        raise AssertionError(f"{question.name}, {question.variant}: now {now[:2]}, before {before[:2]}")


def many_at_once(work: Callable[[], None], threads: int) -> list[float]:
    """Seconds of each of `threads` askings that start together."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda _: seconds_of(work), range(threads)))


def _comparable(row: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(row)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9)
    return one == other
