"""Which days the graph owes: those whose inputs are newer than what was made of them.

What belongs here: comparing versions along the graph's edges. What does not: requesting runs (automation/, operations/).

A day write bumps a version from one sequence, so "newer" is a comparison of numbers, whoever wrote, in whatever order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from energy_assets.days import DayWindow
from energy_assets.resources.ledger import stale_days
from energy_assets.settings import settings

if TYPE_CHECKING:
    from energy_assets.resources.warehouse import Warehouse


@dataclass(frozen=True)
class Edge:
    """`output` (its name in quality.day_versions) of day D reads `input` of D-`lookback_days` to D."""

    input: str
    output: str
    lookback_days: int


@dataclass(frozen=True)
class DueDay:
    """A day to run. `state` names the writes that make it due: while nothing is written, it stays the same."""

    day: date
    state: str


def due_days(warehouse: Warehouse, edges: Iterable[Edge]) -> list[DueDay]:
    """Days whose raw rows are stale, or whose readable inputs are newer than an output.

    An output that merely looked back on a newer day is due only where it exists already and is no older than the
    restatement window before the newest loaded day.
    """
    edges = list(edges)
    stale = stale_days(warehouse)
    rows = warehouse.rows(
        """
        with edges as (
            select input, output, lookback_days from unnest(%(inputs)s, %(outputs)s, %(lookbacks)s)
                as known (input, output, lookback_days)
        ),
        newest as (
            select max(reading_date) as reading_date from quality.day_versions where row_count > 0
        ),
        wanted as (
            select edges.output, due.day::date as reading_date, due.day::date > state.reading_date as is_lookback, state.version
            from quality.day_states as state
            join edges on edges.input = state.table_name
            cross join lateral generate_series(
                state.reading_date::timestamp, state.reading_date + edges.lookback_days, interval '1 day'
            ) as due (day)
            where state.state in ('green', 'accepted')
        )
        select wanted.reading_date, max(wanted.version)
        from wanted
        cross join newest
        left join quality.day_versions as made on made.table_name = wanted.output and made.reading_date = wanted.reading_date
        where coalesce(made.version, 0) < wanted.version
          and (not wanted.is_lookback
               or (made.version is not null and wanted.reading_date > newest.reading_date - %(restatement_days)s))
        group by wanted.reading_date
        """,
        {
            "inputs": [edge.input for edge in edges],
            "outputs": [edge.output for edge in edges],
            "lookbacks": [edge.lookback_days for edge in edges],
            "restatement_days": settings().restatement_days,
        },
    )
    behind = {day: str(version) for day, version in rows}
    return [
        DueDay(day, ":".join(part for part in (stale.get(day), behind.get(day)) if part))
        for day in sorted(stale.keys() | behind.keys())
    ]


def red_days(warehouse: Warehouse, window: DayWindow) -> dict[date, str]:
    """Red days of the window, each with the first red table in the order in which data flows."""
    from energy_assets.keys import GATED

    rows = warehouse.rows(
        "select reading_date, table_name from quality.day_states"
        " where state = 'red' and reading_date >= %s and reading_date < %s",
        (window.start, window.end),
    )
    order = list(GATED)
    return {day: table for day, table in sorted(rows, key=lambda row: -order.index(row[1]))}


def unserved_days(warehouse: Warehouse, window: DayWindow) -> list[tuple[date, str]]:
    """Days whose served copy is missing or older than the table it copies, with a sentence for each."""
    from energy_assets.assets.serving import SERVED

    rows = warehouse.rows(
        """
        select day::date, served.copy
        from generate_series(%(start)s::timestamp, %(last)s::timestamp, interval '1 day') as due (day)
        cross join unnest(%(sources)s, %(copies)s) as served (source, copy)
        left join quality.day_versions as source on source.table_name = served.source and source.reading_date = day::date
        left join quality.day_versions as copied on copied.table_name = served.copy and copied.reading_date = day::date
        where copied.version is null or source.version is null or copied.version < source.version
        order by 1, 2
        """,
        {
            "start": window.start,
            "last": window.last,
            "sources": [served.source for served in SERVED],
            "copies": [served.ledger_name for served in SERVED],
        },
    )
    return [(day, f"{day}: {copy} is not up to date") for day, copy in rows]
