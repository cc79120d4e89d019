"""Profiles, features and training samples by day, read from the warehouse as a window moves forward.

What belongs here: which days are read, and that a day whose gate is closed reads as absent. What does not: features (ml/).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from energy_assets.days import DayWindow
from energy_assets.home import Home
from energy_assets.keys import FEATURES, WEATHER
from energy_assets.resources.day_rows import DayRows
from energy_assets.resources.gates import day_states
from ml.anomaly import HISTORY_DAYS
from ml.anomaly.features import BLOCK_METERS, ReadingFeatures, reading_features
from ml.anomaly.sampling import training_sample
from ml.profiles import LONGEST_DAY_HOURS, DayProfiles, DayWeather, from_arrow

if TYPE_CHECKING:
    from energy_assets.resources.warehouse import Warehouse

METERS_AT_ONCE = 4 * BLOCK_METERS
"""Meters whose features are in memory together."""


class ProfileHistory:
    """Profiles by day, each read once while a window moves forward; days whose gate is closed read as absent."""

    def __init__(self, warehouse: Warehouse, zone: ZoneInfo) -> None:
        self._warehouse = warehouse
        self._zone = zone
        self._days: dict[date, list[DayProfiles]] = {}

    def features(self, day: date) -> Iterator[ReadingFeatures]:
        """Features of the day's readings, in pieces of METERS_AT_ONCE of one interval length."""
        span = DayWindow.of(day).with_lookback(HISTORY_DAYS)
        self._read(span)
        weather = weather_of(self._warehouse, day) if self._days[day] else None
        for target in self._days[day]:
            past = [
                profiles
                for other in span
                if other != day
                for profiles in self._days[other]
                if profiles.interval_minutes == target.interval_minutes
            ]
            for block in target.blocks(METERS_AT_ONCE):
                yield reading_features(block, past, weather, self._zone)

    def _read(self, span: DayWindow) -> None:
        self._days = {day: profiles for day, profiles in self._days.items() if day >= span.start}
        missing = [day for day in span if day not in self._days]
        states = day_states(self._warehouse, [FEATURES], DayWindow(missing[0], span.end)) if missing else {}
        for day in missing:
            state = states.get((FEATURES, day))
            is_there = state and state.is_readable and state.row_count
            self._days[day] = profiles_of(self._warehouse, day, self._zone) if is_there else []


class PastProfiles:
    """Profiles of weeks, each day read once while a window moves forward; only those of the meters that are asked for are in memory."""

    def __init__(self, warehouse: Warehouse, zone: ZoneInfo) -> None:
        self._warehouse, self._zone = warehouse, zone
        self._rows: dict[int, DayRows] = {}
        """By interval length, as wide as the longest day."""
        self._starts: dict[date, dict[int, np.ndarray]] = {}
        """Of each day that was read, the starts of its slots by interval length."""

    def read(self, days: Sequence[date], first: date) -> None:
        """Have `days`, which may be read, and give up those before `first`."""
        self._starts = {day: starts for day, starts in self._starts.items() if day >= first}
        for rows in self._rows.values():
            rows.forget_before(first)
        for day in [day for day in days if day not in self._starts]:
            self.keep(day, profiles_of(self._warehouse, day, self._zone))

    def keep(self, day: date, read: Sequence[DayProfiles]) -> None:
        """Have a day that was read already."""
        self._starts[day] = {profiles.interval_minutes: profiles.slot_starts() for profiles in read}
        for profiles in read:
            wide = _as_wide_as(profiles.wh, widest(profiles.interval_minutes))
            self._of_length(profiles.interval_minutes).put(day, pa.array(profiles.meter_ids), wide)

    def slot_starts(self, day: date, minutes: int) -> np.ndarray | None:
        """Starts of the day's slots at `minutes` an interval; None where nothing was read of it."""
        return self._starts.get(day, {}).get(minutes)

    def of(self, days: Sequence[date], meter_ids: np.ndarray, minutes: int, slots: int) -> np.ndarray:
        """Float32 [days, meters, slots] at `minutes` an interval, NaN where nothing was accepted or the day was not read."""
        return self._of_length(minutes).of(days, meter_ids)[:, :, :slots]

    def _of_length(self, minutes: int) -> DayRows:
        if minutes not in self._rows:
            self._rows[minutes] = DayRows(widest(minutes), Home.at(self._warehouse.home).path)
        return self._rows[minutes]


class TrainingSamples:
    """Samples of days to learn from. Weeks overlap in what they learn from: a day is sampled once while weeks move forward."""

    def __init__(self, history: ProfileHistory, *, rows_per_day: int, seed: int) -> None:
        self._history, self._rows_per_day, self._seed = history, rows_per_day, seed
        self._samples: dict[date, np.ndarray] = {}

    def of(self, window: DayWindow) -> dict[date, np.ndarray]:
        """Rows of each day of `window` that has readings, float32 [at most rows_per_day, features]."""
        self._samples = {day: rows for day, rows in self._samples.items() if day >= window.start}
        for day in window:
            if day not in self._samples:
                self._samples[day] = training_sample(
                    self._history.features(day), per_day_cap=self._rows_per_day, seed=self._seed
                )
        return {day: rows for day, rows in sorted(self._samples.items()) if day < window.end and len(rows)}


def profiles_of(warehouse: Warehouse, day: date, zone: ZoneInfo) -> list[DayProfiles]:
    """The day's profiles, one `DayProfiles` per interval length, whatever its gate says."""
    table = warehouse.table(
        "select meter_id, interval_minutes, profile_wh from intermediate.int_consumption_features"
        " where reading_date = %(day)s::date",
        {"day": day},
    )
    return from_arrow(table, day, day_starts_at(day, zone))


def widest(minutes: int) -> int:
    """Slots of the longest day."""
    return 1 if minutes >= 1440 else LONGEST_DAY_HOURS * 60 // minutes


def _as_wide_as(wh: np.ndarray, slots: int) -> np.ndarray:
    """[meters, slots], NaN beyond the day's end."""
    return np.pad(wh, ((0, 0), (0, slots - wh.shape[1])), constant_values=np.nan)


def day_starts_at(day: date, zone: ZoneInfo) -> np.datetime64:
    """UTC instant of local midnight."""
    local = datetime.combine(day, time(), tzinfo=zone)
    return np.datetime64(local.astimezone(UTC).replace(tzinfo=None), "s")


def weather_of(warehouse: Warehouse, day: date) -> DayWeather | None:
    """The day's weather where its gate is open and there is any."""
    state = day_states(warehouse, [WEATHER], DayWindow.of(day)).get((WEATHER, day))
    if state is None or not state.is_readable or not state.row_count:
        return None
    table = warehouse.table(
        "select observed_at, temperature_c, humidity_pct, wind_speed_kmh from staging.stg_weather_observations"
        " where observation_date = %(day)s::date order by station_id, observed_at",
        {"day": day},
    )
    return DayWeather(
        observed_at=table["observed_at"].cast(pa.timestamp("s", tz="UTC")).to_numpy(),
        **{name: table[name].to_numpy() for name in ("temperature_c", "humidity_pct", "wind_speed_kmh")},
    )
