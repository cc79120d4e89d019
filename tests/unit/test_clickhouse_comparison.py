"""From how many meters on ClickHouse takes less, told from a few sizes; and pieces of a stream."""

from __future__ import annotations

import pyarrow as pa
import pytest

from benchmarks.clickhouse_inputs import pieces
from benchmarks.clickhouse_models import Day, where


def day(meters: int, postgres: float, clickhouse: float) -> Day:
    return Day(
        meters,
        {},
        {"model": postgres},
        {"model": clickhouse},
        there=0,
        back=0,
        every={},
        differences=0,
        told=[],
        engine="",
    )


@pytest.mark.parametrize(
    ("days", "said"),
    [
        ([(1_000, 1.0, 2.0)], "not at 1,000; where, two sizes tell"),
        ([(1_000, 2.0, 1.0)], "at all sizes measured, from 1,000 on"),
        ([(1_000, 1.0, 2.0), (10_000, 10.0, 12.0), (20_000, 20.0, 16.0)], "about 13,333"),
        ([(1_000, 1.0, 3.0), (11_000, 11.0, 12.0)], "beyond what was measured, about 21,000"),
        ([(1_000, 1.0, 2.0), (10_000, 10.0, 20.0)], "nowhere: the gap does not close"),
        ([(1_000, 1.0, 2.0), (10_000, 10.0, 11.0)], "nowhere: the gap does not close"),
    ],
)
def test_where_the_lines_cross(days: list[tuple[int, float, float]], said: str) -> None:
    assert where([day(*one) for one in days], lambda one: one.on_clickhouse) == said


def test_pieces_hold_every_row_in_its_order_and_are_few() -> None:
    batches = [pa.record_batch({"n": list(range(start, start + 10))}) for start in range(0, 95, 10)]
    found = list(pieces(batches, rows_at_once=25))
    assert [piece.num_rows for piece in found] == [30, 30, 30, 10]
    assert pa.concat_tables(found)["n"].to_pylist() == list(range(100))
    assert list(pieces([], rows_at_once=25)) == []
