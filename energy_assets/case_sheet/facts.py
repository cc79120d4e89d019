"""What a sheet tells, as plain data: read by read.py, drawn by charts.py, put into words by sheet.py.

What belongs here: these shapes. What does not: where they come from, and how they look.

Arrays over days have one number for each of `days`, NaN where nothing is known; energy is in kWh, power in kW.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import numpy as np


class Kind(StrEnum):
    METER = "meter"
    TRANSFORMER = "transformer"


@dataclass(frozen=True)
class Subject:
    """Whom the sheet is about."""

    kind: Kind
    identifier: str


@dataclass(frozen=True)
class CaseFacts:
    """The case that a sheet belongs to; whatever is None is left out. Money is in `currency`, an ISO 4217 code."""

    case_id: str
    opened_on: date | None = None
    state: str | None = None
    """A state's code; those of words.STATES are translated."""
    place: int | None = None
    """Place in the day's list, from 1."""
    probability: float | None = None
    recoverable_kwh: float | None = None
    bill_effect_per_month: float | None = None
    """What the customer's bill would be higher by."""
    value: float | None = None
    """Probability times recoverable energy times tariff, less the visit."""
    visit_cost: float | None = None
    currency: str | None = None


@dataclass(frozen=True)
class Whereabouts:
    """What the registers say of the subject on the day."""

    customer_class: str | None = None
    transformer_id: str | None = None
    feeder_id: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    is_prepaid: bool | None = None
    phases: int | None = None
    ct_multiplier: float | None = None
    rating_kva: float | None = None
    connected_meters: int | None = None


@dataclass(frozen=True)
class Estimate:
    """Energy in kWh a day with its 90 % interval."""

    kwh: float
    low_kwh: float | None = None
    high_kwh: float | None = None


@dataclass(frozen=True)
class Score:
    """A meter's score of the day; `score` is None where it was not scored. `reasons` are codes with numbers, the most telling first."""

    score: float | None
    probability: float | None
    place: int
    scored: int
    onset: date | None
    hidden: Estimate | None
    reasons: Sequence[Mapping[str, float | int | str]]
    told_en: str
    told_fr: str
    known_days: int | None


@dataclass(frozen=True, eq=False)
class DailyCourse:
    """A meter's energy day by day. `off_hours` are hours without supply, 0 where there was no outage."""

    days: Sequence[date]
    reported_kwh: np.ndarray
    is_estimated: np.ndarray
    """Whether a part of the day's energy is an estimate."""
    expected_kwh: np.ndarray
    off_hours: np.ndarray
    onset: date | None
    peers: int
    are_siblings: bool
    """Whether the peers are behind the same transformer; else they are of the same class."""

    @property
    def has_expectation(self) -> bool:
        return bool(np.isfinite(self.expected_kwh).any())


@dataclass(frozen=True, eq=False)
class MeanDay:
    """The mean day as power in kW by slot since midnight: before the onset (all NaN without one), over the last four weeks of what came after it, and of the class over those,
    brought to the energy of the meter before. Intervals without supply are left out."""

    slot_minutes: int
    before_kw: np.ndarray
    recent_kw: np.ndarray
    class_kw: np.ndarray
    before_days: int
    recent_days: int
    is_since_onset: bool = False
    """Whether the recent days begin with the onset, which is less than four weeks ago."""


@dataclass(frozen=True, eq=False)
class MeanWeek:
    """Of daily readings: mean energy by day of the week from Monday, kWh, before the onset (all NaN without one) and over the last four weeks."""

    before_kwh: np.ndarray
    recent_kwh: np.ndarray
    before_days: int
    recent_days: int
    is_since_onset: bool = False
    """Whether the recent days begin with the onset, which is less than four weeks ago."""


@dataclass(frozen=True)
class Explained:
    """A part of a transformer's loss a day over the four weeks through `until`, that a meter explains or nobody does; `since` None: throughout."""

    since: date | None
    until: date
    estimate: Estimate


@dataclass(frozen=True, eq=False)
class LossCourse:
    """A transformer's non-technical loss day by day with its 90 % interval, and the part of it that the subject accounts for."""

    days: Sequence[date]
    loss_kwh: np.ndarray
    low_kwh: np.ndarray
    high_kwh: np.ndarray
    energy_in_kwh: np.ndarray
    off_hours: np.ndarray
    implausible_days: int
    explained: Explained | None
    elsewhere_kwh: float | None = None
    """Part of it a day that meters draw which the register has behind another transformer; below zero: that meters say which are fed from another."""


@dataclass(frozen=True)
class Neighbour:
    """Another meter behind the transformer. `recent_kwh` is what it reported a day over the last four weeks."""

    meter_id: str
    customer_class: str | None
    score: Score | None
    explained_kwh: float | None
    recent_kwh: float | None
    is_misplaced: bool = False
    """Whether its readings fit another transformer than the one that the register has it behind."""


@dataclass(frozen=True, eq=False)
class Sheet:
    """All that a sheet tells of its subject as of `day`. Parts that nothing is known of are None."""

    subject: Subject
    day: date
    case: CaseFacts | None
    whereabouts: Whereabouts
    score: Score | None
    daily: DailyCourse | None
    mean: MeanDay | MeanWeek | None
    loss: LossCourse | None
    neighbours: Sequence[Neighbour]
    other_meters: int
    """Meters behind the transformer that are not among the neighbours shown."""
    is_misplaced: bool = False
    has_drifting_clock: bool = False
