"""The access log tells who asked what, without secrets and without whom was erased."""

from __future__ import annotations

import json
import os
import pwd
import stat
from pathlib import Path

import pytest

from energy_assets import access
from energy_assets.access import note, noted
from energy_assets.home import Home
from energy_assets.operations.keeping.erasure import _tombstone
from energy_assets.resources.erasure import Held


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


@pytest.mark.parametrize(
    ("sudo_user", "told"), [("ama", "ama as {}"), ("", "{}"), (None, "{}"), ("THE USER", "{}")], ids=str
)
def test_the_person_behind_sudo_is_named_beside_whom_they_are(
    monkeypatch: pytest.MonkeyPatch, sudo_user: str | None, told: str
) -> None:
    name = pwd.getpwuid(os.geteuid()).pw_name
    monkeypatch.delenv("SUDO_USER", raising=False)
    if sudo_user is not None:
        monkeypatch.setenv("SUDO_USER", sudo_user.replace("THE USER", name))
    monkeypatch.setenv("LOGNAME", "somebody-else")
    monkeypatch.setenv("USER", "somebody-else")
    assert access.user() == told.format(name)


def test_a_user_without_a_name_erases_and_is_told_by_number(a_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4_242_424)
    monkeypatch.delenv("SUDO_USER", raising=False)
    a_home.path.mkdir()
    assert _tombstone(a_home, Held("C000010", (), ()), "a letter").erased_by == "4242424"
    monkeypatch.setenv("SUDO_USER", "ama")
    note(a_home, ["why", "2024-01-01"])
    assert noted(a_home, 1)[0].user == "ama as 4242424"


def test_nobody_is_asked_for_in_another_way() -> None:
    package = Path(access.__file__).parent
    assert [
        str(path) for path in package.rglob("*.py") if "getuser" in path.read_text() or "getlogin" in path.read_text()
    ] == []
