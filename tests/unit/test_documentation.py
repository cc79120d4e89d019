"""What the documentation says is there: pages, headings, commands, messages. No site has to be built for that."""

from __future__ import annotations

import ast
import importlib.util
import re
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer.main
import yaml
from support.markdown_pages import REPOSITORY, Link, anchors, code, links, pages

from energy_assets.cli import app

DOCS = REPOSITORY / "docs"
ADR = sorted((DOCS / "adr").glob("[0-9]*.md"))
TROUBLESHOOTING = DOCS / "troubleshooting.md"


def named(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


@cache
def hooks() -> ModuleType:
    """The site's own part of building it, which is no module of ours."""
    spec = importlib.util.spec_from_file_location("site_hooks", DOCS / "site_hooks.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", pages(), ids=named)
def test_every_link_of_a_page_leads_to_a_file_and_a_heading_that_are_there(page: Path) -> None:
    inward = [link for link in links(page) if not link.is_outward]
    assert [problem for link in inward if (problem := link.problem())] == []


def test_a_link_that_leads_nowhere_would_be_found() -> None:
    text = (
        "[a](02-project-study.md) [b](nowhere.md) [c](glossary.md#no-such-heading) [d](#here-too) ![e](images/none.png)"
        " `[f](code.md)` [g](https://example.org) [h](../../elsewhere.md)\n\n```\n[i](block.md)\n```\n\n# Here, too\n"
    )
    found = {link.target: link.problem() for link in links(DOCS / "glossary.md", text) if not link.is_outward}
    assert set(found) == {
        "02-project-study.md",
        "nowhere.md",
        "glossary.md#no-such-heading",
        "#here-too",
        "images/none.png",
        "../../elsewhere.md",
    }
    assert [target for target, problem in found.items() if not problem] == ["02-project-study.md"]
    assert Link(DOCS / "runbook.md", "#redgate").problem() is None


def test_headings_are_named_as_code_hosts_name_them() -> None:
    text = "# What is kept\n## `a/` → `b.c`\n### How sure it is?\n## What is kept\n```\n# no heading\n```\n## [A link](x.md), and *more*\n"
    assert anchors(text) == {
        "what-is-kept",
        "a--bc",
        "how-sure-it-is",
        "what-is-kept-1",
        "a-link-and-more",
    }


def navigation() -> list[str]:
    """Every page of mkdocs.yml, in its order."""

    def leaves(entry: Any) -> list[str]:
        if isinstance(entry, str):
            return [entry]
        children = entry.values() if isinstance(entry, dict) else entry
        return [leaf for child in children for leaf in leaves(child)]

    return leaves(yaml.safe_load((REPOSITORY / "mkdocs.yml").read_text("utf-8"))["nav"])


def in_site() -> dict[str, str]:
    """The site's files -> the repository's."""
    inside = {path.relative_to(DOCS).as_posix(): named(path) for path in DOCS.rglob("*") if path.is_file()}
    return inside | hooks().outside()


def test_the_sites_navigation_holds_every_page_once_and_no_other() -> None:
    listed = navigation()
    assert len(set(listed)) == len(listed)
    assert set(listed) == {there for there in in_site() if there.endswith(".md")}


@pytest.mark.parametrize("there", sorted(name for name in in_site() if name.endswith(".md")))
def test_in_the_site_every_link_leads_to_a_page_of_the_site(there: str) -> None:
    known = in_site()
    text = hooks().relinked((REPOSITORY / known[there]).read_text("utf-8"), known[there], known)
    place = Path("/site") / there
    for link in links(place, text):
        target = link.target.partition("#")[0]
        if target and not link.is_outward:
            assert (place.parent / target).resolve().relative_to("/site").as_posix() in known, link.target


def test_a_link_to_what_the_site_does_not_hold_becomes_the_path() -> None:
    def relinked(text: str, name: str) -> str:
        return hooks().relinked(text, name, {"runbook.md", "benchmarks/DAILY.md", "images/soak.png"})

    assert relinked("[a day](../../benchmarks/DAILY.md#x)", "docs/adr/1.md") == "[a day](../benchmarks/DAILY.md#x)"
    assert relinked("[run](docs/runbook.md)", "README.md") == "[run](../runbook.md)"
    assert relinked("![s](../docs/images/soak.png)", "benchmarks/DAILY.md") == "![s](../images/soak.png)"
    assert relinked("[daily_run.py](daily_run.py)", "benchmarks/DAILY.md") == "`benchmarks/daily_run.py`"
    assert relinked("[the rule](../ml/theft/contest.py)", "docs/x.md") == "the rule (`ml/theft/contest.py`)"
    assert relinked("[b](nowhere.md) ![c](none.png)", "docs/x.md") == "[b](nowhere.md) ![c](none.png)"
    assert relinked("`[a](b.py)` [c](#d) <https://e.f/g>", "docs/x.md") == "`[a](b.py)` [c](#d) <https://e.f/g>"
    assert hooks().indented("- a\n  - b\n```\n  - c\n```\n") == "- a\n    - b\n```\n  - c\n```\n"


def test_commands_and_targets_that_pages_name_exist() -> None:
    text = "\n".join(code(page.read_text("utf-8")) for page in pages())
    commands = set(re.findall(r"energy-assets (?:--home [^\s`]+ )?([a-z][a-z-]*)", text))
    assert {"why", "accept", "ingest", "doctor"} <= commands <= set(typer.main.get_command(app).commands)
    makefile = (REPOSITORY / "Makefile").read_text("utf-8")
    known = set(re.findall(r"^([a-z0-9-]+):", makefile, re.MULTILINE))
    patterns = tuple(re.findall(r"^([a-z0-9-]+)%:", makefile, re.MULTILINE))
    targets = set(re.findall(r"\bmake ([a-z][a-z0-9-]*)", text))
    assert {"demo", "test", "docs"} <= targets
    assert [target for target in targets - known if not target.startswith(patterns)] == []


@pytest.mark.parametrize("number", range(1, len(ADR) + 1))
def test_decisions_are_numbered_without_a_gap_and_say_what_was_decided_and_what_came_of_it(number: int) -> None:
    page = ADR[number - 1]
    text = page.read_text("utf-8")
    assert page.name.startswith(f"{number:04}-") and text.startswith(f"# {number:04} ")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences", "What was tried"]
    assert page.name in (DOCS / "adr" / "index.md").read_text("utf-8")


@cache
def said() -> list[str]:
    """Every text of the code, with … where a value is put in."""
    texts = []
    for package in ("energy_assets", "ml", "quality_suites"):
        for file in sorted((REPOSITORY / package).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts.append(re.sub("{[a-z]+}", "…", node.value))
                elif isinstance(node, ast.JoinedStr):
                    texts.append("".join(str(p.value) if isinstance(p, ast.Constant) else "…" for p in node.values))
    return texts


def quoted() -> list[str]:
    """The messages of the page: the first cell of each row of its tables."""
    rows = re.findall(r"^\| (`+) ?(.+?) ?\1 \|", TROUBLESHOOTING.read_text("utf-8"), re.MULTILINE)
    return [row.replace("\\|", "|") for _, row in rows]


def test_troubleshooting_quotes_messages_as_the_code_has_them() -> None:
    """Word for word, and with … just where a value stands."""
    assert len(quoted()) > 40
    assert [message for message in quoted() if not any(message in text for text in said())] == []


def test_a_page_of_the_site_that_would_load_something_from_elsewhere_is_found() -> None:
    loads = hooks().LOADED.search
    for tag in (
        "<script src=https://a.b/c.js>",
        '<link rel="stylesheet" href="//a.b/c.css">',
        "<img alt='' src='http://a.b/c.png'>",
    ):
        assert loads(tag), tag
    for tag in (
        '<a href="https://a.b/c">',
        '<link rel="canonical" href="https://a.b/c">',
        '<script src="assets/c.js">',
    ):
        assert not loads(tag), tag


SUMMARY_CASE = re.compile(
    r"^ +(?P<place>\d+|–)  (?P<meter>M\d+)  (?P<transformer>T\d+) +(?P<worth>[\d,]+|–)(?: XAF)?  \[[^]]+\]  (?P<reason>.+)$"
)
LISTED_CASE = re.compile(r"^ *(?P<place>\d+|random) +(?P<meter>M\d+)-\d{8} +(?P<transformer>T\d+) ")


def blocks(page: Path, command: str) -> list[list[str]]:
    """What a page shows below a command, wherever it shows it."""
    fenced = re.findall(r"^```\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [lines[1:] for lines in map(str.splitlines, fenced) if lines and lines[0].startswith(f"$ {command}")]


def cases_of_the_demo() -> dict[str, re.Match[str]]:
    """The list that README shows of `make demo`, by meter."""
    (summary,) = blocks(REPOSITORY / "README.md", "make demo")
    return {found["meter"]: found for line in summary if (found := SUMMARY_CASE.match(line))}


def alike(reason: str, other: str) -> bool:
    """Whether two reasons are one, of which a page may show the beginning."""
    cut, whole = sorted((one.removesuffix("…").rstrip("; ") for one in (reason, other)), key=len)
    return whole.startswith(cut)


@pytest.mark.parametrize("page", ["analyst-guide.md"])
def test_the_list_that_a_page_shows_is_that_of_the_demo(page: str) -> None:
    known = cases_of_the_demo()
    listed = [
        (line, found)
        for block in blocks(DOCS / page, "energy-assets cases")
        for line in block
        if (found := LISTED_CASE.match(line))
    ]
    assert len(listed) > 3
    for line, found in listed:
        case = known[found["meter"]]
        assert (case["place"].replace("–", "random"), case["transformer"]) == (found["place"], found["transformer"]), (
            line
        )
        assert f" {case['worth']} " in line, line
        assert alike(case["reason"], line[line.index(case["reason"][:12]) :]), line


@pytest.mark.parametrize("page", ["analyst-guide.md", "theft-scores.md"])
def test_what_a_page_shows_of_a_meter_is_what_the_demo_says(page: str) -> None:
    known, seen = cases_of_the_demo(), 0
    for block in blocks(DOCS / page, "energy-assets explain"):
        text = "\n".join(block)
        case = known[block[0].split()[0]]
        reason = re.search("^why +(.+)$", text, re.MULTILINE)
        place = re.search("is on the list, at place ([0-9]+)", text)
        assert reason and alike(case["reason"], reason[1]), page
        assert place and place[1] == case["place"], page
        assert f"behind {case['transformer']}" in block[0]
        seen += 1
    assert seen
