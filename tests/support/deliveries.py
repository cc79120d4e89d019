"""The same readings delivered otherwise: shuffled, in other files, more than once.

What belongs here: turning deliveries (path below the landing zone -> CSV text) into others that say the same.
What does not: landing them.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

Deliveries = dict[str, str]


def by_source(deliveries: Deliveries) -> Iterable[Deliveries]:
    """The deliveries of each folder by themselves."""
    folders: dict[str, Deliveries] = {}
    for path, text in deliveries.items():
        folders.setdefault(path.split("/")[0], {})[path] = text
    return folders.values()


def shuffled(deliveries: Deliveries, seed: int) -> Deliveries:
    """Each file's rows in another order."""
    rng = np.random.default_rng(seed)
    result = {}
    for path, text in deliveries.items():
        header, *rows = text.splitlines()
        rng.shuffle(rows)
        result[path] = _text(header, rows)
    return result


def split(deliveries: Deliveries, seed: int, files: int) -> Deliveries:
    """All rows dealt out at random over `files` files of other names and sub-folders; one header must fit all."""
    rng = np.random.default_rng(seed)
    headers = {text.splitlines()[0] for text in deliveries.values()}
    if len(headers) != 1:
        raise ValueError(f"files of {len(headers)} headers cannot share rows")
    dealt: list[list[str]] = [[] for _ in range(files)]
    for text in deliveries.values():
        for row in text.splitlines()[1:]:
            dealt[rng.integers(files)].append(row)
    header = headers.pop()
    folder = next(iter(deliveries)).split("/")[0]
    names = [f"{folder}/batch {seed}/{number % 3}/part {number} of {files}.csv" for number in range(files)]
    return {name: _text(header, rows) for name, rows in zip(names, dealt, strict=True) if rows}


def redelivered(deliveries: Deliveries, seed: int, share: float = 0.5) -> Deliveries:
    """With some files delivered again under other paths, and some rows of each file again in a file of their own."""
    rng = np.random.default_rng(seed)
    again: Deliveries = {}
    for path, text in deliveries.items():
        folder, _, name = path.partition("/")
        header, *rows = text.splitlines()
        if rng.random() < share:
            again[f"{folder}/again {seed}/{name}"] = text
        if repeated := [row for row in rows if rng.random() < share / 4]:
            again[f"{folder}/late {seed}/{name}"] = _text(header, repeated)
    return deliveries | again


def with_restated(deliveries: Deliveries, seed: int, share: float = 0.02) -> Deliveries:
    """With a `version` column, and some readings restated to other values: under a higher version, and under none."""
    rng = np.random.default_rng(seed)
    result: Deliveries = {}
    for path, text in deliveries.items():
        header, *rows = text.splitlines()
        columns = header.split(",")
        meter, value = columns.index("meter_id"), columns.index("consumption_kwh")
        plain = [f"{row}," for row in rows]
        restated = []
        for row in rows:
            cells = row.split(",")
            if cells[meter] and rng.random() < share:
                cells[value] = f"{rng.random():.3f}"
                restated.append(",".join([*cells, rng.choice(["", "1", "2"])]))
        folder, _, name = path.partition("/")
        result[path] = _text(f"{header},version", plain)
        result[f"{folder}/restated/{name}"] = _text(f"{header},version", restated)
    return result


def _text(header: str, rows: list[str]) -> str:
    return "\n".join([header, *rows]) + "\n"
