"""Rules that staging applies, as they run in the graph: real readings with defects into the raw table, staging by dbt, codes out.

What belongs here: the defects of one reading, and looking at what became of them. What does not: rules (dbt_project/macros/validation.sql).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.homes import temporary_home
from benchmarks.real_readings import Readings
from energy_assets.home import Calendar, Home
from energy_assets.operations.stores import bring_up
from energy_assets.resources.dbt import PROJECT_DIR, connection_variables
from energy_assets.resources.warehouse import Warehouse

READINGS = 500_000
"""So many of each data set, at least two weeks."""
SHARE = 0.04
"""Share of meter-days that get each defect."""
DEFECTS = ("negative", "above_limit", "interval_size_more", "interval_size_longer", "unit", "missing", "duplicate")
CODES = {
    "interval_size_more": ("interval_size",),
    "interval_size_longer": ("interval_size",),
    "unit": ("unit", "above_limit"),
}
"""What each defect may be called where that is not its own name: a large reading in the wrong unit is above the limit as well."""
LEAST_UNIT_KW = 0.05
LIMIT_KWH = 1000.0
SEED = 7


@dataclass
class Delivered:
    """Columns of raw rows, and where defects are: (meter, instant) by defect."""

    meter: list[np.ndarray] = field(default_factory=list)
    at: list[np.ndarray] = field(default_factory=list)
    kwh: list[np.ndarray] = field(default_factory=list)
    minutes: list[np.ndarray] = field(default_factory=list)


def deterministic(readings: Readings) -> Iterator[str]:
    """A row of the table for each defect."""
    # Days that most meters have, late in the data: the Australian trial filled up slowly.
    days = max(READINGS // (readings.kwh.shape[1] * readings.kwh.shape[2]), 14)
    first = min(len(readings.kwh) // 2, len(readings.kwh) - days)
    start = readings.first_day + timedelta(days=first)
    with temporary_home() as home:
        home.write_calendar(Calendar("UTC", start, start + timedelta(days=days - 1)))
        bring_up(home)
        warehouse = Warehouse(home=str(home.path))
        marks: dict[tuple[date, str], str] = {}
        places: dict[str, set[tuple[str, np.datetime64]]] = {name: set() for name in DEFECTS}
        rows: dict[date, int] = {}
        for number in range(days):
            day = start + timedelta(days=number)
            table, meter_marks, found = spoil(readings, first + number, day)
            rows[day] = table.num_rows
            marks |= {(day, meter): name for meter, name in meter_marks.items()}
            for name, where in found.items():
                places[name] |= where
            warehouse.replace_day("raw_data", "meter_readings", day, [table], run_id="bench", as_loader=True)
        stage(home, start, start + timedelta(days=days))
        yield from judged(warehouse, readings, marks, places, rows)


def spoil(
    readings: Readings, number: int, day: date
) -> tuple[pa.Table, dict[str, str], dict[str, set[tuple[str, np.datetime64]]]]:
    """A day's raw rows; which defect each meter has, if any; and at which instants."""
    rng = np.random.default_rng([SEED, number])
    minutes, kwh = readings.interval_minutes, readings.kwh[number]
    meters, slots = kwh.shape
    starts = np.datetime64(day, "s") + np.arange(slots) * np.timedelta64(minutes * 60, "s")
    names = np.array([f"R{meter:04d}" for meter in range(meters)])
    out = Delivered()
    marked: dict[str, str] = {}
    places: dict[str, set[tuple[str, np.datetime64]]] = {name: set() for name in DEFECTS}
    kinds = np.where(rng.random(meters) < SHARE * len(DEFECTS), rng.integers(0, len(DEFECTS), meters), -1)
    for meter in range(meters):
        values, at = kwh[meter].copy(), starts
        has = np.flatnonzero(~np.isnan(values[1:-1])) + 1
        if len(has) < slots // 2:
            continue
        length = np.full(slots, minutes)
        extra: list[tuple[np.datetime64, float, int]] = []
        kind = DEFECTS[kinds[meter]] if kinds[meter] >= 0 else None
        slot = int(rng.choice(has))
        if kind in ("negative", "unit"):
            least = LEAST_UNIT_KW * minutes / 60 if kind == "unit" else 0.0
            fit = has[values[has] > least]
            if not len(fit):
                kind = None
            else:
                slot = int(rng.choice(fit))
                values[slot] *= -1 if kind == "negative" else 1000
        elif kind == "above_limit":
            values[slot] = LIMIT_KWH * rng.uniform(1.5, 10)
        elif kind == "interval_size_more":
            extra.append((at[slot] + np.timedelta64(rng.integers(1, minutes) * 60, "s"), values[slot], minutes))
        elif kind == "interval_size_longer":
            length[slot], values[slot] = (60, np.nansum(values[slot : slot + 2]))
        elif kind == "missing":
            values[slot] = np.nan
        elif kind == "duplicate":
            extra.append((at[slot], values[slot], minutes))
        kept = ~np.isnan(values)
        if kind:
            marked[names[meter]] = kind
            places[kind].add((names[meter], extra[0][0] if kind == "interval_size_more" else at[slot]))
        out.meter.append(np.repeat(names[meter], kept.sum() + len(extra)))
        out.at.append(
            np.concatenate([at[kept], np.array([one[0] for one in extra], at.dtype)]).astype("datetime64[us]")
        )
        out.kwh.append(np.concatenate([values[kept], [one[1] for one in extra]]))
        out.minutes.append(np.concatenate([length[kept], [one[2] for one in extra]]))
    count = sum(map(len, out.meter))
    table = pa.table(
        {
            "reading_date": pa.repeat(pa.scalar(day, pa.date32()), count),
            "meter_id": pa.array(np.concatenate(out.meter)),
            "reading_at": pa.array(np.concatenate(out.at)).cast(pa.timestamp("us", "UTC")),
            "consumption_kwh": np.concatenate(out.kwh).astype(float),
            "interval_minutes": pa.array(np.concatenate(out.minutes).astype(np.int16)),
            "row_number": pa.array(np.arange(2, count + 2, dtype=np.int32)),
            "file_id": pa.array(np.ones(count, dtype=np.int32)),
        }
    )
    return table, marked, places


def stage(home: Home, start: date, end: date) -> None:
    """Run the two models by dbt, as docs/architecture.md says. Raises RuntimeError with dbt's output where it fails."""
    variables = {"window_start": str(start), "window_end": str(end), "timezone": "UTC", "max_interval_kwh": LIMIT_KWH}
    dsn = Warehouse(home=str(home.path)).connections.transformer_dsn
    with tempfile.TemporaryDirectory() as target:
        done = subprocess.run(
            [
                *(str(Path(sys.executable).with_name("dbt")), "--no-use-colors", "run"),
                *("--select", "stg_meters", "stg_meter_readings", "--vars", json.dumps(variables)),
                *("--target-path", target, "--log-path", target),
            ],
            cwd=PROJECT_DIR,
            env=os.environ | connection_variables(dsn) | {"DBT_PROFILES_DIR": str(PROJECT_DIR)},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(done.stdout)


def judged(
    warehouse: Warehouse,
    readings: Readings,
    marks: dict[tuple[date, str], str],
    places: dict[str, set[tuple[str, np.datetime64]]],
    delivered: dict[date, int],
) -> Iterator[str]:
    table = warehouse.table("select reading_date, meter_id, reading_at, quality_code from staging.stg_meter_readings")
    meters = table["meter_id"].to_pylist()
    days = table["reading_date"].to_pylist()
    codes = np.array(table["quality_code"].to_pylist())
    at = table["reading_at"].cast(pa.timestamp("s", "UTC")).to_numpy()
    code_of = {(meter, instant): code for meter, instant, code in zip(meters, at, codes, strict=True)}
    is_clean = np.array([(day, meter) not in marks for day, meter in zip(days, meters, strict=True)])
    is_hit = is_clean & (codes != "valid")
    for name in DEFECTS:
        where = places[name]
        if name == "missing":
            caught = sum(place not in code_of for place in where)
        elif name == "duplicate":
            surplus = sum(delivered.values()) - table.num_rows
            caught = min(surplus, len(where))
        else:
            caught = sum(code_of.get(place) in CODES.get(name, (name,)) for place in where)
        false = (is_clean & np.isin(codes, CODES.get(name, (name,)))).sum()
        yield (
            f"| {readings.name} | {name} | {len(where):,} | {100 * caught / max(len(where), 1):.2f} % |"
            f" {is_clean.sum():,} | {100 * false / max(is_clean.sum(), 1):.4f} % |"
        )
    yield (
        f"| {readings.name} | any rule | {sum(map(len, places.values())):,} | | {is_clean.sum():,} |"
        f" {100 * is_hit.sum() / max(is_clean.sum(), 1):.4f} % |"
    )
