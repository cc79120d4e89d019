"""What thieves do to a meter's readings: one small function for each attack.

What belongs here: from true energy to reported energy. What does not: who steals, and since when (roles.py).

x is the true energy of the half-hours, float64 [meters, slots]; m, the reported one, has the same shape. Names and formulas
h1–h6 are those of Jokar, Arianpoo and Leung, "Electricity Theft Detection in AMI Using Customers' Consumption Patterns" (IEEE
Transactions on Smart Grid 7(1), 2016); FDI2 and FDI3 of Zanetti et al., "A Tunable Fraud Detection System for Advanced Metering
Infrastructure Using Short-Lived Patterns" (IEEE Transactions on Smart Grid 10(1), 2019). The others are physical cases of the field:
bypasses, a lost phase, a magnet, a hook before the meter.

h4, h5 and h6 work day by day. An attack on the data ignores interruptions of supply: h4 and h5 report through them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Parameters = dict[str, np.ndarray]
"""Name -> one value for each meter, [meters]."""


@dataclass(frozen=True)
class Moment:
    """What an attack knows of the day. `hour` is [slots]; `days` since the onset, [meters]; `drawn` uniform, [meters, slots]."""

    hour: np.ndarray
    is_weekend: bool
    days: np.ndarray
    drawn: np.ndarray


@dataclass(frozen=True)
class Attack:
    """One way to steal. `draw(rng, peak_kwh)` gives the parameters of as many meters as there are peaks."""

    name: str
    summary: str
    draw: Callable[[np.random.Generator, np.ndarray], Parameters]
    reported: Callable[[np.ndarray, Parameters, Moment], np.ndarray]
    keeps_energy: bool = False
    """The day's energy stays: tampering that costs nothing under a flat tariff."""
    passes_meter_by: bool = False
    """What is stolen flows beside the meter's own switch: a prepaid meter cannot cut it off."""
    needs_three_phases: bool = False
    added_use: Callable[[Parameters], np.ndarray] | None = None
    """Factor of true use that the attack adds, [meters]; reported energy then starts from what it was without it."""


NIGHT = (22.0, 5.0)
LEAST_OFF_HOURS = 4.0
HONEST_EVENINGS = 0.06
"""Share of days on which an h2 thief leaves the meter alone."""


def h1(x: np.ndarray, p: Parameters, at: Moment) -> np.ndarray:
    """m = a·x with one a for each attack."""
    return p["share"][:, None] * x


def h2(x: np.ndarray, p: Parameters, at: Moment) -> np.ndarray:
    """m = 0 within [from, from + hours), x outside of it, on most days."""
    first, last = p["from_hour"][:, None], (p["from_hour"] + p["hours"])[:, None]
    is_off = (at.hour >= first) & (at.hour < last) & (at.drawn[:, :1] >= HONEST_EVENINGS)
    return np.where(is_off, 0.0, x)


def h3(x: np.ndarray, p: Parameters, at: Moment) -> np.ndarray:
    """m = a_t·x with a_t ~ U(.1, .8) for each interval."""
    return (0.1 + 0.7 * at.drawn) * x


def h4(x: np.ndarray, p: Parameters, at: Moment) -> np.ndarray:
    """m = a_t·mean(x) of the day."""
    return (0.1 + 0.7 * at.drawn) * x.mean(axis=1, keepdims=True)


def h5(x: np.ndarray, p: Parameters, at: Moment) -> np.ndarray:
    """m = mean(x) of the day: the energy stays, the shape goes."""
    return np.broadcast_to(x.mean(axis=1, keepdims=True), x.shape).copy()


def h6(x: np.ndarray, p: Parameters, at: Moment) -> np.ndarray:
    """The day reversed: the energy stays, the peak moves to cheap hours."""
    return x[:, ::-1].copy()


def fdi2(x: np.ndarray, p: Parameters, at: Moment) -> np.ndarray:
    """m = min(x, c): peaks are cut off."""
    return np.minimum(x, p["cap_kwh"][:, None])


def fdi3(x: np.ndarray, p: Parameters, at: Moment) -> np.ndarray:
    """m = max(x − c, 0): a fixed amount is taken out."""
    return np.maximum(x - p["cut_kwh"][:, None], 0.0)


def ramp(x: np.ndarray, p: Parameters, at: Moment) -> np.ndarray:
    """m = (1 − i)·x, i rising day by day from .05 to its final value."""
    progress = np.clip(at.days / p["over_days"], 0.0, 1.0)
    return (1 - (0.05 + (p["final_share"] - 0.05) * progress))[:, None] * x


def night_bypass(x: np.ndarray, p: Parameters, at: Moment) -> np.ndarray:
    """m = a·x from 22:00 to 05:00, x by day."""
    is_night = (at.hour >= NIGHT[0]) | (at.hour < NIGHT[1])
    return np.where(is_night[None, :], p["share"][:, None], 1.0) * x


def weekend_bypass(x: np.ndarray, p: Parameters, at: Moment) -> np.ndarray:
    """m = a·x on Saturdays and Sundays."""
    return p["share"][:, None] * x if at.is_weekend else x.copy()


def one_phase_lost(x: np.ndarray, p: Parameters, at: Moment) -> np.ndarray:
    """m = 2/3·x: one of three measured phases is disconnected."""
    return x * (2 / 3)


def two_phases_lost(x: np.ndarray, p: Parameters, at: Moment) -> np.ndarray:
    """m = 1/3·x."""
    return x * (1 / 3)


def full_bypass(x: np.ndarray, p: Parameters, at: Moment) -> np.ndarray:
    """m = 0."""
    return np.zeros_like(x)


def hook(x: np.ndarray, p: Parameters, at: Moment) -> np.ndarray:
    """m as before: what is hooked on before the meter comes on top of the use that the meter sees."""
    return x / (1 + p["extra_share"])[:, None]


def _nothing(rng: np.random.Generator, peak_kwh: np.ndarray) -> Parameters:
    return {}


def _uniform(name: str, low: float, high: float) -> Callable[[np.random.Generator, np.ndarray], Parameters]:
    return lambda rng, peak_kwh: {name: rng.uniform(low, high, len(peak_kwh))}


def _window(rng: np.random.Generator, peak_kwh: np.ndarray) -> Parameters:
    hours = rng.uniform(LEAST_OFF_HOURS, 9.0, len(peak_kwh))
    # Evenings are worth most: a window ends by midnight.
    return {"from_hour": rng.uniform(np.minimum(14.0, 24 - hours), 24.0 - hours), "hours": hours}


def _of_peak(name: str, low: float, high: float) -> Callable[[np.random.Generator, np.ndarray], Parameters]:
    return lambda rng, peak_kwh: {name: rng.uniform(low, high, len(peak_kwh)) * peak_kwh}


def _ramp(rng: np.random.Generator, peak_kwh: np.ndarray) -> Parameters:
    return {
        "final_share": rng.uniform(0.3, 1.0, len(peak_kwh)),
        "over_days": rng.uniform(20, 60, len(peak_kwh)).round(),
    }


_share = _uniform("share", 0.1, 0.8)

ATTACKS: dict[str, Attack] = {
    attack.name: attack
    for attack in (
        Attack("h1", "a constant share is reported", _share, h1),
        Attack("h2", "nothing is reported in a window of hours", _window, h2),
        Attack("h3", "a random share is reported", _nothing, h3),
        Attack("h4", "a random share of the day's mean is reported", _nothing, h4),
        Attack("h5", "the day's mean is reported", _nothing, h5, keeps_energy=True),
        Attack("h6", "the day is reported in reverse", _nothing, h6, keeps_energy=True),
        Attack("fdi2", "peaks are clipped", _of_peak("cap_kwh", 0.02, 0.6), fdi2),
        Attack("fdi3", "a constant amount is taken out", _of_peak("cut_kwh", 0.02, 0.5), fdi3),
        Attack("ramp", "a share that grows for weeks is left out", _ramp, ramp),
        Attack("night_bypass", "a bypass by night", _share, night_bypass, passes_meter_by=True),
        Attack("weekend_bypass", "a bypass at weekends", _share, weekend_bypass, passes_meter_by=True),
        Attack(
            "one_phase_lost",
            "one of three phases unmeasured",
            _nothing,
            one_phase_lost,
            passes_meter_by=True,
            needs_three_phases=True,
        ),
        Attack(
            "two_phases_lost",
            "two of three phases unmeasured",
            _nothing,
            two_phases_lost,
            passes_meter_by=True,
            needs_three_phases=True,
        ),
        Attack("magnet", "a magnet slows the meter", _uniform("share", 0.3, 0.7), h1),
        Attack("full_bypass", "all energy flows beside the meter", _nothing, full_bypass, passes_meter_by=True),
        Attack(
            "hook",
            "further appliances are connected before the meter",
            _uniform("extra_share", 0.3, 1.5),
            hook,
            passes_meter_by=True,
            added_use=lambda p: p["extra_share"],
        ),
    )
}
"""Attacks of customers, by name."""

STRANGER_HOOK = "stranger_hook"
"""Somebody without a meter, hooked to the transformer's lines: no meter explains it."""
