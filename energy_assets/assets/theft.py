"""Theft, from traits of days to scores: each step a table, so that a person can follow a score back to what was read.

What belongs here: which days are read, and writing them down. What does not: evidence, explanations and scores (ml/theft), reading
for them (resources/).
"""

from datetime import date, timedelta

import dagster as dg

from energy_assets.assets.daily import daily_asset, declared_columns, write_days
from energy_assets.days import DayWindow
from energy_assets.keys import EXPLAINED_FROM, FEATURES, INTERMEDIATE, ML, TRAITS, checkpoint_key
from energy_assets.partitions import CALENDAR, day_window, lookback
from energy_assets.resources.gates import require_readable
from energy_assets.resources.models import Models
from energy_assets.resources.warehouse import Warehouse
from energy_assets.settings import settings
from ml.theft.lookbacks import (
    BALANCE_DAYS,
    CARRIED_DAYS,
    EVIDENCE_DAYS,
    LABEL_DAYS,
    LOOKBACK_DAYS,
    PURCHASE_DAYS,
    TRAIT_SPANS,
)

SUPPLY = ("stg_meters", "stg_transformers", "stg_outages", "stg_transformer_readings")
"""What tells where supply was off, of the day itself."""
PURCHASED = ("stg_token_purchases", "int_readings_daily")
WEEK = 7
MODEL_LOOKBACK_DAYS = WEEK - 1 + LABEL_DAYS + EVIDENCE_DAYS
"""The last day of a week uses the ranker of its first day, taught by visits before it and their evidence."""


@daily_asset(
    dg.AssetKey([INTERMEDIATE, TRAITS]),
    deps=[*map(checkpoint_key, (FEATURES, *SUPPLY))],
    kinds={"numpy", "postgres"},
    description="Each meter's day in two dozen numbers, by which weeks of it are compared; intervals without supply are left out.",
    date_column="reading_date",
    columns=declared_columns(f"intermediate.{TRAITS}"),
)
def int_day_traits(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult:
    """Rewrite the traits of each day of the window."""
    from energy_assets.resources.fleet import fleet_states
    from energy_assets.resources.traits import traits_table

    window = day_window(context)
    require_readable(warehouse, [FEATURES, *SUPPLY], window)
    states = fleet_states(warehouse, window)
    write_days(context, warehouse, window, lambda day: traits_table(warehouse, CALENDAR.zone, day, states))
    return dg.MaterializeResult()


@daily_asset(
    dg.AssetKey([ML, "loss_explanations"]),
    deps=[
        dg.AssetDep(checkpoint_key(TRAITS), partition_mapping=lookback(LOOKBACK_DAYS - 1)),
        *(
            dg.AssetDep(checkpoint_key(table), partition_mapping=lookback(BALANCE_DAYS - 1))
            for table in (FEATURES, *EXPLAINED_FROM)
        ),
    ],
    kinds={"numpy", "postgres"},
    description="On Mondays: which meters explain a transformer's loss over eight weeks, and what of it nobody explains.",
    date_column="explained_date",
    columns=declared_columns("ml.loss_explanations"),
)
def loss_explanations(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult:
    """Rewrite the explanations of the window's Mondays; other days have none."""
    from energy_assets.resources.losses_explained import explanations_of
    from energy_assets.resources.traits import TraitDays

    window = day_window(context)
    require_readable(warehouse, [TRAITS, FEATURES, *EXPLAINED_FROM], window)
    traits = TraitDays(warehouse, window.with_lookback(LOOKBACK_DAYS - 1))
    write_days(
        context,
        warehouse,
        window,
        lambda day: explanations_of(
            warehouse, CALENDAR.zone, day, traits, DayWindow.of(day).with_lookback(LOOKBACK_DAYS - 1)
        ),
    )
    return dg.MaterializeResult()


@daily_asset(
    dg.AssetKey([ML, "theft_evidence"]),
    spans={TRAITS: TRAIT_SPANS},
    deps=[
        dg.AssetDep(checkpoint_key("loss_explanations"), partition_mapping=lookback(WEEK - 1)),
        *(
            dg.AssetDep(checkpoint_key(table), partition_mapping=lookback(CARRIED_DAYS + PURCHASE_DAYS - 1))
            for table in PURCHASED
        ),
        checkpoint_key("stg_meters"),
    ],
    kinds={"numpy", "postgres"},
    description="What speaks for theft at each meter: its own history, its peers, its transformer's loss, its purchases.",
    date_column="score_date",
    columns=declared_columns("ml.theft_evidence"),
)
def theft_evidence(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult:
    """Rewrite the evidence as of each day of the window, from that day, the sixteen weeks before it, and its four weeks of a year before."""
    from energy_assets.resources.theft import evidence_rows, what_may_be_read
    from energy_assets.resources.traits import TraitDays

    window = day_window(context)
    require_readable(warehouse, [TRAITS, "loss_explanations", *PURCHASED, "stg_meters"], window)
    traits = TraitDays(warehouse, window.with_lookback(LOOKBACK_DAYS - 1))
    held = what_may_be_read(warehouse, window)
    write_days(context, warehouse, window, lambda day: evidence_rows(warehouse, day, traits, held))
    return dg.MaterializeResult()


@daily_asset(
    dg.AssetKey([ML, "theft_model"]),
    deps=[
        dg.AssetDep(checkpoint_key("stg_inspections"), partition_mapping=lookback(MODEL_LOOKBACK_DAYS)),
        dg.AssetDep(checkpoint_key("theft_evidence"), partition_mapping=lookback(MODEL_LOOKBACK_DAYS)),
    ],
    kinds={"scikitlearn", "postgres"},
    description="Who scores a week: a ranker that inspections before it taught, if it proved better on later ones; else the unsupervised score.",
    date_column="fitted_date",
    columns=declared_columns("ml.theft_model"),
)
def theft_model(context: dg.AssetExecutionContext, warehouse: Warehouse, models: Models) -> dg.MaterializeResult:
    """Decide each week of the window that is not decided yet, or lost its ranker's file."""
    from energy_assets.resources.theft_models import TheftModels
    from energy_assets.resources.theft_visits import TeachingVisits

    window, rankers = day_window(context), TheftModels(warehouse, models)
    known = {week: rankers.decided(week) for week in map(first_of_week, window)}
    decided = {week: found for week, found in known.items() if found}
    if waiting := [week for week, found in known.items() if not found]:
        visits, least = TeachingVisits(warehouse, waiting), settings().least_theft_labels
        decided |= {week: rankers.decide(week, visits, least_labels=least, run_id=context.run_id) for week in waiting}
    for day in window:
        of_week = decided[first_of_week(day)]
        shown = {"model": of_week.model_version or "none", "decision": f"{of_week.decision}: {of_week.reason}"}
        context.add_asset_metadata(shown | {"dagster/partition_row_count": 1}, partition_key=day.isoformat())
    return dg.MaterializeResult()


@daily_asset(
    dg.AssetKey([ML, "theft_scores"]),
    deps=[dg.AssetKey([ML, "theft_model"]), checkpoint_key("theft_evidence")],
    kinds={"scikitlearn", "postgres"},
    description="How suspicious each meter is, since when, how much it hides, and why. A reason to look, not a proof.",
    date_column="score_date",
    columns=declared_columns("ml.theft_scores"),
)
def theft_scores(context: dg.AssetExecutionContext, warehouse: Warehouse, models: Models) -> dg.MaterializeResult:
    """Rewrite the scores of each day of the window from that day's evidence, by its week's ranker."""
    from energy_assets.resources.theft import most_suspicious, score_rows
    from energy_assets.resources.theft_models import TheftModels

    window = day_window(context)
    require_readable(warehouse, ["theft_evidence"], window)
    rankers = TheftModels(warehouse, models)
    write_days(context, warehouse, window, lambda day: score_rows(warehouse, day, rankers.scoring(first_of_week(day))))
    records = [
        dg.TableRecord({"meter": meter, "score": score, "why": why})
        for meter, score, why in most_suspicious(warehouse, window.last)
    ]
    expected = {"expected theft rate": settings().expected_theft_rate}
    return dg.MaterializeResult(
        metadata=expected | ({"most suspicious": dg.MetadataValue.table(records)} if records else {})
    )


def first_of_week(day: date) -> date:
    """Monday of the day's ISO week."""
    return day - timedelta(days=day.weekday())


THEFT_ASSETS = [int_day_traits, loss_explanations, theft_evidence, theft_scores]
"""What is made by day of other tables: decisions of weeks, theft_model, are not among them, for they are made once."""
