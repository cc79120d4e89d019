"""Real deliveries: every row accounted for, by counts made here in plain Python."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from landing_support import NOW, Zone, rejected
from polars.testing import assert_frame_equal

from energy_assets.landing.contract import READING_ANNOTATIONS, WEATHER_OBSERVATIONS
from energy_assets.landing.files import deliver, list_files
from energy_assets.landing.mapping import load_mappings
from energy_assets.landing.scan import scan

pytestmark = pytest.mark.shared_data


def counted(files: list[Path], timezone: str) -> tuple[Counter[date], set[str], list[tuple[str, int]], float]:
    """Readings by local day, meters, (file, row) of rows that are none, and the sum of all energy."""
    days, meters, junk, total = Counter(), set(), [], 0.0
    for file in files:
        with file.open(newline="") as handle:
            for number, row in enumerate(csv.DictReader(handle), start=2):
                try:
                    start = datetime.fromisoformat(row["interval_start"])
                except ValueError:
                    junk.append((file.name, number))
                    continue
                days[start.astimezone(ZoneInfo(timezone)).date()] += 1
                meters.add(row["meter_identifier"])
                total += float(row["kWh_per_half_hour"])
    return days, meters, junk, total


def test_octopus_lands_whole_in_london_days(shared_data: Path, tmp_path: Path) -> None:
    files = sorted((shared_data / "octopus" / "meter_readings").glob("*.csv"))
    days, meters, junk, total = counted(files, "Europe/London")
    assert (len(files), len(meters), days.total()) == (193, 299, 200_927)

    zone = Zone(tmp_path, "Europe/London")
    deliver(shared_data / "octopus", zone.root)
    mappings = load_mappings()
    landed = [zone.land(file.path, mappings) for file in list_files(zone.root).settled]
    assert {file.mapping for file in landed} == {"octopus"}
    by_day = sum((Counter(file.sources.get("meter_readings", {})) for file in landed), Counter())
    assert by_day == days
    assert [(Path(file.path).name, row) for file in landed for row, *_ in rejected(file)] == junk
    rows = pl.concat([zone.rows(file) for file in landed])
    assert rows["meter_id"].n_unique() == 299
    assert rows["consumption_kwh"].sum() == pytest.approx(total)
    assert rows["interval_minutes"].unique().to_list() == [30]


def test_octopus_scans_to_the_same_days_and_names_its_junk_row(shared_data: Path) -> None:
    report = scan(shared_data / "octopus", load_mappings(), now=NOW)
    days, _, _, _ = counted(sorted((shared_data / "octopus" / "meter_readings").glob("*.csv")), "Europe/London")
    assert (report.timezone, report.timezone_origin) == ("Europe/London", "mapping octopus")
    assert report.rows_by_day == dict(sorted(days.items()))
    assert (report.rows_read, report.rows_rejected, report.unreadable) == (200_928, 1, ())
    assert [sentence for file in report.files for sentence in file.rejects] == [
        'meter_readings/2017-11-05 236 Customers.csv, row 2, column interval_start: "0.0" is no date-time '
        "(expected e.g. 2017-11-05 00:30:00+00:00)"
    ]


def test_three_dialects_of_the_kaggle_file_bring_the_same_readings(shared_data: Path, tmp_path: Path) -> None:
    zone = Zone(tmp_path, "UTC")
    files = sorted((shared_data / "kaggle_smart_meter").glob("*.csv"))
    landed = [zone.land_text(file.read_bytes(), f"meter_readings/{file.name}") for file in files]
    assert [(file.mapping, file.rows_accepted, file.rows_rejected) for file in landed] == [
        ("kaggle_smart_meter", 5000, 0)
    ] * 3
    for source, numbers in (
        (None, ["consumption_kwh"]),
        (WEATHER_OBSERVATIONS, ["temperature_c", "humidity_pct", "wind_speed_kmh"]),
        (READING_ANNOTATIONS, ["past_average_kwh"]),
    ):
        frames = [zone.rows(file) if source is None else zone.rows(file, source) for file in landed]
        assert frames[0].height == 5000
        crlf, rounded, lf = frames
        assert crlf.equals(lf)
        assert_frame_equal(crlf, rounded, check_exact=False, rel_tol=0, abs_tol=1e-7)
        assert_frame_equal(crlf.drop(numbers), rounded.drop(numbers))


def test_kaggle_keeps_48_readings_a_day_and_its_labels(shared_data: Path, tmp_path: Path) -> None:
    zone = Zone(tmp_path, "UTC")
    landed = zone.land_text((shared_data / "kaggle_smart_meter" / "smart_meter_data.csv").read_bytes(), "top.csv")
    days = landed.sources["meter_readings"]
    assert (min(days), max(days), len(days)) == (date(2024, 1, 1), date(2024, 4, 14), 105)
    assert set(list(days.values())[:-1]) == {48}
    first = zone.rows(landed).row(0, named=True)
    assert first["reading_at"] == datetime(2024, 1, 1, tzinfo=UTC)
    assert first["consumption_kwh"] == 0.4577856921685388
    weather = zone.rows(landed, WEATHER_OBSERVATIONS).row(0, named=True)
    assert weather["humidity_pct"] == pytest.approx(39.636835925751607)
    labels = zone.rows(landed, READING_ANNOTATIONS)["delivered_label"].value_counts().sort("delivered_label").rows()
    assert labels == [("Abnormal", 250), ("Normal", 4750)]


SGSC = """
name = "sgsc"
description = "Readings stamped in standard time all year, as meters without clock changes do"

[recognise]
[sources.meter_readings.columns]
meter_id = "customer_id"
reading_at = { column = "reading_datetime", timezone = "Australia/Brisbane" }
consumption_kwh = "general_supply_kwh"
"""


def test_meters_that_ignore_clock_changes_still_get_sydneys_days(shared_data: Path, tmp_path: Path) -> None:
    zone = Zone(tmp_path, "Australia/Sydney")
    readings = pl.read_parquet(shared_data / "sgsc" / "sgsc_50_halfhourly_long.parquet")
    two = readings.filter(pl.col("customer_id").is_in(readings["customer_id"].unique().sort()[:2].implode()))
    path = zone.put(b"", "meter_readings/sgsc.parquet")
    two.write_parquet(path)
    (tmp_path / "sgsc.toml").write_text(SGSC)
    landed = zone.land(path, load_mappings(tmp_path))

    stamps = [stamp.replace(tzinfo=ZoneInfo("Australia/Brisbane")) for stamp in two["reading_datetime"]]
    days = Counter(stamp.astimezone(ZoneInfo("Australia/Sydney")).date() for stamp in stamps)
    assert landed.sources["meter_readings"] == dict(sorted(days.items()))
    assert (days[date(2013, 4, 7)], days[date(2013, 10, 6)]) == (100, 92)
    assert landed.unknown_columns == ("event_key",)
