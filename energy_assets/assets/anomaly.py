"""Anomaly model and scores: each week's model learns from the weeks before it, and never from what it scores.

What belongs here: which days are read, which model scores a day, and writing both down.
What does not: features, forest and types (ml/), thresholds (settings.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby

import dagster as dg
import numpy as np
import pyarrow as pa

from energy_assets.assets.models import report_row_counts
from energy_assets.days import DayWindow
from energy_assets.keys import ML, OWNERS, checkpoint_key
from energy_assets.partitions import BACKFILL, CALENDAR, DAILY, day_window, lookback
from energy_assets.resources.gates import day_states, require_readable
from energy_assets.resources.models import Loaded, Models, Published
from energy_assets.resources.warehouse import Warehouse
from energy_assets.settings import settings
from ml.anomaly import detector, sampling, types
from ml.anomaly.features import HISTORY_DAYS, ReadingFeatures, reading_features
from ml.profiles import DayProfiles, DayWeather, from_arrow

FEATURES = "int_consumption_features"
WEATHER = "stg_weather_observations"
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
    """Publish the model of each week in the window that has none yet and enough days to learn from."""
    window = day_window(context)
    history = ProfileHistory(warehouse)
    for week in sorted({Week.of(day) for day in window}, key=lambda week: week.first_day):
        published = models.published(warehouse, week.first_day) or fit_week(context, warehouse, models, history, week)
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
    history = ProfileHistory(warehouse)
    for week, days in groupby(window, key=Week.of):
        model = models.load(warehouse, week.first_day)
        for day in days:
            features = history.features(day, weather_of(warehouse, day))
            tables = (score_table(piece, model) for piece in features)
            warehouse.replace_day(ML, "anomaly_scores", day, tables, run_id=context.run_id)
    report_row_counts(context, warehouse, context.asset_key, window)
    return dg.MaterializeResult()


class ProfileHistory:
    """Profiles by day, each read once while a window moves forward; days whose gate is closed read as absent."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._days: dict[date, list[DayProfiles]] = {}

    def features(self, day: date, weather: DayWeather | None) -> Iterator[ReadingFeatures]:
        """Features of the day's readings, one piece per interval length."""
        span = DayWindow.of(day).with_lookback(HISTORY_DAYS)
        self._read(span)
        for target in self._days[day]:
            past = [
                profiles
                for other in span
                if other != day
                for profiles in self._days[other]
                if profiles.interval_minutes == target.interval_minutes
            ]
            yield reading_features(target, past, weather, CALENDAR.zone)

    def _read(self, span: DayWindow) -> None:
        self._days = {day: profiles for day, profiles in self._days.items() if day >= span.start}
        missing = [day for day in span if day not in self._days]
        states = day_states(self._warehouse, [FEATURES], span)
        for day in missing:
            state = states.get((FEATURES, day))
            self._days[day] = self._profiles(day) if state and state.is_readable else []

    def _profiles(self, day: date) -> list[DayProfiles]:
        with self._warehouse.stream(
            "select meter_id, interval_minutes, profile_wh from intermediate.int_consumption_features"
            " where reading_date = $1::text::date",
            (day.isoformat(),),
        ) as batches:
            return from_arrow(batches.read_all(), day, day_starts_at(day))


def day_starts_at(day: date) -> np.datetime64:
    """UTC instant of the utility's local midnight."""
    local = datetime.combine(day, time(), tzinfo=CALENDAR.zone)
    return np.datetime64(local.astimezone(UTC).replace(tzinfo=None), "s")


def fit_week(
    context: dg.AssetExecutionContext, warehouse: Warehouse, models: Models, history: ProfileHistory, week: Week
) -> Published | None:
    """Fit and publish the week's model; None where fewer days than the setting asks for have readings."""
    known = settings()
    samples, days = [], []
    for day in week.training:
        sample = sampling.training_sample(
            history.features(day, weather_of(warehouse, day)),
            per_day_cap=TRAINING_ROWS_PER_DAY,
            seed=known.anomaly_seed,
        )
        if len(sample):
            samples.append(sample)
            days.append(day)
    if len(days) < known.anomaly_min_training_days:
        context.log.info(
            f"no model for the week of {week.first_day}: {len(days)} days to learn from, {known.anomaly_min_training_days} needed"
        )
        return None
    model = detector.fit(
        np.concatenate(samples),
        share=known.anomaly_share,
        threshold=known.anomaly_threshold,
        seed=known.anomaly_seed,
        window=(days[0], days[-1]),
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


def weather_of(warehouse: Warehouse, day: date) -> DayWeather | None:
    """The day's weather where its gate is open and there is any."""
    state = day_states(warehouse, [WEATHER], DayWindow.of(day)).get((WEATHER, day))
    if state is None or not state.is_readable or not state.row_count:
        return None
    with warehouse.stream(
        "select observed_at, temperature_c, humidity_pct, wind_speed_kmh from staging.stg_weather_observations"
        " where observation_date = $1::text::date order by station_id, observed_at",
        (day.isoformat(),),
    ) as batches:
        table = batches.read_all()
    return DayWeather(
        observed_at=table["observed_at"].cast(pa.timestamp("s", tz="UTC")).to_numpy(),
        **{name: table[name].to_numpy() for name in ("temperature_c", "humidity_pct", "wind_speed_kmh")},
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
