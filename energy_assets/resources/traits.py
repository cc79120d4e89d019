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
from energy_assets.home import Home
from energy_assets.keys import TRAITS as TABLE
from energy_assets.resources.day_rows import DayRows
from energy_assets.resources.fleet import FleetDay, Group, States
from energy_assets.resources.gates import day_states
from ml.theft.traits import TRAITS, day_traits

if TYPE_CHECKING:
    from energy_assets.resources.warehouse import Warehouse

SCHEMA = pa.schema([("reading_date", pa.date32()), ("meter_id", pa.string()), ("traits", pa.list_(pa.float32()))])
DAYS_AT_ONCE, ROWS_AT_ONCE, PIECES_AT_ONCE = 7, 200_000, 2
"""A question has a price of its own: few rows are asked for by the week, many by the day."""
OF_DAYS = (
    "select reading_date, meter_id, traits from intermediate.int_day_traits where reading_date = any(%(days)s::date[])"
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
        self._held = {
            day: state.row_count for (_, day), state in sorted(states.items()) if state.is_readable and state.row_count
        }
        self._rows = DayRows(len(TRAITS), Home.at(warehouse.home).path)

    def meters(self, span: DayWindow) -> np.ndarray:
        """Meters with traits in `span`, sorted."""
        self._read(span)
        return self._rows.meters(span)

    def of(self, span: DayWindow, ids: np.ndarray) -> np.ndarray:
        """Traits of the meters `ids`, float32 [days, meters, TRAITS], NaN where there are none."""
        self._read(span)
        return self._rows.of(span, ids)

    def _read(self, span: DayWindow) -> None:
        self._rows.forget_before(span.start)
        if all(day in self._rows for day in self._held if span.start <= day <= span.last):
            return
        ahead = span.last + timedelta(days=DAYS_AT_ONCE - 1)
        missing = [day for day in self._held if span.start <= day <= ahead and day not in self._rows]
        pieces = self._pieces(missing)
        # Postgres writes one piece while another is unpacked here.
        with ThreadPoolExecutor(PIECES_AT_ONCE) as pool:
            waiting = deque(pool.submit(self._table_of, piece) for piece in pieces[:PIECES_AT_ONCE])
            for number, piece in enumerate(pieces):
                self._keep(piece, waiting.popleft().result())
                if number + PIECES_AT_ONCE < len(pieces):
                    waiting.append(pool.submit(self._table_of, pieces[number + PIECES_AT_ONCE]))

    def _pieces(self, days: list[date]) -> list[list[date]]:
        """`days` by what is asked for at once."""
        pieces: list[list[date]] = []
        for day in days:
            last = pieces[-1] if pieces else []
            if 0 < len(last) < DAYS_AT_ONCE and sum(self._held[of] for of in [*last, day]) <= ROWS_AT_ONCE:
                last.append(day)
            else:
                pieces.append([day])
        return pieces

    def _table_of(self, days: list[date]) -> pa.Table:
        return self._warehouse.table(OF_DAYS, {"days": days})

    def _keep(self, days: list[date], table: pa.Table) -> None:
        for day in days:
            of_day = table.filter(pc.equal(table["reading_date"], pa.scalar(day))).combine_chunks()
            values = pc.list_flatten(of_day["traits"]).to_numpy().reshape(-1, len(TRAITS))
            self._rows.put(day, of_day["meter_id"].combine_chunks(), values)
