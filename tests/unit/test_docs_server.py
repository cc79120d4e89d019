"""The docs of a home are served to browsers of this machine: what is below the two folders, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from energy_assets import links
from energy_assets.embedded import ports
from energy_assets.home import Home
from energy_assets.operations.docs_server import application

DAY = date(2024, 1, 20)


@pytest.fixture
def browser(tmp_path: Path) -> tuple[Home, TestClient]:
    home = Home(tmp_path / "home")
    home.path.mkdir()
    home.credentials_file.write_text("secret")
    return home, TestClient(application(home), base_url="http://127.0.0.1")


def put(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


def test_pages_are_served_as_soon_as_they_are_built(browser):
    home, client = browser
    page = f"/data-docs/{links.verdict_page('meter_readings', DAY)}"
    assert client.get(page).status_code == client.get("/dbt-docs/").status_code == 404

    put(home.data_docs, links.verdict_page("meter_readings", DAY), "a verdict")
    put(home.dbt_docs, "index.html", "models")

    assert client.get(page).text == "a verdict"
    assert client.get("/dbt-docs/").text == "models"
    assert {"/data-docs/", "/dbt-docs/"} <= set(client.get("/").text.split('"'))


def test_a_verdict_that_is_not_shown_names_the_commands_that_show_it(browser):
    _, client = browser

    said = client.get("/data-docs/days/meter_readings/2023-01-02.html").text

    assert "energy-assets data-docs --day 2023-01-02" in said
    assert "energy-assets why 2023-01-02 meter_readings" in said
    assert "<script>" not in client.get("/data-docs/days/<script>/2023-01-02.html").text


@pytest.mark.parametrize(
    "path",
    [
        "/data-docs/../credentials.toml",
        "/data-docs/..%2fcredentials.toml",
        "/data-docs/%2e%2e/credentials.toml",
        "/data-docs//etc/passwd",
        "/data-docs/linked",
        "/credentials.toml",
    ],
)
def test_nothing_else_of_the_machine_is_served(browser, path: str):
    home, client = browser
    put(home.data_docs, "index.html", "verdicts")
    (home.data_docs / "linked").symlink_to(home.credentials_file)

    assert client.get(path).status_code == 404


def test_a_foreign_page_cannot_make_a_browser_read_or_write(browser):
    home, client = browser
    put(home.data_docs, "index.html", "verdicts")

    assert client.get("/data-docs/", headers={"Host": "attacker.example"}).status_code == 400
    assert client.post("/data-docs/").status_code == client.put("/data-docs/index.html").status_code == 405


def test_a_terminal_gets_the_address_while_this_homes_docs_answer_and_the_file_otherwise(browser):
    home, _ = browser
    assert links.reachable_verdict(home, "meter_readings", DAY) is None
    page = links.verdict_page("meter_readings", DAY)
    put(home.data_docs, page, "a verdict")
    file = (home.data_docs / page).as_uri()
    assert links.reachable_verdict(home, "meter_readings", DAY) == file

    with answering(str(home.path)) as port:
        ports.remember(home, docs=port)
        assert links.reachable_verdict(home, "meter_readings", DAY) == f"http://127.0.0.1:{port}/data-docs/{page}"
    assert links.reachable_verdict(home, "meter_readings", DAY) == file
    with answering("/home/of/another") as port:
        ports.remember(home, docs=port)
        assert links.reachable_verdict(home, "meter_readings", DAY) == file


def test_an_address_that_is_recorded_before_anything_is_served_stays(browser):
    home, _ = browser

    recorded = links.verdict_url(home, "meter_readings", DAY)

    assert recorded == links.verdict_url(home, "meter_readings", DAY)
    assert ports.remembered(home)["docs"] == ports.choose(home, "docs", say=pytest.fail)


@contextmanager
def answering(path: str) -> Iterator[int]:
    """A server that says it serves the home at `path`; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(path.encode())

        def log_message(self, *_: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_browsers_are_told_that_data_docs_run_nothing_and_load_nothing_from_elsewhere(browser):
    home, client = browser
    put(home.data_docs, "index.html", "verdicts")

    policy = client.get("/data-docs/").headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "http" not in policy
