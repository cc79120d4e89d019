"""Why a goal is missed, for those that are known to be: shown in RESULTS.md where it is.

What belongs here: reasons, by what a measure's name begins with. What does not: goals and values (one module a benchmark).
"""

from __future__ import annotations

from collections.abc import Iterable

REASONS = {
    "import of the code location": "Dagster looks at the parameters of each asset's function, dbt selects the models of each layer, and the pages' files are read, for they say which"
    " tables they show. All of it grew with the graph, the goal did not.",
    "raw load": "A day's write has a fixed part, some hundredths of a second: lock, partition, version. A COPY by hand has none; at ten times the rows nothing of it is seen.",
    "landing and raw load,": "Beside COPY, which takes texts as they are, each value is read, checked against the contract, and kept as a part of its local day.",
    "landing and raw load beside pgpq": "It encodes columns without a look at them: no value is checked, no bad row set aside, nothing kept by which a file is known again.",
    "Postgres → ClickHouse beside ClickHouse's postgresql()": "ClickHouse fetches the rows itself, in C++. Through Python they are counted, put under keys where that is asked for, and the"
    " server needs no password of Postgres.",
    "Dashboards: one meter's month": "An index leads Postgres to a few dozen rows in less time than ClickHouse takes to parse and plan a question.",
}


def reasons(missed: Iterable[str]) -> list[str]:
    """The section of RESULTS.md on measures of these names; empty where there are none."""
    rows = [f"- **{name}**: {_reason(name)}" for name in missed]
    return ["", "## What was missed, and why", "", *rows] if rows else []


def _reason(name: str) -> str:
    known = [begins for begins in REASONS if name.startswith(begins)]
    return REASONS[max(known, key=len)] if known else "not looked into yet."
