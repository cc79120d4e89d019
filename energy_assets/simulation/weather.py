"""A tropical year's weather at one station, as it is felt and as it is delivered.

What belongs here: temperature, humidity, wind. What does not: what people switch on for it (load.py).

The year follows Douala's monthly means of the daily highest and lowest temperature (wetter.de, read in 2026); how days
differ from that, and humidity and wind, are chosen, not measured.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa

from energy_assets.simulation.calendar import Day
from energy_assets.simulation.streams import Purpose, stream

STATION = "DLA-01"
HIGHEST_C = np.array([31.7, 32.3, 32.1, 31.9, 31.2, 29.4, 27.6, 27.3, 28.6, 29.6, 30.6, 31.3])
LOWEST_C = np.array([23.3, 23.9, 23.5, 23.4, 23.2, 22.9, 22.6, 22.8, 22.7, 22.6, 23.2, 23.2])
WARMEST_HOUR = 14.0
SPELL_DAYS = 10
SPELL_DECAY = 0.65
SPELL_C = 0.8
"""Spread of what one day adds; a spell of warm or cool days fades with SPELL_DECAY a day."""


def temperature_c(seed: int, day: Day) -> np.ndarray:
    """Air temperature at the starts of the day's intervals, float64 [slots], in °C."""
    highest, lowest = (_of_year(months, day.date) for months in (HIGHEST_C, LOWEST_C))
    warmth = 0.5 + 0.5 * np.cos(2 * np.pi * (day.hour - WARMEST_HOUR) / 24)
    return lowest + (highest - lowest) * warmth + _spell_c(seed, day.ordinal)


def observations(seed: int, day: Day) -> pa.Table:
    """Hourly rows of the landing contract's `weather`."""
    hourly = slice(None, None, 2)
    temperature = temperature_c(seed, day)[hourly]
    rng = stream(seed, Purpose.HUMIDITY_AND_WIND, day.ordinal)
    span = HIGHEST_C.max() - LOWEST_C.min()
    humidity = 98 - 32 * (temperature - LOWEST_C.min()) / span + rng.normal(0, 2.5, len(temperature))
    afternoon = np.exp(-0.5 * ((day.hour[hourly] - 15) / 3.5) ** 2)
    wind = 4 + 8 * afternoon + rng.gamma(2.0, 1.2, len(temperature))
    return pa.table(
        {
            "station_id": pa.array([STATION] * len(temperature)),
            "observed_at": pa.array(day.starts[hourly].astype("datetime64[us]"), pa.timestamp("us", "UTC")),
            "temperature_c": np.round(temperature, 1),
            "humidity_pct": np.round(np.clip(humidity, 40, 100), 0),
            "wind_speed_kmh": np.round(wind, 1),
        }
    )


def _of_year(months: np.ndarray, day: date) -> float:
    """A monthly mean as of `day`: linear between the middles of the months."""
    at = day.month - 1 + (day.day - 15) / 30
    return float(np.interp(at, np.arange(-1, 13), np.concatenate([months[-1:], months, months[:1]])))


def _spell_c(seed: int, ordinal: int) -> float:
    """How much warmer the day is than the year says: what the last days brought, fading. No state is carried."""
    brought = [stream(seed, Purpose.WEATHER, ordinal - ago).normal(0, SPELL_C) for ago in range(SPELL_DAYS)]
    return float(np.dot(brought, SPELL_DECAY ** np.arange(SPELL_DAYS)))
