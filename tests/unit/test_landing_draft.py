"""A drafted mapping, saved as it is, lets its file land."""

from __future__ import annotations

from pathlib import Path

import pytest
from landing_support import Zone
from support.commands import run

from energy_assets.home import Home, HomeError
from energy_assets.landing.draft import draft
from energy_assets.landing.mapping import MappingError, load_mappings
from energy_assets.operations.errors import OperationError
from energy_assets.operations.ingest import look
from energy_assets.operations.mappings import new_mapping

FILES = {
    "german.csv": (
        "Zähler;Zeit;Verbrauch kWh;Notiz\nZ1;13.02.2024 00:00;1,5;a\nZ1;13.02.2024 00:15;0,5;b\nZ2;13.02.2024 00:00;2;c\n",
        "cp1252",
        ["Z1", "Z1", "Z2"],
        [1.5, 0.5, 2.0],
    ),
    "LCL one.csv": (
        "LCLid,stdorToU,tstp,energy(kWh/hh)\nMAC1,Std,2013-01-01 00:00:00.0000000,0.219\nMAC1,Std,2013-01-01 00:30:00.0000000,0.241\n",
        "utf-8",
        ["MAC1", "MAC1"],
        [0.219, 0.241],
    ),
    "site 7.csv": (
        "period end|Wh\n2024-02-13T00:30:00Z|500\n2024-02-13T01:00:00Z|250\n",
        "utf-8",
        ["site 7", "site 7"],
        [0.5, 0.25],
    ),
    "slashes.csv": (
        "device_id,timestamp,usage\nD1,02/03/2024 00:00,1\nD1,13/03/2024 00:00,2\n",
        "utf-8",
        ["D1", "D1"],
        [1.0, 2.0],
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_draft_lets_the_file_land_that_it_was_drafted_from(tmp_path: Path, name: str) -> None:
    text, encoding, meters, energies = FILES[name]
    zone = Zone(tmp_path, "Europe/London")
    path = zone.put(text.encode(encoding), f"meter_readings/{name}")
    assert zone.land(path).status == "unreadable", "a mapping fits already: nothing is proven"
    drafted = draft(path)
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / f"{drafted.name}.toml").write_text(drafted.text)

    landed = zone.land(path, load_mappings(tmp_path / "mappings"))

    assert (landed.status, landed.mapping, landed.rows_rejected) == ("landed", drafted.name, 0), landed.message
    rows = zone.rows(landed)
    assert rows["meter_id"].to_list() == meters
    assert rows["consumption_kwh"].to_list() == energies


def test_a_file_that_a_mapping_fits_and_takes_nothing_of_is_drafted_for(tmp_path: Path) -> None:
    delivery = tmp_path / "a.csv"
    delivery.write_text("meter_id,reading_at,consumption_kwh\nM1,13/02/2024 00:00,1\nM1,13/02/2024 00:30,2\n")
    home = Home(tmp_path / "home")
    with pytest.raises(HomeError, match="declared in a mapping: energy-assets mapping new FILE"):
        look(tmp_path, None)

    tried = new_mapping(delivery, home, save=True)

    assert (tried.report.rows_read, tried.report.rows_rejected) == (2, 0)
    assert look(delivery, home).rows_accepted == 2, "the home's own outranks the one that fits too"
    with pytest.raises(OperationError, match="needs no new mapping: a fits it"):
        new_mapping(delivery, home, save=True)


def test_a_draft_says_what_it_rests_on(tmp_path: Path) -> None:
    path = Zone(tmp_path).put(FILES["site 7.csv"][0], "meter_readings/site 7.csv")
    text = draft(path).text
    assert "is_end_of_interval = true" in text
    assert "interval_minutes = { constant = 30 }" in text
    assert "No column names a meter" in text


def test_a_file_without_energy_is_refused_with_its_columns_and_the_remedy(tmp_path: Path) -> None:
    path = Zone(tmp_path).put("time,colour\n2024-01-01 00:00,red\n", "meter_readings/a.csv")
    with pytest.raises(MappingError, match=r"colour: red.*by hand"):
        draft(path)


def test_the_command_saves_a_draft_once_and_the_file_then_needs_none(tmp_path: Path) -> None:
    path = Zone(tmp_path).put(FILES["german.csv"][0].encode("cp1252"), "german.csv")
    home = tmp_path / "homes" / "utility"
    shown = run(home.parent, "mapping", "new", str(path))
    assert 'encoding = "cp1252"' in shown
    assert "3 read, 0 would be rejected" in shown
    assert "nothing was written" in shown
    assert not home.exists()
    assert "saved" in run(home.parent, "mapping", "new", str(path), "--save")
    assert (home / "mappings" / "german.toml").is_file()
    assert "german fits it" in run(home.parent, "mapping", "new", str(path), "--save", code=1)
