"""`make chaos`: kills, full disks, lost connections, wrong clocks; prints the table and writes it into docs/reliability.md.

What belongs here: arguments, order, progress. What does not: the disasters.

Everything is recorded as it happens (results.jsonl): the same command goes on where an interrupted one stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from chaos import disasters, kills, report
from chaos.compare import compare
from chaos.trial import Trial
from energy_assets.simulation import simulate

METERS, DAYS = 30, 8
"""Eight days from a Monday on: the last is scored by a model that the week before has taught."""
FIRST_DAY = date(2024, 1, 1)
CYCLES = 7
SEED = 1


def main() -> int:
    arguments = _arguments()
    root: Path = arguments.at.absolute()
    root.mkdir(parents=True, exist_ok=True)
    results = root / "results.jsonl"
    known = report.read(results)
    city, spans, expected = _undisturbed(root, arguments.seed)
    if "kills" in arguments.only:
        _kill_cycles(root, city, spans, expected, known, arguments)
    if "disasters" in arguments.only:
        done = {entry["case"] for entry in known if entry["kind"] == "case"}
        for name, case in disasters.CASES.items():
            if name not in done and arguments.case in name:
                say(f"{name}: {case.what}")
                _record(results, disasters.suffer(name, root / "case", city, expected, say))
    entries = report.read(results)
    lines = _page(entries, arguments.seed)
    print("\n".join(lines))
    if arguments.write:
        report.write_between(report.PAGE, "chaos", lines)
    wrong = [e for e in entries if e["kind"] in ("cycle", "case") and (_differs(e["verdict"]) or e["repairs"])]
    return 1 if wrong else 0


def _differs(verdict: Mapping[str, int]) -> bool:
    return bool(verdict["days_wrong"] or verdict["rows_lost"] or verdict["rows_twice"])


def _kill_cycles(
    root: Path,
    city: Path,
    spans: list[kills.Span],
    expected: dict[str, Any],
    known: list[dict[str, Any]],
    arguments: argparse.Namespace,
) -> None:
    done = {entry["cycle"] for entry in known if entry["kind"] == "cycle"}
    usual: dict[str, float] = {}
    for span in spans:
        usual[span.step] = usual.get(span.step, 0) + span.seconds
    for cycle in range(arguments.cycles):
        if cycle in done:
            continue
        trial = Trial(root / f"cycle-{cycle}", city)
        trial.remove()
        trial.root.mkdir(parents=True)
        aims = kills.plan(spans, seed=arguments.seed, cycle=cycle)
        through = kills.disturb(trial, aims, usual, cycle, say)
        verdict = compare(expected, trial.state())
        for kill in through.kills:
            _record(root / "results.jsonl", kills.as_json(kill))
        _record(
            root / "results.jsonl",
            {
                "kind": "cycle",
                "cycle": cycle,
                "retries": through.retries,
                "repairs": through.repairs,
                "not_reached": through.not_reached,
                "seconds": round(through.seconds),
                "verdict": verdict.as_json(),
            },
        )
        say(f"cycle {cycle}: {len(through.kills)} kills in {through.seconds:.0f} s; {verdict.summary()}")
        if verdict.is_same and not through.repairs and not arguments.keep:
            trial.remove()
        else:
            trial.down()


def _undisturbed(root: Path, seed: int) -> tuple[Path, list[kills.Span], dict[str, Any]]:
    """The deliveries, the steps and what they come to, made once."""
    city, memory = root / "city", root / "undisturbed.json"
    if not memory.is_file():
        say(f"{METERS} meters, {DAYS} days, undisturbed")
        simulate(meters=METERS, days=DAYS, seed=seed, out=city, format="csv", first_day=FIRST_DAY)
        trial = Trial(root / "undisturbed", city)
        try:
            spans, expected = kills.undisturbed(trial)
        finally:
            trial.remove()
        memory.write_text(json.dumps({"spans": [vars(span) for span in spans], "state": expected}))
    held = json.loads(memory.read_text())
    return city, [kills.Span(**span) for span in held["spans"]], held["state"]


def _page(entries: list[dict[str, Any]], seed: int) -> list[str]:
    lines = ["", f"{METERS} meters, {DAYS} days, every source of the landing contract. " + report.machine(seed), ""]
    lines += [*report.kill_table(entries), "", *report.kill_sentences(entries)]
    if others := report.case_table(entries):
        lines += ["", *others]
    return [*lines, ""]


def _record(path: Path, entry: Mapping[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as handle:
        handle.write(json.dumps({"at": round(time.time()), **entry}) + "\n")


def say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--at", type=Path, default=Path(".energy/chaos"), help="where homes and records are made")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--cycles", type=int, default=CYCLES, help="deliveries; each suffers about ten kills")
    parser.add_argument("--only", nargs="+", choices=("kills", "disasters"), default=("kills", "disasters"))
    parser.add_argument("--case", default="", help="only disasters whose name holds this")
    parser.add_argument("--keep", action="store_true", help="keep the homes of cycles that went well")
    parser.add_argument("--write", action="store_true", help="write the table into docs/reliability.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
