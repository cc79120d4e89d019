"""All methods on one fleet whose thieves are known, beside each other.

What belongs here: running them, and the table. What does not: where the fleet comes from; methods (methods.py); measures (measures.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ml.evaluation import measures
from ml.evaluation.measures import Interval
from ml.evaluation.methods import METHODS, NEED_BALANCE, SUPERVISED, verdict
from ml.evaluation.supervised import out_of_fold_scores
from ml.evaluation.verdicts import Verdict
from ml.theft.history import FleetHistory

SHARES = (0.01, 0.05)
ONSET_SHARE = 0.05
MOST_METERS = {"Isolation Forest per home": 5000}
"""Of slow methods: some 40 meters a second."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """Truth of a fleet, [meters] each: `is_theft` bool, `is_judged` bool (labelled), `customer` int, `onset` float days or NaN."""

    is_theft: np.ndarray
    is_judged: np.ndarray
    customer: np.ndarray
    onset: np.ndarray


@dataclass(frozen=True)
class Row:
    """What a method comes to. `why_not` says why there is nothing."""

    method: str
    learns: bool
    measured: Mapping[str, Interval]
    """`roc_auc`, `pr_auc`, `precision_0.01`, `precision_0.05`."""
    scored_share: float = 0.0
    onset_error_days: float = np.nan
    seconds: float = 0.0
    why_not: str = ""


def evaluate(
    history: FleetHistory, truth: Labelled, *, every_method: bool = False, say: Callable[[str], None] = lambda _: None
) -> Iterator[Row]:
    """A row for each method, as each ends; `every_method` runs also those that take long."""
    for name, method in METHODS.items():
        if name in NEED_BALANCE and history.lost_wh is None:
            yield Row(name, False, {}, why_not="needs transformers' readings")
        elif not every_method and history.meters > MOST_METERS.get(name, history.meters):
            yield Row(name, False, {}, why_not=f"takes long with more than {MOST_METERS[name]:,} meters")
        else:
            say(f"{name} …")
            started = time.perf_counter()
            said = verdict(method, history)
            yield _row(name, said, truth, time.perf_counter() - started)
    for name, gathered in SUPERVISED.items():
        say(f"{name}, cross-validated by customer …")
        started = time.perf_counter()
        evidence = gathered(history)
        took = time.perf_counter() - started
        variants = {name: evidence}
        if evidence.of_missingness.any():
            variants[f"{name}, without missingness"] = evidence.without_missingness()
        for variant, known in variants.items():
            yield _learnt(variant, known.values, truth, took)


def _learnt(name: str, values: np.ndarray, truth: Labelled, took: float) -> Row:
    of = truth.is_judged
    scores = np.full(len(values), np.nan)
    started = time.perf_counter()
    try:
        scores[of] = out_of_fold_scores(values[of], truth.is_theft[of], truth.customer[of])
    except ValueError as error:
        return Row(name, True, {}, why_not=str(error))
    return _row(name, Verdict(scores), truth, took + time.perf_counter() - started, learns=True)


def _row(name: str, said: Verdict, truth: Labelled, seconds: float, *, learns: bool = False) -> Row:
    of = truth.is_judged
    scores, fleet = said.scores[of], np.zeros(of.sum(), dtype=int)
    measured = measures.headline(scores, truth.is_theft[of], fleet, truth.customer[of], SHARES)
    onset_error = np.nan
    if said.onset is not None:
        first = measures.visited(scores, fleet, ONSET_SHARE) > 0
        onset_error = measures.onset_error_days(said.onset[of], truth.onset[of], first & truth.is_theft[of])
    return Row(name, learns, measured, float((~np.isnan(scores)).mean()), onset_error, seconds)
