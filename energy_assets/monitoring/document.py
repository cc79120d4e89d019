"""The generated half of docs/monitoring.md: all metrics, from their declarations.

What belongs here: writing declarations as Markdown. What does not: the sentences around them (the document).
Run `python -m energy_assets.monitoring.document` after a change of a metric.
"""

from __future__ import annotations

from pathlib import Path

from energy_assets.generated import between_markers
from energy_assets.monitoring import metrics
from energy_assets.monitoring.collector import PARTS
from energy_assets.monitoring.metrics import Metric

DOCUMENT = Path(__file__).parents[2] / "docs" / "monitoring.md"
BEGIN = "<!-- begin: generated from energy_assets/monitoring/metrics.py -->"


def refreshed(text: str) -> str:
    """`text` with what stands between the markers replaced by the table of metrics."""
    return between_markers(text, BEGIN, table())


def table() -> str:
    """One row a metric: those of the exporter itself, then by the part that they are asked for with."""
    own = (metrics.UP, metrics.ERRORS, metrics.DURATION, metrics.AGE)
    rows = [_row("", "", metric) for metric in own]
    for part in PARTS:
        rows += [_row(part.name, ", ".join(part.stores), metric) for metric in part.metrics]
    return "| metric | labels | part | asks | meaning |\n|---|---|---|---|---|\n" + "\n".join(rows) + "\n"


def _row(part: str, stores: str, metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    kind = " (counter)" if metric.kind == "counter" else ""
    return f"| `{metric.full_name}`{kind} | {labels} | {part} | {stores} | {metric.help} |"


if __name__ == "__main__":
    DOCUMENT.write_text(refreshed(DOCUMENT.read_text("utf-8")), "utf-8")
