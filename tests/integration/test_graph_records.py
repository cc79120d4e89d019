"""Registers and visits: what a delivery of them restates, what it leaves alone, and what a person is told of it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from graph import Graph, day, days, dependents, window_of
from support import commands
from support.content_hash import WITHOUT_MODELS, Content, assert_same, content
from support.deliveries import shuffled
from support.selections import with_gates

from energy_assets.checkpoints.checkpoint import NEVER_DELIVERED, has_deliveries
from energy_assets.days import DayWindow
from energy_assets.keys import GATED
from energy_assets.operations.stores import bring_up
from energy_assets.resources import ledger
from energy_assets.resources.why import explain

STAGED = ("stg_meters", "stg_transformers", "stg_inspections")
WHOLE = days(1, 2)
METERS = "meters/register.csv"
HEADER = "meter_id,valid_from,transformer_id,customer_class,installed_on,removed_on"


def register(*rows: str, header: str = HEADER) -> str:
    return "\n".join([header, *rows]) + "\n"


FLEET = [f"M00000{number},,T1,residential,," for number in range(1, 7)]
"""Every simulated meter, always there."""
MOVED = [*FLEET, "M000001,2024-01-02,T2,residential,,"]
"""The same, and the first of them moved on the second day."""


def rewritten(graph: Graph, before: dict[tuple[str, date], int]) -> dict[date, set[str]]:
    """Tables by day that were written since."""
    found: dict[date, set[str]] = {}
    for (table, of), version in graph.versions(WHOLE).items():
        if before.get((table, of)) != version:
            found.setdefault(of, set()).add(table)
    return found


def transformers_of(graph: Graph, meter: str) -> dict[date, str]:
    return dict(
        graph.warehouse.rows(
            "select reading_date, transformer_id from staging.stg_meters where meter_id = %s order by 1", (meter,)
        )
    )


def test_a_corrected_register_restates_the_days_from_which_it_differs_and_a_copy_none(graph: Graph) -> None:
    graph.deliver(WHOLE)
    graph.drop(METERS, register(*FLEET))
    assert [window_of(result) for result in graph.settle()] == [None, WHOLE]
    before = graph.versions(WHOLE)

    graph.drop(METERS, register(*MOVED))
    assert graph.land().success
    assert graph.owed() == [day(2)]
    assert [window_of(result) for result in graph.settle()] == [days(2, 2)]

    assert rewritten(graph, before) == {day(2): dependents("stg_meters")}
    assert transformers_of(graph, "M000001") == {day(1): "T1", day(2): "T2"}

    graph.drop("meters/nightly/copy.csv", register(*MOVED))
    graph.drop("meters/nightly/export.csv", register(*(f"{row},7" for row in MOVED), header=f"{HEADER},version"))
    (landed,) = graph.settle()
    assert landed.success
    assert graph.owed() == [], "a copy says nothing new, under a new version neither"

    first = commands.run(graph.home, "retract", METERS, "--reason", "another utility's")
    assert "0 days are owed" in first, "the export under a version still says the same"
    second = commands.run(graph.home, "retract", "meters/nightly/export.csv", "--reason", "another utility's")
    assert "2 days are owed, 2024-01-01 … 2024-01-02" in second
    assert graph.owed() == list(WHOLE)
    assert graph.run(WHOLE, with_gates("stg_meters", "stg_meter_readings")).success
    assert transformers_of(graph, "M000001") == {}
    assert graph.count("stg_meter_readings", "reading_date", day(2)), "without a register there are still readings"

    restored = commands.run(graph.home, "retract", "--undo", METERS)
    assert "2 days are owed, 2024-01-01 … 2024-01-02" in restored


def stale(graph: Graph) -> dict[str, list[int]]:
    """Days of January by table that are owed because of files or records."""
    found: dict[str, list[int]] = {}
    for of, tables in ledger.stale_days(graph.warehouse).items():
        for table in tables:
            found.setdefault(table, []).append(of.day)
    return found


TRANSFORMERS = "transformers/register.csv"
VISITS = "inspections/visits.csv"
RATED = "transformer_id,valid_from,rating_kva\n"
VISITED = "meter_id,inspected_on,outcome\n"
BASE = {
    METERS: register("A,,T1,residential,,", "B,2024-01-02,T1,residential,,", "C,,T1,residential,,2024-01-03"),
    TRANSFORMERS: f"{RATED}T1,,100\n",
    VISITS: f"{VISITED}A,2024-01-03,clean\n",
}

CHANGES = [
    ("a meter moves", METERS, BASE[METERS] + "A,2024-01-03,T2,residential,,\n", {"stg_meters": [3, 4]}),
    ("a meter is new", METERS, BASE[METERS] + "D,,T1,residential,2024-01-04,\n", {"stg_meters": [4]}),
    ("a meter goes", METERS, BASE[METERS].replace("B,2024-01-02,T1,residential,,", "B,2024-01-02,T1,residential,,2024-01-04"), {"stg_meters": [4]}),
    ("a meter went a day later", METERS, BASE[METERS].replace("2024-01-03", "2024-01-04"), {"stg_meters": [3]}),
    ("a class was wrong from the second on", METERS, BASE[METERS].replace("B,2024-01-02,T1,residential", "B,2024-01-02,T1,industrial"), {"stg_meters": [2, 3, 4]}),
    ("a class was always wrong", METERS, BASE[METERS].replace("A,,T1,residential", "A,,T1,industrial"), {"stg_meters": [1, 2, 3, 4]}),
    ("a meter will move", METERS, BASE[METERS] + "A,2030-01-01,T2,residential,,\n", {}),
    ("a version comes beside none", "meters/versioned.csv", "meter_id,transformer_id,version\nA,T9,-1\n", {"stg_meters": [1, 2, 3, 4]}),
    ("another order of rows", METERS, shuffled({METERS: BASE[METERS]}, seed=1)[METERS], {}),
    ("a column that nobody knows", METERS, register(*(f"{row},x" for row in BASE[METERS].splitlines()[1:]), header=f"{HEADER},street"), {}),
    ("a row that cannot be read", METERS, BASE[METERS] + "D,soon,T1,residential,,\n", {"stg_meters": [1, 2, 3, 4]}),
    ("a transformer was exchanged", TRANSFORMERS, f"{RATED}T1,,100\nT1,2024-01-04,160\n", {"stg_transformers": [4]}),
    ("another visit", VISITS, f"{VISITED}A,2024-01-03,clean\nB,2024-01-02,theft\n", {"stg_inspections": [2]}),
    ("another outcome", VISITS, f"{VISITED}A,2024-01-03,theft\n", {"stg_inspections": [3]}),
    ("a visit on a day that nobody staged", VISITS, f"{VISITED}A,2024-01-03,clean\nA,2024-01-09,theft\n", {}),
]  # fmt: skip


def test_exactly_the_days_are_owed_of_which_records_say_something_else(graph: Graph) -> None:
    for path, text in BASE.items():
        graph.drop(path, text)
    assert graph.land().success
    assert graph.run(days(1, 4), with_gates(*STAGED)).success
    assert stale(graph) == {}

    for name, path, text, expected in CHANGES:
        graph.drop(path, text)
        assert graph.land().success
        assert {table: owed for table, owed in stale(graph).items() if table in STAGED} == expected, name
        if path in BASE:
            graph.drop(path, BASE[path])
            assert graph.land().success
        else:
            ledger.retract(graph.warehouse, path, reason="it was but a test")
        assert stale(graph) == {}, f"{name}, taken back"


def fed(window: DayWindow) -> str:
    """Hourly readings of T1 and T2."""
    rows = [
        f"{name},{of} {hour:02d}:00,{3 + hour / 10}" for of in window for hour in range(24) for name in ("T1", "T2")
    ]
    return "\n".join(["transformer_id,reading_at,energy_kwh", *rows]) + "\n"


VERSIONED = "meter_id,valid_from,transformer_id,ct_multiplier,version"
OLDER = register(*(f"M00000{n},,T1,1,1" for n in range(1, 7)), header=VERSIONED)
NEWER = register("M000001,,T1,2,2", "M000002,,T2,1,2", "M000003,2024-01-02,T2,1,2", header=VERSIONED)


def delivered_readings(graph: Graph) -> dict[str, str]:
    meters = {f"meter_readings/{of}.csv": graph._files.file(of, is_red=False).read_text() for of in days(2, 2)}
    return meters | {"transformer_readings/all.csv": fed(days(2, 2))}


def settled(graph: Graph, *batches: dict[str, str]) -> Content:
    """What the tables hold after these files came in this order, and after each batch what was owed was run."""
    graph.empty()
    for batch in batches:
        for path, text in batch.items():
            graph.drop(path, text)
        assert graph.land().success
        graph.catch_up()
    return content(graph.warehouse, graph.serving, WITHOUT_MODELS)


@pytest.mark.full
def test_the_order_in_which_register_and_readings_come_changes_no_table(graph: Graph) -> None:
    readings = delivered_readings(graph)
    older, newer = {"meters/a.csv": OLDER}, {"meters/b.csv": NEWER}

    expected = settled(graph, readings | older | newer)
    assert expected["marts.mart_transformer_losses"], "there is no balance to compare"
    assert [transformers_of(graph, f"M00000{n}")[day(2)] for n in range(1, 5)] == ["T1", "T2", "T2", "T1"]
    assert_same(expected, settled(graph, readings, newer, older))


@pytest.mark.full
def test_a_register_dealt_out_over_two_files_comes_to_the_same(graph: Graph) -> None:
    readings = delivered_readings(graph)
    expected = settled(graph, readings | {"meters/a.csv": OLDER, "meters/b.csv": NEWER})
    rows = [*OLDER.splitlines()[1:], *NEWER.splitlines()[1:]]
    dealt = np.random.default_rng(1).permutation(rows)
    halves = {f"meters/{n}.csv": register(*half, header=VERSIONED) for n, half in enumerate(np.array_split(dealt, 2))}
    assert_same(expected, settled(graph, halves, readings))


@pytest.fixture
def register_alone(tmp_path: Path) -> Path:
    """A folder of deliveries that holds a register and no readings."""
    path = tmp_path / "delivery" / "meters" / "register.csv"
    path.parent.mkdir(parents=True)
    path.write_text(register(*FLEET))
    return path.parents[1]


def test_a_register_alone_makes_no_home(register_alone: Path, tmp_path: Path) -> None:
    refused = commands.run(tmp_path / "homes", "ingest", str(register_alone), code=1)
    assert "holds no reading that could be taken in" in " ".join(refused.split())
    assert "A new home takes its days from readings" in " ".join(refused.split())
    assert not (tmp_path / "homes" / "utility").exists(), "nothing was made or started"


@pytest.mark.full
def test_a_register_alone_goes_into_a_home_that_is_there(graph: Graph, register_alone: Path) -> None:
    graph.deliver(day(1))
    graph.settle()
    printed = commands.run(graph.home, "ingest", str(register_alone))
    assert "1 of 1 days went through" in printed
    assert graph.count("stg_meters", "reading_date", day(1)) == len(FLEET)
    assert graph.owed() == []


def test_rows_of_a_register_that_cannot_be_read_make_its_days_red_until_it_is_corrected(graph: Graph) -> None:
    graph.deliver(day(1))
    graph.drop(METERS, register(*FLEET, "M000007,soon,T1,residential,,"))
    graph.settle()

    assert graph.states(day(1))["stg_meters"] == "red"
    assert "stg_meter_readings" not in graph.states(day(1)), "nothing is staged on a register that may be half of one"
    explained = commands.run(graph.home, "why", "2024-01-01", "stg_meters")
    words = " ".join(explained.split())
    assert "2024-01-01 stg_meters is red:" in words
    assert "critical: 1 of 7 records rejected (limit 1 %)" in words
    assert "meters/register.csv row 8, column valid_from = 'soon': is no date (expected e.g. 2017-11-05)" in words
    assert "→ correct the file and deliver it again under the same path" in words
    assert [entry.lines[0] for entry in explain(graph.warehouse, day(1))] == ["2024-01-01 stg_meters is red:"]

    graph.drop(METERS, register(*FLEET))
    graph.settle()
    assert set(graph.states(day(1)).values()) == {"green"}, "the junk row is gone, and nothing else changed"
    assert set(graph.served()) == {day(1)}


def test_days_of_a_home_from_before_an_upgrade_are_brought_up(graph: Graph) -> None:
    """Before it there were no registers, no balance, and of these no day, no verdict and no table."""
    graph.deliver(day(1))
    graph.settle()
    new = dependents("stg_meters") & dependents("stg_transformers") & dependents("transformer_readings")
    new |= {"transformer_readings", "stg_transformer_readings", *STAGED}
    assert new >= {"int_transformer_balance", "mart_transformer_losses", "energy_analytics.transformer_losses"}
    before = content(graph.warehouse, graph.serving)
    with graph.warehouse.transaction() as connection, connection.cursor() as cursor:
        for table in ("day_versions", "validation_results"):
            cursor.execute(f"delete from quality.{table} where table_name = any(%s)", (list(new),))
        for table in sorted(new & GATED.keys() - {"transformer_readings"}):
            cursor.execute(f"drop table if exists {GATED[table]}.{table} cascade")
    bring_up(graph.home)

    assert graph.owed() == [day(1)]
    graph.catch_up()
    assert graph.owed() == []
    assert_same(before, content(graph.warehouse, graph.serving))
    assert set(graph.states(day(1)).values()) == {"green"}


@pytest.mark.parametrize(
    ("table", "path", "text"),
    [
        ("outages", "outages/a.csv", "area_id,started_at,ended_at\nT1,2024-01-02 10:00,2024-01-02 11:00\n"),
        ("outages", "outages/a.csv", "area_id,started_at,ended_at\nT1,2024-01-02 10:00,later\n"),
        ("stg_outages", "outages/a.csv", "area_id,started_at,ended_at\nT1,2024-01-02 10:00,2024-01-02 11:00\n"),
        ("stg_meters", METERS, register(*FLEET)),
        ("stg_meters", METERS, register("M1,soon,T1,residential,,")),
    ],
)
def test_days_of_a_source_are_judged_together_until_it_delivers_anything(
    graph: Graph, table: str, path: str, text: str
) -> None:
    assert not has_deliveries(graph.warehouse, table)
    graph.drop(path, text)
    assert graph.land().success
    assert has_deliveries(graph.warehouse, table)
    assert has_deliveries(graph.warehouse, "int_readings_daily"), "which is no source's alone"
    assert not has_deliveries(graph.warehouse, "int_transformer_balance"), (
        "without energy that came in there is no row of it"
    )


def test_days_that_were_judged_together_have_a_verdict_each_as_if_each_had_been_judged_alone(graph: Graph) -> None:
    tables = with_gates("outages", "transformer_readings")
    assert graph.run(WHOLE, tables).success
    together = verdicts(graph, "transformer_readings")
    assert [of for of, *_ in together] == list(WHOLE)
    assert all(is_of_its_version for _, is_of_its_version, _ in together)
    assert NEVER_DELIVERED in together[0][-1]
    for of in WHOLE:
        assert graph.run(of, tables).success
    assert verdicts(graph, "transformer_readings") == together

    graph.drop("outages/a.csv", "area_id,started_at,ended_at\nT1,2024-01-02 10:00,2024-01-02 11:00\n")
    assert graph.land().success
    assert stale(graph) == {"outages": [2]}, "the delivery reopens its own day"


def verdicts(graph: Graph, table: str) -> list[tuple[date, bool, list[str]]]:
    """By day: whether the verdict is of the day's newest version, and every finding."""
    return graph.warehouse.rows(
        "select reading_date, bool_and(validation_results.version = day_versions.version), array_agg(message order by expectation_id)"
        " from quality.validation_results join quality.day_versions using (table_name, reading_date)"
        " where table_name = %s group by 1 order by 1",
        (table,),
    )
