"""The pages at the top of the repository: commands, files and places that they name are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
PLACEHOLDERS = {"LAYER", "NAME", "SCHEMA"}
FOLDERS = "benchmarks|clickhouse_ddl|dashboards|dbt_project|docs|energy_assets|ml|notebooks|quality_suites|tests"


def anchors(page: Path) -> set[str]:
    """What a code host makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def missing(text: str) -> list[str]:
    """Links, paths and `make` targets of a page that lead nowhere."""
    targets = set(re.findall(r"^([a-z0-9-]+):", (REPOSITORY / "Makefile").read_text("utf-8"), flags=re.MULTILINE))
    gone = [f"make {name}" for name in re.findall(r"`make ([a-z][a-z0-9-]*)", text) if name not in targets]
    for link in re.findall(r"\]\(([^)]+)\)", text):
        path, _, anchor = link.partition("#")
        if re.match(r"\w+:", link):
            continue
        page = REPOSITORY / path
        if not page.exists() or (anchor and anchor not in anchors(page)):
            gone.append(link)
    for path in re.findall(rf"`((?:{FOLDERS})/[\w./-]+)`", text):
        if not (REPOSITORY / path).exists() and not PLACEHOLDERS & set(re.split(r"[/.]", path)):
            gone.append(path)
    return gone


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_is_there(page: str) -> None:
    assert missing((REPOSITORY / page).read_text("utf-8")) == []


def test_what_is_not_there_would_be_found() -> None:
    text = (
        "`make tea`, [a](docs/none.md), [b](README.md#nowhere), `ml/none.py`, [c](README.md#commands), `make test-all`"
    )
    assert missing(text) == ["make tea", "docs/none.md", "README.md#nowhere", "ml/none.py"]


def test_the_licence_is_the_one_that_the_package_names() -> None:
    assert 'license = "Apache-2.0"\nlicense-files = ["LICENSE"]' in (REPOSITORY / "pyproject.toml").read_text("utf-8")
    text = (REPOSITORY / "LICENSE").read_text("utf-8")
    assert "Version 2.0, January 2004" in text and "END OF TERMS AND CONDITIONS" in text
    assert "[Apache-2.0](LICENSE)" in (REPOSITORY / "README.md").read_text("utf-8")
