"""What a reading looks like beside its meter's own last week: the matrix that the detector sees.

What belongs here: the features, their encodings and their neutral values.
What does not: which rows a model is trained on (sampling.py), what a score means (detector.py, types.py).

Every energy is divided by, or compared with, the meter's own: a large consumer is not anomalous for being large.
Features of day D depend on days D-7 … D of the same meter and on nothing else, so days, meters and chunks can be
computed in any order. Sums run over integers held in float64 and are therefore exact, whatever the order or the size of
a block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo

import numpy as np

from ml.anomaly import HISTORY_DAYS
from ml.profiles import DayProfiles, DayWeather

FEATURE_NAMES = (
    "hour_sin",
    "hour_cos",
    "weekday",
    "level",
    "rolling_1h_mean",
    "rolling_24h_mean",
    "rolling_24h_std",
    "ratio_to_mean",
    "same_slot_last_week",
    "temperature_c",
    "humidity_pct",
    "wind_speed_kmh",
)
"""In this order in the matrix. With m the mean and s the standard deviation of the meter's readings in the seven days
before, and a ⊘ b = ln((a + ε)/(b + ε)), ε = 1 % of m, "no different" being 0:

hour_sin, hour_cos    hour of the local clock at the start of the slot, on a circle
weekday               0 = Monday … 6 = Sunday
level                 ln(1 + reading/m)
rolling_1h_mean       mean of the hour up to and with this reading ⊘ mean of the same slots of the days before
rolling_24h_mean      mean of the 24 hours up to and with this reading ⊘ m
rolling_24h_std       standard deviation of these 24 hours ⊘ s
ratio_to_mean         reading ⊘ mean of the same clock time of the days before
same_slot_last_week   (reading - reading of the same clock time seven days before)/(s + ε)
weather               of the slot, as observed

Where less than half a day is known of the week before, m and s are the day's own and the 24-hour features are 0; the
others are 0 where their own reference is missing. In place of a missing reading of seven days before stands the mean of
the same clock time. Windows run over elapsed time across midnight, back to the start of the day before at most, and
leave missing readings out; one less than half full has no standard deviation: 0. The forest could take NaN, but would
then learn the gap itself as the anomaly.
"""

NEUTRAL_WEATHER = {"temperature_c": 20.0, "humidity_pct": 60.0, "wind_speed_kmh": 10.0}
"""Where nothing was observed on the whole day; a constant column is never split on."""

BLOCK_METERS = 4096
"""Meters computed at once: bounds the temporaries to some tens of megabytes, and keeps them near the cache."""

EPSILON_SHARE = 0.01
FLOOR_WATT = 10.0
"""Power below which a meter's mean is taken as this: a home on standby has no meaningful ratios."""


@dataclass(frozen=True, eq=False)
class ReadingFeatures:
    """Features of the readings of one day, one row per reading that exists, by meter and then by slot.

    `matrix` is float32 [readings, features], without NaN; `meter_index` (into `meter_ids`) and `slot_index` say whose
    and when. `wh` is the reading and `expected_wh` what the meter's past makes of this slot, both float32 [readings] in
    watt-hours; `trend` is ln(later half ÷ earlier half) of the history's level, float32 [meters], 0 where unknown.
    """

    day: date
    interval_minutes: int
    meter_ids: np.ndarray
    slot_starts: np.ndarray
    matrix: np.ndarray
    meter_index: np.ndarray
    slot_index: np.ndarray
    wh: np.ndarray
    expected_wh: np.ndarray
    trend: np.ndarray
    names: tuple[str, ...] = FEATURE_NAMES

    def __len__(self) -> int:
        return len(self.matrix)

    def column(self, name: str) -> np.ndarray:
        """One feature of all readings, float32 [readings]."""
        return self.matrix[:, self.names.index(name)]

    @property
    def meter_id(self) -> np.ndarray:
        """The meter of each reading, str [readings]."""
        return self.meter_ids[self.meter_index]

    @property
    def reading_at(self) -> np.ndarray:
        """The start of each reading's interval in UTC, datetime64[s] [readings]."""
        return self.slot_starts[self.slot_index]


def reading_features(
    target: DayProfiles, history: Sequence[DayProfiles], weather: DayWeather | None, zone: tzinfo
) -> ReadingFeatures:
    """Features of every reading of `target`.

    `history` holds what there is of the seven local days before, at the same interval; other days, `target`'s own among
    them, raise ValueError: features must not depend on what a caller happened to load. `zone` is the utility's: it says
    which slots of two days show the same time on the clock where one of them is a day of 23 or 25 hours.
    """
    past = {age: day for age, day in _by_age(target, history).items() if day.slots}
    clock = target.clock_minutes(zone)
    same_clock = {age: _same_clock(clock, day.clock_minutes(zone)) for age, day in past.items()}
    shared = _shared_columns(target, clock, weather)
    exists = ~np.isnan(target.wh)
    result = _empty(target, exists)
    end = 0
    for first in range(0, target.meters, BLOCK_METERS):
        meters = slice(first, first + BLOCK_METERS)
        here = exists[meters]
        block = _Block(target, meters, past, same_clock)
        start, end = end, end + int(here.sum())
        rows = slice(start, end)
        result.wh[rows], result.expected_wh[rows] = target.wh[meters][here], block.expected()[here]
        result.trend[meters] = block.trend()
        for index, name in enumerate(FEATURE_NAMES):
            values = shared[name] if name in shared else getattr(block, name)()
            result.matrix[rows, index] = np.broadcast_to(values, here.shape)[here]
    return result


def _by_age(target: DayProfiles, history: Sequence[DayProfiles]) -> dict[int, DayProfiles]:
    """History by its age in days, 1 … 7."""
    past = {(target.day - day.day).days: day for day in history}
    if len(past) != len(history) or not set(past) <= set(range(1, HISTORY_DAYS + 1)):
        raise ValueError(
            f"history of {target.day} must be distinct days from {target.day - timedelta(HISTORY_DAYS)} on, before it; "
            f"got {sorted(str(day.day) for day in history)}"
        )
    if other := {day.interval_minutes for day in history} - {target.interval_minutes}:
        raise ValueError(f"history of {target.day} at {target.interval_minutes} minutes holds {sorted(other)} minutes")
    return past


def _same_clock(clock: np.ndarray, other: np.ndarray) -> np.ndarray:
    """For each slot the first slot of another day that shows the same time, -1 where that day skipped it."""
    first = {int(minute): slot for slot, minute in reversed(list(enumerate(other)))}
    return np.array([first.get(int(minute), -1) for minute in clock], dtype=np.intp)


def _shared_columns(target: DayProfiles, clock: np.ndarray, weather: DayWeather | None) -> dict[str, np.ndarray]:
    """The features that all meters share, each [slots]."""
    angle = 2 * np.pi * clock / 1440
    return {
        "hour_sin": np.sin(angle),
        "hour_cos": np.cos(angle),
        "weekday": np.full(target.slots, target.day.weekday()),
        **{name: _weather_of_slots(target, weather, name) for name in NEUTRAL_WEATHER},
    }


def _weather_of_slots(target: DayProfiles, weather: DayWeather | None, name: str) -> np.ndarray:
    """The slots' weather; the neutral value on a day without any."""
    neutral = NEUTRAL_WEATHER[name]
    if weather is None:
        return np.full(target.slots, neutral)
    return np.nan_to_num(weather.by_slot(name, target.slot_starts(), target.interval_minutes), nan=neutral)


def _empty(target: DayProfiles, exists: np.ndarray) -> ReadingFeatures:
    meter_index, slot_index = np.nonzero(exists)
    readings = len(meter_index)
    return ReadingFeatures(
        day=target.day,
        interval_minutes=target.interval_minutes,
        meter_ids=target.meter_ids,
        slot_starts=target.slot_starts(),
        matrix=np.empty((readings, len(FEATURE_NAMES)), dtype=np.float32),
        meter_index=meter_index.astype(np.int32),
        slot_index=slot_index.astype(np.int16),
        wh=np.empty(readings, dtype=np.float32),
        expected_wh=np.empty(readings, dtype=np.float32),
        trend=np.empty(target.meters, dtype=np.float32),
    )


class _Block:
    """Some meters of the day beside their past; each feature is a method that returns float64 [meters, slots]."""

    def __init__(
        self, target: DayProfiles, meters: slice, past: dict[int, DayProfiles], same_clock: dict[int, np.ndarray]
    ) -> None:
        self.wh = np.maximum(target.wh[meters].astype(np.float64), 0.0)
        self.interval_minutes = target.interval_minutes
        self.past = {age: _aligned(day, target.meter_ids[meters]) for age, day in past.items()}
        self._history_moments()
        self._same_slots(same_clock)
        self.mean_1h, _ = self._trailing(target, past, max(1, 60 // self.interval_minutes))
        self.mean_24h, self.std_24h = self._trailing(target, past, max(1, 1440 // self.interval_minutes))

    def _history_moments(self) -> None:
        """m and s of the docstring, and ε; the day's own where the meter has no history."""
        count, total, squares = _moments([*self.past.values()], len(self.wh))
        self.has_history = 2 * count * self.interval_minutes >= 1440
        own_count, own_total, own_squares = _moments([self.wh], len(self.wh))
        count, total = np.where(self.has_history, count, own_count), np.where(self.has_history, total, own_total)
        squares = np.where(self.has_history, squares, own_squares)
        floor = FLOOR_WATT * self.interval_minutes / 60
        self.mean = np.maximum(total / np.maximum(count, 1), floor)[:, None]
        self.std = _std(count, total, squares)[:, None]
        self.epsilon = EPSILON_SHARE * self.mean
        self.has_history = self.has_history[:, None]

    def _same_slots(self, same_clock: dict[int, np.ndarray]) -> None:
        """Mean over the history of each slot's clock time; the reading a week before or, in its place, this mean."""
        count, total = np.zeros(self.wh.shape), np.zeros(self.wh.shape)
        self.last_week = np.full(self.wh.shape, np.nan)
        for age, wh in self.past.items():
            values = np.where(same_clock[age] >= 0, wh[:, same_clock[age]], np.nan)
            present = ~np.isnan(values)
            count += present
            total += np.where(present, values, 0.0)
            if age == HISTORY_DAYS:
                self.last_week = values
        self.same_slot_mean = np.divide(total, count, out=np.full(self.wh.shape, np.nan), where=count > 0)
        self.last_week = np.where(np.isnan(self.last_week), self.same_slot_mean, self.last_week)

    def _trailing(
        self, target: DayProfiles, past: dict[int, DayProfiles], window: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the last `window` slots up to and with each; NaN where less than half full."""
        before = self._day_before(target, past)
        joined = np.concatenate([before, self.wh], axis=1)
        present = ~np.isnan(joined)
        filled = np.where(present, joined, 0.0)
        ends = np.arange(before.shape[1] + 1, joined.shape[1] + 1)
        starts = np.maximum(ends - window, 0)
        count, total, squares = (_running(v, ends) - _running(v, starts) for v in (present, filled, filled * filled))
        mean = np.divide(total, count, out=np.full(self.wh.shape, np.nan), where=count > 0)
        return mean, np.where((count >= 2) & (2 * count >= window), _std(count, total, squares), np.nan)

    def _day_before(self, target: DayProfiles, past: dict[int, DayProfiles]) -> np.ndarray:
        """Yesterday, of exactly the length that elapsed time says, so that its last slot touches today's first."""
        if 1 not in past:
            return np.empty((len(self.wh), 0))
        elapsed = target.starts_at.astype("datetime64[s]") - past[1].starts_at.astype("datetime64[s]")
        slots = int(elapsed // np.timedelta64(self.interval_minutes * 60, "s"))
        wh = self.past[1][:, :slots]
        return np.pad(wh, ((0, 0), (0, slots - wh.shape[1])), constant_values=np.nan)

    def _against(self, value: np.ndarray, reference: np.ndarray) -> np.ndarray:
        """ln((value + ε)/(reference + ε)), 0 where either is unknown."""
        return np.nan_to_num(np.log((value + self.epsilon) / (reference + self.epsilon)), nan=0.0)

    def level(self) -> np.ndarray:
        return np.log1p(self.wh / self.mean)

    def rolling_1h_mean(self) -> np.ndarray:
        window = max(1, 60 // self.interval_minutes)
        expected = self.same_slot_mean
        present = ~np.isnan(expected)
        ends = np.arange(1, expected.shape[1] + 1)
        starts = np.maximum(ends - window, 0)
        filled = np.where(present, expected, 0.0)
        count, total = (_running(v, ends) - _running(v, starts) for v in (present, filled))
        return self._against(
            self.mean_1h, np.divide(total, count, out=np.full(expected.shape, np.nan), where=count > 0)
        )

    def rolling_24h_mean(self) -> np.ndarray:
        return np.where(self.has_history, self._against(self.mean_24h, self.mean), 0.0)

    def rolling_24h_std(self) -> np.ndarray:
        return np.where(self.has_history, self._against(self.std_24h, self.std), 0.0)

    def ratio_to_mean(self) -> np.ndarray:
        return self._against(self.wh, self.same_slot_mean)

    def same_slot_last_week(self) -> np.ndarray:
        return np.nan_to_num((self.wh - self.last_week) / (self.std + self.epsilon), nan=0.0)

    def expected(self) -> np.ndarray:
        """Mean of the same clock time in the days before; without any, the mean of the last 24 hours."""
        return np.where(np.isnan(self.same_slot_mean), self.mean_24h, self.same_slot_mean)

    def trend(self) -> np.ndarray:
        """ln(mean of the three days before ÷ of the four before those), 0 where either is unknown: float64 [meters]."""
        late, early = (
            _moments([wh for age, wh in self.past.items() if age in ages], len(self.wh))
            for ages in ((1, 2, 3), (4, 5, 6, 7))
        )
        level = [np.where(n > 0, total / np.maximum(n, 1), np.nan)[:, None] for n, total, _ in (late, early)]
        return self._against(*level)[:, 0]


def _aligned(day: DayProfiles, meter_ids: np.ndarray) -> np.ndarray:
    """The day's rows of `meter_ids` as float64, NaN for meters that it does not have; negative energy counts as 0."""
    rows = day.rows_of(meter_ids)
    wh = day.wh[rows].astype(np.float64) if day.meters else np.empty((len(meter_ids), day.slots))
    wh[rows < 0] = np.nan
    return np.maximum(wh, 0.0)


def _moments(matrices: Sequence[np.ndarray], meters: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count, sum and sum of squares of the readings that exist, each float64 [meters]."""
    count, total, squares = np.zeros(meters), np.zeros(meters), np.zeros(meters)
    for wh in matrices:
        present = ~np.isnan(wh)
        filled = np.where(present, wh, 0.0)
        count += present.sum(axis=1)
        total += filled.sum(axis=1)
        squares += np.einsum("ij,ij->i", filled, filled)
    return count, total, squares


def _std(count: np.ndarray, total: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Population standard deviation from exact sums, 0 where there is nothing."""
    n = np.maximum(count, 1)
    return np.sqrt(np.maximum(n * squares - total * total, 0.0)) / n


def _running(values: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Sum of each row's first `ends` values, float64 [meters, len(ends)]."""
    sums = np.zeros((values.shape[0], values.shape[1] + 1))
    np.cumsum(values, axis=1, dtype=np.float64, out=sums[:, 1:])
    return sums[:, ends]
