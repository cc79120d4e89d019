"""The table of a chaos run, from what was recorded while it went on, and the page that holds it.

What belongs here: counting and printing records. What does not: making them.
"""

from __future__ import annotations

import json
import platform
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from chaos.trial import STAGES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
STILL_FULL = "up, the disk still full:"
LONGEST_SAYING = 330
ERROR = re.compile(r"(?:^|(?<=\s))error (?!at:)")
"""How a command begins to say what is wrong."""
Row = Sequence[object]
Entry = Mapping[str, Any]


def read(path: Path) -> list[dict[str, Any]]:
    """What was recorded so far; a last line that was cut off is left out."""
    if not path.is_file():
        return []
    entries = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entries.append(json.loads(line))
        except ValueError:
            continue
    return entries


def kill_table(entries: Iterable[Entry]) -> list[str]:
    """Kills by stage and victim; what is wrong after a cycle counts against each of its kills."""
    entries = list(entries)
    cycles = {entry["cycle"]: entry for entry in entries if entry["kind"] == "cycle"}
    rows: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry["kind"] == "kill" and entry["cycle"] in cycles:
            rows[entry["stage"], entry["victim"]].append(cycles[entry["cycle"]])
    table = [
        (stage, victim, len(of), *_wrong(of))
        for (stage, victim), of in sorted(rows.items(), key=lambda item: (STAGES.index(item[0][0]), item[0][1]))
    ]
    total = ("all stages", f"{len(cycles)} deliveries", sum(row[2] for row in table), *_wrong(cycles.values()))
    names = ("stage", "killed", "kills", "days wrong after the retry", "rows lost", "rows twice", "manual repairs")
    return markdown(names, [*table, total])


def _wrong(cycles: Iterable[Entry]) -> tuple[int, int, int, int]:
    cycles = list(cycles)
    return (
        sum(cycle["verdict"]["days_wrong"] for cycle in cycles),
        sum(cycle["verdict"]["rows_lost"] for cycle in cycles),
        sum(cycle["verdict"]["rows_twice"] for cycle in cycles),
        sum(cycle["repairs"] for cycle in cycles),
    )


def kill_sentences(entries: Iterable[Entry]) -> list[str]:
    """What the table has no column for."""
    cycles = [entry for entry in entries if entry["kind"] == "cycle"]
    if not cycles:
        return []
    compared = sum(cycle["verdict"]["days"] for cycle in cycles)
    lines = [
        f"{compared:,} days of tables compared ({cycles[0]['verdict']['tables']} tables of both stores,"
        f" after each of {len(cycles)} deliveries).",
        f"Retries needed after the last kill of a delivery: at most {max(cycle['retries'] for cycle in cycles)}.",
        f"Days that are written but that Dagster's page does not show as materialized: {_sum(cycles, 'days_not_shown')};"
        f" drafts of files left lying: {_sum(cycles, 'drafts_left')};"
        f" runs that are recorded as going on though their process is gone: {_sum(cycles, 'unfinished_runs')}.",
    ]
    if unreached := [name for cycle in cycles for name in cycle["not_reached"]]:
        lines.append(f"Planned, but the run was past it: {', '.join(unreached)}.")
    return lines


def _sum(cycles: Iterable[Entry], name: str) -> int:
    return sum(cycle["verdict"][name] for cycle in cycles)


def case_table(entries: Iterable[Entry]) -> list[str]:
    """The other disasters, one a row."""
    rows = [
        (entry["case"], entry["what"], *_counts(entry), _seen(entry)) for entry in entries if entry["kind"] == "case"
    ]
    names = ("disaster", "what was done", "days wrong after the retry", "rows lost", "rows twice", "manual repairs")
    return markdown((*names, "what the user saw"), rows) if rows else []


def _counts(entry: Entry) -> tuple[object, ...]:
    """Days wrong, rows lost, rows twice, manual repairs; a disaster that could not be done has none."""
    if entry["skipped"]:
        return ("–",) * 4
    verdict = entry["verdict"]
    return (verdict["days_wrong"], verdict["rows_lost"], verdict["rows_twice"], entry["repairs"])


def _seen(entry: Entry) -> str:
    """What the user saw, without what was said before the error, and without the paths of the trial."""
    if entry["skipped"]:
        return f"skipped: {entry['skipped']}"
    told = []
    for part in entry["said"].split(STILL_FULL):
        words = ERROR.split(part)[-1].replace("(exit code 1)", "").replace("|", "\\|").strip()
        words = re.sub(r"/\S*?/case/", "", words)
        told.append(words if len(words) <= LONGEST_SAYING else words[:LONGEST_SAYING] + " …")
    return f" *{STILL_FULL}* ".join(told)


def machine(seed: int) -> str:
    """Where and when it was run."""
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{psutil.cpu_count()} processors, {memory:.0f} GiB, {platform.system()} {platform.machine()},"
        f" Python {platform.python_version()}; seed {seed}; {datetime.now(UTC):%Y-%m-%d}."
    )


def markdown(names: Row, rows: Iterable[Row]) -> list[str]:
    """A table in Markdown; numbers to the right."""
    rows = [list(row) for row in rows]
    numeric = [bool(rows) and all(isinstance(row[index], int | float) for row in rows) for index in range(len(names))]
    lines = [_line(names), "|" + "|".join("---:" if is_number else "---" for is_number in numeric) + "|"]
    return [*lines, *(_line([f"{cell:,}" if isinstance(cell, int) else cell for cell in row]) for row in rows)]


def _line(cells: Iterable[object]) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def write_between(page: Path, name: str, lines: Sequence[str]) -> None:
    """Put `lines` between the markers `name` of the page. Raises ValueError where it has none."""
    begin, end = f"<!-- {name}: written by `make {name}` -->", f"<!-- end of {name} -->"
    text = page.read_text(encoding="utf-8")
    before, found, rest = text.partition(begin)
    _, also_found, after = rest.partition(end)
    if not found or not also_found:
        raise ValueError(f"{page} has no lines {begin} and {end}")
    page.write_text(before + begin + "\n" + "\n".join(lines) + "\n" + end + after, encoding="utf-8")
