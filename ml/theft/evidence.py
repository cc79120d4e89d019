"""Evidence of theft at one meter: numbers that a person can check, each of one family.

What belongs here: which numbers there are, and putting the families together. What does not: how each is computed (changes.py, state.py,
season.py, siblings.py, misplaced.py,
explain.py), what score follows (scores.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ml.theft import known
from ml.theft.changes import changes, own_level, series_of
from ml.theft.explain import Explanation, explain
from ml.theft.history import FleetHistory
from ml.theft.lookbacks import BALANCE_DAYS
from ml.theft.misplaced import placed
from ml.theft.season import same_season, season_wh
from ml.theft.siblings import sibling_change
from ml.theft.state import RECENT_DAYS, correlation, mean_blocks, state
from ml.theft.traits import BLOCKS, TRAITS
from ml.validation.outages import NO_TRANSFORMER

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
    in_french: str
    """The description again."""


PIECES: tuple[Piece, ...] = (
    Piece(
        "drop_t",
        "history",
        -1,
        "Strongest fall of the level: statistic",
        "Plus forte baisse du niveau : statistique",
    ),
    Piece(
        "drop",
        "history",
        -1,
        "Strongest fall of the level: logarithm of after over before",
        "Plus forte baisse du niveau : logarithme d'après sur avant",
    ),
    Piece(
        "joint_change",
        "history",
        1,
        "Strongest change of all series together: joint statistic",
        "Plus fort changement de toutes les séries ensemble : statistique conjointe",
    ),
    Piece(
        "level_t",
        "history",
        -1,
        "At the strongest change: statistic of the level",
        "Au plus fort changement : statistique du niveau",
    ),
    Piece(
        "base_t",
        "history",
        -1,
        "At the strongest change: of the day's lowest tenth",
        "Au plus fort changement : du dixième le plus bas de la journée",
    ),
    Piece(
        "low_t",
        "history",
        -1,
        "At the strongest change: of the lower quartile",
        "Au plus fort changement : du quartile inférieur",
    ),
    Piece(
        "middle_t",
        "history",
        -1,
        "At the strongest change: of the median interval",
        "Au plus fort changement : de l'intervalle médian",
    ),
    Piece(
        "peak_t",
        "history",
        -1,
        "At the strongest change: of the highest interval",
        "Au plus fort changement : de l'intervalle le plus haut",
    ),
    Piece(
        "zero_t",
        "history",
        1,
        "At the strongest change: of the share of intervals at zero",
        "Au plus fort changement : de la part d'intervalles à zéro",
    ),
    Piece(
        "spread_t",
        "history",
        1,
        "At the strongest change: of the day's variability",
        "Au plus fort changement : de la variabilité de la journée",
    ),
    Piece(
        "step_t",
        "history",
        1,
        "At the strongest change: of the steps between intervals",
        "Au plus fort changement : des sauts d'un intervalle à l'autre",
    ),
    Piece(
        "bend_t",
        "history",
        1,
        "At the strongest change: of the roughness of the course",
        "Au plus fort changement : de la rugosité de la courbe",
    ),
    Piece(
        "night_t",
        "history",
        -1,
        "At the strongest change: of the share of the night, 0:00 to 6:00",
        "Au plus fort changement : de la part de la nuit, de 0 h à 6 h",
    ),
    Piece(
        "evening_t",
        "history",
        -1,
        "At the strongest change: of the share of the evening, 18:00 to 21:00",
        "Au plus fort changement : de la part du soir, de 18 h à 21 h",
    ),
    Piece(
        "profile_likeness",
        "history",
        -1,
        "Correlation of the mean days before and after the strongest change",
        "Corrélation des journées moyennes avant et après le plus fort changement",
    ),
    Piece(
        "profile_reversal",
        "history",
        1,
        "Correlation with the day after reversed, less profile_likeness",
        "Corrélation avec la journée d'après inversée, moins profile_likeness",
    ),
    Piece(
        "recent_trend",
        "history",
        -1,
        "Level of the last two weeks less that of the four before",
        "Niveau des deux dernières semaines moins celui des quatre précédentes",
    ),
    Piece(
        "same_season",
        "history",
        -1,
        "Logarithm of the last four weeks' level over that of a year before, less the fleet's",
        "Logarithme du niveau des quatre dernières semaines sur celui d'un an avant, moins celui du parc",
    ),
    Piece(
        "day_spread",
        "history",
        1,
        "Standard deviation of the daily level lately",
        "Écart type du niveau journalier ces derniers temps",
    ),
    Piece(
        "low_days",
        "history",
        1,
        "Share of days lately below a twentieth of the usual",
        "Part des jours, ces derniers temps, au-dessous d'un vingtième de l'habitude",
    ),
    Piece("zero_share", "peers", 1, "Share of intervals at zero", "Part d'intervalles à zéro"),
    Piece(
        "plateau_share",
        "peers",
        1,
        "Share of intervals at the day's maximum",
        "Part d'intervalles au maximum de la journée",
    ),
    Piece(
        "equal_share",
        "peers",
        1,
        "Share of intervals equal to the one before",
        "Part d'intervalles égaux au précédent",
    ),
    Piece(
        "base_ratio",
        "peers",
        -1,
        "Logarithm of the lowest tenth over the mean",
        "Logarithme du dixième le plus bas sur la moyenne",
    ),
    Piece("peak_ratio", "peers", -1, "Logarithm of the maximum over the mean", "Logarithme du maximum sur la moyenne"),
    Piece(
        "spread_ratio",
        "peers",
        -1,
        "Logarithm of the day's standard deviation over its mean",
        "Logarithme de l'écart type de la journée sur sa moyenne",
    ),
    Piece(
        "step_ratio",
        "peers",
        1,
        "Logarithm of the mean step over the mean",
        "Logarithme du saut moyen sur la moyenne",
    ),
    Piece(
        "weekend_ratio",
        "peers",
        -1,
        "Logarithm of weekends over workdays",
        "Logarithme des week-ends sur les jours ouvrés",
    ),
    Piece(
        "class_likeness",
        "peers",
        -1,
        "Correlation of the mean day with the class's",
        "Corrélation de la journée moyenne avec celle de la classe",
    ),
    Piece(
        "reversed_likeness",
        "peers",
        1,
        "Correlation with the class's day reversed, less class_likeness",
        "Corrélation avec la journée de la classe inversée, moins class_likeness",
    ),
    Piece(
        "sibling_change",
        "peers",
        -1,
        "Level of the last four weeks less that of before, beside its transformer's other meters'",
        "Niveau des quatre dernières semaines moins celui d'avant, à côté des autres compteurs du transformateur",
    ),
    Piece(
        "nothing_reported",
        "peers",
        1,
        "1 where the meter reports nothing at all lately",
        "1 si le compteur ne compte plus rien ces derniers temps",
    ),
    Piece(
        "balance_gain",
        "balance",
        1,
        "Logarithm of how many mean squares worse the transformer's loss is explained without the meter",
        "Logarithme du nombre de carrés moyens dont la perte du transformateur s'explique moins bien sans le compteur",
    ),
    Piece(
        "balance_share",
        "balance",
        1,
        "Root of the share of the squared loss that the meter alone explains",
        "Racine de la part de la perte au carré que le compteur explique à lui seul",
    ),
    Piece(
        "stolen_share",
        "balance",
        1,
        "Explained energy over it and what is reported",
        "Énergie expliquée, rapportée à elle-même plus ce qui est déclaré",
    ),
)
"""All evidence, in the order of its columns."""
NAMES = tuple(piece.name for piece in PIECES)
FAMILIES = tuple(dict.fromkeys(piece.family for piece in PIECES))


@dataclass(frozen=True, eq=False)
class Evidence:
    """Evidence of a fleet's meters, with what a reader needs to understand it. Arrays are [meters]; days are indices of the traits' days.

    `values` is float64 [meters, PIECES], NaN where not known (all of the balance's without one). `known_days` of the last RECENT_DAYS;
    `drop_day` and `onset_day` are those of Changes, 0 where there are none. `before_w` and `after_w` are mean powers before and from
    `drop_day` on, `fleet_change` what the fleet's median meter did then (ratio less 1); NaN where there was no fall. `reported_wh` a day lately;
    `year_ago_wh` a day in the same weeks of the year before, NaN where not known.
    `explanation`, whose `since` counts the same days, is None without a balance.
    """

    values: np.ndarray
    known_days: np.ndarray
    drop_day: np.ndarray
    onset_day: np.ndarray
    before_w: np.ndarray
    after_w: np.ndarray
    fleet_change: np.ndarray
    reported_wh: np.ndarray
    year_ago_wh: np.ndarray
    explanation: Explanation | None

    def __getitem__(self, name: str) -> np.ndarray:
        """A piece of evidence by its name, float64 [meters]."""
        return self.values[:, NAMES.index(name)]

    @property
    def is_silent(self) -> np.ndarray:
        """Meters that report nothing at all lately, bool [meters]."""
        return np.nan_to_num(self["nothing_reported"]) > 0


def evidence(
    traits: np.ndarray,
    day_types: np.ndarray,
    customer_class: np.ndarray,
    explanation: Explanation | None,
    *,
    transformer: np.ndarray | None = None,
    year_ago_wh: np.ndarray | None = None,
) -> Evidence:
    """Evidence on the last day of `traits` [days, meters, TRAITS]; `day_types` int [days], `customer_class` int [meters].

    `transformer` int [meters], NO_TRANSFORMER where unknown, None where all are; `year_ago_wh` float64 [meters] as season_wh (season.py) makes it of the
    same weeks a year before, None where nobody's is known.
    """
    series = series_of(traits, day_types)
    found = changes(series)
    beside = state(traits, series["level"], day_types, customer_class)
    mean_w = traits[:, :, TRAITS.index("mean_w")].astype(np.float64)
    recent_wh = 24 * mean_w[-RECENT_DAYS:]
    reported_wh = np.nan_to_num(known.mean(recent_wh))
    year_ago_wh = np.full(len(reported_wh), np.nan) if year_ago_wh is None else year_ago_wh
    transformer = np.full(len(reported_wh), NO_TRANSFORMER) if transformer is None else transformer
    before, after = _means_around(mean_w, found.drop_day)
    columns = {
        "drop_t": found.drop_t,
        "drop": found.drop,
        "joint_change": found.joint,
        **{f"{name}_t": values for name, values in found.t.items()},
        **_profiles(traits, found.onset_day),
        **beside,
        "nothing_reported": np.where(
            np.isnan(beside["zero_share"]), np.nan, (np.nansum(mean_w[-RECENT_DAYS:], axis=0) <= 0) * 1.0
        ),
        "sibling_change": sibling_change(own_level(traits, day_types), transformer, RECENT_DAYS),
        "same_season": same_season(season_wh(recent_wh), year_ago_wh),
        **_of_balance(explanation, reported_wh),
    }
    return Evidence(
        np.column_stack([columns[name] for name in NAMES]),
        (~np.isnan(mean_w[-RECENT_DAYS:])).sum(axis=0),
        found.drop_day,
        found.onset_day,
        before,
        after,
        _fleet_change(mean_w, found.drop_day),
        reported_wh,
        year_ago_wh,
        explanation,
    )


def _means_around(mean_w: np.ndarray, day: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of each meter before its day and from it on, NaN where the day is 0."""
    before, after = np.full((2, mean_w.shape[1]), np.nan)
    for one in np.unique(day[day > 0]):
        of_day = day == one
        before[of_day] = known.mean(mean_w[:one, of_day])
        after[of_day] = known.mean(mean_w[one:, of_day])
    return before, after


def _fleet_change(mean_w: np.ndarray, day: np.ndarray) -> np.ndarray:
    """What the median meter of the fleet did at each meter's day: after over before, less 1."""
    found = np.full(mean_w.shape[1], np.nan)
    for one in np.unique(day[day > 0]):
        before, after = known.mean(mean_w[:one]), known.mean(mean_w[one:])
        ratio = after[before > 0] / before[before > 0]
        found[day == one] = np.median(ratio[~np.isnan(ratio)]) - 1 if (~np.isnan(ratio)).any() else np.nan
    return found


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


def explained(history: FleetHistory, traits: np.ndarray, day_types: np.ndarray) -> Explanation | None:
    """Who explains the losses of the last BALANCE_DAYS of `history`; None without a balance.

    `traits` [days, meters, TRAITS], with `day_types` int [days], end on the same day and may begin earlier; `since` of what is returned
    counts their days.
    """
    if history.lost_wh is None:
        return None
    recent = history.last(BALANCE_DAYS)
    right = placed(recent)
    mended = replace(recent, lost_wh=right.lost_wh, transformer=right.transformer)
    found = changes(series_of(traits, day_types))
    earlier = len(traits) - recent.days
    days = (np.zeros(history.meters, dtype=int), found.drop_day, found.onset_day)
    usual = [_usual_of_class(traits, history.customer_class), *(before_and_after(traits, day)[0] for day in days[1:])]
    explanation = explain(mended, np.stack([np.maximum(day - earlier, 0) for day in days]), np.stack(usual))
    return replace(
        explanation,
        since=np.where(explanation.since > 0, explanation.since + earlier, 0),
        is_misplaced=np.isin(np.arange(history.meters), right.moved),
    )


def _usual_of_class(traits: np.ndarray, customer_class: np.ndarray) -> np.ndarray:
    """What the class draws, for meters that report next to nothing, NaN for others: float64 [meters, BLOCKS]."""
    blocks = mean_blocks(traits)
    quiet = (
        np.nan_to_num(np.nanmedian(np.nan_to_num(traits[:, :, TRAITS.index("zero_share")], nan=1.0), axis=0))
        >= ZERO_SHARE
    )
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
