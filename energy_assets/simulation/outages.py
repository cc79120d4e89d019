"""Interruptions of supply: load shedding in rotation, faults, maintenance; and what the utility says of them.

What belongs here: when an area is without supply. What does not: households whose prepaid credit ran out (prepaid.py).

Load shedding takes feeders in turn, for about six hours each, often in the dry season (facts of the field: rotations of about
6 h); faults come at random to transformers and last from minutes to more than a day; maintenance is announced and done on
working days. Rates are chosen, not measured. What starts on a day is drawn from that day's stream alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from energy_assets.simulation.calendar import MINUTES, Day, starts_of
from energy_assets.simulation.city import City
from energy_assets.simulation.streams import Purpose, stream

SHEDDING_MONTHS = (1, 2, 3, 4)
"""The dry season, when reservoirs are low."""
ROTATION_DAYS = {True: 10, False: 45}
"""A feeder's turn comes once in so many days, within and outside of the season."""
BLOCK_HOURS = (6, 12, 18)
SHEDDING_MINUTES = (360, 20)
"""Mean and standard deviation."""
FAULTS_A_DAY = 1 / 50
FAULT_MINUTES = (110, 0.9)
"""Median, and standard deviation of the logarithm."""
LONGEST_MINUTES = 2400
REPORTED_FAULTS = 0.8
MAINTENANCE_A_DAY = 1 / 150
LOOK_BACK_DAYS = LONGEST_MINUTES // 1440 + 1


@dataclass(frozen=True)
class Interruption:
    """An area without supply in [started_at, ended_at), UTC datetime64[m]. `transformers` are the indices of its transformers."""

    area_id: str
    transformers: np.ndarray
    started_at: np.datetime64
    ended_at: np.datetime64
    kind: str
    is_reported: bool
    """Whether the utility's outage records know of it."""


def started_on(city: City, day: date, zone: ZoneInfo) -> list[Interruption]:
    """Interruptions that start on the local day, by area."""
    rng = stream(city.seed, Purpose.INTERRUPTIONS, day.toordinal())
    midnight = starts_of(day, zone)[0]
    feeders, transformers = len(city.feeder_ids), city.transformers
    shed = rng.standard_normal((feeders, 2))
    fault = rng.random((transformers, 4))
    length = np.exp(FAULT_MINUTES[1] * rng.standard_normal(transformers))
    found = []

    def add(area_id: str, members: np.ndarray, start: float, minutes: float, kind: str, is_reported: bool) -> None:
        started_at = midnight + np.timedelta64(int(start), "m")
        found.append(
            Interruption(
                area_id, members, started_at, started_at + np.timedelta64(max(5, int(minutes)), "m"), kind, is_reported
            )
        )

    for feeder in np.flatnonzero(_is_shed(np.arange(feeders), day)):
        block = BLOCK_HOURS[
            (day.toordinal() // ROTATION_DAYS[day.month in SHEDDING_MONTHS] + feeder) % len(BLOCK_HOURS)
        ]
        mean, spread = SHEDDING_MINUTES
        start, minutes = block * 60 + 10 * abs(shed[feeder, 0]), mean + spread * shed[feeder, 1]
        add(
            str(city.feeder_ids[feeder]),
            np.flatnonzero(city.feeder == feeder),
            start,
            min(minutes, 1439 - start),
            "load_shedding",
            True,
        )
    for transformer in np.flatnonzero(fault[:, 0] < FAULTS_A_DAY):
        area, members = str(city.transformer_ids[transformer]), np.array([transformer])
        minutes = min(FAULT_MINUTES[0] * length[transformer], LONGEST_MINUTES)
        is_reported = bool(fault[transformer, 2] < REPORTED_FAULTS)
        add(area, members, 1440 * fault[transformer, 1], minutes, "fault", is_reported)
    is_worked_on = (fault[:, 3] < MAINTENANCE_A_DAY) & (day.weekday() < 5)
    for transformer in np.flatnonzero(is_worked_on):
        area, members = str(city.transformer_ids[transformer]), np.array([transformer])
        add(area, members, 540 + 60 * fault[transformer, 1], 240 + 120 * fault[transformer, 2], "maintenance", True)
    return found


def in_force(city: City, day: date, zone: ZoneInfo) -> list[Interruption]:
    """Interruptions that started on the day or before and may reach into it."""
    days = [day - timedelta(days=ago) for ago in range(LOOK_BACK_DAYS, -1, -1)]
    return [interruption for each in days for interruption in started_on(city, each, zone)]


def energised(city: City, day: Day, interruptions: list[Interruption]) -> np.ndarray:
    """Share of each interval in which a transformer is live, float32 [transformers, slots].

    Where two interruptions overlap within a half-hour, the longer counts.
    """
    live = np.ones((city.transformers, day.slots), np.float32)
    ends = day.starts + np.timedelta64(MINUTES, "m")
    for interruption in interruptions:
        without = np.minimum(ends, interruption.ended_at) - np.maximum(day.starts, interruption.started_at)
        share = np.clip(without.astype(float) / MINUTES, 0.0, 1.0)
        rows = interruption.transformers
        live[rows] = np.minimum(live[rows], (1 - share).astype(np.float32))
    return live


def as_reported(day: Day, interruptions: list[Interruption]) -> pa.Table:
    """Rows of the landing contract's `outages` as the day's file brings them: what started, and what came to an end.

    An interruption that goes on over midnight comes first without its end, and again with it on the day on which it ends.
    """
    known = [
        one for one in interruptions if one.is_reported and one.ended_at > day.starts[0] and one.started_at < day.end
    ]
    new = [one for one in known if one.started_at >= day.starts[0] or one.ended_at <= day.end]
    return pa.table(
        {
            "area_id": pa.array([one.area_id for one in new], pa.string()),
            "started_at": instants(one.started_at for one in new),
            "ended_at": instants(one.ended_at if one.ended_at <= day.end else None for one in new),
            "kind": pa.array([one.kind for one in new], pa.string()),
        }
    )


def instants(values: Iterable[np.datetime64 | None]) -> pa.Array:
    """datetime64 values, or None, as UTC timestamps."""
    return pa.array([None if value is None else value.item() for value in values], pa.timestamp("us")).cast(
        pa.timestamp("us", "UTC")
    )


def _is_shed(feeder: np.ndarray, day: date) -> np.ndarray:
    """Whether it is the feeders' turn, bool [feeders]."""
    rotation = ROTATION_DAYS[day.month in SHEDDING_MONTHS]
    return (day.toordinal() + 3 * feeder) % rotation == 0
