"""Raw days: each a pure rewrite from the parts of all files that count for it.

What belongs here: one asset per source of measurements of the landing contract. What does not: reading files, and records
(landing.py).
"""

import dagster as dg

from energy_assets.assets.daily import columns_of, daily_asset, report_row_counts
from energy_assets.assets.landing import LANDING_FILES
from energy_assets.keys import RAW
from energy_assets.landing.contract import DAILY_SOURCES, Source
from energy_assets.partitions import day_window
from energy_assets.resources import ledger
from energy_assets.resources.landing_zone import LandingZone
from energy_assets.resources.warehouse import Warehouse


def raw_table(source: Source) -> dg.AssetsDefinition:
    """An asset whose days hold exactly the rows of the files that count."""

    @daily_asset(
        dg.AssetKey([RAW, source.table]),
        deps=[LANDING_FILES.key],
        kinds={"postgres", "parquet"},
        description=f"{source.description}; one row per delivered row.",
        date_column=source.day_column,
        columns=columns_of(source),
    )
    def loaded(
        context: dg.AssetExecutionContext, warehouse: Warehouse, landing_zone: LandingZone
    ) -> dg.MaterializeResult:
        window = day_window(context)
        known = ledger.day_inputs(warehouse, source, window)
        for day, inputs in known.items():
            if inputs.files:
                warehouse.replace_day(
                    RAW,
                    source.table,
                    day,
                    landing_zone.day(source, day, inputs.files),
                    run_id=context.run_id,
                    inputs=inputs.fingerprint,
                    as_loader=True,
                )
        empty = {day: inputs.fingerprint for day, inputs in known.items() if not inputs.files}
        warehouse.empty_days(RAW, source.table, empty, run_id=context.run_id, as_loader=True)
        report_row_counts(context, warehouse, context.asset_key, window)
        return dg.MaterializeResult()

    return loaded


RAW_ASSETS = [raw_table(source) for source in DAILY_SOURCES]
