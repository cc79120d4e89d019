"""How well a load was forecast: size of the error and its lean.

What belongs here: measures of a forecast against what came. What does not: choosing what is compared (outages are left out before).

Loads and forecasts are float64 arrays of one shape, NaN where a load was not read; a measure leaves those out, and loads of nothing.
"""

from __future__ import annotations

import numpy as np


def mape_pct(forecast: np.ndarray, actual: np.ndarray) -> float:
    """Mean absolute percentage error (Hyndman and Koehler 2006, Another look at measures of forecast accuracy)."""
    is_known = _is_known(forecast, actual)
    return float(100 * np.mean(np.abs(forecast[is_known] / actual[is_known] - 1))) if is_known.any() else np.nan


def bias_pct(forecast: np.ndarray, actual: np.ndarray) -> float:
    """Energy that was forecast too much, as a percentage of what came; below zero where it was too little."""
    is_known = _is_known(forecast, actual)
    return float(100 * (forecast[is_known].sum() / actual[is_known].sum() - 1)) if is_known.any() else np.nan


def weighted_pct(forecast: np.ndarray, actual: np.ndarray) -> float:
    """Absolute error as a percentage of the energy that came (WAPE): small loads weigh as little as they are."""
    is_known = _is_known(forecast, actual)
    error = np.abs(forecast[is_known] - actual[is_known]).sum()
    return float(100 * error / actual[is_known].sum()) if is_known.any() else np.nan


def _is_known(forecast: np.ndarray, actual: np.ndarray) -> np.ndarray:
    return ~np.isnan(forecast) & (actual > 0)
