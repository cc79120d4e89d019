"""What every day-partitioned table's asset shares: the calendar, one run at a time, its schema, and rows per day.

What belongs here: the common part of such assets. What does not: what any of them computes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg

from energy_assets.days import DayWindow
from energy_assets.keys import OWNERS, checkpoint_key
from energy_assets.landing.contract import Source
from energy_assets.partitions import BACKFILL, DAILY, lookback
from energy_assets.resources.postgres_tables import postgres_tables
from energy_assets.resources.warehouse import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa

DAYS_POOL = "days"
"""Runs over days are started one after the other: a later week's model must find the days before it."""

READ_SPANS = "read spans"
"""Metadata of a table that reads spans of days of an input with a gap between: by table, how many days before its own each begins and ends."""


def daily_asset(
    key: dg.AssetKey,
    *,
    deps: Iterable[Any],
    kinds: set[str],
    description: str,
    date_column: str,
    columns: Iterable[dg.TableColumn],
    group: str | None = None,
    table: str | None = None,
    spans: Mapping[str, Sequence[tuple[int, int]]] | None = None,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """The decorator of an asset that rewrites the days of its run's window.

    `group` and `table` (schema.table) are the key's own unless given. `spans` are of tables that are read in several spans of days (READ_SPANS):
    behind their gates too, as far back as the farthest, and not to be named among `deps`.
    """
    spanned = [
        dg.AssetDep(checkpoint_key(read), partition_mapping=lookback(max(farthest for _, farthest in of)))
        for read, of in (spans or {}).items()
    ]
    return dg.asset(
        key=key,
        deps=[*spanned, *deps],
        partitions_def=DAILY,
        backfill_policy=BACKFILL,
        pool=DAYS_POOL,
        group_name=group or key.path[0],
        owners=OWNERS,
        kinds=kinds,
        description=description,
        metadata={
            "partition_expr": date_column,
            "dagster/table_name": table or ".".join(key.path),
            "dagster/column_schema": dg.TableSchema(list(columns)),
            **({READ_SPANS: {read: [list(span) for span in of] for read, of in spans.items()}} if spans else {}),
        },
    )


def columns_of(source: Source) -> list[dg.TableColumn]:
    """The columns of a source's raw table."""
    return [
        *(dg.TableColumn(column.name, column.type, column.description) for column in source.part_columns),
        dg.TableColumn("file_id", "integer", "File that it came in, see raw_data.landing_files"),
    ]


def declared_columns(table: str) -> list[dg.TableColumn]:
    """The columns of a table (schema.table) that `postgres_ddl/` declares, as its asset shows them."""
    return [dg.TableColumn(column.name, column.type, column.description) for column in postgres_tables()[table].columns]


def write_days(
    context: dg.AssetExecutionContext,
    warehouse: Warehouse,
    window: DayWindow,
    rows_of: Callable[[date], "pa.Table"],
) -> None:
    """Rewrite each day of the asset's natively partitioned table; one without rows is emptied, and no partition is made for it."""
    schema, table = context.asset_key.path
    without: dict[date, str | None] = {}
    for day in window:
        rows = rows_of(day)
        if rows.num_rows:
            warehouse.replace_day(schema, table, day, [rows], run_id=context.run_id)
        else:
            without[day] = None
    warehouse.empty_days(schema, table, without, run_id=context.run_id)
    report_row_counts(context, warehouse, context.asset_key, window)


def report_row_counts(
    context: dg.AssetExecutionContext,
    warehouse: Warehouse,
    key: dg.AssetKey,
    window: DayWindow,
    *,
    ledger_name: str | None = None,
) -> None:
    """Attach each day's rows to its materialization; call it before the asset's output is yielded."""
    for day, rows in warehouse.row_counts(ledger_name or key.path[-1], window).items():
        context.add_asset_metadata({"dagster/partition_row_count": rows}, asset_key=key, partition_key=day.isoformat())
