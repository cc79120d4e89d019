"""Everything that must be the same after a disaster, of one home, as JSON.

What belongs here: reading it in a process of its own, since a process has one calendar. What does not: comparing (compare.py).

    python -m chaos.state HOME
"""

from __future__ import annotations

import json
import os
import re
import sys
from typing import Any

from energy_assets.home import Home

DRAFT = re.compile(r"\.[0-9a-f]{16}$|\.tmp$|\.part$")
"""How a file ends that was being written; a finished one was renamed."""


def state(home: Home) -> dict[str, Any]:
    """Tables by day with rows and hash, materialized days by asset, runs that claim to go on, and drafts left lying."""
    from support.content_hash import content

    from energy_assets.operations.instance import dagster_instance
    from energy_assets.resources.serving import Serving
    from energy_assets.resources.warehouse import Warehouse

    held = content(Warehouse(home=str(home.path)), Serving(home=str(home.path)))
    with dagster_instance(home) as instance:
        return {
            "tables": {table: {day: list(of_day) for day, of_day in days.items()} for table, days in held.items()},
            "materialized": _materialized(instance),
            "unfinished_runs": _unfinished(instance),
            "drafts": sorted(str(path.relative_to(home.path)) for path in _drafts(home)),
        }


def _materialized(instance: Any) -> dict[str, list[str]]:
    from energy_assets.definitions import defs

    graph = defs.resolve_asset_graph()
    return {
        key.to_user_string(): sorted(instance.get_materialized_partitions(key))
        for key in sorted(graph.materializable_asset_keys)
        if graph.get(key).is_partitioned
    }


def _unfinished(instance: Any) -> int:
    import dagster as dg

    from energy_assets.automation.sensors import IN_PROGRESS

    return len(instance.get_runs(dg.RunsFilter(statuses=IN_PROGRESS)))


def _drafts(home: Home) -> list[Any]:
    places = [home.path, *(place for place in (home.landing, home.parts, home.models) if place.is_dir())]
    found = [path for place in places for path in (place.glob("*") if place == home.path else place.rglob("*"))]
    return [path for path in found if path.is_file() and DRAFT.search(path.name)]


if __name__ == "__main__":
    os.environ["ENERGY_HOME"] = sys.argv[1]
    json.dump(state(Home.at(sys.argv[1])), sys.stdout)
