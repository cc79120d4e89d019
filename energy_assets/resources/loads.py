"""Loads of transformers by day, read from the warehouse as the origin of a forecast moves forward.

What belongs here: which days are read, that a day whose gate is closed reads as absent, and which slots had no supply.
What does not: the forecast (ml/forecast), writing it down (assets/forecast.py).

Slots are those of the clock, so that evening is evening on both sides of a clock change: the doubled hour is one slot with the mean
of both, and the hour that is left out is a slot without a load.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from energy_assets.days import ONE_DAY, DayWindow
from energy_assets.keys import LOADS
from energy_assets.resources.fleet import REPORTED_OFF, instant, looked_up, texts_of
from energy_assets.resources.gates import day_states
from energy_assets.resources.profiles import day_starts_at, weather_of
from ml.forecast import LOOKBACK_DAYS
from ml.profiles import DayWeather, clock_minutes

if TYPE_CHECKING:
    from energy_assets.resources.warehouse import Warehouse

READINGS, OUTAGES, WEATHER = LOADS
WHOLE_DAY = 1440
"""A reading of so many minutes is of the day, however long that is."""
RECENT_DAYS = 7
"""A transformer without a reading for longer is forecast no more."""

# A transformer that feeds nobody for a whole interval has no supply: what it would feed is not nothing.
FED = """
    select transformer_id, reading_at, interval_minutes, accepted_wh::double precision as load_wh
    from staging.stg_transformer_readings where reading_date = %(day)s::date and accepted_wh > 0
    order by transformer_id, reading_at
"""
REGISTER = """
    select transformer_id, coalesce(min(feeder_id) filter (where is_own), min(feeder_id)) as feeder_id,
        max(rating_kva)::double precision as rating_kva
    from (
        select transformer_id, feeder_id, rating_kva, true as is_own from staging.stg_transformers where reading_date = %(day)s::date
        union all
        select transformer_id, feeder_id, null, false from staging.stg_meters
        where reading_date = %(day)s::date and transformer_id is not null
    ) as registered
    group by transformer_id order by transformer_id
"""


@dataclass(frozen=True, eq=False)
class Areas:
    """Transformers of one interval length; arrays are [transformers], sorted by `transformer_ids`."""

    interval_minutes: int
    transformer_ids: np.ndarray
    feeder_ids: np.ndarray
    """Empty where no register names one."""
    rating_kva: np.ndarray
    """NaN where no register has one."""
    wh: np.ndarray
    """Float64 [days, transformers, slots of the clock], NaN where nothing was read or supply was off; the last day is the origin."""
    temperature_c: np.ndarray | None
    """Float64 [days, slots of the clock]; None where no weather was observed."""


@dataclass(frozen=True, eq=False)
class _Day:
    """What was read of a day: transformer, instant (datetime64[s], UTC), minutes and Wh of each reading; outages; weather."""

    ids: np.ndarray
    at: np.ndarray
    minutes: np.ndarray
    wh: np.ndarray
    outages: tuple[tuple[str, np.datetime64, np.datetime64], ...]
    weather: DayWeather | None


class LoadDays:
    """Loads by day, each read once while the origin moves forward."""

    def __init__(self, warehouse: Warehouse, zone: ZoneInfo) -> None:
        self._warehouse, self._zone = warehouse, zone
        self._days: dict[date, _Day | None] = {}

    def areas(self, origin: date) -> list[Areas]:
        """The transformers that were read within a week of the origin, by interval length; none where none was."""
        span = DayWindow.of(origin).with_lookback(LOOKBACK_DAYS)
        self._read(span)
        lengths = self._lengths(list(span)[-RECENT_DAYS:])
        if not lengths:
            return []
        register = self._register(origin)
        return [
            self._areas(span, minutes, sorted(of for of, length in lengths.items() if length == minutes), register)
            for minutes in sorted(set(lengths.values()))
        ]

    def _areas(self, span: DayWindow, minutes: int, transformers: list[str], register: pa.Table) -> Areas:
        ids, known = np.array(transformers), texts_of(register["transformer_id"])
        feeders = looked_up(ids, known, texts_of(register["feeder_id"]), "")
        days = list(span)
        first = next(number for number, day in enumerate(days) if self._days[day])
        loads = [self._loads(day, minutes, ids, feeders) for day in days[first:]]
        warmth = [self._temperature(day, minutes) for day in days[first:]]
        is_observed = any(~np.isnan(values).all() for values in warmth)
        return Areas(
            minutes,
            ids,
            feeders,
            looked_up(ids, known, register["rating_kva"].to_numpy(), np.nan),
            np.stack(loads),
            np.stack(warmth) if is_observed else None,
        )

    def _lengths(self, days: Iterable[date]) -> dict[str, int]:
        """Interval of each transformer that was read on `days`, the latest where it changed."""
        found: dict[str, int] = {}
        for day in days:
            if known := self._days[day]:
                found |= dict(zip(known.ids.tolist(), known.minutes.tolist(), strict=True))
        return found

    def _loads(self, day: date, minutes: int, ids: np.ndarray, feeders: np.ndarray) -> np.ndarray:
        """Float64 [transformers, slots of the clock]."""
        slots = 1440 // minutes
        known = self._days[day]
        if known is None:
            return np.full((len(ids), slots), np.nan)
        at = np.minimum(np.searchsorted(ids, known.ids), len(ids) - 1)
        kept = (ids[at] == known.ids) & (known.minutes == minutes)
        row, instants = at[kept], known.at[kept]
        is_off = np.zeros(len(row), dtype=bool)
        for area, off_from, off_until in known.outages:
            concerned = (ids[row] == area) | (feeders[row] == area)
            is_off |= concerned & (instants < off_until) & (instants + np.timedelta64(minutes * 60, "s") > off_from)
        place = (
            row[~is_off] * slots + clock_slots(day, minutes, self._zone)[self._elapsed(day, minutes, instants[~is_off])]
        )
        count = np.bincount(place, minlength=len(ids) * slots)
        total = np.bincount(place, weights=known.wh[kept][~is_off], minlength=len(ids) * slots)
        return np.where(count, total / np.maximum(count, 1), np.nan).reshape(len(ids), slots)

    def _elapsed(self, day: date, minutes: int, instants: np.ndarray) -> np.ndarray:
        """Intervals of elapsed time since local midnight."""
        return (instants - day_starts_at(day, self._zone)) // np.timedelta64(minutes * 60, "s")

    def _temperature(self, day: date, minutes: int) -> np.ndarray:
        """Float64 [slots of the clock]."""
        found = np.full(1440 // minutes, np.nan)
        known = self._days[day]
        if known and known.weather:
            starts = slot_starts(day, minutes, self._zone)
            found[clock_slots(day, minutes, self._zone)] = known.weather.by_slot("temperature_c", starts, minutes)
        return found

    def _register(self, day: date) -> pa.Table:
        """Transformers with feeder and rating, as registers say; the feeder may be known from the meters alone."""
        return self._warehouse.table(REGISTER, {"day": day})

    def _read(self, span: DayWindow) -> None:
        self._days = {day: known for day, known in self._days.items() if day >= span.start}
        missing = [day for day in span if day not in self._days]
        states = day_states(self._warehouse, LOADS, DayWindow(missing[0], span.end)) if missing else {}
        for day in missing:
            held = {t for t in LOADS if (s := states.get((t, day))) and s.is_readable and s.row_count}
            self._days[day] = self._day(day, held) if READINGS in held else None

    def _day(self, day: date, held: set[str]) -> _Day:
        table = self._warehouse.table(FED, {"day": day})
        outages = self._warehouse.table(REPORTED_OFF, {"day": day}).to_pylist() if OUTAGES in held else []
        return _Day(
            table["transformer_id"].to_numpy().astype(np.str_),
            table["reading_at"].cast(pa.timestamp("s", "UTC")).to_numpy(),
            table["interval_minutes"].to_numpy().astype(int),
            table["load_wh"].to_numpy(),
            tuple((row["area_id"], instant(row["off_from"]), instant(row["off_until"])) for row in outages),
            weather_of(self._warehouse, day) if WEATHER in held else None,
        )


def slot_starts(day: date, minutes: int, zone: ZoneInfo) -> np.ndarray:
    """UTC instants at which the local day's intervals start, datetime64[s]: more of them, or fewer, where clocks change."""
    starts, ends = day_starts_at(day, zone), day_starts_at(day + ONE_DAY, zone)
    if minutes == WHOLE_DAY:
        return np.array([starts])
    return np.arange(starts, ends, np.timedelta64(minutes * 60, "s"))


@lru_cache(maxsize=256)  # each origin asks for its whole lookback again
def clock_slots(day: date, minutes: int, zone: ZoneInfo) -> np.ndarray:
    """Slot of the clock of each interval of the local day, int [intervals]. Not to be changed."""
    return clock_minutes(slot_starts(day, minutes, zone).astype("datetime64[s]"), zone) // minutes
