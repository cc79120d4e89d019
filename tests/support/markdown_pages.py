"""Pages of the documentation as a reader follows them: links, headings, commands; in Markdown, without a site.

What belongs here: finding them in the text. What does not: what should hold of them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PLACES = ("*.md", "docs/**/*.md", "benchmarks/*.md", "notebooks/*.md", "ml/**/*.md")

_FENCED = re.compile(r"^(```|~~~).*?^\1[^\n]*$", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"(?P<ticks>`+)(?:(?!\n\s*\n).)+?(?<!`)(?P=ticks)(?!`)", re.DOTALL)
_LINK = re.compile(r"\]\(\s*<?([^()\s<>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_REFERENCE = re.compile(r"^ {0,3}\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6} +(.+?)(?: +#+)?$", re.MULTILINE)


@dataclass(frozen=True)
class Link:
    page: Path
    target: str

    @property
    def is_outward(self) -> bool:
        """Whether it leads to another site; nobody is asked here whether that answers."""
        return bool(re.match(r"[a-z][a-z+.-]*:", self.target))

    @property
    def file(self) -> Path:
        path = self.target.partition("#")[0]
        return (self.page.parent / path).resolve() if path else self.page

    @property
    def anchor(self) -> str:
        return self.target.partition("#")[2]

    def problem(self) -> str | None:
        """Why it leads nowhere; None where it leads somewhere."""
        if not self.file.is_file():
            return f"there is no file {self.target.partition('#')[0]}"
        if not self.file.is_relative_to(REPOSITORY):
            return f"{self.target} leads out of the repository"
        # A file system that does not tell cases apart would let pass what a code host does not find.
        if self.file.name not in {path.name for path in self.file.parent.iterdir()}:
            return f"{self.target} is written in other letters than the file's name"
        if self.anchor and self.anchor not in anchors(self.file.read_text("utf-8")):
            return f"{self.file.name} has no heading #{self.anchor}"
        return None


def pages() -> list[Path]:
    """Every page that a reader may open."""
    return sorted(path for place in PLACES for path in REPOSITORY.glob(place))


def links(page: Path, text: str | None = None) -> Iterator[Link]:
    """Links and pictures of a page, not those that only code shows."""
    prose = without_code(page.read_text("utf-8") if text is None else text)
    for pattern in (_LINK, _REFERENCE):
        for target in pattern.findall(prose):
            yield Link(page, target)


def without_code(text: str) -> str:
    return _CODE.sub("", _FENCED.sub("", text))


def anchors(text: str) -> set[str]:
    """Names of the headings as code hosts make them: small letters, hyphens for spaces, no punctuation, numbers for those that come again."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in _HEADING.findall(_FENCED.sub("", text)):
        shown = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", shown).strip().lower()).replace(" ", "-")
        found.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return found


def code(text: str) -> str:
    """What a page shows as code, in lines and in blocks."""
    blocks = [found[0] for found in _FENCED.finditer(text)]
    return "\n".join([*blocks, *(found[0] for found in _CODE.finditer(_FENCED.sub("", text)))])
