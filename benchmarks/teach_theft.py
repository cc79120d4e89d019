"""`python -m benchmarks.teach_theft`: teach the shipped rankers on simulated thieves; writes ml/theft/taught.

What belongs here: which fleets teach. What does not: evidence and rankers (ml/theft), fleets (theft_fleets.py).

Fleets that teach are of seeds that judge nothing: neither the developed nor the held-out ones (ml/evaluation/PROTOCOL.md). Real load
teaches nothing that is shipped: whoever clones the project can teach the same.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.theft_fleets import KnownFleet, city
from ml.model_store import ModelStore
from ml.theft.evidence import Evidence, evidence, explained
from ml.theft.lookbacks import LOOKBACK_DAYS
from ml.theft.ranker import TAUGHT, fit, matrix, version
from ml.theft.traits import day_traits

SEEDS = range(301, 317)
THEFT_RATE = 0.08
"""More thieves than the field has: each teaches."""


def evidence_of(fleet: KnownFleet) -> Evidence:
    history = fleet.history.last(LOOKBACK_DAYS)
    traits = np.stack([day_traits(wh, 1440 // history.slots) for wh in history.wh])
    return evidence(traits, history.day_types, history.customer_class, explained(history, traits, history.day_types))


def teach() -> list[Path]:
    """Teach both rankers; the paths of their files."""
    taught = [(fleet, evidence_of(fleet).values) for fleet in (city(seed, THEFT_RATE) for seed in SEEDS)]
    is_judged = np.concatenate([fleet.is_judged for fleet, _ in taught])
    is_theft = np.concatenate([fleet.is_theft for fleet, _ in taught])[is_judged]
    on = f"simulated cities {SEEDS.start}–{SEEDS.stop - 1}, {THEFT_RATE:.0%} thieves"
    paths = []
    for with_balance in (True, False):
        seen = np.concatenate([matrix(values, with_balance=with_balance) for _, values in taught])[is_judged]
        name, store = version(with_balance), ModelStore(TAUGHT)
        store.discard(name)
        sha256 = store.publish(fit(seen, is_theft, with_balance=with_balance, taught_on=on), name)
        (TAUGHT / f"{name}.sha256").write_text(sha256 + "\n", encoding="ascii")
        paths.append(store.path(name))
    return paths


if __name__ == "__main__":
    for path in teach():
        print(path)
