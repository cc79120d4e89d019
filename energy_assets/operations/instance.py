"""A home's Dagster instance: its configuration file, and the environment that its processes share.

What belongs here: dagster.yaml and environment variables. What does not: runs (runs.py), web server and daemon (ui.py).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from energy_assets.embedded import ports
from energy_assets.embedded.connections import connections, psycopg2_url
from energy_assets.embedded.ports import LOOPBACK
from energy_assets.home import Home, write_atomically
from energy_assets.logs import run_logs
from energy_assets.settings import settings

if TYPE_CHECKING:
    import dagster as dg

LOCATION = "energy_assets"
"""The code location's name, by which Dagster's page tells whose a run is."""

DAGSTER_YAML = """\
# Written by `energy-assets up`. Dagster's own state lives in Postgres; the password comes from the environment.
storage:
  postgres:
    postgres_url:
      env: ENERGY_DAGSTER_URL
local_artifact_storage:
  module: dagster.core.storage.root
  class: LocalArtifactStorage
  config:
    base_dir: {artifacts}
compute_logs:
  module: dagster.core.storage.local_compute_log_manager
  class: LocalComputeLogManager
  config:
    base_dir: {artifacts}/storage
concurrency:
  runs:
    max_concurrent_runs: 2
  pools:
    granularity: run
    default_limit: 1
run_monitoring:
  enabled: true
  poll_interval_seconds: 30
telemetry:
  enabled: false
nux:
  enabled: false
"""

LOCAL_RUNS = """\
run_launcher:
  module: energy_assets.operations.launcher
  class: LocalRunLauncher
"""
"""Runs are processes of this machine. Where they are pods, a process of that number here is another one: nobody may be told that it is gone."""


PLANNED_AS_ONE = {"DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS": "1"}
"""Environment: a run plans its days as one set. So a range is quick, and only what a gate closed shows as failed (checkpoints/closed_days.py)."""


def environment(home: Home) -> dict[str, str]:
    """What every process of the home needs beyond its own environment. It holds a password: pass it on, print it never."""
    return {
        "ENERGY_HOME": str(home.path),
        "DAGSTER_HOME": str(home.dagster),
        "ENERGY_DAGSTER_URL": psycopg2_url(connections(home, settings()).dagster_dsn),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "GX_ANALYTICS_ENABLED": "false",
        **PLANNED_AS_ONE,
    }


def write_configuration(home: Home) -> None:
    home.dagster.mkdir(parents=True, exist_ok=True)
    logs = f"python_logs: {json.dumps(run_logs(home, settings().log_level))}\n"  # what JSON says, YAML reads
    launcher = LOCAL_RUNS if settings().runs_in == "processes" else ""
    text = DAGSTER_YAML.format(artifacts=home.dagster) + launcher + logs
    write_atomically(home.dagster / "dagster.yaml", text)


@contextmanager
def dagster_instance(home: Home) -> Iterator[dg.DagsterInstance]:
    """The home's instance, in this process; call it before the code location is imported."""
    os.environ.update(environment(home))
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        keep_connections(instance)
        yield instance


def keep_connections(instance: dg.DagsterInstance) -> None:
    """Let the instance keep a connection per storage, as it does in the web server: by default each event opens three anew."""
    instance.optimize_for_webserver(statement_timeout=0, pool_recycle=3600, max_overflow=20)


def show_runs_on_first_page(instance: dg.DagsterInstance, home: Home) -> None:
    """Let runs of this process name their code location, as those of the daemon do.

    Dagster's first page, the timeline, and the alert leave out runs that name none; `execute_in_process` has no argument for it.
    """
    from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

    repository = RemoteRepositoryOrigin(
        GrpcServerCodeLocationOrigin(LOOPBACK, ports.assigned(home, "code"), location_name=LOCATION), "__repository__"
    )
    create_run = instance.create_run_for_job

    def create_run_of_location(job_def: dg.JobDefinition, **arguments: Any) -> dg.DagsterRun:
        return create_run(job_def, remote_job_origin=RemoteJobOrigin(repository, job_def.name), **arguments)

    instance.create_run_for_job = create_run_of_location  # type: ignore[method-assign,assignment]
