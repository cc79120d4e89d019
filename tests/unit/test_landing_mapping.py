"""Which mapping a file takes, what a mapping may say, and what a user is told where it says too much."""

from __future__ import annotations

from pathlib import Path

import pytest
from landing_support import HEADER, Zone, rejected

from energy_assets.landing.mapping import MappingError, load_mappings, parse_mapping

GERMAN = """
name = "zaehler"
description = "Export of a German head-end"
timezone = "Europe/Berlin"
same_path = "adds"
status_rank = ["geprüft", "roh"]

[recognise]
columns = ["Zähler", "Zeit", "Wh"]

[csv]
delimiter = ";"
encoding = "cp1252"

[sources.meter_readings.columns]
meter_id = "Zähler"
reading_at = { column = "Zeit", formats = ["%d.%m.%Y %H:%M"], is_end_of_interval = true }
consumption_kwh = { column = "Wh", decimal = ",", thousands = ".", unit = "Wh" }
interval_minutes = { constant = 15 }
status = "Status"
version = { file_name = '_v(\\d+)' }
"""


@pytest.fixture
def zone(tmp_path: Path) -> Zone:
    return Zone(tmp_path, "Europe/Berlin")


def with_user(tmp_path: Path, *texts: str) -> Path:
    folder = tmp_path / "mappings"
    folder.mkdir(exist_ok=True)
    for number, text in enumerate(texts):
        (folder / f"{number}.toml").write_text(text)
    return folder


def test_a_user_adds_a_dialect_without_writing_python(zone: Zone) -> None:
    mappings = load_mappings(with_user(zone.path, GERMAN))
    text = "Zähler;Zeit;Wh;Status;Notiz\nZ1;01.02.2024 00:15;1.234,5;roh;ö\nZ2;01.02.2024 00:00;7;geprüft;\nZ3;01.02.2024 00:30;1.5;neu;\n"
    landed = zone.land_text(text.encode("cp1252"), "meter_readings/export_v7.csv", mappings)
    rows = zone.rows(landed)
    assert (landed.mapping, landed.same_path, landed.status_rank) == ("zaehler", "adds", ("geprüft", "roh"))
    assert rows["meter_id"].to_list() == ["Z1", "Z2"]
    assert rows["consumption_kwh"].to_list() == [1.2345, 0.007]
    assert rows["reading_at"].dt.strftime("%Y-%m-%dT%H:%MZ").to_list() == ["2024-01-31T23:00Z", "2024-01-31T22:45Z"]
    assert rows["reading_date"].dt.to_string().to_list() == ["2024-02-01", "2024-01-31"]
    assert rows["status_rank"].to_list() == [1, 0]
    assert rows["version"].to_list() == [7, 7]
    assert rejected(landed) == [(4, "Wh", "1.5", "is no number")]
    assert landed.unknown_columns == ("Notiz",)


def test_a_users_mapping_outranks_a_shipped_one(zone: Zone) -> None:
    own = """
    name = "own"
    description = "The same columns, in Wh"
    [recognise]
    [sources.meter_readings.columns]
    meter_id = "meter_id"
    reading_at = "reading_at"
    consumption_kwh = { column = "consumption_kwh", unit = "Wh" }
    """
    landed = zone.land_text(HEADER + "M1,2024-01-01,5\n", mappings=load_mappings(with_user(zone.path, own)))
    assert landed.mapping == "own"
    assert zone.rows(landed)["consumption_kwh"].to_list() == [0.005]


def test_two_mappings_that_fit_equally_are_an_error_that_names_both(zone: Zone) -> None:
    twin = GERMAN.replace('name = "zaehler"', 'name = "zwilling"')
    landed = zone.land_text(
        "Zähler;Zeit;Wh\n".encode("cp1252"), mappings=load_mappings(with_user(zone.path, GERMAN, twin))
    )
    assert landed.status == "unreadable"
    assert "zaehler and zwilling fit equally" in landed.message


def test_a_file_name_pattern_makes_a_mapping_more_specific(zone: Zone) -> None:
    twin = GERMAN.replace('name = "zaehler"', 'name = "zwilling"').replace(
        "[recognise]", '[recognise]\nfile_name = "^Z_"'
    )
    mappings = load_mappings(with_user(zone.path, GERMAN, twin))
    text = "Zähler;Zeit;Wh\nZ1;01.02.2024 00:15;1\n".encode("cp1252")
    assert zone.land_text(text, "meter_readings/Z_v1.csv", mappings).mapping == "zwilling"
    assert zone.land_text(text, "meter_readings/A_v1.csv", mappings).mapping == "zaehler"


def test_a_header_that_no_mapping_knows_is_told_with_what_it_lacks(zone: Zone) -> None:
    landed = zone.land_text("meter_id,when,consumption_kwh\nM1,2024-01-01,1\n")
    assert landed.status == "unreadable"
    assert "meter_id, when, consumption_kwh; as canonical_meter_readings it lacks reading_at" in landed.message
    assert "draft a mapping" in landed.message


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('timezone = "Europe/Berlin"', 'timezone = "Berlin"'), "timezone: 'Berlin' is no IANA time zone"),
        (("same_path", "samepath"), "samepath: Extra inputs are not permitted"),
        (('decimal = ","', 'decimal = "."'), "sources.meter_readings.columns.consumption_kwh: decimal and thousands"),
        (('unit = "Wh"', 'unit = "J"'), "unit 'J' of consumption_kwh is not known (kWh, Wh, MWh): add a factor"),
        (('"%d.%m.%Y %H:%M"', '"%d.%m. %H:%M"'), "columns.reading_at.formats.0"),
        (('meter_id = "Zähler"', 'meter = "Zähler"'), "columns.meter: meter_readings has no such column"),
        (('meter_id = "Zähler"', ""), "columns.meter_id: needed"),
        (
            ("interval_minutes = { constant = 15 }", ""),
            "reading_at.is_end_of_interval: needs the column interval_minutes",
        ),
        (("sources.meter_readings", "sources.readings"), "sources.readings: no such source"),
        (("'_v(\\\\d+)'", "'_v'"), "columns.version.file_name"),
        (("[recognise]", "[recognise"), "no valid TOML"),
        (('["geprüft", "roh"]', '["roh", "roh"]'), "status_rank: a status is ranked twice"),
    ],
)
def test_a_wrong_mapping_names_file_and_key(change: tuple[str, str], told: str) -> None:
    text = GERMAN.replace(change[0].replace("\\\\", "\\"), change[1])
    assert text != GERMAN
    with pytest.raises(MappingError) as error:
        parse_mapping(text, "mine.toml")
    assert str(error.value).startswith("mine.toml: ")
    assert told in str(error.value)


def test_a_mapping_hashes_by_what_it_says() -> None:
    first, same = parse_mapping(GERMAN, "a.toml"), parse_mapping("# a remark\n" + GERMAN, "b.toml", is_users=True)
    other = parse_mapping(GERMAN.replace("15", "30"), "a.toml")
    assert first.hash == same.hash != other.hash


def test_a_file_whose_name_lacks_the_version_is_unreadable(zone: Zone) -> None:
    mappings = load_mappings(with_user(zone.path, GERMAN))
    text = "Zähler;Zeit;Wh\nZ1;01.02.2024 00:15;1\n".encode("cp1252")
    assert "rename the file" in zone.land_text(text, "meter_readings/a.csv", mappings).message
