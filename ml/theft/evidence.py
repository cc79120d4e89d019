"""Evidence of theft at one meter: numbers that a person can check, each of one family.

What belongs here: which numbers there are, and putting the families together. What does not: how each is computed (changes.py, state.py,
misplaced.py, explain.py), what score follows (scores.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ml.theft.changes import Changes, changes, series_of
from ml.theft.explain import Explanation, explain
from ml.theft.history import FleetHistory
from ml.theft.misplaced import placed
from ml.theft.state import RECENT_DAYS, correlation, mean_blocks, state
from ml.theft.traits import BLOCKS, TRAITS

LOOKBACK_DAYS = 112
"""Days of traits that evidence reads, the scored day included: four months, so that most onsets of interest have a stretch before them."""
BALANCE_DAYS = 56
"""Days of intervals that explanations read: eight weeks tell as much as sixteen (benchmarks/DETECTION.md), at half the cost."""
ZERO_SHARE = 0.9
"""A meter whose median day is at zero for so much of it tells nothing of what its customer would draw."""
LEAST_CLASS = 5
FLOOR_WH = 200.0
"""A day's energy that is added to a meter's own, so that a share of nearly nothing is not large."""


@dataclass(frozen=True)
class Piece:
    """One number of evidence. `sign` is +1 where more is more suspicious, −1 where less is."""

    name: str
    family: str
    sign: int
    description: str


PIECES: tuple[Piece, ...] = (
    Piece("drop_t", "history", -1, "Statistic of the strongest fall of the level"),
    Piece("drop", "history", -1, "That fall: logarithm of the level after over before"),
    Piece("joint_change", "history", 1, "Joint statistic of all series where together they changed most"),
    Piece("level_t", "history", -1, "Statistic of the level there"),
    Piece("base_t", "history", -1, "Statistic of the lowest tenth of the day there"),
    Piece("low_t", "history", -1, "Statistic of the lower quartile there"),
    Piece("middle_t", "history", -1, "Statistic of the median interval there"),
    Piece("peak_t", "history", -1, "Statistic of the highest interval there"),
    Piece("zero_t", "history", 1, "Statistic of the share of intervals at zero there"),
    Piece("spread_t", "history", 1, "Statistic of the day's variability there"),
    Piece("step_t", "history", 1, "Statistic of the steps between intervals there"),
    Piece("bend_t", "history", 1, "Statistic of the roughness of the course there"),
    Piece("night_t", "history", -1, "Statistic of the share of the first six hours there"),
    Piece("evening_t", "history", -1, "Statistic of the share of the evening there"),
    Piece("profile_likeness", "history", -1, "Correlation of the mean days before and after"),
    Piece("profile_reversal", "history", 1, "The same with the day after reversed, less that"),
    Piece("recent_trend", "history", -1, "Level of the last two weeks less that of the four before"),
    Piece("day_spread", "history", 1, "Standard deviation of the daily level lately"),
    Piece("low_days", "history", 1, "Share of days lately below a twentieth of the usual"),
    Piece("zero_share", "peers", 1, "Share of intervals at zero"),
    Piece("plateau_share", "peers", 1, "Share of intervals at the day's maximum"),
    Piece("equal_share", "peers", 1, "Share of intervals equal to the one before"),
    Piece("base_ratio", "peers", -1, "Logarithm of the lowest tenth over the mean"),
    Piece("peak_ratio", "peers", -1, "Logarithm of the maximum over the mean"),
    Piece("spread_ratio", "peers", -1, "Logarithm of the day's standard deviation over its mean"),
    Piece("step_ratio", "peers", 1, "Logarithm of the mean step over the mean"),
    Piece("weekend_ratio", "peers", -1, "Logarithm of weekends over workdays"),
    Piece("class_likeness", "peers", -1, "Correlation of the mean day with the class's"),
    Piece("reversed_likeness", "peers", 1, "The same with the class's day reversed, less that"),
    Piece("nothing_reported", "peers", 1, "1 where the meter reports nothing at all lately"),
    Piece("balance_gain", "balance", 1, "Logarithm of how many mean squares worse the transformer's loss is explained without the meter"),
    Piece("balance_share", "balance", 1, "Root of the share of the squared loss that the meter alone explains"),
    Piece("stolen_share", "balance", 1, "Explained energy over it and what is reported"),
)
"""All evidence, in the order of its columns."""
NAMES = tuple(piece.name for piece in PIECES)
FAMILIES = tuple(dict.fromkeys(piece.family for piece in PIECES))


@dataclass(frozen=True, eq=False)
class Evidence:
    """Evidence of a fleet's meters, with what a reader needs to understand it. Arrays are [meters]; days are indices of the traits' days.

    `values` is float64 [meters, PIECES], NaN where not known (all of the balance's without one). `known_days` of the last RECENT_DAYS;
    `before_w` and `after_w` mean powers before and from the day of the strongest fall on, `fleet_change` what the fleet's median meter did then
    (ratio less 1); all NaN where there was no fall. `reported_wh` a day lately. `explanation` is None without a balance; `moved` are
    meters that the register has behind the wrong transformer.
    """

    values: np.ndarray
    changes: Changes
    known_days: np.ndarray
    before_w: np.ndarray
    after_w: np.ndarray
    fleet_change: np.ndarray
    reported_wh: np.ndarray
    explanation: Explanation | None
    moved: np.ndarray
    explained_from_day: int
    """Day of the traits that is the explanation's day 0."""

    def __getitem__(self, name: str) -> np.ndarray:
        return self.values[:, NAMES.index(name)]


def evidence(history: FleetHistory, traits: np.ndarray) -> Evidence:
    """Evidence on the last day of `history`, of `traits` [days, meters, TRAITS], which may begin earlier and end on the same day."""
    types = history.day_types
    if len(types) != len(traits):
        raise ValueError(f"{len(traits)} days of traits need as many day types, not {len(types)}")
    series = series_of(traits, types)
    found = changes(series)
    beside = state(traits, series["level"], types, history.customer_class)
    explained, moved = _explained(history.last(BALANCE_DAYS), traits, found, history.customer_class)
    columns = {
        "drop_t": found.drop_t,
        "drop": found.drop,
        "joint_change": found.joint,
        **{f"{name}_t": values for name, values in found.t.items()},
        **_profiles(traits, found.onset_day),
        **beside,
        "nothing_reported": np.where(np.isnan(beside["zero_share"]), np.nan, _is_silent(traits).astype(float)),
        **_of_balance(explained, _reported_wh(traits[:, :, TRAITS.index("mean_w")].astype(np.float64))),
    }
    mean_w = traits[:, :, TRAITS.index("mean_w")].astype(np.float64)
    before, after = _means_around(mean_w, found.drop_day)
    return Evidence(
        np.column_stack([columns[name] for name in NAMES]),
        found,
        (~np.isnan(mean_w[-RECENT_DAYS:])).sum(axis=0),
        before,
        after,
        _fleet_change(mean_w, found.drop_day),
        _reported_wh(mean_w),
        explained,
        moved,
        len(traits) - min(BALANCE_DAYS, history.days),
    )


def _means_around(mean_w: np.ndarray, day: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of each meter before its day and from it on, NaN where the day is 0."""
    before, after = np.full((2, mean_w.shape[1]), np.nan)
    for one in np.unique(day[day > 0]):
        of_day = day == one
        before[of_day] = known_mean(mean_w[:one, of_day])
        after[of_day] = known_mean(mean_w[one:, of_day])
    return before, after


def _fleet_change(mean_w: np.ndarray, day: np.ndarray) -> np.ndarray:
    """What the median meter of the fleet did at each meter's day: after over before, less 1."""
    found = np.full(mean_w.shape[1], np.nan)
    for one in np.unique(day[day > 0]):
        before, after = known_mean(mean_w[:one]), known_mean(mean_w[one:])
        ratio = after[before > 0] / before[before > 0]
        found[day == one] = np.median(ratio[~np.isnan(ratio)]) - 1 if (~np.isnan(ratio)).any() else np.nan
    return found


def _reported_wh(mean_w: np.ndarray) -> np.ndarray:
    return 24 * np.nan_to_num(known_mean(mean_w[-RECENT_DAYS:]))


def known_mean(values: np.ndarray) -> np.ndarray:
    """Mean along the first axis of what is known, NaN without any."""
    count = (~np.isnan(values)).sum(axis=0)
    return np.where(count > 0, np.nansum(values, axis=0) / np.maximum(count, 1), np.nan)


def _is_silent(traits: np.ndarray) -> np.ndarray:
    return np.nansum(traits[-RECENT_DAYS:, :, TRAITS.index("mean_w")], axis=0) <= 0


def _profiles(traits: np.ndarray, onset: np.ndarray) -> dict[str, np.ndarray]:
    """Likeness of each meter's mean day before its onset and from then on."""
    before, after = before_and_after(traits, onset)
    like = correlation(before, after)
    return {"profile_likeness": like, "profile_reversal": correlation(before, after[:, ::-1]) - like}


def before_and_after(traits: np.ndarray, onset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean three-hour powers before each meter's day `onset` and from it on, float64 [meters, BLOCKS] each; NaN before day 0."""
    before, after = np.full((2, traits.shape[1], BLOCKS), np.nan)
    for day in np.unique(onset):
        of_day = onset == day
        after[of_day] = mean_blocks(traits[day:, of_day])
        if day > 0:
            before[of_day] = mean_blocks(traits[:day, of_day])
    return before, after


def _explained(
    history: FleetHistory, traits: np.ndarray, found: Changes, customer_class: np.ndarray
) -> tuple[Explanation | None, np.ndarray]:
    if history.lost_wh is None:
        return None, np.zeros(0, dtype=int)
    right = placed(history)
    known = replace(history, lost_wh=right.lost_wh, transformer=right.transformer)
    earlier = len(traits) - history.days
    days = (np.zeros(history.meters, dtype=int), found.drop_day, found.onset_day)
    usual = [_usual_of_class(traits, customer_class), *(before_and_after(traits, day)[0] for day in days[1:])]
    onsets = np.stack([np.maximum(day - earlier, 0) for day in days])
    return explain(known, onsets, np.stack(usual)), right.moved


def _usual_of_class(traits: np.ndarray, customer_class: np.ndarray) -> np.ndarray:
    """What the class draws, for meters that report next to nothing, NaN for others: float64 [meters, BLOCKS]."""
    blocks = mean_blocks(traits)
    quiet = np.nan_to_num(np.nanmedian(np.nan_to_num(traits[:, :, TRAITS.index("zero_share")], nan=1.0), axis=0)) >= ZERO_SHARE
    found = np.full(blocks.shape, np.nan)
    for one in np.unique(customer_class[quiet]):
        others = (customer_class == one) & ~quiet & ~np.isnan(blocks).any(axis=1)
        if others.sum() >= LEAST_CLASS:
            found[quiet & (customer_class == one)] = np.median(blocks[others], axis=0)
    return found


def _of_balance(explained: Explanation | None, reported_wh: np.ndarray) -> dict[str, np.ndarray]:
    if explained is None:
        return {piece.name: np.full(len(reported_wh), np.nan) for piece in PIECES if piece.family == "balance"}
    has = ~np.isnan(explained.gain)
    return {
        "balance_gain": np.log1p(explained.gain),
        "balance_share": np.sqrt(explained.gain_share),
        "stolen_share": np.where(has, explained.stolen_wh / (explained.stolen_wh + reported_wh + FLOOR_WH), np.nan),
    }
