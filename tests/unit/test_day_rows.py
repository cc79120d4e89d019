"""Rows of days that are kept in files: what was put comes back, for whoever is asked for, and nothing is left behind."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from energy_assets.resources.day_rows import DayRows

MONDAY = date(2024, 1, 1)
TUESDAY, WEDNESDAY = MONDAY + timedelta(days=1), MONDAY + timedelta(days=2)


@pytest.fixture
def rows(tmp_path: Path) -> DayRows:
    """Three meters on Monday, of which two on Tuesday beside a new one; nobody on Wednesday."""
    rows = DayRows(2, tmp_path)
    rows.put(MONDAY, pa.array(["b", "a", "c"]), np.array([[1, 2], [3, 4], [5, np.nan]], dtype=np.float32))
    rows.put(TUESDAY, pa.array(["d", "c", "b"]), np.array([[7, 8], [9, 10], [11, 12]], dtype=np.float32))
    rows.put(WEDNESDAY, pa.array([], pa.string()), np.zeros((0, 2), dtype=np.float32))
    return rows


def test_rows_come_back_in_the_order_that_is_asked_for(rows: DayRows) -> None:
    found = rows.of([TUESDAY, MONDAY, WEDNESDAY], np.array(["c", "stranger", "a", "d"]))
    none = [np.nan, np.nan]
    expected = [[[9, 10], none, none, [7, 8]], [[5, np.nan], none, [3, 4], none], [none] * 4]
    np.testing.assert_array_equal(found, np.array(expected, dtype=np.float32))


def test_meters_are_those_of_the_days_asked_for(rows: DayRows) -> None:
    assert rows.meters([MONDAY, WEDNESDAY]).tolist() == ["a", "b", "c"]
    assert rows.meters([MONDAY, TUESDAY]).tolist() == ["a", "b", "c", "d"]
    assert rows.meters([]).tolist() == []


def test_a_day_that_is_forgotten_is_as_if_it_had_never_been(rows: DayRows) -> None:
    rows.forget_before(TUESDAY)
    assert MONDAY not in rows and TUESDAY in rows
    assert np.isnan(rows.of([MONDAY], np.array(["a"]))).all()
    assert rows.meters([MONDAY, TUESDAY]).tolist() == ["b", "c", "d"]


def test_files_have_no_name_that_a_killed_process_could_leave(rows: DayRows, tmp_path: Path) -> None:
    assert not list(tmp_path.iterdir())
