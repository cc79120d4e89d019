"""Days: which gates are open, how far each layer has come, and what the graph owes.

What belongs here: counting states of recent days. What does not: verdicts (resources/gates.py), what is owed (resources/due.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from energy_assets.days import ONE_DAY
from energy_assets.keys import GATED, SERVING
from energy_assets.monitoring.graph import Graph
from energy_assets.monitoring.metrics import (
    GATE_DAYS,
    GATES,
    GREEN_DAY,
    GREEN_LAG,
    OWED,
    OWED_SINCE,
    RED_DAY,
    ROWS,
    SEEN_DAYS,
    Sample,
)
from energy_assets.monitoring.sources import Sources
from energy_assets.resources.due import due_days
from energy_assets.resources.gates import READABLE_STATES

if TYPE_CHECKING:
    from energy_assets.monitoring.sources import DayOfTable

STATES = {"green": "green", "accepted": "overridden", "red": "red", "unjudged": "unjudged"}
MISSING = "missing"


@dataclass
class Days:
    """Asks for gates and days."""

    graph: Graph
    _owed: tuple[tuple[Any, ...], list[date]] | None = field(default=None)
    """What was owed, and the state of home and stores that it was counted in."""

    def gates(self, sources: Sources) -> Iterator[Sample]:
        days = sources.recent_days[:GATE_DAYS]
        for table, layer in GATED.items():
            found = {day: sources.tables_of(day).get(table) for day in days}
            counts = Counter(STATES.get(of_day.state, MISSING) if of_day else MISSING for of_day in found.values())
            for state in (*STATES.values(), MISSING):
                yield Sample(GATES, counts[state], (layer, table, state))
            if red := [day for day, of_day in found.items() if of_day and of_day.state == "red"]:
                yield Sample(RED_DAY, sources.timestamp(max(red)), (layer, table))
        yield from self._newest_rows(sources)
        for layer in (*dict.fromkeys(GATED.values()), SERVING):
            yield from self._newest_green(sources, layer)

    def owed(self, sources: Sources) -> Iterator[Sample]:
        """Counted anew only where something was written, decided or landed: counting looks at every day of the home."""
        mark = self._mark(sources)
        if self._owed is None or self._owed[0] != mark:
            first, last = sources.calendar.first_day, sources.last_over
            due = due_days(sources.postgres, self.graph.edges)
            self._owed = mark, [entry.day for entry in due if first <= entry.day <= last]
        days = self._owed[1]
        yield Sample(OWED, len(days))
        if days:
            yield Sample(OWED_SINCE, sources.timestamp(min(days)))

    def _newest_rows(self, sources: Sources) -> Iterator[Sample]:
        tables = {**GATED, **dict.fromkeys(self.graph.copies, SERVING)}
        rows = sources.postgres.rows(
            "select known.name, newest.row_count from unnest(%s) as known (name)"
            " cross join lateral (select row_count from quality.day_versions where table_name = known.name"
            " order by reading_date desc limit 1) as newest",
            (list(tables),),
        )
        for table, count in rows:
            yield Sample(ROWS, count, (tables[table], table.removeprefix(f"{SERVING}.")))

    def _newest_green(self, sources: Sources, layer: str) -> Iterator[Sample]:
        day = next((day for day in sources.recent_days if self._is_open(sources.tables_of(day), layer)), None)
        if day is not None:
            yield Sample(GREEN_DAY, sources.timestamp(day), (layer,))
        due, before_all = sources.due_day, sources.calendar.first_day - ONE_DAY
        if due > before_all:
            yield Sample(GREEN_LAG, min(max((due - (day or before_all)).days, 0), SEEN_DAYS), (layer,))

    def _is_open(self, tables: Mapping[str, DayOfTable], layer: str) -> bool:
        """Whether all that the layer holds of a day may be read."""
        if layer == SERVING:
            pairs = ((tables.get(copy), tables.get(source)) for copy, source in self.graph.copies.items())
            return all(copy and source and copy.version > source.version for copy, source in pairs)
        gated = (tables.get(table) for table, of in GATED.items() if of == layer)
        return all(day and day.state in READABLE_STATES for day in gated)

    def _mark(self, sources: Sources) -> tuple[Any, ...]:
        """Changes whenever what is owed can have: something was written, a run came to its end, a person decided, a day ended."""
        written = sources.postgres.rows(
            "select (select last_value from quality.day_version_seq),"
            " (select concat(count(*), max(accepted_at)) from quality.overrides),"
            " (select concat(max(file_id), count(retracted_at), max(retracted_at)) from raw_data.landing_files)"
        )[0]
        if sources.dagster.rows("select to_regclass('runs') is null")[0][0]:
            return (*written, sources.last_over)
        newest = sources.dagster.rows("select id, status, update_timestamp from runs order by id desc limit 20")
        return (*written, sources.last_over, *newest)
