"""What a home's log says of the steps of its runs: which, for which days, how long.

What belongs here: reading events.jsonl. What does not: what is made of it (year.py, million.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from operator import itemgetter

from energy_assets.home import Home


@dataclass(frozen=True)
class Step:
    """A step that came to its end. `days`: the first and the last day that it was about, where it was about any."""

    name: str
    days: tuple[date, date] | None
    seconds: float


def steps_of(home: Home) -> Iterator[Step]:
    """Every step, as they began and ended; those that never ended are left out."""
    started: dict[tuple[str, str], datetime] = {}
    lines = [json.loads(line) for file in home.logs.glob("events.jsonl*") for line in file.read_text().splitlines()]
    for line in sorted((line for line in lines if "step" in line), key=itemgetter("time")):
        at, key = datetime.fromisoformat(line["time"]), (line["run_id"], line["step"])
        if line.get("dagster_event") == "STEP_START":
            started[key] = at
        elif key in started:
            days = tuple(map(date.fromisoformat, line["days"])) if "days" in line else None
            yield Step(line["step"], days, (at - started.pop(key)).total_seconds())
