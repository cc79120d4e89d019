"""`make soak`: a day of a landing zone, sped up, under `energy-assets ui`: files every few seconds, memory and disk watched.

What belongs here: delivering, watching, drawing. What does not: what the daemon does with it.

One simulated hour passes in half a minute: each half hour of readings comes within fifteen seconds, in six files of five meters each.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from support.content_hash import WITHOUT_DELIVERY

from chaos import report
from chaos.__main__ import FIRST_DAY, say
from chaos.compare import compare
from chaos.daemon import Daemon
from chaos.trial import Trial
from energy_assets.embedded import processes
from energy_assets.embedded.endpoint import ClickHouse
from energy_assets.embedded.postgres import Postgres
from energy_assets.operations.ingest import look, prepare_home
from energy_assets.operations.ui import MARK
from energy_assets.simulation import simulate

METERS, GROUPS = 30, 6
HOURS = 24
SECONDS_AN_HOUR = 30.0
SAMPLE_SECONDS = 5.0
SEED = 1
PICTURE = report.PAGE.parent / "images" / "soak.png"
ROLES = {
    "dagster-daemon": "daemon",
    "code-server": "code server",
    "api grpc": "code server",
    "dagster-webserver": "web server",
    "execute_run": "runs",
}
DIRECTORIES = ("postgres", "clickhouse", "dagster", "logs", "parts", "landing", "dbt", "data_docs")
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Sample:
    """Proportional resident memory by role, and bytes on disk by directory of the home, `seconds` after the start."""

    seconds: float
    files: int
    memory: dict[str, float]
    disk: dict[str, float]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m chaos.soak", description=__doc__)
    parser.add_argument("--at", type=Path, default=Path(".energy/soak"))
    parser.add_argument("--hours", type=int, default=HOURS, help="simulated hours; each takes half a minute")
    parser.add_argument("--write", action="store_true", help="write numbers and picture into docs")
    arguments = parser.parse_args()
    root: Path = arguments.at.absolute()
    shutil.rmtree(root, ignore_errors=True)
    city = root / "city"
    simulate(meters=METERS, days=1, seed=SEED, out=city, format="csv", first_day=FIRST_DAY)
    trial = Trial(root / "trial", city)
    try:
        samples, runs, seconds_to_rest = soak(trial, arguments.hours)
        (root / "samples.json").write_text(json.dumps([vars(sample) for sample in samples]))
        trial.run("up")
        verdict = compare(undisturbed(trial, root / "undisturbed"), only(trial.state()))
    finally:
        trial.down()
    lines = page(samples, runs, seconds_to_rest, verdict, arguments.hours)
    print("\n".join(lines))
    if arguments.write:
        draw(samples, PICTURE)
        report.write_between(report.PAGE, "soak", lines)
    return 1 if verdict.days_wrong or any(run["status"] != "SUCCESS" for run in runs) else 0


def soak(trial: Trial, hours: int) -> tuple[list[Sample], list[dict[str, Any]], float]:
    """Deliver for `hours` under the daemon; samples, all runs, and the seconds from the last file until nothing was owed."""
    prepare_home(trial.home, look(trial.city, trial.home), is_historical=True)
    samples: list[Sample] = []
    with Daemon(trial) as daemon:
        for source in trial.city.iterdir():
            if source.is_dir() and source.name not in ("meter_readings", "truth"):
                shutil.copytree(source, trial.home.landing / source.name)
        began = time.monotonic()
        arriving = list(files(trial.city, hours))
        gap = hours * SECONDS_AN_HOUR / len(arriving)
        say(f"{len(arriving)} files, one every {gap:.1f} s")
        for number, (name, rows) in enumerate(arriving):
            while time.monotonic() < began + number * gap:
                take(trial, samples, began, number)
                time.sleep(0.2)
            put(trial.home.landing / "meter_readings" / name, rows)
        last = time.monotonic()

        def sampled() -> bool:
            take(trial, samples, began, len(arriving))
            return True

        daemon.wait("a sample", sampled)
        seconds = settle(trial, daemon, samples, began, len(arriving))
        say(f"at rest {time.monotonic() - last:.0f} s after the last file")
        return samples, daemon.runs(), seconds


def settle(trial: Trial, daemon: Daemon, samples: list[Sample], began: float, count: int) -> float:
    """Wait until every run ended and none was added for a while, sampling on; the seconds until the last one ended."""
    from threading import Event, Thread

    at_rest = Event()

    def sampling() -> None:
        while not at_rest.wait(1.0):
            take(trial, samples, began, count)

    sampler = Thread(target=sampling)
    sampler.start()
    try:
        return daemon.wait_settled()
    finally:
        at_rest.set()
        sampler.join()


def files(city: Path, hours: int) -> Iterator[tuple[str, list[list[str]]]]:
    """Name and rows (a header first) of each file, in the order in which they arrive: by half hour, then by group of meters."""
    with (city / "meter_readings" / f"{FIRST_DAY}.csv").open(newline="") as handle:
        header, *rows = csv.reader(handle)
    meter, instant = header.index("meter_id"), header.index("reading_at")
    groups = {name: number % GROUPS for number, name in enumerate(sorted({row[meter] for row in rows}))}
    arriving: dict[tuple[str, int], list[list[str]]] = defaultdict(list)
    for row in rows:
        arriving[row[instant], groups[row[meter]]].append(row)
    most = hours * 2 * GROUPS
    for number, ((_, group), of_file) in enumerate(sorted(arriving.items())):
        if number < most:
            yield f"{number:04d}-concentrator-{group}.csv", [header, *of_file]


def put(path: Path, rows: Sequence[Sequence[str]]) -> None:
    """A file appears whole, as a file transfer renames it at its end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}")
    with draft.open("w", newline="") as handle:
        csv.writer(handle).writerows(rows)
    draft.replace(path)


def take(trial: Trial, samples: list[Sample], began: float, count: int) -> None:
    """Add a sample, where the last one is old enough."""
    now = time.monotonic() - began
    if not samples or now - samples[-1].seconds >= SAMPLE_SECONDS:
        samples.append(Sample(now, count, memory(trial), disk(trial)))


def memory(trial: Trial) -> dict[str, float]:
    """Megabytes by role; shared pages are counted once (PSS)."""
    found: dict[str, float] = defaultdict(float)
    for process in processes.marked(MARK, str(trial.home.path)):
        found[role(process)] += megabytes(process)
    for name, store in (("Postgres", Postgres(trial.home)), ("ClickHouse", ClickHouse(trial.home))):
        if server := store.server():
            found[name] = sum(map(megabytes, [server, *children(server)]))
    return dict(found)


def children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def role(process: psutil.Process) -> str:
    """What a process of the UI is; one that was started to work on a run counts as run."""
    try:
        words = " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return "other"
    return next((name for sign, name in ROLES.items() if sign in words), "runs" if "spawn" in words else "other")


def megabytes(process: psutil.Process) -> float:
    try:
        return process.memory_full_info().pss / MEGABYTE
    except psutil.Error:
        return 0.0


def disk(trial: Trial) -> dict[str, float]:
    """Megabytes on disk by directory of the home."""
    return {name: size(trial.home.path / name) / MEGABYTE for name in DIRECTORIES}


def size(directory: Path) -> int:
    total = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            try:
                total += Path(parent, name).lstat().st_blocks * 512
            except FileNotFoundError:
                continue
    return total


def undisturbed(trial: Trial, root: Path) -> dict[str, Any]:
    """What the same files come to where all of them were there before the first run."""
    other = Trial(root, trial.home.landing)
    try:
        command = other.finish(other.ingest())
        if command.code:
            raise RuntimeError(command.said)
        return only(other.state())
    finally:
        other.remove()


def only(state: Mapping[str, Any]) -> dict[str, Any]:
    """Without what tells of deliveries, which is meant to differ."""
    tables = {name: days for name, days in state["tables"].items() if name.startswith(WITHOUT_DELIVERY)}
    return {**state, "tables": tables}


# What is told ----------------------------------------------------------------------------------------------------------


def page(
    samples: Sequence[Sample], runs: Sequence[Mapping[str, Any]], seconds: float, verdict: Any, hours: int
) -> list[str]:
    by_status: dict[str, int] = defaultdict(int)
    for run in runs:
        by_status[f"{run['jobName']} {run['status'].lower()}"] += 1
    rows = [
        (what, *(round(median_of(samples, kind, what, *part)) for part in ((0.25, 0.5), (0.75, 1.0))))
        for kind, names in (("memory", LASTING), ("disk", DIRECTORIES))
        for what in names
    ]
    return [
        "",
        f"{hours} simulated hours in {samples[-1].seconds / 60:.0f} minutes: {samples[-1].files} files,"
        f" one every {hours * SECONDS_AN_HOUR / samples[-1].files:.1f} s. " + report.machine(SEED),
        "",
        f"Runs: {', '.join(f'{count} {what}' for what, count in sorted(by_status.items()))}."
        f" The last one ended {seconds:.0f} s after the last file.",
        f"Beside a home that had all files at once: {verdict.days_wrong} of {verdict.days} days of tables wrong,"
        f" {verdict.rows_lost} rows lost, {verdict.rows_twice} twice; runs left going on: {verdict.unfinished_runs}.",
        "",
        *report.markdown(("MB (median)", "second quarter", "last quarter"), rows),
        "",
        "![Memory by process and disk by directory over the soak](images/soak.png)",
        "",
    ]


LASTING = ("daemon", "code server", "web server", "Postgres", "ClickHouse")
"""Processes that live as long as the UI; those of a run end with it."""


def median_of(samples: Sequence[Sample], kind: str, name: str, begin: float, end: float) -> float:
    """Megabytes in a part of the time during which files came."""
    delivered = [sample for sample in samples if sample.seconds <= samples[-1].seconds]
    part = delivered[int(len(delivered) * begin) : max(int(len(delivered) * end), int(len(delivered) * begin) + 1)]
    return median(getattr(sample, kind).get(name, 0.0) for sample in part)


def draw(samples: Sequence[Sample], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 1, figsize=(9, 7), sharex=True, layout="constrained")
    minutes = [sample.seconds / 60 for sample in samples]
    for axis, kind, names, title in (
        (axes[0], "memory", [*LASTING, "runs"], "Memory (PSS, MB)"),
        (axes[1], "disk", DIRECTORIES, "Disk (MB)"),
    ):
        for name in names:
            style = {"linewidth": 0.6, "alpha": 0.6} if name == "runs" else {"linewidth": 1.4}
            axis.plot(minutes, [getattr(sample, kind).get(name, 0.0) for sample in samples], label=name, **style)
        axis.set_title(title, loc="left")
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
        axis.legend(ncols=4, fontsize=8, frameon=False)
    axes[1].set_xlabel("minutes (one is two simulated hours)")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    sys.exit(main())
