"""Pages in two languages: what both must have alike, though every sentence differs.

What belongs here: taking a page apart into sections and comparing two of them. What does not: which pages are pairs, and the words that both must use
(the test).
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Language = Literal["en", "fr"]

NO_BREAK = "[\u00a0\u202f]"
_HEADING = re.compile(r"^(#{1,6}) +(.+)$")
_CODE = re.compile(r"(?P<ticks>`+)(.+?)(?P=ticks)")
_LINK = re.compile(r"\]\(([^()\s]+)\)")
_SAID = re.compile(r"(?<![*\w])\*([^*\n]+)\*(?!\*)")
_CELL = re.compile(r"(?<!\\)\|")
_NUMBER = re.compile(r"(?:(?<![\w.,-])[-−])?\d+(?:\.\d+)*")
_QUOTED = re.compile(r'"[^"]*"')
_COMMENT = re.compile(r"\s+# .*$")
IN_FRENCH = re.compile(r" --language fr\b")
PROMPT = "$ "


@dataclass(frozen=True)
class Section:
    """What stands from a heading to the next one. `blocks` are its fenced blocks, without their fences."""

    level: int
    title: str
    lines: tuple[str, ...]
    blocks: tuple[tuple[str, ...], ...]

    @property
    def prose(self) -> str:
        return "\n".join(self.lines)

    @property
    def sentences(self) -> str:
        """What stands in no table."""
        return "\n".join(line for line in self.lines if not line.startswith("|"))

    @property
    def rows(self) -> list[list[str]]:
        """Cells of every line of its tables."""
        return [_CELL.split(line.strip().strip("|")) for line in self.lines if line.startswith("|")]


def sections(text: str) -> list[Section]:
    """A page by its headings; what stands before the first is left out, for nothing does."""
    found: list[Section] = []
    level, title, lines, blocks, block = 0, "", [], [], None
    for line in [*text.splitlines(), "# "]:
        if line.startswith("```"):
            if block is None:
                block = []
            else:
                blocks.append(tuple(block))
                block = None
        elif block is not None:
            block.append(line)
        elif line == "# " or _HEADING.match(line):
            if level:
                found.append(Section(level, title, tuple(lines), tuple(blocks)))
            heading = _HEADING.match(line)
            level, title, lines, blocks = (len(heading[1]), heading[2], [], []) if heading else (0, "", [], [])
        else:
            lines.append(line)
    return found


def commands(block: Sequence[str]) -> list[str]:
    """The commands of a block: its lines that begin with a prompt, all where none does; without comments."""
    asked = [line.removeprefix(PROMPT) for line in block if line.startswith(PROMPT)]
    return [_COMMENT.sub("", line).rstrip() for line in asked or block if line.strip()]


def numbers(text: str, language: Language) -> list[str]:
    """Numbers of a text in one form, whichever language wrote them, sorted: 1,234.5 and 1 234,5 are one; a minus counts."""
    if language == "fr":
        text = re.sub(rf"(?<=\d){NO_BREAK}(?=\d{{3}}(?!\d))", "", text)
        text = re.sub(r"(?<=\d),(?=\d)", ".", text)
    else:
        text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)
    return sorted(number.replace("−", "-") for number in _NUMBER.findall(text))


def code(text: str) -> list[str]:
    """What stands as code within sentences."""
    return [found[1] for found in _CODE.findall(text)]


def links(text: str) -> list[str]:
    return _LINK.findall(_CODE.sub("", text))


def said(text: str) -> list[str]:
    """Words in italics: those of pages and sheets."""
    return [re.sub(NO_BREAK, " ", words) for words in _SAID.findall(_CODE.sub("", text))]


def differences(english: str, french: str, *, page: str, twin: str, twins: Mapping[str, str]) -> list[str]:
    """Where two pages are not alike, in words. `page` and `twin` are their paths in the repository; `twins` says of each English page which is the French one.

    The line by which each names the other is left out.
    """
    ours, theirs = sections(_without(english, twin)), sections(_without(french, page))
    levels = [[section.level for section in side] for side in (ours, theirs)]
    if levels[0] != levels[1]:
        return [f"headings: {len(ours)} and {len(theirs)}, " + _first_difference(ours, theirs)]
    folder, places = posixpath.dirname(page), {}
    for one, other in twins.items():
        places[posixpath.relpath(one, folder or ".")] = posixpath.relpath(other, posixpath.dirname(twin) or ".")
    return [
        f"{here.title} / {there.title}: {what}"
        for here, there in zip(ours, theirs, strict=True)
        for what in _of_section(here, there, places)
    ]


def _without(text: str, other: str) -> str:
    """The text without the line that names its twin, which stands below the first heading."""
    lines = text.splitlines()
    return "\n".join(
        line for number, line in enumerate(lines) if number != 2 or f"]({posixpath.basename(other)})" not in line
    )


def _first_difference(ours: Sequence[Section], theirs: Sequence[Section]) -> str:
    for here, there in zip(ours, theirs, strict=False):
        if here.level != there.level:
            return f"from “{here.title}” and “{there.title}” on"
    longer = max(ours, theirs, key=len)
    return f"from “{longer[min(len(ours), len(theirs))].title}” on"


def _of_section(here: Section, there: Section, places: Mapping[str, str]) -> list[str]:
    found = _of_blocks(here.blocks, there.blocks) + _of_sentences("", here.sentences, there.sentences, places)
    if [len(row) for row in here.rows] != [len(row) for row in there.rows]:
        return [*found, f"tables of {len(here.rows)} and {len(there.rows)} lines, or of other columns"]
    return found + [
        difference
        for ours, theirs in zip(here.rows, there.rows, strict=True)
        for one, other in zip(ours, theirs, strict=True)
        for difference in _of_sentences(f" of the cell “{one.strip()}”", one, other, places)
    ]


def _of_sentences(whose: str, ours: str, theirs: str, places: Mapping[str, str]) -> list[str]:
    found = _unlike(f"links{whose}", [places.get(target, target) for target in links(ours)], links(theirs))
    found += _unlike(f"code{whose}", [_neutral(span) for span in code(ours)], [_neutral(span) for span in code(theirs)])
    return found + _unlike(f"numbers{whose}", numbers(_plain(ours), "en"), numbers(_plain(theirs), "fr"))


def _of_blocks(ours: Sequence[Sequence[str]], theirs: Sequence[Sequence[str]]) -> list[str]:
    if len(ours) != len(theirs):
        return [f"{len(ours)} and {len(theirs)} blocks of code"]
    found = []
    for here, there in zip(ours, theirs, strict=True):
        asked = [[_neutral(line) for line in commands(block)] for block in (here, there)]
        if asked[0] != asked[1]:
            found.append(f"commands: {asked[0]} in English, {asked[1]} in French")
        if list(here) != list(there) and any(line.startswith(PROMPT) for line in here):
            told = [[line for line in block if not line.startswith(PROMPT)] for block in (here, there)]
            if len(told[0]) != len(told[1]):
                found.append(f"{len(told[0])} and {len(told[1])} lines of output")
            for one, other in zip(*told, strict=False):
                found += _unlike(f"output “{one.strip()}”", numbers(one, "en"), numbers(other, "fr"))
    return found


def _plain(text: str) -> str:
    """The sentences alone."""
    return _LINK.sub("]", _CODE.sub("", text))


def _neutral(text: str) -> str:
    """A command that asks for French, or that quotes somebody's words, as the same in either language."""
    return _QUOTED.sub('""', IN_FRENCH.sub("", text))


def _unlike(what: str, ours: Sequence[str], theirs: Sequence[str]) -> list[str]:
    """Order is not asked for: sentences have their own."""
    ours_alone, theirs_alone = Counter(ours) - Counter(theirs), Counter(theirs) - Counter(ours)
    if not ours_alone and not theirs_alone:
        return []
    return [f"{what}: English alone {sorted(ours_alone.elements())}, French alone {sorted(theirs_alone.elements())}"]
