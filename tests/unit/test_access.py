"""The access log tells who asked what, without secrets and without whom was erased."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from energy_assets import access
from energy_assets.access import note, noted
from energy_assets.home import Home


@pytest.fixture
def a_home(tmp_path: Path) -> Home:
    return Home(tmp_path / "north")


def test_commands_about_people_are_written_down_with_user_and_arguments(a_home: Home) -> None:
    note(a_home, ["--home", "north", "explain", "M000143", "2024-03-07"])
    note(a_home, ["sql", "select 'postgresql://me:secret@host/db'", "--store", "clickhouse"])
    note(a_home, ["up"])
    first, second = noted(a_home, 10)
    assert (first.user, first.home, first.command, first.arguments) == (
        access.user(),
        "north",
        "explain",
        "M000143 2024-03-07",
    )
    assert "secret" not in (a_home.logs / access.FILE).read_text()
    assert second.command == "sql"


def test_who_was_erased_is_not_written_down(a_home: Home) -> None:
    note(a_home, ["erase-customer", "C000010", "--reason", "letter of C000010", "--yes"])
    note(a_home, ["erase-customer", "--yes", "--reason=C000010", "C000010"])
    assert "C000010" not in (a_home.logs / access.FILE).read_text()
    assert [entry.arguments for entry in noted(a_home, 2)] == ["CUSTOMER_ID --reason --yes", "CUSTOMER_ID --yes"]


def test_it_is_the_owners_alone_and_former_files_are_kept(a_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "LIMIT_BYTES", 200)
    for number in range(12):
        note(a_home, ["why", f"2024-01-{number + 1:02d}"])
    files = sorted(a_home.logs.glob(f"{access.FILE}*"))
    assert len(files) > 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert [entry.arguments for entry in noted(a_home, 12)] == [f"2024-01-{number + 1:02d}" for number in range(12)]
    assert all(json.loads(line) for path in files for line in path.read_text().splitlines())


def test_the_person_behind_sudo_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "ama")
    assert access.user() == "ama"
