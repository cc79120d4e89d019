"""Local days, clock changes, folds, offsets and the order of day and month."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from landing_support import HEADER, Zone, rejected

from energy_assets.landing.mapping import load_mappings

LONDON, SYDNEY = "Europe/London", "Australia/Sydney"


@pytest.fixture
def zone(tmp_path: Path) -> Zone:
    return Zone(tmp_path)


def local_day(
    day: str, meter: str = "M1", *, skip: tuple[str, str] | None = None, twice: tuple[str, str] | None = None
) -> str:
    """A day's half-hours in local time, with the hours that clocks skip or show twice."""
    times = [f"{minutes // 60:02d}:{minutes % 60:02d}" for minutes in range(0, 1440, 30)]
    times = [t for t in times if skip is None or not skip[0] <= t < skip[1]]
    if twice:
        again = [t for t in times if twice[0] <= t < twice[1]]
        at = times.index(again[-1]) + 1
        times[at:at] = again
    return "".join(f"{meter},{day} {t},{number}\n" for number, t in enumerate(times))


@pytest.mark.parametrize(
    ("timezone", "day", "changes", "half_hours"),
    [
        (LONDON, "2024-03-31", {"skip": ("01:00", "02:00")}, 46),
        (LONDON, "2024-10-27", {"twice": ("01:00", "02:00")}, 50),
        (LONDON, "2024-06-01", {}, 48),
        (SYDNEY, "2024-10-06", {"skip": ("02:00", "03:00")}, 46),
        (SYDNEY, "2024-04-07", {"twice": ("02:00", "03:00")}, 50),
        (SYDNEY, "2024-01-01", {}, 48),
    ],
)
def test_a_local_day_keeps_all_its_half_hours_in_order(
    zone: Zone, timezone: str, day: str, changes: dict[str, tuple[str, str]], half_hours: int
) -> None:
    zone = zone.at(timezone)
    landed = zone.land_text(HEADER + local_day(day, **changes))
    rows = zone.rows(landed)
    assert landed.sources == {"meter_readings": {date.fromisoformat(day): half_hours}}
    assert rows["consumption_kwh"].to_list() == list(range(half_hours))
    assert set(rows["reading_at"].diff().drop_nulls()) == {timedelta(minutes=30)}
    assert rows["instant_code"].null_count() == half_hours


@pytest.mark.parametrize(("timezone", "day"), [(LONDON, "2024-03-31"), (LONDON, "2024-10-27"), (SYDNEY, "2024-04-07")])
def test_instants_with_offsets_fall_on_the_same_local_days_as_local_times(zone: Zone, timezone: str, day: str) -> None:
    zone = zone.at(timezone)
    first = pl.Series([datetime.fromisoformat(day)]).dt.replace_time_zone(timezone)
    last = pl.Series([datetime.fromisoformat(day) + timedelta(days=1)]).dt.replace_time_zone(timezone)
    starts = pl.datetime_range(first[0], last[0], "30m", closed="left", time_zone=timezone, eager=True)
    text = HEADER + "".join(f"M1,{start.isoformat()},1\n" for start in starts)
    assert zone.land_text(text).sources == {"meter_readings": {date.fromisoformat(day): len(starts)}}


def test_a_local_time_that_clocks_skipped_is_rejected_on_its_day(zone: Zone) -> None:
    landed = zone.at(LONDON).land_text(HEADER + "M1,2024-03-31 01:30,1\nM1,2024-03-31 02:00,1\n")
    assert rejected(landed) == [
        (2, "reading_at", "2024-03-31 01:30", "does not exist in Europe/London: clocks were put forward over it")
    ]
    assert landed.rejects()["reading_date"].to_pylist() == [date(2024, 3, 31)]


def test_folds_follow_the_files_order_within_each_meter(zone: Zone) -> None:
    text = HEADER + "".join(
        f"{m},2024-10-27 01:{t},{k}\n" for k, t in enumerate(["00", "30", "00", "30"]) for m in "AB"
    )
    zone = zone.at(LONDON)
    rows = zone.rows(zone.land_text(text)).filter(pl.col("meter_id") == "B")
    assert rows["reading_at"].dt.strftime("%H:%MZ").to_list() == ["00:00Z", "00:30Z", "01:00Z", "01:30Z"]


def test_a_doubled_time_that_comes_once_is_the_first_fold_and_says_so(zone: Zone) -> None:
    zone = zone.at(LONDON)
    rows = zone.rows(zone.land_text(HEADER + "M1,2024-10-27 00:30,1\nM1,2024-10-27 01:00,2\nM1,2024-10-27 02:00,3\n"))
    assert rows["reading_at"].dt.strftime("%H:%MZ").to_list() == ["23:30Z", "00:00Z", "02:00Z"]
    assert rows["instant_code"].to_list() == [None, "fold_assumed", None]


def test_a_doubled_time_with_an_offset_needs_no_assumption(zone: Zone) -> None:
    zone = zone.at(LONDON)
    rows = zone.rows(zone.land_text(HEADER + "M1,2024-10-27T01:00:00+00:00,1\nM1,2024-10-27T01:00:00+01:00,2\n"))
    assert rows["reading_at"].dt.strftime("%H:%MZ").to_list() == ["01:00Z", "00:00Z"]
    assert rows["instant_code"].to_list() == [None, None]


def test_folds_hold_across_blocks_and_spills(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("energy_assets.landing.blocks.PARSED_BYTES", 2000)
    monkeypatch.setattr("energy_assets.landing.blocks.BLOCK_BYTES", 2000)
    monkeypatch.setattr("energy_assets.landing.parts.HELD_BYTES", 5000)
    day = local_day("2024-10-27", twice=("01:00", "02:00")).splitlines(keepends=True)
    text = HEADER + "".join(line.replace("M1", f"M{meter}") for line in day for meter in range(40))
    zone = zone.at(LONDON)
    rows = zone.rows(zone.land_text(text))
    assert rows.height == 50 * 40
    assert rows["row_number"].to_list() == list(range(2, 2002))
    gaps = rows.sort("meter_id", "row_number").select(pl.col("reading_at").diff().over("meter_id")).drop_nulls()
    assert set(gaps["reading_at"]) == {timedelta(minutes=30)}


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2024-01-02", "2024-01-01T23:00:00"),
        ("2024-01-02T00:30", "2024-01-01T23:30:00"),
        (" 2024-01-02 00:30:00 ", "2024-01-01T23:30:00"),
        ("2024-01-02T00:30:00Z", "2024-01-02T00:30:00"),
        ("2024-01-02T00:30:00.250+05:30", "2024-01-01T19:00:00.250"),
        ("2024-01-02T00:30:00-0300", "2024-01-02T03:30:00"),
        ("2024-01-02 00:30 +02", "2024-01-01T22:30:00"),
    ],
)
def test_iso_8601_is_read_with_and_without_offset(zone: Zone, text: str, utc: str) -> None:
    rows = zone.rows(zone.land_text(HEADER + f"M1,{text},1\n"))
    assert rows["reading_at"].dt.replace_time_zone(None)[0] == datetime.fromisoformat(utc)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty: a date-time is needed"),
        ("0.0", "is no date-time (expected e.g. 2017-11-05 00:30:00+00:00)"),
        ("2024-02-30", "is no date-time"),
        ("2024-01-01 24:00", "is no date-time"),
        ("2024-01-01T00:00:00+15:00", "is no date-time"),
        ("01/02/2024 00:30", "is no date-time"),
        ("1999-12-31T23:59:59Z", "is before 2000-01-01"),
        ("2026-06-02T00:00:01Z", "is later than a day from now (2026-06-02 00:00+00:00)"),
        ("9999-12-31", "is later than a day from now"),
    ],
)
def test_a_date_time_that_cannot_be_true_is_rejected_with_its_reason(zone: Zone, text: str, told: str) -> None:
    [(row, column, value, reason)] = rejected(zone.land_text(HEADER + f"M1,{text},1\nM1,2024-01-01,1\n"))
    assert (row, column, value) == (2, "reading_at", text)
    assert reason.startswith(told)


def us_mapping(tmp_path: Path, reading_at: str) -> Path:
    folder = tmp_path / "mappings"
    folder.mkdir()
    (folder / "us.toml").write_text(
        f"""
        name = "us"
        description = "Dates with slashes"
        [recognise]
        [sources.meter_readings.columns]
        meter_id = "id"
        reading_at = {{ column = "at", {reading_at} }}
        consumption_kwh = "kwh"
        """
    )
    return folder


@pytest.mark.parametrize(
    ("dates", "days"),
    [
        (["01/02/2024 0:00", "13/02/2024 0:30"], {date(2024, 2, 1), date(2024, 2, 13)}),
        (["01/02/2024 0:00", "02/13/2024 0:30"], {date(2024, 1, 2), date(2024, 2, 13)}),
        (["3/3/2024 0:00"], {date(2024, 3, 3)}),
    ],
)
def test_the_whole_file_proves_the_order_of_day_and_month(zone: Zone, dates: list[str], days: set[date]) -> None:
    mappings = load_mappings(us_mapping(zone.path, 'formats = ["%d/%m/%Y %H:%M"], date_order = "auto"'))
    landed = zone.land_text("id,at,kwh\n" + "".join(f"A,{d},1\n" for d in dates), mappings=mappings)
    assert set(landed.sources["meter_readings"]) == days


@pytest.mark.parametrize(
    ("dates", "told"),
    [
        (["01/02/2024 0:00", "03/04/2024 0:30"], "can be day/month or month/day and no date of the file tells which"),
        (["13/02/2024 0:00", "02/13/2024 0:30"], "some dates read only as day/month, others only as month/day"),
    ],
)
def test_dates_that_prove_no_order_are_an_error_with_its_remedy(zone: Zone, dates: list[str], told: str) -> None:
    mappings = load_mappings(us_mapping(zone.path, 'formats = ["%d/%m/%Y %H:%M"], date_order = "auto"'))
    landed = zone.land_text("id,at,kwh\n" + "".join(f"A,{d},1\n" for d in dates), mappings=mappings)
    assert landed.status == "unreadable"
    assert told in landed.message
    assert 'date_order = "day_first"' in landed.message
    assert not list(zone.parts.rglob("*.parquet"))


def test_a_declared_order_needs_no_proof(zone: Zone) -> None:
    mappings = load_mappings(us_mapping(zone.path, 'formats = ["%d/%m/%Y %H:%M"], date_order = "month_first"'))
    landed = zone.land_text("id,at,kwh\nA,01/02/2024 0:00,1\n", mappings=mappings)
    assert set(landed.sources["meter_readings"]) == {date(2024, 1, 2)}


def test_local_times_take_the_mappings_zone_and_days_the_homes(zone: Zone) -> None:
    mappings = load_mappings(us_mapping(zone.path, 'timezone = "Asia/Tokyo"'))
    landed = zone.at("UTC").land_text("id,at,kwh\nA,2024-01-02 08:00,1\n", mappings=mappings)
    assert set(landed.sources["meter_readings"]) == {date(2024, 1, 1)}


def test_ends_of_intervals_of_delivered_length_become_starts(zone: Zone) -> None:
    folder = us_mapping(zone.path, "is_end_of_interval = true")
    (folder / "us.toml").write_text((folder / "us.toml").read_text() + '\ninterval_minutes = "len"\n')
    text = "id,at,kwh,len\nA,2024-01-02T00:00Z,1,30\nA,2024-01-02T00:00Z,1,1440\nA,2024-01-02T00:00Z,1,\n"
    zone = zone.at("UTC")
    landed = zone.land_text(text, mappings=load_mappings(folder))
    assert zone.rows(landed)["reading_at"].dt.strftime("%d %H:%M").to_list() == ["01 23:30", "01 00:00"]
    assert rejected(landed)[0][3] == "is the end of an interval whose length is missing"


def test_digits_of_another_script_prove_no_order_and_stop_no_file(zone: Zone) -> None:
    header = "Timestamp,Electricity_Consumed,Temperature,Humidity,Wind_Speed,Avg_Past_Consumption,Anomaly_Label\n"
    landed = zone.land_text(header + "١/٢/2024 0:00,0,0,0,0,0,Normal\n13/1/2024 0:00,0,0,0,0,0,Normal\n")
    assert (landed.mapping, landed.rows_read, landed.rows_rejected) == ("kaggle_smart_meter", 2, 1)
    assert set(landed.days) == {date(2024, 1, 13)}
