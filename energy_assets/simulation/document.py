"""The generated half of docs/simulation.md: attacks, look-alikes and defects, from the code.

What belongs here: writing them as Markdown. What does not: the sentences around them (the document), the figures beside real meters
(benchmarks/real_meters.py). Run `python -m energy_assets.simulation.document` after a change of either.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from energy_assets.generated import between_markers
from energy_assets.simulation.attacks import ATTACKS, STRANGER_HOOK
from energy_assets.simulation.defects import DefectRates
from energy_assets.simulation.look_alikes import LOOK_ALIKES

DOCUMENT = Path(__file__).parents[2] / "docs" / "simulation.md"
BEGIN = "<!-- begin: generated from energy_assets/simulation -->"


def refreshed(text: str) -> str:
    """`text` with these tables replaced; the page's other generated part stays."""
    return between_markers(text, BEGIN, tables())


def tables() -> str:
    return "\n".join([*_attacks(), "", *_look_alikes(), "", *_defects(), ""])


def _attacks() -> list[str]:
    rows = [
        f"| `{attack.name}` | {attack.summary} | {(attack.reported.__doc__ or '').splitlines()[0]} |"
        for attack in ATTACKS.values()
    ]
    stranger = (
        f"| `{STRANGER_HOOK}` | somebody without a meter, hooked to a transformer's lines | no meter tells of it |"
    )
    return ["| attack | what it is | what is reported (x true, m reported) |", "|---|---|---|", *rows, stranger]


def _look_alikes() -> list[str]:
    rows = [f"| `{one.name}` | {one.summary} | {one.changes} |" for one in LOOK_ALIKES.values()]
    return ["## What only looks like it", "", "| look-alike | what it is | what it changes |", "|---|---|---|", *rows]


def _defects() -> list[str]:
    rates = ", ".join(f"`{field.name}` {field.default:g}" for field in fields(DefectRates))
    return ["## Defects of delivery", "", f"How often each comes, unless asked otherwise: {rates}."]


if __name__ == "__main__":
    DOCUMENT.write_text(refreshed(DOCUMENT.read_text("utf-8")), "utf-8")
