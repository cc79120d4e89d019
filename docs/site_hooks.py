"""The documentation as a site: pages that lie outside docs/, and links that hold in the repository and in the site alike.

What belongs here: which files of the repository the site takes in, and turning a path of the one into a path of the other.
What does not: sentences (the pages), their order (mkdocs.yml). mkdocs calls the functions `on_…`; without it the others can be used alone.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = "docs/"
OUTSIDE = ("*.md", "benchmarks/*.md", "benchmarks/*.svg", "notebooks/README.md", "ml/evaluation/PROTOCOL.md")
"""Files outside docs/ that are pages or pictures of the site too."""

LINK = re.compile(
    r"^```.*?^```"
    r"|(?P<ticks>`+)(?:(?!\n\s*\n).)+?(?<!`)(?P=ticks)(?!`)"
    r"|(?P<mark>!?)\[(?P<text>(?:[^\[\]]|\[[^\[\]]*\])*)\]\((?P<target>[^()\s]+)\)",
    re.DOTALL | re.MULTILINE,
)
"""A link or picture; or code, which comes first, so that what looks like a link in it is none."""
NESTED = re.compile(r"^ {2}(?=- |\d+\. )", re.MULTILINE)
LOADED = re.compile(
    r"<(?:script|img|iframe|link(?![^>]*\brel=[\"']?(?:canonical|next|prev|edit)))\b[^>]*?\b(?:src|href)=[\"']?(?:https?:)?//[^\"'> ]+",
    re.IGNORECASE,
)
"""What a browser would fetch from another host; what a link only names it does not fetch."""


def outside() -> dict[str, str]:
    """Paths in the site -> in the repository, of the files that the site takes in from outside docs/."""
    found = sorted(path.relative_to(REPOSITORY).as_posix() for pattern in OUTSIDE for path in REPOSITORY.glob(pattern))
    return {site_path(name): name for name in found}


def site_path(name: str) -> str:
    """Where a file of the repository lies in the site: docs/ at its top, pages of the repository's top in a folder, for two may be called alike.

    A README is a page of its own there, for index.md is the first of a folder.
    """
    if name.startswith(DOCS):
        return name.removeprefix(DOCS)
    return name.replace("README.md", "readme.md") if "/" in name else f"repository/{name.lower()}"


def relinked(markdown: str, name: str, known: Collection[str]) -> str:
    """The page `name` (its path in the repository) with links as the site has them; `known` are the files that the site holds, as paths in it.

    A link to a file that the site does not hold (a module, say) becomes its text and the path; one that leads nowhere is left as it is, for mkdocs to refuse.
    """

    def link(found: re.Match[str]) -> str:
        target = found["target"]
        if target is None or target.startswith("#") or ":" in target:
            return found[0]
        path, hash_, anchor = target.partition("#")
        meant = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
        if site_path(meant) in known:
            there = posixpath.relpath(site_path(meant), posixpath.dirname(site_path(name)) or ".")
            return f"{found['mark']}[{found['text']}]({there}{hash_}{anchor})"
        if not (REPOSITORY / meant).is_file():
            return found[0]
        told = found["text"].replace("`", "")
        return f"`{meant}`" if told in (meant, posixpath.basename(meant)) else f"{found['text']} (`{meant}`)"

    return LINK.sub(link, markdown)


def indented(markdown: str) -> str:
    """Lists within lists as Python's Markdown wants them, by four spaces where others take two; code stays as it is."""
    pieces = re.split(r"(^```.*?^```$)", markdown, flags=re.DOTALL | re.MULTILINE)
    return "".join(piece if number % 2 else NESTED.sub("    ", piece) for number, piece in enumerate(pieces))


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Name headings as code hosts do, so that one link to a section serves both."""
    from pymdownx.slugs import slugify

    toc: dict[str, Any] = config.mdx_configs.setdefault("toc", {})
    toc["slugify"] = slugify(case="lower")
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Take in the files from outside docs/."""
    from mkdocs.structure.files import File

    for there, name in outside().items():
        files.append(File.generated(config, there, abs_src_path=str(REPOSITORY / name)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """A page's text as the site needs it."""
    there = page.file.src_uri
    return indented(relinked(markdown, outside().get(there, DOCS + there), {file.src_uri for file in files}))


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Refuse a page that would load something from elsewhere when it is looked at."""
    from mkdocs.exceptions import PluginError

    if found := LOADED.search(output):
        raise PluginError(f"{page.file.src_uri} loads from elsewhere: {found[0][:200]}")
    return output
