"""Whether ClickHouse's tables are what `clickhouse_ddl/` declares, as findings of `doctor`.

What belongs here: asking, and wording. What does not: comparing (resources/serving_schema.py), the machine (embedded/doctor.py).
"""

from __future__ import annotations

from energy_assets.embedded import supervisor
from energy_assets.embedded.doctor import Finding
from energy_assets.home import Home
from energy_assets.settings import settings

NAME = "clickhouse tables"


def served_table_findings(home: Home) -> list[Finding]:
    """One finding for each difference, or that there is none; nothing where ClickHouse does not answer."""
    if not any(state.name == "clickhouse" and state.is_healthy for state in supervisor.status(home, settings())):
        return []
    # Imported late: it imports Dagster, and a doctor should be able to look at an installation that is broken.
    from energy_assets.resources.serving import Serving

    found = Serving(home=str(home.path)).drifts()
    if not found:
        return [Finding(NAME, "ok", "as clickhouse_ddl/ declares them")]
    return [Finding(NAME, "fail" if drift.blocks else "warn", drift.what, drift.remedy) for drift in found]
