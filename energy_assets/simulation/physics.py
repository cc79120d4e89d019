"""What a distribution transformer loses.

What belongs here: loss formulas and the ratings they need. What does not: who draws the energy.

    loss in an interval  =  P0·Δt  +  Pk·(S/Sn)²·Δt          S = E / (Δt · cos φ)

P0 is lost while the transformer is energised, Pk at its rated current; copper losses go with the square of the current, hence of
the apparent power S (IEC 60076-1; the two terms are what `P0 + k·E²` fits). Three-phase transformers, load taken as balanced
and constant within the half-hour, voltage as nominal, power factor 0.9 where none is given. The loss of the low-voltage lines is not in it.

S is the load on the low-voltage side, so that the energy at the transformer's meter is exactly E plus the loss.
"""

from __future__ import annotations

import numpy as np

from energy_assets.simulation.calendar import HOURS

POWER_FACTOR = 0.9

RATINGS = np.array(
    [
        (50, 190, 1100),
        (100, 320, 1750),
        (160, 460, 2350),
        (250, 650, 3250),
        (400, 930, 4600),
        (630, 1300, 6500),
        (1000, 1700, 10500),
    ]
)
"""Rating in kVA, no-load loss and load loss in W: oil-immersed, lists A′ and A of CENELEC HD 428.1 (units of older fleets)."""


def rating_for(peak_kw: np.ndarray, utilisation: np.ndarray) -> np.ndarray:
    """Rows of RATINGS, int [transformers]: the smallest whose rating carries `peak_kw` at `utilisation` of it."""
    wanted_kva = peak_kw / POWER_FACTOR / utilisation
    return np.minimum(np.searchsorted(RATINGS[:, 0], wanted_kva), len(RATINGS) - 1)


def technical_loss_kwh(
    delivered_kwh: np.ndarray,
    rating_kva: np.ndarray,
    no_load_loss_w: np.ndarray,
    load_loss_w: np.ndarray,
    energised: np.ndarray | float = 1.0,
    power_factor: np.ndarray | float = POWER_FACTOR,
) -> np.ndarray:
    """Loss in each interval, float64 [transformers, slots], of `delivered_kwh` [transformers, slots].

    The ratings and `power_factor` are [transformers]. `energised` is the share of the interval in which the transformer was live: the energy
    passed in that time, and nothing is lost outside of it.
    """
    live_hours = np.broadcast_to(np.asarray(energised, float) * HOURS, delivered_kwh.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        apparent_kva = np.where(live_hours > 0, delivered_kwh / (live_hours * _column(power_factor)), 0.0)
    load_loss_kw = (load_loss_w / 1000)[:, None] * (apparent_kva / rating_kva[:, None]) ** 2
    return ((no_load_loss_w / 1000)[:, None] + load_loss_kw) * live_hours


def _column(values: np.ndarray | float) -> np.ndarray:
    return np.atleast_1d(np.asarray(values, float))[:, None]
