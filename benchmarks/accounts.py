"""Where the seconds of a command go: `python -m benchmarks.accounts OUT.json ARGUMENTS…` runs `energy-assets ARGUMENTS…`.

What belongs here: clocks around what is imported, around the databases' clients, dbt, Great Expectations and scikit-learn.
What does not: running this as a process and showing it (month.py, report.py).

Every second of the main thread belongs to the innermost clock that runs, so the items add up to the whole. dbt waits for its
own threads, which do its statements: their time is taken from dbt's and given to Postgres.
"""

from __future__ import annotations

import importlib
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

DATABASES = "databases: "
LEARNING = "scikit-learn"
IMPORTS = "imports: "
POSTGRES, CLICKHOUSE = f"{DATABASES}Postgres", f"{DATABASES}ClickHouse"
DAGSTER_STORAGE = "Dagster: storing runs and events"
DBT = "dbt: its own work"
EXPECTATIONS = "Great Expectations: its own work"
CODE_LOCATION = "code location: our own modules"
REST = "the rest: Dagster's steps, our own Python"
OUR_PACKAGES = ("energy_assets", "ml", "quality_suites", "benchmarks")


class Clock:
    """Seconds by name. Clocks nest: the innermost counts."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._running = [REST]
        self._since = time.perf_counter()
        self._thread = threading.get_ident()
        self._elsewhere: list[tuple[float, float]] = []

    @property
    def innermost(self) -> str:
        return self._running[-1]

    @contextmanager
    def charge(self, name: str) -> Iterator[None]:
        if threading.get_ident() != self._thread:
            started = time.perf_counter()
            try:
                yield
            finally:
                if name == POSTGRES:
                    self._elsewhere.append((started, time.perf_counter()))
            return
        self._turn()
        self._running.append(name)
        try:
            yield
        finally:
            self._turn()
            self._running.pop()

    def timed(self, name: str, function: Callable) -> Callable:
        @wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with self.charge(name):
                return function(*args, **kwargs)

        return run

    def account(self) -> dict[str, float]:
        self._turn()
        waited = min(_union(self._elsewhere), self.seconds[DBT])
        return {**self.seconds, DBT: self.seconds[DBT] - waited, POSTGRES: self.seconds[POSTGRES] + waited}

    def _turn(self) -> None:
        now = time.perf_counter()
        self.seconds[self.innermost] += now - self._since
        self._since = now


def _union(spans: list[tuple[float, float]]) -> float:
    """Seconds in which at least one of the spans ran."""
    total, reached = 0.0, 0.0
    for start, end in sorted(spans):
        total += max(end - max(start, reached), 0.0)
        reached = max(reached, end)
    return total


def watch_imports(clock: Clock) -> None:
    """Charge each import to the outermost library that it is part of; our own modules are the code location."""
    # The one place through which every import of something new goes, nested ones included; `__import__` misses submodules.
    bootstrap = importlib._bootstrap
    find_and_load = bootstrap._find_and_load

    def charged(name: str, import_: Any) -> Any:
        root = name.partition(".")[0]
        if clock.innermost.startswith(IMPORTS) and root not in OUR_PACKAGES:
            return find_and_load(name, import_)
        with clock.charge(CODE_LOCATION if root in OUR_PACKAGES else IMPORTS + root):
            return find_and_load(name, import_)

    bootstrap._find_and_load = charged


def watch_postgres(clock: Clock) -> None:
    """Charge psycopg2 and ADBC, but Dagster's own database to Dagster."""
    import psycopg2
    from adbc_driver_manager import dbapi as adbc
    from adbc_driver_postgresql import dbapi as adbc_postgres
    from psycopg2 import extensions

    def name_of(database: str) -> str:
        return DAGSTER_STORAGE if database == "dagster" else POSTGRES

    def charging(base: type, methods: tuple[str, ...], info: Callable[[Any], Any]) -> type:
        def method(name: str) -> Callable:
            original = getattr(base, name)

            def run(self: Any, *args: Any, **kwargs: Any) -> Any:
                with clock.charge(name_of(info(self).dbname)):
                    return original(self, *args, **kwargs)

            return run

        return type(base.__name__, (base,), {name: method(name) for name in methods})

    connection_class = charging(extensions.connection, ("commit", "rollback", "close"), lambda self: self.info)
    cursor_class = charging(
        extensions.cursor, ("execute", "executemany", "copy_expert"), lambda self: self.connection.info
    )
    connect = psycopg2.connect

    @wraps(connect)
    def connected(dsn: str | None = None, **kwargs: Any) -> Any:
        database = kwargs.get("dbname") or (dsn or "").rpartition("/")[2]
        with clock.charge(name_of(database)):
            return connect(dsn, **{"connection_factory": connection_class, "cursor_factory": cursor_class} | kwargs)

    psycopg2.connect = connected
    adbc_postgres.connect = clock.timed(POSTGRES, adbc_postgres.connect)
    for method in ("execute", "adbc_ingest"):
        setattr(adbc.Cursor, method, clock.timed(POSTGRES, getattr(adbc.Cursor, method)))
    adbc.Connection.commit = clock.timed(POSTGRES, adbc.Connection.commit)
    adbc.Cursor.fetch_record_batch = _charged_stream(clock, adbc.Cursor.fetch_record_batch)


def _charged_stream(clock: Clock, fetch: Callable) -> Callable:
    """The stream's batches are fetched while it is read: each is charged as it comes."""

    def fetched(cursor: Any) -> Any:
        import pyarrow as pa

        reader = clock.timed(POSTGRES, fetch)(cursor)

        def batches() -> Iterator[Any]:
            while True:
                with clock.charge(POSTGRES):
                    batch = next(reader, None)
                if batch is None:
                    return
                yield batch

        return pa.RecordBatchReader.from_batches(reader.schema, batches())

    return fetched


def watch_clickhouse(clock: Clock) -> None:
    import clickhouse_connect

    get_client = clickhouse_connect.get_client

    def client(*args: Any, **kwargs: Any) -> Any:
        with clock.charge(CLICKHOUSE):
            made = get_client(*args, **kwargs)
        for method in ("command", "query", "insert_arrow"):
            setattr(made, method, clock.timed(CLICKHOUSE, getattr(made, method)))
        return made

    clickhouse_connect.get_client = client


def watch_ours(clock: Clock) -> None:
    """Charge what our modules hand to dbt, Great Expectations and scikit-learn."""
    from energy_assets.resources.dbt import Dbt
    from ml.anomaly import detector
    from ml.model_store import ModelStore
    from quality_suites.validator import Validator

    Dbt.run = clock.timed(DBT, Dbt.run)
    for method in ("judge", "close"):
        setattr(Validator, method, clock.timed(EXPECTATIONS, getattr(Validator, method)))
    for function in ("fit", "score"):
        setattr(detector, function, clock.timed(LEARNING, getattr(detector, function)))
    for method in ("publish", "load"):
        setattr(ModelStore, method, clock.timed(LEARNING, getattr(ModelStore, method)))


def main(out: Path, arguments: list[str]) -> int:
    began = time.time()
    clock = Clock()
    watch_imports(clock)
    for watch in (watch_postgres, watch_clickhouse, watch_ours):
        watch(clock)
    from energy_assets.cli import app

    code = app(arguments, standalone_mode=False)
    out.write_text(json.dumps({**clock.account(), "began": began, "ended": time.time()}))
    return code or 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
