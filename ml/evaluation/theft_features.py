"""Evidence of theft as features of a ranker that learns from a utility's own labels.

What belongs here: one row for each meter, whatever the history's length. What does not: evidence (ml/theft), which ranker learns (supervised.py).
"""

from __future__ import annotations

import numpy as np

from ml.evaluation.summary_features import summary_features
from ml.evaluation.supervised import Evidence
from ml.evaluation.theft_windows import windows
from ml.evaluation.windows import daily_wh, mean_over_days
from ml.theft.history import FleetHistory
from ml.theft.lookbacks import SEASON_DAYS, YEAR_DAYS
from ml.theft.ranker import columns, matrix
from ml.theft.season import same_season, season_wh

LEAST_YEAR_DAYS = 400


def theft_features(history: FleetHistory) -> Evidence:
    """The rankers' matrix of the last window, and how many of its last days were known, which is of missingness.

    Of several windows also the maximum and the mean of each column, the level year on year, and the features of the summary, which tell of the
    whole history. Of one window the summary was left out: on the developed half it made two sets of three worse, if only by chance.
    """
    gathered = windows(history)
    has_balance = not np.isnan(gathered[0].evidence["balance_gain"]).all()
    names = columns(has_balance)
    seen = [matrix(window.evidence.values, with_balance=has_balance) for window in gathered]
    found = dict(zip(names, seen[0].T, strict=True))
    if len(seen) > 1:
        most, total = seen[0].copy(), seen[0].copy()
        for one in seen[1:]:
            np.maximum(most, one, out=most)
            total += one
        found |= {f"{name}_most": values for name, values in zip(names, most.T, strict=True)}
        found |= {f"{name}_mean": values for name, values in zip(names, total.T / len(seen), strict=True)}
    if history.days >= LEAST_YEAR_DAYS:
        found |= year_on_year(daily_wh(history))
    gaps = {"known_days": gathered[0].evidence.known_days.astype(np.float64)}
    values = np.column_stack([*found.values(), *gaps.values()])
    of_missingness = np.arange(values.shape[1]) >= len(found)
    if len(gathered) == 1:
        return Evidence(values, (*found, *gaps), of_missingness)
    summary = summary_features(history)
    return Evidence(
        np.column_stack([values, summary.values]),
        (*found, *gaps, *summary.names),
        np.concatenate([of_missingness, summary.of_missingness]),
    )


def year_on_year(wh: np.ndarray) -> dict[str, np.ndarray]:
    """Of `wh` [days, meters]: same_season (ml/theft/season.py).

    Of the last weeks, and the least and the mean of all stretches of four weeks that have a year before them, float64 [meters] each.
    """
    ratios = []
    for end in range(len(wh), YEAR_DAYS + SEASON_DAYS - 1, -SEASON_DAYS):
        now, before = (season_wh(wh[at - SEASON_DAYS : at]) for at in (end, end - YEAR_DAYS))
        ratios.append(same_season(now, before))
    stacked = np.stack(ratios)
    is_known = ~np.isnan(stacked).all(axis=0)
    least = np.where(is_known, np.where(np.isnan(stacked), np.inf, stacked).min(axis=0), np.nan)
    return {"year_ratio": stacked[0], "year_ratio_least": least, "year_ratio_mean": mean_over_days(stacked)}
