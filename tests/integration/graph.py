"""The whole graph in this test process: one started home, fourteen days, real runs and real ticks of its sensors.

A process has one calendar, read when `energy_assets.partitions` is imported: importing this module fixes it. Tests share
the stores; the fixture `graph` empties them, so that each test starts from nothing without starting anything.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest
from support.commands import environment

from energy_assets.embedded import credentials
from energy_assets.embedded.connections import postgres_url
from energy_assets.home import Calendar, Home, acting_on
from energy_assets.landing import erasures, keyed
from energy_assets.simulation import simulate_readings

FIRST_DAY = date(2024, 1, 1)
"""A Monday: the week of the eighth is the first that has a week to learn from."""
LAST_DAY = date(2024, 1, 30)
CALENDAR = Calendar("Africa/Douala", FIRST_DAY, LAST_DAY)
METERS = 6
SETTLED_SECONDS = 3600

# Tests must neither reach the servers nor obey the settings that the tester's own environment names.
for _name in [name for name in os.environ if name.startswith("ENERGY_") or name in ("POSTGRES_URL", "CLICKHOUSE_URL")]:
    del os.environ[_name]


def _fix_calendar() -> None:
    with tempfile.TemporaryDirectory() as directory:
        home = Home(Path(directory))
        home.write_calendar(CALENDAR)
        with acting_on(home):
            from energy_assets import partitions
    if partitions.CALENDAR != CALENDAR:
        raise RuntimeError("energy_assets.partitions was imported before tests/integration/graph.py fixed its calendar")


_fix_calendar()

import dagster as dg  # noqa: E402
import sqlalchemy as sa  # noqa: E402
from dagster._core.storage.tags import RUN_KEY_TAG  # noqa: E402

from energy_assets.automation.edges import EDGES, assets_of  # noqa: E402
from energy_assets.automation.jobs import DAILY_JOB, LANDING_JOB, range_tags  # noqa: E402
from energy_assets.automation.sensors import due_days_sensor, landing_sensor  # noqa: E402
from energy_assets.days import DayWindow  # noqa: E402
from energy_assets.definitions import build_defs  # noqa: E402
from energy_assets.keys import GATED  # noqa: E402
from energy_assets.operations.runs import QUIET, RANGE_EVENTS  # noqa: E402
from energy_assets.resources.due import due_days, due_ranges  # noqa: E402
from energy_assets.resources.gates import day_states  # noqa: E402
from energy_assets.resources.landing_zone import LandingZone  # noqa: E402
from energy_assets.resources.serving import DATABASE, Serving  # noqa: E402
from energy_assets.resources.serving_ddl import quoted  # noqa: E402
from energy_assets.resources.turns import run_window  # noqa: E402
from energy_assets.resources.warehouse import Warehouse, quoted_name  # noqa: E402
from energy_assets.resources.why import failed_steps  # noqa: E402

os.environ.update(RANGE_EVENTS)


def day(number: int) -> date:
    """The `number`th of January 2024."""
    return date(2024, 1, number)


def days(first: int, last: int) -> DayWindow:
    """From the `first` to the `last` of January 2024, both included."""
    return DayWindow(day(first), day(last) + timedelta(days=1))


@dataclass(frozen=True)
class Simulated:
    """One file a day, sound, and the same with a quarter of its rows lacking their meter."""

    sound: Path
    red: Path

    def file(self, of: date, *, is_red: bool) -> Path:
        return (self.red if is_red else self.sound) / "meter_readings" / f"{of}.csv"


class Graph:
    """The graph of the test home: deliver files, run days, let sensors tick, and look at what came of it."""

    def __init__(self, home: Home, definitions: dg.Definitions, instance: dg.DagsterInstance, files: Simulated) -> None:
        self.home = home
        self.definitions = definitions
        self.instance = instance
        self.warehouse = Warehouse(home=str(home.path))
        self.serving = Serving(home=str(home.path))
        self._cursors: dict[str, str | None] = {}
        self.landing_zone = LandingZone(home=str(home.path))
        self._files = files

    # Deliveries

    def deliver(self, window: DayWindow | date, *, red: Collection[date] = ()) -> list[Path]:
        """Put the days' files into the landing zone, as files that were written a while ago."""
        delivered = []
        for of in DayWindow.of(window) if isinstance(window, date) else window:
            content = self._files.file(of, is_red=of in red).read_text()
            delivered.append(self.drop(f"meter_readings/{of}.csv", content))
        return delivered

    def drop(self, relative: str, content: str, *, age_seconds: float = SETTLED_SECONDS) -> Path:
        """Write a file below the landing zone whose last change is `age_seconds` ago."""
        path = self.home.landing / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        changed_at = time.time() - age_seconds
        os.utime(path, (changed_at, changed_at))
        return path

    # Runs

    def land(self) -> dg.ExecuteInProcessResult:
        return self._execute(LANDING_JOB.name)

    def run(
        self, window: DayWindow | date, keys: Sequence[dg.AssetKey] | None = None, *, tags: Mapping[str, str] = {}
    ) -> dg.ExecuteInProcessResult:
        """One run of the daily job over the window, of all its assets or of `keys`."""
        window = DayWindow.of(window) if isinstance(window, date) else window
        return self._execute(DAILY_JOB.name, keys, {**range_tags(window), **tags})

    def land_and_run(self, window: DayWindow, *, red: Collection[date] = ()) -> dg.ExecuteInProcessResult:
        """Deliver the window, land it, and run it whole."""
        self.deliver(window, red=red)
        assert self.land().success
        return self.run(window)

    def tick_landing(self) -> list[dg.ExecuteInProcessResult]:
        """A tick of the landing sensor, and the runs that the daemon would launch for it."""
        return self._tick(landing_sensor, {"warehouse": self.warehouse, "landing_zone": self.landing_zone})

    def tick_due(self) -> list[dg.ExecuteInProcessResult]:
        """A tick of the due-days sensor, and the runs that the daemon would launch for it."""
        return self._tick(due_days_sensor, {"warehouse": self.warehouse})

    def ask_landing(self) -> Sequence[dg.RunRequest]:
        """What the landing sensor asks for now, without running it."""
        return self._asked(landing_sensor, {"warehouse": self.warehouse, "landing_zone": self.landing_zone})

    def ask_due(self) -> Sequence[dg.RunRequest]:
        """What the due-days sensor asks for now, without running it."""
        return self._asked(due_days_sensor, {"warehouse": self.warehouse})

    def owed(self) -> list[date]:
        """The days that are owed, asked for or not."""
        return [entry.day for entry in due_days(self.warehouse, EDGES)]

    def settle(self, ticks: int = 10) -> list[dg.ExecuteInProcessResult]:
        """Let both sensors tick until nothing more is asked for; the runs that were launched, in order.

        Fails where they still ask after `ticks` rounds: automation that never comes to rest.
        """
        launched: list[dg.ExecuteInProcessResult] = []
        for _ in range(ticks):
            results = self.tick_landing() + self.tick_due()
            if not results:
                return launched
            launched += results
        pytest.fail(f"the sensors still ask for runs after {ticks} rounds: {[tags_of(r) for r in launched]}")

    def catch_up(self) -> None:
        """Run what is owed until nothing more comes of it, asked for before or not. Fails where a run fails."""
        while owed := list(due_ranges(due_days(self.warehouse, EDGES), longest=30)):
            result = self.run(owed[0].window, assets_of(owed[0].work))
            assert result.success, failed_steps(result.all_events)

    def _asked(self, sensor: dg.SensorDefinition, resources: Mapping[str, object]) -> Sequence[dg.RunRequest]:
        """What a tick of the sensor asks for, resolved as the daemon does; keys that were used before are left out."""
        with dg.build_sensor_context(
            instance=self.instance,
            resources=dict(resources),
            definitions=self.definitions,
            sensor_name=sensor.name,
            cursor=self._cursors.get(sensor.name),
        ) as context:
            tick = sensor.evaluate_tick(context)
        self._cursors[sensor.name] = tick.cursor
        asked = tick.run_requests or []
        return [request for request in asked if not self._was_asked(request)]

    def _was_asked(self, request: dg.RunRequest) -> bool:
        return bool(self.instance.get_runs(dg.RunsFilter(tags={RUN_KEY_TAG: str(request.run_key)}), limit=1))

    def _tick(self, sensor: dg.SensorDefinition, resources: Mapping[str, object]) -> list[dg.ExecuteInProcessResult]:
        return [
            self._execute(sensor.job_name, request.asset_selection, {**request.tags, RUN_KEY_TAG: str(request.run_key)})
            for request in self._asked(sensor, resources)
        ]

    def _execute(
        self, job: str, keys: Sequence[dg.AssetKey] | None = None, tags: Mapping[str, str] = {}
    ) -> dg.ExecuteInProcessResult:
        return self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            tags=dict(tags),
            asset_selection=list(keys) if keys else None,
            run_config=QUIET,
            raise_on_error=False,
        )

    # What came of it

    def states(self, of: date) -> dict[str, str]:
        """The state of each gated table that was written for the day."""
        found = day_states(self.warehouse, list(GATED), DayWindow.of(of))
        return {table: state.state for (table, _), state in found.items()}

    def versions(self, window: DayWindow) -> dict[tuple[str, date], int]:
        """The version of each day of the window, of gated tables and served copies."""
        rows = self.warehouse.rows(
            "select table_name, reading_date, version from quality.day_versions"
            " where reading_date >= %s and reading_date < %s",
            (window.start, window.end),
        )
        return {(table, of): version for table, of, version in rows}

    def count(self, table: str, date_column: str, of: date) -> int:
        """Rows of the day in a Postgres table; 0 where the table was never made."""
        name = quoted_name(GATED[table], table)
        if self.warehouse.rows("select to_regclass(%s)", (name,))[0][0] is None:
            return 0
        return self.warehouse.rows(f"select count(*) from {name} where {quoted_name(date_column)} = %s", (of,))[0][0]

    def served(self, table: str = "meter_readings", date_column: str = "reading_date") -> dict[date, int]:
        """Rows by day of a table in ClickHouse."""
        return served_rows(self.serving, table, date_column)

    def materialized_days(self, key: dg.AssetKey) -> set[date]:
        return {date.fromisoformat(p) for p in self.instance.get_materialized_partitions(key)}

    # From nothing

    def empty(self) -> None:
        """Bring the home back to where it was before anything landed."""
        for directory in (self.home.landing, self.home.parts, self.home.models):
            shutil.rmtree(directory, ignore_errors=True)
        for name in (erasures.FILE, keyed.KEY_FILE, "backups.toml"):
            (self.home.path / name).unlink(missing_ok=True)
        self.home.calendar_file.unlink()
        self.home.write_calendar(CALENDAR)
        for as_loader, schemas in (
            (True, ["raw_data"]),
            (False, ["staging", "intermediate", "ml", "marts", "quality"]),
        ):
            with self.warehouse.transaction(as_loader=as_loader) as connection, connection.cursor() as cursor:
                cursor.execute(
                    "select quote_ident(nspname) || '.' || quote_ident(relname) from pg_class join pg_namespace"
                    " on pg_namespace.oid = relnamespace where nspname = any(%s) and relkind in ('r', 'p') and not relispartition",
                    (schemas,),
                )
                if tables := ", ".join(row[0] for row in cursor.fetchall()):
                    cursor.execute(f"truncate {tables}")
        with self.serving.client() as client:
            for (table,) in client.query(
                "SELECT name FROM system.tables WHERE database = {database:String} AND engine <> 'View'",
                parameters={"database": DATABASE},
            ).result_rows:
                client.command(f"TRUNCATE TABLE {quoted(DATABASE, table)}")


def served_days(home: Home, table: str = "meter_readings", date_column: str = "reading_date") -> set[date]:
    """The days of which ClickHouse holds rows."""
    return set(served_rows(Serving(home=str(home.path)), table, date_column))


def served_rows(serving: Serving, table: str, date_column: str) -> dict[date, int]:
    name, column = quoted(DATABASE, table), quoted(date_column)
    with serving.client() as client:
        return dict(client.query(f"SELECT {column}, count() FROM {name} GROUP BY 1 ORDER BY 1").result_rows)


def script(home: Home, text: str) -> str:
    """What a Python script prints in a process of its own, which loads the home's calendar as it is now."""
    done = subprocess.run(
        [sys.executable, "-c", text], env=environment(home), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def dependents(table: str) -> set[str]:
    """What is made of a table, directly or not, and the table."""
    found, waiting = set(), [table]
    while waiting:
        found.add(name := waiting.pop())
        waiting += [edge.output for edge in EDGES if edge.input == name and edge.output not in found]
    return found


def tags_of(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    return {name: value for name, value in result.dagster_run.tags.items() if not name.startswith(".")}


def window_of(result: dg.ExecuteInProcessResult) -> DayWindow | None:
    """The days of a run; None where it was over no days."""
    return run_window(result.dagster_run)


def failure_of(result: dg.ExecuteInProcessResult, step: str) -> str:
    """What the failed step says to the engineer. Fails where the step did not fail."""
    failed = failed_steps(result.all_events)
    assert step in failed, f"{step} did not fail; failed were {failed or 'none'}"
    return failed[step]


def materialized(result: dg.ExecuteInProcessResult) -> set[dg.AssetKey]:
    """Assets of which the run materialized any day."""
    return {event.asset_key for event in result.get_asset_materialization_events()}


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """Deliveries of fourteen days by six meters."""
    root = tmp_path_factory.mktemp("simulated")
    count = (LAST_DAY - FIRST_DAY).days + 1
    every = [FIRST_DAY + timedelta(days=number) for number in range(count)]
    for name, red in (("sound", []), ("red", every)):
        simulate_readings(meters=METERS, days=count, seed=7, out=root / name, red_days=red)
    return Simulated(root / "sound", root / "red")


@pytest.fixture(scope="session")
def graph_home() -> Iterator[Home]:
    """A home with both stores and their tables; the calendar is this process's."""
    from energy_assets.embedded import supervisor
    from energy_assets.operations.stores import bring_up

    # Not below pytest's own directories, which it closes to other users: root's Postgres is another user.
    directory = Path(tempfile.mkdtemp(prefix="energy-graph-"))
    home = Home(directory / "home")
    try:
        home.write_calendar(CALENDAR)
        bring_up(home)
        spare_the_disk(home)
        yield home
    finally:
        supervisor.down(home)
        shutil.rmtree(directory)


def spare_the_disk(home: Home) -> None:
    """Let the home's Postgres answer before its log is on the disk: here runs are killed, never the server (test_embedded_stores.py)."""
    port = urlsplit(Warehouse(home=str(home.path)).connections.transformer_dsn).port
    superuser = credentials.read(home).postgres.superuser
    with closing(psycopg2.connect(postgres_url("postgres", superuser, port, "postgres"))) as server:
        server.autocommit = True
        with server.cursor() as cursor:
            cursor.execute("alter system set fsync = off")
            cursor.execute("select pg_reload_conf()")


@pytest.fixture(scope="session")
def graph_definitions(graph_home: Home) -> dg.Definitions:
    with acting_on(graph_home):
        return build_defs()


@contextmanager
def ephemeral_instance() -> Iterator[dg.DagsterInstance]:
    """An instance in memory that keeps one connection to its events: by default it opens one for each, thousands a run."""
    with dg.DagsterInstance.ephemeral() as instance:
        storage = instance.event_log_storage
        storage._engine = sa.create_engine(
            storage._engine.url, poolclass=sa.StaticPool, connect_args={"check_same_thread": False}
        )
        yield instance


@pytest.fixture
def graph(graph_home: Home, graph_definitions: dg.Definitions, simulated: Simulated) -> Iterator[Graph]:
    """The graph with nothing in it, on an instance of its own."""
    with ephemeral_instance() as instance:
        graph = Graph(graph_home, graph_definitions, instance, simulated)
        graph.empty()
        yield graph
