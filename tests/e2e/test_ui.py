"""Dagster's page as an engineer uses it: looked at, clicked, and left alone while files come in."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import signal
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from playwright.sync_api import expect
from served import DAYS, RED_MORNING, RED_RUN, Served, Watched
from support import commands
from support.content_hash import assert_same, content

from energy_assets import logs
from energy_assets.embedded import processes
from energy_assets.home import Home
from energy_assets.operations.ui import MARK

pytestmark = pytest.mark.e2e

LAYERS = ("raw_data", "staging", "intermediate", "ml", "marts", "energy_analytics")
DAY = "2024-01-02"


def test_smoke_the_graph_and_an_asset_of_it_are_shown_without_an_error(small: Served, watched: Watched) -> None:
    watched.open(f"{small.url}/asset-groups")
    for layer in LAYERS:
        expect(watched.page.get_by_text(layer, exact=True).first).to_be_visible()
    assert not watched.errors()

    watched.open(f"{small.url}/assets/staging/stg_meter_readings?view=partitions&partition={DAY}")
    expect(watched.page.get_by_text("Materialized (3)")).to_be_visible()
    expect(watched.page.get_by_text("dagster/partition_row_count").first).to_be_visible()
    assert not watched.errors()

    watched.open(f"{small.url}/assets/quality/stg_meter_readings_checkpoint?view=checks")
    expect(watched.page.get_by_text("Passed").first).to_be_visible()
    assert not watched.errors()


def test_smoke_a_click_leads_from_a_check_to_its_page_of_data_docs_and_from_a_model_to_dbt_docs(
    small: Served, watched: Watched, eventually: Callable[..., None]
) -> None:
    watched.open(f"{small.url}/assets/quality/stg_meter_readings_checkpoint?view=partitions&partition={DAY}")
    with watched.page.context.expect_page() as opened:
        watched.page.locator("a[href*=data-docs]").first.click()
    verdict = opened.value
    expect(verdict.get_by_text("Expectation Validation Result")).to_be_visible()
    expect(verdict.get_by_text(f"{DAY} green").first).to_be_visible()

    eventually(small.home.dbt_docs_index.is_file, "dbt docs were not built")
    watched.open(f"{small.url}/assets/marts/mart_consumption_metrics")
    with watched.page.context.expect_page() as opened:
        watched.page.locator("a[href*=dbt-docs]").first.click()
    expect(opened.value.get_by_role("heading", name="mart_consumption_metrics")).to_be_visible()


def test_smoke_one_day_of_an_asset_is_made_by_the_button(
    small: Served, watched: Watched, eventually: Callable[..., None]
) -> None:
    table = "energy_analytics.meter_readings"
    before, next_day = small.version(table, DAY), small.version(table, "2024-01-03")

    launch(watched, f"{small.url}/assets/energy_analytics/meter_readings", DAY)

    eventually(lambda: small.version(table, DAY) > before, f"the button did not rewrite {DAY} of {table}")
    assert small.version(table, "2024-01-03") == next_day, "the button rewrote a day that was not asked for"
    # The rows are there before the step has said that it is done.
    eventually(lambda: [DAY, DAY] in days_written(small.home), "what a run of the daemon did is not in the home's log")
    assert any(line["logger"].startswith("dagster.daemon") for line in logged(small.home)), (
        "what the daemon says itself"
    )
    assert not watched.errors()


def test_smoke_the_page_is_for_this_machine_and_for_no_page_of_others(small: Served) -> None:
    sockets = [found for process in processes.marked(MARK, str(small.home.path)) for found in connections(process)]
    addresses = [ip_address(found.laddr.ip) for found in sockets if found.status == psutil.CONN_LISTEN]
    # A server of both families shows the fourth as a part of the sixth.
    assert {str(getattr(one, "ipv4_mapped", None) or one) for one in addresses} == {"127.0.0.1"}

    address = urlsplit(small.url)
    for path, headers in (
        ("/runs", {"Host": f"evil.example:{address.port}"}),
        ("/graphql?query={version}", {"Sec-Fetch-Site": "cross-site"}),
        ("/graphql?query={version}", {"Origin": "http://evil.example"}),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", address.port, timeout=30)
        connection.request("GET", path, headers=headers)
        assert connection.getresponse().status == 403, (path, headers)
        connection.close()


def test_a_red_morning_from_the_first_page_to_green(
    red: Served, watched: Watched, eventually: Callable[..., None]
) -> None:
    """docs/red-morning.md shows these steps."""
    page, gate = watched.page, f"{red.url}/assets/quality/meter_readings_checkpoint"
    says_red = re.compile(rf"{RED_MORNING} is red: \d+ of \d+ rows rejected \(limit 1 %\)")
    assert f"red: meter_readings {RED_MORNING} → {gate}?view=checks" in red.said

    # The first page: the command line's red run, and from it what `energy-assets why` says.
    watched.open(red.url)
    page.get_by_role("link", name="daily").first.wait_for()
    page.locator(".chunk-popover-target").first.hover()
    page.locator(RED_RUN).first.click()
    why = commands.run(red.home, "why", str(RED_MORNING))
    for line in [line.strip() for line in why.splitlines() if "page http" not in line]:
        expect(page.get_by_text(line).first).to_be_visible()

    # The gate: the red day first, though a green one follows it, and its page of Data Docs.
    watched.open(f"{gate}?view=checks")
    expect(page.get_by_text(says_red).first).to_be_visible()
    expect(page.get_by_text("correct the file and deliver it again").first).to_be_visible()
    with page.context.expect_page() as opened:
        page.locator("a[href*=data-docs]").first.click()
    expect(opened.value.get_by_text(f"{RED_MORNING} red").first).to_be_visible()
    opened.value.close()

    # One day of one box is red; what stands behind the gate is merely not there yet.
    watched.open(f"{gate}?view=partitions&partition={RED_MORNING}")
    expect(page.get_by_text("Failed (1)")).to_be_visible()
    expect(page.get_by_text("failed, and did not materialize this asset")).to_be_visible()
    watched.open(f"{red.url}/assets/staging/stg_meter_readings?view=partitions")
    expect(page.get_by_text("Failed (0)")).to_be_visible()
    expect(page.get_by_text("Missing (1)")).to_be_visible()

    # The corrected file: nothing else is to do.
    shutil.copy(red.files / "meter_readings" / f"{RED_MORNING}.csv", red.home.landing / "meter_readings")
    eventually(
        lambda: ("energy_analytics.consumption_metrics", str(RED_MORNING)) in written(red),
        f"the corrected {RED_MORNING} was not served",
    )
    watched.open(f"{gate}?view=partitions&partition={RED_MORNING}")
    expect(page.get_by_text("Materialized (3)")).to_be_visible()
    expect(page.get_by_text("failed, and did not materialize this asset")).to_be_hidden()
    watched.open(f"{gate}?view=checks")
    expect(page.get_by_text(f"{RED_MORNING} may be read")).to_be_visible()
    watched.open(f"{red.url}/runs")
    expect(page.get_by_text(f"days: {RED_MORNING}").first).to_be_visible()
    assert not watched.errors()


def test_a_day_that_the_daemon_finds_red_is_red_at_its_gate_alone(
    small: Served, watched: Watched, eventually: Callable[..., None]
) -> None:
    """Runs of the daemon are planned elsewhere than those of the command line."""
    day = str(RED_MORNING)
    name = f"{day}.csv"
    shutil.copy(small.defective / "meter_readings" / name, small.home.landing / "meter_readings")
    gate = f"{small.url}/assets/quality/meter_readings_checkpoint"

    def shown() -> bool:
        watched.open(f"{gate}?view=partitions")
        return watched.page.get_by_text("Failed (1)").is_visible()

    eventually(shown, f"{day} is not red on its gate's page")
    watched.open(f"{small.url}/assets/staging/stg_meter_readings?view=partitions")
    expect(watched.page.get_by_text("Failed (0)")).to_be_visible()
    watched.open(f"{gate}?view=checks")
    expect(watched.page.get_by_text(re.compile(rf"^{day} is red: ")).first).to_be_visible()


def test_smoke_a_second_ui_names_the_address_of_the_first(small: Served) -> None:
    said = commands.run(small.home, "ui", code=1)

    assert f"runs already at {small.url}" in said


def test_a_ui_that_was_killed_is_cleared_by_the_next_and_a_terminated_one_leaves_nothing(small: Served) -> None:
    small.stop(signal.SIGKILL)
    assert small.processes(), "a killed UI cannot have ended its processes: this test tests nothing"

    said = small.start()
    assert "left behind" in said
    assert len([line for line in small.processes() if "dagster-daemon" in line]) == 1

    small.stop(signal.SIGTERM)
    assert small.processes() == []


def test_down_ends_the_ui_before_its_stores(small: Served) -> None:
    small.start()

    said = commands.run(small.home, "down")

    assert "stopped the UI and" in said
    assert small.processes() == []
    ended, small.process = small.process, None
    assert "stopping the UI" in commands.finish(ended)


def test_a_week_backfilled_from_the_page_equals_the_week_of_the_command_line(
    week: Served, watched: Watched, eventually: Callable[..., None]
) -> None:
    by_command, before = content(week.warehouse, week.serving), written(week)

    launch(watched, f"{week.url}/locations/energy_assets/jobs/daily", f"[2024-01-01...2024-01-0{DAYS}]")

    eventually(
        lambda: all(version > before[key][0] for key, (version, _) in written(week).items()),
        "the daemon did not run the backfill through to ClickHouse",
        300,
    )
    assert_same(by_command, content(week.warehouse, week.serving))
    assert len({run for _, run in written(week).values()}) == 1, "seven days of one policy are one run"


def test_a_file_beyond_the_last_day_is_served_by_itself(week: Served, eventually: Callable[..., None]) -> None:
    day = f"2024-01-0{DAYS + 1}"
    shutil.copy(week.files / "meter_readings" / f"{day}.csv", week.home.landing / "meter_readings")

    from energy_assets.assets.serving import SERVED  # loads a calendar, which other tests of a process fix first

    expected = {served.ledger_name for served in SERVED}
    eventually(lambda: served_tables(week, day) == expected, f"{day}.csv was not served whole", 300)

    with week.serving.client() as client:
        rows = client.command(
            "SELECT count() FROM energy_analytics.meter_readings WHERE reading_date = {day:Date}",
            parameters={"day": day},
        )
    assert rows > 200, "six meters have 48 readings each"


def launch(watched: Watched, url: str, days: str) -> None:
    """Ask for `days` of what the page at `url` shows, as a person does."""
    watched.open(url)
    page = watched.page
    page.get_by_role("button", name="Materialize").first.click()
    dialog = page.get_by_role("dialog")
    wanted = dialog.get_by_placeholder("ex:")
    wanted.fill(days)
    wanted.press("Enter")
    dialog.get_by_role("button", name=re.compile("^Launch")).click()
    expect(dialog).to_be_hidden()


def logged(home: Home) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (home.logs / logs.FILE).read_text(encoding="utf-8").splitlines()]


def days_written(home: Home) -> list[Any]:
    """First and last day of each step that succeeded, by the home's log."""
    return [line.get("days") for line in logged(home) if line.get("dagster_event") == "STEP_SUCCESS"]


def connections(process: psutil.Process) -> list[Any]:
    """Open sockets of a process. None where it ended while others were looked at, as a step's process does."""
    try:
        return process.net_connections("tcp")
    except psutil.NoSuchProcess:
        return []


def written(served: Served) -> dict[tuple[str, str], tuple[int, str]]:
    """Version and run of the last write of each day of each table."""
    rows = served.warehouse.rows("select table_name, reading_date::text, version, run_id from quality.day_versions")
    return {(table, day): (version, run) for table, day, version, run in rows}


def served_tables(served: Served, day: str) -> set[str]:
    """Tables of ClickHouse that were written for the day."""
    rows = served.warehouse.rows(
        "select table_name from quality.day_versions where table_name like 'energy_analytics.%%' and reading_date = %s",
        (day,),
    )
    return {row[0] for row in rows}
