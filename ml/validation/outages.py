"""Interruptions of supply as siblings show them: all meters of a transformer silent, or at zero, at once.

What belongs here: telling them from meters. What does not: outages that were reported (they are delivered), what is made of either.
"""

from __future__ import annotations

import numpy as np

NO_TRANSFORMER = -1


def dark_slots(wh: np.ndarray, transformer: np.ndarray, is_fed: np.ndarray, *, least_siblings: int) -> np.ndarray:
    """Whether supply was off, by the meters: bool [transformers, slots].

    `wh` is float [meters, slots] of the meters that usually deliver, NaN where nothing was accepted; `transformer` int
    [meters] numbers their transformers, NO_TRANSFORMER where unknown; `is_fed` bool [transformers, slots] says where the transformer's
    own meter counted energy: there supply was on, and silence is one of communication. Supply was off where none of at least
    `least_siblings` meters shows any energy. Load shedding and faults look alike.
    """
    transformers, slots = is_fed.shape
    known = transformer != NO_TRANSFORMER
    alive = np.zeros((transformers, slots), dtype=np.int64)
    np.add.at(alive, transformer[known], np.nan_to_num(wh[known]) > 0)
    siblings = np.bincount(transformer[known], minlength=transformers)
    return (alive == 0) & (siblings >= least_siblings)[:, None] & ~is_fed


def runs(where: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Runs of true in each row of bool [rows, slots]: (row, first, last), int [runs] each, `last` being past the end."""
    edges = np.diff(where.astype(np.int8), axis=1, prepend=0, append=0)
    row, first = np.nonzero(edges == 1)
    return row, first, np.nonzero(edges == -1)[1]
