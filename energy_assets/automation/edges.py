"""The graph's edges between day-partitioned tables, read off the assets themselves.

What belongs here: turning dependencies and their partition mappings into edges. What does not: comparing versions (resources/due.py).
"""

from collections.abc import Iterable, Iterator

import dagster as dg

from energy_assets.assets.anomaly import anomaly_scores
from energy_assets.assets.models import LAYER_ASSETS
from energy_assets.assets.serving import SERVED_ASSETS
from energy_assets.keys import QUALITY, SERVING
from energy_assets.resources.due import Edge


def edges_of(assets: Iterable[dg.AssetsDefinition]) -> Iterator[Edge]:
    """An edge for each gated table that an asset reads, with how far it looks back."""
    for definition in assets:
        for spec in definition.specs:
            output = ".".join(spec.key.path) if spec.key.path[0] == SERVING else spec.key.path[-1]
            for dep in spec.deps:
                if dep.asset_key.path[0] == QUALITY:
                    yield Edge(dep.asset_key.path[-1].removesuffix("_checkpoint"), output, _lookback_days(dep))


def _lookback_days(dep: dg.AssetDep) -> int:
    mapping = dep.partition_mapping
    return -mapping.start_offset if isinstance(mapping, dg.TimeWindowPartitionMapping) else 0


# Published models are immutable: newer inputs never make one due.
EDGES = tuple(edges_of([*LAYER_ASSETS, anomaly_scores, *SERVED_ASSETS]))
