"""The containers of docker-compose.yml without containers: each service's own command and environment, on servers of another's.

Postgres is one that `init` gets as its superuser, ClickHouse the endpoint as a server by its address. What stays untried is Docker itself, the
images, and ClickHouse as its makers build it.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import clickhouse_connect
import httpx
import psycopg2
import pytest
from clickhouse_process import PASSWORDS, ClickHouseProcess, free_port
from support import commands, compose
from support.disorder import city
from support.own_postgres import PASSWORD, OwnPostgres, own_postgres

from energy_assets.embedded.bootstrap import DATABASE_OWNERS, OWNERS
from energy_assets.home import Home

FIRST_DAY = "2026-01-01"
PROGRAMS = Path(sys.executable).parent
SETTINGS = {
    "COMPOSE_PROFILES": "core,bi,monitoring",
    "ENERGY_TIMEZONE": "Africa/Douala",
    "ENERGY_FIRST_DAY": FIRST_DAY,
    "POSTGRES_PASSWORD": PASSWORD,
    "POSTGRES_BI_PASSWORD": "bi-of-this-test",
    "POSTGRES_MONITOR_PASSWORD": "monitor-of-this-test",
    "CLICKHOUSE_ADMIN_PASSWORD": "unused",
    "CLICKHOUSE_WRITER_PASSWORD": quote(PASSWORDS["writer"], safe=""),
    "CLICKHOUSE_BI_PASSWORD": quote(PASSWORDS["bi"], safe=""),
    "REDIS_PASSWORD": "unused",
    "GRAFANA_PASSWORD": "unused",
}
SERVED = ("docs", "webserver", "code")


@dataclass
class Containers:
    """Processes in the place of containers, one home between them."""

    root: Path
    postgres: OwnPostgres
    clickhouse: ClickHouseProcess
    ports: dict[str, int] = field(default_factory=dict)
    running: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    @property
    def home(self) -> Home:
        return Home(self.root / "utility")

    def here(self, text: str) -> str:
        """An address on the containers' network, on this machine."""
        known = {
            "@postgres:5432": self.postgres.port,
            "//postgres:5432": self.postgres.port,
            "@clickhouse:8123": self.clickhouse.port,
        }
        for address, port in known.items():
            text = text.replace(address, f"{address[: -len(address.lstrip('@/'))]}127.0.0.1:{port}")
        return text.replace("code:4266", f"127.0.0.1:{self.port('code')}")

    def port(self, service: str) -> int:
        return self.ports.setdefault(service, free_port())

    def environment(self, service: dict) -> dict[str, str]:
        image = {"ENERGY_HOME": str(self.root), "ENERGY_LISTEN_ADDRESS": "127.0.0.1", "PYTHONUNBUFFERED": "1"}
        told = {name: self.here(str(value)) for name, value in service["environment"].items()}
        known = commands.environment(self.root) | image | told
        return known | {"PATH": f"{PROGRAMS}{os.pathsep}{known['PATH']}", "ENERGY_SETTLE_SECONDS": "0"}

    def command(self, name: str, service: dict) -> list[str]:
        entry = service.get("entrypoint", ["energy-assets"])
        words = [self.here(word) for word in (*entry, *service.get("command", []))]
        return [*words, "--port", str(self.port(name))] if name in SERVED else words

    def run(self, name: str, *arguments: str, code: int = 0) -> str:
        """A service to its end, or, with arguments, a command in its environment."""
        service = services()[name]
        command = ["energy-assets", *arguments] if arguments else self.command(name, service)
        done = subprocess.run(
            command,
            env=self.environment(service),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            cwd=self.root,
        )
        assert done.returncode == code, f"{name} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def start(self, name: str) -> None:
        service = services()[name]
        log = (self.root / f"{name}.log").open("w")
        self.running[name] = subprocess.Popen(
            self.command(name, service), env=self.environment(service), stdout=log, stderr=log, text=True, cwd=self.root
        )
        self.wait(f"{name} to be well", lambda: self.is_well(name))

    def is_well(self, name: str) -> bool:
        """What the service's health check says."""
        assert self.running[name].poll() is None, f"{name} ended:\n{self.log(name)}"
        service = services()[name]
        check = service["healthcheck"]["test"][1:]
        more = ["--port", str(self.port(name))] if name in SERVED else []
        return (
            subprocess.run(
                [*check, *more], env=self.environment(service), capture_output=True, check=False, timeout=60
            ).returncode
            == 0
        )

    def log(self, name: str) -> str:
        return (self.root / f"{name}.log").read_text()

    def wait(self, what: str, is_so: Callable[[], bool], seconds: float = 180) -> None:
        deadline = time.monotonic() + seconds
        while not is_so():
            logs = "\n".join(f"--- {name}\n{self.log(name)[-2000:]}" for name in self.running)
            assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}\n{logs}"
            time.sleep(0.5)

    def stop(self, name: str) -> int:
        """As `docker stop`: SIGTERM, and as long as the service is given."""
        process = self.running.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(timeout=int(services()[name]["stop_grace_period"].removesuffix("s")))


def services() -> dict[str, dict]:
    return compose.read(SETTINGS)["services"]


@contextmanager
def without_containers(root: Path) -> Iterator[Containers]:
    (root / "clickhouse").mkdir()
    (root / "homes").mkdir()
    clickhouse = ClickHouseProcess(root / "clickhouse").start()
    try:
        with own_postgres() as postgres:
            containers = Containers(root / "homes", postgres, clickhouse)
            try:
                yield containers
            finally:
                for process in containers.running.values():
                    process.kill()
                    process.wait()
    finally:
        clickhouse.stop()


@pytest.fixture(scope="module")
def containers() -> Iterator[Containers]:
    root = Path(tempfile.mkdtemp(prefix="energy-parts-"))
    try:
        with without_containers(root) as made:
            made.run("init")
            yield made
    finally:
        shutil.rmtree(root)


def catalogue(containers: Containers) -> list[tuple]:
    """Schemas, their owners and rights, roles and databases of the server."""
    asked = """
        select 'schema', nspname::text, nspowner::regrole::text, nspacl::text from pg_namespace where nspname !~ '^pg_t'
        union all select 'database', datname, datdba::regrole::text, datacl::text from pg_database
        union all select 'role', rolname, rolpassword, rolconnlimit::text from pg_authid
        order by 1, 2
    """
    with (
        closing(psycopg2.connect(containers.postgres.url("postgres", "energy"))) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(asked)
        return cursor.fetchall()


def test_init_makes_roles_and_tables_and_a_second_one_changes_nothing(containers: Containers) -> None:
    made = catalogue(containers)
    owners = {name: owner for kind, name, owner, _ in made if kind == "schema"}
    assert OWNERS.items() <= owners.items()
    assert set(DATABASE_OWNERS) <= {name for kind, name, *_ in made if kind == "database"}
    credentials = containers.home.credentials_file.read_text()

    containers.run("init")

    assert catalogue(containers) == made
    assert containers.home.credentials_file.read_text() == credentials
    assert containers.home.credentials_file.stat().st_mode & 0o077 == 0
    assert not (containers.home.path / "postgres").exists(), "a Postgres of its own beside the server"
    assert containers.home.calendar().first_day.isoformat() == FIRST_DAY


def test_each_role_has_its_rights_on_the_server_too(containers: Containers) -> None:
    as_bi = f"postgresql://bi:{SETTINGS['POSTGRES_BI_PASSWORD']}@127.0.0.1:{containers.postgres.port}/energy"
    with closing(psycopg2.connect(as_bi)) as connection, connection.cursor() as cursor:
        cursor.execute("select count(*) from quality.validation_results")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("select * from raw_data.meter_readings")
        connection.rollback()
        with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
            cursor.execute("delete from quality.validation_results")
    as_monitor = (
        f"postgresql://monitor:{SETTINGS['POSTGRES_MONITOR_PASSWORD']}@127.0.0.1:{containers.postgres.port}/energy"
    )
    with closing(psycopg2.connect(as_monitor)) as connection, connection.cursor() as cursor:
        cursor.execute("select pg_database_size('energy')")


def test_without_its_superuser_a_server_is_no_home_and_the_message_says_what_to_do(
    containers: Containers, tmp_path: Path
) -> None:
    other = {"POSTGRES_URL": f"postgresql://127.0.0.1:{containers.postgres.port}", "ENERGY_TIMEZONE": "Africa/Douala"}
    commands.run(tmp_path, "new", "--first-day", FIRST_DAY, **other)
    try:
        said = commands.run(tmp_path, "up", code=1, **other)
    finally:
        commands.run(tmp_path, "down")
    assert "POSTGRES_ADMIN_URL=postgresql://postgres:…@host:port/" in said
    said = commands.run(tmp_path, "up", code=1, POSTGRES_ADMIN_URL="postgresql://postgres:x@127.0.0.1:1/")
    assert "POSTGRES_ADMIN_URL: is for a server on which the platform has roles of its own" in said


def test_a_backup_needs_the_superuser_whom_init_alone_knows(containers: Containers) -> None:
    target = containers.root.parent / "backups"
    assert "set POSTGRES_ADMIN_URL" in containers.run("code", "backup", "--to", str(target), code=1)
    containers.run("init", "backup", "--to", str(target))
    (made,) = target.iterdir()
    assert {path.name for path in (made / "postgres").iterdir()} == {"energy.dump", "dagster.dump", "superset.dump"}
    said = containers.run("init", "restore", str(made), "--home", "again", code=1)
    assert "the server that POSTGRES_URL names has dagster, energy, superset already" in said


def test_services_are_well_know_the_graph_and_end_when_asked(containers: Containers) -> None:
    with started(containers):
        page = f"http://127.0.0.1:{containers.port('webserver')}"
        asked = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"
        found = httpx.post(f"{page}/graphql", json={"query": asked}).json()["data"]["repositoriesOrError"]["nodes"]
        assert found == [{"name": "__repository__", "location": {"name": "energy_assets"}}]
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", containers.port("code")), timeout=2):
        pass


@pytest.mark.full
def test_a_delivery_becomes_served_rows_through_the_services_alone(containers: Containers) -> None:
    with started(containers):
        for path, text in city(containers.root.parent / "city", meters=10, transformers=1, days=1, seed=3).items():
            target = containers.home.landing / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text.replace("2024-01-0", "2026-01-0"))
        containers.wait("rows of the delivery to be served", lambda: served(containers) > 0, seconds=300)


@contextmanager
def started(containers: Containers) -> Iterator[None]:
    for name in ("code", "daemon", "webserver", "docs"):
        containers.start(name)
    yield
    assert containers.stop("daemon") in (0, -signal.SIGTERM)
    for name in ("webserver", "docs"):
        containers.stop(name)
    assert containers.stop("code") == 0


def served(containers: Containers) -> int:
    user = {"username": "bi", "password": PASSWORDS["bi"]}
    with closing(clickhouse_connect.get_client(host="127.0.0.1", port=containers.clickhouse.port, **user)) as client:
        return client.query("SELECT count() FROM energy_analytics.meter_readings").result_rows[0][0]


def test_clickhouses_users_are_made_by_statements_that_clickhouse_reads(containers: Containers, tmp_path: Path) -> None:
    """This engine has no users: the script runs with a client that writes down what it is given, and the engine reads that."""
    service = compose.read(SETTINGS | {"CLICKHOUSE_BI_PASSWORD": 'it\'s !$`\\ a "pass"'})["services"][
        "clickhouse-users"
    ]
    given, client = tmp_path / "given.sql", tmp_path / "clickhouse-client"
    client.write_text(f'#!/bin/bash\necho "-- $*" >> {given}\ncat >> {given}\n')
    client.chmod(0o700)
    script = compose.ROOT / service["volumes"][0].split(":")[0]
    told = {name: str(value) for name, value in service["environment"].items()} | {
        "GRANTS": str(compose.ROOT / "clickhouse_ddl" / "grants")
    }
    subprocess.run(
        ["/bin/bash", str(script)],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", **told},
        check=True,
        capture_output=True,
    )

    text = "\n".join(line for line in given.read_text().splitlines() if not line.startswith("--"))
    assert "it's" not in text
    statements = [statement.strip() for statement in text.split(";") if statement.strip()]
    login = {"username": "writer", "password": PASSWORDS["writer"]}
    with closing(clickhouse_connect.get_client(host="127.0.0.1", port=containers.clickhouse.port, **login)) as writer:
        for statement in statements:
            formatted = writer.command("SELECT formatQuerySingleLine({sql:String})", parameters={"sql": statement})
            assert formatted.split()[0] == statement.split()[0]
    assert sum(statement.startswith("CREATE USER IF NOT EXISTS") for statement in statements) == 2
    assert "GRANT energy_reader TO bi" in statements and "GRANT energy_writer TO writer" in statements


@pytest.mark.full
def test_a_server_that_lost_its_databases_gets_them_back_with_roles_and_rights(tmp_path: Path) -> None:
    root = Path(tempfile.mkdtemp(prefix="energy-parts-"))
    try:
        with without_containers(root) as containers:
            containers.run("init")
            before = catalogue(containers)
            containers.run("init", "backup", "--to", str(tmp_path))
            for name in DATABASE_OWNERS:
                containers.postgres.drop_database(name)
            (made,) = tmp_path.iterdir()

            containers.run("init", "restore", str(made), "--home", "again")

            told = [
                row for row in catalogue(containers) if row[0] != "role"
            ]  # a restored home has passwords of its own
            assert told == [row for row in before if row[0] != "role"]
    finally:
        shutil.rmtree(root)
