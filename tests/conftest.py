"""Fixtures that tests of every kind share: one started home a test process, and the folder of real readings."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from energy_assets.embedded import supervisor
from energy_assets.embedded.connections import Connections
from energy_assets.home import Home
from energy_assets.settings import Settings

EMBEDDED = Settings(POSTGRES_URL=None, CLICKHOUSE_URL=None)
"""Whatever real servers the tester's environment names: tests leave them alone."""
SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@contextmanager
def temporary_home() -> Iterator[Home]:
    """A home that is stopped and removed at the end.

    Not below pytest's own directories: pytest closes those to other users at each start, and root's Postgres is another user.
    """
    directory = Path(tempfile.mkdtemp(prefix="energy-test-"))
    home = Home(directory / "home")
    try:
        yield home
    finally:
        supervisor.down(home)
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def stores() -> Iterator[tuple[Home, Connections]]:
    """A home with both stores running, the same one for all tests of this process.

    Tests share its databases: each uses schemas, tables or days of its own.
    """
    with temporary_home() as home:
        yield home, supervisor.up(home, EMBEDDED)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real readings, which is no part of the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real readings at {SHARED_DATA}: nothing to run this test on")
    return SHARED_DATA


@pytest.fixture
def home() -> Iterator[Home]:
    """A home of this test alone, with nothing started; whatever the test starts is stopped."""
    with temporary_home() as home:
        yield home
