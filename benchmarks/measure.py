"""What a benchmark returns, and how two ways of doing one thing are timed.

What belongs here: values and timing. What does not: what is measured (one module a benchmark), how it is shown (report.py).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Measure:
    """One line of the results."""

    name: str
    what: str
    """What is divided by what, or what is measured."""
    value: float
    unit: str
    """Empty for a ratio, else `s` or `MB`."""
    goal: float
    better: Literal["higher", "lower"]
    ours: str = ""
    bare: str = ""
    items: Mapping[str, float] = field(default_factory=dict)
    """What the value is made of: seconds by name."""

    @property
    def is_met(self) -> bool:
        return self.value >= self.goal if self.better == "higher" else self.value <= self.goal


def speed(name: str, what: str, rows: int, ours: float, bare: float, *, goal: float) -> Measure:
    """The speed of our work ÷ that of the other, both over `rows` rows, from their seconds."""
    return Measure(
        name=f"{name}, {rows:,} rows",
        what=what,
        value=bare / ours,
        unit="",
        goal=goal,
        better="higher",
        ours=f"{ours:.2f} s ({rows / ours:,.0f} rows/s)",
        bare=f"{bare:.2f} s ({rows / bare:,.0f} rows/s)",
    )


def seconds_of(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def alternately(*works: Callable[[], object], rounds: int = 3) -> list[float]:
    """Median seconds of each work. They take turns, so that whatever else the machine does meets all alike."""
    taken = [[seconds_of(work) for work in works] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*taken, strict=True)]
