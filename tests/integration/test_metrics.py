"""What the exporter says of a home, asked of the real stores: the truth, quickly, of what answers, and nothing of what does not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg
import psycopg2
import pytest
from dagster._daemon.types import DaemonHeartbeat
from graph import CALENDAR, Graph, Simulated, day, days, ephemeral_instance
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from energy_assets.embedded import ports
from energy_assets.home import Calendar, Home
from energy_assets.keys import GATED
from energy_assets.monitoring import collector as collectors
from energy_assets.monitoring.collector import HomeCollector
from energy_assets.monitoring.graph import Graph as KnownGraph
from energy_assets.operations.instance import dagster_instance
from energy_assets.resources.gates import accept

RED, LAST = day(1), day(2)
HISTORICAL = Calendar(CALENDAR.timezone, CALENDAR.first_day, LAST)
ZONE = ZoneInfo(CALENDAR.timezone)


class Exporter:
    """An exporter of a home, and what its newest scrape said."""

    def __init__(self, graph: Graph, now: datetime | None = None) -> None:
        self.collector = HomeCollector(graph.home, KnownGraph.loaded(), *([lambda: now] if now else []))
        self.registry = CollectorRegistry()
        self.registry.register(self.collector)
        self.text = ""

    def scrape(self) -> Exporter:
        self.text = generate_latest(self.registry).decode()
        # Keys are a metric's name and the values of its labels, in the order of the labels' names.
        self.samples = {
            (
                sample.name.removeprefix("energy_assets_"),
                *(value for _, value in sorted(sample.labels.items())),
            ): sample.value
            for family in text_string_to_metric_families(self.text)
            for sample in family.samples
        }
        return self

    def names(self) -> set[str]:
        return {name for name, *_ in self.samples}

    def errors(self) -> dict[str, float]:
        return {
            labels[0]: value
            for (name, *labels), value in self.samples.items()
            if name == "scrape_errors_total" and value
        }


@pytest.fixture
def no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each scrape asks anew."""
    monkeypatch.setattr(collectors, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(collectors, "MOST_SHARE", 1e9)


@pytest.fixture(scope="module")
def two_days(graph_home: Home, graph_definitions: dg.Definitions, simulated: Simulated) -> Iterator[Graph]:
    """A historical home of two days, the first of which is red. Tests leave the days as they are, but for landing more and accepting."""
    with ephemeral_instance() as instance:
        graph = Graph(graph_home, graph_definitions, instance, simulated)
        graph.empty()
        set_calendar(graph, HISTORICAL)
        graph.deliver(days(1, 2), red=[RED])
        assert graph.land().success
        assert not graph.run(RED).success, "the red day is red"
        assert graph.run(LAST).success
        yield graph
        set_calendar(graph, CALENDAR)


@pytest.fixture
def live(two_days: Graph) -> Iterator[Graph]:
    """The same home, whose days go on."""
    set_calendar(two_days, Calendar(CALENDAR.timezone, CALENDAR.first_day))
    yield two_days
    set_calendar(two_days, HISTORICAL)


def set_calendar(graph: Graph, calendar: Calendar) -> None:
    graph.home.calendar_file.unlink()
    graph.home.write_calendar(calendar)


def start_of(of: date) -> float:
    return datetime(of.year, of.month, of.day, tzinfo=ZONE).timestamp()


def test_a_scrape_says_what_became_of_the_days(two_days: Graph, no_cache: None) -> None:
    graph = two_days
    said = Exporter(graph).scrape()

    assert said.errors() == {}
    assert [said.samples["up", store] for store in ("postgres", "dagster", "clickhouse")] == [1, 1, 1]
    gates = {
        state: said.samples["gate_days", "raw_data", state, "meter_readings"] for state in ("green", "red", "missing")
    }
    assert gates == {"green": 1, "red": 1, "missing": 0}
    assert said.samples["gate_days", "staging", "missing", "stg_meter_readings"] == 1, (
        "nothing behind a red day is made"
    )
    assert said.samples["red_day_timestamp_seconds", "raw_data", "meter_readings"] == start_of(RED)
    assert said.samples["green_day_timestamp_seconds", "raw_data"] == start_of(LAST)
    assert said.samples["green_day_lag_days", "energy_analytics"] == 0, "the last day of a historical home is there"
    assert said.samples["days_owed",] == len(graph.owed()) == 0
    rows = graph.count("meter_readings", "reading_date", LAST)
    assert said.samples["table_day_rows", "raw_data", "meter_readings"] == rows > 200
    assert said.samples["table_day_rows", "energy_analytics", "meter_readings"] == graph.served()[LAST]
    delivered, rejected = (
        said.samples["delivered_rows", "meter_readings"],
        said.samples["rejected_rows", "meter_readings"],
    )
    landed = graph.warehouse.rows(
        "select sum(row_count), sum(rejected_count) from raw_data.landing_parts where source = 'meter_readings'"
    )[0]
    assert (delivered, rejected) == tuple(map(float, landed)) and rejected > rows / 5, "a quarter of the red day"
    assert said.samples["clickhouse_table_rows", "meter_readings"] == sum(graph.served().values())
    assert said.samples["postgres_database_size_bytes", "energy"] > 1e6
    assert said.samples["home_directory_size_bytes", "postgres"] > 1e6
    assert {(key[1], key[3]) for key in said.samples if key[0] == "gate_days"} == {
        (of, table) for table, of in GATED.items()
    }


def test_what_changes_is_told_by_the_next_scrape(
    two_days: Graph, no_cache: None, late_file: Callable[[], None]
) -> None:
    graph, exporter = two_days, Exporter(two_days)
    before = exporter.scrape()
    assert (before.samples["landing_files_waiting",], before.samples["days_owed",]) == (0, 0)

    late_file()
    waiting = exporter.scrape()
    assert waiting.samples["landing_files_waiting",] == 1
    assert waiting.samples["landing_files_waiting_oldest_timestamp_seconds",] < datetime.now(UTC).timestamp() - 3000
    graph.land()
    accept(graph.warehouse, "meter_readings", RED, reason="as good as it gets", accepted_by="a test")

    said = exporter.scrape()
    assert (said.samples["landing_files_waiting",], said.samples["quarantined_files",]) == (0, 1)
    assert said.samples["gate_days", "raw_data", "overridden", "meter_readings"] == 1
    assert ("red_day_timestamp_seconds", "raw_data", "meter_readings") not in said.samples
    assert said.samples["days_owed",] == len(graph.owed()) == 1
    assert said.samples["days_owed_oldest_timestamp_seconds",] == start_of(RED)


@pytest.mark.parametrize(("clock", "lag"), [("08:59", 0), ("09:00", 1), ("23:59", 1)])
def test_a_live_home_is_stale_from_nine_on(live: Graph, clock: str, lag: int) -> None:
    now = datetime.fromisoformat(f"{LAST + timedelta(days=2)}T{clock}").replace(tzinfo=ZONE)

    said = Exporter(live, now).scrape()

    assert said.samples["home_historical",] == 0
    assert {said.samples["green_day_lag_days", layer] for layer in ("raw_data", "marts", "energy_analytics")} == {lag}


def test_a_store_that_is_away_has_no_numbers_and_the_others_have_theirs(two_days: Graph) -> None:
    graph, exporter = two_days, Exporter(two_days)
    whole, known = exporter.scrape().names(), ports.remembered(graph.home)
    try:
        ports.remember(graph.home, clickhouse=1)
        said = exporter.scrape()
        assert (said.samples["up", "clickhouse"], said.samples["up", "postgres"]) == (0, 1)
        assert {name for name in whole - said.names()} == {name for name in whole if name.startswith("clickhouse_")}
        ports.remember(graph.home, postgres=1)
        away = exporter.scrape()
    finally:
        ports.remember(graph.home, **known)
    assert away.errors() == {"postgres": 1, "dagster": 1, "clickhouse": 2}
    assert {
        name for name in away.names() if name.startswith(("gate", "green", "runs", "days", "landing", "table"))
    } == set()
    assert away.samples["home_filesystem_free_bytes",] > 0, "what needs no store is still told"
    assert exporter.scrape().names() == whole, "a store that is back is asked again"


def test_a_part_that_fails_is_counted_and_the_rest_is_told(two_days: Graph, no_cache: None) -> None:
    with two_days.warehouse.transaction() as connection, connection.cursor() as cursor:
        cursor.execute("revoke select on marts.mart_theft_cases from monitor")
    try:
        said = Exporter(two_days).scrape()
    finally:
        with two_days.warehouse.transaction() as connection, connection.cursor() as cursor:
            cursor.execute("grant select on marts.mart_theft_cases to monitor")

    assert said.errors() == {"cases": 1}
    assert "theft_cases" not in said.names() and "gate_days" in said.names()


def test_what_was_just_asked_is_not_asked_again(two_days: Graph, late_file: Callable[[], None]) -> None:
    exporter = Exporter(two_days)
    before = exporter.scrape()

    late_file()

    said = exporter.scrape()
    assert said.samples["landing_files_waiting",] == before.samples["landing_files_waiting",] == 0
    assert 0 < said.samples["scrape_age_seconds", "waiting"] < collectors.LEAST_SECONDS
    assert said.samples["up", "postgres"] == 1, "whether a store answers is asked each time"


def test_runs_are_counted_by_how_they_ended(two_days: Graph, no_cache: None, runs_of_a_job: dict[str, float]) -> None:
    said = Exporter(two_days).scrape()

    assert said.errors() == {}
    assert said.samples["runs_ended", "success"] == 1 and said.samples["runs_ended", "failure"] == 2
    assert said.samples["run_failures_in_a_row", "daily"] == 2
    assert said.samples["runs_active", "in_progress"] == said.samples["runs_active", "queued"] == 0
    assert said.samples["run_duration_seconds", "daily"] == pytest.approx(runs_of_a_job["duration"], abs=1e-3)
    assert said.samples["daemon_heartbeat_timestamp_seconds",] == pytest.approx(runs_of_a_job["heard"], abs=1)
    assert said.samples["run_end_timestamp_seconds", "daily"] == pytest.approx(runs_of_a_job["end"], abs=1e-3)


def test_the_graph_that_another_process_loaded_is_the_one_that_runs(two_days: Graph) -> None:
    known, here = KnownGraph.of(two_days.home), KnownGraph.loaded()

    assert set(known.edges) == set(here.edges) and len(known.edges) == len(here.edges) > 50
    assert known.copies == here.copies


def test_no_password_and_no_meter_is_told(two_days: Graph) -> None:
    from energy_assets.embedded import credentials

    said, held = Exporter(two_days).scrape(), credentials.read(two_days.home)

    secrets = [*vars(held.postgres).values(), *vars(held.clickhouse).values()]
    meters = [row[0] for row in two_days.warehouse.rows("select distinct meter_id from raw_data.meter_readings")]
    assert len(secrets) == 9 and len(meters) >= 6, "a test that looks for nothing finds nothing"
    assert [word for word in [*secrets, *meters] if word in said.text] == []


def test_the_role_that_asks_reads_no_reading_and_writes_nothing(two_days: Graph) -> None:
    dsn = two_days.warehouse.connections.monitor_dsn
    for statement in (
        "select * from raw_data.meter_readings",
        "select * from raw_data.rejected_rows",
        "select * from staging.stg_meter_readings",
        "set transaction read write; delete from quality.overrides",
        "set transaction read write; update raw_data.landing_files set retraction = 'x'",
    ):
        connection = psycopg2.connect(dsn)
        try:
            with pytest.raises(psycopg2.errors.InsufficientPrivilege), connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()


@pytest.fixture
def late_file(two_days: Graph) -> Iterator[Callable[[], None]]:
    """Deliver a file that cannot be read; it, and what was accepted, are forgotten at the end."""
    yield lambda: two_days.drop("meter_readings/late.csv", "no readings\n1\n")
    (two_days.home.landing / "meter_readings" / "late.csv").unlink()
    with two_days.warehouse.transaction(as_loader=True) as connection, connection.cursor() as cursor:
        cursor.execute("delete from raw_data.landing_paths where path = 'meter_readings/late.csv'")
        cursor.execute(
            "delete from raw_data.rejected_rows using raw_data.landing_files as file where file.file_id = rejected_rows.file_id and status = 'unreadable'"
        )
        cursor.execute("delete from raw_data.landing_files where status = 'unreadable'")
    with two_days.warehouse.transaction() as connection, connection.cursor() as cursor:
        cursor.execute("delete from quality.overrides")


@pytest.fixture
def runs_of_a_job(two_days: Graph, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, float]]:
    """A run of a job called daily that went through, then two that failed, in the home's own instance."""
    for name in ("DAGSTER_HOME", "ENERGY_DAGSTER_URL", "ENERGY_HOME"):
        monkeypatch.setenv(name, "")

    @dg.op(config_schema={"fails": bool})
    def step(context):  # Dagster reads annotations, which are texts here
        if context.op_config["fails"]:
            raise dg.Failure("on purpose", allow_retries=False)

    @dg.job
    def daily() -> None:
        step()

    with dagster_instance(two_days.home) as instance:
        instance.wipe()  # commands of other tests ran in it
        for fails in (False, True, True):
            config = {"ops": {"step": {"config": {"fails": fails}}}}
            daily.execute_in_process(instance=instance, run_config=config, raise_on_error=False)
        heard = time.time() - 100
        instance.add_daemon_heartbeat(DaemonHeartbeat(heard, "SENSOR", "a daemon", errors=[]))
        newest = instance.get_run_records(limit=1)[0]
        yield {"duration": newest.end_time - newest.start_time, "end": newest.end_time, "heard": heard}
        instance.wipe()
        instance.wipe_daemon_heartbeats()
