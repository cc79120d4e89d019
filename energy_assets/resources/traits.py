"""Traits of days: made of a day's profiles, and read back as weeks of them.

What belongs here: leaving out what had no supply, and reading days whose gate is open. What does not: the traits (ml/theft/traits.py).
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from energy_assets.days import DayWindow
from energy_assets.keys import TRAITS as TABLE
from energy_assets.resources.fleet import FleetDay, Group, States, days_literal, texts_of
from energy_assets.resources.gates import day_states
from ml.theft.traits import TRAITS, day_traits

if TYPE_CHECKING:
    from energy_assets.resources.warehouse import Warehouse

SCHEMA = pa.schema([("reading_date", pa.date32()), ("meter_id", pa.string()), ("traits", pa.list_(pa.float32()))])
DAYS_AT_ONCE = 7
"""A question has a price of its own, and a week of a large fleet is still small."""
OF_DAYS = (
    "select reading_date, meter_id, traits from intermediate.int_day_traits where reading_date = any($1::text::date[])"
)


def traits_table(warehouse: Warehouse, zone: ZoneInfo, day: date, states: States) -> pa.Table:
    """Traits of the meters that delivered on the day, as SCHEMA."""
    fleet = FleetDay(warehouse, zone, day, states)
    if not fleet.profiles:
        return SCHEMA.empty_table()
    return pa.concat_tables([SCHEMA.empty_table(), *(_of_group(day, group) for group in fleet.groups())])


def _of_group(day: date, group: Group) -> pa.Table:
    supplied = np.where(group.is_reported_off | group.is_dark, np.nan, group.wh)
    found = day_traits(supplied, group.interval_minutes)
    known = np.flatnonzero(~np.isnan(found[:, 0]))
    values = found[known].ravel()
    lists = pa.ListArray.from_arrays(
        np.arange(len(known) + 1, dtype=np.int32) * len(TRAITS), pa.array(values, mask=np.isnan(values))
    )
    dates = pa.repeat(pa.scalar(day, pa.date32()), len(known))
    return pa.table([dates, pa.array(group.meter_ids[known]), lists], names=SCHEMA.names).cast(SCHEMA)


class TraitDays:
    """Traits by day, each read once while a window moves forward; days whose gate is closed read as absent."""

    def __init__(self, warehouse: Warehouse, window: DayWindow) -> None:
        """`window` are all days that will be asked for: what may be read of them is asked for once."""
        self._warehouse = warehouse
        states = day_states(warehouse, [TABLE], window)
        self._held = {day for (_, day), state in states.items() if state.is_readable and state.row_count}
        self._days: dict[date, tuple[np.ndarray, np.ndarray]] = {}

    def meters(self, span: DayWindow) -> np.ndarray:
        """Meters with traits in `span`, sorted."""
        self._read(span)
        return np.unique(np.concatenate([self._days[day][0] for day in span]))

    def of(self, span: DayWindow, ids: np.ndarray) -> np.ndarray:
        """Traits of the meters `ids`, float32 [days, meters, TRAITS], NaN where there are none."""
        self._read(span)
        found = np.full((len(span), len(ids), len(TRAITS)), np.nan, dtype=np.float32)
        for number, day in enumerate(span):
            known, traits = self._days[day]
            if len(known):
                at = np.minimum(np.searchsorted(known, ids), len(known) - 1)
                is_there = known[at] == ids
                found[number, is_there] = traits[at[is_there]]
        return found

    def _read(self, span: DayWindow) -> None:
        self._days = {day: known for day, known in self._days.items() if day >= span.start}
        missing = [day for day in span if day not in self._days]
        if not missing:
            return
        ahead = span.last + timedelta(days=DAYS_AT_ONCE - 1)
        held = sorted(day for day in self._held - self._days.keys() if span.start <= day <= ahead)
        nothing = np.zeros(0, dtype=str), np.zeros((0, len(TRAITS)), dtype=np.float32)
        self._days |= dict.fromkeys(missing, nothing)
        for at in range(0, len(held), DAYS_AT_ONCE):
            self._days |= self._of_days(held[at : at + DAYS_AT_ONCE])

    def _of_days(self, days: list[date]) -> dict[date, tuple[np.ndarray, np.ndarray]]:
        with self._warehouse.stream(OF_DAYS, (days_literal(days),)) as batches:
            table = batches.read_all().combine_chunks()
        ids = texts_of(table["meter_id"])
        of_day = table["reading_date"].to_numpy().astype("datetime64[D]")
        values = pc.list_flatten(table["traits"]).to_numpy().reshape(len(ids), len(TRAITS)).astype(np.float32)
        order = np.lexsort((ids, of_day))
        starts = np.searchsorted(of_day[order], np.array(days, dtype="datetime64[D]"))
        ends = np.searchsorted(of_day[order], np.array(days, dtype="datetime64[D]"), side="right")
        return {
            day: (ids[order[start:end]], values[order[start:end]])
            for day, start, end in zip(days, starts, ends, strict=True)
        }
