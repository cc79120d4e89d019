"""Which columns a dbt model's columns come from, for the UI: read off its compiled SQL, once for each version of the model.

What belongs here: calling dagster-dbt's lineage where dbt runs in our own process, and keeping what it found.
What does not: parsing SQL. The function that does is not exported by dagster-dbt: this is the one place that calls it, and
tests watch it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from energy_assets.home import write_atomically

if TYPE_CHECKING:
    from dagster_dbt import DagsterDbtTranslator, DbtProject

    from energy_assets.resources.warehouse import Warehouse

COLUMN_LINEAGE = "dagster/column_lineage"
SHOWN = "where columns come from"

Columns = dict[str, list[tuple[list[str], str]]]
"""Column -> the (asset key, column) pairs that it comes from."""


class ColumnLineage:
    """Lineage of models whose SQL dbt compiled into `target`; what was found is kept there, by the model's checksum."""

    def __init__(self, target: Path, translator: DagsterDbtTranslator, project: DbtProject) -> None:
        self._target, self._translator, self._project = target, translator, project
        self._file = target / "column_lineage.json"
        self._known: dict[str, Columns] = json.loads(self._file.read_text()) if self._file.exists() else {}

    def of(self, model: Mapping[str, Any], manifest: Mapping[str, Any], warehouse: Warehouse) -> dict[str, Any]:
        """Metadata that shows the lineage of a model (its node in the manifest).

        Dagster's open-source page keeps its own key for lineage to itself: a table says the same to whoever looks there.
        """
        version = f"{model['unique_id']} {model['checksum']['checksum']}"
        if version not in self._known:
            self._known[version] = self._found(model, manifest, warehouse)
            write_atomically(self._file, json.dumps(self._known))
        found = self._known[version]
        columns = {column: found[column] for column in model["columns"] if column in found}
        return {
            COLUMN_LINEAGE: dg.TableColumnLineage(
                {
                    column: [dg.TableColumnDep(dg.AssetKey(key), name) for key, name in origins]
                    for column, origins in columns.items()
                }
            ),
            SHOWN: dg.MetadataValue.table(
                [
                    dg.TableRecord(
                        {"column": column, "comes from": ", ".join(f"{key[-1]}.{name}" for key, name in origins)}
                    )
                    for column, origins in columns.items()
                ]
            ),
        }

    def _found(self, model: Mapping[str, Any], manifest: Mapping[str, Any], warehouse: Warehouse) -> Columns:
        from dagster_dbt.core.dbt_cli_event import EventHistoryMetadata, _build_column_lineage_metadata

        parents = _parents(manifest, model["unique_id"])
        history = EventHistoryMetadata(
            columns=_columns(warehouse, model),
            parents={parent["relation_name"]: _columns(warehouse, parent) for parent in parents},
        )
        read = {"depends_on": {"nodes": [parent["unique_id"] for parent in parents]}}
        found = _build_column_lineage_metadata(
            history, {**model, **read}, manifest, self._translator, self._target, self._project
        )
        lineage = found[COLUMN_LINEAGE].deps_by_column
        return {
            column: [(list(origin.asset_key.path), origin.column_name) for origin in origins]
            for column, origins in lineage.items()
        }


def _parents(manifest: Mapping[str, Any], unique_id: str) -> list[Mapping[str, Any]]:
    """The tables that a model reads, by itself or through models that are none."""
    found = []
    for name in manifest["parent_map"][unique_id]:
        node = _node(manifest, name)
        found += [node] if node["relation_name"] else _parents(manifest, name)
    return found


def _node(manifest: Mapping[str, Any], unique_id: str) -> Mapping[str, Any]:
    return manifest["nodes"].get(unique_id) or manifest["sources"][unique_id]


def _columns(warehouse: Warehouse, node: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    rows = warehouse.rows(
        "select column_name, data_type from information_schema.columns where table_schema = %s and table_name = %s",
        (node["schema"], node.get("identifier") or node["name"]),
    )
    return {name: {"data_type": type_} for name, type_ in rows}
