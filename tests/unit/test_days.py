"""Windows of local days: half-open, cut into chunks, made out of lists of days."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_assets.days import DayWindow, days_between, runs_of_days

DAYS = st.dates(date(2023, 1, 1), date(2025, 12, 31))
WINDOWS = st.builds(lambda start, count: DayWindow(start, start + timedelta(days=count)), DAYS, st.integers(0, 400))


def test_a_window_holds_its_start_and_not_its_end() -> None:
    window = DayWindow(date(2024, 2, 28), date(2024, 3, 2))
    assert list(window) == [date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1)]
    assert (len(window), window.last, str(window)) == (3, date(2024, 3, 1), "2024-02-28 … 2024-03-01")
    assert str(DayWindow.of(date(2024, 3, 1))) == "2024-03-01"


def test_a_window_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ValueError, match="window ends 2024-03-01, before it starts 2024-03-02"):
        DayWindow(date(2024, 3, 2), date(2024, 3, 1))


def test_looking_back_moves_the_start_alone() -> None:
    window = DayWindow.of(date(2024, 3, 1))
    assert window.with_lookback(7) == DayWindow(date(2024, 2, 23), date(2024, 3, 2))


@given(WINDOWS, st.integers(1, 90))
def test_chunks_are_the_window_and_none_is_too_long(window: DayWindow, size: int) -> None:
    chunks = list(window.chunks(size))
    assert [day for chunk in chunks for day in chunk] == list(window)
    assert all(1 <= len(chunk) <= size for chunk in chunks)
    assert len(chunks) == -(-len(window) // size)


@given(st.lists(DAYS, max_size=60))
def test_runs_of_days_hold_each_day_once_and_never_touch(days: list[date]) -> None:
    windows = runs_of_days(days)
    assert [day for window in windows for day in window] == sorted(set(days))
    assert all(left.end < right.start for left, right in pairwise(windows))


def test_days_between_leaves_out_the_end() -> None:
    assert list(days_between(date(2024, 1, 1), date(2024, 1, 1))) == []
    assert list(days_between(date(2024, 1, 31), date(2024, 2, 1))) == [date(2024, 1, 31)]
