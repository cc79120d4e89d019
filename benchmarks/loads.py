"""Loads of areas as a forecast sees them, of real homes taken together and of the simulated city's transformers.

What belongs here: making them. What does not: where real readings lie (real_readings.py), what is measured on them (forecast.py).
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.real_readings import Readings
from energy_assets.simulation import simulate

SEED = 20_260_101
LEAST_READ_SHARE = 0.8
"""An area's slot is known where so many of its homes are: their mean stands for the others."""
PHYSICAL_KWH = 50.0
CITY_METERS, CITY_TRANSFORMERS, CITY_DAYS = 600, 24, 150
CITY_FIRST_DAY, CITY_ZONE = date(2024, 1, 1), "Africa/Douala"


@dataclass(frozen=True, eq=False)
class Loads:
    """`wh` is float64 [days, areas, slots], NaN where not read or off; `temperature_c` float64 [days, slots] or None."""

    name: str
    first_day: date
    wh: np.ndarray
    country: str
    """ISO 3166 code of the public holidays; empty where the year is not known."""
    temperature_c: np.ndarray | None = None

    @property
    def days(self) -> list[date]:
        return [self.first_day + timedelta(days=number) for number in range(len(self.wh))]


def of_homes(readings: Readings, homes: int, country: str) -> Loads:
    """Homes drawn into areas of `homes` each, from the first day on which nine of ten of them deliver."""
    kwh = np.where((readings.kwh < 0) | (readings.kwh > PHYSICAL_KWH), np.nan, readings.kwh)
    delivers = (~np.isnan(kwh)).any(axis=2).mean(axis=1) >= 0.9
    first = int(np.argmax(delivers))
    order = np.random.default_rng(SEED).permutation(kwh.shape[1])
    areas = [order[at : at + homes] for at in range(0, len(order) - homes + 1, homes)]
    wh = np.stack([_taken_together(1000 * kwh[first:, members]) for members in areas], axis=1)
    return Loads(f"{readings.name}, {homes} homes", readings.first_day + timedelta(days=first), wh, country)


def _taken_together(wh: np.ndarray) -> np.ndarray:
    """Load of homes [days, homes, slots] as [days, slots]."""
    read = (~np.isnan(wh)).sum(axis=1)
    total = np.nansum(wh, axis=1) * wh.shape[1] / np.maximum(read, 1)
    return np.where(read >= LEAST_READ_SHARE * wh.shape[1], total, np.nan)


def of_city() -> Loads:
    """Transformers of the simulated city, with its weather, and without supply where an outage was reported or nothing came."""
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory)
        simulate(
            CITY_METERS,
            CITY_DAYS,
            SEED,
            out,
            CITY_FIRST_DAY,
            CITY_ZONE,
            transformers=CITY_TRANSFORMERS,
            sources=("transformer_readings", "transformers", "weather", "outages"),
            with_truth=False,
        )
        fed, register, weather, outages = (
            pl.read_parquet(out / source / "**" / "*.parquet")
            for source in ("transformer_readings", "transformers", "weather", "outages")
        )
    ids = np.unique(fed["transformer_id"].to_numpy())
    feeder_of = dict(register.select("transformer_id", "feeder_id").iter_rows())
    wh = np.full((len(ids), CITY_DAYS * 48), np.nan)
    day, slot = _place(fed["reading_at"])
    wh[np.searchsorted(ids, fed["transformer_id"].to_numpy()), day * 48 + slot] = 1000 * fed["energy_kwh"].to_numpy()
    (first_day, first), (last_day, last) = (
        _place(outages[name].fill_null(outages["started_at"])) for name in ("started_at", "ended_at")
    )
    for area, start, end in zip(outages["area_id"], first_day * 48 + first, last_day * 48 + last, strict=True):
        wh[[area in (of, feeder_of[of]) for of in ids], start : end + 1] = np.nan
    wh = np.where(wh > 0, wh, np.nan).reshape(len(ids), CITY_DAYS, 48).transpose(1, 0, 2)
    temperature = np.full((CITY_DAYS, 48), np.nan)
    day, slot = _place(weather["observed_at"])
    temperature[day, slot] = weather["temperature_c"].to_numpy()
    temperature[:, 1::2] = temperature[:, ::2]  # observed each hour
    return Loads("simulated city", CITY_FIRST_DAY, wh, "CM", temperature)


def _place(instants: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Day of the city's and half-hour of the clock of each instant."""
    local = instants.dt.convert_time_zone(CITY_ZONE)
    midnight = local.dt.date().to_numpy().astype("datetime64[D]")
    minutes = local.dt.hour().cast(pl.Int32) * 60 + local.dt.minute()
    return (midnight - np.datetime64(CITY_FIRST_DAY)).astype(int), minutes.to_numpy() // 30
