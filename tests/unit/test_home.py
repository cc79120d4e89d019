"""A home keeps its zone and its days, and a file is replaced whole or not at all."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest

from energy_assets import home as homes
from energy_assets.home import Calendar, Home, HomeError, write_atomically

DOUALA = Calendar("Africa/Douala", date(2024, 1, 1))
LONDON = Calendar("Europe/London", date(2011, 12, 6), date(2014, 2, 28))


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("ENERGY_HOME", str(tmp_path))
    return tmp_path


def made(path: Path, calendar: Calendar = DOUALA) -> Home:
    home = Home.at(path)
    home.write_calendar(calendar)
    return home


def test_a_calendar_comes_back_as_it_was_stored(tmp_path):
    assert made(tmp_path / "live").calendar() == DOUALA
    assert made(tmp_path / "historical", LONDON).calendar() == LONDON
    assert (DOUALA.is_historical, LONDON.is_historical) == (False, True)


def test_the_zone_never_changes_and_the_error_says_which_home_to_use(tmp_path):
    home = made(tmp_path / "utility")
    with pytest.raises(HomeError, match="--home utility-europe-london"):
        home.write_calendar(LONDON)
    assert home.calendar() == DOUALA


def test_the_first_day_moves_earlier_and_never_later(tmp_path):
    home = made(tmp_path / "utility")
    home.write_calendar(Calendar("Africa/Douala", date(2023, 12, 1)))
    assert home.calendar().first_day == date(2023, 12, 1)
    with pytest.raises(HomeError, match="2023-12-01"):
        home.write_calendar(DOUALA)
    home.write_calendar(Calendar("Africa/Douala", date(2023, 12, 1), date(2024, 3, 1)))
    assert home.calendar().last_day == date(2024, 3, 1)


@pytest.mark.parametrize("zone", ["Africa/Nowhere", "", "../etc/passwd", "+01:00"])
def test_what_is_no_time_zone_is_refused(zone):
    with pytest.raises(HomeError, match="IANA"):
        Calendar(zone, date(2024, 1, 1))


def test_days_that_end_before_they_begin_are_refused():
    with pytest.raises(HomeError, match="before first_day"):
        Calendar("Africa/Douala", date(2024, 1, 2), date(2024, 1, 1))


@pytest.mark.parametrize(
    "text",
    [
        "timezone = ",
        'timezone = "Africa/Douala"',
        'timezone = "Africa/Douala"\nfirst_day = "2024-01-01"',
        'timezone = "Africa/Douala"\nfirst_day = 2024-01-01T00:00:00Z',
        "timezone = 7\nfirst_day = 2024-01-01",
    ],
)
def test_a_calendar_that_somebody_broke_is_named_by_its_file(tmp_path, text):
    home = Home.at(tmp_path)
    home.calendar_file.write_text(text)
    with pytest.raises(HomeError, match=r"energy\.toml"):
        home.calendar()


def test_without_a_home_the_error_says_how_to_make_one(root):
    for ask in (homes.current, Home.at(root / "absent").calendar):
        with pytest.raises(HomeError, match="energy-assets demo"):
            ask()


def test_the_activated_home_is_the_current_one(root):
    first, second = made(root / "first"), made(root / "second", LONDON)
    homes.activate(first)
    homes.activate(second)
    assert homes.current() == second
    assert homes.all_homes() == [first, second]
    assert homes.named("first") == first
    assert homes.named(str(root / "first")) == first


def test_a_current_home_that_was_removed_is_not_taken_for_one(root):
    first, second = made(root / "first"), made(root / "second")
    homes.activate(second)
    second.calendar_file.unlink()
    with pytest.raises(HomeError, match="pick one of first with --home"):
        homes.current()
    assert homes.all_homes() == [first]


def test_energy_home_may_be_a_home_itself(root, monkeypatch):
    home = made(root / "only")
    monkeypatch.setenv("ENERGY_HOME", str(home.path))
    assert homes.current() == home
    assert homes.named("other").path == root / "other"


def test_a_tilde_in_energy_home_is_the_users_directory(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ENERGY_HOME", "~/energy")
    assert homes.root() == tmp_path / "energy"


def test_writers_of_one_file_never_mix(tmp_path):
    path = tmp_path / "deep" / "file"
    texts = [str(number) * 200_000 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda text: write_atomically(path, text), texts))
    assert path.read_text() in texts
    assert list(path.parent.iterdir()) == [path]


def test_a_secret_is_never_readable_by_others_whatever_was_there(tmp_path):
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)
    write_atomically(path, "new", mode=0o600)
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", 0o600)


def test_a_failed_write_leaves_the_old_file_and_no_draft(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "\udc80")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
