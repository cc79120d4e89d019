"""The graph's edges between day-partitioned tables, read off the assets themselves; and what to run for what is owed.

What belongs here: turning dependencies and their partition mappings into edges, and tables back into assets.
What does not: comparing versions (resources/due.py).
"""

from collections.abc import Iterable, Iterator

import dagster as dg

from energy_assets.assets.anomaly import MODEL_LOOKBACK_DAYS, anomaly_scores
from energy_assets.assets.daily import READ_SPANS
from energy_assets.assets.forecast import load_forecast
from energy_assets.assets.models import CONTINUES_DAYS, LAYER_ASSETS
from energy_assets.assets.raw import RAW_ASSETS
from energy_assets.assets.serving import SERVED_ASSETS
from energy_assets.assets.theft import THEFT_ASSETS
from energy_assets.assets.validation import VALIDATION_ASSETS
from energy_assets.keys import GATED, ML, QUALITY, SERVING, checkpoint_key, is_gated
from energy_assets.resources.due import Edge, Work


def edges_of(assets: Iterable[dg.AssetsDefinition]) -> Iterator[Edge]:
    """An edge for each span of days of each gated table that an asset reads, behind its gate or beside it; one from itself where its days go on
    from those before."""
    for definition in assets:
        for spec in definition.specs:
            for dep in spec.deps:
                if dep.asset_key.path[0] == QUALITY or is_gated(dep.asset_key):
                    read = dep.asset_key.path[-1].removesuffix("_checkpoint")
                    for nearest, farthest in spec.metadata.get(READ_SPANS, {}).get(read, [(0, _lookback_days(dep))]):
                        yield Edge(
                            read,
                            name_of(spec.key),
                            farthest,
                            is_bounded=spec.key.path[0] == ML,
                            nearest_days=nearest,
                        )
            if days := spec.metadata.get(CONTINUES_DAYS):
                yield Edge(name_of(spec.key), name_of(spec.key), days, nearest_days=1)


def writers_of(assets: Iterable[dg.AssetsDefinition]) -> dict[str, tuple[dg.AssetKey, ...]]:
    """What to run for a day of each table: its asset, and what that depends on without a gate between (a week's model).

    Reference tables have no days: bringing the stores up loads them.
    """
    return {
        name_of(spec.key): (
            spec.key,
            *(dep.asset_key for dep in spec.deps if dep.asset_key.path[0] == ML),
        )
        for definition in assets
        for spec in definition.specs
    }


def assets_of(work: Work) -> list[dg.AssetKey]:
    """What to run for `work`: the written tables' assets, and the gates of what is written or only judged."""
    written = [key for table in work.written for key in WRITERS[table]]
    gates = [checkpoint_key(table) for table in (*work.written, *work.judged) if table in GATED]
    return sorted({*written, *gates})


def name_of(key: dg.AssetKey) -> str:
    """The table's name in quality.day_versions."""
    return ".".join(key.path) if key.path[0] == SERVING else key.path[-1]


def _lookback_days(dep: dg.AssetDep) -> int:
    mapping = dep.partition_mapping
    return -mapping.start_offset if isinstance(mapping, dg.TimeWindowPartitionMapping) else 0


COMPUTED_ASSETS = [*LAYER_ASSETS, *VALIDATION_ASSETS, anomaly_scores, load_forecast, *THEFT_ASSETS, *SERVED_ASSETS]
"""What is made by day of other tables. Published models are not among them: they are immutable, newer inputs never make one due."""

EDGES = tuple(edges_of(COMPUTED_ASSETS))
LONGEST_LOOKBACK_DAYS = max(MODEL_LOOKBACK_DAYS, *(edge.lookback_days for edge in EDGES))
"""Days that a run holds before its own. Visits that teach lie further back: a week is decided once, from whatever is open then."""

# Raw days depend on the ledger of files, and registers by day on their records, which a landing run writes, not a day's.
WRITERS = {
    **{name_of(asset.key): (asset.key,) for asset in RAW_ASSETS},
    **writers_of(COMPUTED_ASSETS),
}
