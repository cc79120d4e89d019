"""The images' own steps, each as the Dockerfile says it, from nothing; then the services of docker-compose.yml in what came of them, as its user.

What stays untried is Docker itself, and what its image of Python lacks of this machine.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from parts import FIRST_DAY, Containers, without_containers
from support import images
from support.disorder import city
from support.images import Images

pytestmark = [pytest.mark.full, pytest.mark.timeout(3600)]

CODE = "/opt/energy-assets"
USER = 10001


@pytest.fixture(scope="module")
def built() -> Iterator[Images]:
    if (why := images.obstacle()) is not None:
        pytest.skip(why)
    root = Path(tempfile.mkdtemp(prefix="energy-image-"))
    try:
        yield Images(root).build()
    finally:
        shutil.rmtree(root)


@pytest.fixture(scope="module")
def containers(built: Images) -> Iterator[Containers]:
    root = Path(tempfile.mkdtemp(prefix="energy-parts-"))
    # The user of the image comes by here to its volume.
    root.chmod(0o711)
    try:
        with without_containers(root, built) as made:
            made.run("init")
            yield made
    finally:
        shutil.rmtree(root)


def test_who_runs_in_an_image_may_write_to_the_home_and_to_tmp_and_nowhere_else(containers: Containers) -> None:
    asked = "id -u; for place in / /opt /srv . ./utility/landing /tmp $HOME %s %s/dbt_project/target; do test ! -w $place || echo $place; done"
    user, *writable = containers.inside("code", "/bin/sh", "-c", asked % (CODE, CODE)).split()
    assert int(user) == USER
    assert writable == [".", "./utility/landing", "/tmp", "/tmp"]  # noqa: S108 (HOME too)
    assert not containers.inside("code", "find", CODE, "-writable", "-not", "-type", "l")
    assert "NoNewPrivs:\t1" in (status := containers.inside("code", "cat", "/proc/self/status"))
    assert "CapBnd:\t0000000000000000" in status


def test_an_image_holds_what_its_lock_names_and_no_more_of_the_project_than_it_needs(containers: Containers) -> None:
    assert "No broken requirements found" in containers.inside("code", "python", "-m", "pip", "check")
    held = containers.inside("code", "ls", "-A", CODE).split()
    assert set(held) == {
        *(".venv", "README.md", "pyproject.toml", "deploy", "energy_assets", "ml", "quality_suites", "dbt_project"),
        *("clickhouse_ddl", "dashboards"),
    }
    assert containers.inside("superset", "ls", f"{CODE}/.venv/tools").split() == ["superset"]


def test_each_environment_has_its_drivers_and_all_that_they_need_of_a_system(containers: Containers) -> None:
    ours = "import adbc_driver_postgresql.dbapi, chdb, clickhouse_connect, dagster_k8s, energy_assets.definitions, psycopg2"
    containers.inside("code", "python", "-c", ours)
    sheet = (
        "from energy_assets.case_sheet.pdf import pdf_of; import sys; sys.exit(pdf_of('<h1>42</h1>')[:4] != b'%PDF')"
    )
    containers.inside("code", "python", "-c", sheet)
    python = f"{CODE}/.venv/tools/superset/bin/python"
    containers.inside("superset", python, "-P", "-c", "import celery, clickhouse_connect, psycopg2, redis, superset")


def test_everything_is_compiled_before_it_starts(containers: Containers) -> None:
    """Who may write nothing would compile it at each start."""
    sources = "find %s/energy_assets %s/ml -name '*.py' | wc -l; find %s/energy_assets %s/ml -name '*.pyc' | wc -l"
    written, compiled = containers.inside("code", "/bin/sh", "-c", sources.replace("%s", CODE)).split()
    assert written == compiled


def test_a_second_init_changes_nothing(containers: Containers) -> None:
    credentials = containers.home.credentials_file
    held = credentials.read_text()
    containers.run("init")
    assert credentials.read_text() == held and credentials.stat().st_uid == USER
    assert credentials.stat().st_mode & 0o077 == 0


def test_a_folder_of_deliveries_that_is_not_its_users_is_said_by_init(containers: Containers) -> None:
    """As Docker makes it where ENERGY_LANDING names a folder that is not there."""
    os.chown(containers.home.landing, 0, 0)
    containers.home.landing.chmod(0o755)
    try:
        assert f"chown {USER}" in containers.run("init", "new", "--first-day", FIRST_DAY, code=1)
    finally:
        os.chown(containers.home.landing, USER, USER)


def test_a_delivery_becomes_served_rows_in_the_images(containers: Containers) -> None:
    started = ("code", "daemon", "webserver", "docs", "metrics")
    for name in started:
        containers.start(name)
    for path, text in city(containers.root.parent / "city", meters=10, transformers=1, days=1, seed=3).items():
        target = containers.home.landing / path
        target.parent.mkdir(parents=True, exist_ok=True)
        os.chown(target.parent, USER, USER)
        target.write_text(text.replace("2024-01-0", "2026-01-0"))
        os.chown(target, USER, USER)
    containers.wait("rows of the delivery to be served", lambda: containers.served_rows() > 0, seconds=900)
    page = httpx.get(f"http://127.0.0.1:{containers.port('metrics')}/metrics")
    assert "energy_assets" in page.text
    for name in reversed(started):
        containers.stop(name)


def test_superset_and_its_worker_start_in_their_image(containers: Containers) -> None:
    if not (shutil.which("redis-server") and shutil.which("redis-cli")):
        pytest.skip("this test needs Redis: apt-get install redis-server")
    started = ("redis", "superset", "superset-worker")
    for name in started:
        containers.start(name)
    for name in reversed(started):
        containers.stop(name)
