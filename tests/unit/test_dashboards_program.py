"""What is decided before Superset is installed, started or told anything."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from energy_assets.dashboards.bundle import SUPERSET
from energy_assets.operations.dashboards.bring_up import require_named_users
from energy_assets.operations.dashboards.install import LOCK, STAMP, is_installed, lock_hash, suitable_python
from energy_assets.operations.dashboards.service import sqlalchemy_uri
from energy_assets.operations.errors import OperationError
from energy_assets.settings import Settings

EMBEDDED = {"POSTGRES_URL": None, "CLICKHOUSE_URL": None, "CLICKHOUSE_BI_URL": None}


def test_an_installation_of_another_lock_is_none(tmp_path: Path) -> None:
    lock, environment = tmp_path / "requirements.lock", tmp_path / "environment"
    lock.write_text("one==1\n")
    environment.mkdir()
    assert not is_installed(environment, lock), "an installation that was broken off would be used"

    (environment / STAMP).write_text(lock_hash(lock))
    assert is_installed(environment, lock)
    lock.write_text("one==2\n")
    assert not is_installed(environment, lock), "a changed lock would not be installed"


def test_the_lock_holds_hashes_and_no_address() -> None:
    lock = LOCK.read_text()
    pinned = re.findall(r"^[a-z0-9._-]+==\S+.*?(?=^[a-z0-9]|\Z)", lock, re.M | re.S)
    assert len(pinned) > 100
    assert all("--hash=sha256:" in entry for entry in pinned)
    assert "://" not in lock and "--index" not in lock
    wanted = [line for line in (SUPERSET / "requirements.in").read_text().splitlines() if not line.startswith("#")]
    for name in (re.split(r"[\[<=]", line)[0] for line in wanted):
        assert re.search(rf"^{name}==", lock, re.M), f"{name} is not in the lock: make lock"


def test_a_python_that_superset_cannot_run_on_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OperationError, match=r"needs Python 3\.11 or 3\.12, and this is 3\.14"):
        suitable_python((3, 14))
    older = tmp_path / "python3.12"
    older.touch(mode=0o755)
    assert suitable_python((3, 14)) == str(older)


def test_with_real_servers_superset_connects_as_users_that_were_named_or_not_at_all() -> None:
    require_named_users(Settings(**EMBEDDED))
    with pytest.raises(OperationError, match="set ENERGY_SUPERSET_DATABASE_URL="):
        require_named_users(Settings(**EMBEDDED | {"POSTGRES_URL": "postgresql://u:p@db/energy"}))
    writer = EMBEDDED | {"CLICKHOUSE_URL": "http://writer:p@ch:8123/"}
    with pytest.raises(OperationError, match="set CLICKHOUSE_BI_URL="):
        require_named_users(Settings(**writer))
    require_named_users(Settings(**writer | {"CLICKHOUSE_BI_URL": "http://bi:p@ch:8123/"}))


@pytest.mark.parametrize(
    ("url", "uri"),
    [
        ("http://bi:p%40ss@127.0.0.1:8129/", "clickhousedb://bi:p%40ss@127.0.0.1:8129/energy_analytics"),
        ("https://bi:p@ch.example/", "clickhousedb://bi:p@ch.example:8443/energy_analytics?secure=true"),
    ],
)
def test_clickhouses_address_becomes_sqlalchemys(url: str, uri: str) -> None:
    assert sqlalchemy_uri(url) == uri
