"""Pages of Data Docs are whole by themselves: a browser asks no other host for anything, and runs no script beside delivered rows."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from energy_assets.links import verdict_page
from energy_assets.resources.limits import limits
from energy_assets.settings import Settings
from quality_suites.data_docs import Verdict, build_site
from quality_suites.validator import Outcome

TABLE, DAY = "stg_meter_readings", date(2024, 1, 2)
LOADED = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("object", "data"), ("source", "src")}


class Found(HTMLParser):
    """What a page loads and runs, and its links."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.scripts: list[str] = []
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loaded += [value or "" for name, value in attrs if (tag, name) in LOADED]
        self.links += [value or "" for name, value in attrs if (tag, name) == ("a", "href")]
        self.scripts += [tag] if tag == "script" else []
        self.scripts += [
            name for name, value in attrs if name.startswith("on") or (value or "").startswith("javascript:")
        ]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a red and a green day."""
    site = tmp_path_factory.mktemp("site")
    build_site([verdict("red"), verdict("green")], site, limits(Settings(), "Africa/Douala"), signpost=verdict_page)
    return site


def verdict(state: str) -> Verdict:
    of = DAY.replace(day=1) if state == "red" else DAY
    outcome = Outcome(
        *("expect_no_rows_where", "accepted_wh-in-range", "accepted_wh", "critical", state == "green", None, 3, 96),
        sample=("meter_id=M1, accepted_wh=-7",),
        message="3 of 96 rows",
    )
    return Verdict(TABLE, of, state, "run", datetime(2024, 1, 3, tzinfo=UTC), [outcome])


def pages(site: Path) -> list[Path]:
    return [page for page in site.rglob("*.html") if not page.is_relative_to(site / "days")]


def test_nothing_is_loaded_from_elsewhere_and_nothing_runs(site: Path) -> None:
    assert len(pages(site)) == 3
    for page in pages(site):
        found = Found(page)
        assert found.scripts == [], page
        assert found.loaded, "a page without any style"
        for target in found.loaded:
            assert not re.match(r"(\w+:)?//", target), f"{page} loads {target}"
            assert (page.parent / unquote(target)).resolve().is_file(), f"{page} loads {target}, which is not there"
    style = (site / "static/verdicts.css").read_text()
    assert "url(" not in style
    assert "@import" not in style


def test_the_index_leads_to_every_page_without_a_script(site: Path) -> None:
    index = site / "index.html"
    linked = {(site / unquote(link)).resolve() for link in Found(index).links if link.startswith("validations/")}
    assert linked == {page.resolve() for page in pages(site)} - {index.resolve()}
    assert "<td>0 of 1</td>" in index.read_text()


def test_no_link_of_the_site_leads_nowhere(site: Path) -> None:
    for page in pages(site):
        for link in Found(page).links:
            target = unquote(link.partition("#")[0])
            assert "://" in target or (page.parent / target).resolve().exists(), f"{page} links {link}"


def test_what_a_verdict_says_is_still_there(site: Path) -> None:
    (red,) = (page for page in pages(site) if "red" in str(page.relative_to(site)))
    text = red.read_text()
    assert "accepted_wh-in-range" in text
    assert "meter_id=M1, accepted_wh=-7" in text
    assert "Failed" in text
    assert text.count("<title>") == 1
