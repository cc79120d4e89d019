"""What customers truly use: appliances, habits, weather, growth.

What belongs here: energy by half-hour of a fleet that nobody disturbs, cuts off or robs. What does not: supply (outages.py,
prepaid.py), what the meter says of it (attacks.py, look_alikes.py).

A household is a base load, a fridge that works harder when it is warm, lighting and television around its own evening
hour, a few switched appliances (cooker, kettle, iron, washing or pumping) that run for minutes on some days, and air
conditioning from an evening hour into the night when it is warm. Shops keep opening hours, workshops run machines in
working hours. Levels wander from week to week and differ from day to day. There is no heating.

Powers and habits are chosen, not measured; docs/simulation.md shows where the outcome differs from real meters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from energy_assets.simulation import weather
from energy_assets.simulation.calendar import HOURS, MINUTES, SLOTS, Day
from energy_assets.simulation.city import HOUSEHOLD, SHOP, WORKSHOP, City
from energy_assets.simulation.streams import Purpose, stream

FRIDGE_KWH = 0.9
"""Of a day at 26 °C."""
MILD_C = 26.0
MONTH_SPREAD = np.array([0.30, 0.12, 0.20])
WEEK_SPREAD = np.array([0.25, 0.12, 0.15])
DAY_SPREAD = np.array([0.15, 0.10, 0.22])
"""Standard deviations of the logarithm of a level, by class: what changes within months, weeks, and from day to day."""
MONTH_DAYS = 28
AWAY = 0.03
"""Share of a household's days on which nobody is at home."""
GROWTH_A_YEAR = 0.03
NOTHING_ON = 0.2
"""Below this factor nothing is switched on: a home without a fridge then reads zero."""
NIGHT_END_HOUR = 5.8
AIR_CONDITIONER_KW = 1.0


@dataclass(frozen=True)
class Appliance:
    """One that is switched on at most once a day, around its owner's own hour. `chance` is of a weekday, of each class."""

    name: str
    hour: float
    hour_spread: float
    kw: tuple[float, float]
    minutes: tuple[float, float]
    chance: tuple[float, float, float]
    weekend: float = 1.0
    """Factor of `chance` on days of rest."""
    needs_cooker: bool = False


APPLIANCES = (
    Appliance("breakfast", 6.4, 0.6, (0.6, 1.2), (8, 25), (0.65, 0.1, 0.0), needs_cooker=True),
    Appliance("midday meal", 12.4, 0.9, (0.8, 1.4), (15, 50), (0.45, 0.0, 0.0), 1.5, needs_cooker=True),
    Appliance("evening meal", 18.7, 0.9, (0.8, 1.6), (20, 70), (0.70, 0.0, 0.0), 1.1, needs_cooker=True),
    Appliance("iron", 18.0, 3.5, (0.9, 1.2), (10, 40), (0.15, 0.0, 0.0), 1.6),
    Appliance("washing or pumping", 10.0, 2.5, (0.3, 0.9), (20, 80), (0.12, 0.05, 0.1), 2.0),
)
LONGEST_RUN = 4
"""Half-hours that a run of an appliance can touch."""


@dataclass(frozen=True)
class Habits:
    """How each meter's customer lives, drawn once. Profiles are float32 [meters, 48], kWh in the half-hour."""

    weekday: np.ndarray
    rest_day: np.ndarray
    base_kwh: np.ndarray
    """What is always on, in a half-hour."""
    fridge_kwh: np.ndarray
    """In a half-hour at 26 °C."""
    appliance_hour: np.ndarray
    """[appliances, meters]."""
    appliance_kw: np.ndarray
    owns_appliance: np.ndarray
    cooled: np.ndarray
    """Indices of meters with air conditioning; the next three are theirs, [cooled]."""
    cooled_from_hour: np.ndarray
    cooled_until_hour: np.ndarray
    comfort_c: np.ndarray

    @property
    def usual_peak_kwh(self) -> np.ndarray:
        """What a half-hour of the meter rarely exceeds, float64 [meters]: the reference of clipping attacks."""
        peak = 2.0 * self.weekday.max(axis=1) + self.base_kwh + self.fridge_kwh
        peak += 0.5 * HOURS * (self.appliance_kw * self.owns_appliance).max(axis=0)
        peak[self.cooled] += 0.5 * AIR_CONDITIONER_KW * HOURS
        return peak.astype(float)


def make_habits(city: City) -> Habits:
    rng = stream(city.seed, Purpose.TRAITS)
    drawn = rng.random((city.meters, 8))
    normal = rng.standard_normal((city.meters, 8))
    appliance_normal = rng.standard_normal((city.meters, len(APPLIANCES))).T
    appliance_drawn = rng.random((city.meters, 2 * len(APPLIANCES))).T
    kind = city.customer_class
    fridge_day = np.where(city.has_fridge, FRIDGE_KWH * np.exp(0.25 * normal[:, 0]), 0.0)
    fridge_day[kind == SHOP] *= 3.0
    # A customer whose whole day is less than a fridge's owns a small one that is switched off at times.
    fridge_day = np.minimum(fridge_day, 0.5 * city.level_kwh)
    base_share = np.choose(kind, [0.02 + 0.16 * drawn[:, 0] ** 2, 0.06, 0.03])
    base_share[(kind == HOUSEHOLD) & ~city.has_fridge & (drawn[:, 1] < 0.5)] = 0.0
    base_day = base_share * city.level_kwh
    rest = np.maximum(city.level_kwh - fridge_day - base_day, 0.1 * city.level_kwh)
    weekday, rest_day = _profiles(kind, drawn, normal)
    cooled = np.flatnonzero(city.has_air_conditioning)
    is_shop = kind[cooled] == SHOP
    shapes = np.array([(a.hour, a.hour_spread, *a.kw) for a in APPLIANCES])[:, :, None]
    owns = np.array([city.has_cooker | (not a.needs_cooker) for a in APPLIANCES])
    return Habits(
        weekday=(weekday * rest[:, None]).astype(np.float32),
        rest_day=(rest_day * rest[:, None]).astype(np.float32),
        base_kwh=(base_day / SLOTS).astype(np.float32),
        fridge_kwh=(fridge_day / SLOTS).astype(np.float32),
        appliance_hour=shapes[:, 0] + 0.7 * shapes[:, 1] * appliance_normal,
        appliance_kw=shapes[:, 2] + (shapes[:, 3] - shapes[:, 2]) * appliance_drawn[: len(APPLIANCES)],
        # Poorer homes own fewer of them.
        owns_appliance=owns & (appliance_drawn[len(APPLIANCES) :] < 0.25 + city.level_kwh / 8),
        cooled=cooled,
        cooled_from_hour=np.where(is_shop, 9.0, 20.5 + 1.0 * normal[cooled, 5]),
        cooled_until_hour=np.where(is_shop, 0.0, NIGHT_END_HOUR + 0.8 * normal[cooled, 6]),
        comfort_c=24.6 + 0.9 * normal[cooled, 7],
    )


def used_kwh(
    city: City, habits: Habits, day: Day, activity: np.ndarray | None = None, standing: np.ndarray | None = None
) -> np.ndarray:
    """What the meters' customers use with the supply always on, float32 [meters, slots], in kWh.

    `activity` and `standing` [meters] scale what people do, and what runs without them (base load, fridge); 1 where absent.
    """
    ones = np.ones(city.meters, np.float32)
    activity = ones if activity is None else activity.astype(np.float32)
    standing = ones if standing is None else standing.astype(np.float32)
    outside_c = weather.temperature_c(city.seed, day)
    level = _day_level(city, day) * activity
    profile = habits.rest_day if day.is_rest else habits.weekday
    noise, duty = _noise(city, day)
    kwh = profile[:, day.half_hour] if day.slots != SLOTS else profile.copy()
    kwh *= noise
    kwh *= level[:, None]
    warmth = (1 + 0.04 * (outside_c - MILD_C)).astype(np.float32)
    kwh += (habits.fridge_kwh * standing)[:, None] * (duty * warmth)
    kwh += (habits.base_kwh * standing)[:, None]
    _add_appliances(kwh, city, habits, day, activity)
    _add_air_conditioning(kwh, city, habits, day, activity)
    kwh *= np.float32((1 + GROWTH_A_YEAR) ** ((day.date - city.since).days / 365.25))
    return kwh


def _profiles(kind: np.ndarray, drawn: np.ndarray, normal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shapes of a working day and of a day of rest, float64 [meters, 48]; that of a working day sums to one."""
    hour = (np.arange(SLOTS) * HOURS)[None, :]

    def peak(centre: np.ndarray | float, width: np.ndarray | float) -> np.ndarray:
        return np.exp(-0.5 * ((hour - np.asarray(centre).reshape(-1, 1)) / np.asarray(width).reshape(-1, 1)) ** 2)

    evening = peak(20.1 + 0.7 * normal[:, 1], 1.4 + 0.8 * drawn[:, 2])
    morning = peak(6.3 + 0.5 * normal[:, 2], 0.8)
    midday = peak(13.0 + 1.0 * normal[:, 3], 2.2)
    at_home = (drawn[:, 3] ** 2)[:, None]
    home = evening + 0.30 * morning + 0.35 * at_home * midday + 0.05
    home_rest = evening + 0.20 * morning + (0.10 + 0.40 * at_home) * midday + 0.05
    home_rest *= np.exp(0.12 * normal[:, 4:5] - 0.03)
    opens, closes = 7.5 + 0.7 * normal[:, 1:2], 20.0 + 1.0 * normal[:, 2:3]
    is_open = 1 / (1 + np.exp(-(hour - opens) * 4)) / (1 + np.exp((hour - closes) * 4))
    shop = is_open * (0.6 + 0.8 * peak(18.8, 1.5)) + 0.04
    shop_rest = np.where(drawn[:, 4:5] < 0.4, 0.6 * shop, 0.10 * shop.mean(axis=1, keepdims=True))
    starts, ends = 7.8 + 0.4 * normal[:, 1:2], 17.3 + 0.6 * normal[:, 2:3]
    works = 1 / (1 + np.exp(-(hour - starts) * 5)) / (1 + np.exp((hour - ends) * 5)) * (1 - 0.7 * peak(12.7, 0.45))
    workshop, workshop_rest = works + 0.02, 0.06 * works + 0.02
    chosen = [kind == HOUSEHOLD, kind == SHOP]
    shapes = [
        np.where(chosen[0][:, None], a, np.where(chosen[1][:, None], b, c))
        for a, b, c in ((home, shop, workshop), (home_rest, shop_rest, workshop_rest))
    ]
    total = shapes[0].sum(axis=1, keepdims=True)
    return shapes[0] / total, shapes[1] / total


def _day_level(city: City, day: Day) -> np.ndarray:
    """Level of the day against the usual one, float32 [meters]: slow wanders over months and weeks, and the day's own."""
    of_months = _wander(city, Purpose.MONTH_LEVEL, day.ordinal, MONTH_DAYS)
    of_weeks = _wander(city, Purpose.WEEK_LEVEL, day.ordinal, 7)
    rng = stream(city.seed, Purpose.DAY_LEVEL, day.ordinal)
    own = rng.standard_normal(city.meters, np.float32)
    is_away = (rng.random(city.meters, np.float32) < AWAY) & (city.customer_class == HOUSEHOLD)
    kind = city.customer_class
    month, week, day_own = (spread[kind].astype(np.float32) for spread in (MONTH_SPREAD, WEEK_SPREAD, DAY_SPREAD))
    mean = (month**2 + week**2 + day_own**2) / 2
    level = np.exp(month * of_months + week * of_weeks + day_own * own - mean)
    if day.date.weekday() == 5:
        level[kind == WORKSHOP] *= 0.55
    level[is_away] *= 0.05
    return level


def _wander(city: City, purpose: Purpose, ordinal: int, days: int) -> np.ndarray:
    """A standard normal [meters] that goes from one draw to the next in `days` days; no state is carried."""
    number, along = divmod(ordinal, days)
    before, after = (
        stream(city.seed, purpose, at).standard_normal(city.meters, np.float32) for at in (number, number + 1)
    )
    share = np.float32(along / days)
    # The mean of two draws spreads less than one: this keeps the spread of every day the same.
    return ((1 - share) * before + share * after) / np.hypot(1 - share, share)


def _noise(city: City, day: Day) -> tuple[np.ndarray, np.ndarray]:
    """Factors of mean one of the half-hours of people's use and of fridges' duty, float32 [meters, slots]."""
    rng = stream(city.seed, Purpose.INTERVALS, day.ordinal)
    # Exponential: most half-hours are small, a few are large.
    drawn = rng.standard_exponential((city.meters, day.slots + 1), np.float32)
    duty = rng.random((city.meters, day.slots), np.float32)
    duty += np.float32(0.5)
    # What runs in one half-hour often runs on into the next.
    noise = np.float32(0.8) * drawn[:, 1:] + np.float32(0.2) * drawn[:, :-1]
    noise *= noise > NOTHING_ON
    shops, workshops = (np.flatnonzero(city.customer_class == kind) for kind in (SHOP, WORKSHOP))
    noise[shops] = 0.65 + 0.35 * noise[shops]
    noise[workshops] = 0.4 + 0.6 * noise[workshops]
    return noise, duty


def _add_appliances(kwh: np.ndarray, city: City, habits: Habits, day: Day, activity: np.ndarray) -> None:
    """Add each appliance's run of the day, if it has one, spread exactly over the half-hours that it touches."""
    rng = stream(city.seed, Purpose.EVENTS, day.ordinal)
    drawn = rng.random((len(APPLIANCES), 2, city.meters), np.float32)
    normal = rng.standard_normal((len(APPLIANCES), city.meters), np.float32)
    for number, appliance in enumerate(APPLIANCES):
        chance = np.array(appliance.chance)[city.customer_class] * (appliance.weekend if day.is_rest else 1.0)
        runs = np.flatnonzero((drawn[number, 0] < chance * np.minimum(activity, 1.0)) & habits.owns_appliance[number])
        shortest, longest = appliance.minutes
        minutes = shortest + (longest - shortest) * drawn[number, 1, runs] ** 2
        start = 60 * (habits.appliance_hour[number, runs] + 0.7 * appliance.hour_spread * normal[number, runs])
        start = np.clip(start, 0, day.slots * MINUTES - minutes)
        slot = (start // MINUTES).astype(int)
        for _ in range(LONGEST_RUN):
            in_slot = np.minimum(start + minutes, (slot + 1) * MINUTES) - np.maximum(start, slot * MINUTES)
            touched = np.flatnonzero((in_slot > 0) & (slot < day.slots))
            meter = runs[touched]
            kwh[meter, slot[touched]] += (habits.appliance_kw[number, meter] * in_slot[touched] / 60).astype(np.float32)
            slot = slot + 1


def _add_air_conditioning(kwh: np.ndarray, city: City, habits: Habits, day: Day, activity: np.ndarray) -> None:
    """Add what cools rooms: from the evening hour to the end of the night, the more the warmer the last three hours were."""
    cooled = habits.cooled
    rng = stream(city.seed, Purpose.AIR_CONDITIONING, day.ordinal)
    hour_of, until_of, skips = (
        drawn[cooled] for drawn in (*rng.standard_normal((2, city.meters), np.float32), rng.random(city.meters))
    )
    from_hour = (habits.cooled_from_hour + 0.5 * hour_of)[:, None]
    until_hour = (habits.cooled_until_hour + 0.5 * until_of)[:, None]
    is_shop = (city.customer_class[cooled] == SHOP)[:, None]
    is_night = (day.hour >= from_hour) | (day.hour < until_hour)
    is_on = np.where(is_shop, (day.hour >= from_hour) & (day.hour < 19.0) & (not day.is_rest), is_night)
    inside_c = _walls_c(city.seed, day)
    duty = np.clip(0.35 + 0.18 * (inside_c[None, :] - habits.comfort_c[:, None]), 0.0, 1.0)
    used = np.where(skips < 0.12, 0.0, AIR_CONDITIONER_KW * HOURS * np.minimum(activity[cooled], 1.5))
    kwh[cooled] += (is_on * duty * used[:, None]).astype(np.float32)


def _walls_c(seed: int, day: Day) -> np.ndarray:
    """Mean temperature of the last three hours and a little of the day's, float64 [slots]: walls keep warmth."""
    outside = weather.temperature_c(seed, day)
    padded = np.concatenate([np.full(6, outside[:2].mean()), outside])
    last_hours = np.convolve(padded, np.ones(6) / 6, mode="valid")[-day.slots :]
    return 0.5 * last_hours + 0.5 * outside.mean()
