"""Pages of Great Expectations without anything that a browser would fetch from elsewhere, and without scripts.

What belongs here: taking out of a finished page what refers to other hosts, and giving it a style of its own. What does not: making pages
(data_docs.py), the style (data_docs.css).

As Great Expectations writes them, its pages load styles and scripts from six public hosts. Those would learn who looks when, and each of
their scripts could read what the page shows, samples of delivered rows among it; without a network, the pages are bare. Its templates
have no option for that, and its own style is written into each page.
"""

from __future__ import annotations

import re
from pathlib import Path

STYLE = Path(__file__).with_name("data_docs.css")
STYLE_FILE = "static/verdicts.css"
"""Of a site."""
TAKEN_OUT = (
    re.compile(r"<script\b.*?</script>", re.DOTALL | re.IGNORECASE),
    re.compile(r"<style\b.*?</style>", re.DOTALL | re.IGNORECASE),
    re.compile(r"<link\b[^>]*>", re.IGNORECASE),
    re.compile(r"<footer\b.*?</footer>", re.DOTALL | re.IGNORECASE),
    re.compile(r"\s(?:onclick|data-toggle)=\"[^\"]*\""),
)
"""What a page would fetch or run, an invitation to a newsletter, and what only scripts heed."""
LOGO = re.compile(r"<img\b[^>]*>", re.DOTALL | re.IGNORECASE)
EMPTY_TITLES = re.compile(r"<title>\s*</title>")
LINK_TO_SUITE = re.compile(r"<a href=\"[^\"]*expectations/[^\"]*\"\s*>([^<]*)</a>")
"""Suites have no page: docs/quality.md describes them."""
TABLE_OF_SCRIPTS = re.compile(r"<div id=\"[^\"]*toolbar\".*?</table>", re.DOTALL)
"""Where scripts would fill in the index."""


def fingerprint() -> str:
    """Changes with what this makes of a page."""
    return STYLE.read_text("utf-8") + Path(__file__).read_text("utf-8")


def write_style(site: Path) -> None:
    """Put the style where the pages of `site` look for it."""
    target = site / STYLE_FILE
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(STYLE.read_text("utf-8"), "utf-8")


def make_local(page: Path, site: Path, title: str, *, table: str | None = None) -> None:
    """Rewrite `page` of `site`. `title` and `table`, HTML for the place that scripts would fill, are markup already."""
    text = page.read_text("utf-8")
    for pattern in (*TAKEN_OUT, EMPTY_TITLES):
        text = pattern.sub("", text)
    text = re.sub(r"<title>.*?</title>", "", text, flags=re.DOTALL)
    text = LINK_TO_SUITE.sub(r"\1", LOGO.sub(title, text))
    up = "../" * len(page.relative_to(site).parent.parts)
    text = text.replace("</head>", f'<title>{title}</title><link rel="stylesheet" href="{up}{STYLE_FILE}"/></head>', 1)
    if table is not None:
        text = TABLE_OF_SCRIPTS.sub(lambda _: table, text, count=1)
    page.write_text(text, "utf-8")
