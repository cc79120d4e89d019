"""A run counts as in progress only while its process lives, so that automation never waits for a dead one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.events import EngineEventData
from dagster._core.launcher import WorkerStatus

from energy_assets.operations.launcher import LocalRunLauncher


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
