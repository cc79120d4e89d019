"""Parts: whole or absent, the same when landed again, and files that change under the reader."""

from __future__ import annotations

import os
import random
from datetime import date, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from landing_support import HEADER, Zone

from energy_assets.landing import land
from energy_assets.landing.contract import METER_READINGS
from energy_assets.landing.parts import read_parts, rejects_path, remove_parts
from energy_assets.landing.schemas import part_schema

DAY = date(2024, 1, 1)


@pytest.fixture
def zone(tmp_path: Path) -> Zone:
    return Zone(tmp_path, "UTC")


def days_text(days: int, meters: int = 3) -> str:
    lines = [
        f"M{meter},{DAY + timedelta(days=day)}T{hour:02d}:00:00Z,{day}.{hour}\n"
        for meter in range(meters)
        for day in range(days)
        for hour in range(24)
    ]
    return HEADER + "".join(lines)


def parts_of(zone: Zone) -> dict[str, bytes]:
    return {str(path.relative_to(zone.parts)): path.read_bytes() for path in sorted(zone.parts.rglob("*.parquet"))}


def test_a_part_holds_one_day_of_one_file_in_its_order(zone: Zone) -> None:
    landed = zone.land_text(days_text(3))
    assert landed.days == (DAY, DAY + timedelta(days=1), DAY + timedelta(days=2))
    path = zone.part(landed, DAY)
    assert path == zone.parts / "meter_readings" / "2024-01-01" / f"{landed.sha256[:16]}.parquet"
    table = pq.read_table(path)
    assert table.schema.equals(part_schema(METER_READINGS))
    assert table["row_number"].to_pylist() == sorted(table["row_number"].to_pylist())
    assert set(table["reading_date"].to_pylist()) == {DAY}
    assert landed.sources["meter_readings"][DAY] == table.num_rows == 72


def test_landing_the_same_file_again_leaves_the_same_parts(zone: Zone) -> None:
    text = days_text(2) + "x,y,z\n"
    first = zone.land_text(text)
    before = parts_of(zone)
    again = zone.land_text(text, "meter_readings/renamed.csv")
    assert parts_of(zone) == before
    assert (first.sha256, first.sources) == (again.sha256, again.sources)
    assert [p.name for p in zone.parts.iterdir() if p.name.startswith(".")] == []


def test_spilled_rows_come_back_as_if_they_had_been_held(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    text = days_text(40, meters=5)
    held = zone.land_text(text)
    expected = zone.rows(held)
    monkeypatch.setattr("energy_assets.landing.blocks.PARSED_BYTES", 4096)
    monkeypatch.setattr("energy_assets.landing.blocks.BLOCK_BYTES", 4096)
    monkeypatch.setattr("energy_assets.landing.parts.HELD_BYTES", 20_000)
    spilled = zone.land_text(text)
    assert spilled.sources == held.sources
    assert zone.rows(spilled).equals(expected)


def test_shuffled_rows_are_the_same_set_of_rows(zone: Zone) -> None:
    header, *lines = (days_text(3) + "M1,never,1\n").splitlines(keepends=True)
    first = zone.land_text(header + "".join(lines))
    random.Random(1).shuffle(lines)  # noqa: S311 - a shuffle, no secret
    second = zone.land_text(header + "".join(lines), "meter_readings/shuffled.csv")
    key = ["reading_date", "meter_id", "reading_at", "consumption_kwh"]
    assert zone.rows(first).select(key).sort(key).equals(zone.rows(second).select(key).sort(key))
    assert first.sources == second.sources
    assert first.rows_rejected == second.rows_rejected == 1


def test_the_parts_of_a_day_stream_from_the_files_that_count(zone: Zone) -> None:
    one = zone.land_text(days_text(1, meters=1))
    two = zone.land_text(days_text(2, meters=2), "meter_readings/b.csv")
    assert read_parts(zone.parts, METER_READINGS, DAY, [one.sha256, two.sha256]).read_all().num_rows == 24 + 48
    assert read_parts(zone.parts, METER_READINGS, DAY, [two.sha256]).read_all().num_rows == 48
    assert read_parts(zone.parts, METER_READINGS, date(2030, 1, 1), [one.sha256]).read_all().num_rows == 0


def test_removing_a_file_removes_its_parts_and_rejected_rows_only(zone: Zone) -> None:
    one = zone.land_text(days_text(2) + "x,y,z\n")
    two = zone.land_text(days_text(1, meters=1), "meter_readings/b.csv")
    assert rejects_path(zone.parts, one.sha256).is_file()
    assert remove_parts(zone.parts, one.sha256) == 3
    assert list(parts_of(zone)) == [str(zone.part(two, DAY).relative_to(zone.parts))]


def test_a_file_that_grows_while_it_is_read_is_left_for_later(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zone.put(days_text(1))
    read_file = land.read_file

    def read_while_written(*args: object, **kwargs: object) -> object:
        reading = read_file(*args, **kwargs)
        with path.open("a") as writer:
            writer.write("M9,2024-01-01T00:00:00Z,1\n")
        return reading

    monkeypatch.setattr(land, "read_file", read_while_written)
    landed = zone.land(path)
    assert (landed.status, landed.sha256, landed.sources) == ("changed_while_read", None, {})
    assert not list(zone.parts.rglob("*"))
    monkeypatch.undo()
    assert zone.land(path).rows_accepted == 73


def test_a_half_written_file_that_changes_is_not_called_unreadable(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zone.put(b"", "meter_readings/a.csv")
    choose = land.choose_mapping

    def choose_while_written(*args: object) -> object:
        try:
            return choose(*args)
        finally:
            path.write_text(days_text(1))

    monkeypatch.setattr(land, "choose_mapping", choose_while_written)
    assert zone.land(path).status == "changed_while_read"


def test_a_file_that_went_away_is_left_for_later(zone: Zone) -> None:
    assert zone.land(zone.root / "meter_readings" / "gone.csv").status == "changed_while_read"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_opened_is_told(zone: Zone) -> None:
    path = zone.put(days_text(1))
    path.chmod(0)
    landed = zone.land(path)
    assert (landed.status, landed.sha256) == ("unreadable", None)
    assert "give the user who runs this the right to read it" in landed.message


def test_the_same_content_where_nothing_fits_takes_nothing_away(zone: Zone) -> None:
    landed = zone.land_text(days_text(1))
    elsewhere = zone.land_text(days_text(1), "weather/a.csv")
    assert elsewhere.status == "unreadable"
    assert zone.part(landed, DAY).is_file()


def test_what_a_killed_process_left_is_cleared_away_a_day_later(zone: Zone) -> None:
    young, old = zone.parts / ".draft-1-young", zone.parts / ".draft-1-old"
    for draft in (young, old):
        draft.mkdir(parents=True)
        (draft / "spill-0-meter_readings.arrow").touch()
    os.utime(old, (1_700_000_000, 1_700_000_000))
    zone.land_text(days_text(1))
    assert (young.exists(), old.exists()) == (True, False)
