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
from energy_assets.keys import EXPLAINED_FROM, FEATURES
from energy_assets.resources.fleet import PROFILES, days_literal, texts_of
from energy_assets.resources.gates import day_states
from energy_assets.resources.profiles import day_starts_at
from energy_assets.settings import settings
from ml.profiles import from_arrow
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
    select reading_date, meter_id, transformer_id, customer_class from staging.stg_meters
    where reading_date = any($1::text::date[]) and transformer_id is not null order by reading_date, meter_id
"""
LOSSES = """
    select reading_date, transformer_id, reading_at, interval_minutes, non_technical_loss_wh::double precision as lost_wh,
        excluded_because = 'outage' as is_off
    from intermediate.int_transformer_balance where reading_date = any($1::text::date[])
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
        self._number = {day: number for number, day in enumerate(self._days)}
        register = self._read(REGISTER, held[METERS])
        today = register.filter(pc.equal(register["reading_date"], pa.scalar(window.last, pa.date32())))
        self._meters = texts_of(today["meter_id"])
        self._class = np.unique(texts_of(today["customer_class"]), return_inverse=True)[1]
        losses = self._read(LOSSES, held[BALANCE])
        losses = losses.filter(pc.less_equal(losses["interval_minutes"], 60))
        self._transformers = np.unique(texts_of(losses["transformer_id"]))
        behind = texts_of(today["transformer_id"])
        at = np.minimum(np.searchsorted(self._transformers, behind), max(len(self._transformers) - 1, 0))
        is_known = np.isin(behind, self._transformers)
        self._transformer = np.where(is_known, at, NO_TRANSFORMER)
        lengths, counts = np.unique(losses["interval_minutes"].to_numpy(), return_counts=True)
        self._minutes = int(lengths[counts.argmax()]) if len(lengths) else 30
        self._slots = 1440 // self._minutes
        self._losses, self._register = losses, register

    def table(self, traits: TraitDays, span: DayWindow) -> pa.Table:
        if not len(self._transformers) or not len(self._meters):
            return SCHEMA.empty_table()
        lost, is_off = self._lost()
        wh = self._profiles()
        self._move_to_now(lost, wh)
        behind = self._transformer != NO_TRANSFORMER
        for number in range(len(self._transformers)):
            members = np.flatnonzero(self._transformer == number)
            wh[:, members] = np.where(is_off[:, number][:, None, :], np.nan, wh[:, members])
        types = np.array(day_types(span, settings().holidays))
        history = FleetHistory(wh, types[-len(self._days) :], self._class, self._transformer, lost)
        found = explained(history, traits.of(span, self._meters), types)
        return self._rows(found, behind, span.start)

    def _read(self, query: str, days: list[date]) -> pa.Table:
        with self._warehouse.stream(query, (days_literal(days),)) as batches:
            return batches.read_all()

    def _lost(self) -> tuple[np.ndarray, np.ndarray]:
        """(Losses in Wh, NaN where not balanced; slots without supply), [days, transformers, slots] each."""
        shape = len(self._days), len(self._transformers), self._slots
        lost, is_off = np.full(shape, np.nan), np.zeros(shape, dtype=bool)
        table = self._losses.filter(pc.equal(self._losses["interval_minutes"], self._minutes))
        day = self._day_numbers(table["reading_date"])
        transformer = np.searchsorted(self._transformers, texts_of(table["transformer_id"]))
        at = table["reading_at"].cast(pa.timestamp("s", "UTC")).to_numpy()
        starts = np.array([day_starts_at(of, self._zone) for of in self._days])
        slot = ((at - starts[day]) // np.timedelta64(self._minutes * 60, "s")).astype(int)
        kept = (slot >= 0) & (slot < self._slots)
        place = day[kept], transformer[kept], slot[kept]
        lost[place] = pc.fill_null(table["lost_wh"], np.nan).to_numpy()[kept]
        is_off[place] = pc.fill_null(table["is_off"], False).to_numpy(zero_copy_only=False)[kept]
        return lost, is_off

    def _profiles(self) -> np.ndarray:
        """Readings of the meters, float32 [days, meters, slots]; finer ones are taken together, coarser ones are not known."""
        wh = np.full((len(self._days), len(self._meters), self._slots), np.nan, dtype=np.float32)
        for day in self._held[FEATURES]:
            for profiles in from_arrow(self._read(PROFILES, [day]), day, day_starts_at(day, self._zone)):
                parts = self._minutes // profiles.interval_minutes
                if parts < 1 or self._minutes % profiles.interval_minutes:
                    continue
                rows = profiles.rows_of(self._meters)
                slots = min(profiles.slots // parts, self._slots)
                taken = profiles.wh[:, : slots * parts].reshape(profiles.meters, slots, parts).sum(axis=2)
                wh[self._number[day], rows >= 0, :slots] = taken[rows[rows >= 0]]
        return wh

    def _move_to_now(self, lost: np.ndarray, wh: np.ndarray) -> None:
        """Losses as if the register had always had each meter where it has it now: it was corrected, or the meter moved."""
        ids, places = texts_of(self._register["meter_id"]), texts_of(self._register["transformer_id"])
        meter = np.minimum(np.searchsorted(self._meters, ids), len(self._meters) - 1)
        then = np.minimum(np.searchsorted(self._transformers, places), len(self._transformers) - 1)
        then = np.where(np.isin(places, self._transformers), then, NO_TRANSFORMER)
        moved = np.flatnonzero((self._meters[meter] == ids) & (then != self._transformer[meter]))
        day = self._day_numbers(self._register["reading_date"])
        for row in moved:
            energy = np.nan_to_num(wh[day[row], meter[row]])
            if then[row] != NO_TRANSFORMER:
                lost[day[row], then[row]] += energy
            if (now := self._transformer[meter[row]]) != NO_TRANSFORMER:
                lost[day[row], now] -= energy

    def _day_numbers(self, dates: pa.ChunkedArray) -> np.ndarray:
        return dates.cast(pa.int32()).to_numpy() - (self._days[0] - date(1970, 1, 1)).days

    def _rows(self, found: Explanation, behind: np.ndarray, first: date) -> pa.Table:
        """Meters behind balanced transformers, then what nobody explains, by transformer."""
        is_balanced = ~np.isnan(found.unexplained_wh)  # within the last weeks, too
        rows = np.flatnonzero(behind & ~np.isnan(found.gain) & is_balanced[self._transformer])
        left = np.flatnonzero(is_balanced)
        by = found.way[rows] != NOBODY
        since = found.since[rows]
        meters = pa.table(
            [
                pa.repeat(pa.scalar(self._window.last, pa.date32()), len(rows)),
                pa.array(self._transformers[self._transformer[rows]]),
                pa.array(self._meters[rows]),
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
                "transformer_id": pa.array(self._transformers[left]),
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
        return pa.concat_tables([meters, nobody])


def _whole(values: np.ndarray) -> pa.Array:
    return pa.array(whole(values).astype(np.int64))
