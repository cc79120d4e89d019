"""A fleet: a city with its roles and habits, and what it carries from one day to the next.

What belongs here: putting a fleet together. What does not: its days (one_day.py), writing them (day_loop.py, deliver.py).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from energy_assets.simulation.city import City, make_city
from energy_assets.simulation.defects import NOTHING_POSTPONED, DefectRates, Postponed, silent_meters
from energy_assets.simulation.errors import SimulationError
from energy_assets.simulation.load import Habits, make_habits
from energy_assets.simulation.prepaid import Purse, make_purse
from energy_assets.simulation.roles import HORIZON_DAYS, LOOK_ALIKE_SHARE, Roles, make_roles
from energy_assets.simulation.streams import Purpose, stream

FIRST_DAY = date(2024, 1, 1)
THEFT_RATE = 0.05


@dataclass
class Carried:
    """What one day hands to the next. Arrays are [meters], [prepaid meters] or [transformers]."""

    credit_kwh: np.ndarray
    register_kwh: np.ndarray
    frozen_until: np.ndarray
    """Ordinal of the day on which a stuck register moves again; 0 where it is not stuck."""
    frozen_kwh: np.ndarray
    drifting_kwh: np.ndarray | None
    """What the meters with a drifting clock counted the day before."""
    postponed: Postponed


@dataclass(frozen=True)
class Fleet:
    """All that does not change from day to day."""

    city: City
    habits: Habits
    roles: Roles
    purse: Purse
    silent: np.ndarray
    zone: ZoneInfo
    rates: DefectRates

    def fresh(self) -> Carried:
        """What there is at the start of the fleet's first day."""
        drawn = stream(self.city.seed, Purpose.STATE).random(self.city.meters)
        age_days = (np.datetime64(self.city.since, "D") - self.city.installed_on).astype(float)
        return Carried(
            credit_kwh=self.purse.first_credit_kwh.copy(),
            register_kwh=np.round(self.city.level_kwh * age_days * (0.6 + 0.6 * drawn), 2),
            frozen_until=np.zeros(self.city.meters, int),
            frozen_kwh=np.zeros(self.city.meters),
            drifting_kwh=None,
            postponed=NOTHING_POSTPONED,
        )


def make_fleet(
    meters: int,
    seed: int,
    since: date = FIRST_DAY,
    timezone: str = "Africa/Douala",
    *,
    transformers: int | None = None,
    theft_rate: float = THEFT_RATE,
    attacks: Collection[str] | None = None,
    look_alikes: bool = True,
    rates: DefectRates | None = None,
    horizon_days: int = HORIZON_DAYS,
) -> Fleet:
    """A fleet, ready to live through its days. Raises SimulationError as `simulate` does."""
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise SimulationError(f"there is no time zone {timezone}: name one such as Africa/Douala") from error
    city = make_city(meters, seed, since, transformers)
    habits = make_habits(city)
    share = LOOK_ALIKE_SHARE if look_alikes else 0.0
    roles = make_roles(
        city,
        habits,
        theft_rate=theft_rate,
        look_alike_share=min(share, 1 - theft_rate),
        horizon_days=horizon_days,
        attacks=attacks,
    )
    return Fleet(city, habits, roles, make_purse(city), silent_meters(city), zone, rates or DefectRates())
