"""Whether the pages of `dashboards/superset/` fit each other and the tables that `clickhouse_ddl/` declares, without Superset.

What belongs here: the checks, each with a message that names file and remedy. What does not: reading the files (bundle.py),
what a browser sees (tests/e2e/). Run `python -m energy_assets.dashboards.validate`.

Superset itself imports a chart whose column is gone, draws an error in its place, and drops a filter on a column that a chart's
table lacks without a word: all of this is said here, before anybody opens a page.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any
from uuid import UUID

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from energy_assets.dashboards.bundle import Bundle, BundleError, Document, filters, places, read, targets
from energy_assets.resources.serving_ddl import DATABASE, DeclaredTable, column_type, scripts, tables_of

COLUMN_KEYS = (
    "x_axis",
    "groupby",
    "groupby_b",
    "columns",
    "column",
    "all_columns",
    "series_columns",
    "series",
    "entity",
    "granularity_sqla",
)
METRIC_KEYS = (
    "metric",
    "metrics",
    "metrics_b",
    "secondary_metric",
    "percent_metrics",
    "timeseries_limit_metric",
    "size",
    "x",
    "y",
)
ORDER_KEY = "order_by_cols"
EITHER_KEYS = ("x_axis_sort", "sort_by", ORDER_KEY)
"""Keys of a chart's params that name columns, metrics, or either."""

GRID_COLUMNS = 12
_FILTER_TYPES = {"filter_time", "filter_select", "filter_range", "filter_timegrain"}
_PERIOD_FILTER = "TEMPORAL_RANGE"


def problems(bundle: Bundle, tables: Mapping[str, DeclaredTable]) -> list[str]:
    """What does not fit, one sentence each; empty where all does. `tables` are those of ClickHouse, by name."""
    return [
        *_identities(bundle),
        *(line for database in bundle.databases for line in _database(database)),
        *(line for dataset in bundle.datasets for line in _dataset(dataset, bundle, tables)),
        *(line for chart in bundle.charts for line in _chart(chart, bundle)),
        *(line for dashboard in bundle.dashboards for line in _dashboard(dashboard, bundle)),
        *_unused(bundle),
    ]


# Identities


def _identities(bundle: Bundle) -> Iterator[str]:
    """UUIDs are what an import recognises things by; slugs are addresses."""
    for document in bundle.documents:
        if not _is_uuid(document.uuid):
            yield f"{document.name}: uuid {document.uuid!r} is none: give it one of its own (python -m uuid)"
    for what, key in (("uuid", "uuid"), ("slug", "slug"), ("table_name", "table_name"), ("slice_name", "slice_name")):
        for value, names in _shared(bundle, key).items():
            yield f"{' and '.join(names)} share the {what} {value}: each needs its own"
    for dashboard in bundle.dashboards:
        if not dashboard.content.get("slug"):
            yield f"{dashboard.name} has no slug: it is the page's address, e.g. {dashboard.key.replace('_', '-')}"


def _shared(bundle: Bundle, key: str) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for document in bundle.documents:
        if value := document.content.get(key):
            names.setdefault(str(value), []).append(document.name)
    return {value: found for value, found in names.items() if len(found) > 1}


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _unused(bundle: Bundle) -> Iterator[str]:
    shown = {place["meta"].get("uuid") for dashboard in bundle.dashboards for place in places(dashboard)}
    for chart in bundle.charts:
        if chart.uuid not in shown:
            yield f"{chart.name} is on no dashboard: place it, or remove the file"
    used = {chart.content.get("dataset_uuid") for chart in bundle.charts}
    for dataset in bundle.datasets:
        if dataset.uuid not in used:
            yield f"{dataset.name} is read by no chart: remove the file"


# Databases and datasets


def _database(database: Document) -> Iterator[str]:
    uri = str(database.content.get("sqlalchemy_uri", ""))
    if "@" not in uri or ":" in uri.partition("://")[2].partition("@")[0]:
        yield (
            f"{database.name}: sqlalchemy_uri must name a user and no password, as clickhousedb://bi@localhost/{DATABASE}: "
            "address and password are put in at import"
        )
    for right in ("allow_dml", "allow_ctas", "allow_cvas", "allow_csv_upload"):
        if database.content.get(right) is not False:
            yield f"{database.name}: set {right}: false; dashboards only read"


def _dataset(dataset: Document, bundle: Bundle, tables: Mapping[str, DeclaredTable]) -> Iterator[str]:
    content = dataset.content
    yield from _reference(dataset, "database_uuid", bundle.by_uuid("databases"), "databases")
    if content.get("sql"):
        yield f"{dataset.name}: sql is not checked here and hides what it reads: make it a table in clickhouse_ddl/"
    if content.get("schema") != DATABASE:
        yield f"{dataset.name}: schema is {content.get('schema')!r}: write schema: {DATABASE}"
    table = tables.get(str(content.get("table_name")))
    if table is None:
        yield f"{dataset.name}: table {content.get('table_name')} is not in clickhouse_ddl/{_closest(content.get('table_name'), tables)}"
        return
    yield from _columns(dataset, table)
    for kind, name_key in (("columns", "column_name"), ("metrics", "metric_name")):
        for name, count in Counter(entry[name_key] for entry in content.get(kind, [])).items():
            if count > 1:
                yield f"{dataset.name}: {name} is among its {kind} {count} times: keep one"
    stored = {column.name for column in table.columns}
    for entry in (*_calculated(dataset), *content.get("metrics", [])):
        yield from _expression(dataset, entry, stored | {column["column_name"] for column in _calculated(dataset)})


def _columns(dataset: Document, table: DeclaredTable) -> Iterator[str]:
    declared = {column.name: column for column in table.columns}
    for column in dataset.content.get("columns", []):
        name = column["column_name"]
        if column.get("expression"):
            if name in declared:
                yield f"{dataset.name}: {name} is a column of {DATABASE}.{table.name}: give the calculated one another name"
            continue
        if name not in declared:
            yield (
                f"{dataset.name}: {DATABASE}.{table.name} has no column {name} (clickhouse_ddl/)"
                f"{_closest(name, declared)}"
            )
        elif column_type(str(column.get("type"))) != column_type(declared[name].type):
            yield f"{dataset.name}: column {name} is of type {declared[name].type}, not {column.get('type')}: write that"
    main = dataset.content.get("main_dttm_col")
    if main not in _times(dataset):
        yield (
            f"{dataset.name}: main_dttm_col {main!r} is no column with is_dttm: true{_closest(main, _times(dataset))}"
        )


def _expression(dataset: Document, entry: Mapping[str, Any], known: set[str]) -> Iterator[str]:
    """SQL of a metric or of a calculated column: its columns exist."""
    name = entry.get("metric_name") or entry.get("column_name")
    try:
        tree = sqlglot.parse_one(f"SELECT {entry['expression']}", dialect="clickhouse")
    except SqlglotError as error:
        yield f"{dataset.name}: the expression of {name} cannot be read as ClickHouse's SQL: {str(error).splitlines()[0]}"
        return
    for column in sorted({column.name for column in tree.find_all(exp.Column)}):
        if column not in known:
            yield f"{dataset.name}: the expression of {name} reads {column}, which the table has not{_closest(column, known)}"


# Charts


def _chart(chart: Document, bundle: Bundle) -> Iterator[str]:
    yield from _reference(chart, "dataset_uuid", bundle.by_uuid("datasets"), "datasets")
    params = chart.content.get("params") or {}
    if params.get("viz_type") != chart.content.get("viz_type"):
        yield f"{chart.name}: viz_type differs from that of its params: write the same twice"
    dataset = bundle.by_uuid("datasets").get(str(chart.content.get("dataset_uuid")))
    if dataset is None:
        return
    columns, metrics = _names(dataset, "columns"), _names(dataset, "metrics")
    named = 0
    for key, known, kind in (
        *((key, columns, "column") for key in COLUMN_KEYS),
        *((key, metrics, "metric") for key in METRIC_KEYS),
        *((key, columns | metrics, "column or metric") for key in EITHER_KEYS),
    ):
        for name in map(_ordered_by, _listed(params.get(key))) if key == ORDER_KEY else _listed(params.get(key)):
            named += 1
            if not isinstance(name, str):
                yield (
                    f"{chart.name}: {key} holds SQL of its own: make it a {kind} of {dataset.name} and name that, "
                    "so that it is written and checked once"
                )
            elif name not in known:
                yield f"{chart.name}: {key} names {name}, which is no {kind} of {dataset.name}{_closest(name, known)}"
    if not named:
        yield f"{chart.name} names neither a column nor a metric: it would draw nothing"
    yield from _conditions(chart, dataset, columns)


def _conditions(chart: Document, dataset: Document, columns: set[str]) -> Iterator[str]:
    periods = []
    for condition in chart.content["params"].get("adhoc_filters", []):
        if condition.get("expressionType") != "SIMPLE":
            yield f"{chart.name}: a filter holds SQL of its own: make it a column of {dataset.name} and filter by that"
        elif (subject := condition.get("subject")) not in columns:
            yield f"{chart.name}: a filter names {subject}, which is no column of {dataset.name}{_closest(subject, columns)}"
        elif condition.get("operator") == _PERIOD_FILTER:
            periods.append(subject)
    if not any(period in _times(dataset) for period in periods):
        yield (
            f"{chart.name}: without a {_PERIOD_FILTER} filter on a time column a dashboard's period does not reach it"
            f"{_remedy(sorted(_times(dataset)))}"
        )


# Dashboards


def _dashboard(dashboard: Document, bundle: Bundle) -> Iterator[str]:
    charts = bundle.by_uuid("charts")
    for place in places(dashboard):
        if str(place["meta"].get("uuid")) not in charts:
            yield (
                f"{dashboard.name}: {place['id']} shows chart {place['meta'].get('uuid')}, which no file of charts/ is: "
                "write that file's uuid"
            )
    for chart_id, count in Counter(place["meta"].get("chartId") for place in places(dashboard)).items():
        if count > 1 or not isinstance(chart_id, int):
            yield f"{dashboard.name}: {count} charts have the chartId {chart_id}: number them, each differently"
    yield from _layout(dashboard)
    for entry in filters(dashboard):
        yield from _filter(dashboard, entry, bundle)


def _layout(dashboard: Document) -> Iterator[str]:
    position = {key: entry for key, entry in dashboard.content.get("position", {}).items() if isinstance(entry, dict)}
    children = [child for entry in position.values() for child in entry.get("children", [])]
    for child in children:
        if child not in position:
            yield f"{dashboard.name}: position names {child}, which is not in it{_closest(child, position)}"
    for key, entry in position.items():
        if entry.get("id") != key:
            yield f"{dashboard.name}: position {key} calls itself {entry.get('id')}: write id: {key}"
        if key not in ("ROOT_ID", "HEADER_ID") and key not in children:
            yield f"{dashboard.name}: {key} stands nowhere in the layout: name it among the children of a row"
        width = (
            sum(position[child]["meta"].get("width", 0) for child in entry.get("children", []) if child in position)
            if (entry.get("type") == "ROW")
            else 0
        )
        if width > GRID_COLUMNS:
            yield f"{dashboard.name}: {key} is {width} columns wide, and the page {GRID_COLUMNS}: make its charts narrower"


def _filter(dashboard: Document, entry: Mapping[str, Any], bundle: Bundle) -> Iterator[str]:
    name, datasets, charts = entry.get("name"), bundle.by_uuid("datasets"), bundle.by_uuid("charts")
    if entry.get("filterType") not in _FILTER_TYPES:
        yield f"{dashboard.name}: filter {name} is of the unknown type {entry.get('filterType')}{_closest(entry.get('filterType'), _FILTER_TYPES)}"
    numbers = {place["meta"].get("chartId"): place for place in places(dashboard)}
    excluded = set(entry.get("scope", {}).get("excluded", []))
    for number in sorted(excluded - set(numbers)):
        yield f"{dashboard.name}: filter {name} leaves out chartId {number}, which no chart of the page has: correct it"
    if entry.get("filterType") == "filter_select" and not targets(entry):
        yield f"{dashboard.name}: filter {name} has no target: give it a datasetUuid and a column"
    for target in targets(entry):
        column, dataset = target.get("column", {}).get("name"), datasets.get(target["datasetUuid"])
        if dataset is None:
            yield f"{dashboard.name}: filter {name} takes values of dataset {target['datasetUuid']}, which no file of datasets/ is"
            continue
        if column not in _names(dataset, "columns"):
            yield (
                f"{dashboard.name}: filter {name} takes values of {column}, which is no column of {dataset.name}"
                f"{_closest(column, _names(dataset, 'columns'))}"
            )
        for number, place in numbers.items():
            chart = charts.get(str(place["meta"].get("uuid")))
            read = chart and datasets.get(str(chart.content.get("dataset_uuid")))
            if number not in excluded and chart and read and column not in _names(read, "columns"):
                yield (
                    f"{dashboard.name}: filter {name} does not reach {chart.name}, whose table has no {column}, and the page "
                    f"does not say so: add chartId {number} to the filter's scope, excluded"
                )


# Words


def _reference(document: Document, key: str, known: Mapping[str, Document], folder: str) -> Iterator[str]:
    if str(document.content.get(key)) not in known:
        yield f"{document.name}: {key} {document.content.get(key)} is of no file of {folder}/{_remedy(sorted(known))}"


def _names(dataset: Document, kind: str) -> set[str]:
    return {entry["column_name" if kind == "columns" else "metric_name"] for entry in dataset.content.get(kind, [])}


def _times(dataset: Document) -> set[str]:
    return {column["column_name"] for column in dataset.content.get("columns", []) if column.get("is_dttm")}


def _calculated(dataset: Document) -> list[Mapping[str, Any]]:
    return [column for column in dataset.content.get("columns", []) if column.get("expression")]


def _ordered_by(order: str) -> str:
    """The name in `["name", is_ascending]`, which Superset keeps as a text; what is none comes back as it is."""
    try:
        return json.loads(order)[0]
    except (ValueError, LookupError, TypeError):
        return order


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value in (None, "") else [value]


def _closest(name: object, known: Any) -> str:
    """The remedy: the names that could have been meant, all of them where none resembles."""
    return _remedy(get_close_matches(str(name), sorted(known), n=3) or sorted(known))


def _remedy(names: list[str]) -> str:
    return f": write {' or '.join(names)}" if names else ""


def main() -> int:
    try:
        bundle = read()
    except BundleError as error:
        print(error)  # noqa: T201
        return 1
    found = problems(bundle, tables_of(scripts()))
    for line in found or [f"{len(bundle.documents)} files fit each other and clickhouse_ddl/"]:
        print(line)  # noqa: T201
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
