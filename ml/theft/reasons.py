"""Why a meter has its score, as codes with numbers, and in words.

What belongs here: which evidence is worth telling, and its sentences. What does not: the score (scores.py).

A reason is told where its number is far out in the fleet and large by itself: a sentence that is true of everybody explains nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from ml.theft.evidence import PIECES, Evidence
from ml.theft.explain import WAYS
from ml.theft.ranker import tail
from ml.theft.season import year_ratio

FAR_OUT = 3.3
"""Tail of a tenth of the fleet."""
LEAST_FALL_T = 2.5
LEAST_FALL = 0.15
LEAST_SEASON_FALL = 0.3
"""More than LEAST_FALL: homes differ more from themselves of a year ago than from last month."""
LEAST_STOLEN_SHARE = 0.05
LEAST_STOLEN_WH = 100.0
MOST_TOLD = 4

Number = float | int | str
Reason = dict[str, Number]
"""`code`, and the numbers of its sentence."""

WORDS: dict[str, tuple[str, str]] = {
    "explains_loss": (
        "explains {kwh} kWh a day of {transformer}'s loss ({share} %), {way_en}",
        "explique {kwh} kWh par jour des pertes de {transformer} ({share} %), {way_fr}",
    ),
    "level_fell": (
        "{change} % since {since}, peers {peers} %",
        "{change} % depuis le {since}, voisins {peers} %",
    ),
    "below_last_year": (
        "{change} % against the same weeks a year ago, peers {peers} %",
        "{change} % par rapport aux mêmes semaines il y a un an, voisins {peers} %",
    ),
    "reports_nothing": ("reports nothing at all for {days} days", "ne compte plus rien depuis {days} jours"),
    "at_zero": ("at zero for {share} % of the day", "à zéro pendant {share} % de la journée"),
    "clipped": (
        "at its maximum for {share} % of the day: peaks are cut off",
        "au maximum pendant {share} % de la journée : pointes écrêtées",
    ),
    "flat": ("{share} % of its readings repeat the one before", "{share} % de ses relevés répètent le précédent"),
    "weekend_low": ("{change} % at weekends against workdays", "{change} % le week-end par rapport à la semaine"),
    "other_course": (
        "the course of its day is another one since {since} (correlation {likeness})",
        "le déroulé de sa journée a changé depuis le {since} (corrélation {likeness})",
    ),
    "night_low": ("draws less by night since {since}", "consomme moins la nuit depuis le {since}"),
    "unlike_class": (
        "its day runs against that of its class (correlation {likeness})",
        "sa journée va à l'encontre de sa classe (corrélation {likeness})",
    ),
    "used_without_purchase": (
        "used {kwh} kWh in {days} days, {share} % of it never bought",
        "a consommé {kwh} kWh en {days} jours, dont {share} % jamais achetés",
    ),
}
"""Sentences by code, English and French."""
WAY_WORDS = {
    "share": ("at all hours", "à toute heure"),
    "night": ("by night", "la nuit"),
    "weekend": ("at weekends", "le week-end"),
    "missing": ("by what is missing from its usual draw", "par ce qui manque à sa consommation habituelle"),
    "invented": ("by readings that do not follow what flows", "par des relevés qui ne suivent pas le courant"),
}


@dataclass(frozen=True, eq=False)
class _Told:
    """A kind of reason: where it holds, bool [meters], and the numbers of a meter's sentence."""

    code: str
    holds: np.ndarray
    numbers: Callable[[int], dict[str, Number]]


def reasons_of(
    evidence: Evidence, first_day: date, transformers: Sequence[str] | np.ndarray, extra: Sequence[_Told] = ()
) -> list[list[Reason]]:
    """Reasons of each meter, the most telling first, at most MOST_TOLD. Day 0 of the traits is `first_day`; `transformers` [meters] are names."""
    kinds = [*_of_balance(evidence, transformers), *extra, *_of_history(evidence, first_day), *_of_peers(evidence)]
    found: list[list[Reason]] = [[] for _ in range(len(evidence.values))]
    for kind in kinds:
        for meter in np.flatnonzero(kind.holds):
            if len(found[meter]) < MOST_TOLD:
                found[meter].append({"code": kind.code, **kind.numbers(int(meter))})
    return found


def in_words(reasons: Sequence[Reason], language: int) -> str:
    """Reasons as one line; `language` 0 is English, 1 French, with decimal commas."""
    return "; ".join(
        WORDS[str(reason["code"])][language].format(**{name: _told(value, language) for name, value in reason.items()})
        for reason in reasons
    )


def _told(value: Number, language: int) -> Number:
    return str(value).replace(".", ",") if language and isinstance(value, float) else value


def without_purchase(used_wh: np.ndarray, unbought: np.ndarray, days: int, holds: np.ndarray) -> _Told:
    """The reason of prepaid meters that use what nobody bought."""
    return _Told(
        "used_without_purchase",
        holds,
        lambda meter: {
            "kwh": round(float(used_wh[meter]) / 1000),
            "days": days,
            "share": round(100 * float(unbought[meter])),
        },
    )


def _of_balance(evidence: Evidence, transformers: Sequence[str] | np.ndarray) -> list[_Told]:
    explained = evidence.explanation
    if explained is None:
        return []
    holds = (
        (explained.way >= 0)
        & (explained.stolen_wh >= LEAST_STOLEN_WH)
        & (np.nan_to_num(evidence["stolen_share"]) >= LEAST_STOLEN_SHARE)
    )

    def numbers(meter: int) -> dict[str, Number]:
        way_en, way_fr = WAY_WORDS[WAYS[explained.way[meter]]]
        return {
            "kwh": round(float(explained.stolen_wh[meter]) / 1000, 1),
            "low_kwh": round(float(explained.stolen_low_wh[meter]) / 1000, 1),
            "high_kwh": round(float(explained.stolen_high_wh[meter]) / 1000, 1),
            "share": round(100 * float(explained.gain_share[meter])),
            "transformer": str(transformers[meter]),
            "way": WAYS[explained.way[meter]],
            "way_en": way_en,
            "way_fr": way_fr,
        }

    return [_Told("explains_loss", holds, numbers)]


def _of_history(evidence: Evidence, first_day: date) -> list[_Told]:
    def since(day: np.ndarray, meter: int) -> str:
        return (first_day + timedelta(days=int(day[meter]))).isoformat()

    with np.errstate(invalid="ignore", divide="ignore"):
        change = evidence.after_w / evidence.before_w - 1
    fell = (-evidence["drop_t"] >= LEAST_FALL_T) & (change <= -LEAST_FALL) & (evidence.drop_day > 0)
    other = _is_far_out(evidence, "profile_likeness") & (evidence["profile_likeness"] < 0.5) & (evidence.onset_day > 0)
    return [
        _Told("reports_nothing", evidence.is_silent, lambda meter: {"days": int(evidence.known_days[meter])}),
        _Told(
            "level_fell",
            fell & ~evidence.is_silent,
            lambda meter: {
                "change": round(100 * float(change[meter])),
                "peers": round(100 * float(np.nan_to_num(evidence.fleet_change[meter]))),
                "since": since(evidence.drop_day, meter),
            },
        ),
        _below_last_year(evidence),
        _Told(
            "other_course",
            other,
            lambda meter: {
                "since": since(evidence.onset_day, meter),
                "likeness": round(float(evidence["profile_likeness"][meter]), 2),
            },
        ),
        _Told(
            "night_low",
            _is_far_out(evidence, "night_t") & (evidence["night_t"] <= -LEAST_FALL_T) & (evidence.onset_day > 0),
            lambda meter: {"since": since(evidence.onset_day, meter)},
        ),
    ]


def _below_last_year(evidence: Evidence) -> _Told:
    own = year_ratio(evidence.reported_wh, evidence.year_ago_wh)
    beside = evidence["same_season"]
    least = np.log(1 - LEAST_SEASON_FALL)
    holds = _is_far_out(evidence, "same_season") & (beside <= least) & (own <= least) & ~evidence.is_silent
    return _Told(
        "below_last_year",
        holds,
        lambda meter: {
            "change": round(100 * float(np.expm1(own[meter]))),
            "peers": round(100 * float(np.expm1(own[meter] - beside[meter]))),
        },
    )


def _of_peers(evidence: Evidence) -> list[_Told]:
    def share(code: str, name: str, least: float) -> _Told:
        values = evidence[name]
        holds = _is_far_out(evidence, name) & (values >= least) & ~evidence.is_silent
        return _Told(code, holds, lambda meter: {"share": round(100 * float(values[meter]))})

    weekend = evidence["weekend_ratio"]
    return [
        share("at_zero", "zero_share", 0.2),
        share("clipped", "plateau_share", 0.15),
        share("flat", "equal_share", 0.5),
        _Told(
            "weekend_low",
            _is_far_out(evidence, "weekend_ratio") & (weekend <= -0.3),
            lambda meter: {"change": round(100 * (float(np.exp(weekend[meter])) - 1))},
        ),
        _Told(
            "unlike_class",
            _is_far_out(evidence, "class_likeness") & (evidence["class_likeness"] < 0.2),
            lambda meter: {"likeness": round(float(evidence["class_likeness"][meter]), 2)},
        ),
    ]


def _is_far_out(evidence: Evidence, name: str) -> np.ndarray:
    sign = next(piece.sign for piece in PIECES if piece.name == name)
    return tail(sign * evidence[name]) >= FAR_OUT
