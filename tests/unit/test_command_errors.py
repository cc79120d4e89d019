"""A command that cannot do what was asked says what, where and what to do, once and without a trace."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
import typer
from dagster_dbt.dbt_manifest import read_manifest_path
from pydantic import ValidationError
from support.commands import run

from energy_assets.console import errors
from energy_assets.embedded import credentials, ports
from energy_assets.home import Calendar, Home
from energy_assets.settings import Settings


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home of one day that nothing was ever started in."""
    home = Home(tmp_path / "home")
    home.write_calendar(Calendar("Africa/Douala", date(2024, 1, 1), date(2024, 1, 1)))
    return home


def said(home: Home | Path, *arguments: str, code: int = 1, **settings: str) -> str:
    printed = run(home, *arguments, code=code, **settings)
    assert "Traceback" not in printed
    return printed


@pytest.mark.parametrize(
    "arguments", [("up",), ("why", "2024-01-01"), ("ui",), ("data-docs",), ("dbt-docs",), ("sql", "select 1")]
)
def test_without_a_home_the_first_command_is_named_once(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert said(tmp_path, *arguments).count("run `energy-assets demo` or `energy-assets ingest DIR` first") == 1
    assert list(tmp_path.iterdir()) == [], "asking makes nothing"


def test_a_home_that_is_not_there_is_no_home_to_start(tmp_path: Path) -> None:
    Home(tmp_path / "utility").write_calendar(Calendar("Africa/Douala", date(2024, 1, 1)))

    printed = said(tmp_path, "--home", "utilty", "up")

    assert "there is no home utilty" in printed and "there are: utility" in printed
    assert not (tmp_path / "utilty").exists()


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("POSTGRES_URL", "localhost:5432", "POSTGRES_URL: is no address such as postgresql://user:password@host:port/"),
        ("CLICKHOUSE_URL", "clickhouse://h", "CLICKHOUSE_URL: is no address such as http://user:password@host:port/"),
        ("ENERGY_LOG_LEVEL", "loud", "ENERGY_LOG_LEVEL: Input should be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        (
            "ENERGY_RETENTION_DAYS",
            "a year",
            "ENERGY_RETENTION_DAYS: is no JSON (Expecting value: line 1 column 1 (char 0))",
        ),
        ("ENERGY_REJECTED_SHARE_LIMIT", "7", "ENERGY_REJECTED_SHARE_LIMIT: Input should be less than or equal to 1"),
    ],
)
def test_a_setting_that_does_not_hold_is_named(home: Home, setting: str, value: str, words: str) -> None:
    assert f"error {words}" in said(home, "why", "2024-01-01", **{setting: value})


def test_a_new_home_is_called_as_home_says_or_as_the_command_does(tmp_path: Path) -> None:
    assert "wharf: days of" in said(tmp_path, "--home", "wharf", "new", "--first-day", "2024-01-01", code=0)
    assert "hill: days of" in said(tmp_path, "new", "hill", "--first-day", "2024-01-01", code=0)
    assert "give the new home's name once" in said(tmp_path, "--home", "a", "new", "b", "--first-day", "2024-01-01")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["hill", "wharf"]


def test_a_manifest_that_make_clean_removed_is_no_defect(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, errors():
        read_manifest_path(Path("/nowhere/manifest.json"))
    assert ended.value.exit_code == 1
    said = capsys.readouterr().err
    assert "/nowhere/manifest.json does not exist." in said and "→ make install, then again" in said


def test_the_remedy_of_a_store_that_does_not_answer_is_for_the_home_that_was_named(home: Home) -> None:
    credentials.ensure(home)
    ports.remember(home, postgres=1, clickhouse=1)
    printed = said(home.path.parent, "--home", home.name, "sql", "select 1")
    assert f"energy-assets --home {home.name} up, then again" in " ".join(printed.split())


@pytest.mark.parametrize("sign", ["@", "/", "#", "?", "%", "["])
@pytest.mark.parametrize(
    "setting", ["POSTGRES_URL", "POSTGRES_ADMIN_URL", "CLICKHOUSE_URL", "ENERGY_SUPERSET_REDIS_URL"]
)
def test_a_password_that_reads_as_a_part_of_the_address_is_refused_and_not_shown(
    setting: str, sign: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one program takes it for the password and the next for a host, the next one says it aloud."""
    scheme = {"CLICKHOUSE_URL": "http", "ENERGY_SUPERSET_REDIS_URL": "redis"}.get(setting, "postgresql")
    monkeypatch.setenv("POSTGRES_URL", "postgresql://h:1")
    monkeypatch.setenv(setting, f"{scheme}://me:zQ7{sign}sEcReT@h:1/")
    with pytest.raises(ValidationError, match="is no address such as") as refused:
        Settings()
    assert "zQ7" not in str(refused.value) and "sEcReT" not in str(refused.value)


def test_a_store_of_others_that_does_not_answer_is_for_them_to_see_to(home: Home) -> None:
    addresses = {"POSTGRES_URL": "postgresql://me:s3cr3t@127.0.0.1:1/energy", "CLICKHOUSE_URL": "http://127.0.0.1:1/"}
    printed = said(home, "why", "2024-01-01", **addresses)

    assert "a store does not answer" in printed and "→ see to the server that POSTGRES_URL names" in printed
    assert "s3cr3t" not in printed


def test_a_ports_file_that_cannot_be_read_is_named(home: Home) -> None:
    home.ports_file.write_text("postgres 5432")

    printed = said(home, "why", "2024-01-01")

    assert f"{home.ports_file} is no TOML" in printed and "remove it" in printed


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    printed = said(tmp_path, "simulate", "--out", str(tmp_path / "file" / "fleet"), "--meters", "1", "--days", "1")

    assert str(tmp_path / "file") in printed and "→ see that this path is there" in printed


def test_what_looks_like_an_emoji_is_printed_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("root:x:0:0,b\n1,2\n")

    assert "root:x:0:0" in said(tmp_path, "mapping", "new", str(tmp_path / "users.csv"))


def test_a_port_that_there_is_not_is_refused(home: Home) -> None:
    assert "65535" in said(home, "ui", "--port", "65536", code=2)


def test_no_command_waits_for_a_library_that_it_does_not_use() -> None:
    """In a process of its own: what every command imports before it knows which one it is."""
    script = "import sys, energy_assets.cli; print([name for name in ('dagster', 'pandas', 'sklearn') if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert loaded.stdout.strip() == "[]"
