"""`python tests/e2e/dashboard_pictures.py`: take the pictures of docs/dashboards.md anew, from the dashboards that the current home serves.

What belongs here: which pages, how large. What does not: whether they are right (test_dashboards_page.py). Run `make demo && make dashboards` first.
"""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect

from benchmarks.browser import launched
from energy_assets import home as homes
from energy_assets.dashboards.bundle import read
from energy_assets.embedded import credentials, ports
from energy_assets.embedded.ports import LOOPBACK
from energy_assets.operations.dashboards.service import USER

IMAGES = Path(__file__).parents[2] / "docs" / "images"
WIDTH, MOST_HEIGHT, SHOWN_WIDTH, COLOURS = 1400, 2600, 1100, 224


def main() -> None:
    home = homes.current()
    base = f"http://{LOOPBACK}:{ports.remembered(home)['superset']}"
    with launched() as browser:
        page = browser.new_page(viewport={"width": WIDTH, "height": MOST_HEIGHT})
        log_in(page, base, credentials.read(home).superset.admin)
        for dashboard in read().dashboards:
            page.goto(f"{base}/superset/dashboard/{dashboard.content['slug']}/")
            expect(page.locator('[data-test="loading-indicator"]')).to_have_count(0, timeout=60_000)
            page.wait_for_timeout(2_500)  # charts are painted little by little
            save(page.screenshot(), bottom(page), IMAGES / f"dashboard-{dashboard.content['slug']}.png")


def log_in(page: Page, base: str, password: str) -> None:
    page.goto(f"{base}/login/")
    page.locator("input#username").fill(USER)
    page.locator("input#password").fill(password)
    page.keyboard.press("Enter")
    expect(page.locator("input#username")).to_have_count(0)
    page.wait_for_load_state("networkidle")


def bottom(page: Page) -> int:
    """Where the last chart ends."""
    boxes = [chart.bounding_box() for chart in page.locator('[data-test="chart-grid-component"]').all()]
    return int(max(box["y"] + box["height"] for box in boxes if box)) + 30


def save(picture: bytes, height: int, path: Path) -> None:
    """Small enough for a repository: fewer pixels and colours, not fewer letters."""
    image = Image.open(io.BytesIO(picture)).convert("RGB").crop((0, 60, WIDTH, min(height, MOST_HEIGHT)))
    image = image.resize((SHOWN_WIDTH, round(image.height * SHOWN_WIDTH / WIDTH)), Image.Resampling.LANCZOS)
    image.quantize(COLOURS).save(path, optimize=True)


if __name__ == "__main__":
    main()
