"""A page in French says what its English twin says: headings, commands, links, numbers, and the words of dashboards and sheets."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer
import typer.main
from support.parallel_pages import commands, differences, links, numbers, said, sections

from energy_assets.case_sheet.words import CHECKS, TEXTS
from energy_assets.case_words import ALL as OF_COMMANDS
from energy_assets.cli import app
from energy_assets.dashboards.translate import catalogue
from ml.theft.evidence import PIECES
from ml.theft.reasons import WAY_WORDS
from ml.theft.reasons import WORDS as REASONS

REPOSITORY = Path(__file__).parents[2]
GUIDE, GUIDE_IN_FRENCH = "docs/analyst-guide.md", "docs/guide-analyste.fr.md"
TWINS = {"README.md": "README.fr.md", GUIDE: GUIDE_IN_FRENCH}
PAIRS = list(TWINS.items())
PROGRAM = re.compile(r"(?:\.venv/bin/)?energy-assets (?=\w)")
QUOTES_OTHERS = "How far to trust it"
REFUSED = typer.BadParameter.mro()[1]
"""What typer raises for a line that it cannot take: of its errors it shows only one by name."""


def text(name: str) -> str:
    return (REPOSITORY / name).read_text("utf-8")


def unlike(page: str, english: str | None = None, french: str | None = None) -> list[str]:
    twin = TWINS[page]
    return differences(english or text(page), french or text(twin), page=page, twin=twin, twins=TWINS)


@pytest.mark.parametrize("page", TWINS)
def test_both_pages_have_the_same_headings_commands_links_and_numbers(page: str) -> None:
    found = unlike(page)
    assert not found, "\n".join(found)


@pytest.mark.parametrize(("page", "twin"), PAIRS)
def test_each_page_names_the_other_below_its_title(page: str, twin: str) -> None:
    for one, other in ((page, twin), (twin, page)):
        lines = text(one).splitlines()
        assert lines[0].startswith("# ") and links(lines[2]) == [Path(other).name]


@pytest.mark.parametrize(
    ("page", "before", "after"),
    [
        ("README.md", "## Commands\n", ""),
        ("README.md", "## What you see\n", "### What you see\n"),
        ("README.md", "make test  ", "make tests  "),
        ("README.md", "(docs/theft-scores.md)", "(docs/theft-cases.md)"),
        ("README.md", "`ENERGY_PROFILE`", "`ENERGY_CONTEXT`"),
        ("README.md", "10,000 and 100,000", "10,000 and 200,000"),
        ("README.md", "608,467 rows", "608,468 rows"),
        ("README.md", "| `alert-test` |", "| `alert-test`, `new-command` |"),
        ("README.md", "about 0.9 GB", "about 1.1 GB"),
        (GUIDE, "## What never to do\n", ""),
        (GUIDE, "energy-assets performance", "energy-assets cases"),
        (GUIDE, "25% of the visits", "26% of the visits"),
        (GUIDE, "| step 7 |", "| step 8 |"),
        (GUIDE, "rests for 90 days", "rests for 60 days"),
        (GUIDE, "(validation-rules.md)", "(quality.md)"),
    ],
)
def test_a_page_that_changes_alone_is_found(page: str, before: str, after: str) -> None:
    changed = text(page).replace(before, after, 1)
    if changed == text(page):
        pytest.fail(f"{page} no longer holds “{before}”: choose another text of it")
    assert unlike(page, english=changed)


@pytest.mark.parametrize(
    ("page", "before", "after"),
    [
        ("README.md", "## Commandes\n", ""),
        ("README.md", "make test  ", "make tests  "),
        ("README.md", "(docs/security.md)", "(docs/quality.md)"),
        ("README.md", "0,9 Go", "0,8 Go"),
        ("README.md", "10\u202f000 et 100\u202f000", "10\u202f000 et 200\u202f000"),
        ("README.md", "`ENERGY_LANGUAGE=fr`", "`ENERGY_LANGUAGE=en`"),
        (GUIDE, "51,4 fraudes", "51,5 fraudes"),
        (GUIDE, "(campaigns.md)", "(dashboards.md)"),
        (GUIDE, "energy-assets performance --language fr", "energy-assets performance --weeks 4 --language fr"),
    ],
)
def test_a_french_page_that_changes_alone_is_found(page: str, before: str, after: str) -> None:
    changed = text(TWINS[page]).replace(before, after, 1)
    if changed == text(TWINS[page]):
        pytest.fail(f"{TWINS[page]} no longer holds “{before}”: choose another text of it")
    assert unlike(page, french=changed)


def test_numbers_are_the_same_in_either_language() -> None:
    assert numbers("1,234.5 kWh of 10,000, −64 % since 2024-02-09", "en") == numbers(
        "1\u202f234,5 kWh sur 10\u00a0000, −64 % depuis 2024-02-09", "fr"
    )
    assert numbers("-1.5", "en") != numbers("1,5", "fr")


def in_french(english: str) -> set[str]:
    """What pages, sheets and commands say for it."""
    tables = (TEXTS, CHECKS, *OF_COMMANDS.values())
    words = {french for known in tables for said_so, french in known.values() if said_so == english}
    found = catalogue("fr").get(english)
    return words | ({found} if found else set())


OTHER_WORDS = re.compile(r"\b(multiplicateur|crochet|poste)s?\b|\bwhy JOUR\b", re.IGNORECASE)
"""What the field says as well, and nothing of ours: docs/glossary.md names the words that are used instead."""


def french_texts() -> list[str]:
    told = [
        french for table in (TEXTS, CHECKS, REASONS, WAY_WORDS, *OF_COMMANDS.values()) for _, french in table.values()
    ]
    return [*told, *(piece.in_french for piece in PIECES), *catalogue("fr").values(), *map(text, TWINS.values())]


def test_one_thing_has_one_word_in_french() -> None:
    assert OTHER_WORDS.search("un autre poste") and OTHER_WORDS.search("energy-assets why JOUR")
    assert [said_so for said_so in french_texts() if OTHER_WORDS.search(said_so)] == []


@pytest.mark.parametrize("page", [GUIDE])
def test_words_in_italics_are_those_of_pages_and_sheets_in_either_language(page: str) -> None:
    for here, there in zip(sections(text(page)), sections(text(TWINS[page])), strict=True):
        ours, theirs = said(here.prose), said(there.prose)
        unknown = [words for words in ours if not in_french(words)]
        assert unknown == [], f"{here.title}: on no page and no sheet"
        for words in ours:
            meant = in_french(words) & set(theirs)
            assert meant, f"{there.title}: “{words}” is {in_french(words)} there"
            theirs.remove(meant.pop())
        assert theirs == [], f"{there.title}: in italics in French alone"


def shown_commands(name: str) -> list[str]:
    found = [line for section in sections(text(name)) for block in section.blocks for line in commands(block)]
    return [line for line in found if PROGRAM.match(line)]


@pytest.mark.parametrize("name", [name for pair in PAIRS for name in pair])
def test_every_command_that_is_shown_exists_with_its_options(name: str) -> None:
    shown = shown_commands(name)
    assert shown
    for line in shown:
        refused = problem(PROGRAM.sub("", line, count=1))
        assert refused is None, f"{line}: {refused}"


def test_a_command_that_does_not_exist_would_be_found() -> None:
    assert problem("cases --top 5") is None
    assert (
        problem("case adopt M000001") and problem("cases --best 5") and problem("case visit M000001 --outcome stolen")
    )


def problem(line: str) -> str | None:
    """Why the command line refuses it; None where it would run it."""
    command, arguments = typer.main.get_command(app), shlex.split(line)
    while hasattr(command, "commands"):
        if not arguments or arguments[0] not in command.commands:
            return "there is no such command"
        command = command.commands[arguments.pop(0)]
    try:
        command.make_context(command.name, arguments)
    except REFUSED as error:
        return error.format_message()
    return None


def test_what_the_guide_quotes_stands_where_it_leads() -> None:
    section = next(section for section in sections(text(GUIDE)) if section.title == QUOTES_OTHERS)
    rows = [row for row in section.rows if links(row[-1])]
    assert len(rows) > 3
    for _, quoted, source in rows:
        (target,) = links(source)
        page = (REPOSITORY / "docs" / target.partition("#")[0]).read_text("utf-8")
        missing = set(numbers(quoted, "en")) - set(numbers(page, "en"))
        assert not missing, f"{target} does not say {sorted(missing)}"
