"""Reading what a sheet tells from the warehouse: days whose gate is open, and no others.

What belongs here: the questions to the store, and the arithmetic that turns rows into courses. What does not: drawing and words.

A meter's expectation is its own level before the onset times the course of its peers: the median, day by day, of their energy over their own mean of the
same days before. Peers are the other meters behind its transformer where there are LEAST_PEERS of them, else a sample of its class.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np

from energy_assets.case_sheet.facts import (
    CaseFacts,
    DailyCourse,
    Estimate,
    Explained,
    Kind,
    LossCourse,
    MeanDay,
    MeanWeek,
    Neighbour,
    Score,
    Sheet,
    Subject,
    Whereabouts,
)
from energy_assets.case_sheet.words import parsed_reasons
from energy_assets.case_words import CaseError
from energy_assets.days import DayWindow
from energy_assets.home import Home
from ml.theft.lookbacks import LOOKBACK_DAYS

if TYPE_CHECKING:
    from energy_assets.resources.warehouse import Warehouse

RECENT_DAYS = 28
WEEK = 7
LEAST_PEERS, MOST_PEERS = 5, 200
LEAST_BASE_DAYS = 7
"""Days before the onset that a level needs."""
LEAST_PEER_SHARE = 0.5
"""A peer is asked only where so much of those days is known of it."""
LEAST_READ_SHARE = 0.5
"""A day of which less was read, and nothing estimated, is a gap."""
MOST_NEIGHBOURS = 5
LEAST_SCORE = 0.5
LEAST_EXPLAINED_WH = 50
LEAST_ELSEWHERE_KWH, LEAST_ELSEWHERE_SHARE = 1.0, 0.25
"""What a loss and its explanation may differ by before it is told."""
DAILY_MINUTES = 1440

READINGS, PROFILES = "int_readings_daily", "int_consumption_features"
METERS, TRANSFORMERS, OUTAGES = "stg_meters", "stg_transformers", "stg_outages"
LOSSES, EXPLANATIONS, SCORES, EVIDENCE = (
    "mart_transformer_losses",
    "loss_explanations",
    "theft_scores",
    "theft_evidence",
)
TABLES = (
    READINGS, PROFILES, METERS, TRANSFORMERS, OUTAGES, LOSSES, EXPLANATIONS, SCORES, EVIDENCE,
)  # fmt: skip

SCORED = """
    select scores.meter_id, theft_score, theft_probability,
        row_number() over (order by theft_score desc nulls last, scores.meter_id), count(theft_score) over (),
        onset_date, stolen_kwh_per_day, stolen_kwh_low, stolen_kwh_high, reasons, reason_en, reason_fr, scores.transformer_id
    from ml.theft_scores as scores where score_date = %s
"""
SCORE_OF_METER = f"select * from ({SCORED}) as scored where meter_id = %s"
SCORES_OF_TRANSFORMER = f"select * from ({SCORED}) as scored where transformer_id = %s"
KNOWN_DAYS = "select known_days from ml.theft_evidence where score_date = %s and meter_id = %s"
REGISTERED = """
    select customer_class, transformer_id, feeder_id, latitude, longitude, is_prepaid, phases, ct_multiplier
    from staging.stg_meters where reading_date = %s and meter_id = %s
"""
RATED = """
    select feeder_id, latitude, longitude, rating_kva from staging.stg_transformers where reading_date = %s and transformer_id = %s
"""
BEHIND = "select meter_id, customer_class from staging.stg_meters where reading_date = %s and transformer_id = %s"
OF_CLASS = """
    select meter_id from staging.stg_meters where reading_date = %s and customer_class = %s and meter_id <> %s
    order by md5(meter_id) limit %s
"""
DAILY = """
    select reading_date, total_wh, estimated_wh, accepted_count, expected_count from intermediate.int_readings_daily
    where reading_date = any(%s) and meter_id = %s order by reading_date
"""
DAILY_OF_PEERS = """
    select meter_id, reading_date, (total_wh + coalesce(estimated_wh, 0)) / 1000.0 from intermediate.int_readings_daily
    where reading_date = any(%s) and meter_id = any(%s) and accepted_count * 2 >= expected_count
"""
RECENT = """
    select meter_id, avg(total_wh + coalesce(estimated_wh, 0)) / 1000.0 from intermediate.int_readings_daily
    where reading_date = any(%s) and meter_id = any(%s) and accepted_count > 0 group by meter_id
"""
DARK = """
    select reading_date, off_from, off_until from staging.stg_outages where reading_date = any(%s) and area_id = any(%s)
    order by off_from
"""
PROFILE = """
    select reading_date, interval_minutes, profile_wh from intermediate.int_consumption_features
    where reading_date = any(%s) and meter_id = %s
"""
CLASS_PROFILE = """
    select slot.number - 1, avg(slot.wh) / 1000.0 from intermediate.int_consumption_features as profiles
    cross join lateral unnest(profiles.profile_wh) with ordinality as slot (wh, number)
    where reading_date = any(%s) and meter_id = any(%s) and interval_minutes = %s and slot.wh is not null
    group by slot.number
"""
LOST = """
    select loss_date, non_technical_loss_kwh, non_technical_loss_low_kwh, non_technical_loss_high_kwh, energy_in_kwh, is_plausible
    from marts.mart_transformer_losses where loss_date = any(%s) and transformer_id = %s and balanced_count > 0
"""
EXPLAINED = """
    select meter_id, energy_wh, energy_low_wh, energy_high_wh, way, since_date, is_misplaced, has_drifting_clock
    from ml.loss_explanations where explained_date = %s and transformer_id = %s
"""
KNOWN_METER = "select 1 from intermediate.int_readings_daily where reading_date = any(%s) and meter_id = %s limit 1"

Interval = tuple[date, int, int]
"""Of an outage within a day: the day, and its first and its last second since local midnight."""


@dataclass(frozen=True)
class Explanation:
    """A row of EXPLAINED."""

    energy_wh: int
    low_wh: int
    high_wh: int
    way: str | None
    since: date | None
    is_misplaced: bool
    has_drifting_clock: bool


class Readable:
    """Which days of which tables may be read, of the weeks that a sheet shows; asked for once."""

    def __init__(self, warehouse: Warehouse, day: date) -> None:
        from energy_assets.resources.gates import day_states

        self.window = DayWindow.of(day).with_lookback(LOOKBACK_DAYS - 1)
        self._states = day_states(warehouse, TABLES, self.window)

    def days(self, table: str, window: DayWindow | None = None) -> list[date]:
        """Days of `window` (default: all) that may be read and hold rows."""
        return [day for day in window or self.window if self._holds(table, day)]

    def newest(self, table: str, *, within: int = LOOKBACK_DAYS) -> date | None:
        """The newest of the last `within` days that may be read and holds rows."""
        return max(self.days(table, DayWindow.of(self.window.last).with_lookback(within - 1)), default=None)

    def refusal(self, table: str) -> str | None:
        """Why the sheet's day may not be read from `table`; None where it may, or was never written."""
        state = self._states.get((table, self.window.last))
        return None if state is None or state.is_readable else state.state

    def _holds(self, table: str, day: date) -> bool:
        state = self._states.get((table, day))
        return state is not None and state.is_readable and state.row_count > 0


def newest_day(warehouse: Warehouse) -> date:
    """The newest day with scores that may be read; of a home without scores, with readings. Raises HomeError where there is neither."""
    from energy_assets.resources.gates import newest_readable_day

    for table in (SCORES, READINGS):
        if day := newest_readable_day(warehouse, table):
            return day
    raise CaseError("no_day_to_show")


def subject_of(warehouse: Warehouse, identifier: str, day: date) -> Subject:
    """The meter, else the transformer of that name. Raises HomeError where there is neither."""
    readable = Readable(warehouse, day)
    if warehouse.rows(KNOWN_METER, (readable.days(READINGS), identifier)):
        return Subject(Kind.METER, identifier)
    lost, listed = readable.days(LOSSES), readable.newest(METERS)
    if warehouse.rows(LOST, (lost, identifier)) or (listed and warehouse.rows(BEHIND, (listed, identifier))):
        return Subject(Kind.TRANSFORMER, identifier)
    raise CaseError("nothing_to_show", name=identifier, day=day)


def read_sheet(warehouse: Warehouse, subject: Subject, day: date, case: CaseFacts | None = None) -> Sheet:
    """All that is known of the subject as of `day`. Raises HomeError where the day's scores may not be read."""
    readable = Readable(warehouse, day)
    if reason := readable.refusal(SCORES):
        raise CaseError("scores_held_back", day=day, state=reason, iso=day.isoformat())
    reader = _Reader(warehouse, readable, day)
    return reader.of_meter(subject, case) if subject.kind is Kind.METER else reader.of_transformer(subject, case)


class _Reader:
    """The questions that a sheet asks of one day, its gates known."""

    def __init__(self, warehouse: Warehouse, readable: Readable, day: date) -> None:
        self.warehouse = warehouse
        self.readable = readable
        self.day = day
        self.zone = Home.at(warehouse.home).calendar().zone
        self.listed = readable.newest(METERS)
        self.is_scored = bool(readable.days(SCORES, DayWindow.of(day)))
        self.explained_date = readable.newest(EXPLANATIONS, within=WEEK)

    def of_meter(self, subject: Subject, case: CaseFacts | None) -> Sheet:
        meter = subject.identifier
        place = self._meter_place(meter)
        behind = self._behind(place.transformer_id)
        shared = self._explanations(place.transformer_id)
        mine = shared.get(meter)
        explained = self._explained(mine) if mine and mine.way else None
        score = self._score(meter)
        if score:
            score = replace(score, onset=told_onset(score, explained))
        dark = self._dark(place)
        daily = self._daily(meter, place, score.onset if score else None, dark, behind)
        others = {one: customer_class for one, customer_class in behind.items() if one != meter}
        notable = [one for one in self._neighbours(place.transformer_id, others, shared) if is_notable(one)]
        return Sheet(
            subject=subject,
            day=self.day,
            case=case,
            whereabouts=place,
            score=score,
            daily=daily,
            mean=self._mean(meter, place.customer_class, daily, dark) if daily else None,
            loss=self._loss(place.transformer_id, dark, shared, explained, since=daily.days[0] if daily else None),
            neighbours=notable[:MOST_NEIGHBOURS],
            other_meters=len(others) - min(len(notable), MOST_NEIGHBOURS),
            is_misplaced=bool(mine and mine.is_misplaced),
            has_drifting_clock=bool(mine and mine.has_drifting_clock),
        )

    def of_transformer(self, subject: Subject, case: CaseFacts | None) -> Sheet:
        transformer = subject.identifier
        behind = self._behind(transformer)
        place = self._transformer_place(transformer, len(behind))
        shared = self._explanations(transformer)
        nobody = self._explained(shared[""]) if "" in shared else None
        return Sheet(
            subject=subject,
            day=self.day,
            case=case,
            whereabouts=place,
            score=None,
            daily=None,
            mean=None,
            loss=self._loss(transformer, self._dark(place), shared, nobody),
            neighbours=self._neighbours(transformer, behind, shared),
            other_meters=0,
        )

    def _meter_place(self, meter: str) -> Whereabouts:
        rows = self.warehouse.rows(REGISTERED, (self.listed, meter)) if self.listed else []
        if not rows:
            return Whereabouts()
        customer_class, transformer, feeder, latitude, longitude, prepaid, phases, multiplier = rows[0]
        rated = self._rated(transformer)
        return Whereabouts(
            customer_class=customer_class,
            transformer_id=transformer,
            feeder_id=rated[0] or feeder,
            latitude=_float(latitude),
            longitude=_float(longitude),
            is_prepaid=prepaid,
            phases=phases,
            ct_multiplier=_float(multiplier),
        )

    def _transformer_place(self, transformer: str, meters: int) -> Whereabouts:
        feeder, latitude, longitude, rating = self._rated(transformer)
        return Whereabouts(
            transformer_id=transformer,
            feeder_id=feeder,
            latitude=_float(latitude),
            longitude=_float(longitude),
            rating_kva=_float(rating),
            connected_meters=meters,
        )

    def _rated(self, transformer: str | None) -> tuple[Any, ...]:
        listed = self.readable.newest(TRANSFORMERS)
        rows = self.warehouse.rows(RATED, (listed, transformer)) if listed and transformer else []
        return rows[0] if rows else (None, None, None, None)

    def _behind(self, transformer: str | None) -> dict[str, str | None]:
        """Meters behind the transformer -> class."""
        if not (self.listed and transformer):
            return {}
        return dict(self.warehouse.rows(BEHIND, (self.listed, transformer)))

    def _score(self, meter: str) -> Score | None:
        if not self.is_scored:
            return None
        rows = self.warehouse.rows(SCORE_OF_METER, (self.day, meter))
        if not rows:
            return None
        known = (
            self.warehouse.rows(KNOWN_DAYS, (self.day, meter))
            if self.readable.days(EVIDENCE, DayWindow.of(self.day))
            else []
        )
        return _score(rows[0], known[0][0] if known else None)

    def _explanations(self, transformer: str | None) -> dict[str, Explanation]:
        """Who explains the transformer's loss, as of the newest Monday; an empty name is nobody."""
        if self.explained_date is None or transformer is None:
            return {}
        rows = self.warehouse.rows(EXPLAINED, (self.explained_date, transformer))
        return {row[0]: Explanation(*row[1:]) for row in rows}

    def _explained(self, of: Explanation) -> Explained | None:
        if self.explained_date is None:
            return None
        estimate = Estimate(of.energy_wh / 1000, of.low_wh / 1000, of.high_wh / 1000)
        return Explained(of.since, self.explained_date, estimate)

    def _dark(self, place: Whereabouts) -> list[Interval]:
        """When supply was off at the place, as far as anybody reported it."""
        areas = [area for area in (place.transformer_id, place.feeder_id) if area]
        days = self.readable.days(OUTAGES)
        if not (areas and days):
            return []
        return [
            (day, _second(off_from, day, self.zone), _second(off_until, day, self.zone))
            for day, off_from, off_until in self.warehouse.rows(DARK, (days, areas))
        ]

    def _daily(
        self,
        meter: str,
        place: Whereabouts,
        onset: date | None,
        dark: Sequence[Interval],
        behind: Iterable[str],
    ) -> DailyCourse | None:
        held = self.readable.days(READINGS)
        rows = self.warehouse.rows(DAILY, (held, meter)) if held else []
        if not rows:
            return None
        days = list(DayWindow(rows[0][0], self.day + timedelta(days=1)))
        reported, is_estimated = _reported(rows, days)
        peers, are_siblings = self._peers(meter, place, behind)
        base = np.array([onset is None or day < onset for day in days])
        course, used = self._course(peers, days, base)
        return DailyCourse(
            days=days,
            reported_kwh=reported,
            is_estimated=is_estimated,
            expected_kwh=expectation(reported, course, base),
            off_hours=off_hours(dark, days),
            onset=onset if onset and onset > days[0] else None,
            peers=used,
            are_siblings=are_siblings,
        )

    def _peers(self, meter: str, place: Whereabouts, behind: Iterable[str]) -> tuple[list[str], bool]:
        siblings = sorted(set(behind) - {meter})[:MOST_PEERS]
        if len(siblings) >= LEAST_PEERS:
            return siblings, True
        return self._of_class(meter, place.customer_class), False

    def _course(self, peers: Sequence[str], days: Sequence[date], base: np.ndarray) -> tuple[np.ndarray | None, int]:
        """(Median over the peers of their energy over their own mean of the days of `base`, how many they are); None where they are too few."""
        if len(peers) < LEAST_PEERS:
            return None, 0
        held = [day for day in self.readable.days(READINGS) if day >= days[0]]
        energy = np.full((len(peers), len(days)), np.nan)
        rows = {peer: number for number, peer in enumerate(peers)}
        columns = {day: number for number, day in enumerate(days)}
        for peer, day, kwh in self.warehouse.rows(DAILY_OF_PEERS, (held, list(peers))):
            energy[rows[peer], columns[day]] = kwh
        return peers_course(energy, base)

    def _mean(
        self, meter: str, customer_class: str | None, daily: DailyCourse, dark: Sequence[Interval]
    ) -> MeanDay | MeanWeek | None:
        """The mean day before the onset and lately; of daily readings, the mean week."""
        rows = self.warehouse.rows(PROFILE, (self.readable.days(PROFILES), meter))
        recent_from = self.day - timedelta(days=RECENT_DAYS - 1)
        onset = daily.onset
        lately = [row for row in rows if row[0] >= recent_from]
        if not lately:
            return None
        minutes = max({row[1] for row in lately}, key=lambda one: sum(row[1] == one for row in lately))
        if minutes >= DAILY_MINUTES:
            return mean_week(daily, recent_from)
        slots = DAILY_MINUTES // minutes
        by_day = {
            day: _supplied(profile, day, minutes, dark)
            for day, interval, profile in rows
            if interval == minutes and len(profile) == slots
        }
        before = [power for day, power in by_day.items() if onset and day < onset]
        recent = [power for day, power in by_day.items() if day >= max(recent_from, onset or recent_from)]
        if not recent:
            return None
        before_kw = _mean_of(before if len(before) >= LEAST_BASE_DAYS else [], slots)
        recent_kw = _mean_of(recent, slots)
        level = np.nanmean(before_kw) if np.isfinite(before_kw).any() else np.nanmean(recent_kw)
        return MeanDay(
            slot_minutes=minutes,
            before_kw=before_kw,
            recent_kw=recent_kw,
            class_kw=self._class_kw(meter, customer_class, minutes, slots, recent_from, float(level)),
            before_days=len(before),
            recent_days=len(recent),
            is_since_onset=onset is not None and onset > recent_from,
        )

    def _class_kw(
        self, meter: str, customer_class: str | None, minutes: int, slots: int, since: date, level_kw: float
    ) -> np.ndarray:
        """The mean day of a sample of the class since, brought to the mean power `level_kw`."""
        found = np.full(slots, np.nan)
        sample = self._of_class(meter, customer_class)
        held = self.readable.days(PROFILES, DayWindow(since, self.day + timedelta(days=1)))
        if len(sample) < LEAST_PEERS or not held:
            return found
        for slot, kwh in self.warehouse.rows(CLASS_PROFILE, (held, sample, minutes)):
            if slot < slots:
                found[slot] = kwh
        mean = np.nanmean(found) if np.isfinite(found).any() else 0.0
        return found / mean * level_kw if mean > 0 else np.full(slots, np.nan)

    def _of_class(self, meter: str, customer_class: str | None) -> list[str]:
        """A sample of the other meters of the class, always the same; none where the class is not known."""
        if not self.listed or customer_class in (None, "unknown"):
            return []
        return [row[0] for row in self.warehouse.rows(OF_CLASS, (self.listed, customer_class, meter, MOST_PEERS))]

    def _loss(
        self,
        transformer: str | None,
        dark: Sequence[Interval],
        shared: Mapping[str, Explanation],
        explained: Explained | None,
        since: date | None = None,
    ) -> LossCourse | None:
        held = self.readable.days(LOSSES)
        rows = self.warehouse.rows(LOST, (held, transformer)) if transformer and held else []
        if not rows:
            return None
        known = {row[0]: row[1:] for row in rows}
        days = list(DayWindow(min(known) if since is None else min(since, *known), self.day + timedelta(days=1)))
        loss, low, high, energy_in = (
            np.array([_nan(known[day][number]) if day in known else np.nan for day in days]) for number in range(4)
        )
        return LossCourse(
            days=days,
            loss_kwh=loss,
            low_kwh=low,
            high_kwh=high,
            energy_in_kwh=energy_in,
            off_hours=off_hours(dark, days),
            implausible_days=sum(row[5] is False for row in rows),
            explained=explained,
            elsewhere_kwh=self._elsewhere(days, loss, shared),
        )

    def _elsewhere(self, days: Sequence[date], loss: np.ndarray, shared: Mapping[str, Explanation]) -> float | None:
        """Energy a day that the loss holds and its explanation does not, for that has every meter where its readings fit."""
        if not shared or self.explained_date is None:
            return None
        span = DayWindow.of(self.explained_date).with_lookback(RECENT_DAYS - 1)
        lately = np.array([span.start <= day < span.end for day in days]) & np.isfinite(loss)
        if not lately.any():
            return None
        mean = float(loss[lately].mean())
        elsewhere = mean - sum(of.energy_wh for of in shared.values()) / 1000
        return elsewhere if abs(elsewhere) > max(LEAST_ELSEWHERE_KWH, LEAST_ELSEWHERE_SHARE * abs(mean)) else None

    def _neighbours(
        self, transformer: str | None, behind: Mapping[str, str | None], shared: Mapping[str, Explanation]
    ) -> list[Neighbour]:
        """The meters `behind`, those worth mentioning first, the most suspicious of them before the others."""
        if not behind:
            return []
        scored = self.warehouse.rows(SCORES_OF_TRANSFORMER, (self.day, transformer)) if self.is_scored else []
        scores = {row[0]: _score(row, None) for row in scored}
        explains = {meter: of for meter, of in shared.items() if of.way and of.energy_wh >= LEAST_EXPLAINED_WH}
        lately = self.readable.days(READINGS, DayWindow.of(self.day).with_lookback(RECENT_DAYS - 1))
        recent = dict(self.warehouse.rows(RECENT, (lately, list(behind)))) if lately else {}
        found = [
            Neighbour(
                meter_id=meter,
                customer_class=customer_class,
                score=scores.get(meter),
                explained_kwh=explains[meter].energy_wh / 1000 if meter in explains else None,
                recent_kwh=_float(recent.get(meter)),
                is_misplaced=meter in shared and shared[meter].is_misplaced,
            )
            for meter, customer_class in behind.items()
        ]
        return sorted(found, key=lambda one: (not is_notable(one), -_suspicion(one), one.meter_id))


def told_onset(score: Score, explained: Explained | None) -> date | None:
    """The onset of a score where something that is told has a day: the strongest change of a meter that nothing speaks against is no onset."""
    has_day = any("since" in reason for reason in score.reasons)
    return score.onset if has_day or (explained and explained.since) else None


def expectation(reported: np.ndarray, course: np.ndarray | None, base: np.ndarray) -> np.ndarray:
    """Energy [days] that a meter would have reported at the level of its days `base`, moving as `course` [days]; without a course, that level.

    All NaN where fewer than LEAST_BASE_DAYS of those days are known, and without a course where all days are base: a level alone says nothing then.
    """
    nothing = np.full(len(reported), np.nan)
    if course is None:
        if base.all():
            return nothing
        course = np.ones(len(reported))
    known = base & np.isfinite(reported) & np.isfinite(course)
    if known.sum() < LEAST_BASE_DAYS or course[known].sum() <= 0:
        return nothing
    return reported[known].sum() / course[known].sum() * course


def peers_course(energy: np.ndarray, base: np.ndarray) -> tuple[np.ndarray | None, int]:
    """(Median course [days] of peers, how many they are) of their energy [peers, days]; None where fewer than LEAST_PEERS are known well enough."""
    known = np.isfinite(energy) & base
    counts = known.sum(axis=1)
    level = np.where(known, energy, 0.0).sum(axis=1) / np.maximum(counts, 1)
    is_used = (counts >= max(LEAST_BASE_DAYS, LEAST_PEER_SHARE * base.sum())) & (level > 0)
    if is_used.sum() < LEAST_PEERS:
        return None, 0
    relative = energy[is_used] / level[is_used, None]
    enough = np.isfinite(relative).sum(axis=0) >= LEAST_PEERS // 2 + 1
    course = np.full(energy.shape[1], np.nan)
    course[enough] = np.nanmedian(relative[:, enough], axis=0)
    return course, int(is_used.sum())


def off_hours(dark: Sequence[Interval], days: Sequence[date]) -> np.ndarray:
    """Hours without supply [days]; what overlaps counts once."""
    numbers = {day: number for number, day in enumerate(days)}
    hours = np.zeros(len(days))
    reached: dict[date, int] = {}
    for day, first, last in sorted(dark):
        if day in numbers:
            start = max(first, reached.get(day, 0))
            hours[numbers[day]] += max(0, last - start) / 3600
            reached[day] = max(reached.get(day, 0), last)
    return hours


def mean_week(daily: DailyCourse, recent_from: date) -> MeanWeek | None:
    """Mean energy by day of the week; days with outages are left out where others remain."""
    days = np.array([day.weekday() for day in daily.days])
    is_known = np.isfinite(daily.reported_kwh)
    recent = is_known & np.array([day >= max(recent_from, daily.onset or recent_from) for day in daily.days])
    before = is_known & np.array([daily.onset is not None and day < daily.onset for day in daily.days])
    if not recent.any():
        return None

    def by_weekday(chosen: np.ndarray) -> np.ndarray:
        supplied = chosen & (daily.off_hours == 0)
        return np.array(
            [
                daily.reported_kwh[of].mean() if of.any() else np.nan
                for number in range(WEEK)
                for of in [(supplied if (supplied & (days == number)).any() else chosen) & (days == number)]
            ]
        )

    return MeanWeek(
        before_kwh=by_weekday(before) if before.sum() >= LEAST_BASE_DAYS else np.full(WEEK, np.nan),
        recent_kwh=by_weekday(recent),
        before_days=int(before.sum()),
        recent_days=int(recent.sum()),
        is_since_onset=daily.onset is not None and daily.onset > recent_from,
    )


def _reported(rows: Sequence[tuple[Any, ...]], days: Sequence[date]) -> tuple[np.ndarray, np.ndarray]:
    """(kWh, whether a part of it is estimated), [days] each; NaN where a day was not read, or hardly."""
    numbers = {day: number for number, day in enumerate(days)}
    kwh, is_estimated = np.full(len(days), np.nan), np.zeros(len(days), dtype=bool)
    for day, total, estimated, accepted, expected in rows:
        if accepted and (estimated or accepted >= LEAST_READ_SHARE * expected):
            kwh[numbers[day]] = ((total or 0) + (estimated or 0)) / 1000
            is_estimated[numbers[day]] = bool(estimated)
    return kwh, is_estimated


def _supplied(profile: Sequence[int | None], day: date, minutes: int, dark: Sequence[Interval]) -> np.ndarray:
    """Power in kW by slot, NaN where nothing was read or supply was off for a part of it."""
    power = np.array([_nan(wh) for wh in profile]) / 1000 * (60 / minutes)
    starts = np.arange(len(power)) * minutes * 60
    for off_day, first, last in dark:
        if off_day == day:
            power[(starts < last) & (starts + minutes * 60 > first)] = np.nan
    return power


def _mean_of(days: Sequence[np.ndarray], slots: int) -> np.ndarray:
    """Mean over days by slot, NaN where no day knows it."""
    if not days:
        return np.full(slots, np.nan)
    values = np.stack(days)
    known = np.isfinite(values)
    counts = known.sum(axis=0)
    return np.where(counts > 0, np.where(known, values, 0.0).sum(axis=0) / np.maximum(counts, 1), np.nan)


def is_notable(neighbour: Neighbour) -> bool:
    """Whether a meter is worth mentioning beside another: suspicious, explaining a loss, or in the wrong place."""
    score = neighbour.score
    if neighbour.explained_kwh is not None or neighbour.is_misplaced:
        return True
    return bool(score and score.score is not None and score.score >= LEAST_SCORE)


def _suspicion(neighbour: Neighbour) -> float:
    return neighbour.score.score or 0.0 if neighbour.score else 0.0


def _score(row: Sequence[Any], known_days: int | None) -> Score:
    """Of a row of SCORED."""
    hidden = None if row[6] is None else Estimate(row[6], row[7], row[8])
    return Score(
        score=row[1],
        probability=row[2],
        place=row[3],
        scored=row[4],
        onset=row[5],
        hidden=hidden,
        reasons=parsed_reasons(row[9]),
        told_en=row[10],
        told_fr=row[11],
        known_days=known_days,
    )


def _second(at: datetime, day: date, zone: ZoneInfo) -> int:
    """Seconds from the day's local midnight, within the day."""
    local = at.astimezone(zone)
    if local.date() > day:
        return DAILY_MINUTES * 60
    return 0 if local.date() < day else local.hour * 3600 + local.minute * 60 + local.second


def _float(value: float | Decimal | None) -> float | None:
    return None if value is None else float(value)


def _nan(value: float | Decimal | None) -> float:
    return np.nan if value is None else float(value)
