"""Validation and estimation through the whole graph: a fleet with a register, of which some readings are missing, wrong or out of supply."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from graph import Graph, day, days
from support.content_hash import assert_same, content, differences
from support.selections import with_gates

LAST = 12
"""A Friday, with eight workdays before it."""
METERS = {f"H{number}": "T1" for number in range(1, 6)} | {f"K{number}": "T2" for number in range(1, 5)}
"""Homes of two transformers; none but these."""
SLOTS = 48
TABLES = (
    *("meter_readings", "transformer_readings", "outages"),
    *("stg_meters", "stg_transformers", "stg_outages", "stg_meter_readings", "stg_transformer_readings"),
    *(
        "int_consumption_features",
        "int_reading_estimates",
        "int_readings_daily",
        "int_readings_hourly",
        "int_transformer_balance",
    ),
)
"""What estimates and balances are made of, and they."""
HITS = (
    *TABLES,
    "register_readings",
    "token_purchases",
    "stg_register_readings",
    "stg_token_purchases",
    "int_validation_hits",
)
STRANGER = "X1"
"""A meter that no register holds."""


def used_kwh(meter: str, number: int, slot: int) -> float:
    """A home's half-hour: an evening peak, no two days and no two homes alike."""
    level = 0.1 + 0.02 * (int(meter[1:]) - 1)
    evening = 3 if 36 <= slot < 44 else 1
    return round(level * evening * (1 + ((slot * 7 + number * 13 + int(meter[1:]) * 5) % 11) / 40), 3)


def starts_at(number: int, slot: int) -> datetime:
    """Start of a half-hour of the day in Douala, an hour ahead of UTC."""
    return datetime(2024, 1, number, tzinfo=UTC) - timedelta(hours=1) + slot * timedelta(minutes=30)


Spoiled = Callable[[str, int, int], float | None]
"""(meter, day, slot) -> what is delivered instead; None where nothing is."""


def deliver(graph: Graph, spoiled: Spoiled = used_kwh, *, first: int = 1, last: int = LAST) -> None:
    """The fleet's register, and for each day readings of meters and of transformers, which count what was truly used."""
    graph.drop(
        "meters/register.csv",
        "meter_id,customer_class,transformer_id,prepaid\n"
        + "".join(f"{meter},Household,{transformer},false\n" for meter, transformer in METERS.items()),
    )
    for number in range(first, last + 1):
        readings, fed = ["meter_id,reading_at,consumption_kwh"], ["transformer_id,reading_at,energy_kwh"]
        for slot in range(SLOTS):
            at = starts_at(number, slot).isoformat()
            for meter in (*METERS, STRANGER) if number == LAST else METERS:
                kwh = spoiled(meter, number, slot)
                if kwh is not None:
                    readings.append(f"{meter},{at},{kwh}")
            for transformer in ("T1", "T2"):
                total = sum(used_kwh(meter, number, slot) for meter, of in METERS.items() if of == transformer)
                fed.append(f"{transformer},{at},{0 if is_out(transformer, number, slot) else round(total * 1.03, 3)}")
        graph.drop(f"meter_readings/{day(number)}.csv", "\n".join(readings) + "\n")
        graph.drop(f"transformer_readings/{day(number)}.csv", "\n".join(fed) + "\n")


def is_out(transformer: str, number: int, slot: int) -> bool:
    """On the last day T2 is without supply from 10:00 to 12:00, and nobody reported it."""
    return transformer == "T2" and number == LAST and 20 <= slot < 24


def with_gaps(meter: str, number: int, slot: int) -> float | None:
    """On the last day: H1 lacks an hour, H2 half a day, H3 the whole; H4 has a spike, H5 repeats itself, K1 is negative once; T2 is out."""
    if number == LAST:
        if (meter, slot) in {("H1", 10), ("H1", 11)} or (meter == "H2" and slot >= 24) or meter == "H3":
            return None
        if (meter, slot) == ("H4", 12):
            return 9.0
        if meter == "H5" and 10 <= slot < 30:
            return 0.123
        if is_out(METERS.get(meter, "T1"), number, slot):
            return None if meter == "K1" else 0.0
        if (meter, slot) == ("K1", 40):
            return -1.0
    return used_kwh(meter, number, slot)


def estimates(graph: Graph) -> dict[tuple[str, int], tuple[int, str]]:
    """(meter, slot) -> (estimated Wh, method) of the last day."""
    rows = graph.warehouse.rows(
        "select meter_id, reading_at, estimated_wh, method from intermediate.int_reading_estimates where reading_date = %s",
        (day(LAST),),
    )
    first = starts_at(LAST, 0)
    return {(meter, int((at - first) / timedelta(minutes=30))): (wh, method) for meter, at, wh, method in rows}


def test_gaps_are_estimated_in_their_order_but_never_over_an_outage_and_what_is_odd_is_told(graph: Graph) -> None:
    deliver(graph, with_gaps)
    assert graph.land().success
    assert graph.run(days(1, LAST), with_gates(*HITS)).success

    found = estimates(graph)

    methods = {meter: {method for (of, _), (_, method) in found.items() if of == meter} for meter in METERS}
    assert {meter: kinds for meter, kinds in methods.items() if kinds} == {
        "H1": {"interpolated"},
        "H2": {"proxy_days"},
        "H3": {"proxy_days"},
        "K1": {"interpolated"},
    }
    assert {slot for meter, slot in found if meter == "H3"} == set(range(SLOTS)), "nothing came: the whole day"
    assert {slot for meter, slot in found if meter == "K1"} == {40}, "out of supply nothing was used"
    worst = max(abs(wh - 1000 * used_kwh(meter, LAST, slot)) for (meter, slot), (wh, _) in found.items())
    assert worst < 300, "an estimate has the shape of its meter's days"

    balance = dict(
        graph.warehouse.rows(
            "select transformer_id, array_agg(excluded_because) from intermediate.int_transformer_balance"
            " where reading_date = %s group by 1",
            (day(LAST),),
        )
    )
    assert set(balance["T1"]) == {None}, "with its estimates every interval of T1 is balanced"
    assert sorted(filter(None, balance["T2"])) == ["meters_missing"] * 4, "K1 is not made up for where supply was off"
    ((estimated, metered),) = graph.warehouse.rows(
        "select sum(estimated_wh), sum(metered_wh) from intermediate.int_transformer_balance where reading_date = %s",
        (day(LAST),),
    )
    assert estimated == sum(wh for wh, _ in found.values())
    ((total, beside),) = graph.warehouse.rows(
        "select sum(total_wh), sum(estimated_wh) from intermediate.int_readings_daily where reading_date = %s and meter_id <> %s",
        (day(LAST), STRANGER),
    )
    assert total == metered - estimated, "what was estimated is not counted as measured"
    assert beside == estimated - sum(wh for (meter, _), (wh, _) in found.items() if meter == "H3")

    told = graph.warehouse.rows(
        "select rule, subject_id, hit_count from intermediate.int_validation_hits where reading_date = %s order by 1, 2",
        (day(LAST),),
    )
    assert told == [
        ("frozen_value", "H5", 20),
        ("inactive", STRANGER, SLOTS),
        ("outage_from_siblings", "T2", 4),
        ("sibling", "H3", SLOTS),
        ("spike", "H4", 1),
    ]
    assert not graph.warehouse.rows(
        "select 1 from intermediate.int_validation_hits where reading_date < %s", (day(LAST),)
    )


@pytest.mark.full
def test_estimates_are_the_same_day_by_day_and_after_what_was_late_came(graph: Graph) -> None:
    chain = with_gates(*TABLES)
    deliver(graph, with_gaps)
    assert graph.land().success
    assert graph.run(days(1, LAST), chain).success
    expected = content(graph.warehouse, graph.serving, ["staging.", "intermediate."])
    assert any(expected["intermediate.int_reading_estimates"].values())

    graph.empty()
    deliver(graph, with_gaps, last=4)
    deliver(graph, with_gaps, first=6)
    assert graph.land().success
    for window in (days(1, 7), day(8), day(LAST)):  # the fifth has no readings of any meter yet
        assert graph.run(window, chain).success
    without = content(graph.warehouse, graph.serving, ["intermediate.int_reading_estimates"])
    assert differences(expected, expected | without), "the day that is late is a proxy"
    deliver(graph, with_gaps, first=5, last=5)
    assert graph.land().success
    assert graph.run(day(5), chain).success
    assert {day(number) for number in range(6, LAST + 1)} <= set(graph.owed()), "they looked back on it"
    assert graph.run(days(6, LAST), chain).success
    assert_same(expected, content(graph.warehouse, graph.serving, ["staging.", "intermediate."]))
