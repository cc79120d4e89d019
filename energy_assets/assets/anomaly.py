"""Anomaly model and scores: each week's model learns from the weeks before it, and never from what it scores.

What belongs here: which days are read, which model scores a day, and writing both down.
What does not: features, forest and types (ml/), thresholds (settings.py).
"""

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

import dagster as dg
import numpy as np
import pyarrow as pa

from energy_assets.assets.models import report_row_counts
from energy_assets.days import DayWindow
from energy_assets.keys import ML, OWNERS, checkpoint_key
from energy_assets.partitions import BACKFILL, CALENDAR, DAILY, day_window, lookback
from energy_assets.resources.gates import require_readable
from energy_assets.resources.models import Loaded, Models, Published
from energy_assets.resources.profiles import FEATURES, WEATHER, ProfileHistory, TrainingSamples
from energy_assets.resources.warehouse import Warehouse
from energy_assets.settings import settings
from ml.anomaly import detector, types
from ml.anomaly.features import HISTORY_DAYS, ReadingFeatures

WEEK = 7

MODEL_LOOKBACK_DAYS = WEEK - 1 + settings().anomaly_training_days + HISTORY_DAYS
"""The last day of a week uses the model of its first day, whose training days each read a week of history."""

TRAINING_ROWS_PER_DAY = 20_000

COLUMNS = pa.schema(
    [
        ("reading_date", pa.date32()),
        ("meter_id", pa.string()),
        ("reading_at", pa.timestamp("us", tz="UTC")),
        ("accepted_wh", pa.int64()),
        ("expected_wh", pa.float64()),
        ("anomaly_score", pa.float64()),
        ("is_anomaly", pa.bool_()),
        ("anomaly_type", pa.string()),
        ("score_status", pa.string()),
        ("model_version", pa.string()),
    ]
)


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


@dg.asset(
    key=[ML, "anomaly_model"],
    deps=[dg.AssetDep(checkpoint_key(FEATURES), partition_mapping=lookback(MODEL_LOOKBACK_DAYS))],
    partitions_def=DAILY,
    backfill_policy=BACKFILL,
    group_name=ML,
    owners=OWNERS,
    kinds={"scikitlearn", "postgres"},
    description="The Isolation Forest that scores a day: fitted once for its ISO week on the weeks before, then never changed.",
    metadata={
        "dagster/table_name": "ml.anomaly_model",
        "dagster/column_schema": dg.TableSchema(
            [
                dg.TableColumn("fitted_date", "date", description="First day of the ISO week that the model scores"),
                dg.TableColumn("model_version", "text", description="Name of the model and of its file"),
                dg.TableColumn("sha256", "text", description="Hash of its file, verified at each load"),
                dg.TableColumn("training_start_date", "date", description="First day it learnt from"),
                dg.TableColumn("training_end_date", "date", description="Day after the last it learnt from"),
                dg.TableColumn("training_days", "integer", description="Days with readings among them"),
                dg.TableColumn("training_rows", "bigint", description="Readings it learnt from"),
                dg.TableColumn(
                    "score_threshold", "double precision", description="Score from which a reading is flagged"
                ),
                dg.TableColumn("feature_names", "text[]", description="What it sees of a reading"),
            ]
        ),
        "partition_expr": "fitted_date",
    },
)
def anomaly_model(context: dg.AssetExecutionContext, warehouse: Warehouse, models: Models) -> dg.MaterializeResult:
    """Publish the model of each week in the window that has none yet (or lost its file) and enough days to learn from."""
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


@dg.asset(
    key=[ML, "anomaly_scores"],
    deps=[
        dg.AssetKey([ML, "anomaly_model"]),
        dg.AssetDep(checkpoint_key(FEATURES), partition_mapping=lookback(HISTORY_DAYS)),
        checkpoint_key(WEATHER),
    ],
    partitions_def=DAILY,
    backfill_policy=BACKFILL,
    group_name=ML,
    owners=OWNERS,
    kinds={"scikitlearn", "postgres"},
    description="How unusual each accepted reading is beside its meter's own last week; null without a model.",
    metadata={
        "dagster/table_name": "ml.anomaly_scores",
        "dagster/column_schema": dg.TableSchema([dg.TableColumn(field.name, str(field.type)) for field in COLUMNS]),
        "partition_expr": "reading_date",
    },
)
def anomaly_scores(context: dg.AssetExecutionContext, warehouse: Warehouse, models: Models) -> dg.MaterializeResult:
    """Rewrite the scores of each day of the window with its week's model."""
    window = day_window(context)
    require_readable(warehouse, [FEATURES, WEATHER], window)
    history = ProfileHistory(warehouse, CALENDAR.zone)
    for week, days in groupby(window, key=Week.of):
        model = models.load(warehouse, week.first_day)
        for day in days:
            tables = (score_table(piece, model) for piece in history.features(day))
            warehouse.replace_day(ML, "anomaly_scores", day, tables, run_id=context.run_id)
    report_row_counts(context, warehouse, context.asset_key, window)
    return dg.MaterializeResult()


def fit_week(
    context: dg.AssetExecutionContext, warehouse: Warehouse, models: Models, samples: TrainingSamples, week: Week
) -> Published | None:
    """Fit and publish the week's model; None where fewer days than the setting asks for have readings."""
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


def score_table(features: ReadingFeatures, model: Loaded | None) -> pa.Table:
    """The day's rows of `ml.anomaly_scores`; without a model the scores are null and say so."""
    count = len(features)
    expected = np.round(features.expected_wh.astype(np.float64), 3)
    if model is None:
        scores = flags = kinds = versions = pa.nulls(count)
    else:
        raw = detector.score(model.model, features.matrix)
        is_anomaly = detector.is_anomalous(model.model, raw)
        scores = pa.array(np.round(raw.astype(np.float64), detector.SCORE_DECIMALS))
        flags = pa.array(is_anomaly)
        kinds = pa.array(types.anomaly_types(features, is_anomaly), mask=~is_anomaly)
        versions = pa.repeat(model.version, count)
    return pa.table(
        [
            pa.repeat(pa.scalar(features.day, pa.date32()), count),
            pa.array(features.meter_id),
            pa.array(features.reading_at.astype("datetime64[us]")),
            pa.array(features.wh.astype(np.int64)),
            pa.array(expected, from_pandas=True),
            scores,
            flags,
            kinds,
            pa.repeat("no_model" if model is None else "scored", count),
            versions,
        ],
        names=COLUMNS.names,
    ).cast(COLUMNS)
