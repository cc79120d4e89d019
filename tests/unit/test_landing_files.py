"""Which files a landing zone lists, and how deliveries get into it."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from energy_assets.landing.files import DeliveryError, deliver, list_files, sha256_of


def write(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def listed(root: Path) -> dict[str, str]:
    return {file.relative: file.folder for file in list_files(root).settled}


def test_data_files_are_listed_by_source_folder_in_any_subfolder(tmp_path: Path) -> None:
    for name in ("meter_readings/2024/a b.csv", "meter_readings/B.CSV.GZ", "weather/w.parquet", "top.csv"):
        write(tmp_path / name)
    assert listed(tmp_path) == {
        "meter_readings/2024/a b.csv": "meter_readings",
        "meter_readings/B.CSV.GZ": "meter_readings",
        "weather/w.parquet": "weather",
        "top.csv": "meter_readings",
    }


def test_what_is_no_data_is_left_alone(tmp_path: Path) -> None:
    for name in (
        "LICENSE",
        "README.md",
        "SOURCE.txt",
        ".hidden.csv",
        "~$open.csv",
        "a.csv.tmp",
        "a.csv.part",
        ".git/x.csv",
    ):
        write(tmp_path / "meter_readings" / name)
    write(tmp_path / "truth" / "anomalies.csv")
    assert listed(tmp_path) == {}
    assert list_files(tmp_path).left_alone == ("truth/anomalies.csv",)


def test_one_file_can_be_listed_by_itself(tmp_path: Path) -> None:
    assert listed(write(tmp_path / "anywhere" / "a.csv")) == {"a.csv": "meter_readings"}


def test_a_file_still_being_written_is_left_alone_until_it_settles(tmp_path: Path) -> None:
    path = write(tmp_path / "meter_readings" / "a.csv")
    written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    young = list_files(tmp_path, settle_seconds=5, now=written + timedelta(seconds=4))
    old = list_files(tmp_path, settle_seconds=5, now=written + timedelta(seconds=6))
    assert [file.relative for file in young.unsettled] == ["meter_readings/a.csv"]
    assert young.settled == ()
    assert [file.relative for file in old.settled] == ["meter_readings/a.csv"]


def test_a_file_dated_in_the_future_is_not_waited_for_forever(tmp_path: Path) -> None:
    path = write(tmp_path / "meter_readings" / "a.csv")
    written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    assert list_files(tmp_path, settle_seconds=5, now=written - timedelta(days=1)).unsettled == ()


def test_a_link_that_leaves_the_landing_zone_is_refused(tmp_path: Path) -> None:
    secret = write(tmp_path / "outside" / "secret.csv")
    inside = write(tmp_path / "zone" / "meter_readings" / "a.csv")
    (inside.parent / "stolen.csv").symlink_to(secret)
    (inside.parent / "folder").symlink_to(secret.parent)
    (inside.parent / "again.csv").symlink_to(inside)
    listing = list_files(tmp_path / "zone")
    assert [file.relative for file in listing.settled] == ["meter_readings/a.csv", "meter_readings/again.csv"]
    assert "leaves the landing zone" in listing.refused["meter_readings/stolen.csv"]
    assert "meter_readings/folder" in listing.refused


def test_a_name_that_is_no_utf8_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "meter_readings"
    folder.mkdir()
    with open(os.fsencode(folder) + b"/\xff.csv", "wb"):  # noqa: PTH123 - a Path cannot be made of these bytes
        pass
    listing = list_files(tmp_path)
    assert listing.settled == ()
    assert "rename" in next(iter(listing.refused.values()))


def test_delivering_keeps_paths_and_times_and_leaves_what_is_there(tmp_path: Path) -> None:
    data, landing = tmp_path / "data", tmp_path / "landing"
    top = write(data / "top.csv", "1")
    write(data / "weather" / "2024" / "w.csv", "2")
    write(data / "LICENSE")
    os.utime(top, (1_700_000_000, 1_700_000_000))
    progress: list[tuple[int, int]] = []
    delivered = deliver(data, landing, lambda done, total: progress.append((done, total)))
    assert delivered == ["meter_readings/top.csv", "weather/2024/w.csv"]
    assert progress == [(1, 2), (2, 2)]
    copy = landing / "meter_readings" / "top.csv"
    assert copy.stat().st_mtime == 1_700_000_000
    inode = copy.stat().st_ino
    deliver(data, landing)
    assert copy.stat().st_ino == inode
    write(top, "corrected")
    deliver(data, landing)
    assert copy.read_text() == "corrected"
    assert sorted(p.name for p in landing.rglob("*") if p.is_file()) == ["top.csv", "w.csv"]


def test_delivering_nothing_says_what_was_looked_for(tmp_path: Path) -> None:
    write(tmp_path / "readings" / "a.csv")
    with pytest.raises(DeliveryError, match=r"readings/a\.csv: move them into meter_readings"):
        deliver(tmp_path, tmp_path / "landing")
    with pytest.raises(DeliveryError, match="does not exist"):
        deliver(tmp_path / "nowhere", tmp_path / "landing")


def test_the_hash_is_that_of_the_bytes(tmp_path: Path) -> None:
    assert sha256_of(write(tmp_path / "a", "abc")).startswith("ba7816bf8f01cfea")
