"""What a dry run says, and the calendar that a new home takes from it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from landing_support import HEADER, NOW, Zone

from energy_assets.landing.mapping import load_mappings
from energy_assets.landing.scan import ScanError, scan

OCTOPUS = "meter_identifier,interval_start,interval_end,kWh_per_half_hour\n"
KAGGLE = "Timestamp,Electricity_Consumed,Temperature,Humidity,Wind_Speed,Avg_Past_Consumption,Anomaly_Label\n"


@pytest.fixture
def zone(tmp_path: Path) -> Zone:
    return Zone(tmp_path)


def test_a_scan_tells_what_landing_would_do_and_writes_nothing(zone: Zone) -> None:
    zone.put(HEADER + "M1,2024-03-01 00:00,1\nM1,2024-03-02 00:00,2\nM1,1999-01-01,1\nM1,2024-09-09,x\n")
    zone.put("station_id,observed_at\nS,2024-02-01T00:00Z\n", "weather/w.csv")
    zone.put("a,b\n", "meter_readings/odd.csv")
    before = sorted(zone.path.rglob("*"))
    report = scan(zone.root, load_mappings(), now=NOW)
    assert sorted(zone.path.rglob("*")) == before
    assert (report.timezone, report.timezone_origin) == ("Africa/Douala", "default")
    assert (report.first_day, report.last_day) == (date(2024, 3, 1), date(2024, 3, 2)), (
        "weather alone makes no day of the home"
    )
    assert (report.rows_read, report.rows_rejected) == (5, 2)
    assert [file.path for file in report.unreadable] == ["meter_readings/odd.csv"]
    readings = report.files[0]
    assert (readings.mapping, readings.unit, readings.local_zone) == (
        "canonical_meter_readings",
        "kWh",
        "Africa/Douala",
    )
    assert [row["consumption_kwh"] for row in readings.first_rows] == [1.0, 2.0]
    assert [sentence.split(":")[0] for sentence in readings.rejects] == [
        "meter_readings/a.csv, row 4, column reading_at",
        "meter_readings/a.csv, row 5, column consumption_kwh",
    ]


def test_the_mapping_says_the_zone_and_a_setting_outranks_it(zone: Zone) -> None:
    zone.put(OCTOPUS + "m,2024-06-01T23:30:00Z,,1\n")
    london, douala = scan(zone.root, load_mappings(), now=NOW), scan(zone.root, load_mappings(), "Africa/Douala", NOW)
    assert (london.timezone, london.timezone_origin, london.first_day) == (
        "Europe/London",
        "mapping octopus",
        date(2024, 6, 2),
    )
    assert (douala.timezone, douala.timezone_origin) == ("Africa/Douala", "ENERGY_TIMEZONE")


def test_files_of_two_zones_need_a_decision(zone: Zone) -> None:
    zone.put(OCTOPUS + "m,2024-06-01T23:30:00Z,,1\n")
    zone.put(KAGGLE + "2024-01-01 00:00:00,0,0,0,0,0,Normal\n", "meter_readings/b.csv")
    with pytest.raises(ScanError, match=r"Europe/London \(octopus\), UTC \(kaggle_smart_meter\): set ENERGY_TIMEZONE"):
        scan(zone.root, load_mappings(), now=NOW)
    assert scan(zone.root, load_mappings(), "UTC", NOW).rows_read == 2


def test_a_scan_of_one_file_and_of_nothing(zone: Zone) -> None:
    path = zone.put(HEADER + "M1,2024-03-01,1\n")
    assert scan(path, load_mappings(), now=NOW).first_day == date(2024, 3, 1)
    assert scan(zone.root / "nowhere", load_mappings(), now=NOW).first_day is None
