"""The day loop: from a city, its roles and the weather to files and their truth.

What belongs here: the order in which a day comes about, and what is carried from one day to the next. What does not: each
step's rule (load.py, outages.py, attacks.py, look_alikes.py, prepaid.py, physics.py, defects.py).

    use → supply → attacks → prepaid credit → what the meter reports → transformers → defects → files

A day depends on the seed, the fleet and the days since the fleet's first, never on which of them are written. Only prepaid credit,
registers, drifting clocks and postponed deliveries carry over; a run that begins later than the fleet lives through the days
before without writing them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from energy_assets.simulation import defects, outages, registry, truth, weather
from energy_assets.simulation.attacks import ATTACKS, Moment
from energy_assets.simulation.calendar import SLOTS, Day, day_of
from energy_assets.simulation.city import City, make_city
from energy_assets.simulation.defects import NO_DEFECTS, NOTHING_POSTPONED, DefectRates, Delivered, Postponed
from energy_assets.simulation.errors import SimulationError
from energy_assets.simulation.files import DayTable, Folder, Format, Writer, as_instants, named
from energy_assets.simulation.load import Habits, make_habits, used_kwh
from energy_assets.simulation.look_alikes import LOOK_ALIKES, drift_minutes, shifted
from energy_assets.simulation.outages import Interruption
from energy_assets.simulation.physics import technical_loss_kwh
from energy_assets.simulation.prepaid import PrepaidDay, Purse, make_purse, purchases, spend
from energy_assets.simulation.roles import HORIZON_DAYS, LOOK_ALIKE_SHARE, Hooks, Roles, make_roles
from energy_assets.simulation.streams import Purpose, stream

SOURCES = (
    "meter_readings",
    "transformer_readings",
    "weather",
    "outages",
    "meters",
    "transformers",
    "token_purchases",
    "inspections",
    "register_readings",
)
"""Every source of the landing contract."""
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


@dataclass(frozen=True)
class SimulatedDay:
    """One day as it was, and as it is told. Arrays are [meters, slots] or [transformers, slots], float64, in kWh."""

    day: Day
    true_kwh: np.ndarray
    reported_kwh: np.ndarray
    """What the meters say, before rounding and defects of delivery."""
    transformer_true_kwh: np.ndarray
    hooked_kwh: np.ndarray
    loss_kwh: np.ndarray
    live: np.ndarray
    interruptions: list[Interruption]
    spent: PrepaidDay
    start_register_kwh: np.ndarray
    """As delivered, [meters]."""
    register_defect: defects.Defect
    delivered: Delivered
    late: Postponed
    """What was postponed to this day."""

    @property
    def energy_kwh(self) -> np.ndarray:
        return self.transformer_true_kwh + self.hooked_kwh + self.loss_kwh


def simulate(
    meters: int,
    days: int,
    seed: int,
    out: Path,
    first_day: date = FIRST_DAY,
    timezone: str = "Africa/Douala",
    *,
    transformers: int | None = None,
    theft_rate: float = THEFT_RATE,
    attacks: Collection[str] | None = None,
    look_alikes: bool = True,
    with_defects: bool = True,
    rates: DefectRates | None = None,
    since: date | None = None,
    horizon_days: int = HORIZON_DAYS,
    sources: Collection[str] = SOURCES,
    with_truth: bool = True,
    format: Format = "parquet",
    red_days: Collection[date] = (),
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write a city's landing sources to `out`, one file a day, and its truth to `out`/truth; the files of readings.

    `theft_rate` is the share of meters that steal at some time, by `attacks` (names of ATTACKS and STRANGER_HOOK; all by
    default). `since` is the fleet's first day (default: `first_day`); thefts begin within `horizon_days` of it. Later days of the
    same fleet: the same settings with `since`, a later `first_day`, the same `out`. On `red_days` a quarter of the rows lacks its
    meter. `progress(done, total)` is called after each day.

    Raises SimulationError for an impossible fleet and for unknown names, and where `out` holds another fleet.
    """
    if meters < 1 or days < 1:
        raise SimulationError(f"a fleet needs at least one meter and one day, not {meters} meters and {days} days")
    if unknown := sorted(set(sources) - set(SOURCES)):
        raise SimulationError(f"no source is called {', '.join(unknown)}: there are {', '.join(SOURCES)}")
    since = since or first_day
    if first_day < since:
        raise SimulationError(f"the fleet begins on {since}: there is no day {first_day}")
    fleet = make_fleet(
        meters,
        seed,
        since,
        timezone,
        transformers=transformers,
        theft_rate=theft_rate,
        attacks=attacks,
        look_alikes=look_alikes,
        rates=(rates or DefectRates()) if with_defects else NO_DEFECTS,
        horizon_days=horizon_days,
    )
    folder = out / "truth"
    if with_truth:
        settings = {
            "format": format,
            "meters": meters,
            "transformers": fleet.city.transformers,
            "seed": seed,
            "since": str(since),
            "timezone": timezone,
            "theft_rate": theft_rate,
            "attacks": sorted(attacks) if attacks is not None else None,
            "look_alikes": look_alikes,
            "horizon_days": horizon_days,
            "defects": asdict(fleet.rates),
        }
        truth.claim(folder, settings)
        truth.write_roles(folder, fleet.city, fleet.roles)
    last_day = first_day + timedelta(days=days - 1)
    written: list[Path] = []
    with ExitStack() as stack:
        writer = stack.enter_context(Writer())
        landing = Folder(out, format, sources, writer)
        tables = (
            [
                stack.enter_context(DayTable(folder / f"{name}.parquet", schema, first_day, last_day))
                for name, schema in (("defects", truth.DEFECTS), ("interruptions", truth.INTERRUPTIONS))
            ]
            if with_truth
            else None
        )
        carried = fleet.fresh()
        for number in range((last_day - since).days + 1):
            day = since + timedelta(days=number)
            one = live_through(fleet, day, carried, is_red=day in red_days)
            if day < first_day:
                continue
            written += write_day(fleet, one, landing)
            if tables is not None:
                write_truth(fleet, one, folder, writer, *tables, suffix=format)
            if progress is not None:
                progress((day - first_day).days + 1, days)
    return written


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
    return Fleet(city, habits, roles, make_purse(city), defects.silent_meters(city), zone, rates or DefectRates())


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
    metered_kwh, passing_by = _attacked(city, roles, today, true_kwh)
    spent = _cut_off(fleet, today, carried, true_kwh, metered_kwh, passing_by)
    start_register, register_defect = _read_registers(fleet, today, carried)
    _count(roles, today, carried, metered_kwh, is_replacing)
    reported_kwh = _as_reported(roles, today, carried, metered_kwh)
    hooked = _hooked_kwh(city, roles.hooks, today, live)
    transformer_true = city.by_transformer(true_kwh)
    loss = technical_loss_kwh(
        transformer_true + hooked, city.rating_kva, city.no_load_loss_w, city.load_loss_w, live.astype(float)
    )
    delivered = defects.deliver(city, roles, today, reported_kwh, live, fleet.silent, fleet.rates, is_red=is_red)
    late = _due(carried, today, delivered.postponed)
    return SimulatedDay(
        today,
        true_kwh,
        reported_kwh,
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


def write_day(fleet: Fleet, one: SimulatedDay, landing: Folder) -> list[Path]:
    """Write the day's landing files; the path of its readings, where they are wanted."""
    city, day = fleet.city, one.day
    readings = landing.write("meter_readings", day.date, _readings(city, one, landing.format))
    landing.write("meter_readings", day.date, _late_readings(city, one.late), part="-late")
    landing.write("transformer_readings", day.date, _transformer_readings(city, fleet.rates, one)[0])
    landing.write("weather", day.date, weather.observations(city.seed, day))
    landing.write("outages", day.date, outages.as_reported(day, one.interruptions))
    landing.write("token_purchases", day.date, purchases(city, fleet.purse, day, one.spent))
    landing.write("register_readings", day.date, _register_readings(city, one))
    landing.write("meters", day.date, registry.meter_rows(city, fleet.roles, day))
    if day.date == city.since:
        landing.write("transformers", day.date, registry.transformer_rows(city))
        landing.write("inspections", day.date, registry.inspection_rows(city, fleet.roles))
    return [readings] if readings else []


def write_truth(
    fleet: Fleet,
    one: SimulatedDay,
    folder: Path,
    writer: Writer,
    defect_table: DayTable,
    interruption_table: DayTable,
    *,
    suffix: str,
) -> None:
    city, day = fleet.city, one.day
    writer.write(
        truth.interval_rows(city, day, one.true_kwh, one.reported_kwh), folder / "intervals" / f"{day.date}.parquet"
    )
    writer.write(
        truth.transformer_rows(city, day, one.transformer_true_kwh, one.hooked_kwh, one.loss_kwh, one.live),
        folder / "transformers" / f"{day.date}.parquet",
    )
    missing = _transformer_readings(city, fleet.rates, one)[1]
    defect_table.append(truth.defect_rows(city, day, [*one.delivered.defects, missing, one.register_defect], suffix))
    interruption_table.append(truth.interruption_rows(day, one.interruptions))
    meter, first, last = defects.runs(one.spent.is_cut)
    interruption_table.append(truth.cut_rows(city, day, fleet.purse.meters[meter], first, last))


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


def _attacked(city: City, roles: Roles, day: Day, true_kwh: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(what the meters count, whose stolen energy a prepaid switch cannot stop); hooks add to `true_kwh` in place."""
    metered_kwh, passing_by = true_kwh.copy(), np.zeros(city.meters, bool)
    rng = stream(city.seed, Purpose.ATTACKS, day.ordinal)
    for name, group in roles.attacks.items():
        drawn = rng.random((len(group), day.slots))
        is_on = (group.onset <= day.ordinal) & (day.ordinal < group.end)
        now, attack = group.where(is_on), ATTACKS[name]
        if not len(now):
            continue
        if attack.added_use is not None:
            true_kwh[now.meters] *= (1 + attack.added_use(now.parameters))[:, None]
        at = Moment(day.hour, day.is_weekend, day.ordinal - now.onset, drawn[is_on])
        metered_kwh[now.meters] = attack.reported(true_kwh[now.meters], now.parameters, at)
        passing_by[now.meters] = attack.passes_meter_by
    return metered_kwh, passing_by


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
    return np.round(read, 2), defects.Defect(
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


def _readings(city: City, one: SimulatedDay, format: Format) -> pa.Table:
    """The day's own readings. An unreadable number is a null in Parquet, which has no place for one."""
    rows = one.delivered
    kwh = pa.array(rows.kwh, mask=rows.unreadable >= 0)
    if format == "csv":
        junk = pa.array(np.array(defects.UNREADABLE_NUMBERS)[rows.unreadable])
        kwh = pc.if_else(pa.array(rows.unreadable >= 0), junk, kwh.cast(pa.string()))
    return pa.table(
        {
            "meter_id": named(city.meter_ids, rows.meter),
            "reading_at": as_instants(one.day.starts.astype("datetime64[us]")[rows.slot]),
            "consumption_kwh": kwh,
            "version": pa.array(np.ones(len(rows.meter), np.int64)),
        }
    )


def _late_readings(city: City, late: Postponed) -> pa.Table:
    order = np.lexsort((late.version, late.starts, late.meter))
    return pa.table(
        {
            "meter_id": named(city.meter_ids, late.meter[order]),
            "reading_at": as_instants(late.starts[order]),
            "consumption_kwh": late.kwh[order],
            "version": late.version[order],
        }
    )


def _transformer_readings(city: City, rates: DefectRates, one: SimulatedDay) -> tuple[pa.Table, defects.Defect]:
    """The day's readings of the transformers' meters, and those that are missing."""
    day = one.day
    rng = stream(city.seed, Purpose.TRANSFORMER_READINGS, day.ordinal)
    is_missing = rng.random((city.transformers, day.slots)) < rates.missing_transformer_readings
    transformer, slot = np.nonzero(~is_missing)
    rows = pa.table(
        {
            "transformer_id": named(city.transformer_ids, transformer),
            "reading_at": as_instants(day.starts[slot]),
            "energy_kwh": np.round(one.energy_kwh[transformer, slot], 3),
        }
    )
    return rows, defects.Defect("transformer_readings", "missing", *defects.runs(is_missing))


def _register_readings(city: City, one: SimulatedDay) -> pa.Table:
    return pa.table(
        {
            "meter_id": named(city.meter_ids, np.arange(city.meters)),
            "read_at": as_instants(np.repeat(one.day.starts[:1], city.meters)),
            "register_kwh": one.start_register_kwh,
        }
    )
