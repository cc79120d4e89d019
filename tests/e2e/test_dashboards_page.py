"""The dashboards as an analyst uses them: one command, one log-in, a page that shows what ClickHouse holds."""

from __future__ import annotations

import re
import time
import tomllib
from collections.abc import Iterator
from urllib.parse import unquote

import pytest
from playwright.sync_api import APIResponse, Locator, expect
from served import Served, Watched, served_home
from support import commands

from energy_assets.dashboards.bundle import read
from energy_assets.embedded import credentials, ports, processes
from energy_assets.operations.dashboards.service import MARK, USER

pytestmark = pytest.mark.e2e

DAYS = 8
"""The first week is what the eighth day's model learns from."""
PAGE = "Consumption and anomalies"
CHARTS = {chart.content["slice_name"]: chart.content["viz_type"] for chart in read().charts}
METER = "M000002"
QUICK_SECONDS = 30.0
PAINTED_PIXELS = 500


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """Eight days, with Superset on them, as `energy-assets dashboards` makes it from nothing."""
    with served_home(DAYS) as served:
        try:
            said = commands.run(served.home, "dashboards", timeout=600)
            served.url = re.search(r"http://\S+", said).group()
            yield served
        finally:
            commands.run(served.home, "down")


class Dashboard:
    """A browser's page on a dashboard, and what the server answered it."""

    def __init__(self, watched: Watched, served: Served) -> None:
        self.page, self.answers, self.served = watched.page, watched.answers, served
        # Charts below the fold are asked for when they are seen.
        self.page.set_viewport_size({"width": 1400, "height": 1800})

    def log_in(self) -> None:
        self.page.goto(self.served.url)
        self.page.locator("input#username").fill(USER)
        self.page.locator("input#password").fill(credentials.read(self.served.home).superset.admin)
        self.page.keyboard.press("Enter")
        expect(self.page.get_by_text(PAGE).first).to_be_visible()

    def open(self) -> None:
        self.log_in()
        if "/superset/dashboard/" not in self.page.url:
            self.page.goto(self.served.url)
        self.wait_until_drawn()

    def chart(self, name: str) -> Locator:
        return self.page.locator(f'[data-test-chart-name="{name}"]')

    def wait_until_drawn(self) -> None:
        for name in CHARTS:
            expect(self.chart(name).locator('[data-test="slice-container"]')).to_be_visible(timeout=60_000)
            expect(self.chart(name).locator('[data-test="loading-indicator"]')).to_have_count(0, timeout=60_000)

    def number(self, name: str) -> float:
        """The number that a chart shows large."""
        return float(
            re.search(r"[\d,.]+", self.chart(name).locator(".header-line").inner_text()).group().replace(",", "")
        )

    def filter_by_meter(self, meter: str) -> None:
        choice = self.page.locator('[data-test="filter-bar"]').get_by_role("combobox").last
        choice.click()
        choice.fill(meter)
        self.page.get_by_title(meter, exact=True).last.click()
        self.page.keyboard.press("Escape")
        self.page.locator('[data-test="filter-bar__apply-button"]').click()

    def charts_asked(self) -> set[str]:
        """Numbers of the charts that were asked for; a filter's own values are asked for without one."""
        asked = [unquote(answer.url) for answer in self.answers if "/api/v1/chart/data" in answer.url]
        return {number for url in asked for number in re.findall(r'"slice_id":(\d+)', url)}

    def ask(self, method: str, path: str, data: dict[str, object] | None = None) -> APIResponse:
        """What Superset's API answers who is logged in."""
        base, request = self.served.url.split("/superset")[0], self.page.request
        token = request.get(f"{base}/api/v1/security/csrf_token/").json()["result"]
        headers = {"X-CSRFToken": token, "Referer": base}
        return request.fetch(f"{base}/api/v1/{path}", method=method, data=data, headers=headers)

    def errors(self) -> list[str]:
        return [f"{answer.status} {answer.url}" for answer in self.answers if answer.status >= 400]


@pytest.fixture
def dashboard(watched: Watched, served: Served) -> Dashboard:
    return Dashboard(watched, served)


def test_smoke_every_chart_of_the_page_answers_and_draws_what_clickhouse_holds(
    served: Served, dashboard: Dashboard
) -> None:
    dashboard.open()

    page = dashboard.page
    expect(page.locator('[data-test="chart-grid-component"]')).to_have_count(len(CHARTS))
    assert len(dashboard.charts_asked()) == len(CHARTS)
    assert not dashboard.errors()
    base = served.url.split("/superset")[0]
    assert not [a.url for a in dashboard.answers if not a.url.startswith((base, "data:", "blob:"))], (
        "it fetched from elsewhere"
    )
    for name, kind in CHARTS.items():
        chart = dashboard.chart(name)
        expect(chart.get_by_role("alert")).to_have_count(0)
        expect(chart.get_by_text("No results")).to_have_count(0)
        if kind.startswith("echarts"):
            assert painted_pixels(chart) > PAINTED_PIXELS, f"{name} is an empty canvas"
        elif kind == "table":
            expect(chart.locator("tbody tr").first).to_be_visible()
    kwh, meters, anomalies, days = held(
        served,
        "SELECT sum(total_kwh), uniqExact(meter_id), sum(anomaly_count), uniqExact(metric_date)"
        " FROM energy_analytics.consumption_metrics",
    )
    assert days == DAYS and anomalies, "a home without anomalies tests nothing"
    assert dashboard.number("Energy") == round(kwh)
    assert [dashboard.number(name) for name in ("Meters", "Anomalies", "Days", "Days absent")] == [
        meters,
        anomalies,
        days,
        0,
    ]


def test_a_chosen_meter_narrows_what_knows_meters_and_leaves_the_rest(served: Served, dashboard: Dashboard) -> None:
    dashboard.open()
    dashboard.answers.clear()

    dashboard.filter_by_meter(METER)

    (kwh,) = held(
        served,
        "SELECT sum(total_kwh) FROM energy_analytics.consumption_metrics WHERE meter_id = {meter:String}",
        meter=METER,
    )
    expect(dashboard.chart("Meters").locator(".header-line")).to_have_text("1")
    dashboard.wait_until_drawn()
    assert dashboard.number("Energy") == round(kwh)
    knowing = [chart for chart in read().charts if reads_meters(chart.content["dataset_uuid"])]
    assert len(dashboard.charts_asked()) == len(knowing) < len(CHARTS), "the filter reached another number of charts"
    assert not dashboard.errors()


def test_a_second_run_is_quick_and_changes_nothing(served: Served) -> None:
    before = state(served)
    started = time.monotonic()

    said = commands.run(served.home, "dashboards")

    assert time.monotonic() - started < QUICK_SECONDS
    assert served.url in said
    assert "Superset" not in said.replace("Superset: stop", "").split(PAGE)[0], f"something was done again:\n{said}"
    assert state(served) == before


def test_a_page_that_was_changed_in_superset_stays_until_it_is_reset(served: Served, dashboard: Dashboard) -> None:
    dashboard.log_in()
    page = "dashboard/consumption-and-anomalies"
    number = dashboard.ask("GET", page).json()["result"]["id"]
    changed = dashboard.ask("PUT", f"dashboard/{number}", {"dashboard_title": "Ours"})
    assert changed.ok, changed.text()

    commands.run(served.home, "dashboards")
    assert dashboard.ask("GET", page).json()["result"]["dashboard_title"] == "Ours"
    commands.run(served.home, "dashboards", "--reset")
    assert dashboard.ask("GET", page).json()["result"]["dashboard_title"] == PAGE


def test_what_is_asked_through_superset_only_reads(dashboard: Dashboard) -> None:
    dashboard.log_in()
    (number,) = dashboard.ask("GET", "database/").json()["ids"]
    # As if somebody had allowed writing in Superset: the user that it connects as must refuse by itself.
    allowed = dashboard.ask("PUT", f"database/{number}", {"allow_dml": True})
    assert allowed.ok, allowed.text()

    reading, *writing = (
        dashboard.ask("POST", "sqllab/execute/", {"database_id": number, "sql": statement, "runAsync": False})
        for statement in (
            "SELECT count() AS days FROM energy_analytics.consumption_metrics",
            "DROP TABLE energy_analytics.consumption_metrics",
            "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        )
    )

    assert reading.ok and reading.json()["data"][0]["days"] > 0, reading.text()
    for answer in writing:
        assert not answer.ok and "readonly" in answer.text(), answer.text()


def test_another_port_moves_the_server_and_down_ends_it_before_its_stores(served: Served) -> None:
    before = ports.remembered(served.home)["superset"]
    other = next(port for port in range(before + 1, before + 50) if ports.is_free(port))

    said = commands.run(served.home, "dashboards", "--port", str(other))

    assert f"http://127.0.0.1:{other}/" in said
    assert ports.is_free(before), "the server on the former port was left running"
    assert ports.remembered(served.home)["superset"] == other

    assert "stopped Superset and postgres" in commands.run(served.home, "down")
    assert not processes.marked(MARK, str(served.home.path))
    assert "no Superset was running" in commands.run(served.home, "dashboards", "--down")


def held(served: Served, query: str, **parameters: str) -> tuple:
    """The one row that ClickHouse answers."""
    with served.serving.client() as client:
        return client.query(query, parameters=parameters).result_rows[0]


def reads_meters(dataset_uuid: str) -> bool:
    columns = read().by_uuid("datasets")[dataset_uuid].content["columns"]
    return any(column["column_name"] == "meter_id" for column in columns)


def painted_pixels(chart: Locator) -> int:
    """Pixels of a chart's canvas that are not blank."""
    return chart.locator("canvas").first.evaluate(
        "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)"
        ".data.filter((value, at) => at % 4 === 3 && value > 0).length"
    )


def state(served: Served) -> dict[str, object]:
    """What a second run must leave alone: processes, remembered ports, passwords, and Superset's own rows."""
    import psycopg2
    from psycopg2 import sql

    from energy_assets.embedded.connections import connections
    from energy_assets.settings import Settings

    home = served.home
    dsn = connections(home, Settings(POSTGRES_URL=None, CLICKHOUSE_URL=None)).superset_dsn
    with psycopg2.connect(dsn) as database, database.cursor() as cursor:
        rows = {}
        for table in ("dbs", "tables", "slices", "dashboards", "ab_user", "energy_assets_set_up"):
            column = sql.Identifier("set_up_at" if table == "energy_assets_set_up" else "changed_on")
            cursor.execute(sql.SQL("select count(*), max({}) from {}").format(column, sql.Identifier(table)))
            rows[table] = cursor.fetchone()
    database.close()
    return {
        "servers": {process.pid for process in processes.marked(MARK, str(home.path))},
        "ports": ports.remembered(home),
        "credentials": tomllib.loads(home.credentials_file.read_text()),
        "rows": rows,
    }
