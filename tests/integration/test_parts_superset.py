"""Superset, its worker and their Redis as docker-compose.yml runs them: each service's own command, environment and check, on servers of another's."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from clickhouse_process import PASSWORDS
from parts import SETTINGS, Containers, services, without_containers

from energy_assets.dashboards.bundle import read
from energy_assets.embedded import credentials
from energy_assets.operations.dashboards.install import ensure_installed
from energy_assets.operations.dashboards.service import USER

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

CACHE, RESULTS = 0, 3
"""Redis' databases of what pages asked for and of what workers found, as in superset_config.py."""


@pytest.fixture(scope="module")
def containers() -> Iterator[Containers]:
    if not (shutil.which("redis-server") and shutil.which("redis-cli")):
        pytest.fail("these tests need Redis: apt-get install redis-server")
    ensure_installed(print)
    root = Path(tempfile.mkdtemp(prefix="energy-parts-"))
    try:
        with without_containers(root) as made:
            made.run("init")
            for name in ("redis", "superset", "superset-worker"):
                made.start(name)
            yield made
    finally:
        shutil.rmtree(root)


@pytest.fixture(scope="module")
def superset(containers: Containers) -> Iterator[httpx.Client]:
    """Superset's API and pages for its administrator."""
    base = f"http://127.0.0.1:{containers.port('superset')}"
    login = {"username": USER, "password": credentials.read(containers.home).superset.admin, "provider": "db"}
    with httpx.Client(base_url=f"{base}/api/v1/", timeout=60) as client:
        token = answer(client.post("security/login", json=login))["access_token"]
        client.headers = {"Authorization": f"Bearer {token}", "Referer": base}
        client.headers["X-CSRFToken"] = answer(client.get("security/csrf_token/"))["result"]
        # The API takes the token, pages take the session of who logged in.
        entered = client.post(f"{base}/login/", data=login | {"csrf_token": client.headers["X-CSRFToken"]})
        assert entered.status_code == 302 and "login" not in entered.headers["location"], entered.text[:1000]
        yield client


def answer(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code in (200, 202), f"{response.status_code} {response.url}: {response.text[:1000]}"
    return response.json()


def keys(containers: Containers, database: int) -> list[str]:
    """What Redis holds, asked with the password that its container knows."""
    return containers.inside(
        "redis", "redis-cli", "-p", str(containers.port("redis")), "-n", str(database), "--scan"
    ).split()


def test_every_page_answers(superset: httpx.Client) -> None:
    found = answer(superset.get("dashboard/"))["result"]
    assert {page["dashboard_title"] for page in found} == {
        page.content["dashboard_title"] for page in read().dashboards
    }
    for page in found:
        charts = answer(superset.get(f"dashboard/{page['id']}/charts"))["result"]
        assert charts, f"{page['dashboard_title']} has no charts"
        shown = superset.get(str(superset.base_url.join(page["url"])))
        assert shown.status_code == 200 and page["dashboard_title"] in shown.text


def test_what_a_page_asked_for_stands_in_redis_and_is_not_asked_again(
    containers: Containers, superset: httpx.Client
) -> None:
    dataset = answer(superset.get("dataset/"))["result"][0]
    column = answer(superset.get(f"dataset/{dataset['id']}"))["result"]["columns"][0]["column_name"]
    asked = {
        "datasource": {"id": dataset["id"], "type": "table"},
        "queries": [{"columns": [column], "metrics": [], "row_limit": 5}],
        "result_format": "json",
        "result_type": "full",
    }
    before = set(keys(containers, CACHE))
    answers = [answer(superset.post("chart/data", json=asked))["result"][0] for _ in range(2)]
    assert [bool(each["is_cached"]) for each in answers] == [False, True]
    assert [key for key in keys(containers, CACHE) if key.startswith("superset_") and key not in before]


def test_what_sql_lab_is_asked_is_worked_on_by_the_worker(containers: Containers, superset: httpx.Client) -> None:
    (database,) = answer(superset.get("database/"))["result"]
    assert database["allow_run_async"], "SQL Lab would keep its questions to itself"
    question = {
        "database_id": database["id"],
        "sql": "select 6 * 7 as found",
        "client_id": "a-question",
        "runAsync": database["allow_run_async"],
        "schema": "energy_analytics",
    }
    number = answer(superset.post("sqllab/execute/", json=question))["query"]["queryId"]

    def state() -> dict[str, Any]:
        return answer(superset.get(f"query/{number}"))["result"]

    deadline = time.monotonic() + 60
    while state()["status"] not in ("success", "failed"):
        assert time.monotonic() < deadline, f"nobody worked on it:\n{containers.log('superset-worker')}"
        time.sleep(0.5)
    assert state()["status"] == "success", state()
    found = answer(superset.get("sqllab/results/", params={"q": f"(key:'{state()['results_key']}')"}))
    assert found["data"] == [{"found": 42}]
    assert [key for key in keys(containers, RESULTS) if key.startswith("superset_results_")]


def test_none_of_them_knows_a_password_of_those_who_write(containers: Containers) -> None:
    for name in ("superset", "superset-worker"):
        known = psutil.Process(containers.running[name].pid).environ()
        told = " ".join(known.values())
        assert SETTINGS["CLICKHOUSE_WRITER_PASSWORD"] not in told and PASSWORDS["writer"] not in told
        assert not {"CLICKHOUSE_URL", "POSTGRES_URL", "POSTGRES_ADMIN_URL"} & set(known)
    assert SETTINGS["REDIS_PASSWORD"] not in " ".join(psutil.Process(containers.running["redis"].pid).cmdline())


def test_a_worker_that_ended_or_lost_its_redis_is_not_well(containers: Containers) -> None:
    """Last: it ends them."""
    check = services()["superset-worker"]["healthcheck"]["test"][1:]
    containers.inside("superset-worker", *check)
    containers.stop("superset-worker")
    containers.inside("superset-worker", *check, code=1)
    containers.start("superset-worker")
    containers.stop("redis")
    containers.inside("superset-worker", *check, code=1)
