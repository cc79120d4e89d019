"""Fleets whose thieves are known: the simulated city, and real load with attacks put in; as arrays, as known after the last day.

What belongs here: making them, with their truth. What does not: scoring and judging them (ml/theft, ml/evaluation).
The protocol stands in ml/evaluation/PROTOCOL.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np

from benchmarks.real_readings import Readings
from energy_assets.day_types import day_types
from energy_assets.resources.fleet import LEAST_SIBLINGS
from energy_assets.simulation.attacks import ATTACKS, Moment
from energy_assets.simulation.city import METER_CLASS, TRANSFORMER_METER_CLASS
from energy_assets.simulation.fleet import Fleet, make_fleet
from energy_assets.simulation.look_alikes import LOOK_ALIKES, drift_minutes, shifted
from energy_assets.simulation.one_day import live_through
from energy_assets.simulation.physics import RATINGS, rating_for, technical_loss_kwh
from energy_assets.simulation.roles import HONEST, NEVER
from ml.evaluation.windows import daily_wh
from ml.theft.history import FleetHistory
from ml.theft.known import mean as mean_of_known
from ml.theft.lookbacks import SEASON_DAYS, YEAR_DAYS
from ml.theft.season import season_wh
from ml.theft.traits import LEAST_COVERED, TRAITS, day_traits
from ml.validation.estimation import class_profile, estimate
from ml.validation.outages import dark_slots

FIRST_DAY = date(2024, 1, 1)
CITY_METERS, CITY_TRANSFORMERS, CITY_DAYS, CITY_HORIZON = 1000, 40, 140, 120
LEAST_STOLEN_DAYS = 7
THEFT_RATE, LOOK_ALIKE_RATE = 0.05, 0.15
HOMES_PER_TRANSFORMER = 25
STRETCH_DAYS = 140
PHYSICAL_KWH = 50.0
LEAST_READ_SHARE = 0.8
ESTIMATE_DAYS, HOURS = 28, 24
SPIKE_FACTOR = 30.0
"""Readings of so many times a meter's usual peak are refused by validation before anything is scored."""
ON_REAL_LOAD = (
    "vacancy",
    "travel",
    "income_change",
    "seasonal",
    "meter_replacement",
    "clock_drift",
    "comms_gap",
    "wrong_transformer",
)


@dataclass(frozen=True, eq=False)
class KnownFleet:
    """A fleet and its truth. Arrays are [meters] unless told otherwise; days are counted from the history's first."""

    name: str
    history: FleetHistory
    customer: np.ndarray
    """Number of the customer, unique over fleets of one set."""
    kind: np.ndarray
    """Attack or look-alike, HONEST otherwise."""
    is_theft: np.ndarray
    """Steals on the last day, and has on LEAST_STOLEN_DAYS or more."""
    is_judged: np.ndarray
    """Neither a thief who stopped nor one who has just begun."""
    onset: np.ndarray
    """Day of the thief's first theft, which may be below 0; meaningless for others."""
    stolen_wh: np.ndarray
    """Float64 [days, meters]."""
    hooked_wh: np.ndarray | None = None
    """Float64 [days, transformers]: what strangers took."""


def city(seed: int, theft_rate: float = THEFT_RATE, meters: int = CITY_METERS, days: int = CITY_DAYS) -> KnownFleet:
    """The simulated city, on the morning after its last day."""
    transformers = round(meters * CITY_TRANSFORMERS / CITY_METERS)
    fleet = make_fleet(
        meters, seed, FIRST_DAY, transformers=transformers, theft_rate=theft_rate, horizon_days=CITY_HORIZON
    )
    carried = fleet.fresh()
    lived = [live_through(fleet, FIRST_DAY + timedelta(days=number), carried) for number in range(days)]
    slots = len(lived[0].day.starts)
    wh = np.full((days, meters, slots), np.nan, dtype=np.float32)
    first = lived[0].day.ordinal
    starts = np.concatenate([one.day.starts for one in lived])
    for number, one in enumerate(lived):
        rows = (one.delivered.meter >= 0) & (one.delivered.unreadable < 0)
        wh[number, one.delivered.meter[rows], one.delivered.slot[rows]] = 1000 * one.delivered.kwh[rows]
        order = np.argsort(one.late.version, kind="stable")
        at = np.searchsorted(starts, one.late.starts[order])
        wh[at // slots, one.late.meter[order], at % slots] = 1000 * one.late.kwh[order]
    wh[wh < 0] = np.nan
    wh[wh > SPIKE_FACTOR * np.nanquantile(wh, 0.99, axis=(0, 2))[None, :, None]] = np.nan
    registered = np.stack([_registered(fleet, first + number) for number in range(days)])
    fed_wh = (
        np.stack([1000 * one.energy_kwh for one in lived]) * (1 + fleet.city.transformer_meter_error)[None, :, None]
    )
    is_off = np.stack([_reported_off(one, transformers) for one in lived])
    types = np.array(day_types([FIRST_DAY + timedelta(days=number) for number in range(days)], "CM"))
    rating = fleet.city.rating_kva, fleet.city.no_load_loss_w, fleet.city.load_loss_w
    known, lost = _balanced(
        wh, np.broadcast_to(registered[-1], registered.shape), fed_wh, is_off, types, fleet.city.customer_class, rating
    )
    kind = np.full(meters, HONEST, dtype=object)
    onset, end = np.full((2, meters), NEVER)
    for group in fleet.roles.groups:
        kind[group.meters], onset[group.meters], end[group.meters] = group.kind, group.onset - first, group.end - first
    stolen = np.stack([1000 * (one.true_kwh - one.reported_kwh).sum(axis=1) for one in lived])
    year_ago = _year_before(fleet, FIRST_DAY + timedelta(days=days - 1))
    history = FleetHistory(known, types, fleet.city.customer_class, registered[-1], lost, year_ago)
    hooked = np.stack([1000 * one.hooked_kwh.sum(axis=1) for one in lived])
    return _known(f"city {seed}", history, seed * 100_000 + np.arange(meters), kind, onset, end, stolen, hooked)


def _year_before(fleet: Fleet, last: date) -> np.ndarray:
    """What the city's meters delivered a day in the four weeks to a year before `last`, in Wh: as evidence is given it, float64 [meters].

    The city lives through these weeks as through others, before its first day; its thieves were honest then.
    """
    carried, delivered = fleet.fresh(), np.full((SEASON_DAYS, fleet.city.meters), np.nan)
    for number in range(SEASON_DAYS):
        of = last - timedelta(days=YEAR_DAYS + SEASON_DAYS - 1 - number)
        one = live_through(fleet, of, carried)
        wh = np.full((fleet.city.meters, len(one.day.starts)), np.nan)
        rows = (one.delivered.meter >= 0) & (one.delivered.unreadable < 0)
        wh[one.delivered.meter[rows], one.delivered.slot[rows]] = 1000 * one.delivered.kwh[rows]
        wh[(wh < 0) | (one.live < 1)[fleet.city.transformer]] = np.nan
        delivered[number] = day_traits(wh, 1440 // wh.shape[1])[:, TRAITS.index("mean_w")] * HOURS
    return season_wh(delivered)


def by_day(known: KnownFleet) -> KnownFleet:
    """The same fleet whose meters, and transformers' meters, are read once a day; energy that is not known is that of the day's other hours."""
    history = known.history
    lost = None
    if history.lost_wh is not None:
        has = ~np.isnan(history.lost_wh)
        count = has.sum(axis=2, keepdims=True)
        total = np.where(has, history.lost_wh, 0.0).sum(axis=2, keepdims=True)
        lost = np.where(count >= LEAST_COVERED * history.slots, total / np.maximum(count, 1) * history.slots, np.nan)
    return replace(known, history=replace(history, wh=daily_wh(history).astype(np.float32)[:, :, None], lost_wh=lost))


def _known(
    name: str,
    history: FleetHistory,
    customer: np.ndarray,
    kind: np.ndarray,
    onset: np.ndarray,
    end: np.ndarray,
    stolen_wh: np.ndarray,
    hooked_wh: np.ndarray | None = None,
) -> KnownFleet:
    of_thief = np.isin(kind, list(ATTACKS))
    goes_on = of_thief & (end > history.days - 1) & (onset <= history.days - LEAST_STOLEN_DAYS)
    never = of_thief & (onset >= history.days)
    return KnownFleet(
        name,
        history,
        customer,
        kind,
        goes_on,
        ~of_thief | goes_on | never,
        onset,
        np.where(of_thief, stolen_wh, 0.0),
        hooked_wh,
    )


def _registered(fleet: Fleet, ordinal: int) -> np.ndarray:
    """Transformer of each meter as the register has it on the day."""
    transformer = fleet.city.transformer.copy()
    if wrong := fleet.roles.look_alikes.get("wrong_transformer"):
        now = wrong.on(ordinal)
        transformer[now.meters] = now.parameters["registry_transformer"]
    return transformer


def _reported_off(one, transformers: int) -> np.ndarray:
    """Slots that a reported interruption touches: bool [transformers, slots]."""
    is_off = np.zeros((transformers, len(one.day.starts)), dtype=bool)
    ends = np.append(one.day.starts[1:], one.day.end)
    for cut in one.interruptions:
        if cut.is_reported:
            is_off[cut.transformers] |= (one.day.starts < cut.ended_at) & (ends > cut.started_at)
    return is_off


def _balanced(wh, transformer, fed_wh, is_off, types, customer_class, rating) -> tuple[np.ndarray, np.ndarray]:
    """(`wh` without slots whose supply was off, non-technical loss [days, transformers, slots]), as the graph makes them.

    `transformer` is int [days, meters]; `fed_wh` float64 and `is_off` bool [days, transformers, slots].
    """
    known, lost = wh.copy(), np.full(fed_wh.shape, np.nan)
    minutes = 1440 // wh.shape[2]
    for day in range(len(wh)):
        seen = ~np.isnan(wh[max(day - ESTIMATE_DAYS, 0) : day + 1]).all(axis=(0, 2))
        dark = dark_slots(
            wh[day][seen], transformer[day][seen], np.nan_to_num(fed_wh[day]) > 0, least_siblings=LEAST_SIBLINGS
        )
        off = (is_off[day] | dark)[transformer[day]]
        past = [of for of in range(max(day - ESTIMATE_DAYS, 0), day) if types[of] == types[day]]
        is_open = ~off & seen[:, None]
        found = estimate(wh[day], is_open, wh[past], class_profile(wh[day], customer_class), interval_minutes=minutes)
        filled = np.where(np.isnan(wh[day]), np.nan_to_num(found.wh), wh[day]).astype(np.float64)
        metered = np.zeros(fed_wh.shape[1:])
        np.add.at(metered, transformer[day], filled)
        loss = 1000 * technical_loss_kwh(fed_wh[day] / 1000 * 30 / minutes, *rating) * minutes / 30
        lost[day] = np.where(is_off[day] | dark, np.nan, fed_wh[day] - metered - loss)
        known[day][off] = np.nan
    return known, lost


def stretches(readings: Readings, *, held_out: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(kwh [days, homes, slots], number of each home's customer, Wh a day in the four weeks to a year before its last, NaN where not known): those
    of one half of the customers that deliver throughout.

    A stretch of another time is another home. Gaps of at most a fifth are kept as gaps; true use is taken as nothing there.
    """
    kwh = np.where((readings.kwh < 0) | (readings.kwh > PHYSICAL_KWH), np.nan, readings.kwh)
    order = np.random.default_rng(1).permutation(kwh.shape[1])
    half = np.sort(order[len(order) // 2 :] if held_out else order[: len(order) // 2])
    days = min(STRETCH_DAYS, len(kwh))
    parts, customers, years_ago = [], [], []
    for start in range(0, len(kwh) - days + 1, days):
        part = kwh[start : start + days, half]
        usable = (~np.isnan(part)).mean(axis=(0, 2)) >= LEAST_READ_SHARE
        usable &= np.nansum(part, axis=(0, 2)) > 0.2 * days
        parts.append(part[:, usable])
        customers.append(half[usable])
        until = start + days - YEAR_DAYS
        season = kwh[max(until - SEASON_DAYS, 0) : max(until, 0), half[usable]]
        is_enough = (~np.isnan(season)).mean(axis=2) >= LEAST_COVERED
        years_ago.append(season_wh(np.where(is_enough, 1000 * mean_of_known(season, 2) * season.shape[2], np.nan)))
    return np.concatenate(parts, axis=1), np.concatenate(customers), np.concatenate(years_ago)


def attacked(readings: Readings, draw: int, *, held_out: bool) -> KnownFleet:
    """Real homes, of whom some steal and some look like it, behind transformers."""
    kwh, customer, year_ago = stretches(readings, held_out=held_out)
    rng = np.random.default_rng([draw, int(held_out), len(kwh)])
    order = rng.permutation(kwh.shape[1])
    order = order[: len(order) // HOMES_PER_TRANSFORMER * HOMES_PER_TRANSFORMER]
    kwh, customer, year_ago = kwh[:, order], customer[order], year_ago[order]
    days, meters, slots = kwh.shape
    transformer = np.arange(meters) // HOMES_PER_TRANSFORMER
    kind, onset, end = _roles(rng, meters, days)
    types = np.array(day_types([readings.first_day + timedelta(days=number) for number in range(days)], ""))
    is_weekend = np.array([(readings.first_day + timedelta(days=number)).weekday() >= 5 for number in range(days)])
    has = ~np.isnan(kwh)
    true, reported = np.nan_to_num(kwh), np.nan_to_num(kwh)
    registered = np.broadcast_to(transformer, (days, meters)).copy()
    hour = np.arange(slots) * 24 / slots
    for meter in np.flatnonzero(kind != HONEST):
        name = kind[meter]
        if name in ATTACKS:
            _steal(rng, ATTACKS[name], true, reported, meter, onset[meter], end[meter], hour, is_weekend)
        else:
            _look_alike(rng, name, true, reported, has, registered, meter, onset[meter], end[meter])
    stolen = 1000 * (true - reported).sum(axis=2)
    error = rng.uniform(-METER_CLASS, METER_CLASS, meters)
    wh = np.where(has, 1000 * reported * (1 + error)[None, :, None], np.nan).astype(np.float32)
    load = np.add.reduceat(true, np.arange(0, meters, HOMES_PER_TRANSFORMER), axis=1)
    hours = 24 / slots
    rating = RATINGS[rating_for(np.quantile(load, 0.999, axis=(0, 2)) / hours, np.full(load.shape[1], 0.8))].T
    loss = np.stack([technical_loss_kwh(one * 0.5 / hours, *rating) * hours / 0.5 for one in load])
    fed = (
        1000
        * (load + loss)
        * (1 + rng.uniform(-TRANSFORMER_METER_CLASS, TRANSFORMER_METER_CLASS, load.shape[1]))[None, :, None]
    )
    known, lost = _balanced(
        wh,
        np.broadcast_to(registered[-1], registered.shape),
        fed,
        np.zeros(fed.shape, dtype=bool),
        types,
        np.zeros(meters, dtype=int),
        rating,
    )
    history = FleetHistory(known, types, np.zeros(meters, dtype=int), registered[-1], lost, year_ago * (1 + error))
    return _known(f"{readings.name} {draw}", history, customer, kind, onset, end, stolen)


def _roles(rng: np.random.Generator, meters: int, days: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    kind = np.full(meters, HONEST, dtype=object)
    chosen = rng.permutation(meters)
    thieves, others = round(THEFT_RATE * meters), round(LOOK_ALIKE_RATE * meters)
    attacks = rng.permutation([name for name in ATTACKS])
    kind[chosen[:thieves]] = [attacks[number % len(attacks)] for number in range(thieves)]
    alike = rng.permutation(ON_REAL_LOAD)
    kind[chosen[thieves : thieves + others]] = [alike[number % len(alike)] for number in range(others)]
    onset = rng.integers(days // 4, 3 * days // 4, meters)
    end = np.full(meters, NEVER)
    for meter in chosen[thieves : thieves + others]:
        if lasts := LOOK_ALIKES[kind[meter]].lasts:
            end[meter] = onset[meter] + round(rng.uniform(*lasts))
    return kind, onset, end


def _steal(rng, attack, true, reported, meter, onset, end, hour, is_weekend) -> None:
    peak = np.quantile(true[:, meter], 0.99, keepdims=True)
    parameters = attack.draw(rng, np.atleast_1d(peak.squeeze()))
    # Peaks of the attacks are those of half-hours.
    for day in range(max(onset, 0), min(end, len(true))):
        if attack.added_use is not None:
            true[day, meter] *= 1 + attack.added_use(parameters)
        at = Moment(hour, bool(is_weekend[day]), np.array([day - onset]), rng.random((1, len(hour))))
        reported[day, meter] = attack.reported(true[day, meter][None], parameters, at)[0]


def _look_alike(rng, name, true, reported, has, registered, meter, onset, end) -> None:
    one = LOOK_ALIKES[name]
    days = np.arange(onset, min(end, len(true)))
    if name == "wrong_transformer":
        transformers = registered.max() + 1
        registered[: len(true) if end == NEVER else min(end, len(true)), meter] = (
            registered[0, meter] + 1
        ) % transformers
        return
    if name == "comms_gap":
        has[days, meter] = False
        return
    if name == "clock_drift":
        x = reported[:, meter].copy()
        scale = x.shape[1] / 48
        for day in days[days > 0]:
            minutes = drift_minutes({"minutes_a_day": np.array([5.0])}, np.array([day - onset])) * scale
            reported[day, meter] = shifted(x[day - 1][None], x[day][None], minutes)[0]
        return
    if name == "meter_replacement":
        slot = true.shape[2] // 3
        for x in (true, reported):
            x[onset, meter, slot : slot + max(true.shape[2] // 12, 1)] = 0.0
        return
    parameters = {"left_on": np.array([rng.choice([0.0, 0.25], p=[0.6, 0.4])]), "share": rng.uniform(0.35, 0.7, 1)}
    length = np.array([max(end - onset, 1)])
    x = true[:, meter]
    standing = np.minimum(x, np.quantile(x, 0.1, axis=1, keepdims=True))
    for day in days:
        activity = one.activity(parameters, np.array([day - onset]), length)[0]
        kept = one.standing(parameters)[0] if one.standing is not None else 1.0
        used = kept * standing[day] + activity * (x[day] - standing[day])
        true[day, meter] = reported[day, meter] = used


def fleets(readings: Readings | None, *, held_out: bool) -> Iterator[KnownFleet]:
    """The fleets of a set: the city's, or those of real readings; the smaller the set, the more draws."""
    if readings is None:
        yield from (city(seed) for seed in (range(201, 206) if held_out else range(101, 106)))
        return
    draws = {("sgsc", False): range(101, 121), ("sgsc", True): range(201, 241), ("swiss", True): range(201, 211)}
    for draw in draws.get((readings.name, held_out), range(101, 106)):
        yield attacked(readings, draw, held_out=held_out)
