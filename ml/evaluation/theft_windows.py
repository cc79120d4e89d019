"""Evidence of theft of a history of any length and of fleets of any size, as the graph would have gathered it.

What belongs here: cutting a history into windows and a fleet into blocks, and joining what was gathered. What does not: evidence itself
(ml/theft), what is made of it (theft_methods.py, theft_features.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from weakref import WeakKeyDictionary

import numpy as np

from ml.evaluation.windows import daily_wh
from ml.theft.evidence import Evidence, evidence, explained
from ml.theft.explain import Explanation
from ml.theft.history import FleetHistory
from ml.theft.lookbacks import LOOKBACK_DAYS, SEASON_DAYS, YEAR_DAYS
from ml.theft.season import season_wh
from ml.theft.traits import day_traits
from ml.validation.outages import NO_TRANSFORMER

STEP_DAYS = 56
"""Windows overlap by half, so that each change but those of the first and last weeks is well inside one."""
MOST_METERS = 10_000
"""Meters whose traits are held at once: memory does not grow with the fleet, and the median of so many is that of all."""
DAY_MINUTES = 1440
OF_TRANSFORMERS = ("unexplained_wh", "unexplained_low_wh", "unexplained_high_wh")


@dataclass(frozen=True, eq=False)
class Window:
    """Evidence on the last day of a window; days of `evidence` count from `first_day` of the history."""

    first_day: int
    evidence: Evidence


_gathered: WeakKeyDictionary[FleetHistory, Sequence[Window]] = WeakKeyDictionary()
"""Several methods read the same evidence of a history; it goes when the history goes."""


def windows(history: FleetHistory) -> Sequence[Window]:
    """Evidence of each window of `history`, the last window first; gathered once for a history."""
    if history not in _gathered:
        _gathered[history] = [
            Window(first, blockwise(_days(history, first, end))) for first, end in window_days(history.days)
        ]
    return _gathered[history]


def window_days(days: int) -> list[tuple[int, int]]:
    """Half-open ranges of LOOKBACK_DAYS, each STEP_DAYS before the one that is named before it; the earliest begins with day 0.

    All days where there are no more than LOOKBACK_DAYS.
    """
    end = days
    found = [(max(end - LOOKBACK_DAYS, 0), end)]
    while found[-1][0] > 0:
        end = max(end - STEP_DAYS, LOOKBACK_DAYS)
        found.append((end - LOOKBACK_DAYS, end))
    return found


def blockwise(history: FleetHistory, most_meters: int = MOST_METERS) -> Evidence:
    """Evidence of all meters of `history`, at most about `most_meters` of them at once.

    Meters behind one transformer stay together where losses are to be explained. A block is every so manieth meter or transformer, so that
    its medians are those of the fleet.
    """
    blocks = -(-history.meters // most_meters)
    if blocks == 1:
        return evidence_of(history)
    of = np.arange(history.meters) % blocks
    if history.lost_wh is not None:
        of = np.where(history.transformer == NO_TRANSFORMER, of, history.transformer % blocks)
    parts = [meters for number in range(blocks) if len(meters := np.flatnonzero(of == number))]
    return _joined([evidence_of(_meters(history, meters)) for meters in parts], parts)


def evidence_of(history: FleetHistory) -> Evidence:
    """Evidence on the last day of `history`, whose days are all read; with the balance where there is one."""
    traits = np.stack([day_traits(wh, DAY_MINUTES // history.slots) for wh in history.wh])
    explanation = explained(history, traits, history.day_types)
    return evidence(
        traits,
        history.day_types,
        history.customer_class,
        explanation,
        transformer=history.transformer,
        year_ago_wh=history.year_ago_wh,
    )


def _days(history: FleetHistory, first: int, end: int) -> FleetHistory:
    return replace(
        history,
        wh=history.wh[first:end],
        day_types=history.day_types[first:end],
        lost_wh=None if history.lost_wh is None else history.lost_wh[first:end],
        year_ago_wh=_year_ago_wh(history, end),
    )


def _year_ago_wh(history: FleetHistory, end: int) -> np.ndarray | None:
    """Of the weeks a year before day `end`, where the history reaches so far back or is known to have had them."""
    until = end - YEAR_DAYS
    if until >= SEASON_DAYS:
        season = slice(until - SEASON_DAYS, until)
        return season_wh(
            daily_wh(replace(history, wh=history.wh[season], day_types=history.day_types[season], lost_wh=None))
        )
    return history.year_ago_wh if end == history.days else None


def _meters(history: FleetHistory, meters: np.ndarray) -> FleetHistory:
    """Of some meters; transformers keep their numbers."""
    return replace(
        history,
        wh=history.wh[:, meters],
        customer_class=history.customer_class[meters],
        transformer=history.transformer[meters],
        year_ago_wh=None if history.year_ago_wh is None else history.year_ago_wh[meters],
    )


def _joined(found: Sequence[Evidence], meters: Sequence[np.ndarray]) -> Evidence:
    """Evidence of blocks as of one fleet; `meters` says whose that of each block is."""
    of_meters = {
        field.name: _scattered([getattr(one, field.name) for one in found], meters)
        for field in fields(Evidence)
        if field.name != "explanation"
    }
    explanations = [one.explanation for one in found]
    if any(one is None for one in explanations):
        return Evidence(**of_meters, explanation=None)
    told = {}
    for field in fields(Explanation):
        values = [getattr(one, field.name) for one in explanations]
        told[field.name] = _first_known(values) if field.name in OF_TRANSFORMERS else _scattered(values, meters)
    return Evidence(**of_meters, explanation=Explanation(**told))


def _scattered(values: Sequence[np.ndarray], meters: Sequence[np.ndarray]) -> np.ndarray:
    found = np.empty((sum(map(len, meters)), *values[0].shape[1:]), dtype=values[0].dtype)
    for one, of in zip(values, meters, strict=True):
        found[of] = one
    return found


def _first_known(values: Sequence[np.ndarray]) -> np.ndarray:
    """Of arrays [transformers]: a block knows its own transformers alone."""
    found = values[0]
    for one in values[1:]:
        found = np.where(np.isnan(found), one, found)
    return found
