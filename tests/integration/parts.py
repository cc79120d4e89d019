"""The containers of docker-compose.yml as processes on this machine, one home between them: each service's own command, environment and check.

What belongs here: starting, asking and stopping them on servers of another's. What does not: what should come of it (test_parts*.py, test_image.py).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import clickhouse_connect
from clickhouse_process import PASSWORDS, ClickHouseProcess, free_port
from support import commands, compose
from support.images import Images, Stage
from support.own_postgres import PASSWORD, OwnPostgres, own_postgres

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
    "REDIS_PASSWORD": "redis-of-this-test",
    "GRAFANA_PASSWORD": "unused",
}
SERVED = ("docs", "webserver", "code", "superset")
"""Those that are told their port here; superset-worker answers through Redis, daemon through Postgres, and metrics is told already."""


@dataclass
class Containers:
    """Processes in the place of containers, one home between them."""

    root: Path
    postgres: OwnPostgres
    clickhouse: ClickHouseProcess
    ports: dict[str, int] = field(default_factory=dict)
    running: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    images: Images | None = None
    """Where programs run as the images' user in what the Dockerfile makes; None: as this user, from this checkout."""

    @property
    def logs(self) -> Path:
        return self.root.parent

    @property
    def home(self) -> Home:
        return Home(self.root / "utility")

    def here(self, text: str) -> str:
        """What names an address on the containers' network, or one that every container has to itself, on this machine."""
        known = {
            "postgres:5432": f"127.0.0.1:{self.postgres.port}",
            "clickhouse:8123": f"127.0.0.1:{self.clickhouse.port}",
            "code:4266": f"127.0.0.1:{self.port('code')}",
            "redis:6379": f"127.0.0.1:{self.port('redis')}",
            "exec redis-server": f"exec redis-server --bind 127.0.0.1 --port {self.port('redis')}",
            "redis-cli ping": f"redis-cli -p {self.port('redis')} ping",
            "9464": str(self.port("metrics")),
        }
        for there, here in known.items():
            text = text.replace(there, here)
        return text

    def port(self, service: str) -> int:
        return self.ports.setdefault(service, free_port())

    def environment(self, service: dict) -> dict[str, str]:
        told = {name: self.here(str(value)) for name, value in service["environment"].items()}
        told |= {"ENERGY_LISTEN_ADDRESS": "127.0.0.1", "ENERGY_SETTLE_SECONDS": "0"}
        if stage := self.stage(service):
            return stage.env | told
        image = {"ENERGY_HOME": str(self.root), "PYTHONUNBUFFERED": "1"}
        known = commands.environment(self.root) | image | told
        return known | {"PATH": f"{PROGRAMS}{os.pathsep}{known['PATH']}"}

    def stage(self, service: dict) -> Stage | None:
        """What the Dockerfile makes of this service's image, where it is one of ours."""
        if self.images is None or "build" not in service:
            return None
        return self.images.stages[service["build"]["target"]]

    def process(self, service: dict, words: list[str]) -> dict[str, Any]:
        """What subprocess is told to run `words` in the place of that service's container."""
        if stage := self.stage(service):
            words = self.images.command(stage, words, volume=self.root)
        return {"args": words, "env": self.environment(service), "cwd": self.root, "text": True}

    def command(self, name: str, service: dict) -> list[str]:
        entry = service.get("entrypoint", ["energy-assets"])
        words = [self.here(word) for word in (*entry, *service.get("command", []))]
        return [*words, "--port", str(self.port(name))] if name in SERVED else words

    def run(self, name: str, *arguments: str, code: int = 0) -> str:
        """A service to its end, or, with arguments, a command of the platform in its environment."""
        words = ["energy-assets", *arguments] if arguments else self.command(name, services()[name])
        return self.inside(name, *words, code=code)

    def inside(self, name: str, *words: str, code: int = 0) -> str:
        """What a program says in the service's environment. Fails where it does not end with `code`."""
        told = self.process(services()[name], [*words])
        done = subprocess.run(**told, capture_output=True, timeout=300, check=False)
        assert done.returncode == code, f"{words} in {name} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def start(self, name: str) -> None:
        service = services()[name]
        log = self.logs / f"{name}.log"
        with log.open("w") as out:
            started = self.process(service, self.command(name, service))
            self.running[name] = subprocess.Popen(**started, stdout=out, stderr=out)
        self.wait(f"{name} to be well", lambda: self.is_well(name))

    def is_well(self, name: str) -> bool:
        """What the service's health check says."""
        assert self.running[name].poll() is None, f"{name} ended:\n{self.log(name)}"
        service = services()[name]
        kind, *check = (self.here(word) for word in service["healthcheck"]["test"])
        words = ["/bin/sh", "-c", *check] if kind == "CMD-SHELL" else check
        words += ["--port", str(self.port(name))] if name in SERVED else []
        asked = subprocess.run(**self.process(service, words), capture_output=True, check=False, timeout=60)
        return asked.returncode == 0

    def served_rows(self) -> int:
        """Readings that dashboards find in ClickHouse."""
        user = {"username": "bi", "password": PASSWORDS["bi"]}
        with closing(clickhouse_connect.get_client(host="127.0.0.1", port=self.clickhouse.port, **user)) as client:
            return client.query("SELECT count() FROM energy_analytics.meter_readings").result_rows[0][0]

    def log(self, name: str) -> str:
        return (self.logs / f"{name}.log").read_text()

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
        return process.wait(timeout=int(services()[name].get("stop_grace_period", "10s").removesuffix("s")))


def services() -> dict[str, dict]:
    return compose.read(SETTINGS)["services"]


@contextmanager
def without_containers(root: Path, images: Images | None = None) -> Iterator[Containers]:
    """Stores below `root`, and nothing else started."""
    (root / "clickhouse").mkdir()
    if images is None:
        (root / "homes").mkdir()
    else:
        images.new_volume(images.stages["platform"], root / "homes")
    clickhouse = ClickHouseProcess(root / "clickhouse").start()
    try:
        with own_postgres() as postgres:
            containers = Containers(root / "homes", postgres, clickhouse, images=images)
            try:
                yield containers
            finally:
                for process in containers.running.values():
                    process.kill()
                    process.wait()
    finally:
        clickhouse.stop()
