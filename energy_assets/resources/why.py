"""Why a day is red, or a run failed: what, where, what to do. The same lines go to the terminal, into failures and into alerts.

What belongs here: turning recorded verdicts, quarantined rows and failed steps into sentences. What does not: judging.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from energy_assets.days import DayWindow
from energy_assets.failures import said_by_step
from energy_assets.home import Home
from energy_assets.keys import GATED
from energy_assets.links import gate_url, reachable_verdict
from energy_assets.resources import ledger
from energy_assets.resources.gates import DayState, day_states, failures
from quality_suites import REJECTED_SHARE

if TYPE_CHECKING:
    import dagster as dg

    from energy_assets.resources.warehouse import Warehouse

SHOWN = 3
SHOWN_FILES = 5
DELIVER_AGAIN = "correct the file and deliver it again under the same path: the landing sensor does the rest"


@dataclass(frozen=True)
class Explanation:
    """A closed gate or a file in words. `lines` say what and where, `remedy` what to do; an open gate has no remedy.

    `page` is the address of the verdict's page of Data Docs, where they show it.
    """

    lines: tuple[str, ...]
    remedy: tuple[str, ...] = ()
    page: str | None = None

    def text(self) -> str:
        page = [f"  page {self.page}"] if self.page else []
        return "\n".join([*self.lines, *page, *(f"  → {line}" for line in self.remedy)])


def explain(warehouse: Warehouse, day: date, table: str | None = None) -> list[Explanation]:
    """Every closed gate of the day (or the one of `table`, open or closed), in the order in which data flows.

    Before them come the files that should have brought rows of the day and could not be read.
    """
    tables = [table] if table else list(GATED)
    states = day_states(warehouse, tables, DayWindow.of(day))
    known = [states[(name, day)] for name in tables if (name, day) in states]
    gates = [_explain(warehouse, state) for state in known if table or not state.is_readable]
    return [*([] if table else unreadable_files(warehouse, day)), *gates]


def unreadable_files(warehouse: Warehouse, day: date) -> list[Explanation]:
    """The files that could not be read at all and, by name or by what their path held before, concern the day."""
    found = ledger.unreadable_files(warehouse, day)
    shown = [
        Explanation(
            (f"{file.path} could not be read: {file.message}",),
            remedy_of_file(file),
        )
        for file in found[:SHOWN_FILES]
    ]
    if hidden := found[SHOWN_FILES:]:
        shown.append(Explanation((f"… and {len(hidden)} more files could not be read",)))
    return shown


def red_gate_lines(red: Mapping[str, Sequence[date]], page: str) -> list[str]:
    """A line for each table with red days, newest first: which, and where Dagster's page at the address `page` says why."""
    return [
        f"red: {table} {', '.join(map(str, days[:SHOWN]))}"
        + (f" and {len(days) - SHOWN} more" if len(days) > SHOWN else "")
        + f" → {gate_url(page, table)}"
        for table, days in red.items()
    ]


def remedy_of_file(file: ledger.UnreadableFile) -> tuple[str, ...]:
    """What to do about a file that could not be read."""
    return (DELIVER_AGAIN, f"or withdraw it: energy-assets retract {file.sha256[:8]}")


def failed_steps(events: Iterable[dg.DagsterEvent]) -> dict[str, str]:
    """Each failed step's own message, without stack traces."""
    return {str(event.step_key): said_by_step(event)[0] for event in events if event.event_type_value == "STEP_FAILURE"}


def _explain(warehouse: Warehouse, state: DayState) -> Explanation:
    failed = failures(warehouse, state.table, state.day) if state.is_judged else []
    rejects = quarantined(warehouse, state.table, state.day) if GATED[state.table] == "raw_data" else []
    lines = [f"{state.day} {state.table} is {state.state}" + (":" if failed else f", {state.row_count:,} rows.")]
    for failure in failed:
        lines.append(f"  {failure.severity}: {failure.message}")
        # The quarantine's own lines say more than a sample of it.
        if failure.sample and not (rejects and failure.expectation_id == REJECTED_SHARE):
            lines.append(f"    e.g. {'; '.join(failure.sample[:SHOWN])}")
    page = reachable_verdict(Home.at(warehouse.home), state.table, state.day) if state.is_judged else None
    return Explanation((*lines, *(f"  {line}" for line in rejects)), remedy(state), page)


def remedy(state: DayState) -> tuple[str, ...]:
    """What to do about a day, the next command first."""
    if state.state == "red":
        return (
            DELIVER_AGAIN,
            f'or take the day as it is: energy-assets accept {state.day} {state.table} --reason "…"',
        )
    if state.state == "unjudged":
        return (f"it was rewritten and not judged since: energy-assets materialize --day {state.day}",)
    if state.state == "dropped":
        return (
            f"its rows were dropped because of their age; from its parts it is made anew: energy-assets materialize --day {state.day}",
        )
    return ()


def quarantined(warehouse: Warehouse, table: str, day: date) -> list[str]:
    """The day's quarantined rows, a line per file, column and reason, the most frequent first."""
    from energy_assets.landing.contract import SOURCES

    source = next(source for source in SOURCES if source.table == table)
    rows = warehouse.rows(
        """
        with rejected as (
            select file_id, column_name, reason, row_number,
                   row_number() over (partition by file_id, column_name, reason order by row_number) as place,
                   count(*) over (partition by file_id, column_name, reason) as total
            from raw_data.rejected_rows
            join raw_data.active_files using (file_id)
            where source = %(source)s
              and (reading_date = %(day)s
                   or (reading_date is null and file_id in (
                        select file_id from raw_data.landing_parts where source = %(source)s and reading_date = %(day)s)))
        )
        select path, column_name, reason, array_agg(row_number order by row_number), max(total)
        from rejected
        join raw_data.landing_files using (file_id)
        join raw_data.landing_paths using (sha256)
        where is_current and place <= %(shown)s
        group by path, column_name, reason
        order by max(total) desc, path
        limit 10
        """,
        {"source": source.name, "day": day, "shown": SHOWN},
    )
    return [_quarantine_line(*row) for row in rows]


def _quarantine_line(path: str, column: str | None, reason: str, numbers: list[int], total: int) -> str:
    where = f"row {numbers[0]}" if total == 1 else f"rows {', '.join(map(str, numbers))}"
    more = f" and {total - len(numbers):,} more" if total > len(numbers) else ""
    return f"{path}, {where}{more}" + (f", column {column}" if column else "") + f": {reason}"
