"""What Superset is told stays in the environment of its processes: nothing of it is written, logged or shown, nor may a reader's SQL ask for it.

Superset itself is not started: a program of the tests' stands in for its Python, and its settings are read without it.
"""

from __future__ import annotations

import os
import runpy
import sys
import types
from pathlib import Path

import pytest

from energy_assets.dashboards.bundle import read
from energy_assets.dashboards.tidy import dump
from energy_assets.embedded.connections import Connections
from energy_assets.embedded.credentials import ClickHousePasswords, Credentials, PostgresPasswords, SupersetSecrets
from energy_assets.home import Home
from energy_assets.operations.dashboards import bring_up, service
from energy_assets.operations.dashboards.service import CONFIGURATION, Superset, sqlalchemy_uri
from energy_assets.operations.errors import OperationError

SECRETS = {name: f"zQ7-{name}-sEcReT" for name in ("database", "reader", "admin", "key")}
STANDING_IN = """
import os, pathlib, sys
pages = pathlib.Path(os.environ["ENERGY_SUPERSET_PAGES"])
written = [path for path in pages.rglob("*") if path.is_file()]
given = [os.environ[name] for name in ("ENERGY_SUPERSET_SECRET_KEY", "ENERGY_SUPERSET_DATABASE_URL", "ENERGY_SUPERSET_CLICKHOUSE_URI",
         "ENERGY_SUPERSET_PASSWORD")]
assert all("zQ7-" in secret for secret in given), "a secret was not handed on"
named = [str(path) for path in written if "zQ7-" in path.read_text()]
print(len(written), "pages", named, sys.argv)
{end}
"""


@pytest.fixture
def superset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Superset:
    """A home's Superset whose every secret can be told from other text."""
    home = Home(tmp_path / "home")
    for directory in (home.superset, home.logs):
        directory.mkdir(parents=True)
    monkeypatch.setattr(bring_up, "PYTHON", sys.executable)
    monkeypatch.setattr(service, "PYTHON", sys.executable)
    address = f"postgresql+psycopg2://superset:{SECRETS['database']}@127.0.0.1:1/superset"
    reader = sqlalchemy_uri(f"http://bi:{SECRETS['reader']}@127.0.0.1:1/")
    kept = SupersetSecrets(secret_key=SECRETS["key"], admin=SECRETS["admin"])
    return Superset(home, 8088, address, reader, _credentials(kept))


def _credentials(superset: SupersetSecrets) -> Credentials:
    def filled(kind: type) -> object:
        return kind(**dict.fromkeys(kind.__dataclass_fields__, "zQ7-other-sEcReT"))

    return Credentials(postgres=filled(PostgresPasswords), clickhouse=filled(ClickHousePasswords), superset=superset)


def set_up(superset: Superset, monkeypatch: pytest.MonkeyPatch, end: str = "") -> str:
    """What the set-up's log says."""
    script = superset.home.path / "stands_in.py"
    script.write_text(STANDING_IN.replace("{end}", end))
    monkeypatch.setattr(bring_up, "SET_UP", script)
    bring_up._run_set_up(superset, [(document, dump(document.content)) for document in read().documents])
    return superset.set_up_log.read_text()


def with_secrets(home: Home) -> list[Path]:
    return [
        path
        for path in home.path.rglob("*")
        if path.is_file() and b"zQ7-" in path.read_bytes() and path.name != "stands_in.py"
    ]


def test_no_page_argument_or_log_of_the_set_up_holds_a_secret(
    superset: Superset, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = set_up(superset, monkeypatch)
    assert f"{len(read().documents)} pages []" in said, "a page was written with a secret in it"
    assert with_secrets(superset.home) == []
    assert superset.set_up_log.stat().st_mode & 0o077 == 0


def test_a_set_up_that_says_a_secret_as_it_fails_is_not_quoted(
    superset: Superset, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = (
        "print('cannot connect with', dict(os.environ)); print(os.environ['ENERGY_SUPERSET_DATABASE_URL']); sys.exit(3)"
    )
    with pytest.raises(OperationError, match="code 3") as raised:
        set_up(superset, monkeypatch, end)
    assert "cannot connect with" in str(raised.value)
    assert "zQ7-" not in str(raised.value)
    assert with_secrets(superset.home) == []


def test_nothing_that_is_shown_of_it_holds_a_secret(superset: Superset) -> None:
    assert "zQ7-" not in repr(superset) + " ".join(service.server_command(superset.port))
    assert "zQ7-" not in repr(Connections(**dict.fromkeys(Connections.__dataclass_fields__, "zQ7-other-sEcReT")))


@pytest.fixture
def configured(superset: Superset, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Superset's settings, as it would read them itself."""
    theirs = types.ModuleType("superset.config")
    theirs.TALISMAN_CONFIG = {"content_security_policy": {"default-src": ["'self'"]}}
    theirs.THEME_DEFAULT = {"token": {}}
    monkeypatch.setitem(sys.modules, "superset", types.ModuleType("superset"))
    monkeypatch.setitem(sys.modules, "superset.config", theirs)
    monkeypatch.setattr(os, "environ", superset.environment())
    return runpy.run_path(str(CONFIGURATION))


def test_templates_in_the_sql_of_readers_are_text(configured: dict[str, object]) -> None:
    assert configured["FEATURE_FLAGS"]["ENABLE_TEMPLATE_PROCESSING"] is False
    assert "JINJA_CONTEXT_ADDONS" not in configured
    assert "CUSTOM_TEMPLATE_PROCESSORS" not in configured
    virtual = [document.content["sql"] for document in read().documents if document.content.get("sql")]
    assert not [text for text in virtual if "{{" in text or "{%" in text], "a dataset of ours would need templates"


def test_keys_that_everybody_knows_are_not_used(configured: dict[str, object]) -> None:
    keys = [configured[name] for name in ("SECRET_KEY", "GUEST_TOKEN_JWT_SECRET", "GLOBAL_ASYNC_QUERIES_JWT_SECRET")]
    assert len(set(keys)) == 3
    assert all(len(key) >= 64 for key in keys[1:])
    assert not any(SECRETS["key"] in key for key in keys[1:]), "one key tells another"
    assert configured["ENABLE_CORS"] is False


def test_what_readers_connect_as_may_not_write(configured: dict[str, object]) -> None:
    (clickhouse,) = (document.content for document in read().documents if document.folder == "databases")
    assert [clickhouse[name] for name in ("allow_ctas", "allow_cvas", "allow_dml", "allow_csv_upload")] == [False] * 4


def test_a_superset_in_a_container_of_its_own_knows_nobody_who_writes(monkeypatch, tmp_path) -> None:
    from energy_assets.operations import part

    told: dict[str, str] = {}
    monkeypatch.setenv("CLICKHOUSE_URL", "http://writer:of-who-writes@clickhouse:8123/")
    monkeypatch.setattr(part.os, "execve", lambda program, command, environment: told.update(environment))
    monkeypatch.setattr(part, "_superset", lambda *_: (["/bin/true"], {"ENERGY_SUPERSET_PORT": "8088"}))
    part.run(Home(tmp_path), part.Part.superset, port=None, code=part.Address("127.0.0.1", 1), say=print)
    assert told == {"ENERGY_SUPERSET_PORT": "8088"}
