"""Visits that teach: what crews found, each with the evidence of the newest scored morning before it.

What belongs here: reading them, as far as gates are open. What does not: learning from them (ml/theft), which weeks ask (theft_models.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from energy_assets.days import DayWindow
from energy_assets.resources.gates import day_states
from energy_assets.resources.theft import day_evidence, purchases_of
from ml.theft.learnt import Visits, seen_by
from ml.theft.lookbacks import EVIDENCE_DAYS, LABEL_DAYS
from ml.theft.scores import unsupervised_score
from ml.theft.table import evidence_of

if TYPE_CHECKING:
    from energy_assets.resources.warehouse import Warehouse

INSPECTIONS, EVIDENCE = "stg_inspections", "theft_evidence"
TEACHING = """
    select inspected_on, meter_id, outcome = 'theft', coalesce(selection = 'random', false) from staging.stg_inspections
    where outcome in ('theft', 'clean') and inspected_on = any(%s) order by inspected_on, meter_id
"""


@dataclass(frozen=True)
class Visit:
    """One that found theft or none; no access and a faulty meter teach nothing. `evidence_day` is what it teaches by."""

    day: date
    meter_id: str
    is_theft: bool
    is_random: bool
    evidence_day: date


class TeachingVisits:
    """Visits that `weeks` (first days, in order) may learn from. Evidence is of whole fleets, so it is read once, and only if asked for."""

    def __init__(self, warehouse: Warehouse, weeks: list[date]) -> None:
        self._warehouse = warehouse
        self._visits = _visits(warehouse, DayWindow(weeks[0] - timedelta(days=LABEL_DAYS), weeks[-1]))

    def counts(self, week: date) -> tuple[int, int]:
        """(Found theft, found none) before the week."""
        before = [one for one in self._visits if week - timedelta(days=LABEL_DAYS) <= one.day < week]
        theft = sum(one.is_theft for one in before)
        return theft, len(before) - theft

    @cached_property
    def seen(self) -> Visits:
        """All of them as a ranker learns from them, whatever the week."""
        by_day: dict[date, list[Visit]] = {}
        for one in self._visits:
            by_day.setdefault(one.evidence_day, []).append(one)
        return Visits.joined([_with_evidence(self._warehouse, day, visits) for day, visits in sorted(by_day.items())])


def _visits(warehouse: Warehouse, window: DayWindow) -> list[Visit]:
    """Visits of the window's days that may be read and have evidence at most EVIDENCE_DAYS older, by day and meter."""
    states = day_states(warehouse, [INSPECTIONS, EVIDENCE], window.with_lookback(EVIDENCE_DAYS))
    held = {key for key, state in states.items() if state.is_readable and state.row_count}
    visited = [day for day in window if (INSPECTIONS, day) in held]
    found = []
    for day, *visit in warehouse.rows(TEACHING, (visited,)) if visited else []:
        before = (day - timedelta(days=ago) for ago in range(1, EVIDENCE_DAYS + 1))
        if evidence_day := next((of for of in before if (EVIDENCE, of) in held), None):
            found.append(Visit(day, *visit, evidence_day))  # type: ignore[call-arg]  # as many as are selected
    return found


def _with_evidence(warehouse: Warehouse, day: date, visits: list[Visit]) -> Visits:
    """Ranks are among all meters of the day, also those that nobody visited; visits of meters without a score are left out."""
    table = day_evidence(warehouse, day)
    evidence = evidence_of(table, day)
    score = unsupervised_score(evidence, purchases_of(table, evidence)[1])
    seen = seen_by(evidence.values, score)
    place = {meter: number for number, meter in enumerate(table["meter_id"].to_pylist())}
    known = [one for one in visits if one.meter_id in place and not np.isnan(score[place[one.meter_id]])]
    return Visits(
        day=np.array([one.day for one in known], dtype="datetime64[D]"),
        meter=np.array([one.meter_id for one in known], dtype=np.str_),
        is_theft=np.array([one.is_theft for one in known], dtype=bool),
        is_random=np.array([one.is_random for one in known], dtype=bool),
        fleet=np.full(len(known), (~np.isnan(score)).sum()),
        seen=seen[[place[one.meter_id] for one in known]],
    )
