"""Superset's process: what it is told, starting it, looking at it, ending it.

What belongs here: one server of one home. What does not: its tables and pages (bring_up.py).
"""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import psutil

from energy_assets.dashboards.bundle import SUPERSET
from energy_assets.embedded import processes
from energy_assets.embedded.connections import Connections, psycopg2_url
from energy_assets.embedded.credentials import Credentials
from energy_assets.embedded.ports import LOOPBACK
from energy_assets.home import Home
from energy_assets.operations.dashboards.install import ENVIRONMENT, LOCK, PYTHON
from energy_assets.operations.errors import OperationError
from energy_assets.operations.listening import answers
from energy_assets.settings import settings
from ml.cores import cores

CONFIGURATION = SUPERSET / "superset_config.py"
USER = "admin"
DATABASE = "energy_analytics"
MARK = "ENERGY_SUPERSET_HOME"
"""Set for the processes of a home's Superset, which hand it on to theirs: so they are found again, whoever started them."""
FINGERPRINT = "ENERGY_SUPERSET_FINGERPRINT"
"""Of everything that a running server was told: one that was told something else is restarted."""
REDIS = "ENERGY_SUPERSET_REDIS_URL"
BROKER_DATABASE = 1
"""Of that Redis, as in superset_config.py."""
MOST_WORKERS = 4
START_SECONDS = 180.0
LEAST_SECRET = 6
"""Characters from which a password is taken out of what is quoted: a shorter one stands in every other word."""
STOP_STEPS = ((signal.SIGTERM, 20.0), (signal.SIGKILL, 10.0))
_NOT_HANDED_ON = ("ENERGY_", "DAGSTER_", "DBT_", "POSTGRES_URL", "CLICKHOUSE_", "PYTHON", "VIRTUAL_ENV", "SUPERSET_")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Superset:
    """A home's Superset, and what it must be told. The secrets are in the environment of its processes, never in a file of theirs."""

    home: Home
    port: int
    database_url: str = field(repr=False)
    clickhouse_uri: str = field(repr=False)
    secrets: Credentials = field(repr=False)

    @classmethod
    def of(cls, home: Home, port: int, known: Connections, secrets: Credentials) -> Superset:
        if known.superset_dsn is None:
            raise ValueError("Superset needs a database of its own")
        return cls(home, port, psycopg2_url(known.superset_dsn), sqlalchemy_uri(known.clickhouse_bi_url), secrets)

    @property
    def log(self) -> Path:
        return self.home.logs / "superset.log"

    @property
    def set_up_log(self) -> Path:
        return self.home.logs / "superset-set-up.log"

    @property
    def address(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def environment(self) -> dict[str, str]:
        """What each process of it needs. It holds passwords: pass it on, print it never."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_HANDED_ON)}
        told = {
            MARK: str(self.home.path),
            "SUPERSET_CONFIG_PATH": str(CONFIGURATION),
            "SUPERSET_HOME": str(self.home.superset),
            "ENERGY_SUPERSET_STATE": str(self.home.superset),
            "ENERGY_SUPERSET_PORT": str(self.port),
            "ENERGY_SUPERSET_LANGUAGE": settings().language,
            "ENERGY_SUPERSET_DATABASE_URL": self.database_url,
            "ENERGY_SUPERSET_SECRET_KEY": self.secrets.superset.secret_key,
            **({REDIS: redis.get_secret_value()} if (redis := settings().superset_redis_url) else {}),
        }
        fingerprint = sha256(
            *told.values(), CONFIGURATION.read_text(encoding="utf-8"), LOCK.read_text(encoding="utf-8")
        )
        # What runs on this machine is not reached through a proxy.
        direct = {name: f"{LOOPBACK},{os.environ.get(name, '')}".rstrip(",") for name in ("NO_PROXY", "no_proxy")}
        return inherited | direct | told | {FINGERPRINT: fingerprint}

    def without_secrets(self, text: str) -> str:
        """What a program of it said, should it have said what it was told in confidence."""
        redis = settings().superset_redis_url
        known = (self.database_url, self.clickhouse_uri, redis.get_secret_value() if redis else "")
        addresses = [urlsplit(address).password or "" for address in known]
        told = [*addresses, *map(unquote, addresses), self.secrets.superset.secret_key, self.secrets.superset.admin]
        for secret in sorted({secret for secret in told if len(secret) >= LEAST_SECRET}, key=len, reverse=True):
            text = text.replace(secret, "…")
        return text

    def is_current(self) -> bool:
        """Whether a server runs that was told what it would be told now, and answers a page."""
        wanted = self.environment()[FINGERPRINT]
        return any(_told(process) == wanted for process in self._servers()) and self.answers()

    def answers(self) -> bool:
        """Whether the page for logging in is there: `/health` answers even where no page can be drawn."""
        return answers(self.port, "/login/")

    def start(self, say: Say) -> None:
        """Start the server and wait for its first page. Raises OperationError, with the end of its log, where none comes."""
        say(f"starting Superset ({LOOPBACK}:{self.port})")
        processes.rotate(self.log)
        since = self.log.stat().st_size
        server = processes.start(
            server_command(self.port), log=self.log, cwd=self.home.superset, environment=self.environment()
        )
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if (code := server.poll()) is not None or time.monotonic() > deadline:
                why = f"ended (code {code})" if code is not None else f"showed no page within {START_SECONDS:.0f} s"
                end(self.home, say)
                raise OperationError(
                    f"Superset at {self.address} {why}. Last lines of {self.log}:\n"
                    f"{self.without_secrets(processes.tail(self.log, since=since))}\n→ correct what they say, then run `energy-assets dashboards` again"
                )
            time.sleep(0.1)

    def _servers(self) -> list[psutil.Process]:
        return list(processes.marked(MARK, str(self.home.path)))


def end(home: Home, say: Say) -> bool:
    """End the home's Superset; whether there was one. Raises OperationError where something of it does not end."""
    alive = processes.marked(MARK, str(home.path))
    if not alive:
        return False
    say("stopping Superset")
    pids = {process.pid for process in alive}
    masters = [process for process, parent in alive.items() if parent not in pids]
    processes.stop(masters, STOP_STEPS, what="Superset", say=say)
    left = processes.stop(list(processes.marked(MARK, str(home.path))), STOP_STEPS, what="Superset", say=say)
    if left:
        raise OperationError(
            f"processes {', '.join(str(process.pid) for process in left)} of Superset survive every signal: end them by hand"
        )
    return True


def sqlalchemy_uri(clickhouse_url: str, database: str = DATABASE) -> str:
    """SQLAlchemy's form of a ClickHouse address, `http(s)://user:password@host:port/`."""
    parts = urlsplit(clickhouse_url)
    query = "secure=true" if parts.scheme == "https" else ""
    port = "" if parts.port else (":8443" if parts.scheme == "https" else ":8123")
    return urlunsplit(("clickhousedb", f"{parts.netloc}{port}", f"/{database}", query, ""))


def sha256(*texts: str) -> str:
    """One hash of several texts, each kept apart from the next."""
    together = hashlib.sha256()
    for text in texts:
        together.update(hashlib.sha256(text.encode()).digest())
    return together.hexdigest()


def server_command(port: int, address: str = LOOPBACK) -> list[str]:
    """Superset's web server."""
    return [
        # -P: nothing in the working directory may be taken for a module.
        *(str(PYTHON), "-P", str(ENVIRONMENT / "bin" / "gunicorn")),
        *("--bind", f"{address}:{port}", "--worker-class", "gthread", "--threads", "8"),
        # One process works on one core; beyond some, readers do not come, and each takes 0.4 GB.
        *("--workers", str(min(cores(), MOST_WORKERS))),
        # Its control socket would be the same for every home of a user.
        *("--timeout", "120", "--no-control-socket", "--log-level", "warning"),
        "superset.app:create_app()",
    ]


def worker_command() -> list[str]:
    """One of Superset's workers, which answer long questions of SQL Lab."""
    return [
        *(str(PYTHON), "-P", str(ENVIRONMENT / "bin" / "celery"), "--app", "superset.tasks.celery_app:app"),
        *("worker", "--pool", "prefork", "--optimization", "fair", "--concurrency", str(min(cores(), MOST_WORKERS))),
    ]


def worker_answers(seconds: float) -> bool:
    """Whether the worker of this machine (or container) takes what is put into the Redis: it answers a question that goes through it.

    Superset itself is not loaded for that. Raises OperationError where no Redis is named.
    """
    asked = [
        *(str(PYTHON), "-P", str(ENVIRONMENT / "bin" / "celery"), "inspect", "ping"),
        *("--destination", f"celery@{socket.gethostname()}", "--timeout", str(seconds / 2)),
    ]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_HANDED_ON)}
    told = inherited | {"CELERY_BROKER_URL": f"{workers_redis()}/{BROKER_DATABASE}"}
    try:
        done = subprocess.run(asked, env=told, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def workers_redis() -> str:
    """The Redis that workers take their work from. Raises OperationError where none is named."""
    redis = settings().superset_redis_url
    if redis is None:
        raise OperationError(
            "Superset's workers take their work from a Redis: set ENERGY_SUPERSET_REDIS_URL to redis://:…@host:port"
        )
    return redis.get_secret_value()


def _told(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(FINGERPRINT)
    except psutil.Error:
        return None
