"""Bring what people changed in Superset back into the files of `dashboards/superset/`.

What belongs here: which file holds what, and what is no more. What does not: the form of a file (dashboards/tidy.py), asking Superset
(dashboards/superset/export.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from energy_assets.dashboards.bundle import SUPERSET, Bundle, Document, read
from energy_assets.dashboards.tidy import dump, tidy
from energy_assets.dashboards.translate import ENGLISH
from energy_assets.home import Home
from energy_assets.operations.dashboards.bring_up import installed, run_script
from energy_assets.operations.errors import OperationError
from energy_assets.settings import settings

EXPORT = SUPERSET / "export.py"
TITLES = {"datasets": "table_name", "charts": "slice_name", "dashboards": "dashboard_title"}


def export(home: Home, directory: Path = SUPERSET) -> list[str]:
    """Write the pages of this home's Superset, with their charts and datasets, over the files below `directory`; what changed, in words.

    Raises OperationError where there is no Superset, or where its pages are in another language than the files.
    """
    if settings().language != ENGLISH:
        raise OperationError(
            "the files are in English, and these pages are not: unset ENERGY_LANGUAGE, `energy-assets dashboards --reset`, "
            "and change them there"
        )
    superset = installed(home)
    with TemporaryDirectory(dir=home.superset, prefix=".export-") as written:
        run_script(superset, EXPORT, {"ENERGY_SUPERSET_EXPORT": written}, what="exported")
        found = _exported(Path(written))
    return _write(_on_pages(found), read(directory), directory)


def _exported(directory: Path) -> dict[str, list[dict[str, Any]]]:
    """Content of each exported file, by folder."""
    return {
        folder: [
            yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted((directory / folder).rglob("*.yaml"))
        ]
        for folder in TITLES
    }


def _on_pages(found: Mapping[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Without what is on no page: charts that somebody tried, and tables that only these read."""
    shown = {
        place["meta"].get("uuid")
        for page in found["dashboards"]
        for place in page["position"].values()
        if isinstance(place, dict) and place.get("type") == "CHART"
    }
    charts = [chart for chart in found["charts"] if chart["uuid"] in shown]
    read_by = {chart["dataset_uuid"] for chart in charts}
    datasets = [dataset for dataset in found["datasets"] if dataset["uuid"] in read_by]
    return {"datasets": datasets, "charts": charts, "dashboards": list(found["dashboards"])}


def _write(found: Mapping[str, list[dict[str, Any]]], held: Bundle, directory: Path) -> list[str]:
    told = []
    for folder, contents in found.items():
        files = held.by_uuid(folder)
        for content in contents:
            known = files.pop(content["uuid"], None)
            path = directory / folder / f"{known.key if known else _file_name(content[TITLES[folder]])}.yaml"
            told += _write_one(path, known, dump(tidy(folder, content)))
        for gone in files.values():
            (directory / folder / f"{gone.key}.yaml").unlink()
            told.append(f"{gone.name} removed: it is on no page any more")
    return told


def _write_one(path: Path, known: Document | None, text: str) -> list[str]:
    if known and known.text == text:
        return []
    path.write_text(text, encoding="utf-8")
    return [f"{path.parent.name}/{path.name} {'changed' if known else 'added'}"]


def _file_name(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")
