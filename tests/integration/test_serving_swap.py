"""Days that are swapped into ClickHouse: all of them together hold what was sent, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client

from energy_assets.embedded.connections import Connections
from energy_assets.home import Home
from energy_assets.resources.serving import Serving

TABLE = "meter_readings"
FIRST, SECOND, THIRD = date(2031, 3, 7), date(2031, 3, 8), date(2031, 3, 9)


@pytest.fixture
def serving(stores: tuple[Home, Connections]) -> Serving:
    found = Serving(home=str(stores[0].path))
    found.apply_schema()
    return found


@pytest.fixture
def client(serving: Serving) -> Iterator[Client]:
    with serving.client() as client:
        yield client
        client.command(f"TRUNCATE TABLE energy_analytics.{TABLE}")


def rows_of(*days: date) -> pa.RecordBatchReader:
    table = pa.table(
        {
            "reading_date": pa.array(days, pa.date32()),
            "meter_id": ["M1"] * len(days),
            "reading_at": pa.array(
                [datetime(*day.timetuple()[:3], 12, tzinfo=UTC) for day in days], pa.timestamp("s", "UTC")
            ),
            "interval_minutes": pa.array([30] * len(days), pa.uint16()),
            "accepted_wh": pa.array([500] * len(days), pa.int64()),
            "quality_code": ["valid"] * len(days),
        }
    )
    return table.to_reader()


def held(client: Client) -> list[date]:
    return [row[0] for row in client.query(f"SELECT reading_date FROM energy_analytics.{TABLE} ORDER BY 1").result_rows]


def swap(serving: Serving, client: Client, days: list[date], rows: pa.RecordBatchReader) -> int:
    with serving.swapping(client, TABLE, run_id="swap") as one:
        return one.replace_days(days, rows)


def test_a_day_without_rows_beside_days_with_some_is_emptied(serving: Serving, client: Client) -> None:
    swap(serving, client, [FIRST, SECOND], rows_of(FIRST, FIRST, SECOND))
    assert held(client) == [FIRST, FIRST, SECOND]

    assert swap(serving, client, [FIRST, SECOND, THIRD], rows_of(FIRST, THIRD)) == 2

    assert held(client) == [FIRST, THIRD]


def test_days_that_are_not_named_stay(serving: Serving, client: Client) -> None:
    swap(serving, client, [FIRST, SECOND], rows_of(FIRST, SECOND))

    assert swap(serving, client, [SECOND], rows_of()) == 0

    assert held(client) == [FIRST]


def test_rows_that_are_of_no_day_that_was_named_change_nothing(serving: Serving, client: Client) -> None:
    swap(serving, client, [FIRST], rows_of(FIRST))

    with pytest.raises(RuntimeError, match="none of 1 rows"):
        swap(serving, client, [FIRST], rows_of(SECOND))

    assert held(client) == [FIRST]
