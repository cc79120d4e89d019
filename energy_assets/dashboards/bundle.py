"""The files of `dashboards/superset/`, in Superset's own export format, and who refers to whom.

What belongs here: reading them and following their references. What does not: judging them (validate.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
SUPERSET = REPOSITORY / "dashboards" / "superset"
FOLDERS = ("databases", "datasets", "charts", "dashboards")

# libyaml's parser where it is there: every load of the code location reads these files.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class BundleError(Exception):
    """A file that is no YAML, or no mapping; the message names file, line and remedy."""


@dataclass(frozen=True)
class Document:
    """One file. `name` is what it is called in messages, `key` its file name without the ending."""

    name: str
    key: str
    folder: str
    text: str
    content: Mapping[str, Any]

    @property
    def uuid(self) -> str:
        return str(self.content.get("uuid", ""))


@dataclass(frozen=True)
class Bundle:
    """All files, in the order of their names."""

    documents: tuple[Document, ...]

    @property
    def databases(self) -> list[Document]:
        return self._of("databases")

    @property
    def datasets(self) -> list[Document]:
        return self._of("datasets")

    @property
    def charts(self) -> list[Document]:
        return self._of("charts")

    @property
    def dashboards(self) -> list[Document]:
        return self._of("dashboards")

    def by_uuid(self, folder: str) -> dict[str, Document]:
        return {document.uuid: document for document in self._of(folder)}

    def tables_of(self, dashboard: Document) -> list[str]:
        """The tables that a dashboard's charts and filters read, by name."""
        charts, datasets = self.by_uuid("charts"), self.by_uuid("datasets")
        shown = [charts[uuid] for uuid in (place["meta"].get("uuid") for place in places(dashboard)) if uuid in charts]
        read = {str(chart.content.get("dataset_uuid")) for chart in shown}
        read |= {target["datasetUuid"] for entry in filters(dashboard) for target in targets(entry)}
        return sorted(datasets[uuid].content["table_name"] for uuid in read if uuid in datasets)

    def _of(self, folder: str) -> list[Document]:
        return [document for document in self.documents if document.folder == folder]


def read(directory: Path = SUPERSET) -> Bundle:
    """Every YAML file below `directory`. Raises BundleError."""
    paths = (path for folder in FOLDERS for path in sorted((directory / folder).glob("*.yaml")))
    return Bundle(tuple(_read(path) for path in paths))


def places(dashboard: Document) -> Iterator[Mapping[str, Any]]:
    """The entries of a dashboard's layout that hold a chart."""
    for entry in dashboard.content.get("position", {}).values():
        if isinstance(entry, dict) and entry.get("type") == "CHART":
            yield entry


def filters(dashboard: Document) -> list[Mapping[str, Any]]:
    """The dashboard's native filters."""
    return list(dashboard.content.get("metadata", {}).get("native_filter_configuration", []))


def targets(native_filter: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What a native filter takes its values from: nothing for a period."""
    return [target for target in native_filter.get("targets", []) if target.get("datasetUuid")]


def _read(path: Path) -> Document:
    name = str(path.relative_to(REPOSITORY)) if path.is_relative_to(REPOSITORY) else f"{path.parent.name}/{path.name}"
    text = path.read_text(encoding="utf-8")
    try:
        content = yaml.load(text, _LOADER)  # noqa: S506 (a safe loader, whichever of the two)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise BundleError(f"{name}{where}: {error.problem}: correct the YAML there") from error
    if not isinstance(content, dict):
        raise BundleError(f"{name} holds no mapping: write `key: value` lines as in the files beside it")
    return Document(name, path.stem, path.parent.name, text, content)
