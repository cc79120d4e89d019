"""Fixtures of the browser tests: homes that are served, the browser, and a screenshot where a test fails."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from served import DAYS, Served, Watched, served_home

from benchmarks.browser import CHROMIUM, NONE, launched

SCREENSHOTS = Path(tempfile.gettempdir()) / f"energy-assets-e2e-{os.getuid()}"


@pytest.fixture(scope="module")
def small() -> Iterator[Served]:
    """Three days, served."""
    with served_home(3) as served:
        served.start()
        yield served


@pytest.fixture(scope="module")
def week() -> Iterator[Served]:
    """Seven days, served."""
    with served_home(DAYS) as served:
        served.start()
        yield served


@pytest.fixture(scope="module")
def red() -> Iterator[Served]:
    """Three days, of which the second is red, served."""
    with served_home(3, red=True) as served:
        served.start()
        yield served


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip(NONE)
    with launched() as browser:
        yield browser


@pytest.fixture
def watched(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Watched]:
    """A fresh page; where the test fails, a screenshot of it is kept and named."""
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    watched = Watched(page)
    page.on("response", lambda answer: watched.answers.append(answer))
    yield watched
    if request.node.stash.get(FAILED, False):
        SCREENSHOTS.mkdir(mode=0o700, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{request.node.name}.png")
        print(f"screenshot: {SCREENSHOTS / request.node.name}.png")  # noqa: T201
    page.close()


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    report = yield
    if call.when == "call":
        item.stash[FAILED] = report.failed
    return report


@pytest.fixture
def eventually() -> Callable[..., None]:
    """Wait until something holds; fail with a sentence where it never does."""

    def wait(holds: Callable[[], bool], otherwise: str, seconds: float = 180) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                pytest.fail(f"{otherwise} within {seconds:.0f} s")
            time.sleep(1)

    return wait
