"""A city's deliveries in disorder: dealt out over waves, up to so many days late, shuffled, twice, and wrong before they are corrected.

What belongs here: which row comes in which wave, as what. What does not: landing them; what must come of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from energy_assets.simulation import simulate
from support.deliveries import Deliveries, redelivered, shuffled

PARTS = 3
"""Into so many parts, each with a delay of its own, is a file cut."""
WRONG_SHARE = 0.03


def city(out: Path, *, meters: int, transformers: int, days: int, seed: int) -> Deliveries:
    """Every source of a city, look-alikes and defects of delivery included."""
    simulate(meters, days, seed, out, transformers=transformers, theft_rate=0.1, with_truth=False, format="csv")
    return {str(path.relative_to(out)): path.read_text("utf-8") for path in sorted(out.glob("*/*.csv"))}


def waves(deliveries: Deliveries, arrivals: Sequence[date], seed: int, *, most_days_late: int) -> list[Deliveries]:
    """The deliveries that have come by each of `arrivals`: a part of a file comes with the first of them that is not before its delay."""
    rng = np.random.default_rng(seed)
    result: list[Deliveries] = [{} for _ in arrivals]
    for path, text in with_wrong_versions(deliveries, seed).items():
        folder, _, name = path.partition("/")
        header, *rows = text.splitlines()
        part_of = rng.integers(PARTS, size=len(rows))
        for part in range(PARTS):
            comes_on = date.fromisoformat(name[:10]) + timedelta(days=int(rng.integers(most_days_late + 1)))
            wave = next((number for number, on in enumerate(arrivals) if on >= comes_on), len(arrivals) - 1)
            if kept := [row for row, of in zip(rows, part_of, strict=True) if of == part]:
                result[wave][f"{folder}/wave {wave}/{part} of {name}"] = "\n".join([header, *kept]) + "\n"
    return [shuffled(redelivered(wave, seed + number), seed) for number, wave in enumerate(result)]


def with_wrong_versions(deliveries: Deliveries, seed: int) -> Deliveries:
    """With some readings of meters also delivered wrong, under a lower version than the right one, in files of their own."""
    rng = np.random.default_rng(seed)
    wrong: Deliveries = {}
    for path, text in deliveries.items():
        folder, _, name = path.partition("/")
        if folder != "meter_readings":
            continue
        header, *rows = text.splitlines()
        if header.split(",") != ["meter_id", "reading_at", "consumption_kwh", "version"]:
            raise ValueError(f"{path} has other columns than this test corrects: {header}")
        spoiled = []
        for row in rows:
            meter, at, value, version = row.split(",")
            if (
                meter
                and value.strip('"').replace(".", "", 1).isdigit()
                and version == "1"
                and rng.random() < WRONG_SHARE
            ):
                spoiled.append(f"{meter},{at},{rng.random():.3f},0")
        if spoiled:
            wrong[f"{folder}/{name[:10]} wrong.csv"] = "\n".join([header, *spoiled]) + "\n"
    return deliveries | wrong
