"""A meter's level beside that of the same weeks a year before: where the season is the same, what is left is the customer, or the meter.

What belongs here: this ratio. What does not: where the days come from, what else changed (changes.py).

What is expected of a month is the same month of the year before (Di Martino, Decia, Molinelli and Fernández, "Improving Electric Fraud Detection Using
Class Imbalance Strategies", ICPRAM 2012). The two years differ in weather and prices as well, but for the whole fleet alike: what its median
meter did is taken out. Weeks, not dates, are compared: weekends stand against weekends.
"""

from __future__ import annotations

import numpy as np

from ml.theft import known
from ml.theft.lookbacks import LEAST_METERS

LEAST_SEASON_DAYS = 14
"""Of the four weeks of either year."""
SEASON_FLOOR_WH = 200.0
"""A day's energy that is added to both levels: an empty home in either year is not infinitely far from the other."""


def season_wh(daily_wh: np.ndarray) -> np.ndarray:
    """Mean energy of a day, float64 [meters], of `daily_wh` [days, meters]; NaN where fewer than LEAST_SEASON_DAYS are known."""
    return np.where((~np.isnan(daily_wh)).sum(axis=0) >= LEAST_SEASON_DAYS, known.mean(daily_wh, 0), np.nan)


def year_ratio(now_wh: np.ndarray, year_ago_wh: np.ndarray) -> np.ndarray:
    """Logarithm of each meter's level over that of a year before, float64 [meters], of what season_wh says of either; NaN where one is not known."""
    return np.log((now_wh + SEASON_FLOOR_WH) / (year_ago_wh + SEASON_FLOOR_WH))


def same_season(now_wh: np.ndarray, year_ago_wh: np.ndarray) -> np.ndarray:
    """year_ratio less the median meter's, float64 [meters]; NaN where it is not known of LEAST_METERS."""
    ratio = year_ratio(now_wh, year_ago_wh)
    if (~np.isnan(ratio)).sum() < LEAST_METERS:
        return np.full(len(ratio), np.nan)
    return ratio - known.median(ratio, 0)
