"""Pages of which a part is generated: what stands between two markers is written anew, the sentences around it stay.

What belongs here: replacing that part. What does not: what is written there (landing/document.py, quality_suites/document.py).
"""

from __future__ import annotations

END = "<!-- end: generated -->"


def between_markers(text: str, begin: str, content: str) -> str:
    """`text` with what stands between `begin` and END replaced. Raises ValueError where it has not just one of each."""
    before, rest = text.split(begin)
    _, after = rest.split(END)
    return f"{before}{begin}\n\n{content}\n{END}{after}"
