"""Champion and challenger: what inspections taught is used where it has proved better than what stood before, and not sooner.

What belongs here: judging a ranker on visits that it did not learn from, and deciding. What does not: fitting one (learnt.py), which visits were known
when (the caller).

The challenger learns from the earlier visits and is judged on the last quarter of them in time, beside the unsupervised score. The champion was fitted
on all visits of its day: beside it, only visits since then count, so that neither side knows an answer. A meter is on one side only.
A challenger that wins is fitted again on all visits.

Average precision is over visited meters. Most were chosen by the score that stands, which therefore has less left to tell among them: a gain there is larger
than the gain in the fleet (benchmarks/THEFT_LABELS.md has both), and is a reason to try, not a measure of detection. Weighing the few random visits up, as
fitting does, left the gain where it was and hid what they are too few to show.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np

from ml.evaluation.measures import Interval, average_precision, bootstrap, weighed_average_precision
from ml.theft.learnt import Learnt, Visits, fit
from ml.theft.lookbacks import LABEL_DAYS

LEAST_LABELS = 200
"""Meters found stealing; the setting least_theft_labels says otherwise."""
LATER_SHARE = 0.25
LEAST_JUDGED = 20
"""Of either outcome: with fewer, a gain is chance."""
COVERAGE = 0.99
"""Weekly a challenger is judged anew on much the same visits: at 95 % one of many looks would win by chance."""

TOO_FEW_LABELS, NOT_BETTER, KEPT, STAYS, DROPPED = (
    "too_few_labels",
    "not_better",
    "kept",
    "champion_stays",
    "champion_dropped",
)
DECISIONS = (TOO_FEW_LABELS, NOT_BETTER, KEPT, STAYS, DROPPED)


@dataclass(frozen=True)
class Match:
    """Two orders of the same later visits: average precision of each, and the gain of the first with its interval."""

    theft: int
    clean: int
    precision: float
    other_precision: float
    gain: Interval

    @property
    def is_won(self) -> bool:
        return self.gain.low > 0

    @property
    def is_lost(self) -> bool:
        return self.gain.high < 0


@dataclass(frozen=True)
class Decision:
    """What a week came to, and why. `decision` is one of DECISIONS; matches are None where they were not played.

    `beside_unsupervised` and `beside_champion` are the challenger's. `ranker` is the challenger fitted on all visits where it was kept, else None:
    STAYS goes on with the champion, the others with the unsupervised score.
    """

    decision: str
    reason: str
    theft: int
    clean: int
    judged_from: date | None = None
    beside_unsupervised: Match | None = None
    beside_champion: Match | None = None
    ranker: Learnt | None = field(default=None, compare=False)


def decide(visits: Visits, champion: Learnt | None, *, until: date, least_labels: int = LEAST_LABELS) -> Decision:
    """Who scores from `until` on, taught by the LABEL_DAYS before. Visits of that day and later are not read, whatever `visits` holds."""
    ago = (np.datetime64(until, "D") - visits.day).astype(int)
    visits = visits.of((ago > 0) & (ago <= LABEL_DAYS)).in_order()
    if visits.theft < least_labels:
        return too_few(visits.theft, visits.clean, has_champion=champion is not None, least_labels=least_labels)
    counts: dict[str, Any] = {"theft": visits.theft, "clean": visits.clean}
    first_judged = np.quantile(visits.day.astype(int), 1 - LATER_SHARE, method="higher").astype("datetime64[D]")
    later = visits.of(visits.day >= first_judged)
    earlier = visits.of((visits.day < first_judged) & ~np.isin(visits.meter, later.meter))
    if min(earlier.theft, earlier.clean, later.theft, later.clean) < LEAST_JUDGED:
        return Decision(
            TOO_FEW_LABELS if champion is None else STAYS,
            f"{LEAST_JUDGED} visits of either outcome are needed before and from {first_judged} on, there are {earlier.theft} and"
            f" {later.theft} that found theft, {earlier.clean} and {later.clean} that found none",
            **counts,
        )
    challenger = fit(earlier, until=first_judged.item())
    beside_unsupervised = match(later, challenger.log_odds(later.seen), later.score)
    known = counts | {"judged_from": first_judged.item(), "beside_unsupervised": beside_unsupervised}
    if champion is None:
        return _kept_or(NOT_BETTER, beside_unsupervised, "the unsupervised score", visits, until, known)
    before = visits.meter[visits.day < np.datetime64(champion.until, "D")]
    new = later.of((later.day >= np.datetime64(champion.until, "D")) & ~np.isin(later.meter, before))
    if min(new.theft, new.clean) < LEAST_JUDGED:
        reason = (
            f"{new.theft} visits since the champion was fitted found theft and {new.clean} none, {LEAST_JUDGED} needed"
        )
        return Decision(STAYS, reason, **known)
    by_champion = champion.log_odds(new.seen)
    if (own := match(new, by_champion, new.score)).is_lost:
        return Decision(DROPPED, f"the champion is worse than the unsupervised score: {_told(own)}", **known)
    beside_champion = match(new, challenger.log_odds(new.seen), by_champion)
    known |= {"beside_champion": beside_champion}
    if not beside_unsupervised.is_won:
        return Decision(STAYS, f"not better than the unsupervised score: {_told(beside_unsupervised)}", **known)
    return _kept_or(STAYS, beside_champion, "the champion", visits, until, known)


def too_few(theft: int, clean: int, *, has_champion: bool, least_labels: int) -> Decision:
    """What a week comes to whose visits are not worth reading."""
    reason = f"{theft} visits found theft, {least_labels} needed (ENERGY_LEAST_THEFT_LABELS)"
    return Decision(STAYS if has_champion else TOO_FEW_LABELS, reason, theft, clean)


def match(visits: Visits, log_odds: np.ndarray, other: np.ndarray) -> Match:
    """Two orders of `visits`, float64 [visits] each; the interval of the gain by bootstrap over meters, COVERAGE of it."""
    mine, others = (weighed_average_precision(visits.is_theft, order) for order in (log_odds, other))
    precision, other_precision = (average_precision(visits.is_theft, order) for order in (log_odds, other))
    gain = bootstrap(
        lambda drawn: mine(drawn) - others(drawn),
        visits.meter,
        value=precision - other_precision,
        coverage=COVERAGE,
    )
    return Match(visits.theft, visits.clean, precision, other_precision, gain)


def _kept_or(
    otherwise: str, decisive: Match, beside: str, visits: Visits, until: date, known: dict[str, Any]
) -> Decision:
    if decisive.is_won:
        return Decision(KEPT, f"better than {beside}: {_told(decisive)}", **known, ranker=fit(visits, until=until))
    return Decision(otherwise, f"not better than {beside}: {_told(decisive)}", **known)


def _told(of: Match) -> str:
    return (
        f"average precision {of.precision:.3f} beside {of.other_precision:.3f}, {COVERAGE:.0%} of the gain between"
        f" {of.gain.low:+.3f} and {of.gain.high:+.3f}"
    )
