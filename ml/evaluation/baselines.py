"""What detection is held against: methods that read a meter's own readings, and those of its peers.

What belongs here: one function a method, FleetHistory -> float64 [meters], higher being more suspicious and NaN where it cannot tell. What
does not: methods that need a transformer's meter (balance_baselines.py); our own (ml/theft). None knows a label.

Parameters are the libraries' defaults, or those that a docstring names.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from ml.evaluation.windows import daily_wh, mean_over_days, profiles, recent_days
from ml.theft.history import FleetHistory

SEED = 42
ROLLING_READINGS = 10
"""Of the public meter file's `Avg_Past_Consumption`: the mean of ten readings, the present one among them."""
MOST_FITTED, MOST_SCORED = 200_000, 1_000_000
"""Readings: a forest draws 256 for each tree, and a meter's mean score needs no more than some hundred."""
HOME_TREES = 25
LEAST_POINTS = 3
NEIGHBOURS = 20
"""Or half of the profiles, where those are few."""
FLOOR_WH = 50.0
"""Of a day: keeps the logarithm of a home without use in bounds; a fridge draws ten times that."""


def isolation_forest_on_readings(history: FleetHistory) -> np.ndarray:
    """The original system's forest (Liu, Ting and Zhou 2008) on each reading and the mean of the last ten; a meter's mean score.

    IsolationForest(contamination=0.05, random_state=42), fitted over all meters. Contamination only sets the threshold of a flag and leaves
    scores as they are. Of many readings it is fitted on, and a meter's mean is taken over, evenly spread ones.
    """
    from sklearn.ensemble import IsolationForest

    days, meters, slots = history.wh.shape
    step = max(-(-days * meters * slots // MOST_SCORED), 1)
    chosen = np.arange((days * slots - 1) % step, days * slots, step)
    by_time = history.wh.reshape(days, meters, slots)
    reading = np.empty((len(chosen), meters), dtype=np.float32)
    rolling = np.empty_like(reading)
    for row, at in enumerate(chosen):
        window = [by_time[of // slots, :, of % slots] for of in range(max(at - ROLLING_READINGS + 1, 0), at + 1)]
        reading[row], rolling[row] = window[-1], mean_over_days(np.stack(window))
    has = ~np.isnan(reading)
    if not has.any():
        return np.full(meters, np.nan)
    features = np.stack([reading[has], rolling[has]], axis=1)
    sample = np.random.default_rng(SEED).permutation(len(features))[:MOST_FITTED]
    forest = IsolationForest(random_state=SEED).fit(features[sample])
    scores = np.full(reading.shape, np.nan)
    scores[has] = -forest.score_samples(features)
    return mean_over_days(scores)


def isolation_forest_per_home(history: FleetHistory) -> np.ndarray:
    """A forest of each home's daily profiles; how far the mean score of the last weeks is from that of the weeks before.

    Of the ways to make one score of it the best on real load: a home that reports less becomes less strange to its forest, not
    more, because isolation finds what is large; hence the distance, whatever its sign.
    """
    from sklearn.ensemble import IsolationForest

    def strangeness(profiles: np.ndarray) -> np.ndarray:
        return -IsolationForest(n_estimators=HOME_TREES, random_state=SEED).fit(profiles).score_samples(profiles)

    return _per_home(history, strangeness)


def local_outlier_factor(history: FleetHistory) -> np.ndarray:
    """Local Outlier Factor (Breunig et al. 2000) among each home's daily profiles; its mean logarithm compared in the same way."""
    from sklearn.neighbors import LocalOutlierFactor
    from threadpoolctl import threadpool_limits

    def strangeness(profiles: np.ndarray) -> np.ndarray:
        model = LocalOutlierFactor(n_neighbors=min(NEIGHBOURS, max(len(profiles) // 2, 1))).fit(profiles)
        return np.log(-model.negative_outlier_factor_)

    # Of a hundred points, threads cost more than they save. Days that are alike to the last Wh, as of a meter that stands still, are no mistake.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Duplicate values", category=UserWarning)
        return _per_home(history, strangeness)


def z_score(history: FleetHistory) -> np.ndarray:
    """Mean |z| of the daily energy of the last weeks, by mean and deviation of the same type of day before."""
    wh = daily_wh(history)
    recent = recent_days(history.days)
    earlier, earlier_types = wh[: history.days - recent], history.day_types[: history.days - recent]
    found = np.full((recent, history.meters), np.nan)
    overall = _mean_and_deviation(earlier)
    for day_type in np.unique(history.day_types[history.days - recent :]):
        of_type = _mean_and_deviation(earlier[earlier_types == day_type])
        mean, deviation = (np.where(np.isnan(own), every, own) for own, every in zip(of_type, overall, strict=True))
        days = history.day_types[history.days - recent :] == day_type
        found[days] = np.abs(wh[history.days - recent :][days] - mean) / np.maximum(deviation, FLOOR_WH)
    return mean_over_days(found)


def level_drop(history: FleetHistory) -> np.ndarray:
    """How far the daily energy fell: −log(last weeks / weeks before), less the median of the meter's class."""
    wh = daily_wh(history)
    recent = recent_days(history.days)
    before, now = mean_over_days(wh[: history.days - recent]), mean_over_days(wh[history.days - recent :])
    drop = -np.log((now + FLOOR_WH) / (before + FLOOR_WH))
    for number in np.unique(history.customer_class):
        of = (history.customer_class == number) & ~np.isnan(drop)
        drop[of] -= np.median(drop[of]) if of.any() else 0.0
    return drop


def _per_home(history: FleetHistory, strangeness: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """|mean over recent points − mean over earlier ones| of `strangeness(profiles [points, features])`, by home.

    NaN where there are too few of either.
    """
    found = np.full(history.meters, np.nan)
    points, recent = profiles(history)
    is_known = ~np.isnan(points).any(axis=2)
    is_recent = np.arange(len(points)) >= len(points) - recent
    for meter in range(history.meters):
        known = is_known[:, meter]
        late = is_recent[known]
        if late.sum() and (~late).sum() >= LEAST_POINTS:
            strange = strangeness(points[known, meter])
            found[meter] = abs(strange[late].mean() - strange[~late].mean())
    return found


def _mean_and_deviation(wh: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Over days, each float64 [meters]; NaN where fewer than two are known."""
    mean = mean_over_days(wh)
    count = (~np.isnan(wh)).sum(axis=0)
    squares = np.nansum((wh - mean) ** 2, axis=0)
    deviation = np.sqrt(squares / np.maximum(count - 1, 1))
    return np.where(count > 1, mean, np.nan), np.where(count > 1, deviation, np.nan)
