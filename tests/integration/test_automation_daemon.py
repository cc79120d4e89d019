"""The whole automation as a user runs it: `energy-assets ui`, a backfill from the page, and files dropped into a folder."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from unittest.mock import patch

import dagster as dg
import httpx
import pytest
from dagster._core.execution.backfill import BulkActionStatus
from graph import Simulated, day, days, served_days
from support.commands import CLI, environment

from energy_assets.automation.jobs import DAILY_SELECTION
from energy_assets.embedded import supervisor
from energy_assets.home import Calendar, Home
from energy_assets.operations.instance import dagster_instance
from energy_assets.operations.stores import bring_up
from energy_assets.resources.turns import run_window

WEEK = days(1, 7)
RED = day(4)
SENSOR = {
    "repositoryName": "__repository__",
    "repositoryLocationName": "energy_assets",
    "sensorName": "due_days_sensor",
}


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_a_backfill_from_the_page_with_a_red_day_ends_with_every_green_day_served(
    page: Page, simulated: Simulated, graph_definitions: dg.Definitions
) -> None:
    page.switch("stopSensor")
    for of in WEEK:
        page.drop(simulated.file(of, is_red=of == RED), of)
    page.wait("the files to be landed", lambda: page.runs("landing"))

    backfill = page.launch_backfill(DAILY_SELECTION.resolve(graph_definitions.resolve_asset_graph()), WEEK)
    page.wait("the backfill to end", lambda: page.backfill_has_ended(backfill))
    launched = page.runs_of_backfill(backfill)
    assert [run_window(run) for run in launched] == [WEEK], "looking back splits no range into several runs"
    assert served_days(page.home) == set()
    page.wait("the alert", lambda: "2024-01-04 meter_readings is red" in page.logged("red_days_alert"))
    assert "→ correct the file and deliver it again under the same path" in page.logged("red_days_alert")

    page.switch("startSensor")
    green = set(WEEK) - {RED}
    page.wait("the green days to be served", lambda: served_days(page.home) == green)
    page.wait("the last run to end", lambda: len(page.runs("daily")) == 2)
    assert [run_window(run) for run in page.runs("daily")] == [days(1, 3), days(5, 7)]

    page.drop(simulated.file(RED, is_red=False), RED)
    page.wait("the corrected day to be served", lambda: served_days(page.home) == set(WEEK))
    page.wait("the days that look back on it", lambda: len(page.runs("daily")) == 4)
    assert [run_window(run) for run in page.runs("daily")][2:] == [days(4, 4), days(5, 7)]


@dataclass
class Page:
    """`energy-assets ui` of a home, its page, and its records."""

    home: Home
    url: str
    instance: dg.DagsterInstance
    process: subprocess.Popen[str]

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """What the page's own interface answers."""
        answer = httpx.post(f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=60).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def switch(self, mutation: str) -> None:
        """Start or stop the due-days sensor."""
        query = "query($s: SensorSelector!) {sensorOrError(sensorSelector: $s) {... on Sensor {id}}}"
        sensor = self.ask(query, s=SENSOR)["sensorOrError"]["id"]
        if mutation == "startSensor":
            text = (
                "mutation($s: SensorSelector!) {startSensor(sensorSelector: $s) {... on Sensor {sensorState {status}}}}"
            )
            assert self.ask(text, s=SENSOR)["startSensor"]["sensorState"]["status"] == "RUNNING"
        else:
            text = "mutation($id: String!) {stopSensor(id: $id) {... on StopSensorMutationResult {instigationState {status}}}}"
            assert self.ask(text, id=sensor)["stopSensor"]["instigationState"]["status"] == "STOPPED"

    def launch_backfill(self, keys: set[dg.AssetKey], window: Any) -> str:
        """As the page's dialog does: every asset of the chain, a range of days."""
        text = (
            "mutation($p: LaunchBackfillParams!) {launchPartitionBackfill(backfillParams: $p)"
            " {__typename ... on LaunchBackfillSuccess {backfillId} ... on PythonError {message}}}"
        )
        selection = [{"path": list(key.path)} for key in sorted(keys)]
        answer = self.ask(text, p={"assetSelection": selection, "partitionNames": [str(of) for of in window]})
        assert answer["launchPartitionBackfill"]["__typename"] == "LaunchBackfillSuccess", answer
        return answer["launchPartitionBackfill"]["backfillId"]

    def backfill_has_ended(self, backfill: str) -> bool:
        found = self.instance.get_backfill(backfill)
        return found is not None and found.status not in (BulkActionStatus.REQUESTED, BulkActionStatus.FAILING)

    def runs_of_backfill(self, backfill: str) -> list[dg.DagsterRun]:
        return self.instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": backfill}))[::-1]

    def runs(self, job: str) -> list[dg.DagsterRun]:
        """The finished runs of a job, in the order in which they were asked for."""
        return [run for run in self.instance.get_runs(dg.RunsFilter(job_name=job)) if run.is_finished][::-1]

    def drop(self, file: Path, of: date) -> None:
        target = self.home.landing / "meter_readings" / f"{of}.csv"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)

    def logged(self, sensor: str) -> str:
        """What the sensor's ticks log, as the page shows it."""
        text = (
            "query($s: SensorSelector!) {sensorOrError(sensorSelector: $s) {... on Sensor"
            " {sensorState {ticks(limit: 50) {logEvents {events {message}}}}}}}"
        )
        ticks = self.ask(text, s=SENSOR | {"sensorName": sensor})["sensorOrError"]["sensorState"]["ticks"]
        return "\n".join(event["message"] for tick in ticks for event in tick["logEvents"]["events"])

    def wait(self, what: str, is_done: Callable[[], Any], seconds: float = 420) -> None:
        deadline = time.monotonic() + seconds
        while not is_done():
            assert self.process.poll() is None, f"the ui ended while waiting for {what}"
            assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
            time.sleep(1)


@pytest.fixture
def page() -> Iterator[Page]:
    """A home of seven days under `energy-assets ui`."""
    directory = Path(tempfile.mkdtemp(prefix="energy-daemon-"))
    home = Home(directory / "home")
    try:
        home.write_calendar(Calendar("Africa/Douala", WEEK.start, WEEK.last))
        bring_up(home)
        with patch.dict(os.environ), dagster_instance(home) as instance, ui(home) as (url, process):
            yield Page(home, url, instance, process)
    finally:
        supervisor.down(home)
        shutil.rmtree(directory)


@contextmanager
def ui(home: Home) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    process = subprocess.Popen(
        [str(CLI), "ui"], env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        for line in process.stdout or ():
            if found := re.search(r"http://\S+", line):
                yield found.group(), process
                break
        else:
            pytest.fail(f"`energy-assets ui` ended with {process.wait()}")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
