"""The pages as files.

What belongs here: which pages there are, and their JSON. What does not: what is on them (one module a page), their parts (parts.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards.grafana.data_quality import data_quality
from dashboards.grafana.infrastructure import infrastructure
from dashboards.grafana.pipeline_health import pipeline_health

FOLDER = Path(__file__).parent / "pages"
PAGES = {"pipeline_health": pipeline_health, "data_quality": data_quality, "infrastructure": infrastructure}


def texts() -> Iterator[tuple[Path, str]]:
    """Each page's file and what it should hold."""
    for name, page in PAGES.items():
        yield FOLDER / f"{name}.json", text_of(page())


def text_of(page: Dashboard) -> str:
    return JSONEncoder(sort_keys=True, indent=2, ensure_ascii=False).encode(page.build()) + "\n"


def write() -> list[Path]:
    """Write every page; the files."""
    written = []
    for path, text in texts():
        path.write_text(text, "utf-8")
        written.append(path)
    return written
