"""The truth of a simulated city as masks: on which days each meter has which role or defect, and where supply was on.

What belongs here: reading `truth/`. What does not: what was delivered (city_arrays.py), what rules are held against (vee_relations.py).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.city_arrays import CityArrays, place
from energy_assets.keys import ESTIMATE_LOOKBACK_DAYS
from energy_assets.simulation.calendar import SLOTS


@dataclass(frozen=True, eq=False)
class Truth:
    """Masks are bool [days, meters] unless told otherwise."""

    roles: dict[str, np.ndarray]
    """By look-alike: where it is in force."""
    onsets: dict[str, np.ndarray]
    """By look-alike: its first day."""
    is_theft: np.ndarray
    hides_energy: np.ndarray
    """Theft that does not only move the day's energy."""
    defects: dict[str, np.ndarray]
    """By kind, on the day of the reading, but for those that were made good by the next morning. A stuck register is wrong from the
    morning after the day on which it got stuck to the one on which it jumps."""
    standing: np.ndarray
    """Days on which a spike of the day or of the four weeks before is still among the readings."""
    transformer: np.ndarray
    """Int [meters]: where each truly is."""
    live: np.ndarray
    """[days, transformers, slots]: share of the slot with supply."""
    is_unreported: np.ndarray
    """Bool [days, transformers]: an interruption began that nobody was told of."""


def read_truth(folder: Path, city: CityArrays) -> Truth:
    shape = city.days, len(city.meter_ids)
    first = city.first_day
    number_of_meter = {one: number for number, one in enumerate(city.meter_ids)}
    number_of_transformer = {one: number for number, one in enumerate(city.transformer_ids)}
    roles, onsets, defects = (defaultdict(lambda: np.zeros(shape, dtype=bool)) for _ in range(3))
    is_theft, hides, standing = np.zeros((3, *shape), dtype=bool)
    meters = pl.read_parquet(folder / "meters.parquet").sort("meter_id")
    for row in meters.filter(pl.col("onset").is_not_null()).iter_rows(named=True):
        meter, onset, end = number_of_meter[row["meter_id"]], _number(row["onset"], first), _number(row["end"], first)
        days = slice(max(onset, 0), city.days if end is None else max(end, 0))
        roles[row["type"]][days, meter] = True
        if 0 <= onset < city.days:
            onsets[row["type"]][onset, meter] = True
        is_theft[days, meter] |= row["is_theft"]
        hides[days, meter] |= row["is_theft"] and not row["keeps_energy"]
    told = pl.read_parquet(folder / "defects.parquet").filter(pl.col("meter_id").is_not_null())
    for row in told.iter_rows(named=True):
        meter, day, due = number_of_meter[row["meter_id"]], _number(row["reading_date"], first), row["delivered_on"]
        if row["kind"] == "frozen_register":
            defects[row["kind"]][day + 1 : _number(due, first) + 1, meter] = True
        elif row["kind"] in ("late", "comms_gap") or due is None or _number(due, first) > day + 1:
            defects[row["kind"]][day, meter] = True
        if row["kind"] == "spike":
            mended = city.days if due is None else _number(due, first)
            standing[day : min(mended, day + ESTIMATE_LOOKBACK_DAYS + 1), meter] = True
    fed = pl.read_parquet(folder / "transformers" / "*.parquet")
    live = np.ones((city.days, len(city.transformer_ids), SLOTS))
    day, slot = place(fed["reading_at"], first)
    live[day, fed["transformer_id"].cast(pl.Enum(city.transformer_ids)).to_physical().to_numpy(), slot] = fed[
        "live_share"
    ]
    is_unreported = np.zeros(live.shape[:2], dtype=bool)
    silent = pl.read_parquet(folder / "interruptions.parquet").filter(pl.col("area_id").is_in(city.transformer_ids))
    for row in silent.filter(~pl.col("is_reported")).iter_rows(named=True):
        is_unreported[_number(row["reading_date"], first), number_of_transformer[row["area_id"]]] = True
    true = np.array([number_of_transformer[one] for one in meters["transformer_id"]])
    return Truth(roles, onsets, is_theft, hides, defects, standing, true, live, is_unreported)


def _number(day: date | None, first_day: date) -> int | None:
    return None if day is None else (day - first_day).days
