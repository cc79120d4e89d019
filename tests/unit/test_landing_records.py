"""Sources beside readings: dates, yes and no, optional date-times, and records that belong to no day."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from landing_support import HEADER, NOW, Zone, rejected

from energy_assets.home import Calendar, Home, HomeError
from energy_assets.landing.contract import INSPECTIONS, METERS, OUTAGES, RECORD_SOURCES, TOKEN_PURCHASES, Source
from energy_assets.landing.land import LandedFile
from energy_assets.landing.mapping import load_mappings
from energy_assets.landing.parts import part_path, read_parts, rejects_path, remove_parts
from energy_assets.landing.scan import scan
from energy_assets.landing.schemas import part_schema
from energy_assets.operations.ingest import look

REGISTER = "meter_id,valid_from,transformer_id,prepaid,ct_multiplier,installed_on,removed_on\n"
OUTAGE = "area_id,started_at,ended_at,kind\n"


@pytest.fixture
def zone(tmp_path: Path) -> Zone:
    return Zone(tmp_path)


def records(zone: Zone, landed: LandedFile, source: Source = METERS) -> list[dict[str, object]]:
    """Accepted records of a landed file, in its order."""
    rows = pa.Table.from_batches(landed.record_batches(source.name), schema=part_schema(source)).to_pylist()
    held = pa.Table.from_batches(read_parts(zone.parts, source, None, [landed.sha256]), schema=part_schema(source))
    assert held.to_pylist() == rows, "the part holds what the ledger is given"
    return rows


def register_with(zone: Zone, column: str, text: str) -> LandedFile:
    return zone.land_text(f"meter_id,{column}\nM1,{text}\n", "meters/register.csv")


@pytest.mark.parametrize(
    "text", ["2024-03-31", " 2024-03-31 ", "2024-03-31T00:00", "2024-03-31T00:00:00+01:00", "2024-03-31 23:30-05:00"]
)
@pytest.mark.parametrize("timezone", ["Africa/Douala", "America/Santiago", "Asia/Beirut"])
def test_a_date_is_the_day_that_is_written_in_every_zone(zone: Zone, text: str, timezone: str) -> None:
    """On 31 March 2024 clocks skipped midnight in Beirut."""
    (row,) = records(zone, register_with(zone.at(timezone), "valid_from", text))
    assert row["valid_from"] == date(2024, 3, 31)


def test_a_parquet_date_is_a_date(zone: Zone) -> None:
    path = zone.root / "meters" / "register.parquet"
    path.parent.mkdir(parents=True)
    installed = pa.array([date(2024, 3, 31), None], pa.date32())
    pq.write_table(pa.table({"meter_id": ["M1", "M2"], "installed_on": installed, "prepaid": [True, None]}), path)
    rows = records(zone, zone.land(path))
    assert [(row["installed_on"], row["prepaid"]) for row in rows] == [(date(2024, 3, 31), True), (None, None)]


@pytest.mark.parametrize(
    ("text", "is_prepaid"),
    [
        *((text, True) for text in ("oui", "OUI", "o", "yes", " Y ", "true", "1")),
        *((text, False) for text in ("non", "Non", "n", "no", "false", "0")),
        ("", None),
    ],
)
def test_yes_and_no_are_read_in_french_and_english(zone: Zone, text: str, is_prepaid: bool | None) -> None:
    landed = register_with(zone, "prepaid", text)
    assert [row["prepaid"] for row in records(zone, landed)] == [is_prepaid]
    assert landed.values_left_out == {}


def test_what_is_neither_yes_nor_no_is_left_out_and_counted(zone: Zone) -> None:
    landed = register_with(zone, "prepaid", "peut-être")
    assert [row["prepaid"] for row in records(zone, landed)] == [None]
    assert landed.values_left_out == {"prepaid": 1}


def test_a_mapping_names_its_own_words_for_yes_and_no_in_any_case(zone: Zone, tmp_path: Path) -> None:
    user = tmp_path / "mappings"
    user.mkdir()
    (user / "kenya.toml").write_text(
        """
name = "kenya"
description = "A register in Kiswahili"
recognise = {columns = ["mita", "kabla"], folder = "meters"}
[sources.meters.columns]
meter_id = "mita"
prepaid = {column = "kabla", true = ["Ndiyo"], false = ["Hapana"]}
"""
    )
    text = "mita,kabla\nM1,Ndiyo\nM2,HAPANA\nM3,yes\n"
    landed = zone.land_text(text, "meters/register.csv", load_mappings(user))
    assert [row["prepaid"] for row in records(zone, landed)] == [True, False, None]
    assert landed.values_left_out == {"kabla": 1}


def test_an_outage_without_an_end_is_open_and_its_end_is_read_as_its_start_is(zone: Zone) -> None:
    landed = zone.land_text(
        OUTAGE
        + "T1,2024-03-01 23:30,2024-03-02 01:00,fault\nT1,2024-03-03T10:00Z,,\nT2,2024-03-03 10:00,2124-01-01,\n",
        "outages/march.csv",
    )
    rows = [(row["outage_date"], row["started_at"], row["ended_at"]) for row in zone.rows(landed, OUTAGES).to_dicts()]
    assert rows == [
        (date(2024, 3, 1), datetime(2024, 3, 1, 22, 30, tzinfo=UTC), datetime(2024, 3, 2, 0, 0, tzinfo=UTC)),
        (date(2024, 3, 3), datetime(2024, 3, 3, 10, 0, tzinfo=UTC), None),
        (date(2024, 3, 3), datetime(2024, 3, 3, 9, 0, tzinfo=UTC), datetime(2123, 12, 31, 23, 0, tzinfo=UTC)),
    ]


def test_an_end_that_cannot_be_read_is_no_open_outage(zone: Zone) -> None:
    """An open outage hides the losses of fourteen days."""
    landed = zone.land_text(OUTAGE + "T1,2024-03-01 10:00,later,\nT2,2024-03-01 10:00,,\n", "outages/march.csv")
    assert [(row, column, value) for row, column, value, _ in rejected(landed)] == [(2, "ended_at", "later")]
    assert landed.rejects()["reading_date"].to_pylist() == [date(2024, 3, 1)]
    assert zone.rows(landed, OUTAGES)["area_id"].to_list() == ["T2"]


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("valid_from", "soon"),
        ("installed_on", "31.03.2024"),
        ("removed_on", "2024-02-30"),
        ("ct_multiplier", "40:1"),
    ],
)
def test_a_record_whose_meaning_is_unreadable_is_rejected_and_belongs_to_no_day(
    zone: Zone, column: str, text: str
) -> None:
    names = REGISTER.strip().split(",")
    wrong = {"meter_id": "M2", column: text}
    landed = zone.land_text(
        REGISTER + "M1,,T1,,,,\n" + ",".join(wrong.get(name, "") for name in names) + "\n", "meters/r.csv"
    )
    assert [row["meter_id"] for row in records(zone, landed)] == ["M1"]
    ((row, named, value, reason),) = rejected(landed)
    assert (row, named, value) == (3, column, text)
    assert reason.startswith("is no ")
    assert landed.rejects()["reading_date"].to_pylist() == [None]
    assert (landed.rows_read, landed.rows_rejected, landed.rejected) == (2, 1, {"meters": 1})


def test_other_values_that_cannot_be_read_are_left_out_and_counted(zone: Zone) -> None:
    landed = zone.land_text("meter_id,phases,latitude,version\nM1,three,north,new\n", "meters/register.csv")
    assert [(row["phases"], row["latitude"], row["version"]) for row in records(zone, landed)] == [(None, None, None)]
    assert landed.values_left_out == {"phases": 1, "latitude": 1, "version": 1}


def test_a_visit_needs_its_day_and_its_outcome(zone: Zone) -> None:
    landed = zone.land_text(
        "meter_id,inspected_on,outcome,recovered_kwh\nM1,2024-03-01,theft,120.5\nM2,,clean,\nM3,2024-03-01,,\nM4,March,clean,\n",
        "inspections/march.csv",
    )
    assert [row["recovered_kwh"] for row in records(zone, landed, INSPECTIONS)] == [120.5]
    assert [(row, column) for row, column, *_ in rejected(landed)] == [
        (3, "inspected_on"),
        (4, "outcome"),
        (5, "inspected_on"),
    ]


def test_records_have_one_part_and_no_day(zone: Zone) -> None:
    landed = zone.land_text(REGISTER + "M1,2024-01-01,T1,,,,\nM2,2024-03-01,T1,,,,\nragged\n", "meters/register.csv")
    path = part_path(zone.parts, METERS, None, landed.sha256)
    assert landed.records == {"meters": path}
    assert path == zone.parts / "meters" / "records" / f"{landed.sha256[:16]}.parquet"
    assert (landed.sources, landed.days) == ({}, ())
    assert [(row["row_number"], row["valid_from"]) for row in records(zone, landed)] == [
        (2, date(2024, 1, 1)),
        (3, date(2024, 3, 1)),
    ]
    assert rejected(landed) == [(4, None, "ragged", "has 1 values, the header has 7")]

    before = path.read_bytes()
    again = zone.land_text((zone.root / "meters/register.csv").read_text(), "meters/copy.csv")
    assert (again.sha256, path.read_bytes()) == (landed.sha256, before)
    assert remove_parts(zone.parts, landed.sha256) == 2
    assert not path.exists()
    assert not rejects_path(zone.parts, landed.sha256).exists()


def test_a_register_of_which_nothing_could_be_read_leaves_no_record(zone: Zone) -> None:
    landed = zone.land_text("meter_id,valid_from\nM1,soon\n", "meters/register.csv")
    assert (landed.status, landed.records, landed.rows_rejected) == ("landed", {}, 1)


def test_many_records_are_held_as_few_are(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    text = REGISTER + "".join(f"M{number},,T1,,,,\n" for number in range(2000))
    monkeypatch.setattr("energy_assets.landing.blocks.PARSED_BYTES", 1024)
    monkeypatch.setattr("energy_assets.landing.blocks.BLOCK_BYTES", 2048)
    monkeypatch.setattr("energy_assets.landing.parts.HELD_BYTES", 1024)
    rows = records(zone, zone.land_text(text, "meters/register.csv"))
    assert [row["meter_id"] for row in rows] == [f"M{number}" for number in range(2000)]


def test_one_file_feeds_readings_and_the_register(zone: Zone, tmp_path: Path) -> None:
    user = tmp_path / "mappings"
    user.mkdir()
    (user / "portal.toml").write_text(
        """
name = "portal"
description = "Readings that name the transformer"
recognise = {columns = ["meter", "start", "kwh", "transformer"]}
[sources.meter_readings.columns]
meter_id = "meter"
reading_at = "start"
consumption_kwh = "kwh"
[sources.meters.columns]
meter_id = "meter"
transformer_id = "transformer"
"""
    )
    text = "meter,start,kwh,transformer\nM1,2024-03-01 00:00,1,T1\nM1,2024-03-01 00:30,x,T1\n,2024-03-01,1,T1\n"
    landed = zone.land_text(text, mappings=load_mappings(user))
    assert zone.rows(landed)["consumption_kwh"].to_list() == [1.0]
    assert [row["transformer_id"] for row in records(zone, landed)] == ["T1", "T1"]
    assert landed.rejected == {"meter_readings": 2, "meters": 1}
    assert landed.rows_rejected == 2


def test_a_scan_counts_records_which_make_no_day(zone: Zone) -> None:
    zone.put(REGISTER + "M1,,T1,,,,\nM2,soon,T1,,,,\n", "meters/register.csv")
    zone.put("meter_id,purchased_at,energy_kwh\nM1,2024-02-01 10:00,50\n", "token_purchases/february.csv")
    report = scan(zone.root, load_mappings(), now=NOW)
    assert [(file.records, file.sources) for file in report.files] == [
        ({"meters": 1}, {}),
        ({}, {TOKEN_PURCHASES.name: {date(2024, 2, 1): 1}}),
    ]
    assert (report.first_day, report.last_day) == (None, None)
    assert (report.rows_read, report.rows_rejected) == (3, 1)
    assert report.files[0].rejects == (
        'meters/register.csv, row 3, column valid_from: "soon" is no date (expected e.g. 2017-11-05)',
    )


def test_readings_of_transformers_alone_make_days(zone: Zone) -> None:
    zone.put("transformer_id,reading_at,energy_kwh\nT1,2024-02-01 10:00,50\n", "transformer_readings/february.csv")
    assert scan(zone.root, load_mappings(), now=NOW).first_day == date(2024, 2, 1)


def test_a_register_alone_makes_no_home_and_goes_into_one_that_is_there(zone: Zone) -> None:
    zone.put(REGISTER + "M1,,T1,,,,\n", "meters/register.csv")
    home = Home(zone.path / "home")
    with pytest.raises(HomeError) as error:
        look(zone.root, home)
    assert str(error.value) == (
        f"{zone.root} holds no reading that could be taken in. "
        "A new home takes its days from readings: deliver those first, or together."
    )
    home.write_calendar(Calendar("Africa/Douala", date(2024, 1, 1)))
    assert look(zone.root, home).rows_accepted == 1


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        (
            "meter_readings/a.csv",
            "meter_id,reading_at,consumption_kwh\nM1,01/02/2024 00:00,1\n",
            'holds no reading that could be taken in.\n  meter_readings/a.csv, row 2, column reading_at: "01/02/2024 00:00" is no date-time',
        ),
        (
            "exports/a.csv",
            "meter_id\n",
            "holds data files only in folders that no source is named after, such as exports/a.csv: move",
        ),
        ("meter_readings/a.xlsx", "", "holds no data file: deliver .csv, .csv.gz, .parquet"),
    ],
)
def test_deliveries_of_which_nothing_can_be_taken_in_are_refused_with_what_is_wrong_and_what_to_do(
    zone: Zone, name: str, content: str, told: str
) -> None:
    zone.put(content, name)
    with pytest.raises(HomeError) as error:
        look(zone.root, None)
    assert str(error.value).startswith(f"{zone.root} {told}")


def test_readings_without_a_zone_go_into_a_home_of_any(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENERGY_TIMEZONE", raising=False)
    zone.put("meter_id,reading_at,consumption_kwh\nM1,2024-02-01 10:00,1\n", "meter_readings/a.csv")
    home = Home(zone.path / "home")
    home.write_calendar(Calendar("Europe/London", date(2024, 2, 1)))
    report = look(zone.root, home)
    assert (report.timezone, report.timezone_origin) == ("Europe/London", "the home")


def test_a_register_that_cannot_be_read_is_refused_with_its_reason_everywhere(zone: Zone) -> None:
    zone.put(HEADER, "meters/register.csv")
    home = Home(zone.path / "home")
    home.write_calendar(Calendar("Africa/Douala", date(2024, 1, 1)))
    with pytest.raises(HomeError, match=r"meters/register\.csv: "):
        look(zone.root, home)


@pytest.mark.parametrize("source", RECORD_SOURCES, ids=lambda source: source.name)
def test_a_records_days_are_told_by_dates_of_its_own(source: Source) -> None:
    assert source.starts
    assert all(source.column(name).type == "date" for name in (*source.starts, *filter(None, [source.ends])))
    assert source.date_column is None
    assert not source.makes_days
    assert [column.name for column in source.part_columns] == [*(c.name for c in source.columns), "row_number"]
