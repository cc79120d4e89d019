"""Records of the platform's own work in ClickHouse: what gates said, what was delivered, what could not be read.

What belongs here: the assets. What does not: which days are copied (resources/served_records.py), and when (automation/records.py).
"""

from collections.abc import Iterator, Mapping

import dagster as dg

from energy_assets.assets.landing import LANDING_FILES, REJECTED_ROWS
from energy_assets.keys import GATED, OWNERS, SERVING, checkpoint_key
from energy_assets.resources.served_records import TABLES, Records
from energy_assets.resources.serving import Serving
from energy_assets.resources.serving_ddl import served_columns
from energy_assets.resources.warehouse import Warehouse


def record_key(table: str) -> dg.AssetKey:
    return dg.AssetKey([SERVING, table])


def record_spec(records: Records) -> dg.AssetSpec:
    """A table of copies, downstream of what is recorded; it is copied behind red gates as well."""
    landed = (LANDING_FILES.key, REJECTED_ROWS.key)
    return dg.AssetSpec(
        record_key(records.table),
        deps=[*map(checkpoint_key, GATED)] if records.of_gates else [*landed],
        group_name=SERVING,
        owners=OWNERS,
        kinds={"clickhouse"},
        description=records.description,
        metadata={
            "dagster/table_name": f"{SERVING}.{records.table}",
            "dagster/column_schema": dg.TableSchema(
                [
                    dg.TableColumn(column.name, column.type, column.description)
                    for column in served_columns()[records.table]
                ]
            ),
        },
    )


@dg.multi_asset(specs=[record_spec(records) for records in TABLES], name="served_records")
def served_records(warehouse: Warehouse, serving: Serving) -> Iterator[dg.MaterializeResult]:
    """Copy the days whose records changed; a daemon does so by itself."""
    from energy_assets.resources.served_records import copy

    found = copy(warehouse, serving)
    for records in TABLES:
        yield dg.MaterializeResult(
            asset_key=record_key(records.table), metadata={"days copied": found.get(records.table, 0)}
        )


def copied(days: Mapping[str, int]) -> list[dg.AssetMaterialization]:
    """What a copy (table -> days) outside of a run is recorded as; a table of which no day changed has nothing to tell."""
    return [
        dg.AssetMaterialization(record_key(table), metadata={"days copied": count})
        for table, count in days.items()
        if count
    ]
