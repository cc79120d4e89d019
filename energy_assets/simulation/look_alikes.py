"""What looks like theft and is none.

What belongs here: each look-alike's effect on use, meter or registry, as a small function of the day. What does not: who has one
(roles.py); interruptions of supply, which everyone has (outages.py).

Arrays are [meters] of those that have the look-alike, or [meters, slots]. `days` counts from the onset, 0 on its day.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from energy_assets.simulation.calendar import MINUTES
from energy_assets.simulation.city import WORKSHOP, City

Parameters = dict[str, np.ndarray]
MOST_DRIFT_MINUTES = 240.0
SEASON_EDGE_DAYS = 20.0
USUAL_MULTIPLIERS = np.array([15, 20, 40, 60, 80])
"""Ratios of current transformers of 75, 100, 200, 300 and 400 to 5 A."""


@dataclass(frozen=True)
class LookAlike:
    """One look-alike. `lasts` is the range of its days; None where it does not end.

    `changes` says where it acts: what the customer uses, what the meter reports, whether readings arrive, what the registry says.
    """

    name: str
    summary: str
    changes: Literal["use", "meter", "delivery", "registry"]
    lasts: tuple[float, float] | None
    draw: Callable[[np.random.Generator, City, np.ndarray], Parameters]
    """Parameters of the meters whose indices are given."""
    may_have: Callable[[City], np.ndarray]
    """Meters that can have it, bool [meters]."""
    activity: Callable[[Parameters, np.ndarray, np.ndarray], np.ndarray] | None = None
    """(parameters, days, length in days) -> factor of what people do, [meters]."""
    standing: Callable[[Parameters], np.ndarray] | None = None
    """Factor of what runs without people, [meters]."""
    most: float = 1.0
    """Greatest share of the meters that can have it which do."""


def shifted(before: np.ndarray, x: np.ndarray, minutes: np.ndarray) -> np.ndarray:
    """What a clock that is `minutes` [meters] fast writes into the day's half-hours, float64 [meters, slots].

    `before` is the day before, of at least MOST_DRIFT_MINUTES. A fast clock files energy under a later label, a part of a half-hour
    under each of two. As long as the clock does not drift further, energy is only moved.
    """
    whole, part = np.divmod(minutes / MINUTES, 1.0)
    both = np.concatenate([before, x], axis=1)
    at = before.shape[1] + np.arange(x.shape[1])[None, :] - whole.astype(int)[:, None]
    later, earlier = np.take_along_axis(both, at, 1), np.take_along_axis(both, at - 1, 1)
    return (1 - part)[:, None] * later + part[:, None] * earlier


def drift_minutes(p: Parameters, days: np.ndarray) -> np.ndarray:
    return np.minimum(p["minutes_a_day"] * (days + 1), MOST_DRIFT_MINUTES)


def season(p: Parameters, days: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Down to the low season's share over three weeks, and up again before its end."""
    edge = np.minimum(days + 1, length - days) / SEASON_EDGE_DAYS
    return 1 - (1 - p["share"]) * np.clip(edge, 0.0, 1.0)


def _nothing(rng: np.random.Generator, city: City, meters: np.ndarray) -> Parameters:
    return {}


def _uniform(name: str, low: float, high: float) -> Callable[[np.random.Generator, City, np.ndarray], Parameters]:
    return lambda rng, city, meters: {name: rng.uniform(low, high, len(meters))}


def _multiplier(rng: np.random.Generator, city: City, meters: np.ndarray) -> Parameters:
    """The registry has the next smaller usual multiplier, or, one time in three, the next greater."""
    true = city.ct_multiplier[meters]
    next_at = np.searchsorted(USUAL_MULTIPLIERS, true) + np.where(rng.random(len(meters)) < 1 / 3, 1, -1)
    return {"true_multiplier": true, "registry_multiplier": USUAL_MULTIPLIERS[next_at]}


def _transformer(rng: np.random.Generator, city: City, meters: np.ndarray) -> Parameters:
    """The registry names a neighbour of the true transformer."""
    true = city.transformer[meters]
    step = np.where(rng.random(len(meters)) < 0.5, 1, city.transformers - 1)
    return {"registry_transformer": (true + step) % city.transformers}


def _gap(rng: np.random.Generator, city: City, meters: np.ndarray) -> Parameters:
    """Half of the meters keep what they could not send, and deliver it when the link is back."""
    return {"is_delivered_later": rng.random(len(meters)) < 0.5}


def _replacement(rng: np.random.Generator, city: City, meters: np.ndarray) -> Parameters:
    return {"from_hour": rng.uniform(8, 14, len(meters)).round(), "hours": rng.choice([1.0, 2.0, 3.0], len(meters))}


def _every_meter(city: City) -> np.ndarray:
    return np.ones(city.meters, bool)


def _no_workshop(city: City) -> np.ndarray:
    return city.customer_class != WORKSHOP


def _nobody_at_home(p: Parameters, days: np.ndarray, length: np.ndarray) -> np.ndarray:
    return np.zeros(len(days))


def _lower(p: Parameters, days: np.ndarray, length: np.ndarray) -> np.ndarray:
    return p["share"]


LOOK_ALIKES: dict[str, LookAlike] = {
    one.name: one
    for one in (
        LookAlike(
            "vacancy",
            "the customer moved out; what was left on runs on, or nothing",
            "use",
            (25, 120),
            lambda rng, city, meters: {"left_on": np.where(rng.random(len(meters)) < 0.6, 0.0, 0.25)},
            _no_workshop,
            _nobody_at_home,
            lambda p: p["left_on"],
        ),
        LookAlike(
            "travel",
            "the household is away; the fridge runs",
            "use",
            (5, 25),
            _nothing,
            _no_workshop,
            _nobody_at_home,
            lambda p: np.ones(1),
        ),
        LookAlike(
            "income_change",
            "the customer uses less from now on",
            "use",
            None,
            _uniform("share", 0.35, 0.7),
            _every_meter,
            _lower,
        ),
        LookAlike(
            "seasonal",
            "a low season comes and goes",
            "use",
            (70, 150),
            _uniform("share", 0.3, 0.6),
            _every_meter,
            season,
        ),
        LookAlike(
            "meter_replacement",
            "a new meter starts at zero, after hours without supply",
            "meter",
            None,
            _replacement,
            _every_meter,
        ),
        LookAlike(
            "ct_multiplier_error",
            "the registry's current transformer multiplier is not the installed one's",
            "meter",
            (30, 90),
            _multiplier,
            lambda city: city.ct_multiplier > 1,
            most=0.1,
        ),
        LookAlike(
            "clock_drift",
            "the meter's clock runs fast until it is set",
            "meter",
            (20, 60),
            _uniform("minutes_a_day", 2.0, 8.0),
            _every_meter,
        ),
        LookAlike("comms_gap", "nothing arrives for days", "delivery", (1, 10), _gap, _every_meter),
        LookAlike(
            "wrong_transformer",
            "the registry places the meter behind another transformer",
            "registry",
            (30, 90),
            _transformer,
            lambda city: np.full(city.meters, city.transformers > 1),
        ),
        LookAlike(
            "prepaid_token_gap",
            "no token is bought for days: no credit, no supply",
            "use",
            (8, 21),
            _nothing,
            lambda city: city.is_prepaid,
        ),
    )
}
"""Look-alikes of single meters, by name. Those of the registry and of multipliers are there from the first day, until corrected."""

FROM_THE_FIRST_DAY = ("ct_multiplier_error", "wrong_transformer")
