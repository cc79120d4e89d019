"""Raw days: each a pure rewrite from the parts of all files that count for it.

What belongs here: one asset per source of the landing contract. What does not: reading files (landing.py).
"""

import dagster as dg

from energy_assets.assets.landing import LANDING_FILES
from energy_assets.assets.models import report_row_counts
from energy_assets.keys import OWNERS, RAW
from energy_assets.landing.contract import SOURCES, Source
from energy_assets.partitions import BACKFILL, DAILY, day_window
from energy_assets.resources import ledger
from energy_assets.resources.landing_zone import LandingZone
from energy_assets.resources.schema import POSTGRES_TYPES
from energy_assets.resources.warehouse import Warehouse


def raw_table(source: Source) -> dg.AssetsDefinition:
    """An asset whose days hold exactly the rows of the files that count."""

    @dg.asset(
        key=[RAW, source.table],
        deps=[LANDING_FILES.key],
        partitions_def=DAILY,
        backfill_policy=BACKFILL,
        group_name=RAW,
        owners=OWNERS,
        kinds={"postgres", "parquet"},
        description=f"{source.description}; one row per delivered row.",
        metadata={
            "partition_expr": source.date_column,
            "dagster/table_name": f"{RAW}.{source.table}",
            "dagster/column_schema": column_schema(source),
        },
    )
    def loaded(
        context: dg.AssetExecutionContext, warehouse: Warehouse, landing_zone: LandingZone
    ) -> dg.MaterializeResult:
        window = day_window(context)
        for day in window:
            files, inputs = ledger.active_files(warehouse, source, day)
            warehouse.replace_day(
                RAW,
                source.table,
                day,
                landing_zone.day(source, day, files),
                run_id=context.run_id,
                inputs=inputs,
                as_loader=True,
            )
        report_row_counts(context, warehouse, context.asset_key, window)
        return dg.MaterializeResult()

    return loaded


def column_schema(source: Source) -> dg.TableSchema:
    described = {column.name: column.description for column in source.columns}
    return dg.TableSchema(
        [
            dg.TableColumn(
                field.name,
                POSTGRES_TYPES[field.type],
                description=described.get(field.name) or OWN_COLUMNS.get(field.name, "Local day of the utility"),
            )
            for field in source.part_schema
        ]
        + [
            dg.TableColumn("file_id", "integer", description="File that it came in, see raw_data.landing_files"),
        ]
    )


OWN_COLUMNS = {"row_number": "Row of the file, the header being 1"}

RAW_ASSETS = [raw_table(source) for source in SOURCES]
