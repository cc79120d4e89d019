"""Judges one day of one table, and says what it found to a person.

What belongs here: verdicts as plain values, their wording where a gate cannot run.
What does not: what must hold (one module a schema), Great Expectations' set-up (engine.py), recording verdicts,
Dagster. Great Expectations is imported with the first day judged: it takes some seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from quality_suites import SUITES, Limits, Suite
from quality_suites.sql import relation

if TYPE_CHECKING:
    from quality_suites.engine import Engine, Gate

__all__ = ["GateError", "Limits", "Outcome", "Validator"]

SCHEMA_RULE = "schema"


class GateError(Exception):
    """The gate could not judge the day: that is never a pass. The message names the table, the day and the remedy."""


@dataclass(frozen=True)
class Outcome:
    """What one expectation found on one day."""

    expectation: str
    """Great Expectations' type, e.g. `expect_no_rows_where`."""
    expectation_id: str
    """Stable and unique in the suite, e.g. `meter_id-not-null`."""
    column: str | None
    severity: str
    """critical, warning or info."""
    success: bool
    observed: str | None
    unexpected_count: int | None
    element_count: int | None
    sample: tuple[str, ...]
    """At most five of the rows that break it."""
    message: str
    """What was found, with counts and the limit."""


class Validator:
    """Judges days with one Great Expectations context and one connection. Make one a process; it is not thread-safe."""

    def __init__(self, dsn: str, limits: Limits) -> None:
        """`dsn`: `postgresql://user:password@host:port/database`, of a role that may read the gated tables."""
        self._dsn = dsn
        self._limits = limits
        self._engine: Engine | None = None
        self._gates: dict[str, Gate] = {}
        self._seen: set[str] = set()
        """Tables that were there since the connection was opened."""

    def judge(self, table: str, day: date) -> list[Outcome]:
        """Run the checkpoint of `table` on `day`: every expectation's outcome, in the suite's order.

        Raises GateError where the gate could not run: no such suite, no connection, no table, a query that fails.
        """
        suite = _suite(table)
        try:
            gate = self._gate(suite, day)
            result = gate.run(day)
        except GateError:
            raise
        except Exception as error:
            raise GateError(f"{_gate_of(suite, day)}: {_reason(str(error))}") from error
        return _outcomes(suite, day, result.results, gate.rules)

    def close(self) -> None:
        """Give the connection back; a later `judge` opens another, and finds the gates as they were made."""
        self._seen.clear()
        if self._engine is not None:
            self._engine.close()

    def _gate(self, suite: Suite, day: date) -> Gate:
        if self._engine is None:
            from quality_suites.engine import Engine

            self._engine = Engine(self._dsn)
        if suite.table not in self._seen:
            if not self._engine.has_table(relation(suite.schema, suite.table)):
                raise GateError(
                    f"{_gate_of(suite, day)}: the table does not exist, or this role may not see it → write it first: "
                    f"`energy-assets materialize --day {day:%Y-%m-%d}`"
                )
            self._seen.add(suite.table)
        if suite.table not in self._gates:
            self._gates[suite.table] = self._engine.gate(suite, self._limits)
        return self._gates[suite.table]


def _suite(table: str) -> Suite:
    try:
        return SUITES[table]
    except KeyError:
        raise GateError(f"no suite for {table}: quality_suites knows {', '.join(sorted(SUITES))}") from None


def _outcomes(suite: Suite, day: date, results: list[Any], rules: tuple[str, ...]) -> list[Outcome]:
    by_rule = {_rule(result): result for result in results}
    if missing := [rule for rule in rules if rule not in by_rule]:
        raise GateError(f"{_gate_of(suite, day)}: nothing came back for {', '.join(missing)}")
    failures = {rule: reason for rule, result in by_rule.items() if (reason := _failure(result))}
    schema_is_wrong = SCHEMA_RULE not in failures and not by_rule[SCHEMA_RULE].success
    if failures and not schema_is_wrong:
        rule, reason = next(iter(failures.items()))
        raise GateError(f"{_gate_of(suite, day)}: {rule}: {_reason(reason)}")
    return [_outcome(by_rule[rule], failures.get(rule)) for rule in rules]


def _outcome(result: Any, failure: str | None) -> Outcome:
    """What was found; or, where a wrong schema kept it from being judged, red like the schema that is to blame."""
    config = result.expectation_config
    found: dict[str, Any] = (
        UNJUDGED | {"message": f"could not be judged: {_first_line(failure)}"} if failure else result.result
    )
    return Outcome(
        expectation=config.type,
        expectation_id=_rule(result),
        column=config.kwargs.get("column"),
        severity=str(getattr(config.severity, "value", config.severity)),
        success=bool(result.success) and not failure,
        observed=found["observed"],
        unexpected_count=found["unexpected_count"],
        element_count=found["element_count"],
        sample=tuple(found["sample"]),
        message=found["message"],
    )


def _rule(result: Any) -> str:
    return result.expectation_config.meta["rule"]


def _failure(result: Any) -> str | None:
    """What Great Expectations caught while it judged, or None. It files errors flat, or by the metric that failed."""
    info = result.exception_info or {}
    for caught in (info, *(value for value in info.values() if isinstance(value, dict))):
        if caught.get("raised_exception"):
            return str(caught.get("exception_message"))
    return None


def _gate_of(suite: Suite, day: date) -> str:
    return f"the gate on {suite.schema}.{suite.table} could not judge {day:%Y-%m-%d}"


def _reason(message: str) -> str:
    """The database's own sentence, and what to do about it."""
    sentence = _first_line(message)
    for sign, remedy in REMEDIES.items():
        if sign in message:
            return f"{sentence} → {remedy}"
    return sentence


def _first_line(message: str) -> str:
    return message.strip().splitlines()[0] if message.strip() else "no reason given"


UNJUDGED: dict[str, Any] = {"observed": None, "unexpected_count": None, "element_count": None, "sample": ()}

REMEDIES = {
    "UndefinedTable": "write that table first; the order of the graph does it: `energy-assets materialize --day DAY`",
    "InsufficientPrivilege": "grant the gate's role select on it",
    "password authentication failed": "check the DSN's user and password",
    "OperationalError": "is Postgres up? `energy-assets status`",
}
