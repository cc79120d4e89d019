"""Monitoring as it is deployed: Debian's Prometheus with the committed configuration and rules, on the real exporter of a real home.

Every statement of pages and rules is run; nothing here is about how Grafana draws them.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import psycopg2
import pytest
import yaml
from playwright.sync_api import Browser, expect
from support import commands

from dashboards.grafana.write import texts
from energy_assets.embedded import ports, supervisor
from energy_assets.embedded.connections import connections
from energy_assets.home import Home
from energy_assets.resources.serving import connect
from energy_assets.settings import Settings
from energy_assets.simulation import simulate

pytestmark = pytest.mark.e2e

PROMETHEUS = Path(__file__).parents[2] / "dashboards" / "prometheus"
DAYS = 8
ACCEPTED, RED = "2024-01-07", "2024-01-08"
ABSENT = {"energy_assets_daemon_heartbeat_timestamp_seconds"}
"""What this home does not have: nobody ran `energy-assets ui` on it."""
PANELS = [
    (path.stem, panel)
    for path, _ in texts()
    for panel in json.loads(path.read_text("utf-8"))["panels"]
    if panel["type"] != "row"
]
TARGETS = [(f"{page}: {panel['title']}", target) for page, panel in PANELS for target in panel["targets"]]
PROMQL = [(name, target["expr"]) for name, target in TARGETS if "expr" in target]
SQL = [(name, target) for name, target in TARGETS if "rawSql" in target]
RULES = [rule for group in yaml.safe_load((PROMETHEUS / "rules.yml").read_text())["groups"] for rule in group["rules"]]


@dataclass
class Monitored:
    """A home, its exporter, and the Prometheus that scrapes it."""

    home: Home
    exporter: subprocess.Popen[str]
    url: str

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """The series of a PromQL expression now. Fails where Prometheus refuses it."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expression}).json()
        assert answer["status"] == "success", f"{expression}: {answer.get('error')}"
        return answer["data"]["result"]

    def get(self, path: str) -> dict[str, Any]:
        return httpx.get(f"{self.url}/api/v1/{path}").json()["data"]


@pytest.fixture(scope="module")
def monitored() -> Iterator[Monitored]:
    """Eight days of a city with transformers: two red, one of them accepted; a file that nobody can read, one that waits."""
    if not (shutil.which("prometheus") and shutil.which("promtool")):
        pytest.fail("these tests need Prometheus: apt-get install prometheus")
    directory = Path(tempfile.mkdtemp(prefix="energy-e2e-"))
    home = Home(directory / "home")
    running: list[subprocess.Popen[Any]] = []
    try:
        make_home(home, directory / "city")
        exporter = commands.start(home, "metrics")
        running.append(exporter)
        address = exporter.stdout.readline().split()[1]
        port = free_port()
        running.append(start_prometheus(directory, address, port))
        monitored = Monitored(home, exporter, f"http://127.0.0.1:{port}")
        wait_for(lambda: is_ready(monitored), "Prometheus scraped the exporter three times")
        yield monitored
    finally:
        for process in reversed(running):
            process.terminate()
            process.communicate(timeout=30)
        supervisor.down(home)
        shutil.rmtree(directory)


def make_home(home: Home, city: Path) -> None:
    simulate(
        meters=20, days=DAYS, seed=4, out=city, transformers=2, look_alikes=False, with_defects=False, format="csv"
    )
    for day in (ACCEPTED, RED):
        file = city / "meter_readings" / f"{day}.csv"
        head, *lines = file.read_text().splitlines()
        file.write_text(
            "\n".join([head, *("," + line.partition(",")[2] if i % 4 == 0 else line for i, line in enumerate(lines))])
        )
    commands.run(city.parent, "--home", str(home.path), "ingest", str(city), "--historical", code=3)
    readings = home.landing / "meter_readings"
    readings.mkdir(exist_ok=True)
    (readings / "broken.csv").write_text("no readings\n1\n")
    commands.run(home, "resume")
    commands.run(home, "accept", ACCEPTED, "meter_readings", "--reason", "as good as it gets")
    (readings / "waiting.csv").write_text("meter_id,reading_at,consumption_kwh\n")


def start_prometheus(directory: Path, exporter: str, port: int) -> subprocess.Popen[bytes]:
    """With the committed configuration, but for where and how often."""
    configuration = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    configuration["rule_files"] = [str(PROMETHEUS / name) for name in configuration["rule_files"]]
    (job,) = configuration["scrape_configs"]
    job["scrape_timeout"] = "1s"
    job["static_configs"] = [{"targets": [re.search(r"127\.0\.0\.1:\d+", exporter).group()]}]
    file = directory / "prometheus.yml"
    file.write_text(yaml.safe_dump(configuration))
    with (directory / "prometheus.log").open("wb") as log:
        return subprocess.Popen(
            [
                str(shutil.which("prometheus")),
                f"--config.file={file}",
                f"--storage.tsdb.path={directory / 'prometheus'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_ready(monitored: Monitored) -> bool:
    """Listening is not ready: until its storage is open Prometheus answers every question with 503 and no JSON."""
    try:
        if httpx.get(f"{monitored.url}/-/ready").status_code != httpx.codes.OK:
            return False
        counted = monitored.ask("count_over_time(energy_assets_days_owed[1m])")
        evaluated = all(rule["health"] == "ok" for group in monitored.get("rules")["groups"] for rule in group["rules"])
    except httpx.TransportError:
        return False
    return bool(counted) and int(counted[0]["value"][1]) >= 3 and evaluated


def wait_for(holds: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.5)


def named(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:energy_assets|process)_[a-z_]+\b", expression))


def test_smoke_every_expression_of_the_pages_has_an_answer(monitored: Monitored) -> None:
    answers = {name: monitored.ask(expression.replace("$instance", ".+")) for name, expression in PROMQL}

    assert len(PROMQL) > 20
    assert [name for name, series in answers.items() if not series] == []


def test_smoke_every_statement_of_the_pages_has_rows(monitored: Monitored) -> None:
    known = connections(monitored.home, Settings(POSTGRES_URL=None, CLICKHOUSE_URL=None))
    assert {target["datasource"]["uid"] for _, target in SQL} == {"energy-postgres", "energy-clickhouse"}
    with psycopg2.connect(known.bi_dsn) as postgres:
        clickhouse = connect(known.clickhouse_bi_url)
        for name, target in SQL:
            if target["datasource"]["uid"] == "energy-clickhouse":
                rows = clickhouse.query(target["rawSql"]).result_rows
            else:
                with postgres.cursor() as cursor:
                    cursor.execute(target["rawSql"])
                    rows = cursor.fetchall()
            assert rows, f"{name} shows nothing"
        clickhouse.close()


def test_smoke_every_alert_is_evaluated_on_metrics_that_are_there(monitored: Monitored) -> None:
    told = {name for rule in RULES for name in named(rule["expr"])}
    assert {name for name in told if not monitored.ask(name)} == ABSENT
    known = [rule for group in monitored.get("rules")["groups"] for rule in group["rules"]]
    assert [rule["lastError"] for rule in known if rule.get("lastError")] == []
    assert {rule["name"] for rule in known} == {rule["alert"] for rule in RULES}


def test_the_red_day_is_the_alert_that_is_pending_and_names_the_command(monitored: Monitored) -> None:
    pending = {alert["labels"]["alertname"]: alert for alert in monitored.get("alerts")["alerts"]}

    assert f"`energy-assets why {RED} meter_readings`" in pending["RedGate"]["annotations"]["description"]
    assert {"StaleDay", "DaemonSilent", "StoreDown", "ExporterDown", "MetricsMissing", "RunsFailing"} & set(
        pending
    ) == set()


def test_losses_are_those_of_the_newest_day_that_may_be_read(monitored: Monitored) -> None:
    known = connections(monitored.home, Settings(POSTGRES_URL=None, CLICKHOUSE_URL=None))
    with psycopg2.connect(known.bi_dsn) as postgres, postgres.cursor() as cursor:
        cursor.execute(
            "select loss_date, sum(energy_in_kwh), sum(non_technical_loss_kwh), sum(non_technical_loss_kwh) / sum(energy_in_kwh)"
            " from marts.mart_transformer_losses join quality.day_states on reading_date = loss_date"
            " and table_name = 'mart_transformer_losses' and state = 'green' group by 1 order by 1 desc"
        )
        days = cursor.fetchall()

    (day, energy_in, lost, ratio), *before = days
    assert str(day) < ACCEPTED and len(before) >= 3 and energy_in > 0, "this home tells nothing"
    utility = 'area_kind="utility", area="all"'
    told = {
        expression: float(monitored.ask(expression)[0]["value"][1])
        for expression in (
            "sum(energy_assets_energy_in_kwh)",
            "sum(energy_assets_non_technical_loss_kwh)",
            f"energy_assets_non_technical_loss_ratio{{{utility}}}",
            f"energy_assets_non_technical_loss_usual_ratio{{{utility}}}",
        )
    }
    usual = median(float(share) for *_, share in before)
    assert list(told.values()) == pytest.approx([float(energy_in), float(lost), float(ratio), usual], abs=1e-6)


def test_the_rules_hold_in_promtools_own_cases() -> None:
    for arguments in (["check", "config", "prometheus.yml"], ["test", "rules", "rules_test.yml"]):
        done = subprocess.run(
            [str(shutil.which("promtool")), *arguments], cwd=PROMETHEUS, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_smoke_prometheus_own_page_lists_every_alert(monitored: Monitored, browser: Browser) -> None:
    page = browser.new_page()
    try:
        page.goto(monitored.url)  # Debian's has its pages below /classic
        page.get_by_role("link", name="Alerts").click()
        for rule in RULES:
            expect(page.get_by_text(rule["alert"]).first).to_be_visible()
    finally:
        page.close()


def test_a_second_exporter_names_the_address_of_the_first(monitored: Monitored) -> None:
    port = ports.remembered(monitored.home)["metrics"]

    assert f"served already at http://127.0.0.1:{port}/metrics" in commands.run(monitored.home, "metrics", code=1)


def test_prometheus_is_told_when_the_stores_go_and_when_they_are_back(monitored: Monitored) -> None:
    commands.run(monitored.home, "down")
    try:
        wait_for(lambda: not monitored.ask("energy_assets_up == 1"), "all stores are told to be away")
        wait_for(lambda: not monitored.ask("energy_assets_gate_days"), "numbers of gates are gone, not old")
        assert monitored.ask('up{job="energy_assets"}')[0]["value"][1] == "1", "the exporter itself answers"
    finally:
        commands.run(monitored.home, "up")
    wait_for(lambda: bool(monitored.ask("energy_assets_gate_days")), "the gates are asked again")
    assert not monitored.ask("energy_assets_up == 0")


def test_a_terminated_exporter_leaves_no_process_and_its_port(monitored: Monitored) -> None:
    """The last of the module: what it ends is not started again."""
    port = ports.remembered(monitored.home)["metrics"]

    monitored.exporter.terminate()

    assert commands.finish(monitored.exporter) == ""
    assert ports.is_free(port)
    wait_for(lambda: bool(monitored.ask('up{job="energy_assets"} == 0')), "Prometheus knows")
