"""The delivery view: which days of which source arrived, came late or are missing, and from how many meters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from graph import CALENDAR, FIRST_DAY, METERS, Graph, day, days
from support.commands import run

from energy_assets.assets.landing import LANDING_FILES
from energy_assets.home import Calendar
from energy_assets.resources import ledger
from energy_assets.resources.deliveries import Delivery, State, deliveries, recent_days

LIVE = Calendar(CALENDAR.timezone, FIRST_DAY)


def seen(graph: Graph, calendar: Calendar = CALENDAR, now: datetime | None = None) -> dict[int, Delivery]:
    """Deliveries of readings by day of January, of the first to the fifth."""
    found = deliveries(graph.warehouse, days(1, 5), calendar, now)
    return {entry.day.day: entry for entry in found if entry.source == "meter_readings"}


def landed_at(graph: Graph, number: int, at: datetime) -> None:
    """Let the file of a day have landed then."""
    with graph.warehouse.transaction(as_loader=True) as connection, connection.cursor() as cursor:
        cursor.execute(
            "update raw_data.landing_files set landed_at = %s where sha256 in"
            " (select sha256 from raw_data.landing_paths where path = %s)",
            (at, f"meter_readings/{day(number)}.csv"),
        )


def test_what_arrived_is_told_from_what_is_missing_with_its_files_rows_and_meters(graph: Graph) -> None:
    graph.deliver(days(1, 2))
    graph.deliver(day(3), red=[day(3)])
    text = graph.deliver(day(5))[0].read_text().splitlines(keepends=True)
    one_meter = text[1].split(",")[0]
    graph.drop(f"meter_readings/{day(5)}.csv", "".join(line for line in text if not line.startswith(one_meter)))
    result = graph.land()
    assert [entry.is_loaded for entry in seen(graph).values()] == [False, False, False, True, False], "nothing ran yet"
    for window in (days(1, 2), days(3, 3), days(4, 5)):
        graph.run(window)

    entries = seen(graph)

    states = [entry.state for entry in entries.values()]
    assert states == [State.arrived, State.arrived, State.arrived, State.missing, State.arrived]
    assert [entry.files for entry in entries.values()] == [1, 1, 1, 0, 1]
    read = {
        of.day: (rows, rejected)
        for of, rows, rejected in graph.warehouse.rows(
            "select reading_date, row_count, rejected_count from raw_data.day_inputs where source = 'meter_readings'"
        )
    }
    assert {number: (e.rows, e.rejected) for number, e in entries.items() if e.files} == read
    assert entries[3].rejected > 0
    assert (entries[1].meters, entries[1].usual_meters) == (METERS, None), "nothing is known of the week before"
    assert (entries[3].meters, entries[3].usual_meters) == (None, METERS), "the day is red: nobody read its meters"
    assert (entries[5].meters, entries[5].usual_meters) == (METERS - 1, METERS)
    assert all(entry.is_loaded for entry in entries.values())
    picture = result.asset_materializations_for_node("landing_files")[0].metadata["deliveries"].value
    assert f"| {day(4)} | 🟥 missing |" in picture
    assert result.asset_materializations_for_node("landing_files")[0].asset_key == LANDING_FILES.key


def test_in_a_live_home_a_day_is_late_after_nine_and_missing_only_then(graph: Graph) -> None:
    graph.deliver(days(1, 3))
    assert graph.land().success
    nine = datetime(2024, 1, 2, 9, tzinfo=LIVE.zone)
    landed_at(graph, 1, nine)
    landed_at(graph, 2, nine + timedelta(days=1, seconds=1))
    landed_at(graph, 3, nine + timedelta(days=2))
    graph.drop("meter_readings/area 2.csv", graph._files.file(day(3), is_red=False).read_text().replace("M0", "N0"))
    assert graph.land().success

    states = [entry.state for entry in seen(graph, LIVE, nine + timedelta(days=3)).values()]

    assert states == [State.arrived, State.late, State.partly_late, State.missing, State.expected]
    assert {entry.state for entry in seen(graph).values()} == {State.arrived, State.missing}, "historical: never late"


def test_a_withdrawn_file_is_missing(graph: Graph) -> None:
    graph.deliver(days(1, 2))
    assert graph.land().success
    ledger.retract(graph.warehouse, f"meter_readings/{day(2)}.csv", reason="test")
    assert seen(graph)[2].state is State.missing


def test_the_newest_thirty_days_are_a_live_homes_until_yesterday_and_a_historical_ones_until_its_last() -> None:
    now = datetime(2024, 3, 7, 23, 30, tzinfo=UTC)  # already the eighth in Douala
    live, historical = recent_days(LIVE, now), recent_days(CALENDAR, now)
    assert (live.last, len(live)) == (datetime(2024, 3, 7).date(), 30)
    assert (historical.start, historical.last) == (CALENDAR.first_day, CALENDAR.last_day)


def test_the_command_shows_the_days_that_are_asked_for(graph: Graph) -> None:
    graph.deliver(days(1, 3))
    assert graph.land().success
    shown = run(graph.home, "deliveries", "--from", "2024-01-03", "--to", "2024-01-04")
    assert "2024-01-03  meter_readings  arrived" in shown
    assert "2024-01-04  meter_readings  missing" in shown
    assert "2024-01-02" not in shown
    assert "1 arrived, 1 missing" in shown
