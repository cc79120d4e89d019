"""A Postgres that is no home's own: what `POSTGRES_URL` names, as a utility's operator runs it, with roles that are no superusers.

What belongs here: starting one in a directory of its own, and making databases and roles there. What does not: what a home does with it.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from psycopg2 import sql

from energy_assets.embedded import account
from energy_assets.embedded.postgres import PACKAGE, programs

PASSWORD = "only-of-this-test"
SETTINGS = ("fsync=off", "max_connections=60", "listen_addresses=127.0.0.1", "unix_socket_directories=")


@dataclass(frozen=True)
class OwnPostgres:
    """A running server."""

    port: int

    def url(self, role: str, database: str) -> str:
        return f"postgresql://{role}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def as_superuser(self, *statements: str | sql.Composable, database: str = "postgres") -> None:
        with closing(psycopg2.connect(self.url("postgres", database))) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            for statement in statements:
                cursor.execute(statement)

    def make_role(self, role: str, rights: str = "") -> None:
        named, password = sql.Identifier(role), sql.Literal(PASSWORD)
        self.as_superuser(sql.SQL("create role {} login password {} " + rights).format(named, password))

    def make_database(self, name: str, owner: str) -> str:
        """An empty database; its owner's URL."""
        self.as_superuser(sql.SQL("create database {} owner {}").format(sql.Identifier(name), sql.Identifier(owner)))
        return self.url(owner, name)

    def drop_database(self, name: str) -> None:
        self.as_superuser(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """A server with the settings that Postgres comes with; stopped and removed at the end."""
    directory = Path(tempfile.mkdtemp(prefix="energy-own-postgres-"))
    data, password = directory / "data", directory / "password"
    runner = account.account_for(data)
    identity = {**runner.identity(), "extra_groups": []} if runner.is_other else {}
    if runner.is_other:
        account.let_reach(runner, programs(), say=lambda line: None)
        for tree in (programs().parent, programs().parents[2] / f"{PACKAGE}.libs"):
            account.let_read(runner, tree)
    password.write_text(PASSWORD)
    account.hand_over(runner, directory)
    try:
        options = ["--username=postgres", f"--pwfile={password}", "--auth=scram-sha-256", "--encoding=UTF8"]
        initdb = [programs() / "initdb", "-D", str(data), "--locale=C", *options]
        subprocess.run(initdb, check=True, capture_output=True, cwd="/", **identity)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        given = [word for setting in SETTINGS for word in ("-c", setting)]
        server = [programs() / "postgres", "-D", str(data), "-p", str(port), *given]
        with (directory / "log").open("w") as log:
            process = subprocess.Popen(server, stdout=log, stderr=log, cwd="/", **identity)
        try:
            yield _ready(OwnPostgres(port), process, directory / "log")
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
    finally:
        shutil.rmtree(directory)


def _ready(server: OwnPostgres, process: subprocess.Popen[bytes], log: Path) -> OwnPostgres:
    from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

    def ask() -> None:
        assert process.poll() is None, log.read_text()
        server.as_superuser("select 1")

    Retrying(retry=retry_if_exception_type(psycopg2.Error), stop=stop_after_delay(60), wait=wait_fixed(0.1))(ask)
    return server
