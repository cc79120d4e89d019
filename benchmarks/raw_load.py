"""A day of delivered readings into the raw table, beside Postgres's own COPY of the same CSV.

What is compared: the raw asset's load (Parquet parts streamed into the day's partition, with lock and version), alone and
together with the landing before it (the CSV hashed, read, checked, parted by local day and written as Parquet, once a file
however often the day is rewritten), against one `COPY … FROM STDIN` by psycopg2. Fair because all end in the same place: a
logged partition of the same columns and no index, emptied and filled in one transaction; what the CSV does not carry
(local day, row number, file) is a constant default for COPY, which so does less. Ratios are of speeds, ours ÷ bare.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import psycopg2
import pyarrow as pa
import pyarrow.csv as pacsv
from psycopg2 import sql

from benchmarks.homes import temporary_home
from benchmarks.measure import Measure, alternately, speed
from energy_assets.home import Calendar, Home
from energy_assets.landing.contract import SOURCES
from energy_assets.landing.land import LandedFile, land_file
from energy_assets.landing.mapping import load_mappings
from energy_assets.operations.stores import bring_up
from energy_assets.resources.landing_zone import LandingZone
from energy_assets.resources.ledger import ActiveFile
from energy_assets.resources.warehouse import Warehouse

DAY = date(2024, 3, 4)
CALENDAR = Calendar("Africa/Douala", DAY)
SLOTS = 48
READINGS = next(source for source in SOURCES if source.name == "meter_readings")
GOAL = 0.8


def measure() -> Iterator[Measure]:
    with temporary_home() as home:
        home.write_calendar(CALENDAR)
        bring_up(home)
        for meters in (1_000, 10_000):
            yield from beside_copy(home, meters)


def beside_copy(home: Home, meters: int) -> Iterator[Measure]:
    path = write_day(home.landing / "meter_readings" / f"{meters}.csv", meters)
    warehouse, ours = Warehouse(home=str(home.path)), Ours(home, path, meters)
    bare_table(warehouse)
    reading, loading, copying = alternately(ours.read, ours.load, lambda: copy(warehouse, path), rounds=7)
    yield beside("raw load", "its parts", meters * SLOTS, loading, copying)
    yield beside("landing and raw load", "landed CSV, read and checked,", meters * SLOTS, reading + loading, copying)


class Ours:
    """A file read into parts, and its day loaded from them."""

    def __init__(self, home: Home, path: Path, meters: int) -> None:
        self._home, self._path, self._rows = home, path, meters * SLOTS
        self._warehouse, self._zone = Warehouse(home=str(home.path)), LandingZone(home=str(home.path))
        self._mappings = load_mappings(home.mappings)
        self._landed: LandedFile | None = None

    def read(self) -> None:
        shutil.rmtree(self._home.parts, ignore_errors=True)
        self._landed = land_file(self._path, self._home.landing, self._home.parts, self._mappings, CALENDAR)

    def load(self) -> None:
        batches = self._zone.day(READINGS, DAY, [ActiveFile(1, self._landed.sha256)])
        rows = self._warehouse.replace_day("raw_data", READINGS.table, DAY, batches, run_id="bench", as_loader=True)
        assert rows == self._rows


def beside(name: str, origin: str, rows: int, ours: float, bare: float) -> Measure:
    return speed(name, f"speed from {origin} to the raw day ÷ speed of COPY of the CSV", rows, ours, bare, goal=GOAL)


def write_day(path: Path, meters: int) -> Path:
    """A clean delivery of one day: meter by meter, local times with their offset."""
    slots = np.datetime64(DAY.isoformat(), "m") + np.arange(SLOTS) * np.timedelta64(30, "m")
    times = np.char.add(np.datetime_as_string(slots, unit="s"), "+01:00")
    kwh = np.random.default_rng(1).gamma(2.0, 0.15, meters * SLOTS).round(3)
    path.parent.mkdir(parents=True, exist_ok=True)
    pacsv.write_csv(
        pa.table(
            {
                "meter_id": np.repeat([f"M{number:06d}" for number in range(meters)], SLOTS),
                "reading_at": np.tile(times, meters),
                "consumption_kwh": kwh,
            }
        ),
        path,
    )
    return path


def bare_table(warehouse: Warehouse) -> None:
    """`raw_data.by_hand`, partitioned like the raw table, with one partition."""
    partition, constants = (
        sql.Identifier("raw_data", "by_hand_day"),
        {"reading_date": DAY, "row_number": 0, "file_id": 0},
    )
    with warehouse.transaction(as_loader=True) as connection, connection.cursor() as cursor:
        cursor.execute("drop table if exists raw_data.by_hand")
        cursor.execute("create table raw_data.by_hand (like raw_data.meter_readings) partition by list (reading_date)")
        cursor.execute(
            sql.SQL("create table {} partition of raw_data.by_hand for values in ({})").format(
                partition, sql.Literal(DAY)
            )
        )
        for column, value in constants.items():
            cursor.execute(
                sql.SQL("alter table {} alter column {} set default {}").format(
                    partition, sql.Identifier(column), sql.Literal(value)
                )
            )


def copy(warehouse: Warehouse, path: Path) -> None:
    connection = psycopg2.connect(warehouse.connections.loader_dsn)
    try:
        with connection, connection.cursor() as cursor, path.open("rb") as file:
            cursor.execute("truncate raw_data.by_hand_day")
            cursor.copy_expert(
                "copy raw_data.by_hand_day (meter_id, reading_at, consumption_kwh) from stdin with (format csv, header)",
                file,
            )
    finally:
        connection.close()
