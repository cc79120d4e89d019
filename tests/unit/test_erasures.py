"""Rows of erased customers are left out of what lands, by keyed hashes alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from landing_support import NOW, Zone

from energy_assets.home import Calendar, Home
from energy_assets.landing.contract import source
from energy_assets.landing.erasures import Erased, Period, Tombstone, bury, tombstones
from energy_assets.landing.keyed import key_of, pseudonym
from energy_assets.landing.land import LandedFile, land_file
from energy_assets.landing.mapping import load_mappings
from energy_assets.landing.parts import read_parts_at
from energy_assets.resources.erasure import patterns

READINGS = "meter_id,reading_at,consumption_kwh\n" + "".join(
    f"{meter},2024-03-0{day} 06:00,1.0\n" for meter in ("M1", "M2", "M3") for day in range(1, 6)
)
REGISTER = "meter_id,valid_from,customer_id\nM1,,C1\nM2,2024-01-01,C2\nM2,2024-03-03,C3\nM3,,C4\n"


@pytest.fixture
def zone(tmp_path: Path) -> Zone:
    """A home in which C1, who always held M1, and C2, who held M2 until 3 March, were erased."""
    home = Home(tmp_path)
    key = key_of(home)
    for customer, meter, end in (("C1", "M1", None), ("C2", "M2", date(2024, 3, 3))):
        period = Period(pseudonym(key, meter), None, end)
        bury(home, Tombstone(pseudonym(key, customer), (period,), datetime(2024, 4, 1, tzinfo=UTC), "ama", "letter"))
    return Zone(tmp_path)


def land(zone: Zone, text: str, name: str) -> LandedFile:
    return land_file(
        zone.put(text, name),
        zone.root,
        zone.parts,
        load_mappings(),
        Calendar(zone.timezone, date(2024, 1, 1)),
        NOW,
        Erased(Home(zone.path)),
    )


def test_readings_of_the_days_on_which_they_held_the_meter_are_left_out_and_counted(zone: Zone) -> None:
    landed = land(zone, READINGS, "meter_readings/a.csv")
    held = {(row["meter_id"], row["reading_date"].day) for row in zone.rows(landed).to_dicts()}
    assert held == {*(("M3", of) for of in range(1, 6)), *(("M2", of) for of in range(3, 6))}
    assert (landed.rows_read, landed.rows_erased, landed.rows_rejected) == (15, 7, 0)


def test_their_entries_of_the_register_are_left_out(zone: Zone) -> None:
    landed = land(zone, REGISTER, "meters/a.csv")
    rows = [row for batch in read_parts_at([landed.records["meters"]]) for row in batch.to_pylist()]
    assert [(row["meter_id"], row["customer_id"]) for row in rows] == [("M2", "C3"), ("M3", "C4")]


def test_visits_count_by_their_day(zone: Zone) -> None:
    visits = "meter_id,inspected_on,outcome\nM2,2024-03-02,clean\nM2,2024-03-04,clean\nM1,2024-03-04,theft\n"
    landed = land(zone, visits, "inspections/a.csv")
    rows = [row for batch in read_parts_at([landed.records["inspections"]]) for row in batch.to_pylist()]
    assert [(row["meter_id"], row["inspected_on"].day) for row in rows] == [("M2", 4)]


def test_notes_do_not_name_them(zone: Zone) -> None:
    visits = "meter_id,inspected_on,outcome,notes\nM3,2024-03-04,clean,next to C1 (M1); see C12\nM3,2024-03-05,clean,\n"
    landed = land(zone, visits, "inspections/a.csv")
    rows = [row for batch in read_parts_at([landed.records["inspections"]]) for row in batch.to_pylist()]
    assert [row["notes"] for row in rows] == ["next to (erased) ((erased)); see C12", None]


def test_quarantine_does_not_name_them(zone: Zone) -> None:
    landed = land(zone, READINGS + "M3,M1 of C1,1.0\n", "meter_readings/a.csv")
    assert [row["value"] for row in landed.rejects().to_pylist()] == ["(erased) of (erased)"]


def test_the_file_of_tombstones_names_nobody_and_its_newest_entry_counts(zone: Zone) -> None:
    home = Home(zone.path)
    first = tombstones(home)[0]
    bury(home, replace(first, counts={"rows": 7}))
    assert [stone.counts for stone in tombstones(home)] == [{"rows": 7}, {}]
    told = (zone.path / "erasures.jsonl").read_text()
    assert not any(name in told for name in ("C1", "C2", "M1", "M2"))
    assert (zone.path / "erasures.jsonl").stat().st_mode & 0o077 == 0
    assert (zone.path / "pseudonyms.key").stat().st_mode & 0o077 == 0


def test_another_home_has_other_hashes(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert pseudonym(key_of(Home(tmp_path / "a")), "C1") != pseudonym(key_of(Home(tmp_path / "b")), "C1")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("M12 and M123, M12.", "(erased) and M123, (erased)."),
        (
            '{"case": "M12-2024-01-08", "rows": 4711, "share": 0.4711}',
            '{"case": "(erased)-2024-01-08", "rows": 0, "share": 0.4711}',
        ),
        ("xM12 M12x", "xM12 M12x"),
    ],
)
def test_identifiers_are_found_as_words(text: str, wanted: str) -> None:
    import re

    for pattern, replacement in patterns(["M12", "4711"]):
        text = re.sub(pattern, replacement, text)
    assert text == wanted


def test_landing_without_tombstones_leaves_every_row(tmp_path: Path) -> None:
    readings = source("meter_readings")
    landed = land(Zone(tmp_path), READINGS, "meter_readings/a.csv")
    assert (landed.rows_erased, sum(landed.sources[readings.name].values())) == (0, 15)
