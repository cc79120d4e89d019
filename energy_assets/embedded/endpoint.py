"""The embedded ClickHouse as a process: its command, its health. What it serves, and how, is the package `clickhouse`'s business."""

from __future__ import annotations

import base64
import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from urllib.parse import SplitResult, quote, unquote, urlsplit

import psutil

import energy_assets
from energy_assets.embedded import processes
from energy_assets.embedded.connections import clickhouse_url
from energy_assets.embedded.credentials import Credentials
from energy_assets.embedded.errors import StoreError
from energy_assets.home import Home

MODULE = "energy_assets.embedded.clickhouse"
_ANSWER_SECONDS = 10


@dataclass(frozen=True)
class ClickHouse:
    """The endpoint of `home` that runs the ClickHouse engine."""

    home: Home

    name = "clickhouse"
    title = "ClickHouse"
    port_option = "--port"
    stop_steps = ((signal.SIGTERM, 45.0), (signal.SIGKILL, 10.0))

    @property
    def data(self) -> Path:
        return Path(os.path.realpath(self.home.clickhouse))

    @property
    def log(self) -> Path:
        return self.home.logs / "clickhouse.log"

    def server(self) -> psutil.Process | None:
        """The running endpoint, of this home and no other."""
        found = processes.find(self._is_server, owners={os.geteuid()})
        return found[0] if found else None

    def leftovers(self) -> list[psutil.Process]:
        """None: the engine lives and dies inside its one process."""
        return []

    def prepare(self, credentials: Credentials, generated: set[str], *, say: Callable[[str], None]) -> None:
        self.data.mkdir(mode=0o700, exist_ok=True)

    def start(self, port: int) -> subprocess.Popen[bytes]:
        # -P: the working directory is the home, and nothing in it may be taken for a module.
        command = [sys.executable, "-P", "-m", MODULE, "--data", str(self.data), "--port", str(port)]
        command += ["--credentials", str(self.home.credentials_file), "--home", str(self.home.path)]
        return processes.start(command, log=self.log, cwd=self.home.path, environment=_environment())

    def is_ready(self, port: int, credentials: Credentials) -> bool:
        """Whether the endpoint answers yet. Raises StoreError where it refuses the writer's password."""
        try:
            self.version(port, credentials)
        except (OSError, http.client.HTTPException):
            return False
        return True

    def finish(self, port: int, credentials: Credentials) -> None:
        """Nothing: users come from the credentials file, tables from who fills them."""

    def version(self, port: int, credentials: Credentials) -> str:
        """The engine's version as it tells the writer. Raises OSError where it does not answer, StoreError where it refuses."""
        try:
            return server_version(clickhouse_url("writer", credentials.clickhouse.writer, port))
        except StoreError as error:
            if " answered 403 " not in str(error):
                raise
            raise StoreError(
                f"the ClickHouse of home {self.home.path} refuses the writer's password in {self.home.credentials_file}, which was changed"
                " since it started: `energy-assets down`, then `energy-assets up`"
            ) from error

    def _is_server(self, arguments: list[str]) -> bool:
        pairs = set(pairwise(arguments))
        return ("-m", MODULE) in pairs and ("--data", str(self.data)) in pairs


def server_version(url: str) -> str:
    """Version of any ClickHouse, after a ping. Raises OSError or HTTPException where it does not answer, StoreError on refusal."""
    parts = urlsplit(url)
    _get(parts, "/ping")
    return _get(parts, "/?query=" + quote("SELECT version()")).strip()


def _get(parts: SplitResult, target: str) -> str:
    """One answer, past any proxy of the environment: what runs on this machine is not reached through one."""
    secure = parts.scheme == "https"
    connection_class = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = connection_class(
        parts.hostname or "", parts.port or (8443 if secure else 8123), timeout=_ANSWER_SECONDS
    )
    try:
        connection.request("GET", target, headers=_authorization(parts))
        response = connection.getresponse()
        body = response.read().decode(errors="replace")
    finally:
        connection.close()
    if response.status != 200:
        raise StoreError(
            f"ClickHouse at {parts.hostname}:{parts.port} answered {response.status} to {target}: {body[:500]}"
        )
    return body


def _authorization(parts: SplitResult) -> dict[str, str]:
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def _environment() -> dict[str, str]:
    """This process's environment, with this very package findable."""
    root = str(Path(energy_assets.__file__).resolve().parents[1])
    known = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    return dict(os.environ) | {"PYTHONPATH": os.pathsep.join([root, *known])}
