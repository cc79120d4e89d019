"""What goes wrong between the meter and the delivery, each defect written down.

What belongs here: missing, late, repeated, corrected, spoiled and unreadable readings. What does not: tampering (attacks.py),
meters and registries that are wrong (look_alikes.py).

No row has two defects. What a spoiled value truly was is in truth/intervals.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from energy_assets.simulation.calendar import Day, grid
from energy_assets.simulation.city import City
from energy_assets.simulation.roles import Roles
from energy_assets.simulation.streams import Purpose, stream

UNREADABLE_NUMBERS = ("n/a", "", "ERR", "1.2.3")
SILENT_WITHOUT_SUPPLY = 0.3
"""Share of meters that send nothing for half-hours without supply; the others send zeros."""
MOST_JUNK = 0.005


@dataclass(frozen=True)
class DefectRates:
    """How often each defect comes. Shares are of readings, or of meter-days where the name says so."""

    missing_runs: float = 0.0003
    longest_missing: int = 6
    late_meter_days: float = 0.002
    most_days_late: int = 30
    unit_mistakes: float = 0.00002
    """Wh that were taken for kWh."""
    negatives: float = 0.00002
    spikes: float = 0.00002
    frozen_meter_days: float = 0.0005
    corrected: float = 0.7
    """Share of unit mistakes, negatives and spikes that come again, right, with version 2."""
    most_days_to_correct: int = 10
    duplicates: float = 0.0003
    junk_rows_a_day: int = 2
    """Of each kind: an unreadable number, no meter; in fleets large enough to keep them below MOST_JUNK."""
    red_share: float = 0.25
    """Share of rows without a meter on a red day."""
    missing_transformer_readings: float = 0.0005
    frozen_register_meter_days: float = 0.0003
    most_days_frozen: int = 15


NO_DEFECTS = DefectRates(
    missing_runs=0,
    late_meter_days=0,
    unit_mistakes=0,
    negatives=0,
    spikes=0,
    frozen_meter_days=0,
    duplicates=0,
    junk_rows_a_day=0,
    missing_transformer_readings=0,
    frozen_register_meter_days=0,
)


class Defect(NamedTuple):
    """Defects of one kind, of the day's half-hours [first, last) of each meter. Arrays are [defects]."""

    source: str
    kind: str
    owner: np.ndarray
    """Indices of meters, or of transformers for their readings."""
    first: np.ndarray
    last: np.ndarray
    due: np.ndarray | None = None
    """Ordinal of the day on which the rows come after all, or come right."""


@dataclass(frozen=True)
class Postponed:
    """Readings that come on a later day. Arrays are [rows]."""

    due: np.ndarray
    """Ordinals."""
    meter: np.ndarray
    starts: np.ndarray
    kwh: np.ndarray
    version: np.ndarray

    def on(self, chosen: np.ndarray) -> Postponed:
        return Postponed(*(values[chosen] for values in (self.due, self.meter, self.starts, self.kwh, self.version)))


@dataclass(frozen=True)
class Delivered:
    """The rows of a day's own file, in order. Arrays are [rows]."""

    meter: np.ndarray
    """-1 where the row lacks its meter."""
    slot: np.ndarray
    kwh: np.ndarray
    unreadable: np.ndarray
    """Index of UNREADABLE_NUMBERS; -1 where the number can be read."""
    postponed: Postponed
    defects: list[Defect] = field(default_factory=list)


def silent_meters(city: City) -> np.ndarray:
    """Meters that send nothing without supply, bool [meters]."""
    return stream(city.seed, Purpose.DEFECTS).random(city.meters) < SILENT_WITHOUT_SUPPLY


def deliver(
    city: City,
    roles: Roles,
    day: Day,
    reported_kwh: np.ndarray,
    live: np.ndarray,
    silent: np.ndarray,
    rates: DefectRates,
    *,
    is_red: bool = False,
) -> Delivered:
    """The day's rows as they are delivered, from what the meters report, float64 [meters, slots].

    `live` [transformers, slots] is the share of each half-hour with supply.
    """
    spoiler = _Spoiler(city, day, reported_kwh, rates)
    spoiler.take_gaps(roles)
    spoiler.take_silence(live, silent)
    spoiler.take_missing()
    spoiler.take_late()
    spoiler.spoil_values()
    return spoiler.rows(is_red=is_red)


class _Spoiler:
    """Applies one defect after the other; a half-hour that has one is left alone by the next."""

    def __init__(self, city: City, day: Day, reported_kwh: np.ndarray, rates: DefectRates) -> None:
        self.city, self.day, self.rates = city, day, rates
        self.rng = stream(city.seed, Purpose.DEFECTS, day.ordinal)
        self.sound = np.round(reported_kwh, 3)
        self.kwh = self.sound.copy()
        self.is_kept = np.ones(reported_kwh.shape, bool)
        self.is_free = np.ones(reported_kwh.shape, bool)
        self.defects: list[Defect] = []
        self.postponed: list[Postponed] = []

    def note(
        self, kind: str, meter: np.ndarray, first: np.ndarray, last: np.ndarray, due: np.ndarray | None = None
    ) -> None:
        if len(meter):
            self.defects.append(Defect("meter_readings", kind, meter, first, last, due))

    def postpone(self, meter: np.ndarray, slot: np.ndarray, due: np.ndarray, version: int) -> None:
        kwh, starts = self.sound[meter, slot], self.day.starts[slot]
        self.postponed.append(Postponed(due, meter, starts, kwh, np.full(len(meter), version)))

    def withhold_days(self, kind: str, meters: np.ndarray, due: np.ndarray | None) -> None:
        """Leave out whole meter-days, to come on the `due` days, or never where that is 0 or None."""
        self.is_kept[meters] = self.is_free[meters] = False
        due = np.zeros(len(meters), int) if due is None else due
        self.note(kind, meters, np.zeros(len(meters), int), np.full(len(meters), self.day.slots), due)
        coming = np.flatnonzero(due > 0)
        slot = np.tile(np.arange(self.day.slots), len(coming))
        self.postpone(
            np.repeat(meters[coming], self.day.slots), slot, np.repeat(due[coming], self.day.slots), version=1
        )

    def take_gaps(self, roles: Roles) -> None:
        if gaps := roles.look_alikes.get("comms_gap"):
            gaps = gaps.on(self.day)
            self.withhold_days("comms_gap", gaps.meters, np.where(gaps.parameters["is_delivered_later"], gaps.end, 0))

    def take_silence(self, live: np.ndarray, silent: np.ndarray) -> None:
        dark = live <= 0
        if dark.any():
            is_dark = dark[self.city.transformer] & silent[:, None] & self.is_free
            self.is_kept[is_dark] = self.is_free[is_dark] = False
            self.note("silent_without_supply", *runs(is_dark))

    def take_missing(self) -> None:
        meter, first = self.somewhere(self.rates.missing_runs)
        last = np.minimum(first + self.rng.integers(1, self.rates.longest_missing + 1, len(first)), self.day.slots)
        is_missing = np.zeros_like(self.is_free)
        for ahead in range(self.rates.longest_missing):
            within = first + ahead < last
            is_missing[meter[within], first[within] + ahead] = True
        is_missing &= self.is_free
        self.is_kept[is_missing] = self.is_free[is_missing] = False
        self.note("missing", *runs(is_missing))

    def take_late(self) -> None:
        drawn = self.rng.random((self.city.meters, 2))
        is_late = (drawn[:, 0] < self.rates.late_meter_days) & self.is_free.all(axis=1)
        meters = np.flatnonzero(is_late)
        days = 1 + ((self.rates.most_days_late - 1) * drawn[meters, 1] ** 2).round().astype(int)
        self.withhold_days("late", meters, self.day.ordinal + days)

    def spoil_values(self) -> None:
        drawn = self.rng.random((self.city.meters, 2))
        starting = np.flatnonzero(drawn[:, 0] < self.rates.frozen_meter_days)
        first = (drawn[starting, 1] * (self.day.slots - 10)).astype(int)
        last = np.minimum(first + self.rng.integers(8, 40, len(starting)), self.day.slots)
        for one, start, end in zip(starting, first, last, strict=True):
            changes = np.ptp(self.kwh[one, start:end]) > 0
            if changes and self.is_free[one, start:end].all():
                self.kwh[one, start:end] = self.kwh[one, start]
                self.is_free[one, start:end] = False
                self.note("frozen_value", np.array([one]), np.array([start]), np.array([end]))
        for kind, rate in (
            ("unit_mistake", self.rates.unit_mistakes),
            ("negative", self.rates.negatives),
            ("spike", self.rates.spikes),
        ):
            meter, slot = self.somewhere(rate)
            factor = self.rng.uniform(30, 120, len(meter))
            # A zero has no unit and no sign.
            chosen = (self.kwh[meter, slot] > 0) & self.is_free[meter, slot]
            meter, slot, factor = meter[chosen], slot[chosen], factor[chosen]
            if kind == "unit_mistake":
                self.kwh[meter, slot] *= 1000
            elif kind == "negative":
                self.kwh[meter, slot] *= -1
            else:
                self.kwh[meter, slot] += np.round(factor * self.city.level_kwh[meter] / self.day.slots, 3)
            self.is_free[meter, slot] = False
            days = self.rng.integers(1, self.rates.most_days_to_correct + 1, len(meter))
            comes_right = self.rng.random(len(meter)) < self.rates.corrected
            due = np.where(comes_right, self.day.ordinal + days, 0)
            self.note(kind, meter, slot, slot + 1, due)
            self.postpone(meter[comes_right], slot[comes_right], due[comes_right], version=2)

    def rows(self, *, is_red: bool) -> Delivered:
        kept = np.flatnonzero(self.is_kept)
        meter, slot = (index[kept] for index in grid(self.city.meters, self.day.slots))
        kwh, is_free = self.kwh.ravel()[kept], self.is_free.ravel()[kept]
        unreadable = np.full(len(kept), -1, np.int8)
        free = np.flatnonzero(is_free)
        junk = self.rng.choice(free, min(2 * self.rates.junk_rows_a_day, int(len(free) * MOST_JUNK)), replace=False)
        text, nameless = np.sort(junk[: len(junk) // 2]), np.sort(junk[len(junk) // 2 :])
        unreadable[text] = self.rng.integers(len(UNREADABLE_NUMBERS), size=len(text))
        if is_red:
            others = np.setdiff1d(free, junk, assume_unique=True)
            nameless = np.union1d(nameless, others[self.rng.random(len(others)) < self.rates.red_share])
        self.note("unreadable_number", meter[text], slot[text], slot[text] + 1)
        self.note("no_meter", meter[nameless], slot[nameless], slot[nameless] + 1)
        is_free[junk] = is_free[nameless] = False
        twice = np.unique(self.rng.integers(0, max(len(kept), 1), self.rng.poisson(self.rates.duplicates * len(kept))))
        twice = twice[is_free[twice]] if len(kept) else twice[:0]
        self.note("duplicate", meter[twice], slot[twice], slot[twice] + 1)
        meter[nameless] = -1
        later = zip(*((p.due, p.meter, p.starts, p.kwh, p.version) for p in self.postponed), strict=True)
        postponed = Postponed(*map(np.concatenate, later)) if self.postponed else NOTHING_POSTPONED
        meter, slot, kwh, unreadable = (
            np.concatenate([column, column[twice]]) for column in (meter, slot, kwh, unreadable)
        )
        return Delivered(meter, slot, kwh, unreadable, postponed, self.defects)

    def somewhere(self, share: float) -> tuple[np.ndarray, np.ndarray]:
        """Different half-hours, meter by meter, about `share` of all: (meters, slots)."""
        total = self.is_free.size
        places = np.unique(self.rng.integers(0, total, self.rng.poisson(share * total)))
        return np.divmod(places, self.day.slots)


NOTHING_POSTPONED = Postponed(*(np.zeros(0, kind) for kind in (int, int, "datetime64[m]", float, int)))


def runs(where: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Runs of true in each row of bool [meters, slots]: (meter, first, last), last being past the end."""
    rows = np.flatnonzero(where.any(axis=1))
    edges = np.diff(where[rows].astype(np.int8), axis=1, prepend=0, append=0)
    meter, first = np.nonzero(edges == 1)
    return rows[meter], first, np.nonzero(edges == -1)[1]
