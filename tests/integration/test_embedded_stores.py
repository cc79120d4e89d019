"""The embedded stores keep their promises: one start, loopback and passwords only, nothing lost, nobody else's process touched."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import clickhouse_connect
import psutil
import psycopg2
import pytest
import tomlkit
from support.small_disk import NotPermitted, fill, free, small_disk

from energy_assets.embedded import bootstrap, credentials, ports, processes, supervisor
from energy_assets.embedded.connections import Connections, connections, postgres_url
from energy_assets.embedded.doctor import doctor
from energy_assets.embedded.endpoint import ClickHouse
from energy_assets.embedded.errors import StoreError
from energy_assets.embedded.postgres import Postgres
from energy_assets.home import Home
from energy_assets.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[2]
EMBEDDED = Settings(POSTGRES_URL=None, CLICKHOUSE_URL=None)
Rows = list[tuple]


@pytest.fixture
def postgres_only(stores: tuple[Home, Connections]) -> Settings:
    """Settings of a home that starts a Postgres of its own, and takes the shared home's ClickHouse for a real server."""
    return Settings(POSTGRES_URL=None, CLICKHOUSE_URL=stores[1].clickhouse_url)


# One start -----------------------------------------------------------------------------------------------------------


def test_up_twice_is_one(stores):
    home, first = stores
    before = pids(home)

    assert supervisor.up(home, EMBEDDED) == first
    assert pids(home) == before


def test_two_ups_at_once_start_one_server(home, postgres_only):
    said = []
    with ThreadPoolExecutor(2) as pool:
        a, b = pool.map(lambda _: supervisor.up(home, postgres_only, say=said.append), range(2))

    assert a == b
    assert len([line for line in said if line.startswith("starting Postgres")]) == 1


def test_two_homes_run_side_by_side_and_one_goes_down_alone(stores, home, postgres_only):
    shared, there = stores
    here = supervisor.up(home, postgres_only)

    assert urlsplit(here.loader_dsn).port != urlsplit(there.loader_dsn).port
    assert supervisor.down(home) == ["postgres"]
    assert [state.is_healthy for state in supervisor.status(shared, EMBEDDED)] == [True, True]


def test_down_leaves_no_process_and_the_data(home, postgres_only):
    loader = supervisor.up(home, postgres_only).loader_dsn
    run(loader, "create table raw_data.kept as select 42 as answer")
    backends = psutil.Process(pids(home)[0]).children()

    assert supervisor.down(home) == ["postgres"]
    assert not any(processes.is_alive(process) for process in backends)
    state = supervisor.status(home, postgres_only)[0]
    assert (state.is_healthy, state.pid) == (False, None)
    assert "energy-assets up" in state.problem
    assert supervisor.down(home) == []

    supervisor.up(home, postgres_only)
    assert run(loader, "select answer from raw_data.kept") == [(42,)]


def test_status_tells_what_runs(stores):
    home, _ = stores
    postgres, clickhouse = supervisor.status(home, EMBEDDED)

    assert postgres.version.startswith("18.")
    assert int(clickhouse.version.split(".")[0]) >= 24
    for state in (postgres, clickhouse):
        assert state.is_healthy and state.is_embedded and state.problem is None
        assert psutil.pid_exists(state.pid)
        assert state.address.startswith("127.0.0.1:")
        assert 0 < state.uptime_seconds < 86_400
    assert postgres.data_bytes > 1_000_000


def test_a_home_that_was_never_started_says_how_to_start_it(home):
    with pytest.raises(StoreError, match="energy-assets up"):
        connections(home, EMBEDDED)
    assert supervisor.down(home) == []


# Loopback and passwords only -----------------------------------------------------------------------------------------


def test_nothing_listens_beyond_loopback(stores):
    home, urls = stores
    for port in (urlsplit(urls.loader_dsn).port, urlsplit(urls.clickhouse_url).port):
        listening = {c.laddr.ip for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.laddr.port == port}
        assert listening == {"127.0.0.1"}
    assert not list(home.path.rglob(".s.PGSQL*")), "a unix socket would be a way in that no port shows"


def test_every_role_needs_its_password(stores):
    _, urls = stores
    for dsn in (urls.loader_dsn, urls.transformer_dsn, urls.bi_dsn, urls.dagster_dsn, urls.superset_dsn):
        parts = urlsplit(dsn)
        for password in ("", "wrong"):
            with pytest.raises(psycopg2.OperationalError, match="password"):
                psycopg2.connect(
                    host="127.0.0.1", port=parts.port, user=parts.username, dbname=parts.path[1:], password=password
                )
        assert run(dsn, "select current_user") == [(parts.username,)]


def test_passwords_are_in_one_private_file_and_nowhere_else(stores):
    home, urls = stores
    passwords = [p for section in tomlkit.parse(home.credentials_file.read_text()).values() for p in section.values()]

    assert home.credentials_file.stat().st_mode & 0o777 == 0o600
    assert len(set(passwords)) == 11
    shown = repr(urls) + repr(credentials.read(home)) + "".join(log.read_text() for log in home.logs.glob("*.log"))
    shown += " ".join(argument for pid in pids(home) for argument in psutil.Process(pid).cmdline())
    assert not [password for password in passwords if password in shown]


def test_a_changed_password_is_set_and_a_lost_file_is_made_again(home, postgres_only):
    old = supervisor.up(home, postgres_only)
    run(old.loader_dsn, "create table raw_data.kept as select 42 as answer")
    document = tomlkit.parse(home.credentials_file.read_text())
    document["postgres"]["bi"] = "chosen/by:a@person"
    home.credentials_file.write_text(tomlkit.dumps(document))
    assert run(supervisor.up(home, postgres_only).bi_dsn, "select current_user") == [("bi",)]

    supervisor.down(home)
    home.credentials_file.unlink()
    new = supervisor.up(home, postgres_only)

    assert new.loader_dsn != old.loader_dsn
    assert run(new.loader_dsn, "select answer from raw_data.kept") == [(42,)]


def test_a_credentials_file_that_others_can_read_is_refused(home):
    credentials.ensure(home)
    home.credentials_file.chmod(0o644)
    with pytest.raises(StoreError, match="chmod 600"):
        supervisor.up(home, EMBEDDED)


# Who may do what -----------------------------------------------------------------------------------------------------


def test_bi_reads_tables_that_did_not_exist_when_it_was_made_and_writes_none(stores):
    _, urls = stores
    for schema in ("intermediate", "ml", "marts", "quality"):
        table = f"{schema}.bi_reads_this"
        run(urls.transformer_dsn, f"create table {table} as select 7 as seven")
        assert run(urls.bi_dsn, f"select seven from {table}") == [(7,)]
        for write in (
            f"insert into {table} values (1)",
            f"delete from {table}",
            f"drop table {table}",
            f"create table {table}_2 ()",
        ):
            with pytest.raises((psycopg2.errors.InsufficientPrivilege, psycopg2.errors.ReadOnlySqlTransaction)):
                run(urls.bi_dsn, write)
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                run(urls.bi_dsn, f"set transaction read write; {write}")


def test_bi_sees_neither_what_was_delivered_nor_dagster_nor_superset(stores):
    _, urls = stores
    run(urls.loader_dsn, "create table raw_data.bi_does_not as select 1 as one")
    run(urls.transformer_dsn, "create table staging.bi_does_not as select 1 as one")
    for schema in ("raw_data", "staging"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            run(urls.bi_dsn, f"select one from {schema}.bi_does_not")
    for database in ("dagster", "superset"):
        with pytest.raises(psycopg2.OperationalError, match="CONNECT"):
            psycopg2.connect(urls.bi_dsn.removesuffix("energy") + database)


def test_superset_writes_its_own_database_and_reaches_no_other(stores):
    _, urls = stores
    run(urls.superset_dsn, "create table pages as select 1 as one")
    for database in ("energy", "dagster"):
        with pytest.raises(psycopg2.OperationalError, match="CONNECT"):
            psycopg2.connect(urls.superset_dsn.removesuffix("superset") + database)


def test_metrics_of_a_real_postgres_are_asked_for_without_being_able_to_write(stores):
    home, urls = stores
    known = connections(home, Settings(POSTGRES_URL=urls.transformer_dsn, CLICKHOUSE_URL=None))
    for dsn, schema in ((known.monitor_dsn, "public"), (known.monitor_dagster_dsn, "dagster")):
        assert schema in run(dsn, "show search_path")[0][0]
        with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
            run(dsn, "create table quality.metrics_write_this ()")


def test_each_writer_writes_its_schemas(stores):
    _, urls = stores
    run(urls.loader_dsn, "create table raw_data.shared as select 1 as one")
    assert run(urls.transformer_dsn, "select one from raw_data.shared") == [(1,)]
    for schema in ("staging", "intermediate", "ml", "marts", "quality"):
        run(urls.transformer_dsn, f"create table {schema}.shared as select 1 as one")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            run(urls.loader_dsn, f"select one from {schema}.shared")
    run(urls.dagster_dsn, "create table runs as select 1 as one")


def test_a_second_bootstrap_changes_nothing(stores):
    home, _ = stores
    postgres, port = credentials.read(home).postgres, ports.remembered(home)["postgres"]
    superuser = postgres_url("postgres", postgres.superuser, port, "energy")
    catalog = """
        select 'role', rolname, rolpassword || rolcanlogin from pg_authid
        union all select 'schema', nspname, nspowner::regrole || nspacl::text from pg_namespace
        union all select 'default', defaclnamespace::regnamespace::text, defaclrole::regrole || defaclacl::text from pg_default_acl
        union all select 'database', datname, datdba::regrole || coalesce(datacl::text, '') from pg_database
        union all select 'setting', setrole::regrole::text, setconfig::text from pg_db_role_setting
        order by 1, 2, 3"""
    before = run(superuser, catalog)

    bootstrap.bootstrap(postgres_url("postgres", postgres.superuser, port, "postgres"), postgres)

    assert run(superuser, catalog) == before
    assert len(before) > 20


def test_a_bootstrap_leaves_no_error_in_the_log_of_postgres(stores):
    home, _ = stores
    postgres, port = credentials.read(home).postgres, ports.remembered(home)["postgres"]
    log = home.logs / "postgres.log"
    before = log.stat().st_size

    bootstrap.bootstrap(postgres_url("postgres", postgres.superuser, port, "postgres"), postgres)

    said = log.read_bytes()[before:].decode()
    assert not [line for line in said.splitlines() if "ERROR" in line or "FATAL" in line]


def test_what_writes_warns_its_own_session_and_not_the_log_of_postgres(stores):
    home, urls = stores
    log = home.logs / "postgres.log"
    before = log.stat().st_size
    for url in (urls.loader_dsn, urls.transformer_dsn):
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            cursor.execute("begin")
            assert "already a transaction in progress" in connection.notices[-1]

    assert "already a transaction" not in log.read_bytes()[before:].decode()


def test_a_password_that_was_changed_in_the_credentials_is_set_and_the_former_refused(stores):
    home, urls = stores
    postgres, port = credentials.read(home).postgres, ports.remembered(home)["postgres"]
    superuser = postgres_url("postgres", postgres.superuser, port, "postgres")
    try:
        bootstrap.bootstrap(superuser, replace(postgres, bi="another"))
        assert run(postgres_url("bi", "another", port, "energy"), "select 1") == [(1,)]
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            run(urls.bi_dsn, "select 1")
    finally:
        bootstrap.bootstrap(superuser, postgres)
    assert run(urls.bi_dsn, "select 1") == [(1,)]


def test_up_goes_through_while_somebody_else_changes_the_rights_of_the_same_tables(stores):
    home, urls = stores
    postgres, port = credentials.read(home).postgres, ports.remembered(home)["postgres"]
    for number in range(40):
        run(urls.transformer_dsn, f"create table if not exists marts.changing_{number} ()")

    def bring_up_again(_: int) -> None:
        for _round in range(6):
            bootstrap.bootstrap(postgres_url("postgres", postgres.superuser, port, "postgres"), postgres)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(bring_up_again, range(3)))


def test_credentials_that_the_stores_do_not_know_are_told_with_what_to_do_and_not_by_another_remedy(stores):
    home, _ = stores
    held = home.credentials_file.read_text()
    try:
        home.credentials_file.chmod(0o644)
        assert {state.problem for state in supervisor.status(home, EMBEDDED)} == {
            f"{home.credentials_file} can be read by others (mode 0644): chmod 600 {home.credentials_file}"
        }
        home.credentials_file.unlink()
        with pytest.raises(
            StoreError, match=r"the ClickHouse of home .* refuses the writer's password .*: `energy-assets down`, then"
        ):
            supervisor.up(home, EMBEDDED)
    finally:
        home.credentials_file.unlink(missing_ok=True)
        home.credentials_file.write_text(held)
        home.credentials_file.chmod(0o600)
    supervisor.up(home, EMBEDDED)
    assert all(state.is_healthy for state in supervisor.status(home, EMBEDDED))


# A real server, by its URL -------------------------------------------------------------------------------------------


def test_a_real_postgres_gets_the_schemas_that_it_lacks(stores, home):
    shared, urls = stores
    admin = postgres_url(
        "postgres", credentials.read(shared).postgres.superuser, ports.remembered(shared)["postgres"], "postgres"
    )
    with closing(psycopg2.connect(admin)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("create database operators_own owner loader")
    url = urls.loader_dsn.removesuffix("/energy") + "/operators_own"
    settings = Settings(POSTGRES_URL=url, CLICKHOUSE_URL=urls.clickhouse_url)

    found = supervisor.up(home, settings)
    assert supervisor.up(home, settings) == found

    assert (found.loader_dsn, found.transformer_dsn, found.bi_dsn) == (url, url, url)
    run(found.dagster_dsn, "create table of_dagster ()")
    assert run(url, "select to_regclass('dagster.of_dagster')::text, to_regnamespace('marts')::text") == [
        ("dagster.of_dagster", "marts")
    ]
    assert not home.postgres.exists() and not home.clickhouse.exists() and not home.credentials_file.exists()


def test_a_real_postgres_that_does_not_answer_is_named(home, stores):
    settings = Settings(
        POSTGRES_URL="postgresql://me:secret@127.0.0.1:1/energy", CLICKHOUSE_URL=stores[1].clickhouse_url
    )
    with pytest.raises(StoreError, match="POSTGRES_URL") as raised:
        supervisor.up(home, settings)
    assert "secret" not in str(raised.value)


# Nothing lost --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("victim", ["postmaster", "every process"])
def test_each_acknowledged_commit_survives_kill_9_of_postgres(home, postgres_only, victim):
    loader = supervisor.up(home, postgres_only).loader_dsn
    run(loader, "create table raw_data.numbers (n bigint)")
    server = psutil.Process(pids(home)[0])
    with in_background(lambda: run(loader, "select count(*) from generate_series(1, 1e12)")):
        # A busy backend does not notice that its server was killed: `up` has to.
        wait_until(lambda: len(run(loader, "select 1 from pg_stat_activity where query like '%generate_series%'")) > 1)
        with inserting(loader, "insert into raw_data.numbers values (%s)") as acknowledged:
            wait_until(lambda: len(acknowledged) > 200)
            family = [server, *server.children()]
            for process in family if victim == "every process" else [server]:
                process.kill()
        supervisor.up(home, postgres_only)

    assert not [process for process in family if processes.is_alive(process)]
    kept = {n for (n,) in run(loader, "select n from raw_data.numbers")}
    assert set(acknowledged) <= kept
    assert len(kept) <= len(acknowledged) + 1, "at most the one that was in flight may be there unacknowledged"


def test_each_acknowledged_insert_survives_kill_9_of_clickhouse(home, stores):
    url = supervisor.up(home, EMBEDDED).clickhouse_url
    client = clickhouse_connect.get_client(dsn=url)
    client.command("create database if not exists kept")
    client.command("create table kept.numbers (n UInt64) engine = MergeTree order by n")
    acknowledged: list[int] = []

    def insert() -> None:
        while True:
            client.insert("kept.numbers", [[len(acknowledged)]], column_names=["n"])
            acknowledged.append(len(acknowledged))

    with in_background(insert):
        wait_until(lambda: len(acknowledged) > 30)
        psutil.Process(pids(home)[1]).kill()
    supervisor.up(home, EMBEDDED)

    rows = clickhouse_connect.get_client(dsn=url).query("select n from kept.numbers order by n").result_rows
    assert {n for (n,) in rows} >= set(acknowledged)


def test_a_postgres_whose_full_disk_lets_nobody_in_is_not_waited_for_and_the_disk_is_named(home, postgres_only):
    home.path.mkdir()
    try:
        with small_disk(home.path.parent / "disk", megabytes=300) as disk:
            home.postgres.symlink_to(disk / "postgres")
            supervisor.up(home, postgres_only)
            # Whatever changes the catalogue takes these away; without room no new connection can make them anew.
            for written_anew in disk.rglob("pg_internal.init"):
                written_anew.unlink()
            fill(disk)
            with pytest.raises(StoreError, match=r"(?s)disk of .*/disk/postgres is full.*free room there"):
                supervisor.up(home, postgres_only)
            free(disk)
            supervisor.up(home, postgres_only)
            supervisor.down(home)
    except NotPermitted as reason:
        pytest.skip(str(reason))


@pytest.mark.full
def test_a_hung_server_is_stopped_step_by_step_and_said_so(home, postgres_only, monkeypatch):
    supervisor.up(home, postgres_only)
    monkeypatch.setattr(Postgres, "stop_steps", ((signal.SIGINT, 0.3), (signal.SIGQUIT, 0.3), (signal.SIGKILL, 10.0)))
    os.kill(pids(home)[0], signal.SIGSTOP)
    said: list[str] = []

    assert supervisor.down(home, say=said.append) == ["postgres"]
    assert [line.rsplit(" ", 1)[1] for line in said if "did not stop" in line] == ["SIGQUIT", "SIGKILL"]
    supervisor.up(home, postgres_only)


@pytest.mark.full
def test_a_stale_pid_file_that_names_a_stranger_hurts_neither(home, postgres_only):
    supervisor.up(home, postgres_only)
    supervisor.down(home)
    with stranger() as other:
        (home.postgres / "postmaster.pid").write_text(
            f"{other.pid}\n{home.postgres}\n1\n5432\n\n127.0.0.1\n 1 1\nready\n"
        )
        supervisor.up(home, postgres_only)
        supervisor.down(home)
        assert other.poll() is None


def test_a_process_that_only_looks_alike_is_left_alone(home):
    command = [sys.executable, "-c", "import time; time.sleep(60)", "postgres", "-D", str(home.postgres.resolve())]
    with stranger(command) as other:
        assert Postgres(home).server() is None and ClickHouse(home).server() is None
        supervisor.down(home)
        assert other.poll() is None


def test_an_interrupted_first_start_is_begun_anew(home, postgres_only):
    half_made = home.path / "postgres.new"
    half_made.mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("18\n")

    assert run(supervisor.up(home, postgres_only).loader_dsn, "select 1") == [(1,)]
    assert not half_made.exists()


# Ports ---------------------------------------------------------------------------------------------------------------


def test_a_remembered_port_that_was_taken_is_replaced_and_said_so(home, postgres_only):
    supervisor.up(home, postgres_only)
    former = ports.remembered(home)["postgres"]
    assert supervisor.down(home) == ["postgres"]
    said: list[str] = []

    with closing(socket.create_server(("127.0.0.1", former))):
        port_findings = [finding.level for finding in doctor(home, postgres_only) if finding.name == f"port {former}"]
        urls = supervisor.up(home, postgres_only, say=said.append)

    assert port_findings == ["warn"]
    assert urlsplit(urls.loader_dsn).port == ports.remembered(home)["postgres"] != former
    assert [line for line in said if f"port {former} of postgres is taken" in line]


def test_the_same_port_is_used_again(home, postgres_only):
    first = supervisor.up(home, postgres_only)
    supervisor.down(home)
    assert supervisor.up(home, postgres_only) == first


# Errors that help ----------------------------------------------------------------------------------------------------


def test_a_failed_start_shows_the_log_and_a_remedy(home, postgres_only):
    supervisor.up(home, postgres_only)
    supervisor.down(home)
    with (home.postgres / "postgresql.auto.conf").open("a") as settings:
        settings.write("no_such_setting = 1\n")

    with pytest.raises(StoreError) as raised:
        supervisor.up(home, postgres_only)

    assert 'unrecognized configuration parameter "no_such_setting"' in str(raised.value)
    assert "energy-assets doctor" in str(raised.value)


def test_data_of_another_major_version_is_not_touched(home, postgres_only):
    home.postgres.mkdir(parents=True, mode=0o700)
    (home.postgres / "PG_VERSION").write_text("17\n")
    with pytest.raises(StoreError, match="was made by Postgres 17"):
        supervisor.up(home, postgres_only)
    assert [path.name for path in home.postgres.iterdir()] == ["PG_VERSION"]


def test_logs_are_found_and_do_not_grow_for_ever(home, postgres_only, monkeypatch):
    supervisor.up(home, postgres_only)
    log = supervisor.logs(home, "postgres")
    assert "ready to accept connections" in log.read_text()
    with pytest.raises(StoreError, match="never started"):
        supervisor.logs(home, "clickhouse")
    with pytest.raises(StoreError, match="postgres or clickhouse"):
        supervisor.logs(home, "mysql")

    supervisor.down(home)
    monkeypatch.setattr(processes, "LOG_LIMIT", 10)
    supervisor.up(home, postgres_only)
    assert log.with_suffix(".log.1").is_file()
    assert log.read_text().count("ready to accept connections") == 1


def test_the_doctor_finds_a_running_home_well(stores):
    home, _ = stores
    findings = doctor(home, EMBEDDED)
    assert [finding for finding in findings if finding.level == "fail"] == []
    assert {"python", "packages", "memory", "disk", "clock", "credentials", "postgres", "clickhouse"} <= {
        f.name for f in findings
    }
    assert all(finding.remedy for finding in findings if finding.level != "ok")


def test_the_doctor_names_readable_credentials_and_a_clock_that_went_back(home):
    credentials.ensure(home)
    home.credentials_file.chmod(0o640)
    ports.remember(home, postgres=1)
    os.utime(home.ports_file, (time.time() + 3600,) * 2)

    failed = {finding.name: finding for finding in doctor(home, EMBEDDED) if finding.level == "fail"}

    assert failed["credentials"].remedy == f"chmod 600 {home.credentials_file}"
    assert "the clock went back" in failed["clock"].what


# Another user --------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can run a test as another user; you are an ordinary user already"
)
def test_an_ordinary_user_starts_and_stops_both_stores(home):
    user = pwd.getpwnam("nobody")
    python = python_for(user)
    home.path.mkdir(mode=0o700)
    home.path.parent.chmod(0o711)
    os.chown(home.path, user.pw_uid, user.pw_gid)
    script = """
import sys
from energy_assets.embedded import supervisor
from energy_assets.home import Home
from energy_assets.settings import Settings
home, settings = Home.at(sys.argv[1]), Settings(POSTGRES_URL=None, CLICKHOUSE_URL=None)
supervisor.up(home, settings)
print([state.is_healthy for state in supervisor.status(home, settings)], supervisor.down(home))
"""
    done = as_user(user, [python, "-c", script, str(home.path)])

    assert done.stdout.strip() == "[True, True] ['postgres', 'clickhouse']", done.stderr
    assert {path.owner() for path in home.path.rglob("*")} == {"nobody"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to hand Postgres to another user")
def test_root_runs_postgres_as_another_user_even_below_a_private_directory(home, postgres_only):
    home.path.parent.chmod(0o700)
    said: list[str] = []
    supervisor.up(home, postgres_only, say=said.append)

    assert psutil.Process(pids(home)[0]).uids().real != 0
    assert home.path.parent.stat().st_mode & 0o777 == 0o701
    assert [line for line in said if str(home.path.parent) in line]


# Helpers -------------------------------------------------------------------------------------------------------------


def run(url: str, statement: str, values: tuple | None = None) -> Rows:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


def pids(home: Home) -> list[int | None]:
    """Server processes of Postgres and ClickHouse."""
    return [state.pid for state in supervisor.status(home, EMBEDDED)]


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


@contextmanager
def in_background(work: Callable[[], object]) -> Iterator[None]:
    """`work` runs until its store is killed under it."""

    def until_killed() -> None:
        try:
            work()
        except (psycopg2.Error, clickhouse_connect.driver.exceptions.Error):
            return

    thread = threading.Thread(target=until_killed)
    thread.start()
    yield
    thread.join(30)
    assert not thread.is_alive(), "the work outlived its store"


@contextmanager
def inserting(url: str, statement: str) -> Iterator[list[int]]:
    """The numbers whose commit was acknowledged, one transaction each, until the server is killed."""
    acknowledged: list[int] = []

    def insert() -> None:
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            while True:
                cursor.execute(statement, (len(acknowledged),))
                connection.commit()
                acknowledged.append(len(acknowledged))

    with in_background(insert):
        yield acknowledged


@contextmanager
def stranger(command: list[str] | None = None) -> Iterator[subprocess.Popen]:
    """A living process that is none of ours."""
    with subprocess.Popen(command or [sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield process
        process.kill()


def python_for(user: pwd.struct_passwd) -> str:
    """A Python that `user` may run, of the version that the packages are for; skips where there is none."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/python{version}"):
        try:
            if as_user(user, [python, "-c", "import psycopg2, energy_assets.settings"]).returncode == 0:
                return python
        except OSError:
            continue
    pytest.skip(f"{user.pw_name} can read neither {sys.executable} nor a system Python {version}, or not {REPOSITORY}")


def as_user(user: pwd.struct_passwd, command: list[str]) -> subprocess.CompletedProcess:
    path = os.pathsep.join([str(REPOSITORY), sysconfig.get_paths()["purelib"]])
    return subprocess.run(
        command,
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        cwd="/",
        env={"PATH": os.environ["PATH"], "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
