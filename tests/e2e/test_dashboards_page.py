"""The dashboards as an analyst uses them: one command, one log-in, a page that shows what ClickHouse holds."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.sync_api import APIResponse, Locator, expect
from served import Served, Watched, city_home
from support import commands

from energy_assets.dashboards.bundle import FOLDERS, SUPERSET, filters, places, read
from energy_assets.embedded import credentials, ports, processes
from energy_assets.operations.dashboards.export import export
from energy_assets.operations.dashboards.service import MARK, USER

pytestmark = pytest.mark.e2e

PAGES = {page.key: page for page in read().dashboards}
FIRST = "Overview"
CHARTS = read().by_uuid("charts")
WEEK = ("2024-01-08", "2024-01-15")
QUICK_SECONDS = 30.0
PAINTED_PIXELS = 500
MAY_BE_ZERO = {"Impossible balances", "Late", "New today"}
"""Numbers that may be 0 in a home of three weeks."""


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """Three weeks of a city, with Superset on it, as `energy-assets dashboards` makes it from nothing."""
    with city_home() as served:
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
        self.name = "overview"
        # Charts below the fold are asked for when they are seen.
        self.page.set_viewport_size({"width": 1400, "height": 2600})

    @property
    def base(self) -> str:
        return self.served.url.split("/superset")[0]

    @property
    def charts(self) -> dict[str, str]:
        """Kind of each chart of the page, by its title."""
        shown = [CHARTS[place["meta"]["uuid"]].content for place in places(PAGES[self.name])]
        return {chart["slice_name"]: chart["viz_type"] for chart in shown}

    def log_in(self) -> None:
        self.page.goto(self.served.url)
        self.page.locator("input#username").fill(USER)
        self.page.locator("input#password").fill(credentials.read(self.served.home).superset.admin)
        self.page.keyboard.press("Enter")
        expect(self.page.locator("input#username")).to_have_count(0)
        self.page.wait_for_load_state("networkidle")

    def open(self, name: str, *, query: str = "") -> None:
        if self.page.url == "about:blank":
            self.log_in()
        self.name = name
        self.answers.clear()
        self.page.goto(f"{self.base}/superset/dashboard/{PAGES[name].content['slug']}/{query}")
        self.wait_until_drawn()

    def chart(self, title: str) -> Locator:
        return self.page.locator(f'[data-test-chart-name="{title}"]')

    def wait_until_drawn(self) -> None:
        for title in self.charts:
            expect(self.chart(title).locator('[data-test="slice-container"]')).to_be_visible(timeout=60_000)
            expect(self.chart(title).locator('[data-test="loading-indicator"]')).to_have_count(0, timeout=60_000)

    def number(self, title: str) -> float:
        """The number that a chart shows large."""
        return float(
            re.search(r"-?[\d,.]+", self.chart(title).locator(".header-line").inner_text()).group().replace(",", "")
        )

    def choose(self, filter_name: str, value: str) -> None:
        """Choose a value of a filter, as a person does."""
        bar = self.page.locator('[data-test="filter-bar"]')
        names = [entry["name"] for entry in filters(PAGES[self.name]) if entry["filterType"] == "filter_select"]
        choice = bar.get_by_role("combobox").nth(names.index(filter_name))
        choice.click()
        choice.fill(value)
        self.page.get_by_title(value, exact=True).last.click()
        self.page.keyboard.press("Escape")
        self.page.locator('[data-test="filter-bar__apply-button"]').click()

    def charts_asked(self) -> set[str]:
        """Numbers of the charts that were asked for; a filter's own values are asked for without one."""
        asked = [unquote(answer.url) for answer in self.answers if "/api/v1/chart/data" in answer.url]
        return {number for url in asked for number in re.findall(r'"slice_id":(\d+)', url)}

    def ask(self, method: str, path: str, data: dict[str, object] | None = None) -> APIResponse:
        """What Superset's API answers who is logged in."""
        request = self.page.request
        token = request.get(f"{self.base}/api/v1/security/csrf_token/").json()["result"]
        headers = {"X-CSRFToken": token, "Referer": self.base}
        return request.fetch(f"{self.base}/api/v1/{path}", method=method, data=data, headers=headers)

    def errors(self) -> list[str]:
        return [f"{answer.status} {answer.url}" for answer in self.answers if answer.status >= 400]


@pytest.fixture
def dashboard(watched: Watched, served: Served) -> Dashboard:
    return Dashboard(watched, served)


@pytest.mark.parametrize("name", PAGES)
def test_smoke_every_chart_of_a_page_answers_and_draws(dashboard: Dashboard, name: str) -> None:
    dashboard.open(name)

    expect(dashboard.page.locator('[data-test="chart-grid-component"]')).to_have_count(len(dashboard.charts))
    assert len(dashboard.charts_asked()) == len(dashboard.charts)
    assert not dashboard.errors()
    assert not [a.url for a in dashboard.answers if not a.url.startswith((dashboard.base, "data:", "blob:"))], (
        "it fetched from elsewhere"
    )
    for title, kind in dashboard.charts.items():
        chart = dashboard.chart(title)
        expect(chart.get_by_role("alert")).to_have_count(0)
        for nothing in ("No results", "No data"):
            expect(chart.get_by_text(nothing)).to_have_count(0)
        if kind == "table":
            expect(chart.locator("tbody tr").first).to_be_visible()
        elif kind == "big_number_total":
            assert dashboard.number(title) or title in MAY_BE_ZERO, f"{title} shows nothing"
        else:
            assert painted_pixels(chart) > PAINTED_PIXELS, f"{title} is an empty canvas"


def test_smoke_numbers_of_the_overview_are_those_that_clickhouse_holds(served: Served, dashboard: Dashboard) -> None:
    dashboard.open("overview")

    energy_in, lost, value = held(
        served,
        "SELECT sum(energy_in_kwh) / 1000, sum(non_technical_loss_kwh) / 1000, sumIf(non_technical_loss_value, is_plausible)"
        " FROM energy_analytics.transformer_losses",
    )
    (red,) = held(served, "SELECT uniqExactIf(reading_date, state = 'red') FROM energy_analytics.gate_states")
    assert dashboard.number("Energy in") == pytest.approx(energy_in, abs=0.05)
    assert dashboard.number("Non-technical loss") == pytest.approx(lost, abs=0.005)
    assert dashboard.number("Money lost") == round(value)
    assert dashboard.number("Days held back") == red
    assert "FCFA" in dashboard.chart("Money lost").inner_text(), "money has its currency"


def test_a_chosen_transformer_reaches_what_knows_transformers_and_leaves_the_rest(
    served: Served, dashboard: Dashboard
) -> None:
    dashboard.open("overview")
    dashboard.answers.clear()

    dashboard.choose("Transformer", "T01")

    (kwh,) = held(
        served,
        "SELECT sum(energy_in_kwh) / 1000 FROM energy_analytics.transformer_losses WHERE transformer_id = 'T01'",
    )
    expect(dashboard.chart("Energy in").locator(".header-line")).to_contain_text(f"{kwh:,.1f}")
    dashboard.wait_until_drawn()
    entry = next(entry for entry in filters(PAGES["overview"]) if entry["name"] == "Transformer")
    reached = len(dashboard.charts) - len(entry["scope"]["excluded"])
    assert len(dashboard.charts_asked()) == reached < len(dashboard.charts), "the filter reached other charts"
    assert not dashboard.errors()


def test_a_period_shows_its_days_alone(served: Served, dashboard: Dashboard) -> None:
    chosen = " : ".join(WEEK)
    period = f"(NATIVE_FILTER-period:(extraFormData:(time_range:'{chosen}'),filterState:(value:'{chosen}'),id:NATIVE_FILTER-period,ownState:()))"

    dashboard.open("losses", query=f"?native_filters={period}")

    (share,) = held(
        served,
        "SELECT 100 * sum(non_technical_loss_kwh) / sum(energy_in_kwh) FROM energy_analytics.transformer_losses"
        " WHERE loss_date >= {first:Date} AND loss_date < {end:Date}",
        first=WEEK[0],
        end=WEEK[1],
    )
    assert dashboard.number("Share lost") == pytest.approx(share, abs=0.05)


def test_a_click_on_a_case_shows_its_course_alone(dashboard: Dashboard) -> None:
    dashboard.open("theft_cases")
    cell = dashboard.chart("Whom to visit, by what a visit is worth").locator("tbody tr td").first
    case = cell.inner_text().replace("\n", "")
    dashboard.answers.clear()

    with dashboard.page.expect_response(lambda answer: "/api/v1/chart/data" in answer.url) as told:
        cell.click()

    assert told.value.ok
    dashboard.wait_until_drawn()
    asked = [answer.request.post_data or "" for answer in dashboard.answers if "/api/v1/chart/data" in answer.url]
    assert case and any(case in query for query in asked), "the click filtered nothing"
    assert not dashboard.errors()


def test_what_was_changed_in_superset_is_exported_and_nothing_else(
    served: Served, dashboard: Dashboard, tmp_path: Path
) -> None:
    for folder in FOLDERS:
        shutil.copytree(SUPERSET / folder, tmp_path / folder)
    assert export(served.home, tmp_path) == []

    dashboard.log_in()
    number = dashboard.ask("GET", "dashboard/losses").json()["result"]["id"]
    assert dashboard.ask("PUT", f"dashboard/{number}", {"dashboard_title": "Where it goes"}).ok
    assert export(served.home, tmp_path) == ["dashboards/losses.yaml changed"]

    before, after = (folder / "dashboards" / "losses.yaml" for folder in (SUPERSET, tmp_path))
    assert after.read_text() == before.read_text().replace("dashboard_title: Losses", "dashboard_title: Where it goes")
    commands.run(served.home, "dashboards", "--reset")


def test_the_pages_are_french_where_the_home_asks_for_it(served: Served, dashboard: Dashboard) -> None:
    commands.run(served.home, "dashboards", ENERGY_LANGUAGE="fr")
    try:
        dashboard.log_in()
        dashboard.page.goto(f"{dashboard.base}/superset/dashboard/overview/")
        expect(dashboard.page.get_by_text("Où est allée l'énergie, en MWh")).to_be_visible(timeout=60_000)
        expect(dashboard.page.get_by_text("Appliquer")).to_be_visible()
        dashboard.page.wait_for_load_state("networkidle")
        assert not dashboard.errors()
    finally:
        commands.run(served.home, "dashboards")


def test_a_second_run_is_quick_and_changes_nothing(served: Served) -> None:
    before = state(served)
    started = time.monotonic()

    said = commands.run(served.home, "dashboards")

    assert time.monotonic() - started < QUICK_SECONDS
    assert served.url in said
    assert "Superset" not in said.replace("Superset: stop", "").split(FIRST)[0], f"something was done again:\n{said}"
    assert state(served) == before


def test_a_page_that_was_changed_in_superset_stays_until_it_is_reset(served: Served, dashboard: Dashboard) -> None:
    dashboard.log_in()
    page = "dashboard/overview"
    number = dashboard.ask("GET", page).json()["result"]["id"]
    changed = dashboard.ask("PUT", f"dashboard/{number}", {"dashboard_title": "Ours"})
    assert changed.ok, changed.text()

    commands.run(served.home, "dashboards")
    assert dashboard.ask("GET", page).json()["result"]["dashboard_title"] == "Ours"
    commands.run(served.home, "dashboards", "--reset")
    assert dashboard.ask("GET", page).json()["result"]["dashboard_title"] == FIRST


MATERIALIZE = """
from energy_assets.assets.dashboards import dashboards_in_superset
from energy_assets.definitions import defs
from energy_assets.home import current
from energy_assets.operations.instance import dagster_instance
with dagster_instance(current()) as instance:
    job = defs.resolve_implicit_global_asset_job_def()
    assert job.execute_in_process(instance=instance, asset_selection=list(dashboards_in_superset.keys)).success
"""


def test_materializing_the_pages_in_dagster_imports_their_files(served: Served, dashboard: Dashboard) -> None:
    dashboard.log_in()
    number = dashboard.ask("GET", "dashboard/patterns").json()["result"]["id"]
    assert dashboard.ask("PUT", f"dashboard/{number}", {"dashboard_title": "Ours"}).ok

    done = subprocess.run(
        [sys.executable, "-c", MATERIALIZE],
        env=commands.environment(served.home),
        capture_output=True,
        text=True,
        check=False,
    )

    assert not done.returncode, done.stderr
    assert dashboard.ask("GET", "dashboard/patterns").json()["result"]["dashboard_title"] == "Patterns"


def test_what_is_asked_through_superset_only_reads(dashboard: Dashboard) -> None:
    dashboard.log_in()
    (number,) = dashboard.ask("GET", "database/").json()["ids"]
    # As if somebody had allowed writing in Superset: the user that it connects as must refuse by itself.
    allowed = dashboard.ask("PUT", f"database/{number}", {"allow_dml": True})
    assert allowed.ok, allowed.text()

    reading, template, *writing = (
        dashboard.ask("POST", "sqllab/execute/", {"database_id": number, "sql": statement, "runAsync": False})
        for statement in (
            "SELECT count() AS days FROM energy_analytics.consumption_metrics",
            "SELECT '{{ 7 * 7 }}' AS told",
            "DROP TABLE energy_analytics.consumption_metrics",
            "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        )
    )

    assert reading.ok and reading.json()["data"][0]["days"] > 0, reading.text()
    assert template.ok and template.json()["data"][0]["told"] == "{{ 7 * 7 }}", (
        "a reader's SQL runs in Superset's process"
    )
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
