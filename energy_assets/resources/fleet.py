"""A day of the fleet as arrays: which meters there are, behind what, what they delivered, and where supply was off.

What belongs here: reading it from the warehouse, with days whose gate is closed reading as absent. What does not: what is made of it
(ml/validation).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from energy_assets.day_types import day_types
from energy_assets.days import ONE_DAY, DayWindow
from energy_assets.keys import ESTIMATE_LOOKBACK_DAYS, FEATURES
from energy_assets.resources.gates import DayState, day_states
from energy_assets.resources.profiles import day_starts_at, profiles_of
from ml.profiles import DayProfiles, from_arrow
from ml.validation.outages import NO_TRANSFORMER, dark_slots

if TYPE_CHECKING:
    from energy_assets.resources.warehouse import Warehouse

TABLES = (
    *(FEATURES, "stg_meters", "stg_outages", "stg_transformer_readings"),
    *("stg_register_readings", "stg_token_purchases", "int_transformer_balance"),
)
"""What is read of the fleet."""
States = Mapping[tuple[str, date], DayState]
LEAST_SIBLINGS = 4
"""Meters of a transformer that must agree on an interruption: fewer may all be empty homes."""
LEAST_SEEN_SHARE = 0.5
"""Where fewer of a transformer's meters ever deliver, those that never do are read otherwise, and are not estimated."""

REGISTER = """
    select meter_id, customer_class, transformer_id, coalesce(transformers.feeder_id, meters.feeder_id) as feeder_id,
        is_prepaid, ct_multiplier::double precision as ct_multiplier
    from staging.stg_meters as meters
    left join staging.stg_transformers as transformers using (reading_date, transformer_id)
    where reading_date = %(day)s::date order by meter_id
"""
PROFILES = """
    select reading_date, meter_id, interval_minutes, profile_wh from intermediate.int_consumption_features
    where reading_date = any(%(days)s::date[]) and meter_id in (select unnest(%(meters)s::text[]))
"""
LAST_SEEN = """
    select distinct on (meter_id) meter_id, interval_minutes from intermediate.int_consumption_features
    where reading_date = any(%(days)s::date[]) and accepted_count > 0
    order by meter_id, reading_date desc
"""
REPORTED_OFF = "select area_id, off_from, off_until from staging.stg_outages where reading_date = %(day)s::date"
FED = """
    select transformer_id, reading_at, interval_minutes from staging.stg_transformer_readings
    where reading_date = %(day)s::date and accepted_wh > 0
"""


def fleet_states(warehouse: Warehouse, window: DayWindow) -> States:
    """The states of all that is read for the days of `window`, asked for once a run: they do not change while it goes on."""
    return day_states(warehouse, TABLES, window.with_lookback(ESTIMATE_LOOKBACK_DAYS))


@dataclass(frozen=True, eq=False)
class Register:
    """What the register says on a day; arrays are [meters], sorted by `meter_ids`. Empty where there is no register."""

    meter_ids: np.ndarray
    customer_class: np.ndarray
    transformer_id: np.ndarray
    feeder_id: np.ndarray
    is_prepaid: np.ndarray
    ct_multiplier: np.ndarray


@dataclass(frozen=True, eq=False)
class Group:
    """Meters of one interval length on a day. Arrays are [meters] or [meters, slots]; transformers are those of the group."""

    interval_minutes: int
    meter_ids: np.ndarray
    wh: np.ndarray
    """Float32, NaN without an accepted reading."""
    slot_starts: np.ndarray
    """UTC, datetime64[s] [slots]."""
    customer_class: np.ndarray
    """Number of the class, int."""
    transformer: np.ndarray
    """Number of the transformer, NO_TRANSFORMER where unknown."""
    transformer_ids: np.ndarray
    is_reported_off: np.ndarray
    """Bool: an outage was reported for a part of the slot."""
    is_wholly_off: np.ndarray
    """Bool: one was reported for all of it."""
    is_dark: np.ndarray
    """Bool: siblings show that supply was off."""
    was_seen: np.ndarray
    """Bool [meters]: delivered within the lookback, or today."""


class FleetDay:
    """The fleet on one day, read as far as it is asked for."""

    def __init__(self, warehouse: Warehouse, zone: ZoneInfo, day: date, states: States) -> None:
        """`states` are fleet_states of a window that holds the day."""
        self.day = day
        self._warehouse, self._zone = warehouse, zone
        span = DayWindow.of(day).with_lookback(ESTIMATE_LOOKBACK_DAYS)
        self.readable = {
            (table, of): state.row_count
            for of in span
            for table in TABLES
            if (state := states.get((table, of))) and state.is_readable
        }
        """Rows of the tables' days of the lookback and of the day itself whose gate is open."""
        self._held = {table for (table, of), rows in self.readable.items() if of == day and rows}
        self.past_days = [of for of in span if of < day and self.readable.get((FEATURES, of))]
        """Days of the lookback that may be read and have readings."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known of any meter."""
        return not (self.past_days or self._held & {FEATURES, "stg_meters"})

    @cached_property
    def starts_at(self) -> np.datetime64:
        return day_starts_at(self.day, self._zone)

    @cached_property
    def ends_at(self) -> np.datetime64:
        return day_starts_at(self.day + ONE_DAY, self._zone)

    @cached_property
    def minutes(self) -> int:
        return int((self.ends_at - self.starts_at) / np.timedelta64(1, "m"))

    @cached_property
    def profiles(self) -> list[DayProfiles]:
        """Of meters that delivered, by interval length."""
        return profiles_of(self._warehouse, self.day, self._zone) if FEATURES in self._held else []

    @cached_property
    def register(self) -> Register:
        if "stg_meters" not in self._held:
            return Register(*np.zeros((4, 0), dtype=str), np.zeros(0, dtype=bool), np.zeros(0))  # type: ignore[call-arg]  # four and two
        table = self._warehouse.table(REGISTER, {"day": self.day})
        meters, classes, transformers, feeders = (
            texts_of(table[name]) for name in ("meter_id", "customer_class", "transformer_id", "feeder_id")
        )
        is_prepaid = table["is_prepaid"].to_numpy(zero_copy_only=False)
        return Register(meters, classes, transformers, feeders, is_prepaid, table["ct_multiplier"].to_numpy())

    def groups(self) -> list[Group]:
        """The meters that the fleet knows, by interval length: the register's, or without one those seen in the lookback."""
        delivered = _join([profiles.meter_ids for profiles in self.profiles])
        seen, seen_minutes = self._last_seen()
        known = self.register.meter_ids if len(self.register.meter_ids) else np.union1d(seen, delivered)
        absent = np.setdiff1d(known, delivered)
        minutes = looked_up(absent, seen, seen_minutes, self._usual_minutes())
        lengths = sorted({*(p.interval_minutes for p in self.profiles), *minutes[minutes > 0].tolist()})
        return [self._group(length, absent[minutes == length], seen) for length in lengths]

    def history(self, days: Iterable[date], group: Group, rows: np.ndarray) -> np.ndarray:
        """Profiles of the group's meters `rows` on past `days`: float32 [days, meters, slots], NaN where nothing was accepted."""
        days = list(days)
        ids = group.meter_ids[rows]
        past = np.full((len(days), len(ids), len(group.slot_starts)), np.nan, dtype=np.float32)
        if days and len(ids):
            table = self._warehouse.table(PROFILES, {"days": days, "meters": ids.tolist()})
            for number, of in enumerate(days):
                rows_of_day = table.filter(pc.equal(table["reading_date"], pa.scalar(of, pa.date32())))
                for profiles in from_arrow(rows_of_day, of, self.starts_at):
                    if profiles.interval_minutes == group.interval_minutes:
                        past[number] = aligned(profiles, ids, past.shape[2])
        return past

    def _group(self, minutes: int, absent: np.ndarray, seen: np.ndarray) -> Group:
        delivered = next((p for p in self.profiles if p.interval_minutes == minutes), None)
        slots = 1 if minutes >= 1440 else -(-self.minutes // minutes)
        ids = np.sort(_join([absent, delivered.meter_ids] if delivered else [absent]))
        wh = aligned(delivered, ids, slots) if delivered else np.full((len(ids), slots), np.nan, dtype=np.float32)
        starts = self.starts_at + np.arange(slots) * np.timedelta64(minutes * 60, "s")
        classes = looked_up(ids, self.register.meter_ids, self.register.customer_class, "unknown")
        transformer_of = looked_up(ids, self.register.meter_ids, self.register.transformer_id, "")
        feeder_of = looked_up(ids, self.register.meter_ids, self.register.feeder_id, "")
        transformer_ids = np.unique(transformer_of[transformer_of != ""])
        transformer = np.where(transformer_of == "", NO_TRANSFORMER, np.searchsorted(transformer_ids, transformer_of))
        ends = starts + np.timedelta64(min(minutes, self.minutes) * 60, "s")
        was_seen = np.isin(ids, seen) | ~np.isnan(wh).all(axis=1)
        is_dark = np.zeros(wh.shape, dtype=bool)
        if minutes < 1440 and len(transformer_ids):
            dark = dark_slots(
                wh[was_seen],
                transformer[was_seen],
                self._fed(transformer_ids, starts, ends),
                least_siblings=LEAST_SIBLINGS,
            )
            is_dark = dark[transformer] & (transformer != NO_TRANSFORMER)[:, None]
        is_reported_off, is_wholly_off = self._reported_off(transformer_of, feeder_of, starts, ends)
        return Group(
            minutes,
            ids,
            wh,
            starts,
            np.unique(classes, return_inverse=True)[1],
            transformer,
            transformer_ids,
            is_reported_off,
            is_wholly_off,
            is_dark,
            was_seen,
        )

    def _reported_off(
        self, transformer_of: np.ndarray, feeder_of: np.ndarray, starts: np.ndarray, ends: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Slots of each meter that an outage was reported for, in part and as a whole: bool [meters, slots] each."""
        is_off = np.zeros((len(transformer_of), len(starts)), dtype=bool)
        is_wholly = is_off.copy()
        if "stg_outages" in self._held:
            for row in self._warehouse.table(REPORTED_OFF, {"day": self.day}).to_pylist():
                concerned = (transformer_of == row["area_id"]) | (feeder_of == row["area_id"])
                off_from, off_until = (instant(row[name]) for name in ("off_from", "off_until"))
                is_off[concerned] |= (starts < off_until) & (ends > off_from)
                is_wholly[concerned] |= (starts >= off_from) & (ends <= off_until)
        return is_off, is_wholly

    def _fed(self, transformer_ids: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Where each transformer's own meter counted energy in a part of the slot: bool [transformers, slots]."""
        is_fed = np.zeros((len(transformer_ids), len(starts)), dtype=bool)
        if "stg_transformer_readings" not in self._held:
            return is_fed
        table = self._warehouse.table(FED, {"day": self.day})
        ids = texts_of(table["transformer_id"])
        at = np.minimum(np.searchsorted(transformer_ids, ids), len(transformer_ids) - 1)
        is_known = transformer_ids[at] == ids
        began = table["reading_at"].cast(pa.timestamp("s", "UTC")).to_numpy()
        ended = began + table["interval_minutes"].to_numpy() * np.timedelta64(60, "s")
        first = np.searchsorted(ends, began, side="right")
        last = np.searchsorted(starts, ended, side="left")
        for row, low, high in zip(at[is_known], first[is_known], last[is_known], strict=True):
            is_fed[row, low:high] = True
        return is_fed

    def _last_seen(self) -> tuple[np.ndarray, np.ndarray]:
        """Meters with accepted readings in the lookback, sorted, and their interval then."""
        if not self.past_days:
            return np.zeros(0, dtype=str), np.zeros(0, dtype=int)
        table = self._warehouse.table(LAST_SEEN, {"days": self.past_days})
        ids = texts_of(table["meter_id"])
        order = np.argsort(ids)
        return ids[order], table["interval_minutes"].to_numpy().astype(int)[order]

    def _usual_minutes(self) -> int:
        """The interval of most meters today; 0 without any."""
        counts = {profiles.interval_minutes: profiles.meters for profiles in self.profiles}
        return max(counts, key=lambda minutes: (counts[minutes], -minutes), default=0)


def aligned(profiles: DayProfiles, meter_ids: np.ndarray, slots: int) -> np.ndarray:
    """Rows of `meter_ids` in `slots` slots: float32 [meters, slots], NaN for a meter or a slot that is not there."""
    wh = np.full((len(meter_ids), slots), np.nan, dtype=np.float32)
    rows = profiles.rows_of(meter_ids)
    kept = min(slots, profiles.slots)
    wh[rows >= 0, :kept] = profiles.wh[rows[rows >= 0], :kept]
    return wh


def same_day_type(day: date, days: Iterable[date]) -> list[date]:
    """Those of `days` that are a workday, a Saturday or a Sunday as `day` is; public holidays are not known here."""
    days = list(days)
    wanted, *types = day_types([day, *days], "")
    return [of for of, kind in zip(days, types, strict=True) if kind == wanted]


def looked_up(ids: np.ndarray, known: np.ndarray, values: np.ndarray, otherwise: Any) -> np.ndarray:
    """Value of each id, `known` being sorted; `otherwise` where it is not known."""
    if not len(known):
        return np.full(len(ids), otherwise)
    at = np.minimum(np.searchsorted(known, ids), len(known) - 1)
    return np.where(known[at] == ids, values[at], otherwise)


def texts_of(column: pa.ChunkedArray) -> np.ndarray:
    return pc.fill_null(column, "").to_numpy().astype(np.str_)


def _join(arrays: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(arrays) if arrays else np.zeros(0, dtype=str)


def instant(at: object) -> np.datetime64:
    return np.datetime64(pa.scalar(at, pa.timestamp("s", "UTC")).value, "s")
