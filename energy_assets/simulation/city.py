"""A city: zones, feeders, transformers, and the meters behind them with what their customers own.

What belongs here: what does not change from day to day. What does not: what is used on a day (load.py), who steals and what
looks like it (roles.py).

Zones, shares and levels are chosen so that a household comes to about 1–8 kWh a day; none is measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from energy_assets.simulation.errors import SimulationError
from energy_assets.simulation.physics import RATINGS, rating_for
from energy_assets.simulation.streams import Purpose, stream

CLASSES = ("household", "shop", "workshop")
HOUSEHOLD, SHOP, WORKSHOP = range(len(CLASSES))
TARIFF_CODES = ("cm_residential", "cm_non_residential", "sn_residential", "sn_professional", "flat")
"""Codes of the tariff seeds. Meters of this city carry the two of Cameroon."""
CENTRE_LATITUDE, CENTRE_LONGITUDE = 4.05, 9.70
METERS_PER_TRANSFORMER = 25
MOST_TRANSFORMERS_ON_FEEDER = 6
CT_FROM_KWH = 20.0
"""Shops and workshops above this level a day have three phases, measured through current transformers."""
CT_MULTIPLIERS = np.array([20, 40, 60])


@dataclass(frozen=True)
class Zone:
    """A quarter of the city. Shares are of its transformers' meters, `north` and `east` are in degrees from the centre."""

    name: str
    share: float
    shops: float
    workshops: float
    household_kwh: float
    """Median energy of a household's day without air conditioning."""
    spread: float
    """Standard deviation of the logarithm of it."""
    fridge: float
    air_conditioning: float
    cooker: float
    three_phase: float
    prepaid: float
    theft_weight: float
    """How likely a thief lives here, relative to other zones."""
    north: float
    east: float


ZONES = (
    Zone("popular", 0.38, 0.06, 0.01, 2.1, 0.45, 0.50, 0.01, 0.15, 0.01, 0.70, 1.6, 0.03, 0.02),
    Zone("middle", 0.30, 0.07, 0.01, 3.8, 0.45, 0.85, 0.12, 0.35, 0.03, 0.50, 1.0, 0.02, 0.05),
    Zone("residential", 0.12, 0.03, 0.00, 6.5, 0.50, 0.98, 0.60, 0.60, 0.25, 0.20, 0.5, -0.01, -0.02),
    Zone("centre", 0.10, 0.35, 0.03, 4.2, 0.50, 0.85, 0.30, 0.35, 0.06, 0.30, 1.0, 0.00, 0.00),
    Zone("workshops", 0.10, 0.15, 0.25, 2.8, 0.50, 0.65, 0.04, 0.20, 0.03, 0.50, 1.4, -0.04, 0.04),
)

METER_CLASS, TRANSFORMER_METER_CLASS = 0.01, 0.005
"""Limits of error of meters of class 1 and class 0.5 (IEC 62053), as shares; each meter's own lies evenly within."""
POWER_FACTORS = (0.85, 0.95)


@dataclass(frozen=True)
class City:
    """The fleet as it truly is. Arrays are [meters] or [transformers]; meters of a transformer stand side by side."""

    seed: int
    since: date
    """First day of the fleet's life: what happens to it is counted from here, not from the first day that is written."""
    meter_ids: np.ndarray
    customer_ids: np.ndarray
    customer_class: np.ndarray
    zone: np.ndarray
    """Of each meter, an index of ZONES."""
    transformer: np.ndarray
    """Of each meter, an index of transformers."""
    level_kwh: np.ndarray
    """Usual energy of a day, air conditioning left out."""
    has_fridge: np.ndarray
    has_air_conditioning: np.ndarray
    has_cooker: np.ndarray
    is_prepaid: np.ndarray
    phases: np.ndarray
    ct_multiplier: np.ndarray
    installed_on: np.ndarray
    """datetime64[D]."""
    latitude: np.ndarray
    longitude: np.ndarray
    transformer_ids: np.ndarray
    transformer_zone: np.ndarray
    feeder: np.ndarray
    """Of each transformer, an index of feeder_ids."""
    feeder_ids: np.ndarray
    rating_kva: np.ndarray
    no_load_loss_w: np.ndarray
    load_loss_w: np.ndarray
    transformer_latitude: np.ndarray
    transformer_longitude: np.ndarray
    first_meter: np.ndarray
    """Of each transformer, its first meter's index."""
    meter_error: np.ndarray
    """Share by which each meter counts too much, [meters]: its own for good."""
    transformer_meter_error: np.ndarray
    """The same of the transformers' meters, [transformers]."""
    power_factor: np.ndarray
    """Of the load behind each transformer, [transformers]."""

    @property
    def meters(self) -> int:
        return len(self.meter_ids)

    @property
    def transformers(self) -> int:
        return len(self.transformer_ids)

    @property
    def tariff_code(self) -> np.ndarray:
        return np.where(self.customer_class == HOUSEHOLD, TARIFF_CODES[0], TARIFF_CODES[1])

    def by_transformer(self, kwh: np.ndarray) -> np.ndarray:
        """Sums [transformers, slots] of [meters, slots]."""
        return np.add.reduceat(kwh, self.first_meter, axis=0)


def make_city(meters: int, seed: int, since: date, transformers: int | None = None) -> City:
    """`meters` meters named M000001… behind `transformers` transformers, one for about 25 meters where not given.

    Raises SimulationError for a fleet without meters, and for more transformers than meters.
    """
    if meters < 1:
        raise SimulationError(f"a fleet needs at least one meter, not {meters}")
    count = transformers or max(1, round(meters / METERS_PER_TRANSFORMER))
    if count > meters:
        raise SimulationError(f"{count} transformers are too many for {meters} meters: each feeds at least one")
    rng = stream(seed, Purpose.CITY)
    transformer_zone = _zones_of(count)
    sizes = _sizes(meters, count, rng)
    transformer = np.repeat(np.arange(count), sizes)
    zone = transformer_zone[transformer]
    traits = _Traits(rng.random((meters, 12)), rng.standard_normal((meters, 3)), zone)
    feeders = -(-count // MOST_TRANSFORMERS_ON_FEEDER)
    feeder = np.sort(np.arange(count) % feeders)
    place = rng.standard_normal((count, 2)) * 0.012
    latitude = CENTRE_LATITUDE + _of("north")[transformer_zone] + place[:, 0]
    longitude = CENTRE_LONGITUDE + _of("east")[transformer_zone] + place[:, 1]
    street = rng.standard_normal((meters, 2)) * 0.001
    first_meter = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    peak_to_mean = np.where(traits.customer_class == WORKSHOP, 4.5, 2.4)
    peak_kw = np.add.reduceat(traits.level_kwh / 24 * peak_to_mean + 0.6 * traits.has_air_conditioning, first_meter)
    ratings = RATINGS[rating_for(peak_kw, 0.5 + 0.55 * rng.random(count))]
    errors = stream(seed, Purpose.METER_ERRORS)
    installed = np.datetime64(since, "D") - (60 + 3000 * traits.drawn[:, 10] ** 1.5).astype("timedelta64[D]")
    return City(
        seed=seed,
        since=since,
        meter_ids=_numbered("M", meters, 6),
        customer_ids=_numbered("C", meters, 6)[rng.permutation(meters)],
        customer_class=traits.customer_class,
        zone=zone,
        transformer=transformer,
        level_kwh=traits.level_kwh,
        has_fridge=traits.has_fridge,
        has_air_conditioning=traits.has_air_conditioning,
        has_cooker=traits.has_cooker,
        is_prepaid=traits.is_prepaid,
        phases=traits.phases,
        ct_multiplier=traits.ct_multiplier,
        installed_on=installed,
        latitude=latitude[transformer] + street[:, 0],
        longitude=longitude[transformer] + street[:, 1],
        transformer_ids=_numbered("T", count, 2 if count < 100 else 4),
        transformer_zone=transformer_zone,
        feeder=feeder,
        feeder_ids=_numbered("F", feeders, 2 if feeders < 100 else 3),
        rating_kva=ratings[:, 0].astype(float),
        no_load_loss_w=ratings[:, 1].astype(float),
        load_loss_w=ratings[:, 2].astype(float),
        transformer_latitude=latitude,
        transformer_longitude=longitude,
        first_meter=first_meter,
        meter_error=METER_CLASS * errors.uniform(-1, 1, meters),
        transformer_meter_error=TRANSFORMER_METER_CLASS * errors.uniform(-1, 1, count),
        power_factor=errors.uniform(*POWER_FACTORS, count),
    )


class _Traits:
    """What customers own and use, from uniform draws [meters, 12] and normal ones [meters, 3]."""

    def __init__(self, drawn: np.ndarray, normal: np.ndarray, zone: np.ndarray) -> None:
        self.drawn = drawn
        shops, workshops = _of("shops")[zone], _of("workshops")[zone]
        is_workshop = drawn[:, 0] < workshops
        is_shop = ~is_workshop & (drawn[:, 0] < workshops + shops)
        self.customer_class = np.where(is_workshop, WORKSHOP, np.where(is_shop, SHOP, HOUSEHOLD))
        is_household = self.customer_class == HOUSEHOLD
        household = _of("household_kwh")[zone] * np.exp(_of("spread")[zone] * normal[:, 0])
        shop, workshop = 7.0 * np.exp(0.6 * normal[:, 0]), 28.0 * np.exp(0.7 * normal[:, 0])
        self.level_kwh = np.choose(self.customer_class, [np.clip(household, 0.5, 40.0), shop, workshop])
        # Whoever uses more than the neighbours is likelier to own the larger appliances.
        wealth = 0.12 * normal[:, 0]
        self.has_fridge = np.where(
            is_household, drawn[:, 1] < _of("fridge")[zone] + wealth, is_shop & (drawn[:, 1] < 0.7)
        )
        owns_air_conditioning = drawn[:, 2] < _of("air_conditioning")[zone] + wealth
        self.has_air_conditioning = (is_household & owns_air_conditioning) | (is_shop & (drawn[:, 2] < 0.15))
        self.has_cooker = is_household & (drawn[:, 3] < _of("cooker")[zone] + wealth)
        three_phase = np.choose(self.customer_class, [_of("three_phase")[zone], 0.25, 1.0])
        is_large = ~is_household & (self.level_kwh > CT_FROM_KWH)
        self.phases = np.where((drawn[:, 4] < three_phase) | is_large, 3, 1)
        prepaid = np.choose(self.customer_class, [_of("prepaid")[zone], 0.2, 0.0])
        self.is_prepaid = drawn[:, 5] < prepaid
        multiplier = CT_MULTIPLIERS[(drawn[:, 6] * len(CT_MULTIPLIERS)).astype(int)]
        self.ct_multiplier = np.where(is_large, multiplier, 1)


def _of(attribute: str) -> np.ndarray:
    """An attribute of all zones, [zones]."""
    return np.array([getattr(zone, attribute) for zone in ZONES])


def _zones_of(count: int) -> np.ndarray:
    """Zones in proportion to their shares, in the order in which a feeder passes them."""
    bounds = np.cumsum(_of("share"))
    return np.minimum(np.searchsorted(bounds, (np.arange(count) + 0.5) / count), len(ZONES) - 1)


def _sizes(meters: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Meters of each transformer, at least one, [transformers]."""
    weight = 0.6 + 0.8 * rng.random(count)
    bounds = np.round(np.cumsum(weight) / weight.sum() * (meters - count)).astype(int)
    return np.diff(bounds, prepend=0) + 1


def _numbered(letter: str, count: int, digits: int) -> np.ndarray:
    return np.array([f"{letter}{number:0{digits}d}" for number in range(1, count + 1)])
