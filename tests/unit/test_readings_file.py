"""Anyone's files as a fleet: long and wide, every interval, and what is said of a file that cannot be used."""

from __future__ import annotations

import gzip
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ml.evaluation.losses import lost_wh, metered_wh
from ml.evaluation.readings_file import TRANSFORMERS, FileError, read_labels, read_register, read_series

FIRST = datetime(2024, 1, 1)


def long_file(
    path: Path, *, minutes: int, days: int = 3, meters: int = 2, form: str = "%Y-%m-%d %H:%M", step: int = 1
) -> Path:
    """Meter m<n> uses n kWh and as many Wh as its slot has number, in lines in reverse."""
    slots = 1440 // minutes
    lines = [
        f"m{meter},{(FIRST + timedelta(days=day, minutes=minutes * slot)).strftime(form)},{meter + slot / 1000}"
        for meter in range(meters)
        for day in range(days)
        for slot in range(0, slots, step)
    ]
    path.write_text("meter_id,reading_at,consumption_kwh\n" + "\n".join(reversed(lines)) + "\n")
    return path


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize("minutes", [15, 30, 60, 1440])
def test_the_interval_is_inferred_and_each_reading_has_its_place(tmp_path: Path, minutes: int) -> None:
    series = read_series(long_file(tmp_path / "r.csv", minutes=minutes), "Africa/Douala")
    assert series.interval_minutes == minutes
    assert list(series.ids) == ["m0", "m1"] and series.first_day == date(2024, 1, 1)
    expected = np.arange(1440 // minutes) + 1000.0
    assert series.wh[:, 1] == pytest.approx(np.tile(expected, (3, 1)))


def test_parquet_and_compressed_files_say_the_same(tmp_path: Path) -> None:
    plain = long_file(tmp_path / "r.csv", minutes=30)
    zipped = tmp_path / "r.csv.gz"
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    frame = pl.read_csv(plain, try_parse_dates=True)
    assert frame["reading_at"].dtype.is_temporal()
    frame.write_parquet(tmp_path / "r.parquet")
    expected = read_series(plain, "UTC").wh
    for path in (zipped, tmp_path / "r.parquet"):
        assert np.array_equal(read_series(path, "UTC").wh, expected, equal_nan=True)


def test_semicolons_and_tabs_are_separators_too(tmp_path: Path) -> None:
    text = long_file(tmp_path / "r.csv", minutes=60).read_text()
    for sign in (";", "\t"):
        assert read_series(written(tmp_path / "s.csv", text.replace(",", sign)), "UTC").wh.shape == (3, 2, 24)


def test_instants_go_to_the_zone_and_local_times_stay(tmp_path: Path) -> None:
    rows = [f"m0,2024-01-0{day}T{hour:02d}:00:00Z,1" for day in (1, 2) for hour in range(24)]
    series = read_series(
        written(tmp_path / "r.csv", "\n".join(["meter_id,reading_at,consumption_kwh", *rows])), "Africa/Nairobi"
    )
    assert series.has_offsets and len(series.wh) == 3
    assert np.flatnonzero(~np.isnan(series.wh[0, 0]))[0] == 3, "midnight in UTC is three o'clock in Nairobi"
    assert not read_series(long_file(tmp_path / "l.csv", minutes=60), "Africa/Nairobi").has_offsets


def test_a_day_is_a_day_whenever_it_was_read(tmp_path: Path) -> None:
    text = "meter_id,reading_date,consumption_kwh\na,2024-01-01 06:05,3\na,2024-01-02 07:40,4\nb,2024-01-02,5\n"
    series = read_series(written(tmp_path / "r.csv", text), "UTC")
    assert series.wh[:, :, 0] == pytest.approx(np.array([[3000, np.nan], [4000, 5000]]), nan_ok=True)


def test_doubled_readings_are_averaged_and_what_is_below_nothing_is_none(tmp_path: Path) -> None:
    text = long_file(tmp_path / "r.csv", minutes=60).read_text() + "m1,2024-01-01 00:00,3\nm1,2024-01-01 01:00,\n"
    series = read_series(
        written(tmp_path / "r.csv", text.replace("m0,2024-01-01 05:00,0.005", "m0,2024-01-01 05:00,-1")), "UTC"
    )
    assert series.wh[0, 1, :2] == pytest.approx([2000, 1001])
    assert np.isnan(series.wh[0, 0, 5])
    assert (series.duplicates, series.negatives) == (1, 1)


def test_a_wide_file_is_read_whatever_the_order_of_its_dates_and_labels_itself(tmp_path: Path) -> None:
    text = "CONS_NO,FLAG,2014/1/10,2014/1/2,2014/1/1\nA,1,10,2,1\nB,0,,4,NA\n"
    path = written(tmp_path / "data.csv", text)
    series = read_series(path, "UTC")
    assert series.wh.shape == (10, 2, 1) and series.first_day == date(2014, 1, 1)
    assert series.wh[[0, 1, 9], :, 0] == pytest.approx(
        np.array([[1000, np.nan], [2000, 4000], [10_000, np.nan]]), nan_ok=True
    )
    assert np.isnan(series.wh[2:9]).all()
    labels = read_labels(path)
    assert list(labels.ids) == ["A", "B"] and list(labels.is_theft) == [True, False]


@pytest.mark.parametrize("form", ["%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y"])
def test_the_order_of_day_and_month_is_the_one_that_makes_days_follow_each_other(tmp_path: Path, form: str) -> None:
    days = [FIRST + timedelta(days=number) for number in range(40)]
    head = ",".join(sorted(day.strftime(form) for day in days))
    wide = read_series(written(tmp_path / "w.csv", f"id,{head}\na{',1' * 40}\n"), "UTC")
    long = read_series(long_file(tmp_path / "r.csv", minutes=60, days=40, form=f"{form} %H:%M"), "UTC")
    for series in (wide, long):
        assert (series.first_day, len(series.wh)) == (FIRST.date(), 40) and not np.isnan(series.wh).any()


def test_labels_have_onsets_where_they_are_known(tmp_path: Path) -> None:
    labels = read_labels(written(tmp_path / "l.csv", "is_theft,meter_id,onset_date\ntrue,a,2024-02-03\n0,b,\n,c,\n"))
    assert list(labels.ids) == ["a", "b"] and labels.onset == (date(2024, 2, 3), None)


def test_the_last_entry_of_the_register_counts(tmp_path: Path) -> None:
    text = "meter_id,transformer_id,valid_from,customer_id\na,T2,2024-02-01,c\na,T1,2023-01-01,c\nb,T1,2023-01-01,d\n"
    register = read_register(written(tmp_path / "m.csv", text))
    assert dict(zip(register.ids, register.transformer, strict=True)) == {"a": "T2", "b": "T1"}


HEAD = "meter_id,reading_at,consumption_kwh\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            HEAD + "a,2024-01-01,1\na,2024-01-02,1.5 kWh\n",
            "r.csv, line 3, column consumption_kwh: '1.5 kWh' is no number",
        ),
        (
            HEAD + 'a,2024-01-01,1\na,2024-01-02,"1,5"\n',
            "line 3, column consumption_kwh: '1,5' is no number\n  → write kWh with a decimal point",
        ),
        (HEAD + "a,2024-01-01,1\na,31/02/2024,1\n", "line 3, column reading_at: '31/02/2024' is no date-time"),
        (HEAD + "a,2024-02-30,1\n", "line 2, column reading_at: '2024-02-30' is no date-time"),
        (HEAD + "a,2024-01-01,1\n,2024-01-02,1\n", "line 3, column meter_id: is empty"),
        (HEAD, "holds no reading"),
        (
            "meter,when,kwh\na,2024-01-01,1\n",
            "has no column reading_at\n  → its columns are meter, when, kwh; needed are meter_id",
        ),
        (HEAD + "a,1924-01-01,1\na,2024-01-01,1\n", "its days span 36,526, more than 7,320"),
        (
            HEAD + "".join(f"a,2024-01-01 00:{minute:02d},1\n" for minute in range(0, 60, 10)),
            "after 10 minutes, which is no length",
        ),
        ("id,2024-01-01,2024-01-02\na,1,x\n", "r.csv, line 2, column 2024-01-02: 'x' is no number"),
        ("id,2024-01-01,2024-01-02\na,1,1\na,1,1\n", "line 3, column id: meter a stands in line 2 already"),
        ("id,2024/1/1,2024-01-01\na,1,1\n", "columns 2024/1/1 and 2024-01-01 are the same date"),
        (HEAD + "a,01/02/2024,1\n", "'01/02/2024' can be day/month or month/day\n  → write dates as 2024-03-07"),
        ("", "cannot be read"),
        (HEAD + "a,2024-01-01,1,7,8\n", "cannot be read"),
    ],
)
def test_what_is_wrong_with_readings_is_told_with_its_place_and_remedy(tmp_path: Path, text: str, words: str) -> None:
    path = written(tmp_path / "r.csv", text)
    with pytest.raises(FileError) as error:
        read_series(path, "UTC")
    assert str(error.value).startswith(str(path)) and words in str(error.value) and "\n  → " in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("meter_id,is_theft\na,1\nb,maybe\n", "l.csv, line 3, column is_theft: 'maybe' is no label"),
        ("meter_id,is_theft\na,1\n\na,0\n", "meter a is labelled otherwise in line 2"),
        ("meter_id,guilty\na,1\n", "has no column is_theft\n  → its columns are meter_id, guilty"),
        ("meter_id,is_theft,onset_date\na,1,spring\n", "line 2, column onset_date: 'spring' is no date"),
    ],
)
def test_what_is_wrong_with_labels_is_told(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(FileError) as error:
        read_labels(written(tmp_path / "l.csv", text))
    assert words in str(error.value) and "\n  → " in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"no\.csv: there is no such file"):
        read_series(tmp_path / "no.csv", "UTC", TRANSFORMERS)


def test_a_loss_is_what_neither_meters_nor_the_fit_of_technical_loss_explain() -> None:
    rng = np.random.default_rng(8)
    true = rng.uniform(200, 2000, (28, 20, 24))
    load = true.sum(axis=1, keepdims=True)
    technical = 300 + 2e-6 * load**2
    stolen = np.where(np.arange(24) >= 18, true[:, 3], 0.0)
    reported = true.copy()
    reported[:, 3] -= stolen
    metered = metered_wh(reported, np.zeros(20, dtype=int), 1)
    fitted = lost_wh(load + technical, metered, None)
    assert fitted[:, 0, 18:].sum() == pytest.approx(stolen.sum(), rel=0.1)
    assert abs(fitted[:, 0, :18].sum()) < 0.15 * stolen.sum()


def test_few_reporting_meters_balance_nothing_and_one_gap_is_filled() -> None:
    wh = np.full((2, 10, 2), 5.0)
    wh[0, 0, 0] = np.nan
    wh[1, :3, 1] = np.nan
    found = metered_wh(wh, np.zeros(10, dtype=int), 1)
    assert found[:, 0] == pytest.approx(np.array([[50, 50], [50, np.nan]]), nan_ok=True)
