"""A run counts as in progress only while its process lives, so that automation never waits for a dead one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import dagster as dg
import pytest
import yaml
from dagster._core.events import EngineEventData
from dagster._core.launcher import WorkerStatus

from energy_assets.home import Home
from energy_assets.operations.errors import OperationError
from energy_assets.operations.instance import write_configuration
from energy_assets.operations.launcher import LocalRunLauncher
from energy_assets.operations.runs import Runner
from energy_assets.settings import Settings


@dg.job
def nothing() -> None:
    """A job to have runs of."""


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def health(instance: dg.DagsterInstance, *pids: int) -> WorkerStatus:
    """Of a run that named these processes, one after the other, as its own."""
    launcher = LocalRunLauncher()
    launcher.register_instance(instance)
    run = instance.create_run_for_job(nothing)
    for pid in pids:
        instance.report_engine_event("executing", run, EngineEventData.in_process(pid))
    return launcher.check_run_worker_health(run).status


def test_a_run_whose_process_was_killed_is_not_in_progress(instance: dg.DagsterInstance) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process.kill()
    process.wait()

    assert health(instance, process.pid) is WorkerStatus.NOT_FOUND
    assert health(instance, process.pid, os.getpid()) is WorkerStatus.RUNNING


def test_a_run_that_has_not_named_its_process_yet_is_in_progress(instance: dg.DagsterInstance) -> None:
    assert health(instance) is WorkerStatus.RUNNING


def test_where_runs_are_pods_nobody_looks_for_their_processes_and_no_command_runs_days(tmp_path, monkeypatch) -> None:
    home = Home(tmp_path)
    for runs_in, launcher in (("processes", "LocalRunLauncher"), ("pods", None)):
        monkeypatch.setattr("energy_assets.operations.instance.settings", lambda where=runs_in: Settings(runs_in=where))
        write_configuration(home)
        written = yaml.safe_load((home.dagster / "dagster.yaml").read_text())
        assert written.get("run_launcher", {}).get("class") == launcher

    monkeypatch.setattr("energy_assets.settings.settings", lambda: Settings(runs_in="pods"))
    with pytest.raises(OperationError, match="ENERGY_RUNS_IN"), Runner(home):
        pass
