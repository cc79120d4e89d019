"""Pages of which a part is generated: what stands between two markers is written anew, the sentences around it stay.

What belongs here: replacing that part. What does not: what is written there (landing/document.py, quality_suites/document.py).
"""

from __future__ import annotations

from pathlib import Path

END = "<!-- end: generated -->"


def between_markers(text: str, begin: str, content: str) -> str:
    """`text` with what stands between `begin` and the next END replaced.

    A page may have several such parts, each with its own `begin`. Raises ValueError where there is not just one of it, or no END.
    """
    before, rest = text.split(begin)
    _, after = rest.split(END, 1)
    return f"{before}{begin}\n\n{content}\n{END}{after}"


def rewrite_between(page: Path, begin: str, content: str) -> None:
    """The same, on the page itself."""
    page.write_text(between_markers(page.read_text("utf-8"), begin, content), "utf-8")
