"""`python -m benchmarks.teach_theft`: teach the shipped rankers on simulated thieves; writes ml/theft/taught.

What belongs here: which fleets teach. What does not: evidence and rankers (ml/theft), fleets (theft_fleets.py).

Fleets that teach are of seeds that judge nothing: neither the developed nor the held-out ones (ml/evaluation/PROTOCOL.md). Real load
teaches nothing that is shipped: whoever clones the project can teach the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from benchmarks.theft_fleets import by_day, city
from ml.evaluation.theft_windows import evidence_of
from ml.model_store import ModelStore
from ml.theft.evidence import NAMES
from ml.theft.lookbacks import LOOKBACK_DAYS
from ml.theft.ranker import TAUGHT, fit, matrix, version

SEEDS = range(301, 317)
THEFT_RATE = 0.08
"""More thieves than the field has: each teaches."""
PROCESSES = 2


@dataclass(frozen=True, eq=False)
class Lesson:
    """A fleet that teaches, [meters] each: `values` [meters, PIECES] is evidence of all, of whom those that are judged teach."""

    values: np.ndarray
    kind: np.ndarray
    is_theft: np.ndarray
    is_judged: np.ndarray

    def seen(self, *, with_balance: bool) -> np.ndarray:
        """What the shipped rankers see of those who teach."""
        return matrix(self.values, with_balance=with_balance)[self.is_judged]

    @cached_property
    def everything(self) -> np.ndarray:
        """All that rankers can see, of every meter."""
        return matrix(self.values, with_balance=True, everything=True)

    def without(self, piece: str) -> Lesson:
        """The same fleet, of which nobody knows that piece of evidence."""
        values = self.values.copy()
        values[:, NAMES.index(piece)] = np.nan
        return replace(self, values=values)


def lesson(seed: int, of_days: bool = False) -> Lesson:
    """Of half-hours, or of nothing but days."""
    fleet = city(seed, THEFT_RATE)
    fleet = by_day(fleet) if of_days else fleet
    values = evidence_of(fleet.history.last(LOOKBACK_DAYS)).values
    print(f"  {fleet.name} teaches", flush=True)
    return Lesson(values, fleet.kind, fleet.is_theft, fleet.is_judged)


def lessons(seeds: Iterable[int] = SEEDS, *, of_days: bool = False) -> Iterator[Lesson]:
    """Of each seed, in their order."""
    with ProcessPoolExecutor(PROCESSES) as pool:
        yield from pool.map(partial(lesson, of_days=of_days), seeds)


def teach(*, of_days: bool) -> list[Path]:
    """Teach both rankers of half-hours, or of days; the paths of their files."""
    taught = list(lessons(of_days=of_days))
    is_theft = np.concatenate([one.is_theft[one.is_judged] for one in taught])
    on = f"simulated cities {SEEDS.start}–{SEEDS.stop - 1}, {THEFT_RATE:.0%} thieves{', by the day' if of_days else ''}"
    paths = []
    for with_balance in (True, False):
        seen = np.concatenate([one.seen(with_balance=with_balance) for one in taught])
        name, store = version(with_balance, of_days), ModelStore(TAUGHT)
        store.discard(name)
        sha256 = store.publish(fit(seen, is_theft, with_balance=with_balance, taught_on=on), name)
        (TAUGHT / f"{name}.sha256").write_text(sha256 + "\n", encoding="ascii")
        paths.append(store.path(name))
    return paths


if __name__ == "__main__":
    for only_days in (False, True):
        for path in teach(of_days=only_days):
            print(path)
