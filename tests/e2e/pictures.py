"""Take the pictures of docs/red-morning.md anew: python tests/e2e/pictures.py, a few minutes; needs Debian's chromium.

What belongs here: which pages are photographed, and how small. What does not: that they say the right thing (test_ui.py).
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path.append(str(TESTS))

from playwright.sync_api import Page  # noqa: E402
from served import RED_MORNING, RED_RUN, Served, served_home  # noqa: E402

from benchmarks.browser import launched  # noqa: E402

PICTURES = TESTS.parent / "docs" / "images"
SIZE = {"width": 1280, "height": 620}
SETTLED_SECONDS = 3.0
"""Dagster's graphs move after their data came."""


def main() -> None:
    with launched() as browser, served_home(3, red=True) as served:
        served.start()
        take(served, browser.new_page(viewport=SIZE))


def take(served: Served, page: Page) -> None:
    """Photograph the red morning and the green noon of the home."""
    gate = f"{served.url}/assets/quality/meter_readings_checkpoint"
    page.goto(served.url)
    page.locator(".chunk-popover-target").first.hover()
    picture(page, "red-morning-1-first-page")
    page.locator(RED_RUN).first.click()
    picture(page, "red-morning-2-run")
    picture(page, "red-morning-3-gate", f"{gate}?view=checks")
    picture(page, "red-morning-4-one-red-box", f"{gate}?view=lineage")
    shutil.copy(served.files / "meter_readings" / f"{RED_MORNING}.csv", served.home.landing / "meter_readings")
    wait_until_served(served)
    page.goto(f"{gate}?view=partitions&partition={RED_MORNING}")
    page.get_by_text("dagster/partition_row_count").wait_for()
    picture(page, "red-morning-5-green")


def wait_until_served(served: Served, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    asked = "select 1 from quality.day_versions where table_name = 'energy_analytics.consumption_metrics' and reading_date = %s"
    while not served.warehouse.rows(asked, (RED_MORNING,)):
        if time.monotonic() > deadline:
            sys.exit(f"the corrected {RED_MORNING} was not served within {seconds:.0f} s")
        time.sleep(1)


def picture(page: Page, name: str, url: str | None = None) -> None:
    if url is not None:
        page.goto(url)
    page.wait_for_load_state("networkidle")
    time.sleep(SETTLED_SECONDS)
    taken = PICTURES / f"{name}.png"
    page.screenshot(path=taken)
    print(f"{taken.name} {taken.stat().st_size // 1000} kB")  # noqa: T201


if __name__ == "__main__":
    main()
