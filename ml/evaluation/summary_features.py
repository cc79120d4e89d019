"""A plain description of each meter's daily energy: what a supervised ranker without knowledge of theft would be given.

What belongs here: statistics of a whole history of daily energy, of any length. What does not: evidence of theft (ml/theft).
"""

from __future__ import annotations

import numpy as np

from ml.evaluation.supervised import Evidence
from ml.evaluation.windows import daily_wh, recent_days
from ml.theft.history import FleetHistory

PARTS = 8
"""Equal stretches of the history, whose mean levels follow each other."""
NEXT_TO_NOTHING = 0.02
"""Of a meter's own mean: a day below it counts as a day without use."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


def summary_features(history: FleetHistory) -> Evidence:
    """Level, spread, quantiles, days without use, change over the history, and gaps, of all days of the history."""
    wh = daily_wh(history)
    recent = recent_days(history.days)
    has = ~np.isnan(wh)
    mean = _mean(wh)
    relative = wh / np.where(mean > 0, mean, np.nan)
    difference = np.diff(relative, axis=0)
    columns = {"mean_wh": mean, "deviation": _deviation(relative), "step_deviation": _deviation(difference)}
    columns |= {
        f"quantile_{share:g}": values for share, values in zip(QUANTILES, _quantiles(relative, QUANTILES), strict=True)
    }
    columns["days_without_use"] = _mean(np.where(has, wh <= NEXT_TO_NOTHING * mean, np.nan))
    columns["deepest_fall"], columns["highest_rise"] = _extremes(relative)
    parts = np.array_split(relative, min(PARTS, history.days))
    columns |= {f"level_{number}": _mean(part) for number, part in enumerate(parts)}
    columns["recent_level"] = _mean(relative[history.days - recent :])
    columns["weekend_level"] = (
        _mean(relative[history.day_types > 0]) if (history.day_types > 0).any() else mean * np.nan
    )
    gaps = {
        "missing_share": 1 - has.mean(axis=0),
        "recent_missing_share": 1 - has[history.days - recent :].mean(axis=0),
    }
    gaps["gaps"] = (np.diff(has.astype(np.int8), axis=0) < 0).sum(axis=0)
    values = np.stack([*columns.values(), *gaps.values()], axis=1).astype(np.float64)
    return Evidence(values, (*columns, *gaps), np.arange(values.shape[1]) >= len(columns))


def _mean(values: np.ndarray) -> np.ndarray:
    """Over days of what is known, NaN where nothing is."""
    has = ~np.isnan(values)
    count = has.sum(axis=0)
    return np.where(count, np.where(has, values, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)


def _deviation(values: np.ndarray) -> np.ndarray:
    return np.sqrt(_mean((values - _mean(values)) ** 2))


def _quantiles(values: np.ndarray, shares: tuple[float, ...]) -> np.ndarray:
    """Over days of what is known, float64 [shares, meters]: by sorting, which puts NaN last."""
    ordered = np.sort(values, axis=0)
    count = (~np.isnan(values)).sum(axis=0)
    at = np.round(np.array(shares)[:, None] * np.maximum(count - 1, 0)).astype(int)
    return np.where(count, np.take_along_axis(ordered, at, axis=0), np.nan)


def _extremes(relative: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest difference of mean level between the days after and before any of 15 days, [meters] each."""
    edges = np.unique(np.linspace(0, len(relative), 17).astype(int)[1:-1])
    edges = edges[edges > 0]
    if not len(edges):
        nothing = np.full(relative.shape[1], np.nan)
        return nothing, nothing
    steps = np.stack([_mean(relative[edge:]) - _mean(relative[:edge]) for edge in edges])
    known = np.where(np.isnan(steps), 0.0, steps)
    return known.min(axis=0), known.max(axis=0)
