"""One day of a fleet: from what people use to what the transformers feed and the meters say.

What belongs here: the order in which a day comes about. What does not: each step's rule (load.py, outages.py, attacks.py,
look_alikes.py, prepaid.py, physics.py, defects.py), files (deliver.py).

    use → supply → attacks → prepaid credit → what the meter reports → transformers → defects

A day depends on the seed, the fleet and the days since the fleet's first. Only prepaid credit, registers, drifting clocks and
postponed deliveries carry over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from energy_assets.simulation import defects, outages
from energy_assets.simulation.attacks import ATTACKS, Moment
from energy_assets.simulation.calendar import SLOTS, Day, day_of
from energy_assets.simulation.city import City
from energy_assets.simulation.defects import Delivered, Postponed
from energy_assets.simulation.fleet import Carried, Fleet
from energy_assets.simulation.load import used_kwh
from energy_assets.simulation.look_alikes import LOOK_ALIKES, drift_minutes, shifted
from energy_assets.simulation.outages import Interruption
from energy_assets.simulation.physics import technical_loss_kwh
from energy_assets.simulation.prepaid import PrepaidDay, spend
from energy_assets.simulation.roles import Hooks, Roles
from energy_assets.simulation.streams import Purpose, stream


@dataclass(frozen=True)
class SimulatedDay:
    """One day as it was, and as it is told. Arrays are [meters, slots] or [transformers, slots], float64, in kWh."""

    day: Day
    true_kwh: np.ndarray
    reported_kwh: np.ndarray
    """What the utility would take the meters to say if they did not err, before rounding and defects of delivery."""
    metered_kwh: np.ndarray
    """The same with each meter's own error."""
    transformer_true_kwh: np.ndarray
    hooked_kwh: np.ndarray
    loss_kwh: np.ndarray
    live: np.ndarray
    interruptions: list[Interruption]
    spent: PrepaidDay
    start_register_kwh: np.ndarray
    """As delivered, [meters]: what the register shows, behind a current transformer a fraction of the energy."""
    register_defect: defects.Defect
    delivered: Delivered
    late: Postponed
    """What was postponed to this day."""

    @property
    def energy_kwh(self) -> np.ndarray:
        return self.transformer_true_kwh + self.hooked_kwh + self.loss_kwh


def live_through(fleet: Fleet, day: date, carried: Carried, *, is_red: bool = False) -> SimulatedDay:
    """One day of the fleet, the next after what `carried` holds, which is changed to hold the day after."""
    city, roles, today = fleet.city, fleet.roles, day_of(day, fleet.zone)
    interruptions = outages.in_force(city, day, fleet.zone)
    live = outages.energised(city, today, interruptions)
    used = used_kwh(city, fleet.habits, today, *_use_factors(city, roles, today))
    used *= live[city.transformer]
    is_replacing = _replacing(roles, today)
    for meter, slots in is_replacing:
        used[meter, slots] = 0.0
    true_kwh = used.astype(float)
    metered_kwh = true_kwh.copy()
    passing_by = _attack(city, roles, today, true_kwh, metered_kwh, keeps_energy=False)
    spent = _cut_off(fleet, today, carried, true_kwh, metered_kwh, passing_by)
    # What only moves the day's energy moves what credit and supply left of it.
    _attack(city, roles, today, true_kwh, metered_kwh, keeps_energy=True)
    start_register, register_defect = _read_registers(fleet, today, carried)
    _count(roles, today, carried, metered_kwh * (1 + city.meter_error)[:, None], is_replacing)
    reported_kwh = _as_reported(roles, today, carried, metered_kwh)
    hooked = _hooked_kwh(city, roles.hooks, today, live)
    transformer_true = city.by_transformer(true_kwh)
    loss = technical_loss_kwh(
        transformer_true + hooked,
        city.rating_kva,
        city.no_load_loss_w,
        city.load_loss_w,
        live.astype(float),
        city.power_factor,
    )
    by_meters = reported_kwh * (1 + city.meter_error)[:, None]
    delivered = defects.deliver(city, roles, today, by_meters, live, fleet.silent, fleet.rates, is_red=is_red)
    late = _due(carried, today, delivered.postponed)
    return SimulatedDay(
        today,
        true_kwh,
        reported_kwh,
        by_meters,
        transformer_true,
        hooked,
        loss,
        live,
        interruptions,
        spent,
        start_register,
        register_defect,
        delivered,
        late,
    )


def _use_factors(city: City, roles: Roles, day: Day) -> tuple[np.ndarray, np.ndarray]:
    """(activity, standing), [meters], of those whose use a look-alike changes."""
    activity, standing = np.ones((2, city.meters))
    for name, group in roles.look_alikes.items():
        one, now = LOOK_ALIKES[name], group.on(day)
        if one.activity is not None and len(now):
            activity[now.meters] = one.activity(now.parameters, day.ordinal - now.onset, now.end - now.onset)
        if one.standing is not None and len(now):
            standing[now.meters] = one.standing(now.parameters)
    return activity, standing


def _replacing(roles: Roles, day: Day) -> list[tuple[int, np.ndarray]]:
    """Meters that are replaced on the day, and the half-hours in which their customers have no supply for it."""
    group = roles.look_alikes.get("meter_replacement")
    if not group:
        return []
    today = group.where(group.onset == day.ordinal)
    first = today.parameters["from_hour"]
    return [
        (int(meter), np.flatnonzero((day.hour >= start) & (day.hour < start + hours)))
        for meter, start, hours in zip(today.meters, first, today.parameters["hours"], strict=True)
    ]


def _attack(
    city: City, roles: Roles, day: Day, true_kwh: np.ndarray, metered_kwh: np.ndarray, *, keeps_energy: bool
) -> np.ndarray:
    """Let the day's thieves, those that keep the day's energy or the others, change what meters count and, by hooks, what is used.

    Both energies change in place. Returns whose stolen energy a prepaid switch cannot stop, bool [meters].
    """
    passing_by = np.zeros(city.meters, bool)
    rng = stream(city.seed, Purpose.ATTACKS, day.ordinal)
    for name, group in roles.attacks.items():
        attack, drawn = ATTACKS[name], rng.random((len(group), day.slots))
        is_on = (group.onset <= day.ordinal) & (day.ordinal < group.end)
        now = group.where(is_on)
        if attack.keeps_energy != keeps_energy or not len(now):
            continue
        if attack.added_use is not None:
            true_kwh[now.meters] *= (1 + attack.added_use(now.parameters))[:, None]
        at = Moment(day.hour, day.is_weekend, day.ordinal - now.onset, drawn[is_on])
        metered_kwh[now.meters] = attack.reported(true_kwh[now.meters], now.parameters, at)
        passing_by[now.meters] = attack.passes_meter_by
    return passing_by


def _cut_off(
    fleet: Fleet, day: Day, carried: Carried, true_kwh: np.ndarray, metered_kwh: np.ndarray, passing_by: np.ndarray
) -> PrepaidDay:
    """Open the switches of prepaid meters whose credit runs out: both energies change in place."""
    purse = fleet.purse
    refuses = np.zeros(fleet.city.meters, bool)
    if gaps := fleet.roles.look_alikes.get("prepaid_token_gap"):
        refuses[gaps.on(day).meters] = True
    metered = metered_kwh[purse.meters]
    spent = spend(fleet.city, purse, day, carried.credit_kwh, metered, refuses[purse.meters])
    rows, slots = np.nonzero(spent.is_cut)
    meters = purse.meters[rows]
    beside = np.maximum(true_kwh[meters, slots] - metered_kwh[meters, slots], 0.0)
    true_kwh[meters, slots] = np.where(passing_by[meters], beside, 0.0)
    metered_kwh[meters, slots] = 0.0
    carried.credit_kwh += spent.token_kwh - metered_kwh[purse.meters].sum(axis=1)
    return spent


def _read_registers(fleet: Fleet, day: Day, carried: Carried) -> tuple[np.ndarray, defects.Defect]:
    """Registers at the start of the day as they are delivered, and those that got stuck."""
    city, rates = fleet.city, fleet.rates
    drawn = stream(city.seed, Purpose.REGISTERS, day.ordinal).random((city.meters, 2))
    stuck = np.flatnonzero((drawn[:, 0] < rates.frozen_register_meter_days) & (carried.frozen_until <= day.ordinal))
    until = day.ordinal + 2 + (drawn[stuck, 1] * (rates.most_days_frozen - 2)).astype(int)
    carried.frozen_until[stuck], carried.frozen_kwh[stuck] = until, carried.register_kwh[stuck]
    read = np.where(carried.frozen_until > day.ordinal, carried.frozen_kwh, carried.register_kwh)
    zero = np.zeros(len(stuck), int)
    return np.round(read / city.ct_multiplier, 4), defects.Defect(
        "register_readings", "frozen_register", stuck, zero, zero + day.slots, until
    )


def _count(
    roles: Roles, day: Day, carried: Carried, metered_kwh: np.ndarray, is_replacing: list[tuple[int, np.ndarray]]
) -> None:
    """Turn the registers on; that of a new meter starts at zero."""
    carried.register_kwh += metered_kwh.sum(axis=1)
    for meter, slots in is_replacing:
        after = slots[-1] + 1 if len(slots) else day.slots
        carried.register_kwh[meter] = metered_kwh[meter, after:].sum()


def _as_reported(roles: Roles, day: Day, carried: Carried, metered_kwh: np.ndarray) -> np.ndarray:
    """What reaches the head-end: wrong multipliers and drifting clocks applied, in place."""
    if wrong := roles.look_alikes.get("ct_multiplier_error"):
        now = wrong.on(day)
        factor = now.parameters["registry_multiplier"] / now.parameters["true_multiplier"]
        metered_kwh[now.meters] *= factor[:, None]
    if drifting := roles.look_alikes.get("clock_drift"):
        counted = metered_kwh[drifting.meters]
        before = counted if carried.drifting_kwh is None else carried.drifting_kwh
        is_on = (drifting.onset <= day.ordinal) & (day.ordinal < drifting.end)
        now = drifting.where(is_on)
        minutes = drift_minutes(now.parameters, day.ordinal - now.onset)
        metered_kwh[now.meters] = shifted(before[is_on], counted[is_on], minutes)
        carried.drifting_kwh = counted
    return metered_kwh


def _hooked_kwh(city: City, hooks: Hooks, day: Day, live: np.ndarray) -> np.ndarray:
    """What strangers take from the lines, float64 [transformers, slots]."""
    taken = np.zeros((city.transformers, day.slots))
    drawn = stream(city.seed, Purpose.HOOKS, day.ordinal).gamma(3.0, 1 / 3.0, (len(hooks.transformers), day.slots))
    is_on = (hooks.onset <= day.ordinal) & (day.ordinal < hooks.end)
    shape = 0.4 + np.exp(-0.5 * ((day.hour - 20.5) / 2.5) ** 2)
    energy = hooks.daily_kwh[:, None] * drawn * shape / (0.4 + 6.27 / 24) / SLOTS
    taken[hooks.transformers[is_on]] = energy[is_on]
    return taken * live


def _due(carried: Carried, day: Day, added: Postponed) -> Postponed:
    """What comes today of what was postponed; the rest, and what today postpones, is carried on."""
    names = ("due", "meter", "starts", "kwh", "version")
    waiting = Postponed(*(np.concatenate([getattr(carried.postponed, name), getattr(added, name)]) for name in names))
    is_due = waiting.due <= day.ordinal
    carried.postponed = waiting.on(~is_due)
    return waiting.on(is_due)
