"""Random streams: one for each purpose, and one for each purpose and day.

What belongs here: where randomness comes from. What does not: what is drawn.

A stream depends on the seed, its purpose and, where it has one, its day, and on nothing else. Within a stream all meters are
drawn in the same order, used or not. So a day comes out the same whatever days are made beside it, and adding a purpose
changes no other.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a stream is for. Numbers are part of a seed: a purpose keeps its own, a new one takes the next."""

    CITY = 1
    TRAITS = 2
    ROLES = 3
    WEATHER = 4
    WEEK_LEVEL = 5
    DAY_LEVEL = 6
    INTERVALS = 7
    EVENTS = 8
    AIR_CONDITIONING = 9
    INTERRUPTIONS = 10
    ATTACKS = 11
    HOOKS = 12
    PURCHASES = 13
    DEFECTS = 14
    REGISTERS = 15
    INSPECTIONS = 16
    STATE = 17
    TRANSFORMER_READINGS = 19
    MONTH_LEVEL = 20
    HUMIDITY_AND_WIND = 18
    METER_ERRORS = 21


def stream(seed: int, purpose: Purpose, day: int = 0) -> np.random.Generator:
    """The stream of a purpose; `day` is an ordinal (date.toordinal) or the number of a week."""
    return np.random.default_rng([seed, int(purpose), day])
