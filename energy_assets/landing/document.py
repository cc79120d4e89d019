"""The generated half of docs/landing-contract.md: each source's columns, from the contract.

What belongs here: writing the contract's tables as Markdown. What does not: the sentences around them (the document).
Run `python -m energy_assets.landing.document` after a change of the contract.
"""

from __future__ import annotations

from pathlib import Path

from energy_assets.generated import between_markers
from energy_assets.landing.contract import SOURCES, Column, Source

DOCUMENT = Path(__file__).parents[2] / "docs" / "landing-contract.md"
BEGIN = "<!-- begin: generated from energy_assets/landing/contract.py -->"


def refreshed(text: str) -> str:
    """`text` with what stands between the markers replaced by the contract's tables."""
    return between_markers(text, BEGIN, tables())


def tables() -> str:
    """One table of columns for each source."""
    return "\n".join(map(_table, SOURCES))


def _table(source: Source) -> str:
    rows = "\n".join(
        f"| `{column.name}` | {_kind(column)} | {_need(column)} | {column.description} |" for column in source.delivered
    )
    derived = ", ".join(f"`{column.name}`" for column in source.columns if column.derived)
    return (
        f"### `{source.name}/` → `raw_data.{source.table}`\n\n{source.description}. One row is about "
        f"{' × '.join(f'`{name}`' for name in source.key)}; {_day(source)}.\n\n"
        f"| column | type | | meaning |\n|---|---|---|---|\n{rows}\n"
        + (f"\nFilled by the reader: {derived}.\n" if derived else "")
    )


def _day(source: Source) -> str:
    return "it is kept whole, not by day" if source.is_records else f"its day is the local day of `{source.instant}`"


def _kind(column: Column) -> str:
    if column.type == "timestamptz":
        return "date-time"
    if column.type in ("text", "date"):
        return column.type
    if column.type == "boolean":
        return "yes or no"
    return "integer" if column.type in ("smallint", "integer", "bigint") else "number"


def _need(column: Column) -> str:
    return "required" if column.required else "optional"


if __name__ == "__main__":
    DOCUMENT.write_text(refreshed(DOCUMENT.read_text("utf-8")), "utf-8")
