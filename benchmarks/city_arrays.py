"""A simulated city's files as arrays: what its utility would hold on each morning, and the truth beside it.

What belongs here: reading the folder that `simulate` wrote, in the units of staging. What does not: rules, and what they are held
against (vee_relations.py).

Files here have no reading that staging refuses on its own evidence but unreadable ones, so that no SQL is needed to read them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from energy_assets.keys import ESTIMATE_LOOKBACK_DAYS
from energy_assets.resources.fleet import LEAST_SIBLINGS
from energy_assets.simulation.calendar import MINUTES, SLOTS
from energy_assets.simulation.physics import technical_loss_kwh
from ml.validation.estimation import class_profile, estimate
from ml.validation.outages import dark_slots

MIDNIGHT = np.timedelta64(-1, "h")
"""Local midnight of the city's zone, Africa/Douala, in UTC: it never changes its clocks."""


@dataclass(frozen=True, eq=False)
class Readings:
    """Readings that came in one file, in Wh. Arrays are [rows]."""

    day: np.ndarray
    meter: np.ndarray
    slot: np.ndarray
    wh: np.ndarray


@dataclass(frozen=True, eq=False)
class CityArrays:
    """All that was delivered. Days are counted from the first; meters and transformers are numbered in the order of their names."""

    first_day: date
    meter_ids: list[str]
    transformer_ids: list[str]
    own: list[Readings]
    """By day, what came on it of it."""
    late: list[Readings]
    """By day, what came on it of days before."""
    transformer: np.ndarray
    """Int [days, meters], as the register has it."""
    ct_multiplier: np.ndarray
    """[days, meters], as the register has it."""
    is_prepaid: np.ndarray
    customer_class: np.ndarray
    register_wh: np.ndarray
    """[days, meters], at the start of the day, before any multiplier."""
    bought_wh: np.ndarray
    """[days, meters]."""
    fed_wh: np.ndarray
    """[days, transformers, slots], NaN where the transformer's meter sent nothing."""
    is_off: np.ndarray
    """Bool [days, transformers, slots]: an outage was reported for a part of the slot, as it stands once its end is known."""
    is_wholly_off: np.ndarray
    """Bool [days, transformers, slots]: one was reported for all of it."""
    rating: np.ndarray
    """[3, transformers]: kVA, no-load loss and load loss in W."""

    @property
    def days(self) -> int:
        return len(self.own)

    def slot_starts(self, day: int) -> np.ndarray:
        """UTC, datetime64[s] [slots]."""
        midnight = np.datetime64(self.first_day + timedelta(days=day), "s") + MIDNIGHT
        return midnight + np.arange(SLOTS) * np.timedelta64(MINUTES * 60, "s")

    def weekday_type(self, day: int) -> int:
        return max((self.first_day + timedelta(days=day)).weekday() - 4, 0)


@dataclass(frozen=True, eq=False)
class Morning:
    """A day and the four weeks before it, as known when the day's own file and all late ones up to it are there.

    `wh` is float32 [meters, slots], `past` [28, meters, slots]; `residual_wh` [transformers, 29, slots] what each balance leaves over,
    the day's own last; `filled_wh` [meters, 29, slots] readings and estimates.
    """

    day: int
    wh: np.ndarray
    past: np.ndarray
    was_seen: np.ndarray
    transformer: np.ndarray
    filled_wh: np.ndarray
    residual_wh: np.ndarray

    @property
    def recent(self) -> np.ndarray:
        """Past and day, [29, meters, slots]."""
        return np.concatenate([self.past, self.wh[None]])


def mornings(city: CityArrays) -> Iterator[Morning]:
    """Each day that has four weeks before it."""
    wh = np.full((city.days, len(city.meter_ids), SLOTS), np.nan, dtype=np.float32)
    filled = np.full_like(wh, np.nan)
    residual = np.full((city.days, len(city.transformer_ids), SLOTS), np.nan)
    for day in range(city.days):
        for came in (city.late[day], city.own[day]):
            wh[came.day, came.meter, came.slot] = came.wh
        since = max(day - ESTIMATE_LOOKBACK_DAYS, 0)
        for of in {day, *city.late[day].day.tolist()}:
            if of >= since:
                filled[of] = _filled(city, wh, of)
                residual[of] = _balance(city, filled[of], of)
        if day < ESTIMATE_LOOKBACK_DAYS:
            continue
        span = slice(since, day + 1)
        yield Morning(
            day,
            wh[day].copy(),
            wh[since:day].copy(),
            _seen(wh, day),
            city.transformer[day],
            filled[span].transpose(1, 0, 2).copy(),
            residual[span].transpose(1, 0, 2).copy(),
        )


def dark(city: CityArrays, day: int, wh: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Slots without supply as siblings show them: bool [transformers, slots], of `wh` [meters, slots], the day."""
    is_fed = np.nan_to_num(city.fed_wh[day]) > 0
    return dark_slots(wh[seen], city.transformer[day][seen], is_fed, least_siblings=LEAST_SIBLINGS)


def _seen(wh: np.ndarray, day: int) -> np.ndarray:
    """Meters that delivered within the lookback or on the day, bool [meters]."""
    return ~np.isnan(wh[max(day - ESTIMATE_LOOKBACK_DAYS, 0) : day + 1]).all(axis=(0, 2))


def _filled(city: CityArrays, wh: np.ndarray, day: int) -> np.ndarray:
    """The day's readings, and estimates where supply was on and nothing was accepted: [meters, slots]."""
    seen = _seen(wh, day)
    is_open = ~(city.is_off[day] | dark(city, day, wh[day], seen))[city.transformer[day]] & seen[:, None]
    past = [
        of for of in range(max(day - ESTIMATE_LOOKBACK_DAYS, 0), day) if city.weekday_type(of) == city.weekday_type(day)
    ]
    found = estimate(wh[day], is_open, wh[past], class_profile(wh[day], city.customer_class), interval_minutes=MINUTES)
    return np.where(np.isnan(wh[day]), found.wh, wh[day])


def _balance(city: CityArrays, filled: np.ndarray, day: int) -> np.ndarray:
    """What each transformer's meter counted beyond its meters and its own loss, in Wh: [transformers, slots]; NaN where a reading is
    missing on either side, or an outage was reported: as int_transformer_balance has it."""
    metered = np.zeros(city.fed_wh[day].shape)
    np.add.at(metered, city.transformer[day], filled.astype(np.float64))
    fed = city.fed_wh[day]
    loss = 1000 * technical_loss_kwh(fed / 1000, *city.rating)
    return np.where(city.is_off[day], np.nan, fed - metered - np.round(loss))


def read_city(folder: Path, first_day: date, days: int) -> CityArrays:
    """What `simulate` wrote to `folder` of these days."""
    transformers = pl.read_parquet(folder / "transformers" / "*.parquet").sort("transformer_id")
    meters = pl.read_parquet(folder / "meters" / f"{first_day}.parquet").sort("meter_id")
    meter_ids, transformer_ids = meters["meter_id"].to_list(), transformers["transformer_id"].to_list()
    of_meter, of_transformer = pl.Enum(meter_ids), pl.Enum(transformer_ids)
    transformer, ct_multiplier = _register(folder, first_day, days, of_meter, of_transformer)
    areas = {
        **{one: np.array([number]) for number, one in enumerate(transformer_ids)},
        **{
            one: np.flatnonzero((transformers["feeder_id"] == one).to_numpy())
            for one in transformers["feeder_id"].unique()
        },
    }
    own, late = [], []
    for number in range(days):
        day = first_day + timedelta(days=number)
        for came, part in ((own, ""), (late, "-late")):
            came.append(
                _readings(folder / "meter_readings" / f"{day}{part}.parquet", first_day, of_meter, ct_multiplier)
            )
    fed = np.full((days, len(transformer_ids), SLOTS), np.nan)
    rows = pl.read_parquet(folder / "transformer_readings" / "*.parquet")
    at = rows["transformer_id"].cast(of_transformer).to_physical().to_numpy()
    day, slot = place(rows["reading_at"], first_day)
    fed[day, at, slot] = np.round(rows["energy_kwh"].to_numpy() * 1000)
    is_off, is_wholly_off = _reported(folder, first_day, areas, fed.shape)
    return CityArrays(
        first_day,
        meter_ids,
        transformer_ids,
        own,
        late,
        transformer,
        ct_multiplier,
        meters["prepaid"].to_numpy(),
        np.unique(meters["customer_class"].to_numpy(), return_inverse=True)[1],
        _by_day(
            folder / "register_readings", "read_at", "register_kwh", first_day, (days, len(meter_ids)), of_meter, np.nan
        ),
        _by_day(
            folder / "token_purchases", "purchased_at", "energy_kwh", first_day, (days, len(meter_ids)), of_meter, 0.0
        ),
        fed,
        is_off,
        is_wholly_off,
        transformers.select("rating_kva", "no_load_loss_w", "load_loss_w").to_numpy().T,
    )


def _readings(path: Path, first_day: date, of_meter: pl.Enum, ct_multiplier: np.ndarray) -> Readings:
    if not path.exists():
        return Readings(*np.zeros((3, 0), dtype=int), np.zeros(0))
    rows = pl.read_parquet(path).drop_nulls(["meter_id", "consumption_kwh"]).sort("version", maintain_order=True)
    meter = rows["meter_id"].cast(of_meter).to_physical().to_numpy().astype(int)
    day, slot = place(rows["reading_at"], first_day)
    kept = (day >= 0) & (day < len(ct_multiplier))
    day, meter, slot = day[kept], meter[kept], slot[kept]
    wh = np.round(rows["consumption_kwh"].to_numpy()[kept] * 1000 * ct_multiplier[day, meter])
    return Readings(day, meter, slot, wh)


def _register(
    folder: Path, first_day: date, days: int, of_meter: pl.Enum, of_transformer: pl.Enum
) -> tuple[np.ndarray, np.ndarray]:
    """Transformer and multiplier as the register says them, [days, meters] each."""
    transformer = np.full((days, len(of_meter.categories)), -1)
    multiplier = np.ones(transformer.shape)
    for path in sorted((folder / "meters").glob("*.parquet")):
        rows = pl.read_parquet(path)
        meter = rows["meter_id"].cast(of_meter).to_physical().to_numpy()
        behind = rows["transformer_id"].cast(of_transformer).to_physical().to_numpy()
        valid = (rows["valid_from"].to_numpy().astype("datetime64[D]") - np.datetime64(first_day, "D")).astype(int)
        for number, one in enumerate(meter):
            since = slice(max(valid[number], 0), None)
            transformer[since, one], multiplier[since, one] = behind[number], rows["ct_multiplier"][number]
    return transformer, multiplier


def _reported(
    folder: Path, first_day: date, areas: dict[str, np.ndarray], shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    is_off, is_wholly = np.zeros((2, *shape), dtype=bool)
    midnight = np.datetime64(first_day, "s") + MIDNIGHT
    starts = midnight + np.arange(shape[0] * shape[2]) * np.timedelta64(MINUTES * 60, "s")
    ends = starts + np.timedelta64(MINUTES * 60, "s")
    # Of several deliveries one that knows the end counts.
    told = pl.read_parquet(folder / "outages" / "*.parquet").group_by("area_id", "started_at").agg(pl.max("ended_at"))
    for area, began, ended in told.iter_rows():
        off_from = np.datetime64(began.replace(tzinfo=None), "s")
        off_until = ends[-1] if ended is None else np.datetime64(ended.replace(tzinfo=None), "s")
        partly = ((starts < off_until) & (ends > off_from)).reshape(shape[0], shape[2])
        wholly = ((starts >= off_from) & (ends <= off_until)).reshape(shape[0], shape[2])
        is_off[:, areas[area]] |= partly[:, None]
        is_wholly[:, areas[area]] |= wholly[:, None]
    return is_off, is_wholly


def _by_day(
    folder: Path, at: str, kwh: str, first_day: date, shape: tuple[int, int], of_meter: pl.Enum, otherwise: float
) -> np.ndarray:
    """Sums in Wh by day and meter, `otherwise` without any: [days, meters]."""
    rows = pl.read_parquet(folder / "*.parquet")
    day, _ = place(rows[at], first_day)
    meter = rows["meter_id"].cast(of_meter).to_physical().to_numpy()
    found, count = np.zeros((2, *shape))
    np.add.at(found, (day, meter), np.round(rows[kwh].to_numpy() * 1000))
    np.add.at(count, (day, meter), 1)
    return np.where(count > 0, found, otherwise)


def place(at: pl.Series, first_day: date) -> tuple[np.ndarray, np.ndarray]:
    """(Day, slot) of instants, int each."""
    instants = at.dt.replace_time_zone(None).to_numpy().astype("datetime64[s]")
    minutes = (instants - (np.datetime64(first_day, "s") + MIDNIGHT)) // np.timedelta64(60, "s")
    day, rest = np.divmod(minutes.astype(int), SLOTS * MINUTES)
    return day, rest // MINUTES
