"""Districts of a simulated utility, week by week: what the morning of each campaign knows of every meter, and who steals then.

What belongs here: evidence and truth of weeks. What does not: who is visited, what is learnt from it (theft_labels.py), fleets (theft_fleets.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from benchmarks.theft_fleets import CITY_DAYS, LEAST_STOLEN_DAYS, city
from energy_assets.simulation.attacks import ATTACKS
from ml.evaluation.theft_windows import evidence_of
from ml.theft.history import FleetHistory
from ml.theft.lookbacks import LOOKBACK_DAYS

WEEK = 7
PROCESSES = 2


@dataclass(frozen=True, eq=False)
class District:
    """A fleet on the mornings of its campaigns, the last being that after its last day.

    `values` float64 [weeks, meters, PIECES] is evidence through the day before; `steals` bool [weeks, meters] is the truth of that day. `is_judged`
    bool [meters] leaves out whoever stopped or has just begun on the last day; `kind` [meters] is the attack, look-alike or HONEST.
    """

    seed: int
    values: np.ndarray
    steals: np.ndarray
    is_judged: np.ndarray
    kind: np.ndarray


def district(seed: int, *, theft_rate: float, weeks: int) -> District:
    """A city of PROTOCOL.md. Losses are balanced as if the register had always said what it says on the last day."""
    fleet = city(seed, theft_rate)
    ends = [CITY_DAYS - WEEK * before for before in reversed(range(weeks))]
    values = np.stack([evidence_of(_until(fleet.history, end)).values for end in ends])
    is_attack = np.isin(fleet.kind, list(ATTACKS))
    goes_on = fleet.is_theft | (fleet.onset > CITY_DAYS - LEAST_STOLEN_DAYS)
    steals = np.stack(
        [is_attack & (fleet.onset < end) & (goes_on | (fleet.stolen_wh[end - 1] > 0)) for end in ends],
    )
    steals[-1] = fleet.is_theft
    print(f"  {fleet.name}: {fleet.is_theft.sum()} thieves on the last day", flush=True)
    return District(seed, values, steals, fleet.is_judged, fleet.kind)


def districts(seeds: Iterable[int], *, theft_rate: float, weeks: int) -> Iterator[District]:
    """Of each seed, in their order."""
    with ProcessPoolExecutor(PROCESSES) as pool:
        yield from pool.map(partial(district, theft_rate=theft_rate, weeks=weeks), seeds)


def _until(history: FleetHistory, end: int) -> FleetHistory:
    """The LOOKBACK_DAYS before day `end`; a year before is not known of every week."""
    days = slice(max(end - LOOKBACK_DAYS, 0), end)
    return replace(
        history, wh=history.wh[days], day_types=history.day_types[days], lost_wh=history.lost_wh[days], year_ago_wh=None
    )
