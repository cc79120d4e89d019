"""What is accepted, what is rejected and with which words, and files that cannot be read at all."""

from __future__ import annotations

import csv
import gzip
import io
import sys
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from landing_support import HEADER, Zone, rejected

from energy_assets.landing.blocks import PARSED_BYTES
from energy_assets.landing.contract import WEATHER_OBSERVATIONS
from energy_assets.landing.quarantine import describe

GOOD = "M1,2024-01-01 00:00,1.5\n"


@pytest.fixture
def zone(tmp_path: Path) -> Zone:
    return Zone(tmp_path)


@pytest.mark.parametrize(
    ("row", "column", "value", "reason"),
    [
        (",2024-01-01,1", "meter_id", "", "is empty: a value is needed"),
        ("  ,2024-01-01,1", "meter_id", "  ", "is empty: a value is needed"),
        ("M" * 201 + ",2024-01-01,1", "meter_id", "M" * 200, "is longer than 200 characters"),
        ("M\x001,2024-01-01,1", "meter_id", "M\N{REPLACEMENT CHARACTER}1", "holds control characters"),
        ("M1,2024-01-01,", "consumption_kwh", "", "is empty: a value is needed"),
        ("M1,2024-01-01,abc", "consumption_kwh", "abc", "is no number"),
        ('M1,2024-01-01,"1,5"', "consumption_kwh", "1,5", "is no number"),
        ("M1,2024-01-01,nan", "consumption_kwh", "nan", "is no finite number"),
        ("M1,2024-01-01,-inf", "consumption_kwh", "-inf", "is no finite number"),
        ("M1,2024-01-01,1e999", "consumption_kwh", "1e999", "is no finite number"),
        ("M1,2024-01-01", None, "M1,2024-01-01", "has 2 values, the header has 3"),
        ("M1,2024-01-01,1,2", None, "M1,2024-01-01,1,2", "has 4 values, the header has 3"),
    ],
)
def test_a_row_that_lacks_what_it_needs_is_rejected_with_its_day(
    zone: Zone, row: str, column: str | None, value: str, reason: str
) -> None:
    landed = zone.land_text(HEADER + GOOD + row + "\n" + GOOD)
    assert rejected(landed) == [(3, column, value, reason)]
    assert landed.rejects()["reading_date"].to_pylist() == [date(2024, 1, 1)]
    assert zone.rows(landed)["row_number"].to_list() == [2, 4]
    assert (landed.rows_read, landed.rows_accepted, landed.rows_rejected) == (3, 2, 1)


@pytest.mark.parametrize("number", ["-3", "1e12", "0", "+.5", " 7 ", "00012"])
def test_implausible_numbers_are_left_to_validation(zone: Zone, number: str) -> None:
    landed = zone.land_text(HEADER + f"M1,2024-01-01,{number}\n")
    assert zone.rows(landed)["consumption_kwh"].to_list() == [float(number)]


def test_row_numbers_are_those_of_the_file_whatever_lies_between(zone: Zone) -> None:
    landed = zone.land_text(HEADER + GOOD + "\n" + "ragged\n" + GOOD + ",,\n" + "x,y\n" + GOOD + "\n\n")
    assert zone.rows(landed)["row_number"].to_list() == [2, 5, 8]
    assert [row for row, *_ in rejected(landed)] == [4, 7]
    assert landed.rows_read == 5


def test_row_numbers_hold_across_small_blocks(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("energy_assets.landing.blocks.PARSED_BYTES", 256)
    monkeypatch.setattr("energy_assets.landing.blocks.BLOCK_BYTES", 512)
    lines = ["ragged" if n % 7 == 0 else "" if n % 11 == 0 else f"M1,2024-01-01,{n}" for n in range(2, 1000)]
    landed = zone.land_text(HEADER + "\n".join(lines) + "\n")
    rows = zone.rows(landed)
    assert rows["row_number"].to_list() == rows["consumption_kwh"].to_list()
    assert [row for row, *_ in rejected(landed)] == [n for n in range(2, 1000) if n % 7 == 0]


def test_optional_values_that_cannot_be_read_are_null_and_counted(zone: Zone) -> None:
    text = (
        "meter_id,reading_at,consumption_kwh,interval_minutes,version\nM1,2024-01-01,1,half,v2\nM1,2024-01-01,1,30,\n"
    )
    landed = zone.land_text(text)
    assert landed.rows_rejected == 0
    assert landed.values_left_out == {"interval_minutes": 1, "version": 1}
    assert zone.rows(landed)["interval_minutes"].to_list() == [None, 30]


def test_a_version_is_an_integer_or_a_time(zone: Zone) -> None:
    text = "meter_id,reading_at,consumption_kwh,version\nA,2024-01-01,1,7\nA,2024-01-01,1,1970-01-01T00:00:01Z\n"
    assert zone.rows(zone.land_text(text))["version"].to_list()[0] == 7
    late = "meter_id,reading_at,consumption_kwh,version\nA,2024-01-01,1,2024-01-01T00:00:01Z\n"
    assert zone.rows(zone.land_text(late, "meter_readings/b.csv"))["version"].to_list() == [1704067201000000]


def test_unknown_columns_are_left_out_and_listed(zone: Zone) -> None:
    landed = zone.land_text("owner,meter_id,reading_at,consumption_kwh,,\nx,M1,2024-01-01,1,,\n")
    assert (landed.status, landed.unknown_columns, landed.rows_accepted) == ("landed", ("owner",), 1)


def test_each_folder_is_its_own_source(zone: Zone) -> None:
    landed = zone.land_text("station_id,observed_at,temperature_c\nS1,2024-01-01 00:00,21.5\n", "weather/x/y.csv")
    assert (landed.mapping, landed.sources) == ("canonical_weather", {"weather": {date(2024, 1, 1): 1}})
    row = zone.rows(landed, WEATHER_OBSERVATIONS).to_dicts()[0]
    assert (row["station_id"], row["temperature_c"], row["humidity_pct"]) == ("S1", 21.5, None)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_byte_order_marks_change_nothing(zone: Zone, end: str, mark: bytes) -> None:
    landed = zone.land_text(mark + (HEADER + GOOD + GOOD.strip()).replace("\n", end).encode())
    assert (landed.rows_accepted, landed.rows_rejected) == (2, 0)


def test_csv_gz_and_parquet_bring_the_same_rows(zone: Zone) -> None:
    text = HEADER + "".join(f"M{n},2024-01-01 {n:02d}:00,{n / 8}\n" for n in range(24))
    frame = pl.read_csv(io.BytesIO(text.encode())).with_columns(pl.col("reading_at").str.to_datetime("%Y-%m-%d %H:%M"))
    path = zone.put(b"", "meter_readings/a.parquet")
    frame.with_columns(pl.col("meter_id").cast(pl.Categorical)).write_parquet(path)
    plain, packed, parquet = (
        zone.land_text(text),
        zone.land_text(gzip.compress(text.encode()), "a.csv.gz"),
        zone.land(path),
    )
    expected = zone.rows(plain).drop("row_number")
    assert zone.rows(packed).drop("row_number").equals(expected)
    assert zone.rows(parquet).drop("row_number").equals(expected)
    assert zone.rows(parquet)["row_number"].to_list() == list(range(1, 25))


def test_parquet_columns_of_other_types_are_read_as_what_they_mean(zone: Zone) -> None:
    table = pa.table(
        {
            "meter_id": pa.array([17, None], pa.int64()),
            "reading_at": pa.array([datetime(2024, 1, 1), datetime(2024, 1, 1)], pa.timestamp("ns", tz="Asia/Tokyo")),
            "consumption_kwh": pa.array([1, 2], pa.int32()),
        }
    )
    path = zone.put(b"", "meter_readings/a.parquet")
    pq.write_table(table, path)
    landed = zone.land(path)
    assert zone.rows(landed).select("meter_id", "consumption_kwh").rows() == [("17", 1.0)]
    assert rejected(landed) == [(2, "meter_id", None, "is empty: a value is needed")]


def test_a_parquet_column_that_no_value_can_be_made_of_is_told(zone: Zone) -> None:
    path = zone.put(b"", "meter_readings/a.parquet")
    pq.write_table(pa.table({"meter_id": [["a"]], "reading_at": ["2024-01-01"], "consumption_kwh": [1.0]}), path)
    landed = zone.land(path)
    assert landed.status == "unreadable"
    assert "store it as text" in landed.message


PACKED = gzip.compress((HEADER + GOOD * 5000).encode())


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"\n\n", "is empty"),
        ("a.csv", HEADER.strip().encode(), "holds a header and no rows"),
        ("a.csv", HEADER.encode() + b"\n,,\n", "holds a header and no rows"),
        ("a.csv", HEADER.encode() + b"M\xe9,2024-01-01,1\n", "not encoded in utf-8"),
        ("a.csv", b"meter_id,reading_at,consumption_kwh,meter_id\n", "the column meter_id is there 2 times"),
        ("a.csv", HEADER.encode() + b'M1,2024-01-01,1\n"M2,2024-01-01,1\nM3,2024-01-01,1\n', "row 3 opens a quote"),
        ("a.csv", HEADER.encode() + b'"M2,2024-01-01,1\nM3",2024-01-01,1\n', "row 2 opens a quote"),
        ("a.csv", HEADER.encode() + b'M1,2024-01-01,1\n"' + GOOD.encode() * 200_000, "row 3 opens a quote"),
        (
            "a.csv",
            HEADER.encode() + b"M1,2024-01-01\n" * 100_000,
            "100,000 of its first 100,000 rows have another number of values",
        ),
        ("a.csv", b"PK\x03\x04\x00\xff\xfe", "a ZIP archive or an Excel workbook"),
        ("a.csv.gz", PACKED[: len(PACKED) // 2], "damaged or cut off"),
        ("a.csv.gz", PACKED[:-6], "damaged or cut off"),
        ("a.csv.gz", b"no gzip", "named as gzip and is text: name it .csv"),
        ("a.parquet", b"PAR1 and nothing else PAR1", "the file is damaged, or no Parquet that can be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_rejected_whole_with_a_remedy(
    zone: Zone, name: str, content: bytes, told: str
) -> None:
    landed = zone.land_text(content, f"meter_readings/{name}")
    assert landed.status == "unreadable"
    assert told in landed.message
    assert rejected(landed) == [(0, None, None, landed.message)]
    assert describe(landed.path, landed.rejects()) == [f"meter_readings/{name}: {landed.message}"]
    assert (landed.sources, landed.rows_read) == ({}, 0)
    assert not list(zone.parts.rglob("*"))


def test_a_ragged_row_that_is_no_text_is_told_once_and_without_a_stack_trace(
    zone: Zone, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)  # pytest's own keeps it from the terminal
    landed = zone.land_text(HEADER.encode() + GOOD.encode() + b"M\xff1,2024-01-01\n" * 5)
    assert "not encoded in utf-8 (row 3 holds the byte 0xff)" in landed.message
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("first", ["M", "M2"])  # the piece ends within a character of one of them
def test_a_character_that_two_reads_cut_in_half_is_whole(zone: Zone, first: str) -> None:
    rows = ("é" * 200 + ",2024-01-01,1\n") * (PARSED_BYTES // 400)
    landed = zone.land_text(HEADER + f"{first},2024-01-01,1\n" + rows)
    assert (landed.status, landed.rows_rejected) == ("landed", 0)


def test_a_parquet_file_cut_in_the_middle_leaves_no_part(zone: Zone) -> None:
    table = pa.table({"meter_id": ["M1"] * 9000, "reading_at": ["2024-01-01"] * 9000, "consumption_kwh": [1.0] * 9000})
    path = zone.put(b"", "meter_readings/a.parquet")
    pq.write_table(table, path, row_group_size=1000, compression="none", use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4000] = b"\xff" * 4000
    landed = zone.land_text(bytes(content), "meter_readings/a.parquet")
    assert landed.status == "unreadable"
    assert not list(zone.parts.rglob("*"))


def test_rejects_are_told_with_file_rows_column_and_value(zone: Zone) -> None:
    landed = zone.land_text(HEADER + "M1,0.0,1\n" + GOOD + "M1,2024-01-01,\n" * 5, "meter_readings/2024-01-01 2 C.csv")
    assert describe(landed.path, landed.rejects()) == [
        'meter_readings/2024-01-01 2 C.csv, rows 4, 5, 6 and 2 more, column consumption_kwh: "" is empty: a value is needed',
        'meter_readings/2024-01-01 2 C.csv, row 2, column reading_at: "0.0" is no date-time '
        "(expected e.g. 2017-11-05 00:30:00+00:00)",
    ]


def test_many_rejected_rows_are_all_kept(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("energy_assets.landing.quarantine.ROWS_AT_ONCE", 100)
    monkeypatch.setattr("energy_assets.landing.reader.RAGGED_AT_ONCE", 100)
    landed = zone.land_text(HEADER + "x,y,z\n" * 1000 + "ragged\n" * 1000 + GOOD)
    assert landed.rows_rejected == landed.rejects().num_rows == 2000
    assert landed.rows_accepted == 1


CELLS = st.sampled_from(
    ["M1", "", " ", "2024-01-01 00:30", "2024-13-01", "1999-01-01", "1.5", "nan", "x;y", "é", "\t", "-7"]
)
ROWS = st.lists(st.lists(CELLS, min_size=1, max_size=5), min_size=1, max_size=40)


@given(rows=ROWS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_delivered_each_row_is_accepted_or_rejected(zone: Zone, rows: list[list[str]]) -> None:
    delivered = io.StringIO()
    csv.writer(delivered, lineterminator="\n").writerows([HEADER.strip().split(","), *rows])
    landed = zone.land_text(delivered.getvalue())
    expected = [n for n, row in enumerate(rows, start=2) if any(row) or len(row) != 3]
    if not expected:
        assert landed.status == "unreadable"
        return
    accepted = zone.rows(landed)["row_number"].to_list()
    assert sorted([*accepted, *(row for row, *_ in rejected(landed))]) == expected
    assert landed.rows_read == landed.rows_accepted + landed.rows_rejected == len(expected)
