"""Energy of the newest day that may be read, what is lost of it, and the theft cases that are open.

What belongs here: sums by feeder. What does not: the balance and the cases themselves (dbt_project/models/marts).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from statistics import median

from energy_assets.monitoring.metrics import (
    CASES,
    CASES_LISTED,
    ENERGY_IN,
    LOSS_DAY,
    LOSS_RATIO,
    MOST_FEEDERS,
    NON_TECHNICAL,
    TECHNICAL,
    USUAL_DAYS,
    USUAL_RATIO,
    Sample,
)
from energy_assets.monitoring.sources import Sources
from energy_assets.resources.gates import READABLE_STATES

LEAST_USUAL_DAYS = 3
UTILITY = ("utility", "all")
OPEN = ("open", "assigned", "snoozed")
"""States of a case that has not ended, as in mart_theft_cases."""

Energy = tuple[float, float, float]
"""Energy in, technical loss, non-technical loss, in kWh."""


def losses(sources: Sources) -> Iterator[Sample]:
    days = _readable(sources, "mart_transformer_losses")
    if not days:
        return
    by_day = _by_feeder(sources, days[: USUAL_DAYS + 1])
    newest = by_day.get(days[0], {})
    yield Sample(LOSS_DAY, sources.timestamp(days[0]))
    for feeder, energy in folded(newest).items():
        for metric, kwh in zip((ENERGY_IN, TECHNICAL, NON_TECHNICAL), energy, strict=True):
            yield Sample(metric, kwh, (feeder,))
    before = [by_day.get(day, {}) for day in days[1 : USUAL_DAYS + 1]]
    yield from ratios(UTILITY, _total(newest.values()), [_total(day.values()) for day in before])
    for feeder in _largest(newest):
        yield from ratios(("feeder", feeder), newest[feeder], [day[feeder] for day in before if feeder in day])


def cases(sources: Sources) -> Iterator[Sample]:
    days = _readable(sources, "mart_theft_cases")
    if not days:
        return
    counts = sources.postgres.rows(
        "select state, count(*), count(selection) from marts.mart_theft_cases where case_date = %s group by state",
        (days[0],),
    )
    known = {state: count for state, count, _ in counts}
    for state in OPEN:
        yield Sample(CASES, known.get(state, 0), (state,))
    yield Sample(CASES_LISTED, sum(listed for state, _, listed in counts if state in OPEN))


def _readable(sources: Sources, table: str) -> list[date]:
    """Recent days of a table whose gate is open, the newest first."""
    found = ((day, sources.tables_of(day).get(table)) for day in sources.recent_days)
    return [day for day, known in found if known and known.state in READABLE_STATES]


def _by_feeder(sources: Sources, days: list[date]) -> dict[date, dict[str, Energy]]:
    rows = sources.postgres.rows(
        "select loss_date, coalesce(feeder_id, 'none'), sum(energy_in_kwh), sum(technical_loss_kwh), sum(non_technical_loss_kwh)"
        " from marts.mart_transformer_losses where loss_date = any(%s) group by 1, 2",
        (days,),
    )
    found: dict[date, dict[str, Energy]] = {}
    for day, feeder, *energy in rows:
        energy_in, technical, non_technical = (float(kwh or 0) for kwh in energy)
        found.setdefault(day, {})[feeder] = (energy_in, technical, non_technical)
    return found


def _total(energies: Iterable[Energy]) -> Energy:
    sums = [sum(column) for column in zip(*energies, strict=True)] or [0.0, 0.0, 0.0]
    return sums[0], sums[1], sums[2]


def _largest(by_feeder: Mapping[str, Energy]) -> list[str]:
    """The feeders that carry most, as many as have series of their own."""
    return sorted(by_feeder, key=lambda feeder: -by_feeder[feeder][0])[:MOST_FEEDERS]


def folded(by_feeder: Mapping[str, Energy]) -> dict[str, Energy]:
    """The same energy, with the feeders beyond the largest as `other`."""
    largest = {feeder: by_feeder[feeder] for feeder in _largest(by_feeder)}
    rest = [energy for feeder, energy in by_feeder.items() if feeder not in largest]
    return largest | ({"other": _total(rest)} if rest else {})


def ratios(area: tuple[str, str], newest: Energy, before: list[Energy]) -> Iterator[Sample]:
    """The area's share of the newest day and, where there are days enough before it, the usual one."""
    if newest[0] > 0:
        yield Sample(LOSS_RATIO, newest[2] / newest[0], area)
    usual = [lost / energy_in for energy_in, _, lost in before if energy_in > 0]
    if len(usual) >= LEAST_USUAL_DAYS:
        yield Sample(USUAL_RATIO, median(usual), area)
