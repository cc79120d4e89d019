"""Dashboards in the lineage: which served tables feed which page, as the page's own files say.

What belongs here: pages as assets that Dagster shows and does not make. What does not: the pages (`dashboards/superset/`),
serving them (operations/dashboards/).
"""

import dagster as dg

from energy_assets.dashboards.bundle import Bundle, Document, places, read
from energy_assets.keys import DASHBOARDS, OWNERS, SERVING


def dashboard_spec(dashboard: Document, bundle: Bundle) -> dg.AssetSpec:
    """A page, downstream of every table that its charts and filters read."""
    return dg.AssetSpec(
        [DASHBOARDS, dashboard.key],
        deps=[dg.AssetKey([SERVING, table]) for table in bundle.tables_of(dashboard)],
        group_name=DASHBOARDS,
        owners=OWNERS,
        kinds={"superset"},
        description=f"{dashboard.content['description']} `make dashboards` serves it, always of what ClickHouse holds.",
        metadata={"file": dashboard.name, "charts": [place["meta"].get("sliceName") for place in places(dashboard)]},
    )


def dashboard_specs() -> list[dg.AssetSpec]:
    """Every page of `dashboards/superset`."""
    bundle = read()
    return [dashboard_spec(dashboard, bundle) for dashboard in bundle.dashboards]


DASHBOARD_SPECS = dashboard_specs()
