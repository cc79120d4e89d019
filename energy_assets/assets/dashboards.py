"""Dashboards in the lineage: which served tables feed which page, as the page's own files say, and bringing the files into Superset.

What belongs here: pages as assets. What does not: the pages (`dashboards/superset/`), serving them (operations/dashboards/).
"""

from collections.abc import Iterator

import dagster as dg

from energy_assets.dashboards.bundle import Bundle, Document, places, read
from energy_assets.home import Home
from energy_assets.keys import DASHBOARDS, OWNERS, SERVING
from energy_assets.resources.serving_ddl import tables_behind
from energy_assets.resources.warehouse import Warehouse


def dashboard_key(dashboard: Document) -> dg.AssetKey:
    return dg.AssetKey([DASHBOARDS, dashboard.key])


def dashboard_spec(dashboard: Document, bundle: Bundle) -> dg.AssetSpec:
    """A page, downstream of every table that its charts and filters read."""
    return dg.AssetSpec(
        dashboard_key(dashboard),
        deps=[dg.AssetKey([SERVING, table]) for table in tables_behind(bundle.tables_of(dashboard))],
        group_name=DASHBOARDS,
        owners=OWNERS,
        kinds={"superset"},
        description=f"{dashboard.content['description']} `make dashboards` serves it, always of what ClickHouse holds; materializing "
        "it writes the files of all pages over what became of them in Superset.",
        metadata={"file": dashboard.name, "charts": [place["meta"].get("sliceName") for place in places(dashboard)]},
    )


BUNDLE = read()


@dg.multi_asset(
    specs=[dashboard_spec(dashboard, BUNDLE) for dashboard in BUNDLE.dashboards], name="dashboards_in_superset"
)
def dashboards_in_superset(context: dg.AssetExecutionContext, warehouse: Warehouse) -> Iterator[dg.MaterializeResult]:
    """Import the files of the pages into the Superset of this home; Superset itself is started by `make dashboards`."""
    from energy_assets.operations.dashboards.bring_up import import_pages
    from energy_assets.operations.errors import OperationError

    try:
        pages = import_pages(Home.at(warehouse.home), say=context.log.info)
    except OperationError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    for dashboard in BUNDLE.dashboards:
        yield dg.MaterializeResult(asset_key=dashboard_key(dashboard), metadata=imported_metadata(pages, dashboard))


def imported_metadata(pages: dict[str, str], dashboard: Document) -> dict[str, dg.MetadataValue]:
    """What an import tells of a page; `pages` are addresses by title."""
    return {"address": dg.MetadataValue.url(pages[dashboard.content["dashboard_title"]])}


def imported(pages: dict[str, str]) -> list[dg.AssetMaterialization]:
    """What an import outside of a run is recorded as."""
    return [
        dg.AssetMaterialization(dashboard_key(dashboard), metadata=imported_metadata(pages, dashboard))
        for dashboard in BUNDLE.dashboards
    ]
