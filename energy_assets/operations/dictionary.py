"""docs/05-data-dictionary.md: every table, what one row of it is, who writes it, and what each column holds.

What belongs here: gathering this from where it is declared (landing contract, `postgres_ddl/`, dbt's manifest,
`clickhouse_ddl/`, the assets) and writing it as Markdown. What does not: descriptions, but of the few things that no
declaration says. Run `python -m energy_assets.operations.dictionary` after a change of any of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from energy_assets.assets.daily import columns_of
from energy_assets.assets.models import PROJECT
from energy_assets.assets.serving import SERVED
from energy_assets.keys import GATED, INTERMEDIATE, MARTS, ML, QUALITY, RAW, REFERENCE, SERVING, STAGING, VIEWS
from energy_assets.landing.contract import SOURCES, Source
from energy_assets.resources.postgres_tables import postgres_tables
from energy_assets.resources.seeds import seeds
from energy_assets.resources.served_records import TABLES
from energy_assets.resources.serving_ddl import DeclaredTable, ServedColumn, scripts, tables_of

DOCUMENT = Path(__file__).parents[2] / "docs" / "05-data-dictionary.md"
REMEDY = "python -m energy_assets.operations.dictionary"

LAYERS = {
    REFERENCE: "What the platform is told and no delivery brings; the rows stand in `dbt_project/seeds/`, each with its source. In Postgres.",
    RAW: "What landed, as it was delivered, and the ledger of deliveries. In Postgres.",
    STAGING: "Of several deliveries of a reading the one that counts, in one unit, with its quality. In Postgres, by dbt.",
    INTERMEDIATE: "Readings brought to the grains that others read: hours, days, months, profiles; gaps estimated, transformers balanced. In Postgres, most by dbt.",
    ML: "Models, and what they say of readings. In Postgres.",
    MARTS: "What analysts and dashboards read. In Postgres, by dbt.",
    SERVING: "Copies for dashboards, equal to their sources day by day. In ClickHouse.",
    QUALITY: "Which days were written, what the gates said of them, and what a person accepted. In Postgres.",
}
"""In the order in which data flows."""

LANDING = "asset `raw_data/landing_files`"
WRITERS = {
    "quality.day_versions": "whatever writes a day of a table, in the same transaction",
    "quality.validation_results": "the checkpoints, assets `quality/…_checkpoint`",
    "quality.overrides": "`energy-assets accept`",
    "quality.dropped_days": "`energy-assets retention --apply`",
    "quality.records_served": "whatever copies records to ClickHouse: the assets of these copies, their sensor, commands that ran days",
    "raw_data.landing_files": f"{LANDING}; `energy-assets retract` withdraws",
    "raw_data.landing_paths": LANDING,
    "raw_data.landing_parts": LANDING,
    "raw_data.rejected_rows": LANDING,
    "intermediate.int_reading_estimates": "asset `intermediate/int_reading_estimates`",
    "intermediate.int_validation_hits": "asset `intermediate/int_validation_hits`",
    "intermediate.int_day_traits": "asset `intermediate/int_day_traits`",
    "ml.anomaly_model": "asset `ml/anomaly_model`",
    "ml.anomaly_scores": "asset `ml/anomaly_scores`",
    "ml.load_forecast": "asset `ml/load_forecast`",
    "ml.loss_explanations": "asset `ml/loss_explanations`",
    "ml.theft_model": "asset `ml/theft_model`",
    "ml.theft_evidence": "asset `ml/theft_evidence`",
    "ml.theft_scores": "asset `ml/theft_scores`",
}
"""Who writes the tables of `postgres_ddl/`. A table that is missing here stops the page from being written."""

DATE_COLUMNS = ("reading_date", "fitted_date", "forecast_date", "explained_date", "score_date")


@dataclass(frozen=True)
class Field:
    name: str
    type: str
    description: str


@dataclass(frozen=True)
class Entry:
    """A table of the dictionary. `key` is empty where nothing keeps rows apart."""

    schema: str
    table: str
    description: str
    written_by: str
    key: tuple[str, ...]
    date_column: str | None
    columns: tuple[Field, ...]


def entries() -> list[Entry]:
    """Every table and view of both stores, in the order in which data flows."""
    postgres = [*_seeds(), *map(_raw, SOURCES), *_declared(), *_models()]
    every = [
        *postgres,
        *_served({(entry.schema, entry.table): entry for entry in postgres}),
        *_records_and_views(),
        _migrations(),
    ]
    order = list(LAYERS)
    return sorted(every, key=lambda entry: order.index(entry.schema))


def page() -> str:
    """The document."""
    intro = (
        "# Data dictionary\n\n"
        f"Generated from what the code declares; do not edit, run `{REMEDY}`.\n\n"
        "A local day (`reading_date` and the like) is a day of the utility's own time zone; instants are UTC. Energy is in "
        "whole watt-hours (`_wh`) up to the marts and in kilowatt-hours (`_kwh`) where people read it. "
        "What may be delivered: [landing-contract.md](landing-contract.md). What is checked: [quality.md](quality.md).\n"
    )
    layers = [
        f"## {schema}\n\n{LAYERS[schema]}\n\n{''.join(map(_section, group))}"
        for schema, group in groupby(entries(), key=lambda entry: entry.schema)
    ]
    return f"{intro}\n{''.join(layers)}".rstrip() + "\n"


def _section(entry: Entry) -> str:
    rows = "\n".join(f"| `{c.name}` | {_cell(c.type)} | {_cell(c.description)} |" for c in entry.columns)
    key = " × ".join(f"`{name}`" for name in entry.key) or "none"
    day = f"`{entry.date_column}`" if entry.date_column else "none"
    return (
        f"### `{entry.schema}.{entry.table}`\n\n{entry.description}\n\n"
        f"Key: {key}. Date column: {day}. Written by: {entry.written_by}.\n\n"
        f"| column | type | meaning |\n|---|---|---|\n{rows}\n\n"
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _raw(source: Source) -> Entry:
    about = " × ".join(f"`{name}`" for name in source.key)
    return Entry(
        RAW,
        source.table,
        f"{source.description}. One row per delivered row: several may be about one {about}, of which one counts.",
        _asset(RAW, source.table),
        (),
        source.date_column,
        tuple(Field(column.name, column.type, column.description or "") for column in columns_of(source)),
    )


def _declared() -> Iterator[Entry]:
    for name, table in postgres_tables().items():
        schema, _, short = name.partition(".")
        columns = tuple(Field(column.name, column.type, column.description) for column in table.columns)
        yield Entry(
            schema,
            short,
            table.description,
            "nobody, it is a view" if table.is_view else WRITERS[name],
            table.key,
            next((column.name for column in columns if column.name in DATE_COLUMNS), None),
            columns,
        )


def _seeds() -> Iterator[Entry]:
    """Reference tables, in the order in which they are declared."""
    for seed in seeds():
        yield Entry(
            REFERENCE,
            seed.name,
            seed.description,
            f"`energy-assets up` and {_asset(REFERENCE, seed.name)}, a dbt seed",
            seed.key,
            None,
            tuple(Field(column["name"], column["data_type"], column["description"]) for column in seed.columns),
        )


def _models() -> Iterator[Entry]:
    """dbt's models in the order of the graph."""
    manifest = json.loads(PROJECT.manifest_path.read_text(encoding="utf-8"))
    nodes = (node for node in manifest["nodes"].values() if node["resource_type"] == "model" and node["relation_name"])
    models = {node["name"]: node for node in nodes}
    order = [*GATED, *VIEWS]
    for name in sorted(models, key=order.index):
        model, config = models[name], models[name]["config"]
        yield Entry(
            model["schema"],
            name,
            model["description"].strip(),
            "nobody, it is a view" if name in VIEWS else f"{_asset(model['schema'], name)}, a dbt model",
            tuple(config.get("unique_key") or ()),
            config.get("date_column"),
            tuple(Field(c["name"], c["data_type"] or "", c["description"]) for c in model["columns"].values()),
        )


def _served(sources: dict[tuple[str, str], Entry]) -> Iterator[Entry]:
    tables = tables_of(scripts())
    for served in SERVED:
        source = sources[GATED[served.source], served.source]
        yield Entry(
            SERVING,
            served.table,
            f"Copy of `{source.schema}.{source.table}`. {source.description}",
            _asset(SERVING, served.table),
            source.key,
            served.date_column,
            tuple(map(_served_field, tables[served.table].columns)),
        )


def _records_and_views() -> Iterator[Entry]:
    tables = tables_of(scripts())
    for records in TABLES:
        yield _of_clickhouse(
            tables[records.table], records.description, _asset(SERVING, records.table), records.date_column
        )
    for table in tables.values():
        if table.reads:
            behind = ", ".join(f"`{SERVING}.{name}`" for name in table.reads)
            yield _of_clickhouse(table, table.description, f"nobody, it is a view of {behind}", None)


def _of_clickhouse(table: DeclaredTable, description: str, writer: str, date_column: str | None) -> Entry:
    key = (date_column, *table.sorting_key) if date_column else table.sorting_key
    return Entry(SERVING, table.name, description, writer, key, date_column, tuple(map(_served_field, table.columns)))


def _migrations() -> Entry:
    table = tables_of(scripts())["schema_migrations"]
    return Entry(
        SERVING,
        table.name,
        "One row per script of `clickhouse_ddl/` that was applied.",
        "`energy-assets up`",
        table.sorting_key,
        None,
        tuple(map(_served_field, table.columns)),
    )


def _served_field(column: ServedColumn) -> Field:
    is_told = column.is_stored or not column.description
    return Field(
        column.name, column.type, column.description if is_told else f"{column.description}; computed when asked"
    )


def _asset(schema: str, table: str) -> str:
    return f"asset `{schema}/{table}`"


if __name__ == "__main__":
    DOCUMENT.write_text(page(), encoding="utf-8")
