"""A checkpoint asset and its blocking check for every gated table.

What belongs here: judging the days of a run, recording each day's verdict, and failing with the red days' names.
What does not: expectations (quality_suites/), who may read a day (resources/gates.py).
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import dagster as dg

from energy_assets.assets.daily import daily_asset, declared_columns
from energy_assets.checkpoints.closed_days import show_closed_days, take_over_closed_days
from energy_assets.checkpoints.day_evaluations import DayEvaluation, log_closed_range, log_day_evaluations
from energy_assets.days import DayWindow
from energy_assets.home import Home
from energy_assets.keys import GATED, checkpoint_key, table_key
from energy_assets.landing.contract import SOURCES
from energy_assets.links import data_docs_url, verdict_url
from energy_assets.partitions import CALENDAR, DAILY, day_window
from energy_assets.resources import ledger
from energy_assets.resources.gates import DayState, FailedExpectation, day_states, failures, record_verdict
from energy_assets.resources.limits import limits
from energy_assets.resources.warehouse import Warehouse
from energy_assets.resources.why import explain
from energy_assets.settings import settings

if TYPE_CHECKING:
    from quality_suites.validator import Limits, Outcome, Validator

CHECK = "gate"
COMPARED = "expect_usual"
NEVER_DELIVERED = "nothing was ever delivered: nothing to compare"
SHOWN_DAYS = 3
RED_DAYS = "red days"
MADE_OF = {
    "transformer_readings": (
        *("int_transformer_balance", "mart_transformer_losses"),
        *("load_forecast", "loss_explanations", "mart_forecast_accuracy"),
    )
}
"""Tables whose every row is about a delivered row of a source, by the source's table."""
SOURCE_OF = {
    name: source
    for source in SOURCES
    for name in (source.table, f"stg_{source.table}", *MADE_OF.get(source.table, ()))
    if name in GATED
}
"""By gated table that holds nothing where a source delivered nothing."""
DATA_DOCS, WHAT_TO_DO, WHY = "Data Docs", "What to do", "Why"


def checkpoint(table: str) -> dg.AssetsDefinition:
    """The asset that judges `table`, day by day, and fails naming the red days; whatever reads the table depends on it."""

    @daily_asset(
        checkpoint_key(table),
        deps=[table_key(table)],
        kinds={"greatexpectations", "postgres"},
        description=f"Great Expectations' verdict on each day of {table}. Red days stop whatever reads them: Checks says why, and what to do.",
        date_column="reading_date",
        columns=declared_columns("quality.validation_results"),
        group=GATED[table],
        table="quality.validation_results",
    )
    def judged(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult:
        window = day_window(context)
        judge_days(context, warehouse, table, window)
        states = {day: state for (_, day), state in day_states(warehouse, [table], window).items()}
        green = [day for day in window if states[day].is_readable]
        take_over_closed_days(context, green)
        if closed := [day for day in window if day not in green]:
            for day in green:
                context.log_event(
                    dg.AssetMaterialization(
                        context.asset_key, partition=day.isoformat(), metadata=state_metadata(warehouse, states[day])
                    )
                )
            evaluate_days(context, warehouse, table, states.values())
            known = {day: day_evaluation(warehouse, states[day]) for day in closed}
            if len(window) > 1:
                log_closed_range(
                    context,
                    asset_key=context.asset_key,
                    check_name=CHECK,
                    description=f"{len(closed)} of {len(window)} days closed. {known[closed[-1]].description}",
                    metadata=known[closed[-1]].metadata,
                )
            show_closed_days(context, {day: evaluation.metadata for day, evaluation in known.items()})
            raise closed_gate(warehouse, table, closed, green)
        for day in window:
            context.add_asset_metadata(state_metadata(warehouse, states[day]), partition_key=day.isoformat())
        return dg.MaterializeResult()

    return judged


def gate(table: str) -> dg.AssetChecksDefinition:
    """The blocking check of a checkpoint. Run alone, it reads the recorded verdicts; a day without one does not pass."""

    @dg.asset_check(
        asset=checkpoint_key(table),
        name=CHECK,
        blocking=True,
        partitions_def=DAILY,
        description=f"Every critical expectation on {table} holds, or a person accepted the day.",
    )
    def passed(context: dg.AssetCheckExecutionContext, warehouse: Warehouse) -> dg.AssetCheckResult:
        window = day_window(context)
        states = {day: state for (_, day), state in day_states(warehouse, [table], window).items()}
        closed = [day for day in window if day not in states or not states[day].is_readable]
        evaluate_days(context, warehouse, table, states.values())
        return dg.AssetCheckResult(
            passed=not closed,
            description=f"{len(window) - len(closed)} of {len(window)} days may be read; closed: {', '.join(map(str, closed))}"
            if closed
            else f"{window} may be read",
            metadata={DATA_DOCS: page_of_days(warehouse, table, window)},
        )

    return passed


def judge_days(context: dg.AssetExecutionContext, warehouse: Warehouse, table: str, window: DayWindow) -> None:
    """Judge every written day of `window` and record the verdict on the version that was judged.

    Raises dg.Failure where a day was never written: a gate that did not run is no pass.
    """
    versions = {day: state.version for (_, day), state in day_states(warehouse, [table], window).items()}
    if unwritten := [day.isoformat() for day in window if day not in versions]:
        raise dg.Failure(
            f"{table} was never written for {', '.join(unwritten)}: materialize it first, "
            f"e.g. `energy-assets materialize --day {unwritten[0]}`",
            allow_retries=False,
        )
    validator = validator_of(warehouse.connections.transformer_dsn, limits(settings(), CALENDAR.timezone))
    try:
        is_delivered = has_deliveries(warehouse, table)
        for days in [[day] for day in window] if is_delivered else [list(window)]:
            outcomes = validator.judge(table, days[0])
            if not is_delivered:
                outcomes = without_comparison(outcomes)
            record_verdict(warehouse, table, {day: versions[day] for day in days}, outcomes, run_id=context.run_id)
    finally:
        validator.close()


@lru_cache(maxsize=1)
def validator_of(dsn: str, known: "Limits") -> "Validator":
    """One for all gates of the process: setting Great Expectations up for a table costs as much as judging ten days of it."""
    from quality_suites.validator import Validator

    return Validator(dsn, known)


def has_deliveries(warehouse: Warehouse, table: str) -> bool:
    """Whether days of `table` can differ: where its source never delivered a row, one verdict is that of all."""
    source = SOURCE_OF.get(table)
    return source is None or ledger.has_delivered(warehouse, source)


def without_comparison(outcomes: "Sequence[Outcome]") -> "list[Outcome]":
    """Outcomes of a day without deliveries of any day: there are no days before to compare with, however many were run."""
    return [
        replace(outcome, success=True, sample=(), message=NEVER_DELIVERED)
        if outcome.expectation == COMPARED
        else outcome
        for outcome in outcomes
    ]


def evaluate_days(
    context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext,
    warehouse: Warehouse,
    table: str,
    states: Iterable[DayState],
) -> None:
    log_day_evaluations(
        context,
        asset_key=checkpoint_key(table),
        check_name=CHECK,
        evaluations=[day_evaluation(warehouse, state) for state in sorted(states, key=lambda state: state.day)],
    )


def day_evaluation(warehouse: Warehouse, state: DayState) -> DayEvaluation:
    """The day's verdict: in a sentence with what fails, and the failing expectations as a table."""
    failed = failed_expectations(warehouse, state)
    return DayEvaluation(
        day=state.day,
        passed=state.is_readable,
        description=": ".join([f"{state.day} is {state.state}", *([failed[0].message] if failed else [])])
        + (f", and {len(failed) - 1} more" if len(failed) > 1 else ""),
        metadata=day_metadata(warehouse, state),
    )


def failed_expectations(warehouse: Warehouse, state: DayState) -> list[FailedExpectation]:
    return failures(warehouse, state.table, state.day) if state.failed_critical or state.failed_warning else []


def day_metadata(warehouse: Warehouse, state: DayState) -> dict[str, Any]:
    """All that is said of a day. Dagster's page of a check sorts it, capitals first: where to look and what to do lead."""
    failed = failure_metadata(failed_expectations(warehouse, state))
    if state.is_readable:
        return {**state_metadata(warehouse, state), **failed}
    (why,) = explain(warehouse, state.day, state.table)
    return {
        **state_metadata(warehouse, state),
        WHAT_TO_DO: "; ".join(why.remedy),
        WHY: " · ".join(line.strip() for line in why.lines[1:]),
        **failed,
    }


def state_metadata(warehouse: Warehouse, state: DayState) -> dict[str, Any]:
    return {
        DATA_DOCS: page_of_days(warehouse, state.table, DayWindow.of(state.day)),
        "state": state.state,
        "failed_critical": state.failed_critical,
        "failed_warning": state.failed_warning,
        "dagster/partition_row_count": state.row_count,
    }


def page_of_days(warehouse: Warehouse, table: str, window: DayWindow) -> dg.MetadataValue:
    """The day's own page of Data Docs; of several days, the index. It is built when the run has ended."""
    home = Home.at(warehouse.home)
    return dg.MetadataValue.url(verdict_url(home, table, window.start) if len(window) == 1 else data_docs_url(home))


def failure_metadata(failed: Sequence[FailedExpectation]) -> dict[str, Any]:
    """The failing expectations as a table, with sample rows; nothing where all hold."""
    if not failed:
        return {}
    records = [
        dg.TableRecord(
            {"severity": f.severity, "what": f.message, "count": f.unexpected_count or 0, "sample": "; ".join(f.sample)}
        )
        for f in failed
    ]
    return {"failing expectations": dg.MetadataValue.table(records)}


def closed_gate(warehouse: Warehouse, table: str, closed: Sequence[date], green: Sequence[date]) -> dg.Failure:
    """The failure that an engineer reads: the lines of `energy-assets why` for each closed day."""
    shown = [entry.text() for day in closed[:SHOWN_DAYS] for entry in explain(warehouse, day, table)]
    if hidden := closed[SHOWN_DAYS:]:
        shown.append(f"… and {len(hidden)} more days: {', '.join(map(str, hidden))}")
    return dg.Failure(
        description="\n".join([*shown, f"→ energy-assets why {closed[0]}"]),
        metadata={
            RED_DAYS: ", ".join(map(str, closed)),
            "green days": len(green),
            **{
                f"{DATA_DOCS} of {day}": page_of_days(warehouse, table, DayWindow.of(day))
                for day in closed[:SHOWN_DAYS]
            },
        },
        allow_retries=False,
    )
