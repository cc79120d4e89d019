"""Gates: what a checkpoint said of a day, and whether a writer may read it.

What belongs here: verdicts, overrides, and refusing to read a day that is red, unjudged or judged in an older version.
What does not: the expectations (quality_suites/), running them (checkpoints/).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import dagster as dg

from energy_assets.days import DayWindow

if TYPE_CHECKING:
    from energy_assets.resources.warehouse import Warehouse
    from quality_suites.validator import Outcome

READABLE_STATES = ("green", "accepted")


@dataclass(frozen=True)
class DayState:
    """A written day of a table. `state` is green, accepted (red, overridden by a person), red, unjudged, or dropped because of its age."""

    table: str
    day: date
    version: int
    row_count: int
    state: str
    failed_critical: int
    failed_warning: int

    @property
    def is_readable(self) -> bool:
        return self.state in READABLE_STATES

    @property
    def is_judged(self) -> bool:
        """Whether what is recorded of the day is about these rows, not about an older version."""
        return self.state != "unjudged"


@dataclass(frozen=True)
class FailedExpectation:
    """An expectation that the day's rows break, as recorded."""

    expectation_id: str
    severity: str
    message: str
    unexpected_count: int | None
    sample: tuple[str, ...]


class ClosedGate(dg.Failure):
    """An input's day may not be read. Nothing was written."""


def day_states(warehouse: Warehouse, tables: Iterable[str], window: DayWindow) -> dict[tuple[str, date], DayState]:
    """The written days of `tables` in `window`; a day that was never written has no entry."""
    rows = warehouse.rows(
        "select table_name, reading_date, version, row_count, state, failed_critical, failed_warning"
        " from quality.day_states where table_name = any(%s) and reading_date >= %s and reading_date < %s",
        (list(tables), window.start, window.end),
    )
    return {(row[0], row[1]): DayState(*row) for row in rows}


def newest_readable_day(warehouse: Warehouse, table: str, *, with_rows: bool = True) -> date | None:
    """The newest day of `table` whose gate is open, by default of those that hold rows; None where there is none."""
    return warehouse.rows(
        "select max(reading_date) from quality.day_states where table_name = %s and state = any(%s) and (row_count > 0 or not %s)",
        (table, list(READABLE_STATES), with_rows),
    )[0][0]


def require_readable(warehouse: Warehouse, inputs: Sequence[str], window: DayWindow) -> None:
    """Refuse to go on while any day of `window` of any input is not readable.

    Dagster stops what follows a red check in one run, never in a later one: every writer asks for itself.
    Raises ClosedGate naming table, days and the next command; it is not retried.
    """
    states = day_states(warehouse, inputs, window)
    reasons = []
    for table in inputs:
        closed: dict[str, list[date]] = {}
        for day in window:
            state = states.get((table, day))
            if state is None or not state.is_readable:
                closed.setdefault("never written" if state is None else state.state, []).append(day)
        reasons += [f"{table} is {why} on {_listed(days)}" for why, days in closed.items()]
    if reasons:
        raise ClosedGate(
            description="; ".join(reasons)
            + f". Nothing was written. → energy-assets why {_first_closed(inputs, states, window)}",
            allow_retries=False,
        )


def record_verdict(
    warehouse: Warehouse, table: str, versions: Mapping[date, int], outcomes: Sequence[Outcome], *, run_id: str
) -> None:
    """Replace what is known of the days (-> the version that was judged) by `outcomes`, which are those of each of them."""
    from psycopg2.extras import execute_values

    with warehouse.transaction() as connection, connection.cursor() as cursor:
        cursor.execute(
            "delete from quality.validation_results where table_name = %s and reading_date = any(%s)",
            (table, list(versions)),
        )
        execute_values(
            cursor,
            "insert into quality.validation_results (reading_date, table_name, version, expectation_id, expectation,"
            " column_name, severity, success, observed, unexpected_count, element_count, sample, message, run_id) values %s",
            [
                (
                    day,
                    table,
                    version,
                    outcome.expectation_id,
                    outcome.expectation,
                    outcome.column,
                    outcome.severity,
                    outcome.success,
                    outcome.observed,
                    outcome.unexpected_count,
                    outcome.element_count,
                    list(outcome.sample),
                    outcome.message,
                    run_id,
                )
                for day, version in versions.items()
                for outcome in outcomes
            ],
        )


def failures(warehouse: Warehouse, table: str, day: date) -> list[FailedExpectation]:
    """What the day's rows break, the critical first."""
    rows = warehouse.rows(
        "select expectation_id, severity, message, unexpected_count, sample from quality.validation_results"
        " where table_name = %s and reading_date = %s and not success"
        " order by severity <> 'critical', severity, expectation_id",
        (table, day),
    )
    return [FailedExpectation(*row[:4], tuple(row[4])) for row in rows]  # type: ignore[call-arg]  # as many as are selected


def accept(warehouse: Warehouse, table: str, day: date, *, reason: str, accepted_by: str) -> DayState:
    """Record that a person accepts the red day as it is, in the version that was judged.

    Raises ValueError where the day is not red: there is nothing to accept, or nothing was judged yet; and without a reason.
    """
    if not reason.strip():
        raise ValueError("why may the day be used as it is? give a --reason, it is recorded with your name")
    state = day_states(warehouse, [table], DayWindow.of(day)).get((table, day))
    if state is None or state.state != "red":
        found = "was never written" if state is None else f"is {state.state}"
        raise ValueError(f"{table} of {day} {found}, not red: there is nothing to accept")
    with warehouse.transaction() as connection, connection.cursor() as cursor:
        cursor.execute(
            "insert into quality.overrides (table_name, reading_date, version, reason, accepted_by)"
            " values (%s, %s, %s, %s, %s) on conflict do nothing",
            (table, day, state.version, reason, accepted_by),
        )
    return state


def _listed(days: Sequence[date], limit: int = 5) -> str:
    shown = ", ".join(day.isoformat() for day in days[:limit])
    return shown if len(days) <= limit else f"{shown} and {len(days) - limit} more"


def _first_closed(inputs: Sequence[str], states: dict[tuple[str, date], DayState], window: DayWindow) -> str:
    for day in window:
        for table in inputs:
            state = states.get((table, day))
            if state is None or not state.is_readable:
                return f"{day} {table}"
    raise AssertionError("no closed gate")
