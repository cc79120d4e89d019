"""What is owed becomes ranges: days that owe nearly the same run together, as long as nothing is written that should stay."""

from __future__ import annotations

from datetime import date

from energy_assets.resources.due import MOST_SPARE, DueDay, Work, due_ranges

READINGS = ("meter_readings", "stg_meter_readings", "int_readings_daily", "energy_analytics.meter_readings")
TOKENS = ("token_purchases", "stg_token_purchases")


def due(day: int, *written: str, spare: tuple[str, ...] = (), judged: tuple[str, ...] = ()) -> DueDay:
    return DueDay(date(2024, 1, day), Work(written, judged), f"state {day}", frozenset(spare))


def windows(*days: DueDay, longest: int = 30) -> list[tuple[int, int, set[str]]]:
    return [(r.window.start.day, r.window.last.day, {*r.work.written}) for r in due_ranges(days, longest)]


def test_days_that_owe_the_same_run_together_up_to_a_gap_or_the_longest():
    same = [due(day, *READINGS) for day in (3, 1, 2, 5)]
    assert windows(*same) == [(1, 3, {*READINGS}), (5, 5, {*READINGS})]
    assert windows(*same, longest=2) == [(1, 2, {*READINGS}), (3, 3, {*READINGS}), (5, 5, {*READINGS})]
    assert windows() == []


def test_a_day_whose_small_tables_are_sound_runs_with_neighbours_that_owe_them():
    whole = {*READINGS, *TOKENS}
    days = [due(1, *READINGS, spare=TOKENS), due(2, *READINGS, *TOKENS), due(3, *READINGS, spare=TOKENS)]
    assert windows(*days) == [(1, 3, whole)]
    (merged,) = due_ranges(days, 30)
    assert merged.work.written == (
        "meter_readings",
        "token_purchases",
        "stg_meter_readings",
        "stg_token_purchases",
        *READINGS[2:],
    ), "in the order in which data flows"


def test_what_a_person_accepted_or_nothing_else_writes_is_left_alone():
    days = [due(1, *READINGS), due(2, *READINGS, *TOKENS)]
    assert [window[:2] for window in windows(*days)] == [(1, 1), (2, 2)]


def test_what_is_only_to_be_judged_is_not_written_for_a_neighbour():
    days = [due(1, *READINGS[1:], judged=("meter_readings",)), due(2, *READINGS)]
    assert [window[:2] for window in windows(*days)] == [(1, 1), (2, 2)]


def test_days_that_differ_by_much_run_each_for_themselves():
    many = tuple(f"table {number}" for number in range(MOST_SPARE + 1))
    days = [due(1, *READINGS, spare=many), due(2, *READINGS, *many)]
    assert [window[:2] for window in windows(*days)] == [(1, 1), (2, 2)]
