"""Prepaid customers: what they buy, and when their credit runs out.

What belongs here: credit, purchases, the supply that ends with the credit. What does not: the tariff (seeds of the graph); a token's
energy is its amount at one price, a simplification.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from energy_assets.simulation.calendar import MINUTES, Day
from energy_assets.simulation.city import HOUSEHOLD, City
from energy_assets.simulation.outages import instants
from energy_assets.simulation.streams import Purpose, stream

CURRENCY = "XAF"
PRICE = {"household": 79.0, "other": 94.0}
"""XAF for a kWh: a tier of Cameroon's residential grid of 2012, for each class one price whatever the month's energy."""
AMOUNTS = np.array([500, 1000, 2000, 3000, 5000, 10000, 20000, 50000, 100000, 200000])
"""What people ask for at the counter, in XAF."""
BUYING_HOURS = ((7.5, 1.0), (12.5, 1.0), (18.5, 1.5))
"""Mean and standard deviation of the hours at which tokens are bought."""
FORGETS = 0.08
"""Share of days on which somebody whose credit is low buys nothing."""
GOES_WITHOUT = 0.25
"""The same once the supply is off."""


@dataclass(frozen=True)
class Purse:
    """Prepaid customers and their habits. Arrays are [prepaid meters]."""

    meters: np.ndarray
    price: np.ndarray
    low_kwh: np.ndarray
    """Credit at which a customer thinks of buying."""
    usual_amount: np.ndarray
    first_credit_kwh: np.ndarray


@dataclass(frozen=True)
class PrepaidDay:
    """What a day did to prepaid supply. Arrays are [prepaid meters]."""

    is_cut: np.ndarray
    """Whether the meter's switch is open, bool [prepaid meters, slots]."""
    bought_slot: np.ndarray
    """Half-hour of the purchase; -1 without one."""
    amount: np.ndarray
    token_kwh: np.ndarray


def make_purse(city: City) -> Purse:
    rng = stream(city.seed, Purpose.PURCHASES)
    drawn = rng.random((city.meters, 3))
    meters = np.flatnonzero(city.is_prepaid)
    level = city.level_kwh[meters] * np.where(city.has_air_conditioning[meters], 1.8, 1.0)
    price = np.where(city.customer_class[meters] == HOUSEHOLD, PRICE["household"], PRICE["other"])
    days = 3 + 18 * drawn[meters, 0] ** 2
    usual = AMOUNTS[np.minimum(np.searchsorted(AMOUNTS, level * days * price), len(AMOUNTS) - 1)]
    return Purse(meters, price, level * (0.8 + 2.0 * drawn[meters, 1]), usual, level * (1 + 8 * drawn[meters, 2]))


def spend(
    city: City, purse: Purse, day: Day, credit_kwh: np.ndarray, metered_kwh: np.ndarray, refuses: np.ndarray
) -> PrepaidDay:
    """What prepaid customers buy on the day and when they are cut off, from their credit at its start.

    `metered_kwh` [prepaid meters, slots] is what the meter would count if it were never off; `refuses` bool
    [prepaid meters] marks those who buy nothing. A half-hour that the credit does not cover is off as a whole.
    """
    rng = stream(city.seed, Purpose.PURCHASES, day.ordinal)
    drawn = rng.random((city.meters, 3))[purse.meters]
    normal = rng.standard_normal(city.meters)[purse.meters]
    is_off = credit_kwh <= metered_kwh[:, 0]
    buys = (credit_kwh < purse.low_kwh) & (drawn[:, 0] >= np.where(is_off, GOES_WITHOUT, FORGETS)) & ~refuses
    hour, spread = np.array(BUYING_HOURS).T[:, (drawn[:, 1] * len(BUYING_HOURS)).astype(int)]
    slot = np.clip((hour + spread * normal) * 60 // MINUTES, 0, day.slots - 1).astype(int)
    bought_slot = np.where(buys, slot, -1)
    # Now and then somebody can afford less than usual.
    amount = np.where(drawn[:, 2] < 0.2, np.maximum(purse.usual_amount // 2, AMOUNTS[0]), purse.usual_amount)
    amount = np.where(buys, amount, 0)
    token_kwh = np.round(amount / purse.price, 1)
    number = np.arange(day.slots)[None, :]
    before = (number < bought_slot[:, None]) | ~buys[:, None]
    spent_before = np.cumsum(np.where(before, metered_kwh, 0.0), axis=1)
    off_before = before & (spent_before > credit_kwh[:, None])
    left = credit_kwh - np.where(before & ~off_before, metered_kwh, 0.0).sum(axis=1) + token_kwh
    off_after = ~before & (np.cumsum(np.where(before, 0.0, metered_kwh), axis=1) > left[:, None])
    return PrepaidDay(off_before | off_after, bought_slot, amount, token_kwh)


def purchases(city: City, purse: Purse, day: Day, spent: PrepaidDay) -> pa.Table:
    """Rows of the landing contract's `token_purchases`, in the order of the day."""
    buyers = np.flatnonzero(spent.bought_slot >= 0)
    buyers = buyers[np.argsort(spent.bought_slot[buyers], kind="stable")]
    at = day.starts[spent.bought_slot[buyers]]
    return pa.table(
        {
            "meter_id": pa.array(city.meter_ids[purse.meters[buyers]], pa.string()),
            "purchased_at": instants(at),
            "energy_kwh": spent.token_kwh[buyers],
            "amount": spent.amount[buyers].astype(float),
            "currency": pa.array([CURRENCY] * len(buyers), pa.string()),
        }
    )
