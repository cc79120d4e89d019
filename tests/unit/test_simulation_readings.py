"""The made-up fleet: the same for the same seed, readable, and true to what it says it planted."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from landing_support import Zone

from energy_assets.simulation import simulate_readings

FIRST = date(2024, 1, 1)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_same_seed_gives_the_same_files_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        simulate_readings(20, 3, seed, tmp_path / name)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert contents(tmp_path / "a") != contents(tmp_path / "c")


def test_a_day_is_the_same_however_many_days_are_made(tmp_path: Path) -> None:
    simulate_readings(20, 4, 1, tmp_path / "together")
    for number in range(4):
        simulate_readings(20, 1, 1, tmp_path / "apart", first_day=FIRST + timedelta(days=number))
    assert contents(tmp_path / "together" / "meter_readings") == contents(tmp_path / "apart" / "meter_readings")


def test_a_simulated_day_lands_with_a_few_rejected_rows_and_gaps(tmp_path: Path) -> None:
    zone = Zone(tmp_path)
    paths = simulate_readings(100, 3, 7, zone.root)
    for path, day in zip(paths, (FIRST + timedelta(days=n) for n in range(3)), strict=True):
        landed = zone.land(path)
        assert path.name == f"{day}.csv"
        assert landed.days == (day,)
        assert 0 < landed.rows_rejected / landed.rows_read < 0.01
        assert 4700 < landed.rows_accepted < 4800
        assert {row["column_name"] for row in landed.rejects().to_pylist()} == {"meter_id", "consumption_kwh"}


@pytest.mark.parametrize("meters", [1, 5, 20])
def test_small_fleets_stay_below_one_per_cent_rejected(tmp_path: Path, meters: int) -> None:
    zone = Zone(tmp_path)
    for path in simulate_readings(meters, 5, 3, zone.root):
        landed = zone.land(path)
        assert landed.rows_rejected / landed.rows_read < 0.01


def test_a_red_day_lacks_a_quarter_of_its_meters(tmp_path: Path) -> None:
    zone = Zone(tmp_path)
    green, red = map(zone.land, simulate_readings(50, 2, 7, zone.root, red_days=[date(2024, 1, 2)]))
    assert green.rows_rejected / green.rows_read < 0.01
    assert 0.2 < red.rows_rejected / red.rows_read < 0.3


def test_csv_and_parquet_hold_the_same_rows(tmp_path: Path) -> None:
    zone = Zone(tmp_path)
    (text,) = simulate_readings(30, 1, 5, zone.root)
    (parquet,) = simulate_readings(30, 1, 5, zone.root, format="parquet")
    first, second = zone.land(text), zone.land(parquet)
    assert zone.rows(first).drop("row_number").equals(zone.rows(second).drop("row_number"))
    assert first.rows_rejected == second.rows_rejected


def test_days_are_local_days_with_their_clock_changes(tmp_path: Path) -> None:
    zone = Zone(tmp_path, "Europe/London")
    for day, half_hours in ((date(2024, 3, 31), 46), (date(2024, 10, 27), 50)):
        (path,) = simulate_readings(40, 1, 5, zone.root, first_day=day, timezone="Europe/London")
        landed = zone.land(path)
        assert landed.days == (day,)
        assert zone.rows(landed)["reading_at"].n_unique() == half_hours


def test_the_fleet_has_an_evening_peak_and_the_planted_anomalies(tmp_path: Path) -> None:
    zone = Zone(tmp_path, "UTC")
    paths = simulate_readings(200, 20, 11, zone.root, timezone="UTC")
    rows = pl.concat([zone.rows(zone.land(path)) for path in paths])
    by_hour = rows.group_by(pl.col("reading_at").dt.hour()).agg(pl.col("consumption_kwh").mean()).sort("reading_at")
    assert 18 <= by_hour["consumption_kwh"].arg_max() <= 21
    truth = pl.read_csv(zone.root / "truth" / "anomalies.csv", try_parse_dates=True)
    assert set(truth["kind"]) == {"spike", "drop", "flat"}
    assert 5 <= truth.height <= 40
    usual = rows.group_by("meter_id").agg(pl.col("consumption_kwh").median().alias("usual"))
    planted = rows.join(truth, on="meter_id").filter(
        (pl.col("reading_at") >= pl.col("started_at")) & (pl.col("reading_at") < pl.col("ended_at"))
    )
    seen = (
        planted.join(usual, on="meter_id")
        .group_by("meter_id", "started_at", "kind")
        .agg(
            (pl.col("consumption_kwh").mean() / pl.col("usual").first()).alias("ratio"),
            pl.col("consumption_kwh").n_unique().alias("values"),
        )
    )
    assert seen.filter(pl.col("kind") == "spike")["ratio"].min() > 5
    assert seen.filter(pl.col("kind") == "drop")["ratio"].max() < 0.2
    assert seen.filter(pl.col("kind") == "flat")["values"].max() == 1


def test_a_fleet_without_meters_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one meter"):
        simulate_readings(0, 1, 1, tmp_path)
