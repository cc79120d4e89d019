"""A fleet of readings alone, for whom a city is too much: a daily and a weekly shape, planted anomalies and defects.

What belongs here: what the meters truly used, what was planted in it, and the files that tell it.
What does not: reading those files (energy_assets.landing).

Every day is drawn from its own random stream, spawned from seed and day: the same seed gives the same files however many
days are asked for, in whatever order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from energy_assets.simulation.calendar import MINUTES, starts_of

JUNK_ROWS = 2
"""Rows a day that cannot be read, of fleets large enough to keep their share below MOST_JUNK."""
MOST_JUNK = 0.005
MISSING_SHARE = 0.001
RED_SHARE = 0.25
ANOMALY_SHARE = 0.005
"""Share of meter-days that hold a planted anomaly."""
KINDS = ("spike", "drop", "flat")
UNREADABLE_NUMBERS = ("n/a", "", "ERR", "1.2.3")
LATEST_START = 36


@dataclass(frozen=True)
class Fleet:
    """What does not change from day to day. Arrays are [meters]."""

    seed: int
    meter_ids: np.ndarray
    level_kwh: np.ndarray
    """Mean energy of a half-hour."""
    evening: np.ndarray
    """How much of the day's shape is the evening peak, 0–1."""
    weekend: np.ndarray
    """Factor of Saturdays and Sundays."""


@dataclass(frozen=True)
class Anomaly:
    """A planted anomaly: `meter` in the slots [first, last) of the day, counted from local midnight."""

    meter: int
    kind: str
    first: int
    last: int


def make_fleet(meters: int, seed: int) -> Fleet:
    """`meters` meters named M000001…; a larger fleet of the same seed begins with the same meters."""
    level, evening, weekend = np.random.default_rng([seed, 0]).random((meters, 3)).T
    return Fleet(
        seed=seed,
        meter_ids=np.array([f"M{number:06d}" for number in range(1, meters + 1)]),
        level_kwh=0.05 + 0.45 * level**2,
        evening=0.3 + 0.6 * evening,
        weekend=0.85 + 0.45 * weekend,
    )


def used_kwh(fleet: Fleet, day: date, slots: int) -> np.ndarray:
    """What the meters used, float64 [meters, slots], in kWh."""
    noise = _stream(fleet, day, 1).gamma(12.0, 1 / 12.0, (len(fleet.meter_ids), slots))
    hour = np.arange(slots) * MINUTES / 60
    evening = np.exp(-0.5 * ((hour - 20.0) / 2.0) ** 2)
    morning = 0.5 * np.exp(-0.5 * ((hour - 7.0) / 1.5) ** 2)
    shape = 0.35 + (morning + evening)[None, :] * 3.0 * fleet.evening[:, None]
    week = fleet.weekend if day.weekday() >= 5 else np.ones(len(fleet.meter_ids))
    return fleet.level_kwh[:, None] * week[:, None] * shape * noise


def plant_anomalies(fleet: Fleet, day: date, kwh: np.ndarray) -> list[Anomaly]:
    """Change `kwh` in place where an anomaly is drawn, and say where."""
    rng = _stream(fleet, day, 2)
    chosen = np.flatnonzero(rng.random(len(fleet.meter_ids)) < ANOMALY_SHARE)
    planted = []
    for meter in chosen:
        kind = KINDS[rng.integers(len(KINDS))]
        first = int(rng.integers(LATEST_START))
        last = first + int(rng.integers(1, 4) if kind == "spike" else rng.integers(8, 13))
        _distort(kwh[meter, first:last], kind, fleet.level_kwh[meter])
        planted.append(Anomaly(int(meter), kind, first, last))
    return planted


def simulate_readings(
    meters: int,
    days: int,
    seed: int,
    out: Path,
    first_day: date = date(2024, 1, 1),
    timezone: str = "Africa/Douala",
    *,
    format: Literal["csv", "parquet"] = "csv",
    red_days: Collection[date] = (),
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write one file a day to `out`/meter_readings, and `out`/truth/anomalies.csv; the paths of the daily files.

    Instants are UTC with their offset. A day holds a few rows that cannot be read, below 1 %, and a few missing intervals; on
    `red_days` a quarter of the rows lacks its meter. `progress(done, total)` is called after each day.
    Raises ValueError for a fleet without meters or days.
    """
    if meters < 1 or days < 1:
        raise ValueError(f"a fleet needs at least one meter and one day, not {meters} meters and {days} days")
    fleet, zone = make_fleet(meters, seed), ZoneInfo(timezone)
    written, truth = [], []
    for number in range(days):
        day = first_day + timedelta(days=number)
        starts = starts_of(day, zone)
        kwh = used_kwh(fleet, day, len(starts))
        truth += _as_truth(fleet, day, starts, plant_anomalies(fleet, day, kwh))
        rows = _with_defects(fleet, day, _rows(fleet, starts, kwh), is_red=day in red_days)
        written.append(_write(rows, out / "meter_readings" / f"{day}.{format}"))
        if progress is not None:
            progress(number + 1, days)
    _write(pa.Table.from_pylist(truth, schema=TRUTH), out / "truth" / "anomalies.csv")
    return written


TRUTH = pa.schema(
    [
        ("meter_id", pa.string()),
        ("reading_date", pa.string()),
        ("started_at", pa.string()),
        ("ended_at", pa.string()),
        ("kind", pa.string()),
    ]
)
"""Columns of truth/anomalies.csv: the local day, and the instants [started_at, ended_at) in UTC."""


def _stream(fleet: Fleet, day: date, purpose: int) -> np.random.Generator:
    return np.random.default_rng([fleet.seed, day.toordinal(), purpose])


def _distort(kwh: np.ndarray, kind: str, level: float) -> None:
    if kind == "spike":
        kwh[:] = kwh * 6.0 + 10.0 * level
    elif kind == "drop":
        kwh[:] *= 0.02
    else:
        kwh[:] = kwh[0]


def _rows(fleet: Fleet, starts: np.ndarray, kwh: np.ndarray) -> pa.Table:
    """Text rows as a head-end would write them: interval after interval, in each one all meters."""
    meters, slots = kwh.shape
    written = np.char.add(starts.astype("datetime64[s]").astype(str), "+00:00")
    return pa.table(
        {
            "meter_id": pa.array(fleet.meter_ids).take(pa.array(np.tile(np.arange(meters), slots))),
            "reading_at": pa.array(written).take(pa.array(np.repeat(np.arange(slots), meters))),
            "consumption_kwh": pa.array(np.round(kwh.T.ravel(), 3)).cast(pa.string()),
        }
    )


def _with_defects(fleet: Fleet, day: date, rows: pa.Table, *, is_red: bool) -> pa.Table:
    """Leave out some rows, and spoil some others."""
    rng = _stream(fleet, day, 3)
    rows = rows.filter(pa.array(rng.random(rows.num_rows) >= MISSING_SHARE))
    junk = rng.choice(rows.num_rows, min(2 * JUNK_ROWS, int(rows.num_rows * MOST_JUNK)), replace=False)
    without_number, without_meter = np.zeros((2, rows.num_rows), bool)
    without_number[junk[: len(junk) // 2]] = True
    without_meter[junk[len(junk) // 2 :]] = True
    if is_red:
        without_meter |= rng.random(rows.num_rows) < RED_SHARE
    junk_number = UNREADABLE_NUMBERS[rng.integers(len(UNREADABLE_NUMBERS))]
    rows = _replaced(rows, "consumption_kwh", without_number, junk_number)
    return _replaced(rows, "meter_id", without_meter, "")


def _replaced(rows: pa.Table, name: str, where: np.ndarray, text: str) -> pa.Table:
    column = pc.if_else(pa.array(where), pa.scalar(text), rows[name])
    return rows.set_column(rows.schema.get_field_index(name), name, column)


def _as_truth(fleet: Fleet, day: date, starts: np.ndarray, planted: list[Anomaly]) -> list[dict[str, str]]:
    ends = starts + np.timedelta64(MINUTES, "m")
    return [
        {
            "meter_id": str(fleet.meter_ids[anomaly.meter]),
            "reading_date": day.isoformat(),
            "started_at": f"{starts[anomaly.first].astype('datetime64[s]')}+00:00",
            "ended_at": f"{ends[anomaly.last - 1].astype('datetime64[s]')}+00:00",
            "kind": anomaly.kind,
        }
        for anomaly in planted
    ]


def _write(rows: pa.Table, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    if path.suffix == ".parquet":
        pq.write_table(rows, draft, compression="zstd")
    else:
        pacsv.write_csv(rows, draft, pacsv.WriteOptions(quoting_style="none", quoting_header="none"))
    return draft.replace(path)
