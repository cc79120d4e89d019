"""The capacity model adds up in the right units, never takes less for more meters, and its page is as new as the measurements."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from benchmarks.capacity import (
    COMMANDS,
    DOCUMENT,
    SIZES,
    count,
    document,
    figure,
    on_clickhouse,
    refreshed,
    room,
    time,
)
from benchmarks.capacity_inputs import PRINTED, YEAR, Measured, Printed, by_meters, measured, measured_on, told
from benchmarks.capacity_model import Assumed, Capacity, along, fitted

PACKAGE = Path(__file__).parents[2] / "energy_assets"
SMALL = Measured(
    run_s={1_000: 11.0, 10_000: 20.0, 100_000: 110.0},
    days_before={1_000: 3, 10_000: 2, 100_000: 1},
    run_mb={1_000: 100.0, 10_000: 200.0, 100_000: 1_000.0, 1_000_000: 5_500.0},
    million_s=1_400.0,
    million_beside_minutes=None,
    million_landing_s=500.0,
    million_run_core_s=200.0,
    million_postgres_core_s=750.0,
    million_clickhouse_core_s=60.0,
    million_cores=2,
    million_delivered_gb=2.0,
    million_postgres_gb=9.0,
    million_clickhouse_gb=0.5,
    million_sorts_gb=None,
    evidence_long_s=60.0,
    evidence_short_s=10.0,
    range_s=60.0,
    year_s=None,
    year_first_chunk_s=None,
    year_last_chunk_s=None,
    land_and_load_s=3.0,
    load_s=1.0,
    postgres_mb={"readings": 3.0, "staged": 1.0},
    postgres_rest_mb=2.0,
    parts_mb=0.5,
    least_days=10,
    backup_mb=6.0,
    served_readings=48e6,
    served_gb=0.1,
    pages_ms=900,
    demo_meters=100,
    demo_days=73,
    demo_lost_mwh=2.0,
    demo_lost_xaf=200_000,
    campaign_meters=100,
    campaign_weeks=365 / 7,
    campaign_visits=120,
    campaign_hidden_kwh=1_000,
    campaign_unvisited_kwh=10_000,
    campaign_billed_kwh=3_000,
)
"""A day takes 10 s and a millisecond a meter."""
MODEL = Capacity(SMALL, Assumed(visit_costs={"USD": 10.0, "XAF": 6_000.0}))
MILLION = 1_000_000


def test_the_page_is_not_older_than_the_measurements() -> None:
    text = DOCUMENT.read_text("utf-8")
    assert refreshed(text) == text, "docs/scaling.md is stale: python -m benchmarks.capacity"


def test_every_number_has_a_place_and_stands_there() -> None:
    assert PRINTED.keys() == {field.name for field in fields(Measured)}
    known = measured()
    assert known.run_s[1_000] < known.run_s[10_000] < known.run_s[100_000] < known.million_s
    assert sum(known.postgres_mb.values()) > known.postgres_rest_mb > known.parts_mb
    assert all(measured_on(page, command) for command, page in COMMANDS.items() if page != YEAR)


def test_a_number_is_found_by_the_words_around_it_however_they_are_spaced() -> None:
    text = "# one\n| **a day**: so long |  | 1,234.5 s |\n# two\n| **a day**: so long | | 7 s |, in all\n"
    first = Printed("page", "**a day**: … | | # s |")
    assert first.found_in(text) == 1234.5 and replace(first, after="# two").found_in(text) == 7
    assert Printed("page", "# s |, in all").found_in(text) == 7
    assert Printed("page", "**a night**: … | | # s |").found_in(text) is None
    assert replace(first, after="# three").found_in(text) is None


def test_a_page_that_lost_a_number_is_named_unless_it_may_lack_it() -> None:
    gone = Printed("README.md", "a number that is # on no page")
    with pytest.raises(LookupError, match=r"README\.md no longer prints “a number"):
        gone.read()
    assert replace(gone, may_lack=True).read() is None


def test_the_line_goes_through_points_on_a_line_and_weighs_relative_errors() -> None:
    line = fitted({1_000: 11.0, 10_000: 20.0, 100_000: 110.0})
    assert line.fixed == pytest.approx(10.0) and line.a_meter == pytest.approx(0.001)
    bent = fitted({1_000: 11.0, 10_000: 20.0, 100_000: 121.0})
    misses = [abs(bent.at(meters) / taken - 1) for meters, taken in ((1_000, 11.0), (10_000, 20.0), (100_000, 121.0))]
    assert max(misses) < 0.04, "a tenth more at one of three is shared by all in their measure"


def test_between_points_and_beyond_them_on_the_nearest_line() -> None:
    points = {10: 1.0, 20: 3.0, 40: 4.0}
    assert [along(points, at) for at in (5, 10, 15, 20, 30, 40, 80)] == [0.0, 1.0, 2.0, 3.0, 3.5, 4.0, 6.0]


def test_room_of_a_million_meters() -> None:
    assert MODEL.readings(MILLION) == 48e6 and MODEL.readings(MILLION, 2) == 96e6
    # 3 + 1 MB of a thousand are 4 GB of a million; 2 MB are 2 GB.
    assert MODEL.big_tables_gb(MILLION) == pytest.approx(4.0) and MODEL.other_tables_gb(MILLION) == pytest.approx(2.0)
    assert MODEL.all_tables_gb(MILLION, 365) == pytest.approx(6 * 365)
    assert MODEL.kept_tables_gb(MILLION) == pytest.approx(4 * 10 + 2 * 365)
    assert MODEL.parts_gb(MILLION) == pytest.approx(0.5)
    assert MODEL.backup_gb(MILLION) == pytest.approx(2.0), "6 MB are of three days"
    assert MODEL.served_gb(MILLION, 10) == pytest.approx(5.0)
    assert MODEL.served_readings_gb(MILLION) == pytest.approx(0.1)
    assert MODEL.disk_gb(MILLION) == pytest.approx(770 + (0.5 + 0.5) * 365)


def test_time_of_a_million_meters() -> None:
    assert MODEL.line.at(MILLION) == pytest.approx(1_010)
    # Evidence: 50 s more of 100,000 are half a millisecond a meter, and so is landing.
    assert MODEL.look_back_s_a_meter == pytest.approx(0.0005) and MODEL.landing_s_a_meter == pytest.approx(0.0005)
    assert MODEL.morning_s(MILLION) == pytest.approx(1_010 + 500 + 500)
    assert MODEL.busy_share == pytest.approx(0.5), "1,010 of 2,020 processor seconds"
    assert MODEL.morning_core_s(MILLION) == pytest.approx(1_010 + 500 + 500)
    assert MODEL.cores(MILLION) == 2, "never fewer than were measured"
    # 10 + 10 × 2,000 s of processors in 10,800 s are 1.85 of them, half of which are busy.
    assert MODEL.cores(10 * MILLION) == 4
    assert MODEL.late_days(MILLION) == 4, "five mornings of 2,010 s in three hours, one of them today's"
    assert MODEL.late_days(10 * MILLION) == 0
    assert MODEL.run_gb(MILLION) == pytest.approx(5.5) and MODEL.run_gb(2 * MILLION) == pytest.approx(10.5)


def test_landing_that_was_not_timed_is_taken_from_rows() -> None:
    untimed = Capacity(replace(SMALL, million_landing_s=0.0))
    assert untimed.landing_s_a_meter == pytest.approx(2.0 / 480_000 * 48)


def test_a_year_at_once_is_taken_from_a_year_where_one_was_measured() -> None:
    # 2 s a day of 1,000 meters, half a second of landing; a million adds 1.5 ms for each further meter.
    assert MODEL.backfill_s(1_000, 10) == pytest.approx(10 * (2 + 0.5))
    assert MODEL.backfill_s(MILLION) == pytest.approx(365 * (2 + 0.0015 * 999_000 + 500))
    of_a_year = Capacity(replace(SMALL, year_s=3_650.0))
    assert of_a_year.backfill_s(1_000, 10) == pytest.approx(10 * (10 + 0.5))


def test_money() -> None:
    # 2 cores × 730 h × 0.05, disk at 0.1, a backup of a year at 0.02.
    usd = 73 + (770 + 365) * 0.1 + 730 * 0.02
    assert MODEL.usd_a_month(MILLION) == pytest.approx(usd)
    assert MODEL.xaf_a_meter(MILLION) == pytest.approx(usd * 600 / MILLION)
    # 200,000 XAF in a fifth of a year of 100 meters.
    assert MODEL.lost_xaf_a_meter == pytest.approx(10_000 / 12)
    assert MODEL.xaf_a_lost_kwh == pytest.approx(100)
    assert MODEL.won_xaf_a_meter == pytest.approx((9_000 + 3_000) * 100 / 100 / 12)
    assert MODEL.visits_xaf_a_meter == pytest.approx(120 * 6_000 / 100 / 12)


@pytest.mark.parametrize("model", [MODEL, Capacity(measured())], ids=["small", "as measured"])
def test_more_meters_never_take_less(model: Capacity) -> None:
    taken = (
        *(model.readings, model.delivered_gb, model.parts_gb, model.all_tables_gb, model.kept_tables_gb),
        *(model.served_gb, model.served_readings_gb, model.backup_gb, model.disk_gb, model.line.at),
        *(model.morning_s, model.morning_core_s, model.cores, model.backfill_s, model.run_gb, model.usd_a_month),
    )
    meters = [1_000, 5_000, *SIZES]
    for of in taken:
        values = [of(some) for some in meters]
        assert values == sorted(values) and values[0] > 0, of
        assert values[-1] > values[0], of
    late = [model.late_days(some) for some in meters]
    assert late == sorted(late, reverse=True)


def test_the_window_is_from_the_morning_run_to_the_deadline() -> None:
    (started,) = re.findall(r"hour_of_day=(\d+)", (PACKAGE / "automation" / "schedules.py").read_text())
    (due,) = re.findall(r'DEADLINE = "0 (\d+) \* \* \*"', (PACKAGE / "automation" / "freshness.py").read_text())
    assert Assumed().window_s == (int(due) - int(started)) * 3600


def test_the_page_marks_what_is_no_measurement() -> None:
    rows = {line.split(" | ")[0]: line for line in document(MODEL)}
    (run,) = (line for what, line in rows.items() if what.startswith("| a day's run"))
    assert "| 20 s | 110 s | 1,400 s | ≈ 2.8 h |" in run
    (memory,) = (line for what, line in rows.items() if what.startswith("| memory"))
    assert "| 200 MB | 1,000 MB | 5,500 MB | ≈ 50 GB |" in memory
    assert any("a whole year is not measured" in line for line in rows.values())


def test_a_year_and_contention_are_told_where_they_were_measured() -> None:
    full = replace(
        SMALL,
        year_s=7_300.0,
        year_first_chunk_s=2.5,
        year_last_chunk_s=3.5,
        million_beside_minutes=10,
        million_s=1_320.0,
    )
    text = "\n".join(document(Capacity(full)))
    assert (
        "7,300 s for 365 days of 1,000 meters" in text
        and "2.5 s in the first month of a year at once and 3.5 s" in text
    )
    assert "half of these taken off, 1,020 s (+1%)" in text and "not measured yet" not in text


def test_what_clickhouse_models_brings_is_said_of_the_largest_fleet_or_not_at_all() -> None:
    text = (
        "| seconds | 1,000 meters | 20,000 meters |\n|---|---:|---:|\n"
        "| four models, Postgres | 2.00 | 1,040.00 |\n| four models, ClickHouse | 4.00 | 20.00 |\n| inputs into ClickHouse | 0.10 | 1.50 |\n| results back into Postgres | 0.10 | 2.00 |\n\n- there and back: about 9,000\n"
    )
    assert by_meters(text, "four models, Postgres") == {1_000: 2.0, 20_000: 1040.0}
    assert told(text, "- there and back:") == "about 9,000"
    said = on_clickhouse(text)
    assert "1040.0 s on Postgres, and 20.0 s on ClickHouse + 3.5 s there and back, at 20,000 meters" in said
    assert "about 9,000" in said
    assert "not measured" in on_clickhouse("| seconds | 1,000 meters |\n")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            [figure(value) for value in (0, 0.0123, 0.96, 9.96, 12.5, 1_234)],
            ["0", "0.012", "0.96", "10", "12", "1,200"],
        ),
        ([count(value) for value in (480_000, 4.8e6, 17.52e9)], ["480,000", "4.8 million", "17.5 billion"]),
        ([room(value) for value in (0.036, 1.0, 204.0, 8_730.0)], ["36 MB", "1.0 GB", "200 GB", "8.7 TB"]),
        (
            [time(value) for value in (52.9, 299, 300, 7_199, 7_200, 200_000)],
            ["53 s", "300 s", "5.0 min", "120 min", "2.0 h", "2.3 days"],
        ),
    ],
)
def test_estimates_have_two_figures(said: list[str], expected: list[str]) -> None:
    assert said == expected
