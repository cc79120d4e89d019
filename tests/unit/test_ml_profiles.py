"""Profiles: what comes out of Arrow is the day as delivered, whatever the order of rows."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from ml.profiles import DayProfiles, ProfileError, from_arrow

LONDON = ZoneInfo("Europe/London")
DAY = date(2024, 1, 8)
MIDNIGHT = np.datetime64("2024-01-08T00:00:00")


def arrow(*rows: tuple[str, int, list[int | None] | None]) -> pa.Table:
    schema = pa.schema(
        [("meter_id", pa.string()), ("interval_minutes", pa.int16()), ("profile_wh", pa.list_(pa.int64()))]
    )
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema=schema)


def test_profiles_come_out_by_interval_and_meter_with_gaps_as_nan() -> None:
    table = arrow(("b", 60, [1, None] + [3] * 22), ("day", 1440, [9]), ("a", 60, [5] * 24), ("c", 60, [None] * 24))
    hourly, daily = from_arrow(table, DAY, MIDNIGHT)
    assert (hourly.interval_minutes, daily.interval_minutes) == (60, 1440)
    assert hourly.meter_ids.tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(hourly.wh[:2, :3], [[5, 5, 5], [1, np.nan, 3]])
    assert np.isnan(hourly.wh[2]).all()
    assert daily.wh.tolist() == [[9]]
    assert hourly.wh.dtype == np.float32


def test_chunks_and_their_offsets_do_not_matter() -> None:
    rows = [(f"m{i}", 60, [i * 100 + slot for slot in range(24)]) for i in range(6)]
    chunked = pa.concat_tables([arrow(*rows[:4]).slice(1), arrow(*rows[4:])])
    (profiles,) = from_arrow(chunked, DAY, MIDNIGHT)
    (whole,) = from_arrow(arrow(*rows[1:]), DAY, MIDNIGHT)
    np.testing.assert_array_equal(profiles.wh, whole.wh)
    assert profiles.wh[0, 3] == 103


def test_a_short_or_absent_profile_is_missing_at_its_end() -> None:
    (profiles,) = from_arrow(arrow(("a", 60, [1, 2]), ("b", 60, None), ("c", 60, [1, 2, 3])), DAY, MIDNIGHT)
    np.testing.assert_array_equal(profiles.wh, [[1, 2, np.nan], [np.nan] * 3, [1, 2, 3]])


def test_no_rows_are_no_profiles() -> None:
    assert from_arrow(arrow(), DAY, MIDNIGHT) == []


def test_a_meter_that_comes_twice_is_refused_by_day() -> None:
    with pytest.raises(ProfileError, match=r"2024-01-08.*once each"):
        from_arrow(arrow(("a", 60, [1] * 24), ("a", 60, [2] * 24)), DAY, MIDNIGHT)


def test_a_profile_that_is_longer_than_a_day_is_refused() -> None:
    with pytest.raises(ProfileError, match="96 slots of 30 minutes"):
        from_arrow(arrow(("a", 30, [1] * 96)), DAY, MIDNIGHT)


@pytest.mark.parametrize(
    ("day", "starts_at", "slots", "clock_at_two_hours"),
    [
        (date(2024, 3, 31), "2024-03-31T00:00:00", 46, 180),
        (date(2024, 10, 27), "2024-10-26T23:00:00", 50, 60),
        (date(2024, 1, 8), "2024-01-08T00:00:00", 48, 120),
    ],
)
def test_the_clock_jumps_on_dst_days(day: date, starts_at: str, slots: int, clock_at_two_hours: int) -> None:
    wh = np.ones((1, slots), dtype=np.float32)
    profiles = DayProfiles(day, np.datetime64(starts_at), 30, np.array(["a"]), wh)
    clock = profiles.clock_minutes(LONDON)
    assert (clock[0], clock[-1]) == (0, 23 * 60 + 30)
    assert clock[4] == clock_at_two_hours


def test_blocks_cover_every_meter_once() -> None:
    ids = np.array([f"m{i}" for i in range(7)])
    profiles = DayProfiles(DAY, MIDNIGHT, 60, ids, np.arange(7 * 24, dtype=np.float32).reshape(7, 24))
    blocks = list(profiles.blocks(3))
    assert [block.meters for block in blocks] == [3, 3, 1]
    np.testing.assert_array_equal(np.concatenate([block.wh for block in blocks]), profiles.wh)


def test_rows_of_unknown_meters_are_marked() -> None:
    profiles = DayProfiles(DAY, MIDNIGHT, 1440, np.array(["b", "d"]), np.ones((2, 1), dtype=np.float32))
    assert profiles.rows_of(np.array(["a", "b", "c", "d", "e-longer"])).tolist() == [-1, 0, -1, 1, -1]
