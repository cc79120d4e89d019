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
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import clickhouse_connect
import httpx
import psycopg2
import pytest
from clickhouse_process import PASSWORDS
from parts import FIRST_DAY, SETTINGS, Containers, without_containers
from support import commands, compose
from support.disorder import city

from energy_assets.embedded.bootstrap import DATABASE_OWNERS, OWNERS


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
        containers.wait("rows of the delivery to be served", lambda: containers.served_rows() > 0, seconds=300)


@contextmanager
def started(containers: Containers) -> Iterator[None]:
    for name in ("code", "daemon", "webserver", "docs"):
        containers.start(name)
    yield
    assert containers.stop("daemon") in (0, -signal.SIGTERM)
    for name in ("webserver", "docs"):
        containers.stop(name)
    assert containers.stop("code") == 0


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
