"""Reference tables as assets: what the platform is told and no delivery brings, such as tariffs.

What belongs here: the assets of dbt's seeds, and running their tests when a new version was loaded.
What does not: loading (resources/seeds.py), the rows (dbt_project/seeds/), the models that read them (models.py).
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster_dbt import dbt_assets

from energy_assets.assets.models import PROJECT, LayerTranslator
from energy_assets.keys import REFERENCE
from energy_assets.resources.dbt import Dbt
from energy_assets.resources.seeds import Seed, load_seeds, seeds
from energy_assets.resources.warehouse import Warehouse, quoted_name

VERSION = "version"
"""Metadata of a materialization: the version of the seed that was loaded."""

_translator = LayerTranslator()


@dbt_assets(
    name="reference_tables",
    manifest=PROJECT.manifest_path,
    select="path:seeds",
    project=PROJECT,
    dagster_dbt_translator=_translator,
)
def reference_tables(context: dg.AssetExecutionContext, warehouse: Warehouse, dbt: Dbt) -> Iterator[Any]:
    """Keep the reference tables equal to their files; a version is recorded, and tested, once.

    Bringing the stores up has loaded them as a rule: what is left to do here is to say so.
    """
    with warehouse.transaction() as connection, connection.cursor() as cursor:
        load_seeds(cursor)
    known = seeds()
    chosen = [seed for seed in known if key_of(seed) in context.selected_asset_keys]
    fresh = [seed for seed in chosen if seed.version != recorded_version(context, key_of(seed))]
    if not fresh:
        context.log.info("the reference tables are those of their last materialization")
        return
    # Before anything is recorded: a version whose tests could not run is tried again. And all of them, since what is said
    # of one table is often said of how it fits another.
    judged = dbt.test(context, warehouse, nodes=[seed.name for seed in known], translator=_translator, project=PROJECT)
    for seed in fresh:
        yield dg.MaterializeResult(
            asset_key=key_of(seed), metadata={VERSION: seed.version, **shown(seed, sources_of(warehouse, seed))}
        )
    yield from judged


def sources_of(warehouse: Warehouse, seed: Seed) -> list[tuple[str, ...]]:
    """The key of each row, as text, and where the row comes from."""
    key = ", ".join(f"{quoted_name(column)}::text" for column in seed.key)
    name = quoted_name(REFERENCE, seed.name)
    return warehouse.rows(f"select {key}, source from {name} order by {', '.join(map(quoted_name, seed.key))}")


def shown(seed: Seed, sources: list[tuple[str, ...]]) -> dict[str, Any]:
    """Metadata of a loaded version: how much of it is assumed, and each row's source."""
    records = [dg.TableRecord(dict(zip((*seed.key, "source"), row, strict=True))) for row in sources]
    return {
        "dagster/row_count": len(sources),
        "rows that assume something": sum("assumption" in row[-1].lower() for row in sources),
        "sources": dg.MetadataValue.table(records),
    }


def key_of(seed: Seed) -> dg.AssetKey:
    return dg.AssetKey([REFERENCE, seed.name])


def recorded_version(context: dg.AssetExecutionContext, key: dg.AssetKey) -> str | None:
    """The version that the asset was materialized with last."""
    event = context.instance.get_latest_materialization_event(key)
    known = event.asset_materialization.metadata.get(VERSION) if event and event.asset_materialization else None
    return str(known.value) if known else None
