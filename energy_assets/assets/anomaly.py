"""Anomaly model and scores: each week's model learns from the weeks before it, and never from what it scores.

What belongs here: which days are read, which model scores a day, and writing both down.
What does not: features, forest and types (ml/), thresholds (settings.py).
"""

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import TYPE_CHECKING

import dagster as dg

from energy_assets.assets.daily import daily_asset, declared_columns, report_row_counts
from energy_assets.days import DayWindow
from energy_assets.keys import FEATURES, ML, WEATHER, checkpoint_key
from energy_assets.partitions import CALENDAR, day_window, lookback
from energy_assets.resources.gates import require_readable
from energy_assets.resources.models import Models, Published
from energy_assets.resources.warehouse import Warehouse
from energy_assets.settings import settings
from ml.anomaly import HISTORY_DAYS

# Arrays and forests are imported where they are used: loading the code location stays quick.
if TYPE_CHECKING:
    from energy_assets.resources.profiles import TrainingSamples

WEEK = 7

MODEL_LOOKBACK_DAYS = WEEK - 1 + settings().anomaly_training_days + HISTORY_DAYS
"""The last day of a week uses the model of its first day, whose training days each read a week of history."""

TRAINING_ROWS_PER_DAY = 20_000


@dataclass(frozen=True)
class Week:
    """An ISO week and the days that its model may learn from: only days before the week."""

    first_day: date

    @classmethod
    def of(cls, day: date) -> "Week":
        return cls(day - timedelta(days=day.weekday()))

    @property
    def training(self) -> DayWindow:
        return DayWindow(self.first_day - timedelta(days=settings().anomaly_training_days), self.first_day)

    @property
    def version(self) -> str:
        return f"anomaly-{self.first_day}"


@daily_asset(
    dg.AssetKey([ML, "anomaly_model"]),
    deps=[dg.AssetDep(checkpoint_key(FEATURES), partition_mapping=lookback(MODEL_LOOKBACK_DAYS))],
    kinds={"scikitlearn", "postgres"},
    description="The Isolation Forest that scores a day: fitted once for its ISO week on the weeks before, then never changed.",
    date_column="fitted_date",
    columns=declared_columns("ml.anomaly_model"),
)
def anomaly_model(context: dg.AssetExecutionContext, warehouse: Warehouse, models: Models) -> dg.MaterializeResult:
    """Publish the model of each week in the window that has none yet (or lost its file) and enough days to learn from."""
    from energy_assets.resources.profiles import ProfileHistory, TrainingSamples

    window = day_window(context)
    history = ProfileHistory(warehouse, CALENDAR.zone)
    samples = TrainingSamples(history, rows_per_day=TRAINING_ROWS_PER_DAY, seed=settings().anomaly_seed)
    for week in sorted({Week.of(day) for day in window}, key=lambda week: week.first_day):
        published = models.kept(warehouse, week.first_day) or fit_week(context, warehouse, models, samples, week)
        for day in window:
            if Week.of(day) == week:
                context.add_asset_metadata(
                    {
                        "model": published.model_version if published else "none: too few days to learn from",
                        "dagster/partition_row_count": int(published is not None),
                    },
                    partition_key=day.isoformat(),
                )
    return dg.MaterializeResult()


@daily_asset(
    dg.AssetKey([ML, "anomaly_scores"]),
    deps=[
        dg.AssetKey([ML, "anomaly_model"]),
        dg.AssetDep(checkpoint_key(FEATURES), partition_mapping=lookback(HISTORY_DAYS)),
        checkpoint_key(WEATHER),
    ],
    kinds={"scikitlearn", "postgres"},
    description="How unusual each accepted reading is beside its meter's own last week; null without a model.",
    date_column="reading_date",
    columns=declared_columns("ml.anomaly_scores"),
)
def anomaly_scores(context: dg.AssetExecutionContext, warehouse: Warehouse, models: Models) -> dg.MaterializeResult:
    """Rewrite the scores of each day of the window with its week's model."""
    from energy_assets.resources.profiles import ProfileHistory
    from ml.anomaly.scores import score_table

    window = day_window(context)
    require_readable(warehouse, [FEATURES, WEATHER], window)
    history = ProfileHistory(warehouse, CALENDAR.zone)
    for week, days in groupby(window, key=Week.of):
        loaded = models.load(warehouse, week.first_day)
        model, version = (loaded.model, loaded.version) if loaded else (None, None)
        for day in days:
            tables = (score_table(piece, model, version) for piece in history.features(day))
            warehouse.replace_day(ML, "anomaly_scores", day, tables, run_id=context.run_id)
    report_row_counts(context, warehouse, context.asset_key, window)
    return dg.MaterializeResult()


def fit_week(
    context: dg.AssetExecutionContext, warehouse: Warehouse, models: Models, samples: "TrainingSamples", week: Week
) -> Published | None:
    """Fit and publish the week's model; None where fewer days than the setting asks for have readings."""
    import numpy as np

    from ml.anomaly import detector

    known = settings()
    days = samples.of(week.training)
    if len(days) < known.anomaly_min_training_days:
        context.log.info(
            f"no model for the week of {week.first_day}: {len(days)} days to learn from, {known.anomaly_min_training_days} needed"
        )
        return None
    model = detector.fit(
        np.concatenate(list(days.values())),
        share=known.anomaly_share,
        threshold=known.anomaly_threshold,
        seed=known.anomaly_seed,
        window=(min(days), max(days)),
    )
    return models.publish(
        warehouse,
        model,
        week.version,
        fitted_date=week.first_day,
        training=week.training,
        training_days=len(days),
        run_id=context.run_id,
    )
