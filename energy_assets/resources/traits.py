"""Traits of days: made of a day's profiles, and read back as weeks of them.

What belongs here: leaving out what had no supply, and reading days whose gate is open. What does not: the traits (ml/theft/traits.py).
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from energy_assets.days import DayWindow
from energy_assets.keys import TRAITS as TABLE
from energy_assets.resources.fleet import FleetDay, Group, States, days_literal, looked_up, texts_of
from energy_assets.resources.gates import day_states
from ml.theft.traits import TRAITS, day_traits

if TYPE_CHECKING:
    from energy_assets.resources.warehouse import Warehouse

SCHEMA = pa.schema([("reading_date", pa.date32()), ("meter_id", pa.string()), ("traits", pa.list_(pa.float32()))])
NOT_ASKED_FOR = -1
DAYS_AT_ONCE, WEEKS_AT_ONCE = 7, 2
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
        self._names = np.zeros(0, dtype=str)
        self._days: dict[date, tuple[np.ndarray, np.ndarray]] = {}
        """Of each day, places of its meters in _names, and their traits. Names of weeks of a large fleet would take as much as what they name."""

    def meters(self, span: DayWindow) -> np.ndarray:
        """Meters with traits in `span`, sorted."""
        self._read(span)
        is_there = np.zeros(len(self._names), dtype=bool)
        for day in span:
            is_there[self._days[day][0]] = True
        return self._names[is_there]

    def of(self, span: DayWindow, ids: np.ndarray) -> np.ndarray:
        """Traits of the meters `ids`, float32 [days, meters, TRAITS], NaN where there are none."""
        self._read(span)
        found = np.full((len(span), len(ids), len(TRAITS)), np.nan, dtype=np.float32)
        column = looked_up(self._names, ids, np.arange(len(ids)), NOT_ASKED_FOR)
        for number, day in enumerate(span):
            places, traits = self._days[day]
            of = column[places]
            is_asked = of != NOT_ASKED_FOR
            found[number, of[is_asked]] = traits[is_asked]
        return found

    def _read(self, span: DayWindow) -> None:
        self._days = {day: known for day, known in self._days.items() if day >= span.start}
        missing = [day for day in span if day not in self._days]
        if not missing:
            return
        ahead = span.last + timedelta(days=DAYS_AT_ONCE - 1)
        held = sorted(day for day in self._held - self._days.keys() if span.start <= day <= ahead)
        nothing = np.zeros(0, dtype=np.int32), np.zeros((0, len(TRAITS)), dtype=np.float32)
        self._days |= dict.fromkeys(missing, nothing)
        weeks = [held[at : at + DAYS_AT_ONCE] for at in range(0, len(held), DAYS_AT_ONCE)]
        # Postgres writes one week while another is unpacked here.
        with ThreadPoolExecutor(WEEKS_AT_ONCE) as pool:
            waiting = deque(pool.submit(self._table_of, week) for week in weeks[:WEEKS_AT_ONCE])
            for number, week in enumerate(weeks):
                found = self._of_days(week, waiting.popleft().result())  # may move the places of the days before
                self._days = self._days | found
                if number + WEEKS_AT_ONCE < len(weeks):
                    waiting.append(pool.submit(self._table_of, weeks[number + WEEKS_AT_ONCE]))

    def _table_of(self, days: list[date]) -> pa.Table:
        with self._warehouse.stream(OF_DAYS, (days_literal(days),)) as batches:
            return batches.read_all().combine_chunks()

    def _of_days(self, days: list[date], table: pa.Table) -> dict[date, tuple[np.ndarray, np.ndarray]]:
        places = self._places(table["meter_id"])
        of_day = table["reading_date"].to_numpy().astype("datetime64[D]")
        values = pc.list_flatten(table["traits"]).to_numpy().reshape(len(places), len(TRAITS)).astype(np.float32)
        rows = {day: np.flatnonzero(of_day == np.datetime64(day)) for day in days}
        return {day: (places[of], values[of]) for day, of in rows.items()}

    def _places(self, ids: pa.ChunkedArray) -> np.ndarray:
        """Places of `ids` in _names, which has them from now on: int32."""
        encoded = ids.combine_chunks().dictionary_encode()
        names = texts_of(pa.chunked_array([encoded.dictionary]))
        if not np.isin(names, self._names).all():
            together = np.union1d(self._names, names)
            moved = np.searchsorted(together, self._names).astype(np.int32)
            self._days = {day: (moved[places], traits) for day, (places, traits) in self._days.items()}
            self._names = together
        return np.searchsorted(self._names, names).astype(np.int32)[encoded.indices.to_numpy()]
