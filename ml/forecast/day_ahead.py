"""The load of the day after the origin, of all areas at once.

What belongs here: features, the fit, the baseline and the uncertainty. What does not: which slots had supply.

One linear model for all areas and slots, fitted anew for each origin (ridge regression, Hoerl and Kennard 1970) on loads divided by
their area's mean of the last week: what it learns is how the next day follows from yesterday, the same day of last week and the usual
profile, and where weather was observed, from how far it was from the week's. The shape of the day is in the profiles, so that few coefficients
are enough for areas of any size. Measured beside gradient boosting on the same features, it is as good and twenty times faster or more
(benchmarks/FORECAST.md). The baseline is seasonal-naive with the season of a week (Hyndman and Athanasopoulos, Forecasting: Principles
and Practice, 5.2).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml.forecast import REFERENCE_DAYS, TRAINING_DAYS

if TYPE_CHECKING:
    from sklearn.base import RegressorMixin

WEEK = 7
LEAST_REFERENCE_DAYS = WEEK
LEAST_TRAINING_DAYS = 7
PENALTY = 1.0
COMFORT_C = 24.0
"""Air conditioning starts about there; below, temperature says little of a load in the tropics."""
MOST_TRAINING_ROWS = 300_000
"""Loads of 450 areas over two weeks of half-hours: of more areas every second, third, … load is learnt from, which tells as much."""
NEIGHBOURS = 2
"""Slots on either side whose errors are taken together with a slot's own: five slots of fourteen days are 70 errors."""
NINETY_PERCENT = 1.645
"""Standard deviations on either side that hold nine of ten, errors being normal."""
MODEL, NAIVE = "ridge", "seasonal_naive"


@dataclass(frozen=True, eq=False)
class LoadHistory:
    """Loads of areas by local day and slot of the clock, the last day being the origin.

    `wh` is float64 [days, areas, slots], NaN where nothing was read or supply was off; `day_types` int [days + 1], the last is that
    of the day to forecast; `temperature_c` float64 [days, slots], NaN where not observed, or None without any weather.
    """

    wh: np.ndarray
    day_types: np.ndarray
    temperature_c: np.ndarray | None = None

    def __post_init__(self) -> None:
        days, _, slots = self.wh.shape
        if len(self.day_types) != days + 1:
            raise ValueError(f"{days} days and the next need {days + 1} day types, not {len(self.day_types)}")
        if self.temperature_c is not None and self.temperature_c.shape != (days, slots):
            raise ValueError(f"temperatures {self.temperature_c.shape} do not fit {days} days of {slots} slots")


@dataclass(frozen=True, eq=False)
class DayAhead:
    """The day after the origin, in Wh; arrays are float64 [areas, slots] unless said otherwise.

    `wh` is what is expected, NaN where nothing can be, and `naive_wh` the baseline. `errors_wh` [days, areas, slots] is what
    `wh` would have been off by on the days that it learnt from, NaN where that is not known; no days where there is no model.
    `method` is MODEL, or NAIVE where the days are too few to learn from.
    """

    wh: np.ndarray
    naive_wh: np.ndarray
    errors_wh: np.ndarray
    method: str

    @property
    def deviation_wh(self) -> np.ndarray:
        """One standard deviation of what `wh` may be wrong by, of a slot and its neighbours around the clock; NaN where not known."""
        slots = self.wh.shape[1]
        reach = range(-NEIGHBOURS, NEIGHBOURS + 1) if slots > 2 * NEIGHBOURS else (0,)
        return np.sqrt(_mean(np.concatenate([np.roll(self.errors_wh**2, by, axis=-1) for by in reach])))

    def of(self, is_chosen: np.ndarray) -> DayAhead:
        """The same of those areas alone, bool [areas]."""
        return DayAhead(self.wh[is_chosen], self.naive_wh[is_chosen], self.errors_wh[:, is_chosen], self.method)

    def coarser(self, by: int) -> DayAhead:
        """The same with `by` slots as one."""
        wh, naive_wh, errors_wh = (
            values.reshape(*values.shape[:-1], values.shape[-1] // by, by).sum(axis=-1)
            for values in (self.wh, self.naive_wh, self.errors_wh)
        )
        return DayAhead(wh, naive_wh, errors_wh, self.method)


def combined(parts: Iterable[DayAhead]) -> DayAhead:
    """All areas of `parts`, whose slots are the same, as one area: its errors are those of the sum. Arrays are [1, slots]."""
    parts = list(parts)
    days = min(len(part.errors_wh) for part in parts)
    return DayAhead(
        np.concatenate([part.wh for part in parts]).sum(axis=0, keepdims=True),
        np.concatenate([part.naive_wh for part in parts]).sum(axis=0, keepdims=True),
        np.concatenate([part.errors_wh[len(part.errors_wh) - days :] for part in parts], axis=1).sum(
            axis=1, keepdims=True
        ),
        NAIVE if any(part.method == NAIVE for part in parts) else MODEL,
    )


def overload_probability(wh: np.ndarray, deviation_wh: np.ndarray, capacity_wh: np.ndarray) -> np.ndarray:
    """How likely a load is above a capacity, its error being normal; NaN where one of them is not known."""
    from scipy.special import ndtr

    return ndtr((wh - capacity_wh) / np.maximum(deviation_wh, 1.0))


def day_ahead(history: LoadHistory, regressor: RegressorMixin | None = None) -> DayAhead:
    """The load of the day after the last of `history`, from its last REFERENCE_DAYS + TRAINING_DAYS days and no other.

    `regressor` is fitted in the place of the ridge regression, for comparison.
    """
    from sklearn.linear_model import Ridge

    origin = len(history.wh)
    naive = seasonal_naive(history.wh, origin)
    days = range(max(LEAST_REFERENCE_DAYS, origin - TRAINING_DAYS), origin)
    lessons = [_lesson(history, day) for day in days]
    targets = [_scaled(history.wh[day], lesson.scale) for day, lesson in zip(days, lessons, strict=True)]
    known = [lesson.is_whole & ~np.isnan(target) for lesson, target in zip(lessons, targets, strict=True)]
    if sum(slots.any() for slots in known) < LEAST_TRAINING_DAYS:
        return DayAhead(naive, naive, np.empty((0, *naive.shape)), NAIVE)
    step = sum(int(slots.sum()) for slots in known) // MOST_TRAINING_ROWS + 1
    model = (regressor or Ridge(PENALTY)).fit(
        np.concatenate([lesson.features[slots][::step] for lesson, slots in zip(lessons, known, strict=True)]),
        np.concatenate([target[slots][::step] for target, slots in zip(targets, known, strict=True)]),
    )
    errors = [_predicted(model, lesson) - history.wh[day] for day, lesson in zip(days, lessons, strict=True)]
    wh = _predicted(model, _lesson(history, origin))
    return DayAhead(np.where(np.isnan(wh), naive, wh), naive, np.stack(errors), MODEL)


def seasonal_naive(wh: np.ndarray, day: int) -> np.ndarray:
    """The load of the same day a week before, float64 [areas, slots]; of two weeks before where that is not known, and so on.

    Without the same day of any week, the load of the latest day that is known.
    """
    found = np.full(wh.shape[1:], np.nan)
    weekly = range(day - WEEK, -1, -WEEK)
    for before in [*weekly, *range(day - 1, -1, -1)]:
        found = np.where(np.isnan(found), wh[before], found)
    return found


@dataclass(frozen=True, eq=False)
class _Lesson:
    """Features of a day, float64 [areas, slots, features], and what loads were divided by, float64 [areas]."""

    features: np.ndarray
    scale: np.ndarray

    @property
    def is_whole(self) -> np.ndarray:
        return ~np.isnan(self.features).any(axis=-1)


def _lesson(history: LoadHistory, day: int) -> _Lesson:
    """What is known of `day` on the day before."""
    wh = history.wh
    past = slice(max(day - REFERENCE_DAYS, 0), day)
    week = _mean(wh[day - WEEK : day])
    scale = _mean(week, axis=-1)
    usual = _scaled(week, scale)
    same_weekday = wh[range(day - WEEK, past.start - 1, -WEEK)]
    same_type = wh[past][history.day_types[past] == history.day_types[day]]
    profiles = [wh[day - 1], wh[day - 2], wh[day - WEEK], _mean(same_weekday), _mean(same_type), _mean(wh[past])]
    profiles = [
        np.where(np.isnan(profile), usual, profile) for profile in (_scaled(loads, scale) for loads in profiles)
    ]
    yesterday, _, last_week = profiles[:3]
    evening = slice(3 * wh.shape[2] // 4, None)
    levels = [
        _mean(yesterday - usual, axis=-1),
        _mean(last_week - usual, axis=-1),
        _mean((yesterday - usual)[:, evening], axis=-1),
    ]
    features = [usual, *profiles, *(np.broadcast_to(level[:, None], usual.shape) for level in levels)]
    features += [level[:, None] * usual for level in levels[:2]]
    if history.temperature_c is not None:
        features += [usual * warmth for warmth in _warmth(history.temperature_c, day)]
    return _Lesson(np.stack(features, axis=-1), scale)


def _warmth(temperature_c: np.ndarray, day: int) -> list[np.ndarray]:
    """How much warmer the day before was than its week, by slot, and how much more of it was above comfort: float64 [slots] each.

    Only what was observed through the day before is used: a forecast that was given tomorrow's weather is not one.
    """
    found = []
    for values in (temperature_c, np.maximum(temperature_c - COMFORT_C, 0)):
        week = values[day - WEEK : day]
        apart = week[-1] - _mean(week)
        found += [np.nan_to_num(apart), np.full(apart.shape, np.nan_to_num(_mean(apart, axis=-1)))]
    return found


def _predicted(model: RegressorMixin, lesson: _Lesson) -> np.ndarray:
    """Loads in Wh, float64 [areas, slots], NaN where a feature is; no load is below nothing."""
    found = np.full(lesson.features.shape[:2], np.nan)
    if lesson.is_whole.any():
        found[lesson.is_whole] = np.maximum(model.predict(lesson.features[lesson.is_whole]), 0)
    return found * lesson.scale[:, None]


def _scaled(wh: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return wh / np.where(scale > 0, scale, np.nan)[:, None]


def _mean(values: np.ndarray, axis: int | tuple[int, ...] = 0) -> np.ndarray:
    """The mean of what is known, NaN where nothing is."""
    has = ~np.isnan(values)
    count = has.sum(axis=axis)
    return np.where(count, np.where(has, values, 0.0).sum(axis=axis) / np.maximum(count, 1), np.nan)
