"""The one form in which files of `dashboards/superset/` are written: what Superset exports, without what it makes up again by itself.

What belongs here: what of an export is kept, in which order, and how it looks as YAML. What does not: asking Superset for an export
(operations/dashboards/export.py), reading files (bundle.py). A page that nobody changed is exported to the very bytes that it was imported from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from operator import itemgetter
from typing import Any

import yaml

LINE = 150
"""Characters up to which a mapping or list stands on one line."""
_ORDER = {
    "databases": ("database_name", "sqlalchemy_uri"),
    "datasets": ("table_name", "schema", "main_dttm_col", "currency_code_column", "description", "columns", "metrics"),
    "charts": ("slice_name", "description", "viz_type", "dataset_uuid", "params"),
    "dashboards": ("dashboard_title", "slug", "description", "published", "position", "metadata"),
}
_LAST = ("uuid", "database_uuid", "version")
_KEPT = {folder: {*names, *_LAST} for folder, names in _ORDER.items()}
_COLUMN = ("column_name", "type", "is_dttm", "verbose_name", "description", "expression")
_METRIC = ("metric_name", "verbose_name", "expression", "d3format", "description", "currency")
_OF_ONE_SUPERSET = ("datasource", "dashboards", "slice_id", "url_params", "extra_form_data", "annotation_layers")
"""Parameters that say where a chart stands in one installation, or are empty until somebody fills them."""
_METADATA = (
    "color_scheme",
    "cross_filters_enabled",
    "filter_bar_orientation",
    "label_colors",
    "native_filter_configuration",
    "refresh_frequency",
)
_FILTER = (
    "id",
    "type",
    "name",
    "description",
    "filterType",
    "targets",
    "controlValues",
    "defaultDataMask",
    "cascadeParentIds",
    "scope",
)
_PLACE = ("type", "id", "children", "parents", "meta")
_META = ("chartId", "uuid", "width", "height", "sliceName", "text", "code", "background")


def tidy(folder: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """`content` of a file of `folder` in the form in which it is kept; databases are kept whole, for they are not exported."""
    if folder == "databases":
        return dict(content)
    found = _of_kind[folder]({name: deepcopy(value) for name, value in content.items() if name in _KEPT[folder]})
    order = {name: place for place, name in enumerate((*_ORDER[folder], *_LAST))}
    return dict(sorted(found.items(), key=lambda entry: order[entry[0]]))


def dump(content: Mapping[str, Any]) -> str:
    """`content` as YAML: small things on one line, text that is long or has quotes as it comes."""
    node = _Dumper("").represent_data(dict(content))
    for _, value in node.value:
        _laid_out(value)
    return yaml.serialize(node, Dumper=_Dumper, width=10**6, allow_unicode=True)


def _dataset(content: dict[str, Any]) -> dict[str, Any]:
    """Columns and metrics by their names: Superset keeps them in no order."""
    columns = [_column(column) for column in content.get("columns", [])]
    metrics = [_known(metric, _METRIC) for metric in content.get("metrics", [])]
    content["columns"] = sorted(columns, key=itemgetter("column_name"))
    content["metrics"] = sorted(metrics, key=itemgetter("metric_name"))
    return {name: value for name, value in content.items() if value not in (None, "")}


def _column(column: Mapping[str, Any]) -> dict[str, Any]:
    """That a column is no time goes without saying."""
    return {name: value for name, value in _known(column, _COLUMN).items() if value is not False}


def _chart(content: dict[str, Any]) -> dict[str, Any]:
    params = content.get("params") or {}
    content["params"] = {
        name: _plain(params[name])
        for name in sorted(params)
        if name not in _OF_ONE_SUPERSET and params[name] is not None
    }
    for conditions in (name for name in content["params"] if name.startswith("adhoc_filters")):
        content["params"][conditions] = [_condition(one) for one in content["params"][conditions]]
    return content


def _condition(condition: Mapping[str, Any]) -> dict[str, Any]:
    """Without the name that the browser gave it, and what is empty."""
    kept = ("clause", "expressionType", "operator", "subject", "comparator", "sqlExpression")
    return _known(condition, kept)


def _dashboard(content: dict[str, Any]) -> dict[str, Any]:
    """Charts are numbered in the order in which they are read on the page, whatever numbers a Superset gave them."""
    position = content.get("position", {})
    numbers: dict[Any, int] = {}
    for place in _in_reading_order(position):
        meta = place.get("meta", {})
        if place["type"] == "CHART":
            numbers[meta.get("chartId")] = meta["chartId"] = len(numbers) + 1
    content["position"] = {
        key: _known(position[key], _PLACE, {"meta": _META}) if isinstance(position[key], dict) else position[key]
        for key in _reading_order(position)
    }
    metadata = _known(content.get("metadata", {}), _METADATA)
    metadata["native_filter_configuration"] = [
        _filter(entry, numbers) for entry in metadata.get("native_filter_configuration", [])
    ]
    metadata["label_colors"] = dict(sorted(metadata.get("label_colors", {}).items()))
    content["metadata"] = metadata
    return content


def _filter(entry: Mapping[str, Any], numbers: Mapping[Any, int]) -> dict[str, Any]:
    kept = {name: entry[name] for name in _FILTER if name in entry}
    scope = kept["scope"]
    kept["scope"] = {
        "rootPath": scope["rootPath"],
        "excluded": sorted(numbers[number] for number in scope["excluded"] if number in numbers),
    }
    kept["targets"] = [_known(target, ("datasetUuid", "column"), {"column": ("name",)}) for target in kept["targets"]]
    kept["defaultDataMask"] = _known(kept.get("defaultDataMask", {}), ("extraFormData", "filterState"))
    return kept


def _reading_order(position: Mapping[str, Any]) -> Iterator[str]:
    """Keys of a layout: what it is, then places from the top left on."""
    seen = [key for key in ("DASHBOARD_VERSION_KEY", "HEADER_ID") if key in position]
    yield from seen
    below = [place["id"] for place in _in_reading_order(position)]
    yield from below
    yield from sorted(position.keys() - {*seen, *below})


def _in_reading_order(position: Mapping[str, Any], key: str = "ROOT_ID") -> Iterator[Mapping[str, Any]]:
    place = position.get(key)
    if isinstance(place, dict):
        yield place
        for child in place.get("children", []):
            yield from _in_reading_order(position, child)


def _known(
    given: Mapping[str, Any], names: Iterable[str], within: Mapping[str, Iterable[str]] | None = None
) -> dict[str, Any]:
    """What of `given` is named and said, in that order."""
    within = within or {}
    found = {name: given[name] for name in names if given.get(name) is not None and given[name] != ""}
    return {
        name: _known(value, within[name]) if name in within and isinstance(value, dict) else _plain(value)
        for name, value in found.items()
    }


def _plain(value: Any) -> Any:
    """Without what YAML would write as objects, and with keys in one order."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


_of_kind = {"datasets": _dataset, "charts": _chart, "dashboards": _dashboard}


class _Dumper(yaml.SafeDumper):
    """Keeps the order of keys, and writes lists further in than the key that holds them."""

    def __init__(self, stream: Any, **options: Any) -> None:
        super().__init__(stream, **{"sort_keys": False, **options})

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        return super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _laid_out(node: yaml.Node) -> int:
    """Put `node` on one line where it is short enough; its length there."""
    if not isinstance(node, yaml.CollectionNode):
        return len(node.value) + 2
    pairs = node.value if isinstance(node, yaml.MappingNode) else [(None, one) for one in node.value]
    length = 2 + sum((len(name.value) + 2 if name is not None else 0) + _laid_out(one) + 2 for name, one in pairs)
    node.flow_style = length <= LINE
    return length
