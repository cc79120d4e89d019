"""A full disk is told from other errors, whoever says it, and named with its place and what to do."""

from __future__ import annotations

import errno
import shutil
from collections import namedtuple
from pathlib import Path

import psycopg2.errors
import pytest
from sqlalchemy.exc import OperationalError

from energy_assets import full_disk
from energy_assets.console import errors
from energy_assets.home import Home

Usage = namedtuple("Usage", "total used free")


def wrapped(error: Exception) -> Exception:
    """As a driver's error reaches the command: raised from another."""
    try:
        raise RuntimeError("writing the day failed") from error
    except RuntimeError as raised:
        return raised


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "parts/x.parquet"),
        psycopg2.errors.DiskFull('could not extend file "base/1/2"'),
        OperationalError("insert", {}, psycopg2.errors.DiskFull("could not extend file")),
        RuntimeError("Code: 243. DB::Exception: Cannot reserve 1.00 MiB, not enough space. (NOT_ENOUGH_SPACE)"),
        wrapped(OSError(errno.ENOSPC, "No space left on device")),
    ],
)
def test_whoever_says_it_a_full_disk_is_told(error: Exception) -> None:
    assert full_disk.is_full_disk(error)


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "Permission denied"), psycopg2.OperationalError("timeout")])
def test_other_errors_are_none(error: Exception) -> None:
    assert not full_disk.is_full_disk(error)


def test_the_message_names_the_disk_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home(tmp_path / "home")
    home.postgres.mkdir(parents=True)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(1, 1, 0))
    monkeypatch.setattr("energy_assets.console.chosen", lambda: home)

    with pytest.raises(BaseException) as ended, errors():
        raise psycopg2.errors.DiskFull('could not extend file "base/1/2": No space left on device')

    said = capsys.readouterr().err
    assert ended.value.exit_code == 1
    assert f"the disk of {tmp_path / 'home'} is full: could not extend file" in said
    assert "→ free room there, then give the same command again" in said
