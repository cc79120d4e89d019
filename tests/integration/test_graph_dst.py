"""Days on which clocks change, through the whole graph: no interval lost, none counted twice, none on the wrong day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import graph  # noqa: F401  fixes this process's settings before anything of the graph is imported
import pytest
from support import commands

from energy_assets.home import Home
from energy_assets.resources.serving import Serving
from energy_assets.resources.warehouse import Warehouse

SOUND_METERS = 6
"""Enough rows for two rejected ones to stay below the limit of 1 %."""


@dataclass(frozen=True)
class Clocks:
    """A zone, and the days on which its clocks go back and forward; the days around them come along."""

    zone: str
    back: date
    forward: date

    @property
    def days(self) -> list[date]:
        return sorted(day + timedelta(days=offset) for day in (self.back, self.forward) for offset in (-1, 0, 1))

    def hours(self, day: date) -> int:
        return {self.back: 25, self.forward: 23}.get(day, 24)

    def starts(self, day: date, minutes: int) -> list[datetime]:
        """Starts of the day's intervals, aware, in their order."""
        first = datetime.combine(day, time(), ZoneInfo(self.zone)).astimezone(UTC)
        instants = (first + timedelta(minutes=minutes * number) for number in range(self.hours(day) * 60 // minutes))
        return [instant.astimezone(ZoneInfo(self.zone)) for instant in instants]


LONDON = Clocks("Europe/London", back=date(2017, 10, 29), forward=date(2018, 3, 25))
SYDNEY = Clocks("Australia/Sydney", back=date(2013, 4, 7), forward=date(2013, 10, 6))


def deliveries(clocks: Clocks) -> dict[str, str]:
    """Every interval of every day, its energy being its number in the day in Wh; stamped in several ways.

    `once-a-day` states a day's energy in one row. `unaware` writes the hour that clocks skip as if it were there, and the
    hour that they repeat only once.
    """
    offset, quarters, local, unaware, daily = [], [], [], [], []
    for day in clocks.days:
        for number, start in enumerate(clocks.starts(day, 30), start=1):
            offset += [f"offset-{meter},{start.isoformat()},{number / 1000}" for meter in range(SOUND_METERS)]
            local.append(f"local,{start:%Y-%m-%d %H:%M},{number / 1000}")
        for number, start in enumerate(clocks.starts(day, 15), start=1):
            quarters.append(f"quarters,{start.astimezone(UTC).isoformat()},{number / 1000}")
        for number in range(48):
            unaware.append(
                f"unaware,{datetime.combine(day, time(number // 2, 30 * (number % 2))):%Y-%m-%d %H:%M},0.001"
            )
        daily.append(f"once-a-day,{clocks.starts(day, 1380)[0].isoformat()},12.5,1440")
    header = "meter_id,reading_at,consumption_kwh"
    texts = {"offset": offset, "quarters": quarters, "local": local, "unaware": unaware}
    return {name: "\n".join([header, *rows]) + "\n" for name, rows in texts.items()} | {
        "daily": "\n".join([f"{header},interval_minutes", *daily]) + "\n"
    }


def ingested(home: Home, clocks: Clocks, data: Path) -> tuple[Warehouse, Serving]:
    folder = data / "meter_readings"
    folder.mkdir(parents=True)
    for name, text in deliveries(clocks).items():
        (folder / f"{name}.csv").write_text(text)
    root, arguments = home.path.parent, ("--home", home.name, "ingest", str(data), "--historical")
    printed = commands.run(root, *arguments, ENERGY_TIMEZONE=clocks.zone)
    assert printed.count("3 of 3 days went through") == 2, printed
    return Warehouse(home=str(home.path)), Serving(home=str(home.path))


@pytest.mark.parametrize("clocks", [LONDON, pytest.param(SYDNEY, marks=pytest.mark.full)], ids=["London", "Sydney"])
def test_days_of_23_and_25_hours_are_whole(clocks: Clocks, home: Home, tmp_path: Path) -> None:
    warehouse, serving = ingested(home, clocks, tmp_path / "data")
    every_interval_lies_on_its_local_day(warehouse, clocks)
    complete_meters_are_complete(warehouse, clocks)
    the_gate_expects_the_intervals_that_there_are(warehouse)
    profiles_follow_the_clock(warehouse, clocks)
    local_times_that_do_not_exist_are_quarantined(warehouse, clocks)
    a_repeated_hour_that_came_once_is_taken_as_the_first(warehouse, clocks)
    clickhouse_holds_the_same_days(serving, clocks)


def every_interval_lies_on_its_local_day(warehouse: Warehouse, clocks: Clocks) -> None:
    for table in ("raw_data.meter_readings", "staging.stg_meter_readings"):
        wrong = warehouse.rows(
            f"select count(*) from {table} where (reading_at at time zone %s)::date <> reading_date", (clocks.zone,)
        )
        assert wrong == [(0,)], table


def complete_meters_are_complete(warehouse: Warehouse, clocks: Clocks) -> None:
    minutes = {"offset-0": 30, "local": 30, "quarters": 15, "once-a-day": 1440}
    found = warehouse.rows(
        "select daily.meter_id, metric_date, daily.reading_count, daily.accepted_count, daily.expected_count, is_complete,"
        " completeness_pct, peak_hour, daily.total_wh"
        " from intermediate.int_readings_daily as daily"
        " join marts.mart_consumption_metrics as metrics on metric_date = reading_date and metrics.meter_id = daily.meter_id"
        " where daily.meter_id = any(%s) order by 1, 2",
        (list(minutes),),
    )
    expected = []
    for meter in sorted(minutes):
        for day in clocks.days:
            count = 1 if minutes[meter] == 1440 else clocks.hours(day) * 60 // minutes[meter]
            energy, peak_hour = (12_500, 0) if minutes[meter] == 1440 else (count * (count + 1) // 2, 23)
            expected.append((meter, day, count, count, count, True, 100, peak_hour, energy))
    assert found == expected


def the_gate_expects_the_intervals_that_there_are(warehouse: Warehouse) -> None:
    differing = warehouse.rows(
        "select judged.reading_date, element_count, expected from quality.validation_results as judged"
        " join (select reading_date, sum(expected_count) as expected from intermediate.int_readings_daily group by 1)"
        " as daily using (reading_date)"
        " where table_name = 'stg_meter_readings' and expectation_id = 'completeness' and element_count <> expected"
    )
    assert differing == []


def profiles_follow_the_clock(warehouse: Warehouse, clocks: Clocks) -> None:
    """Slot k holds the k-th interval since midnight: the repeated hour is there twice, in its order, the skipped one not."""
    profiles = warehouse.rows(
        "select meter_id, reading_date, profile_wh from intermediate.int_consumption_features"
        " where meter_id in ('local', 'offset-0', 'once-a-day') order by meter_id, reading_date"
    )
    for meter, day, profile in profiles:
        slots = 2 * clocks.hours(day)
        assert profile == ([12_500] if meter == "once-a-day" else list(range(1, slots + 1))), (meter, day)
    assert len(profiles) == 3 * len(clocks.days)


def local_times_that_do_not_exist_are_quarantined(warehouse: Warehouse, clocks: Clocks) -> None:
    skipped = [
        f"{datetime.combine(clocks.forward, clock):%Y-%m-%d %H:%M}"
        for clock in (time(hour, minute) for hour in range(24) for minute in (0, 30))
        if clock not in {start.time() for start in clocks.starts(clocks.forward, 30)}
    ]
    assert len(skipped) == 2
    rejected = warehouse.rows(
        "select path, value, column_name from raw_data.rejected_rows join raw_data.landing_files using (file_id)"
        " join raw_data.landing_paths using (sha256) order by row_number"
    )
    assert rejected == [("meter_readings/unaware.csv", value, "reading_at") for value in skipped]


def a_repeated_hour_that_came_once_is_taken_as_the_first(warehouse: Warehouse, clocks: Clocks) -> None:
    assumed = warehouse.rows(
        "select meter_id, reading_at from staging.stg_meter_readings where quality_code = 'fold_assumed' order by reading_at"
    )
    starts = clocks.starts(clocks.back, 30)
    repeated = [start for start in starts if sum(start.time() == other.time() for other in starts) == 2]
    first = [start for start in repeated if start.fold == 0]
    assert assumed == [("unaware", start.astimezone(UTC)) for start in first]
    counts = warehouse.rows(
        "select accepted_count, expected_count, is_complete from intermediate.int_readings_daily"
        " where meter_id = 'unaware' and reading_date = %s",
        (clocks.back,),
    )
    assert counts == [(48, 50, False)]


def clickhouse_holds_the_same_days(serving: Serving, clocks: Clocks) -> None:
    with serving.client() as client:
        found = client.query(
            "SELECT reading_date, count() FROM energy_analytics.meter_readings WHERE meter_id = 'quarters' GROUP BY 1 ORDER BY 1"
        ).result_rows
    assert found == [(day, 4 * clocks.hours(day)) for day in clocks.days]
