"""Which days the graph owes, and what of each: tables whose inputs are newer than what was made of them.

What belongs here: comparing versions along the graph's edges. What does not: requesting runs (automation/, operations/).

A day write bumps a version from one sequence, so "newer" is a comparison of numbers, whoever wrote, in whatever order. Only
what is behind a change is owed: what stands before it keeps its version, and with it its verdicts and acceptances.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from energy_assets.days import ONE_DAY, DayWindow
from energy_assets.keys import GATED, RAW, STAGING
from energy_assets.resources.gates import READABLE_STATES
from energy_assets.resources.ledger import stale_days
from energy_assets.settings import settings

if TYPE_CHECKING:
    from energy_assets.resources.warehouse import Rows, Warehouse

MOST_SPARE = 8
"""So many tables that it does not owe may be written of a day to have it run with its neighbours."""


@dataclass(frozen=True)
class Edge:
    """`output` (its name in quality.day_versions) of day D reads `input` of D-`lookback_days` to D-`nearest_days`; itself of the days before D alone.

    Scores that merely look back are restated within a bound of days; what follows from its inputs alone always is.
    """

    input: str
    output: str
    lookback_days: int
    is_bounded: bool = False
    nearest_days: int = 0


@dataclass(frozen=True)
class Work:
    """What a day owes: `written` are rewritten and, where they have a gate, judged; `judged` are only judged."""

    written: tuple[str, ...]
    judged: tuple[str, ...]


@dataclass(frozen=True)
class DueDay:
    """A day that owes `work`. `state` names the writes that make it due: while nothing is written, it stays the same.

    `spare` are green raw and staged tables that may be written again with it: whatever reads them of the day is owed as well.
    """

    day: date
    work: Work
    state: str
    spare: frozenset[str] = frozenset()


@dataclass(frozen=True)
class DueRange:
    """Consecutive days that owe `work`, or nearly. `key` stays the same while nothing is written: one state is asked for once."""

    window: DayWindow
    work: Work
    key: str


@dataclass(frozen=True)
class _Behind:
    """An output whose readable input is newer. It `matters` where there are rows to make, or rows to clear."""

    version: int
    matters: bool


def due_days(warehouse: Rows, edges: Iterable[Edge]) -> list[DueDay]:
    """Days that owe anything that can be made now: nothing behind a closed gate is."""
    edges = list(edges)
    inputs: dict[str, list[str]] = {}
    for edge in edges:
        if not edge.nearest_days:
            inputs.setdefault(edge.output, []).append(edge.input)
    stale, behind, unjudged = stale_days(warehouse), _behind(warehouse, edges), _unjudged(warehouse)
    incomplete = _days_without(warehouse, [table for table in GATED if table not in inputs])
    candidates = sorted(stale.keys() | behind.keys() | unjudged.keys() | incomplete)
    states = _states(warehouse, candidates)
    plans = (
        _plan(day, inputs, states.get(day, {}), stale.get(day, {}), behind.get(day, {}), unjudged.get(day, {}))
        for day in candidates
    )
    return [plan for plan in plans if plan]


def due_ranges(due: Sequence[DueDay], longest: int) -> Iterator[DueRange]:
    """Ranges of consecutive days that owe nearly the same, none of more than `longest` days, in the order of their days.

    One run costs more than a few small tables written again: late deliveries of many sources would else be run day by day.
    """
    entries: list[DueDay] = []
    work = Work((), ())
    for entry in sorted(due, key=lambda entry: entry.day):
        together = _together(work, entry.work)
        if entries and not _is_one_range([*entries, entry], together, longest):
            yield _range(entries, work)
            entries, together = [], entry.work
        entries, work = [*entries, entry], together
    if entries:
        yield _range(entries, work)


def _together(one: Work, other: Work) -> Work:
    """What both owe, in the order in which data flows."""
    written = {*one.written, *other.written}
    judged = {*one.judged, *other.judged} - written
    order = [*GATED, *(name for name in (*one.written, *other.written) if name not in GATED)]
    return Work(*(tuple(dict.fromkeys(name for name in order if name in names)) for names in (written, judged)))


def _is_one_range(entries: Sequence[DueDay], work: Work, longest: int) -> bool:
    """Whether the days follow each other, and each may do what it does not owe of `work`."""
    *_, before, last = entries
    if last.day != before.day + ONE_DAY or len(entries) > longest:
        return False
    extras = [
        ({*work.written} - {*entry.work.written}) | ({*work.judged} - {*entry.work.written, *entry.work.judged})
        for entry in entries
    ]
    return all(len(extra) <= MOST_SPARE and extra <= entry.spare for extra, entry in zip(extras, entries, strict=True))


def _range(entries: Sequence[DueDay], work: Work) -> DueRange:
    window = DayWindow(entries[0].day, entries[-1].day + ONE_DAY)
    return DueRange(window, work, f"{window}:{digest(entry.state for entry in entries)}")


def digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _plan(
    day: date,
    inputs: Mapping[str, Sequence[str]],
    states: Mapping[str, str],
    stale: Mapping[str, str],
    behind: Mapping[str, _Behind],
    unjudged: Mapping[str, int],
) -> DueDay | None:
    """What the day owes, following the data: an output is made where all it reads of the day is open or made in the same run."""
    written: list[str] = []
    judged: list[str] = []
    for table in [*GATED, *(output for output in inputs if output not in GATED)]:
        if table not in inputs:
            is_due = table in stale or table not in states
        else:
            reads = inputs[table]
            is_possible = all(
                name in written or name in judged or states.get(name) in READABLE_STATES for name in reads
            )
            is_due = is_possible and (table in behind or any(name in written or name in judged for name in reads))
        if is_due:
            written.append(table)
        elif table in unjudged:
            judged.append(table)
    missing = [table for table in written if table not in inputs and table not in states]
    reasons = [
        *(f"{table}<{fingerprint}" for table, fingerprint in sorted(stale.items())),
        *(f"{table}!" for table in missing),
        *(f"{table}<{behind[table].version}" for table in written if table in behind),
        *(f"{table}?{unjudged[table]}" for table in judged),
    ]
    if not (stale or missing or judged or any(table in behind and behind[table].matters for table in written)):
        return None
    return DueDay(day, Work(tuple(written), tuple(judged)), digest(reasons), _spare(inputs, states, written))


def _spare(inputs: Mapping[str, Sequence[str]], states: Mapping[str, str], written: Collection[str]) -> frozenset[str]:
    """Green raw and staged tables all of whose readers are written, or spare: an accepted day is never written again unasked."""
    spare: set[str] = set()
    for table in reversed(GATED):
        if GATED[table] in (RAW, STAGING) and states.get(table) == "green":
            readers = {output for output, reads in inputs.items() if table in reads}
            if readers <= {*written, *spare}:
                spare.add(table)
    return frozenset(spare - {*written})


def _days_without(warehouse: Rows, roots: Sequence[str]) -> set[date]:
    """Days that were written before one of `roots`, tables that read no other, was there: an upgrade brings new ones."""
    rows = warehouse.rows(
        "select reading_date from quality.day_versions where table_name = any(%s) group by reading_date having count(*) < %s",
        (list(roots), len(roots)),
    )
    return {row[0] for row in rows}


def _behind(warehouse: Rows, edges: Collection[Edge]) -> dict[date, dict[str, _Behind]]:
    """Outputs by day whose readable input is newer.

    An output that merely looked back on a newer day counts only where it exists already and, if its edge is bounded, is no
    older than the restatement window before the newest loaded day.
    """
    rows = warehouse.rows(
        """
        with edges as (
            select * from unnest(%(inputs)s, %(outputs)s, %(nearest)s, %(lookbacks)s, %(bounded)s)
                as known (input, output, nearest_days, lookback_days, is_bounded)
        ),
        newest as (
            select max(reading_date) as reading_date from quality.day_versions where row_count > 0
        ),
        wanted as (
            select edges.output, due.day::date as reading_date, due.day::date > state.reading_date as is_lookback, is_bounded,
                   state.version, state.row_count
            from quality.day_states as state
            join edges on edges.input = state.table_name
            cross join lateral generate_series(
                (state.reading_date + edges.nearest_days)::timestamp, state.reading_date + edges.lookback_days, interval '1 day'
            ) as due (day)
            where state.state = any(%(readable)s)
        )
        select wanted.reading_date, wanted.output, max(wanted.version), bool_or(made.version is not null or wanted.row_count > 0)
        from wanted
        cross join newest
        left join quality.day_versions as made on made.table_name = wanted.output and made.reading_date = wanted.reading_date
        where coalesce(made.version, 0) < wanted.version
          and (not wanted.is_lookback
               or (made.version is not null
                   and (not wanted.is_bounded or wanted.reading_date > newest.reading_date - %(restatement_days)s)))
        group by wanted.reading_date, wanted.output
        """,
        {
            "inputs": [edge.input for edge in edges],
            "outputs": [edge.output for edge in edges],
            "nearest": [edge.nearest_days for edge in edges],
            "lookbacks": [edge.lookback_days for edge in edges],
            "bounded": [edge.is_bounded for edge in edges],
            "readable": list(READABLE_STATES),
            "restatement_days": settings().restatement_days,
        },
    )
    found: dict[date, dict[str, _Behind]] = {}
    for day, output, version, matters in rows:
        found.setdefault(day, {})[output] = _Behind(version, matters)
    return found


def _unjudged(warehouse: Rows) -> dict[date, dict[str, int]]:
    """Written days of gated tables without a verdict: a run ended between the write and its judgement."""
    rows = warehouse.rows(
        "select reading_date, table_name, version from quality.day_states"
        " where state = 'unjudged' and table_name = any(%s)",
        (list(GATED),),
    )
    found: dict[date, dict[str, int]] = {}
    for day, table, version in rows:
        found.setdefault(day, {})[table] = version
    return found


def _states(warehouse: Rows, days: Sequence[date]) -> dict[date, dict[str, str]]:
    rows = warehouse.rows(
        "select reading_date, table_name, state from quality.day_states where reading_date = any(%s::date[])",
        (list(days),),
    )
    found: dict[date, dict[str, str]] = {}
    for day, table, state in rows:
        found.setdefault(day, {})[table] = state
    return found


def red_days(warehouse: Warehouse, window: DayWindow) -> dict[date, str]:
    """Red days of the window, each with the first red table in the order in which data flows."""
    rows = warehouse.rows(
        "select reading_date, table_name from quality.day_states"
        " where state = 'red' and reading_date >= %s and reading_date < %s",
        (window.start, window.end),
    )
    order = list(GATED)
    return {day: table for day, table in sorted(rows, key=lambda row: -order.index(row[1]))}


def red_gates(warehouse: Warehouse) -> dict[str, list[date]]:
    """Red days by table, tables in the order in which data flows, the newest day first."""
    rows = warehouse.rows(
        "select table_name, array_agg(reading_date order by reading_date desc) from quality.day_states where state = 'red' group by 1"
    )
    return dict(sorted(rows, key=lambda row: list(GATED).index(row[0])))


def unserved_days(warehouse: Warehouse, window: DayWindow, copies: Mapping[str, str]) -> list[tuple[date, str]]:
    """Days on which one of `copies` (copy -> table, as in quality.day_versions) is missing or older than its table.

    With each day a sentence for each copy.
    """
    rows = warehouse.rows(
        """
        select day::date, served.copy
        from generate_series(%(start)s::timestamp, %(last)s::timestamp, interval '1 day') as due (day)
        cross join unnest(%(sources)s::text[], %(copies)s::text[]) as served (source, copy)
        left join quality.day_versions as source on source.table_name = served.source and source.reading_date = day::date
        left join quality.day_versions as copied on copied.table_name = served.copy and copied.reading_date = day::date
        where copied.version is null or source.version is null or copied.version < source.version
        order by 1, 2
        """,
        {
            "start": window.start,
            "last": window.last,
            "sources": list(copies.values()),
            "copies": list(copies),
        },
    )
    return [(day, f"{day}: {copy} is not up to date") for day, copy in rows]
