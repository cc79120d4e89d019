"""What the programs of a home write down for machines: one JSON object a line, in the home's `logs/events.jsonl`.

What belongs here: the file, its lines, what is left out of them. What does not: what a person reads on the terminal (cli.py),
what a program of others prints (embedded/processes.py keeps that in `logs/NAME.log`).

Every process writes through `JsonLines`: commands and the UI's services on Python's root logger (`configure`), runs by Dagster's
own hook, which names the same class in the instance's configuration (operations/instance.py).
"""

from __future__ import annotations

import fcntl
import logging
import re
import sys
from collections.abc import MutableMapping
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any

import structlog

from energy_assets.embedded import processes
from energy_assets.failures import said_by_step
from energy_assets.home import Home

FILE = "events.jsonl"
LIBRARIES = ("energy_assets", "quality_suites", "ml")
"""Loggers of this project's packages."""

TOLD = {
    "PIPELINE_START",
    "PIPELINE_SUCCESS",
    "PIPELINE_CANCELED",
    "STEP_START",
    "STEP_SUCCESS",
    "STEP_UP_FOR_RETRY",
}
"""Dagster's events that are written at level info; failures are errors anyway, all others are details."""
NOT_EXECUTED = "Not executing."
FAILURES = {"PIPELINE_FAILURE", "STEP_FAILURE"}
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
PARTITION = "dagster/partition"

PASSWORD_IN_ADDRESS = re.compile(r"(://[^:/@\s\"]*:)[^@/\s\"]+(?=@)|([?&]password=)[^&\s\"]+")

EventDict = MutableMapping[str, Any]


class JsonLines(WatchedFileHandler):
    """Appends to the home's log. Several processes may: each line is one write, and a file that was set aside is left alone."""

    def __init__(self, home: str | Path, least: str = "INFO") -> None:
        """`least`: the lowest level that is written, by Python's names. A log past its limit is set aside."""
        self.home = Home.at(home)
        self._has_failed = False
        self._least = logging.getLevelName(least.upper())
        log = self.home.logs / FILE
        log.parent.mkdir(parents=True, exist_ok=True)
        with (log.parent / f".{FILE}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            processes.rotate(log)
        super().__init__(log, encoding="utf-8", delay=True)
        self.setFormatter(
            structlog.stdlib.ProcessorFormatter(
                foreign_pre_chain=[
                    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
                    structlog.stdlib.add_logger_name,
                    structlog.processors.format_exc_info,
                ],
                processors=[
                    lambda logger, name, entry: {"home": self.home.name, "pid": entry["_record"].process, **entry},
                    described,
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.EventRenamer("message"),
                    structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
                ],
            )
        )

    def filter(self, record: logging.LogRecord) -> bool:
        return level_of(record) >= self._least and super().filter(record)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """Say once that the log cannot be written; whoever wanted to log goes on."""
        if not self._has_failed:
            self._has_failed = True
            _say_unwritable(Path(self.baseFilename), sys.exc_info()[1])

    def format(self, record: logging.LogRecord) -> str:
        return PASSWORD_IN_ADDRESS.sub(r"\1\2…", super().format(record))


def configure(home: Home, least: str) -> bool:
    """Let this process write to the home's log; whether it does so from now on.

    Twice is once, and another home takes the place of the one before. Where the log cannot be written it is said, and
    nothing else stops.
    """
    root = logging.getLogger()
    for former in [handler for handler in root.handlers if isinstance(handler, JsonLines)]:
        if former.home == home:
            return False
        root.removeHandler(former)
        former.close()
    try:
        handler = JsonLines(home.path, least)
    except OSError as error:
        _say_unwritable(home.logs / FILE, error)
        return False
    # What a run's own handler wrote is passed on to the root logger as well.
    handler.addFilter(lambda record: not hasattr(record, "dagster_meta"))
    root.addHandler(handler)
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(least.upper())
    return True


def run_logs(home: Home, least: str) -> dict[str, Any]:
    """Dagster's `python_logs`, with which every run of the home's instance writes to the same log."""
    return {
        "managed_python_loggers": list(LIBRARIES),
        "dagster_handler_config": {
            "handlers": {"events": {"class": "energy_assets.logs.JsonLines", "home": str(home.path), "least": least}}
        },
    }


def level_of(record: logging.LogRecord) -> int:
    """The record's level; of Dagster's events, which it logs as details, what they mean.

    What other libraries say in passing is a detail, and so is Dagster's error for each step behind the one that failed.
    """
    event = _event(record)
    if event is None:
        is_ours = hasattr(record, "dagster_meta") or record.name.partition(".")[0] in (*LIBRARIES, "dagster")
        is_detail = record.levelno < logging.WARNING if not is_ours else NOT_EXECUTED in record.getMessage()
        return logging.DEBUG if is_detail else record.levelno
    if event.event_type_value in FAILURES:
        return logging.ERROR
    if event.event_type_value == "ASSET_CHECK_EVALUATION" and not event.event_specific_data.passed:
        return logging.ERROR if event.event_specific_data.blocking else logging.WARNING
    return logging.INFO if event.event_type_value in TOLD else logging.DEBUG


def described(_logger: Any, _name: str, entry: EventDict) -> EventDict:
    """Add what the record is about: level, run, days, step, asset, check."""
    record: logging.LogRecord = entry["_record"]
    entry["level"] = logging.getLevelName(level_of(record)).lower()
    meta = getattr(record, "dagster_meta", None)
    if meta is None:
        return entry
    entry["event"] = meta["orig_message"]
    about = {name: meta[key] for name, key in (("run_id", "run_id"), ("job", "job_name"), ("step", "step_key"))}
    tags = meta["job_tags"] or {}
    first, last = (tags.get(tag) or tags.get(PARTITION) for tag in RANGE)
    if first:
        about["days"] = [first, last]
    event = _event(record)
    if event is not None:
        about |= {"dagster_event": event.event_type_value, "asset": _path(event.asset_key)}
        if event.event_type_value == "ASSET_CHECK_EVALUATION":
            verdict = event.event_specific_data
            about |= {
                "asset": _path(verdict.asset_key),
                "table": verdict.asset_key.path[-1].removesuffix("_checkpoint"),
                "check": verdict.check_name,
                "passed": verdict.passed,
                "day": verdict.partition,
            }
            entry["event"] = verdict.description or meta["orig_message"]
        elif event.event_type_value == "STEP_FAILURE":
            entry["event"], about["exception"] = said_by_step(event)
        elif event.partition:
            about["day"] = event.partition
    entry.update({name: value for name, value in about.items() if value is not None})
    return entry


def _say_unwritable(file: Path, error: BaseException | None) -> None:
    print(f"{file} cannot be written ({error}): this goes on without it", file=sys.stderr)  # noqa: T201


def _event(record: logging.LogRecord) -> Any:
    return getattr(record, "dagster_event", None)


def _path(asset_key: Any) -> str | None:
    return "/".join(asset_key.path) if asset_key else None
