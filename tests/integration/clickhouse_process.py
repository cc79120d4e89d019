"""The ClickHouse endpoint as tests start it: a process of its own on a free port, below a temporary directory."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import clickhouse_connect
import psutil

PASSWORDS = {"writer": "wri'ter+pa ss", "bi": "b:i/pass?"}
_READY_SECONDS = 60


@dataclass
class ClickHouseProcess:
    """`start` returns once the endpoint answers; `stop` and `kill` once the process is gone."""

    directory: Path
    port: int = 0
    process: subprocess.Popen | None = field(default=None, repr=False)

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text()

    def command(self, port: int, *more: str) -> list[str]:
        credentials = self.directory / "credentials.toml"
        if not credentials.exists():
            lines = [f'{user} = "{password}"' for user, password in PASSWORDS.items()]
            credentials.write_text("\n".join(["[clickhouse]", *lines]))
            credentials.chmod(0o600)
        module = [sys.executable, "-m", "energy_assets.embedded.clickhouse"]
        return [
            *module,
            "--data",
            str(self.directory / "data"),
            "--port",
            str(port),
            "--credentials",
            str(credentials),
            *more,
        ]

    def start(self, *more: str) -> ClickHouseProcess:
        self.port = free_port()
        with (self.directory / "log").open("a") as log:
            self.process = subprocess.Popen(self.command(self.port, *more), stderr=log, stdout=log)
        deadline = time.monotonic() + _READY_SECONDS
        while not self._answers():
            assert self.process.poll() is None, f"the endpoint did not start:\n{self.log}"
            assert time.monotonic() < deadline, f"the endpoint did not answer:\n{self.log}"
            time.sleep(0.05)
        return self

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/ping")
            return connection.getresponse().read() == b"Ok.\n"
        except OSError:
            return False
        finally:
            connection.close()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(20)

    def client(self, user: str = "writer", **options: Any) -> clickhouse_connect.driver.Client:
        options = {"password": PASSWORDS[user], "autogenerate_session_id": False} | options
        return clickhouse_connect.get_client(host="127.0.0.1", port=self.port, username=user, **options)

    def memory_mb(self) -> float:
        return psutil.Process(self.process.pid).memory_info().rss / 2**20


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
