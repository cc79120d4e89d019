"""Who explains the losses of transformers: weeks of profiles and balances in, rows out.

What belongs here: reading them in one shape, with every meter behind the transformer that the register names now. What does not: the explanation
(ml/theft).
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from energy_assets.day_types import day_types
from energy_assets.days import DayWindow
from energy_assets.home import Home
from energy_assets.keys import EXPLAINED_FROM, FEATURES
from energy_assets.resources.day_rows import DayRows
from energy_assets.resources.fleet import looked_up, texts_of
from energy_assets.resources.gates import day_states
from energy_assets.resources.profiles import day_starts_at, profiles_of
from energy_assets.settings import settings
from ml.theft.evidence import explained
from ml.theft.explain import NOBODY, WAYS, Explanation
from ml.theft.history import FleetHistory
from ml.theft.lookbacks import BALANCE_DAYS
from ml.validation.estimation import whole
from ml.validation.outages import NO_TRANSFORMER

if TYPE_CHECKING:
    from energy_assets.resources.traits import TraitDays
    from energy_assets.resources.warehouse import Warehouse

METERS, BALANCE = "stg_meters", "int_transformer_balance"
MONDAY = 0
LEAST_DAYS = 21
"""Days with a balance; before that nothing is explained."""
DECIMALS = 6
MOST_AT_ONCE = 10_000
"""Meters whose eight weeks are in memory together."""
SCHEMA = pa.schema(
    [
        ("explained_date", pa.date32()),
        ("transformer_id", pa.string()),
        ("meter_id", pa.string()),
        ("energy_wh", pa.int64()),
        ("energy_low_wh", pa.int64()),
        ("energy_high_wh", pa.int64()),
        ("way", pa.string()),
        ("coefficient", pa.float64()),
        ("since_date", pa.date32()),
        ("gain", pa.float64()),
        ("gain_share", pa.float64()),
        ("has_drifting_clock", pa.bool_()),
        ("is_misplaced", pa.bool_()),
    ]
)
REGISTER = """
    select meter_id, transformer_id, customer_class from staging.stg_meters
    where reading_date = %(day)s::date and transformer_id is not null order by meter_id
"""
MOVED = """
    with today as (select meter_id, transformer_id from staging.stg_meters where reading_date = %(day)s::date and transformer_id is not null)
    select earlier.reading_date, meter_id, earlier.transformer_id as earlier_id, today.transformer_id
    from today join staging.stg_meters as earlier using (meter_id)
    where earlier.reading_date = any(%(days)s::date[]) and earlier.transformer_id <> today.transformer_id
"""
BALANCED = """
    select transformer_id, interval_minutes, min(feeder_id) as feeder_id, count(*) as intervals
    from intermediate.int_transformer_balance where reading_date = any(%(days)s::date[]) and interval_minutes <= 60 group by 1, 2
"""
LOSSES = """
    select transformer_id, reading_at, non_technical_loss_wh::double precision as lost_wh, excluded_because = 'outage' as is_off
    from intermediate.int_transformer_balance where reading_date = %(day)s::date and interval_minutes = %(minutes)s
"""
NOBODY_ID = ""


def explanations_of(warehouse: Warehouse, zone: ZoneInfo, day: date, traits: TraitDays, span: DayWindow) -> pa.Table:
    """The explanations of a Monday, as SCHEMA; no rows on other days, nor where too few days have a balance. `traits` are read of `span`."""
    if day.weekday() != MONDAY:
        return SCHEMA.empty_table()
    window = DayWindow.of(day).with_lookback(BALANCE_DAYS - 1)
    states = day_states(warehouse, [FEATURES, *EXPLAINED_FROM], window)
    held = {
        table: [of for of in window if (state := states.get((table, of))) and state.is_readable and state.row_count]
        for table in (FEATURES, METERS, BALANCE)
    }
    if len(held[BALANCE]) < LEAST_DAYS or day not in held[METERS]:
        return SCHEMA.empty_table()
    return _Weeks(warehouse, zone, window, held).table(traits, span)


class _Weeks:
    """Profiles and losses of a window, at one interval length: that of most balances."""

    def __init__(self, warehouse: Warehouse, zone: ZoneInfo, window: DayWindow, held: dict[str, list[date]]) -> None:
        self._warehouse, self._zone, self._window, self._held = warehouse, zone, window, held
        self._days = list(window)
        today = warehouse.table(REGISTER, {"day": window.last})
        self._meters = texts_of(today["meter_id"])
        self._class = np.unique(texts_of(today["customer_class"]), return_inverse=True)[1]
        balanced = warehouse.table(BALANCED, {"days": held[BALANCE]}).sort_by("transformer_id")
        self._transformers, first = np.unique(texts_of(balanced["transformer_id"]), return_index=True)
        self._feeder = texts_of(balanced["feeder_id"])[first]
        self._transformer = self._numbers(texts_of(today["transformer_id"]))
        lengths = balanced.group_by("interval_minutes").aggregate([("intervals", "sum")])
        usual = lengths.sort_by([("intervals_sum", "descending"), ("interval_minutes", "ascending")])
        self._minutes = usual["interval_minutes"][0].as_py() if len(usual) else 30
        self._slots = 1440 // self._minutes

    def table(self, traits: TraitDays, span: DayWindow) -> pa.Table:
        if not len(self._transformers) or not len(self._meters):
            return SCHEMA.empty_table()
        lost, is_off = self._lost()
        profiles = self._profiles()
        self._move_to_now(lost, profiles)
        types = np.array(day_types(span, settings().holidays))

        def of_feeders(meters: np.ndarray) -> pa.Table:
            transformers = np.unique(self._transformer[meters])
            transformers = transformers[transformers != NO_TRANSFORMER]
            if not len(transformers):
                return SCHEMA.empty_table()
            places = np.arange(len(transformers))
            number = looked_up(self._transformer[meters], transformers, places, NO_TRANSFORMER)
            wh = profiles.of(self._days, self._meters[meters])
            for at in range(len(transformers)):
                members = np.flatnonzero(number == at)
                wh[:, members] = np.where(is_off[:, transformers[at]][:, None, :], np.nan, wh[:, members])
            history = FleetHistory(wh, types[-len(self._days) :], self._class[meters], number, lost[:, transformers])
            found = explained(history, traits.of(span, self._meters[meters]), types)
            if found is None:
                return SCHEMA.empty_table()
            return self._rows(found, meters, number, transformers, span.start)

        return pa.concat_tables(map(of_feeders, neighbours(self._transformer, self._feeder, MOST_AT_ONCE)))

    def _numbers(self, transformer_ids: np.ndarray) -> np.ndarray:
        """Of each, its place in _transformers, NO_TRANSFORMER where it has no balance."""
        return looked_up(transformer_ids, self._transformers, np.arange(len(self._transformers)), NO_TRANSFORMER)

    def _lost(self) -> tuple[np.ndarray, np.ndarray]:
        """(Losses in Wh, NaN where not balanced; slots without supply), [days, transformers, slots] each."""
        shape = len(self._days), len(self._transformers), self._slots
        lost, is_off = np.full(shape, np.nan), np.zeros(shape, dtype=bool)
        for day in self._held[BALANCE]:
            table = self._warehouse.table(LOSSES, {"day": day, "minutes": self._minutes})
            at = table["reading_at"].cast(pa.timestamp("s", "UTC")).to_numpy()
            slot = (at - day_starts_at(day, self._zone)) // np.timedelta64(self._minutes * 60, "s")
            kept = (slot >= 0) & (slot < self._slots)
            place = self._number(day), self._numbers(texts_of(table["transformer_id"]))[kept], slot[kept].astype(int)
            lost[place] = pc.fill_null(table["lost_wh"], np.nan).to_numpy()[kept]
            is_off[place] = pc.fill_null(table["is_off"], False).to_numpy(zero_copy_only=False)[kept]
        return lost, is_off

    def _profiles(self) -> DayRows:
        """Readings of each day; finer ones are taken together, coarser ones are not known."""
        rows = DayRows(self._slots, Home.at(self._warehouse.home).path)
        for day in self._held[FEATURES]:
            ids, taken = [np.zeros(0, dtype=str)], [np.zeros((0, self._slots), dtype=np.float32)]
            for profiles in profiles_of(self._warehouse, day, self._zone):
                parts = self._minutes // profiles.interval_minutes
                if parts and self._minutes % profiles.interval_minutes == 0:
                    ids.append(profiles.meter_ids)
                    taken.append(self._together(profiles.wh, parts))
            rows.put(day, pa.array(np.concatenate(ids)), np.concatenate(taken))
        return rows

    def _together(self, wh: np.ndarray, parts: int) -> np.ndarray:
        """Sums of every `parts` slots, [meters, slots], NaN beyond the day's end."""
        slots = min(wh.shape[1] // parts, self._slots)
        found = np.full((len(wh), self._slots), np.nan, dtype=np.float32)
        found[:, :slots] = wh[:, : slots * parts].reshape(len(wh), slots, parts).sum(axis=2)
        return found

    def _move_to_now(self, lost: np.ndarray, profiles: DayRows) -> None:
        """Losses as if the register had always had each meter where it has it now: it was corrected, or the meter moved."""
        moved = self._warehouse.table(MOVED, {"day": self._window.last, "days": self._held[METERS]})
        earlier, now = (self._numbers(texts_of(moved[name])) for name in ("earlier_id", "transformer_id"))
        ids, dates = texts_of(moved["meter_id"]), moved["reading_date"].to_numpy().astype("datetime64[D]")
        for day in np.unique(dates).tolist():
            rows = np.flatnonzero(dates == np.datetime64(day))
            energy = np.nan_to_num(profiles.of([day], ids[rows])[0])
            of_day = lost[self._number(day)]
            for sign, place in ((1, earlier[rows]), (-1, now[rows])):
                known = place != NO_TRANSFORMER
                np.add.at(of_day, place[known], sign * energy[known])

    def _number(self, day: date) -> int:
        return (day - self._window.start).days

    def _rows(
        self, found: Explanation, meters: np.ndarray, number: np.ndarray, transformers: np.ndarray, first: date
    ) -> pa.Table:
        """`meters` behind balanced transformers, then what nobody explains, by transformer; `number` is the place of each meter's in `transformers`."""
        if found.is_misplaced is None:
            raise ValueError("who is misplaced is told before losses are explained")
        is_balanced = ~np.isnan(found.unexplained_wh)  # within the last weeks, too
        rows = np.flatnonzero((number != NO_TRANSFORMER) & ~np.isnan(found.gain) & is_balanced[number])
        left = np.flatnonzero(is_balanced)
        by = found.way[rows] != NOBODY
        since = found.since[rows]
        by_meter = pa.table(
            [
                pa.repeat(pa.scalar(self._window.last, pa.date32()), len(rows)),
                pa.array(self._transformers[transformers[number[rows]]]),
                pa.array(self._meters[meters[rows]]),
                *(_whole(values[rows]) for values in (found.stolen_wh, found.stolen_low_wh, found.stolen_high_wh)),
                pa.array(np.array([*WAYS, ""])[found.way[rows]], mask=~by),
                pa.array(np.round(found.share[rows], DECIMALS), mask=~by),
                pa.array(
                    np.datetime64(first, "D") + since.astype("timedelta64[D]"), pa.date32(), mask=~by | (since <= 0)
                ),
                pa.array(np.round(found.gain[rows], DECIMALS)),
                pa.array(np.round(found.gain_share[rows], DECIMALS)),
                pa.array(found.has_drifting_clock[rows]),
                pa.array(found.is_misplaced[rows]),
            ],
            names=SCHEMA.names,
        ).cast(SCHEMA)
        nobody = pa.table(
            {
                "explained_date": pa.repeat(pa.scalar(self._window.last, pa.date32()), len(left)),
                "transformer_id": pa.array(self._transformers[transformers[left]]),
                "meter_id": pa.repeat(NOBODY_ID, len(left)),
                "energy_wh": _whole(found.unexplained_wh[left]),
                "energy_low_wh": _whole(found.unexplained_low_wh[left]),
                "energy_high_wh": _whole(found.unexplained_high_wh[left]),
                **{
                    name: pa.nulls(len(left), SCHEMA.field(name).type)
                    for name in ("way", "coefficient", "since_date", "gain", "gain_share")
                },
                "has_drifting_clock": pa.repeat(False, len(left)),
                "is_misplaced": pa.repeat(False, len(left)),
            }
        ).cast(SCHEMA)
        return pa.concat_tables([by_meter, nobody])


def neighbours(transformer: np.ndarray, feeder_ids: np.ndarray, most_meters: int) -> list[np.ndarray]:
    """The meters of each part, in their order: as few parts as have about `most_meters` each, with whole feeders in them.

    `transformer` int [meters] are places in `feeder_ids` [transformers], or NO_TRANSFORMER. A meter that is registered at the wrong transformer is looked for
    in its part: it mostly belongs to a neighbour's, on the same feeder. Where there are several parts, meters without a transformer are in none:
    they only tell what the fleet does, and others tell that as well.
    """
    if len(transformer) <= most_meters:
        return [np.arange(len(transformer))]
    meters = np.flatnonzero(transformer != NO_TRANSFORMER)
    # A transformer whose feeder is not known is a feeder of its own.
    names = np.where(feeder_ids == "", np.arange(len(feeder_ids)).astype(str), np.char.add("feeder ", feeder_ids))
    feeder = np.unique(names, return_inverse=True)[1][transformer[meters]]
    counts = np.bincount(feeder)
    middle = np.cumsum(counts) - counts / 2
    parts = -(-len(meters) // most_meters)
    part = np.minimum(middle * parts // max(len(meters), 1), parts - 1)[feeder]
    return [meters[of] for number in range(parts) if len(of := np.flatnonzero(part == number))]


def _whole(values: np.ndarray) -> pa.Array:
    return pa.array(whole(values).astype(np.int64))
