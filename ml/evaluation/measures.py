"""How good an order of meters is: the measures of PROTOCOL.md as small functions on arrays.

What belongs here: measures, and how sure they are. What does not: scores, fleets and their truth, tables of results.

Arrays are [meters] over all fleets of a set, one after the other; `fleet` int says whose each meter is, `is_theft` bool who steals. A score
that a method could not give is NaN and ranks lowest. Meters that are not to be judged are taken out before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

REPETITIONS = 1000
CHUNK_WEIGHTS = 4_000_000
"""Weights held at once, so that the bootstrap's memory does not grow with meters."""

Weighed = Callable[[np.ndarray], np.ndarray]
"""From weights float64 [repetitions, meters] to a measure of each repetition, [repetitions]."""


@dataclass(frozen=True)
class Interval:
    """A measure, and the 95 % of its bootstrap unless told otherwise; NaN where it is not defined."""

    value: float
    low: float
    high: float


def fleet_ranks(scores: np.ndarray, fleet: np.ndarray) -> np.ndarray:
    """Mean rank of each meter within its fleet over the fleet's size, float64 in (0, 1]; the most suspicious near 1, NaN lowest."""
    from scipy.stats import rankdata

    filled = _lowest(scores)
    ranks = np.empty(len(filled))
    for number in np.unique(fleet):
        of = fleet == number
        ranks[of] = rankdata(filled[of]) / of.sum()
    return ranks


def roc_auc(is_theft: np.ndarray, ranks: np.ndarray) -> float:
    """Chance that a thief stands before an honest meter, ties counting half; NaN without either."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(is_theft, ranks)) if is_theft.any() and not is_theft.all() else np.nan


def average_precision(is_theft: np.ndarray, ranks: np.ndarray) -> float:
    """Area below precision over recall, as steps; NaN without thieves."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(is_theft, ranks)) if is_theft.any() else np.nan


def visited(scores: np.ndarray, fleet: np.ndarray, share: float) -> np.ndarray:
    """Chance that a meter is among the first `share` of its fleet's, float64 in [0, 1]; at least one meter of each fleet is.

    Meters that tie at the edge share the visits that are left: what a draw among them would come to on average.
    """
    filled = _lowest(scores)
    chance = np.zeros(len(filled))
    for number in np.unique(fleet):
        of = np.flatnonzero(fleet == number)
        visits = max(round(share * len(of)), 1)
        edge = np.sort(filled[of])[-visits]
        above, at = of[filled[of] > edge], of[filled[of] == edge]
        chance[above] = 1.0
        chance[at] = (visits - len(above)) / len(at)
    return chance


def precision(is_theft: np.ndarray, chance: np.ndarray) -> float:
    """Thieves among the visits that `visited` gave, over all fleets; NaN without visits."""
    return _share(float(chance[is_theft].sum()), float(chance.sum()))


def auc_by_attack(kind: np.ndarray, is_theft: np.ndarray, ranks: np.ndarray) -> dict[str, tuple[int, float]]:
    """Of each attack: how many thieves, and the ROC-AUC of these against all honest meters."""
    found = {}
    for name in sorted(set(kind[is_theft])):
        of = ~is_theft | (kind == name)
        found[name] = int((is_theft & (kind == name)).sum()), roc_auc(is_theft[of], ranks[of])
    return found


@dataclass(frozen=True)
class LookAlike:
    """Honest meters of one kind: how many, the share of them that is visited, and their share of the visits."""

    meters: int
    visited_share: float
    share_of_visits: float


def look_alikes(kind: np.ndarray, is_theft: np.ndarray, chance: np.ndarray) -> dict[str, LookAlike]:
    """By kind, the honest without any included; `chance` as `visited` gave it."""
    found = {}
    for name in sorted(set(kind[~is_theft])):
        of = ~is_theft & (kind == name)
        seen = float(chance[of].sum())
        found[name] = LookAlike(int(of.sum()), seen / of.sum(), _share(seen, float(chance.sum())))
    return found


def onset_error_days(estimated: np.ndarray, true: np.ndarray, chosen: np.ndarray) -> float:
    """Median of days between estimated and true onset, of `chosen` (bool) whose onset lies within the days read (0 or later).

    NaN without any; a thief without an estimate is left out.
    """
    error = np.abs(estimated - true)[chosen & (true >= 0)]
    return float(np.median(error[~np.isnan(error)])) if (~np.isnan(error)).any() else np.nan


@dataclass(frozen=True)
class EnergyError:
    """Of stolen energy: sum of |estimated − true| over the sum of true, and sum of (estimated − true) over it."""

    error_share: float
    bias_share: float


def stolen_error(estimated_wh: np.ndarray, true_wh: np.ndarray, chosen: np.ndarray) -> EnergyError:
    """Of `chosen` (bool) that have an estimate; NaN where these stole nothing."""
    of = chosen & ~np.isnan(estimated_wh)
    apart, true = estimated_wh[of] - true_wh[of], float(true_wh[of].sum())
    return EnergyError(_share(float(np.abs(apart).sum()), true), _share(float(apart.sum()), true))


def money_share(order: np.ndarray, recoverable_wh: np.ndarray, fleet: np.ndarray, share: float) -> float:
    """Recoverable energy found with visits to `share` of each fleet in this order, over that of the best possible choice."""
    best = float((visited(recoverable_wh, fleet, share) * recoverable_wh).sum())
    return _share(float((visited(order, fleet, share) * recoverable_wh).sum()), best)


def bootstrap(
    measure: Weighed,
    customer: np.ndarray,
    *,
    value: float,
    repetitions: int = REPETITIONS,
    coverage: float = 0.95,
    seed: int = 1,
) -> Interval:
    """Interval of a measure, `coverage` of it, over customers drawn with replacement (Efron and Tibshirani 1993, percentile method).

    A customer that is drawn twice counts twice with all of its meters, in whichever fleets. Orders and visits stay as they were;
    repetitions in which the measure is not defined are left out.
    """
    customers, of = np.unique(customer, return_inverse=True)
    rng = np.random.default_rng(seed)
    at_once = max(CHUNK_WEIGHTS // max(len(of), 1), 1)
    found = []
    for start in range(0, repetitions, at_once):
        rows = min(at_once, repetitions - start)
        drawn = np.stack(
            [
                np.bincount(rng.integers(0, len(customers), len(customers)), minlength=len(customers))
                for _ in range(rows)
            ]
        )
        found.append(measure(drawn[:, of].astype(np.float64)))
    known = np.concatenate(found)
    known = known[~np.isnan(known)]
    low, high = np.quantile(known, ((1 - coverage) / 2, (1 + coverage) / 2)) if len(known) else (np.nan, np.nan)
    return Interval(value, float(low), float(high))


def weighed_roc_auc(is_theft: np.ndarray, ranks: np.ndarray) -> Weighed:
    """`roc_auc` of weighted meters, for the bootstrap."""
    order, first = _groups(ranks)

    def measure(weights: np.ndarray) -> np.ndarray:
        thieves, honest = _by_group(weights, is_theft, order, first)
        before = np.cumsum(honest, axis=1) - 0.5 * honest
        return _shares((thieves * before).sum(axis=1), thieves.sum(axis=1) * honest.sum(axis=1))

    return measure


def weighed_average_precision(is_theft: np.ndarray, ranks: np.ndarray) -> Weighed:
    """`average_precision` of weighted meters, for the bootstrap."""
    order, first = _groups(-ranks)

    def measure(weights: np.ndarray) -> np.ndarray:
        thieves, honest = _by_group(weights, is_theft, order, first)
        so_far = np.cumsum(thieves, axis=1)
        each = so_far / np.maximum(so_far + np.cumsum(honest, axis=1), 1e-12)
        return _shares((thieves * each).sum(axis=1), thieves.sum(axis=1))

    return measure


def weighed_precision(is_theft: np.ndarray, chance: np.ndarray) -> Weighed:
    """`precision` of weighted meters, for the bootstrap; who is visited stays."""
    return lambda weights: _shares(weights @ (chance * is_theft), weights @ chance)


def headline(
    scores: np.ndarray, is_theft: np.ndarray, fleet: np.ndarray, customer: np.ndarray, shares: tuple[float, ...]
) -> Mapping[str, Interval]:
    """ROC-AUC, PR-AUC, and precision in the first `shares` of each fleet, with their intervals."""
    ranks = fleet_ranks(scores, fleet)
    found = {
        "roc_auc": bootstrap(weighed_roc_auc(is_theft, ranks), customer, value=roc_auc(is_theft, ranks)),
        "pr_auc": bootstrap(
            weighed_average_precision(is_theft, ranks), customer, value=average_precision(is_theft, ranks)
        ),
    }
    for share in shares:
        chance = visited(scores, fleet, share)
        found[f"precision_{share:g}"] = bootstrap(
            weighed_precision(is_theft, chance), customer, value=precision(is_theft, chance)
        )
    return found


def _lowest(scores: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(scores), -np.inf, scores)


def _groups(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An order by value, and where each group of equal values begins in it."""
    order = np.argsort(values, kind="stable")
    is_new = np.diff(values[order], prepend=np.nan) != 0
    return order, np.flatnonzero(is_new)


def _by_group(
    weights: np.ndarray, is_theft: np.ndarray, order: np.ndarray, first: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weight of thieves and of honest meters in each group, [repetitions, groups]."""
    ordered, stole = weights[:, order], is_theft[order]
    return np.add.reduceat(ordered * stole, first, axis=1), np.add.reduceat(ordered * ~stole, first, axis=1)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else np.nan


def _shares(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
