"""dbt's layers as assets: each model rewrites the days of the run's window, and reads only what passed its gate.

What belongs here: how a dbt model becomes an asset, and the arguments of a layer's run.
What does not: SQL (dbt_project/), the days' states (resources/gates.py).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtProject, dbt_assets

from energy_assets.assets.daily import DAYS_POOL, report_row_counts
from energy_assets.assets.landing import LANDED
from energy_assets.days import DayWindow
from energy_assets.home import Home
from energy_assets.keys import OWNERS, REFERENCE, VIEWS, checkpoint_key, is_gated
from energy_assets.links import model_url
from energy_assets.partitions import BACKFILL, CALENDAR, DAILY, day_window, lookback
from energy_assets.resources.dbt import PROJECT_DIR, Dbt
from energy_assets.resources.gates import require_readable
from energy_assets.resources.warehouse import Warehouse
from energy_assets.settings import Settings, settings
from ml.validation.rules import rules

# What of a layer waits for a gate on another part of it is a step of its own: were the layer one, Dagster would cut it, and
# others with it, into more steps than there are gates between, each of which starts dbt.
STEPS = {
    "staging": ("path:models/staging", "stg_meter_readings"),
    "staging_readings": ("stg_meter_readings", ""),
    "intermediate": ("path:models/intermediate", "int_readings_daily int_readings_monthly int_transformer_balance"),
    "intermediate_days": ("int_readings_daily int_readings_monthly int_transformer_balance", ""),
    "marts": ("path:models/marts", "mart_theft_cases mart_detection_performance"),
    "marts_cases": ("mart_theft_cases", ""),
    "marts_performance": ("mart_detection_performance", ""),
}
"""Steps in the order in which data flows: the models that each selects, and those that it leaves to a later one."""

MODEL_SETTINGS = (
    "max_interval_kwh",
    "max_transformer_interval_kwh",
    "power_factor",
    "technical_loss_share",
    "power_factor_error",
    "assumed_loss_error_share",
    "fitted_loss_error_share",
    "transformer_meter_class_pct",
    "meter_class_pct",
    "estimate_error_share",
    "implausible_loss_deviations",
    "default_tariff",
    "case_probability",
    "case_days",
    "weekly_visits",
    "random_visit_share",
    "visit_costs",
    "back_billed_days",
    "mended_days",
)
"""Settings that models compute with, under their own names; dbt_project.yml holds the same defaults for dbt by hand."""

CONTINUES_DAYS = "continues days"
"""Metadata of a table whose days follow from its own days before: how far back it reads them."""

PROJECT = DbtProject(project_dir=PROJECT_DIR, profiles_dir=PROJECT_DIR)


class LayerTranslator(DagsterDbtTranslator):
    """A model's asset key is where its table lives; it depends on the checkpoints of what it reads."""

    def __init__(self) -> None:
        super().__init__(settings=DagsterDbtTranslatorSettings(enable_asset_checks=True))

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        return dg.AssetKey([dbt_resource_props["schema"], dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        return dbt_resource_props["schema"]

    def get_asset_check_spec(
        self, asset_spec: dg.AssetSpec, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetCheckSpec | None:
        """A dbt test as a check that is shown and stops nothing: what may be read is for the gates to say."""
        spec = super().get_asset_check_spec(asset_spec, manifest, unique_id, project)
        described = manifest["nodes"][unique_id]["description"]
        return spec and spec._replace(blocking=False, additional_deps=[], description=described)

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        spec = super().get_asset_spec(manifest, unique_id, project)
        node = manifest["nodes"].get(unique_id, {})
        config = node.get("config", {})
        by_day = (
            {}
            if node.get("resource_type") == "seed"
            else {"partition_expr": config.get("date_column") or "reading_date"}
        )
        days = config.get("meta", {}).get("continues_days")
        continued = {CONTINUES_DAYS: days} if days else {}
        return spec.replace_attributes(
            deps=list(dependencies(spec, config)),
            owners=OWNERS,
            kinds={"dbt", "postgres"},
            metadata={**spec.metadata, **by_day, **continued},
        )


def dependencies(spec: dg.AssetSpec, config: Mapping[str, Any]) -> Iterator[dg.AssetDep]:
    """What a model reads: gated tables behind their checkpoints, as far back as its config says; verdicts are no table.

    A view shows open days alone, whenever it is asked: it stands beside its table, not behind the gate. A reference table has no
    days, hence no gate.
    """
    lookback_days = config.get("meta", {}).get("lookback_days", {})
    for dep in spec.deps:
        table = dep.asset_key.path[-1]
        if dep.asset_key in LANDED or dep.asset_key.path[0] == REFERENCE:
            yield dep
        if not is_gated(dep.asset_key):
            continue
        if spec.key.path[-1] in VIEWS:
            yield dep
        elif table in lookback_days:
            yield dg.AssetDep(checkpoint_key(table), partition_mapping=lookback(lookback_days[table]))
        else:
            yield dg.AssetDep(checkpoint_key(table))


def dbt_variables(window: DayWindow, timezone: str, known: Settings, run_id: str) -> dict[str, Any]:
    """The variables that bind a dbt run to its window."""
    return {
        "window_start": window.start.isoformat(),
        "window_end": window.end.isoformat(),
        "timezone": timezone,
        "run_id": run_id,
        **{name: getattr(known, name) for name in MODEL_SETTINGS},
        **rule_variables(known),
    }


def rule_variables(known: Settings) -> dict[str, Any]:
    """The rules that are on; and, of those that staging applies, `unit_enabled`, `unit_least_kw`, …"""
    every = rules(known.validation_rules).values()
    told = [rule for rule in every if rule.told_by == "staging"]
    return {
        "validation_rules": [{"name": rule.name, "needs": list(rule.needs)} for rule in every if rule.enabled],
        **{f"{rule.name}_enabled": rule.enabled for rule in told if not rule.is_required},
        **{f"{rule.name}_{name}": limit.value for rule in told for name, limit in rule.thresholds.items()},
    }


def layer(name: str, select: str, exclude: str) -> dg.AssetsDefinition:
    """The models of one step, subsettable."""
    translator = LayerTranslator()

    @dbt_assets(
        name=f"dbt_{name}",
        manifest=PROJECT.manifest_path,
        select=select,
        exclude=exclude or None,
        project=PROJECT,
        partitions_def=DAILY,
        backfill_policy=BACKFILL,
        pool=DAYS_POOL,
        dagster_dbt_translator=translator,
    )
    def models(context: dg.AssetExecutionContext, warehouse: Warehouse, dbt: Dbt) -> Iterator[Any]:
        window = day_window(context)
        selected = [key.path[-1] for key in context.selected_asset_keys]
        require_readable(warehouse, inputs_of(context.assets_def, selected), window)
        events = dbt.run(
            context,
            warehouse,
            models=selected,
            variables=dbt_variables(window, CALENDAR.timezone, settings(), context.run_id),
            translator=translator,
            project=PROJECT,
        )
        lineage = dbt.column_lineage(warehouse, models=selected, translator=translator, project=PROJECT)
        for key in context.selected_asset_keys:
            report_row_counts(context, warehouse, key, window)
            # The UI reads the latest day's; a range does not need it on every day.
            shown = lineage[key.path[-1]] | documentation(warehouse, key)
            context.add_asset_metadata(shown, asset_key=key, partition_key=window.last.isoformat())
        yield from events

    return models


def documentation(warehouse: Warehouse, key: dg.AssetKey) -> dict[str, dg.MetadataValue]:
    """The model's page in dbt docs."""
    unique_id = f"model.{PROJECT.name}.{key.path[-1]}"
    return {"dbt docs": dg.MetadataValue.url(model_url(Home.at(warehouse.home), unique_id))}


def inputs_of(assets: dg.AssetsDefinition, models: list[str]) -> list[str]:
    """The gated tables that `models` read, by the checkpoints they depend on."""
    upstream = {dep.asset_key for spec in assets.specs if spec.key.path[-1] in models for dep in spec.deps}
    return sorted(key.path[-1].removesuffix("_checkpoint") for key in upstream if key.path[0] == "quality")


LAYER_ASSETS = [layer(name, *models) for name, models in STEPS.items()]
