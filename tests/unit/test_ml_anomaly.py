"""Anomalies of readings: each kind is drawn on simulated meters with a daily shape and found; the regular is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ml.anomaly import features as feature_module
from ml.anomaly.detector import AnomalyModel, fit, is_anomalous, score
from ml.anomaly.features import FEATURE_NAMES, ReadingFeatures, reading_features
from ml.anomaly.sampling import training_sample
from ml.anomaly.types import anomaly_types, deviation
from ml.profiles import DayProfiles, DayWeather

DOUALA = ZoneInfo("Africa/Douala")
LONDON = ZoneInfo("Europe/London")
FIRST = date(2024, 1, 1)
TRAINED = 28
METERS, LAST = 40, 42


def profile(day: date, ids: np.ndarray, wh: np.ndarray, minutes: int = 30, zone: ZoneInfo = DOUALA) -> DayProfiles:
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC).replace(tzinfo=None)
    return DayProfiles(day, np.datetime64(midnight), minutes, ids, wh.astype(np.float32))


def names(count: int) -> np.ndarray:
    return np.array([f"M{i:03d}" for i in range(count)])


def fleet(meters: int = METERS, days: int = LAST, slots: int = 48, seed: int = 0) -> np.ndarray:
    """Wh [meters, days, slots]: a morning and an evening peak, livelier weekends, noise, levels over two decades."""
    random = np.random.default_rng(seed)
    hour = np.arange(slots) * 24 / slots
    shape = 0.4 + np.exp(-(((hour - 7.5) / 2) ** 2)) + 1.6 * np.exp(-(((hour - 19.5) / 2.5) ** 2))
    level = random.lognormal(5.5, 0.8, (meters, 1, 1)) * 48 / slots
    weekend = np.where(np.arange(days) % 7 >= 5, 1.2, 1.0)[:, None]
    noise = random.lognormal(0, 0.3, (meters, days, slots)) * random.lognormal(0, 0.1, (meters, days, 1))
    return np.round(level * shape * weekend * noise)


def features_of(wh: np.ndarray, index: int, ids: np.ndarray | None = None, minutes: int = 30) -> ReadingFeatures:
    """Features of day `index` of wh [meters, days, slots]."""
    ids = names(len(wh)) if ids is None else ids
    days = [profile(FIRST + timedelta(i), ids, wh[:, i], minutes) for i in range(max(0, index - 7), index + 1)]
    return reading_features(days[-1], days[:-1], None, DOUALA)


@pytest.fixture(scope="module")
def usual() -> np.ndarray:
    return fleet()


@pytest.fixture(scope="module")
def model(usual: np.ndarray) -> AnomalyModel:
    samples = [training_sample([features_of(usual, day)], per_day_cap=800, seed=42) for day in range(7, TRAINED)]
    return fit(np.concatenate(samples), share=0.01, threshold=None, seed=42)


def flagged(
    model: AnomalyModel, wh: np.ndarray, day: int, meter: int = 0
) -> tuple[ReadingFeatures, np.ndarray, np.ndarray]:
    """Features of one day, and flags and types of one meter's slots."""
    features = features_of(wh, day)
    flags = is_anomalous(model, score(model, features.matrix))
    own = features.meter_index == meter
    return features, flags[own], anomaly_types(features, flags)[own]


def test_a_spike_is_flagged_as_spike_with_its_numbers(model: AnomalyModel, usual: np.ndarray) -> None:
    wh = usual.copy()
    wh[0, 35, 24] = 8 * usual[0].mean()
    features, flags, types = flagged(model, wh, 35)
    assert flags[24]
    assert types[24] == "spike"
    expected = usual[0, 28:35, 24].mean()
    assert features.expected_wh[24] == pytest.approx(expected)
    assert deviation(features)[24] == pytest.approx(wh[0, 35, 24] / expected, abs=1e-3)


def test_a_drop_to_zero_is_flagged_as_drop(model: AnomalyModel, usual: np.ndarray) -> None:
    wh = usual.copy()
    wh[0, 35, 30:42] = 0
    features, flags, types = flagged(model, wh, 35)
    assert flags[32:42].mean() > 0.7
    assert set(types[30:42][flags[30:42]]) == {"drop"}
    assert (deviation(features)[30:42] == 0).all()


def test_a_flat_run_is_flagged_as_flat(model: AnomalyModel, usual: np.ndarray) -> None:
    wh = usual.copy()
    wh[:5, 34:36] = np.round(usual[:5].mean(axis=(1, 2)))[:, None, None]
    types = np.concatenate([flagged(model, wh, 35, meter)[2] for meter in range(5)])
    assert (types == "flat").sum() >= 10
    assert (types == "flat").sum() >= 0.9 * (types != "").sum()


@pytest.mark.parametrize("end", [0.25, 2.5])
def test_a_drift_is_flagged_as_drift(model: AnomalyModel, usual: np.ndarray, end: float) -> None:
    wh = usual.copy()
    wh[0, 29:36] = np.round(wh[0, 29:36] * np.geomspace(1, end, 7 * 48).reshape(7, 48))
    types = np.concatenate([flagged(model, wh, day)[2] for day in (34, 35)])
    kinds, counts = np.unique(types[types != ""], return_counts=True)
    assert (types == "drift").sum() >= 10
    assert kinds[counts.argmax()] == "drift"


def test_a_large_but_regular_consumer_is_no_anomaly(model: AnomalyModel, usual: np.ndarray) -> None:
    wh = usual.copy()
    wh[0] *= 1000
    flags = np.concatenate([flagged(model, wh, day)[1] for day in range(TRAINED, LAST)])
    assert flags.mean() < 0.04


def test_a_meter_that_always_reads_the_same_is_no_anomaly(model: AnomalyModel, usual: np.ndarray) -> None:
    wh = usual.copy()
    wh[0] = 700
    assert not flagged(model, wh, 35)[1].any()


def test_about_the_expected_share_of_later_usual_days_is_flagged(model: AnomalyModel, usual: np.ndarray) -> None:
    flags = [is_anomalous(model, score(model, features_of(usual, day).matrix)) for day in range(TRAINED, LAST)]
    assert 0.003 < np.concatenate(flags).mean() < 0.03


def by_hand(wh: np.ndarray, day: int, slot: int) -> dict[str, float]:
    """The documented features of one meter's reading, wh [days, slots], written down once more without cleverness."""
    history, line = wh[day - 7 : day].ravel(), wh[: day + 1].ravel()
    at = day * wh.shape[1] + slot
    x, hour_window, day_window = line[at], line[at - 1 : at + 1], line[at - 47 : at + 1]
    m, s, same = np.nanmean(history), np.nanstd(history), np.nanmean(wh[day - 7 : day], axis=0)
    epsilon = 0.01 * m
    week_ago = wh[day - 7, slot] if not np.isnan(wh[day - 7, slot]) else same[slot]

    def against(a: float, b: float) -> float:
        return float(np.log((a + epsilon) / (b + epsilon)))

    return {
        "level": np.log1p(x / m),
        "rolling_1h_mean": against(np.nanmean(hour_window), np.nanmean(same[slot - 1 : slot + 1])),
        "rolling_24h_mean": against(np.nanmean(day_window), m),
        "rolling_24h_std": against(np.nanstd(day_window), s),
        "ratio_to_mean": against(x, same[slot]),
        "same_slot_last_week": (x - week_ago) / (s + epsilon),
        "hour_sin": np.sin(slot / 48 * 2 * np.pi),
        "hour_cos": np.cos(slot / 48 * 2 * np.pi),
        "weekday": (FIRST + timedelta(day)).weekday(),
        "temperature_c": 20.0,
        "humidity_pct": 60.0,
        "wind_speed_kmh": 10.0,
    }


def test_features_are_what_their_documentation_says() -> None:
    wh = fleet(meters=3, days=9)
    gaps = np.random.default_rng(5).random(wh.shape) < 0.1
    wh[gaps] = np.nan
    wh[1, 1, 20] = np.nan
    wh[1, 8, [1, 20, 47]] = 100
    features = features_of(wh, 8)
    assert len(features) == (~np.isnan(wh[:, 8])).sum()
    assert np.isfinite(features.matrix).all()
    for slot in (1, 20, 47):
        row = np.flatnonzero((features.meter_id == "M001") & (features.slot_index == slot))[0]
        expected = by_hand(wh[1], 8, slot)
        np.testing.assert_allclose(
            features.matrix[row], [expected[name] for name in FEATURE_NAMES], rtol=1e-5, atol=1e-6
        )
        assert features.reading_at[row] == np.datetime64("2024-01-08T23:00") + slot * np.timedelta64(30, "m")


def rows_of(features: ReadingFeatures, meter: str) -> np.ndarray:
    return features.matrix[features.meter_id == meter]


def test_other_meters_do_not_change_a_meters_features(usual: np.ndarray) -> None:
    alone = features_of(usual[7:8], 20, names(METERS)[7:8])
    np.testing.assert_array_equal(alone.matrix, rows_of(features_of(usual, 20), "M007"))


def test_the_size_of_a_block_does_not_change_a_bit(usual: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = features_of(usual, 20)
    monkeypatch.setattr(feature_module, "BLOCK_METERS", 7)
    blocks = features_of(usual, 20)
    np.testing.assert_array_equal(blocks.matrix, whole.matrix)
    np.testing.assert_array_equal(blocks.expected_wh, whole.expected_wh)
    np.testing.assert_array_equal(blocks.trend, whole.trend)


def test_scale_does_not_matter(usual: np.ndarray) -> None:
    np.testing.assert_allclose(features_of(usual * 100, 20).matrix, features_of(usual, 20).matrix, rtol=2e-4, atol=2e-4)


def test_history_is_what_there_is_of_the_seven_days_before(usual: np.ndarray) -> None:
    days = [profile(FIRST + timedelta(i), names(METERS), usual[:, i]) for i in range(9)]
    for other in (days[0], days[8]):
        with pytest.raises(ValueError, match="history of 2024-01-09 must be distinct days from 2024-01-02"):
            reading_features(days[8], [*days[2:8], other], None, DOUALA)
    some = reading_features(days[8], days[2:8:2], None, DOUALA)
    shuffled = reading_features(days[8], days[2:8:2][::-1], None, DOUALA)
    np.testing.assert_array_equal(some.matrix, shuffled.matrix)


def test_history_at_another_interval_is_refused(usual: np.ndarray) -> None:
    hourly = profile(FIRST, names(METERS), usual[:, 0, ::2], minutes=60)
    with pytest.raises(ValueError, match=r"at 30 minutes holds \[60\] minutes"):
        reading_features(profile(FIRST + timedelta(1), names(METERS), usual[:, 1]), [hourly], None, DOUALA)


def test_a_meters_first_day_is_neutral_and_not_flagged(model: AnomalyModel, usual: np.ndarray) -> None:
    features = features_of(usual[:, :1], 0)
    for name in ("rolling_1h_mean", "rolling_24h_mean", "rolling_24h_std", "ratio_to_mean", "same_slot_last_week"):
        assert (features.column(name) == 0).all()
    assert is_anomalous(model, score(model, features.matrix)).mean() < 0.02


def test_a_meter_without_readings_has_no_rows_and_disturbs_none(usual: np.ndarray) -> None:
    wh = usual.copy()
    wh[3, 20] = np.nan
    wh[4, 13:20] = np.nan
    features, whole = features_of(wh, 20), features_of(usual, 20)
    assert not (features.meter_id == "M003").any()
    assert np.isfinite(features.matrix).all()
    np.testing.assert_array_equal(rows_of(features, "M005"), rows_of(whole, "M005"))


def test_windows_do_not_reach_over_a_missing_day(usual: np.ndarray) -> None:
    days = [profile(FIRST + timedelta(i), names(METERS), usual[:, i]) for i in range(9)]
    features = reading_features(days[8], days[1:7], None, DOUALA)
    first = features.slot_index == 0
    m = np.concatenate([d.wh for d in days[1:7]], axis=1).mean(axis=1)
    np.testing.assert_allclose(features.column("level")[first], np.log1p(days[8].wh[:, 0] / m), rtol=1e-5)
    mean_24h = np.log((days[8].wh[:, 0] + 0.01 * m) / (1.01 * m))
    np.testing.assert_allclose(features.column("rolling_24h_mean")[first], mean_24h, rtol=1e-4, atol=1e-5)
    assert (features.column("rolling_24h_std")[first] == 0).all()


@pytest.mark.parametrize(("minutes", "slots"), [(15, 96), (60, 24), (1440, 1)])
def test_a_tenfold_reading_is_found_at_every_interval(minutes: int, slots: int) -> None:
    wh = fleet(slots=slots)
    samples = [training_sample([features_of(wh, d, minutes=minutes)], per_day_cap=800, seed=42) for d in range(7, 28)]
    model = fit(np.concatenate(samples), share=0.01, threshold=None, seed=42)
    wh[0, 35, slots // 2] = 10 * wh[0, 28:35, slots // 2].max()
    features = features_of(wh, 35, minutes=minutes)
    flags = is_anomalous(model, score(model, features.matrix))
    row = np.flatnonzero((features.meter_index == 0) & (features.slot_index == slots // 2))[0]
    assert flags[row]
    assert anomaly_types(features, flags)[row] == "spike"


@pytest.mark.parametrize(("day", "slots"), [(date(2024, 3, 31), 46), (date(2024, 10, 27), 50)])
def test_dst_days_compare_equal_clock_times(day: date, slots: int) -> None:
    """Every meter reads its clock time in minutes, so on any day the same slot of the week before reads the same."""

    def clocked(of: date, count: int) -> DayProfiles:
        empty = profile(of, names(2), np.zeros((2, count)), zone=LONDON)
        return profile(of, names(2), np.tile(empty.clock_minutes(LONDON), (2, 1)), zone=LONDON)

    usual_days = [clocked(day - timedelta(age), 48) for age in range(1, 8)]
    features = reading_features(clocked(day, slots), usual_days, None, LONDON)
    assert (features.column("same_slot_last_week") == 0).all()
    assert (features.column("ratio_to_mean") == 0).all()
    hour = (np.degrees(np.arctan2(features.column("hour_sin"), features.column("hour_cos"))) % 360) / 15
    np.testing.assert_allclose(hour, features.wh / 60, atol=1e-4)

    after = clocked(day + timedelta(7), 48)
    between = [clocked(day + timedelta(age), 48) for age in range(1, 7)]
    later = reading_features(after, [*between, clocked(day, slots)], None, LONDON)
    assert (later.column("same_slot_last_week") == 0).all()
    assert (later.column("ratio_to_mean") == 0).all()


def test_the_day_after_a_dst_day_sees_24_elapsed_hours() -> None:
    wh = np.zeros((1, 50))
    wh[0, 1] = 4800
    before = profile(date(2024, 10, 27), names(1), wh, zone=LONDON)
    after = profile(date(2024, 10, 28), names(1), np.zeros((1, 48)), zone=LONDON)
    features = reading_features(after, [before], None, LONDON)
    assert (features.column("rolling_24h_mean") < -4).all(), "slot 1 of the long day is more than 24 hours ago"


def test_weather_is_of_the_slot_and_carried_for_three_hours(usual: np.ndarray) -> None:
    day = profile(FIRST, names(2), usual[:2, 0])
    at = day.starts_at + np.array([60, 70, 600], dtype="timedelta64[m]")
    none = np.full(3, np.nan)
    weather = DayWeather(at, np.array([20.0, 24.0, 34.0]), none, np.array([np.nan, 5.0, np.nan]))
    features = reading_features(day, [], weather, DOUALA)
    temperature = features.column("temperature_c")[:48]
    assert temperature[2:9].tolist() == [22.0] * 7
    assert temperature[20] == 34.0
    assert temperature[[0, 9, 47]].tolist() == [26.0] * 3
    assert (features.column("humidity_pct") == 60).all()
    assert (features.column("wind_speed_kmh") == 5).all()


def test_a_training_sample_depends_on_who_and_when_only(usual: np.ndarray) -> None:
    whole = features_of(usual, 20)
    sample = training_sample([whole], per_day_cap=500, seed=42)
    halves = [features_of(usual[part], 20, names(METERS)[part]) for part in (slice(25, None), slice(0, 25))]
    assert sample.shape == (500, len(FEATURE_NAMES))
    np.testing.assert_array_equal(training_sample(halves, per_day_cap=500, seed=42), sample)
    assert not np.array_equal(training_sample([whole], per_day_cap=500, seed=43), sample)


def test_a_further_meter_displaces_no_more_rows_than_it_brings(usual: np.ndarray) -> None:
    before = {row.tobytes() for row in training_sample([features_of(usual[:-1], 20)], per_day_cap=500, seed=42)}
    after = {row.tobytes() for row in training_sample([features_of(usual, 20)], per_day_cap=500, seed=42)}
    newcomer = {row.tobytes() for row in rows_of(features_of(usual, 20), f"M{METERS - 1:03d}")}
    assert after - before <= newcomer
    assert len(before - after) == len(after - before)


def test_a_day_below_the_cap_is_taken_whole(usual: np.ndarray) -> None:
    features = features_of(usual[:2], 20)
    assert len(training_sample([features], per_day_cap=10_000, seed=42)) == len(features)
    assert training_sample([], per_day_cap=10, seed=42).shape == (0, len(FEATURE_NAMES))


def test_a_training_sample_is_of_one_day(usual: np.ndarray) -> None:
    with pytest.raises(ValueError, match="of one day"):
        training_sample([features_of(usual, 20), features_of(usual, 21)], per_day_cap=10, seed=42)


def test_fit_takes_what_it_is_given_in_any_order(usual: np.ndarray) -> None:
    samples = features_of(usual, 20).matrix
    one = fit(samples, share=0.02, threshold=None, seed=1)
    other = fit(samples[::-1], share=0.02, threshold=None, seed=1)
    np.testing.assert_array_equal(score(one, samples), score(other, samples))
    assert (one.threshold, one.row_count) == (other.threshold, len(samples))
    assert is_anomalous(one, score(one, samples)).mean() == pytest.approx(0.02, abs=0.001)


def test_a_fixed_threshold_is_kept(usual: np.ndarray) -> None:
    model = fit(features_of(usual, 20).matrix, share=0.01, threshold=0.7, seed=1)
    assert (model.threshold, model.is_threshold_fixed) == (0.7, True)


def test_readings_that_are_all_alike_flag_nothing() -> None:
    samples = np.ones((300, len(FEATURE_NAMES)), dtype=np.float32)
    model = fit(samples, share=0.01, threshold=None, seed=1)
    assert not is_anomalous(model, score(model, samples)).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[:0], "rows of 12 features"),
        (lambda rows: rows[:, 1:], "rows of 12 features"),
        (lambda rows: np.where(rows == rows[0, 3], np.nan, rows), "finite"),
    ],
)
def test_fit_refuses_what_it_cannot_learn_from(
    usual: np.ndarray, change: Callable[[np.ndarray], np.ndarray], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        fit(change(features_of(usual, 20).matrix), share=0.01, threshold=None, seed=1)


def test_scores_are_the_same_one_by_one_and_in_any_number_of_threads(model: AnomalyModel, usual: np.ndarray) -> None:
    days = [features_of(usual, day).matrix for day in range(30, 34)]
    together = score(model, np.concatenate(days), threads=2)
    np.testing.assert_array_equal(together, np.concatenate([score(model, day, threads=1) for day in days]))
    np.testing.assert_array_equal(together, np.round(together.astype(np.float64), 6).astype(np.float32))
    assert together.dtype == np.float32
    assert 0 < together.min() < together.max() < 1


def test_no_rows_have_no_scores(model: AnomalyModel) -> None:
    assert score(model, np.empty((0, len(FEATURE_NAMES)), dtype=np.float32)).shape == (0,)


def test_a_matrix_of_other_features_is_refused(model: AnomalyModel) -> None:
    with pytest.raises(ValueError, match="fitted on 12 features"):
        score(model, np.ones((3, 11), dtype=np.float32))


def test_what_is_not_flagged_has_no_type(usual: np.ndarray) -> None:
    features = features_of(usual, 20)
    assert set(anomaly_types(features, np.zeros(len(features), dtype=bool))) == {""}


def test_where_nothing_was_expected_there_is_no_ratio(usual: np.ndarray) -> None:
    features = features_of(usual, 20)
    nothing = replace(features, expected_wh=np.zeros_like(features.expected_wh))
    assert np.isnan(deviation(nothing)).all()
