"""Real readings as arrays, where they lie beside the checkout.

What belongs here: finding and reading them. What does not: what is measured on them; copying them into the project.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

PLACES = (Path(__file__).parents[2] / "shared" / "data", Path(__file__).parents[3] / "shared" / "data")
"""Beside the checkout, or beside the folder of a further work tree; ENERGY_SHARED_DATA names another."""


@dataclass(frozen=True, eq=False)
class Readings:
    """Real meters: `kwh` float64 [days, meters, slots], NaN where there is none, from the local day `first_day` on."""

    name: str
    interval_minutes: int
    first_day: date
    kwh: np.ndarray


def real_readings() -> Iterator[Readings]:
    """Those that are there; nothing where none is."""
    for folder in (Path(os.environ["ENERGY_SHARED_DATA"]),) if "ENERGY_SHARED_DATA" in os.environ else PLACES:
        if (file := folder / "sgsc" / "sgsc_50_halfhourly_long.parquet").exists():
            yield australian(file)
        if (file := folder / "swiss" / "swiss_537_15min_weekrows.parquet").exists():
            yield swiss(file)
            return


def australian(file: Path) -> Readings:
    """50 homes, two years of half-hours. Local times that come twice are summed, as one slot of the clock."""
    table = pq.read_table(file, columns=["customer_id", "reading_datetime", "general_supply_kwh"])
    at = table["reading_datetime"].to_numpy().astype("datetime64[m]")
    meter = np.unique(table["customer_id"].to_numpy().astype(str), return_inverse=True)[1]
    day = at.astype("datetime64[D]")
    number = (day - day.min()).astype(int)
    slot = (at - day).astype(int) // 30
    kwh = np.full((number.max() + 1, meter.max() + 1, 48), np.nan)
    place = number, meter, slot
    kwh[place] = 0.0
    np.add.at(kwh, place, table["general_supply_kwh"].to_numpy())
    return Readings("sgsc", 30, day.min().astype(date), kwh)


def swiss(file: Path) -> Readings:
    """537 homes, seven weeks of quarter-hours; the year is not known, and set to one whose weeks begin on Mondays."""
    table = pq.read_table(file)
    meter = np.unique(table["VID"].to_numpy().astype(str), return_inverse=True)[1]
    week = table["iso_week"].to_numpy()
    values = np.stack(
        [table[name].to_numpy() for name in table.column_names if name.startswith("V") and name != "VID"], axis=1
    )
    weeks = week - week.min()
    kwh = np.full(((weeks.max() + 1) * 7, meter.max() + 1, 96), np.nan)
    for row, (which, of) in enumerate(zip(weeks, meter, strict=True)):
        kwh[which * 7 : which * 7 + 7, of] = values[row].reshape(7, 96)
    return Readings("swiss", 15, date.fromisocalendar(2018, int(week.min()), 1), kwh)


def days_of(readings: Readings, count: int) -> list[date]:
    return [readings.first_day + timedelta(days=number) for number in range(count)]
