"""What differs between a home after a disaster and an undisturbed one, counted.

What belongs here: comparing two states (state.py). What does not: reading them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Verdict:
    """What is wrong after the retry; all zero where nothing is."""

    tables: int = 0
    """Tables compared."""
    days: int = 0
    """Days of tables compared."""
    days_wrong: int = 0
    rows_lost: int = 0
    rows_twice: int = 0
    days_not_shown: int = 0
    """Days that are written, though Dagster's page does not show them as materialized."""
    drafts_left: int = 0
    unfinished_runs: int = 0
    """Runs that Dagster believes to go on, though their process is gone; its daemon closes them."""
    details: list[str] = field(default_factory=list)

    @property
    def is_same(self) -> bool:
        return not (self.days_wrong or self.rows_lost or self.rows_twice)

    def summary(self) -> str:
        """In a line, with the first details."""
        counts = f"{self.days_wrong} of {self.days} days wrong, {self.rows_lost} rows lost, {self.rows_twice} twice"
        return "; ".join([counts, *self.details[:5]])

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def compare(expected: Mapping[str, Any], found: Mapping[str, Any]) -> Verdict:
    """What is wrong in the state `found`, measured by `expected`."""
    verdict = Verdict(tables=len(expected["tables"]))
    for table in sorted(expected["tables"].keys() | found["tables"].keys()):
        wanted, held = expected["tables"].get(table), found["tables"].get(table)
        if wanted is None or held is None:
            verdict.details.append(f"{table}: {'a table too many' if wanted is None else 'no such table'}")
            verdict.days_wrong += 1
        for day in sorted((wanted or {}).keys() | (held or {}).keys()):
            verdict.days += 1
            (rows, sum_of), (rows_held, sum_held) = (wanted or {}).get(day, (0, "")), (held or {}).get(day, (0, ""))
            if (rows, sum_of) != (rows_held, sum_held):
                verdict.days_wrong += 1
                verdict.rows_lost += max(0, rows - rows_held)
                verdict.rows_twice += max(0, rows_held - rows)
                verdict.details.append(f"{table} {day}: {rows_held} rows ({sum_held}), not {rows} ({sum_of})")
    for asset, days in expected["materialized"].items():
        if missing := sorted(set(days) - set(found["materialized"].get(asset, []))):
            verdict.days_not_shown += len(missing)
            verdict.details.append(f"{asset}: not shown as materialized: {', '.join(missing)}")
    if drafts := found["drafts"]:
        verdict.drafts_left = len(drafts)
        verdict.details += [f"left lying: {draft}" for draft in drafts]
    verdict.unfinished_runs = found["unfinished_runs"]
    return verdict
