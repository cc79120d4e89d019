"""The balance of transformers, on a fleet whose truth this test makes up: every watt-hour that came in is accounted for."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pytest
from graph import Graph, day
from support.commands import run

from energy_assets.assets.serving import SERVED
from energy_assets.keys import GATED
from energy_assets.resources.gates import failures
from energy_assets.resources.serving import DATABASE
from energy_assets.resources.serving_ddl import quoted

DAY = day(2)
MIDNIGHT = datetime(2024, 1, 2)
"""Local time, as delivered."""
OFF = range(20, 25)
"""Half-hours without supply: an outage from 10:10 to 12:20."""
MULTIPLIER = 40
POWER_FACTOR, ASSUMED_SHARE = Decimal("0.9"), Decimal("0.03")


@dataclass(frozen=True)
class Transformer:
    """A transformer with its meters (-> minutes between two readings) and what is stolen from it in an interval, in Wh."""

    name: str
    minutes: int
    meters: dict[str, int]
    stolen_wh: int
    ratings: tuple[int, int, int] | None = None
    """kVA, and W of loss idle and in the windings at rated power."""

    def technical_wh(self, energy_wh: int) -> int:
        """Of an interval of the transformer's own, by hand: iron and copper, or a share."""
        if self.ratings is None:
            return _rounded(energy_wh * ASSUMED_SHARE)
        kva, idle_w, load_w = self.ratings
        hours = Decimal(self.minutes) / 60
        load_kva = Decimal(energy_wh) / 1000 / hours / POWER_FACTOR
        return _rounded((idle_w + load_w * (load_kva / kva) ** 2) * hours)


def _rounded(value: Decimal) -> int:
    return int(value.quantize(Decimal(1), ROUND_HALF_UP))


RATED = Transformer("T1", 30, {"HOME": 30, "QUARTER": 15, "MILL": 30}, stolen_wh=40, ratings=(25, 60, 500))
UNRATED = Transformer("T2", 60, {"SHOP": 60, "BAKERY": 30, "KIOSK": 15}, stolen_wh=300)
FLEET = (RATED, UNRATED)
USED_WH = {"HOME": 200, "QUARTER": 100, "MILL": 25 * MULTIPLIER, "SHOP": 900, "BAKERY": 600, "KIOSK": 30}
"""Least energy of one interval of a meter; it varies up to twice that, the mill's in whole multiples."""
REGISTER = {meter: (of.name, MULTIPLIER if meter == "MILL" else 1) for of in FLEET for meter in of.meters}


@dataclass
class Truth:
    """Energy in Wh by transformer and interval of the transformer, in order."""

    energy_in: dict[str, list[int]] = field(default_factory=dict)
    metered: dict[str, list[int]] = field(default_factory=dict)
    technical: dict[str, list[int]] = field(default_factory=dict)
    readings: dict[str, list[int]] = field(default_factory=dict)
    """By meter."""


def make_truth() -> Truth:
    """What was used, what was stolen, and therefore what came in: the loss depends on what came in, so it is searched for."""
    truth, rng = Truth(), np.random.default_rng(11)
    for of in FLEET:
        for meter, minutes in of.meters.items():
            unit = REGISTER[meter][1]
            used = USED_WH[meter] // unit * (1 + rng.random(1440 // minutes))
            truth.readings[meter] = [int(value) * unit for value in used]
        slots = range(1440 // of.minutes)
        metered = [sum(_part(truth.readings[m], slot, len(slots)) for m in of.meters) for slot in slots]
        energy_in = []
        for wh in metered:
            came = wh + of.stolen_wh
            while came != (wanted := wh + of.stolen_wh + of.technical_wh(came)):
                came = wanted
            energy_in.append(came)
        truth.metered[of.name], truth.energy_in[of.name] = metered, energy_in
        truth.technical[of.name] = [of.technical_wh(wh) for wh in energy_in]
    return truth


def _part(readings: list[int], slot: int, slots: int) -> int:
    each = len(readings) // slots
    return sum(readings[slot * each : (slot + 1) * each])


TRUTH = make_truth()


def starts(count: int) -> list[str]:
    return [f"{MIDNIGHT + timedelta(minutes=1440 // count * n):%Y-%m-%d %H:%M}" for n in range(count)]


def table(header: str, rows: list[str]) -> str:
    return "\n".join([header, *rows]) + "\n"


def register(**changed: tuple[str, int]) -> str:
    entries = REGISTER | changed
    return table(
        "meter_id,transformer_id,ct_multiplier", [f"{m},{of},{multiplier}" for m, (of, multiplier) in entries.items()]
    )


def delivered_kwh() -> dict[str, list[Decimal]]:
    """What the meters count: the mill's a fortieth of what it uses."""
    return {meter: [Decimal(wh) / REGISTER[meter][1] / 1000 for wh in used] for meter, used in TRUTH.readings.items()}


def deliver(graph: Graph, meters: str, outages: str | None = None) -> None:
    """The fleet's day, with this register."""
    rows = [
        f"{m},{at},{kwh}"
        for m, used in delivered_kwh().items()
        for at, kwh in zip(starts(len(used)), used, strict=True)
    ]
    graph.drop("meter_readings/day.csv", table("meter_id,reading_at,consumption_kwh", rows))
    fed = [
        f"{name},{at},{Decimal(wh) / 1000}"
        for name, energy_in in TRUTH.energy_in.items()
        for at, wh in zip(starts(len(energy_in)), energy_in, strict=True)
    ]
    graph.drop("transformer_readings/day.csv", table("transformer_id,reading_at,energy_kwh", fed))
    kva, idle_w, load_w = RATED.ratings
    graph.drop(
        "transformers/register.csv",
        table(
            "transformer_id,feeder_id,rating_kva,no_load_loss_w,load_loss_w",
            [f"T1,F1,{kva},{idle_w},{load_w}", "T2,F2,,,"],
        ),
    )
    graph.drop("meters/register.csv", meters)
    if outages:
        graph.drop("outages/day.csv", outages)


OUTAGE_OF_F1 = table("area_id,started_at,ended_at,kind", ["F1,2024-01-02 10:10,2024-01-02 12:20,fault"])


def test_energy_that_came_in_is_metered_or_lost_to_the_watt_hour_and_served_as_it_is(graph: Graph) -> None:
    deliver(graph, register(), OUTAGE_OF_F1)
    assert all(result.success for result in graph.settle())

    balances = graph.warehouse.rows(
        "select transformer_id, energy_in_wh, metered_wh, technical_loss_wh, technical_loss_basis, non_technical_loss_wh, excluded_because"
        " from intermediate.int_transformer_balance where reading_date = %s order by transformer_id, reading_at",
        (DAY,),
    )
    assert balances == [
        (
            of.name,
            TRUTH.energy_in[of.name][slot],
            TRUTH.metered[of.name][slot],
            TRUTH.technical[of.name][slot],
            "ratings" if of.ratings else "assumed",
            None if (is_off := of is RATED and slot in OFF) else of.stolen_wh,
            "outage" if is_off else None,
        )
        for of in FLEET
        for slot in range(len(TRUTH.energy_in[of.name]))
    ]

    losses = graph.warehouse.rows(
        "select transformer_id, feeder_id, connected_meters, interval_count, balanced_count, outage_count, incomplete_count, delivered_kwh,"
        " energy_in_kwh, metered_kwh, technical_loss_kwh, non_technical_loss_kwh from marts.mart_transformer_losses order by 1"
    )
    assert losses == [expected_losses(RATED, "F1", OFF), expected_losses(UNRATED, "F2", range(0))]
    for _, _, _, _, _, _, _, _, energy_in, metered, technical, stolen in losses:
        assert energy_in == metered + technical + stolen

    # A feeder is its transformers, and the utility all of them.
    assert graph.warehouse.rows(
        "select area_kind, area_id, transformer_count, energy_in_kwh, metered_kwh, technical_loss_kwh, non_technical_loss_kwh"
        " from marts.mart_area_losses order by 1, 2"
    ) == [
        *(("feeder", row[1], 1, *row[8:]) for row in losses),
        ("utility", "all", 2, *(sum(column) for column in zip(*(row[8:] for row in losses), strict=True))),
    ]

    assert served_losses(graph) == [
        tuple(float(value) if isinstance(value, Decimal) else value for value in row) for row in warehouse_losses(graph)
    ]


def expected_losses(of: Transformer, feeder: str, off: range) -> tuple:
    slots = range(len(TRUTH.energy_in[of.name]))
    balanced = [slot for slot in slots if slot not in off]

    def kwh(values: list[int], chosen: list[int] | range) -> Decimal:
        return Decimal(sum(values[slot] for slot in chosen)) / 1000

    counts = (len(slots), len(balanced), len(off), 0)
    return (
        *(of.name, feeder, len(of.meters), *counts, kwh(TRUTH.energy_in[of.name], slots)),
        *(kwh(values[of.name], balanced) for values in (TRUTH.energy_in, TRUTH.metered, TRUTH.technical)),
        Decimal(of.stolen_wh * len(balanced)) / 1000,
    )


COLUMNS = [column.name for served in SERVED if served.source == "mart_transformer_losses" for column in served.columns]


def warehouse_losses(graph: Graph) -> list[tuple]:
    table = f"{GATED['mart_transformer_losses']}.mart_transformer_losses"
    return graph.warehouse.rows(f"select {', '.join(COLUMNS)} from {table} order by transformer_id")


def served_losses(graph: Graph) -> list[tuple]:
    with graph.serving.client() as client:
        name = quoted(DATABASE, "transformer_losses")
        return list(client.query(f"SELECT {', '.join(COLUMNS)} FROM {name} ORDER BY transformer_id").result_rows)


@pytest.mark.parametrize(
    ("wrong", "transformer", "suspect"),
    [
        pytest.param({"BAKERY": ("T1", 1)}, "T1", "BAKERY", id="mapped to the wrong transformer"),
        pytest.param({"MILL": ("T1", 50)}, "T1", "MILL", id="multiplied wrongly", marks=pytest.mark.full),
        pytest.param({"HOME": ("T1", 10)}, "T1", "HOME", id="multiplied where nothing is", marks=pytest.mark.full),
    ],
)
def test_a_meter_that_is_registered_wrongly_makes_its_day_red_and_is_named_until_it_is_corrected(
    graph: Graph, wrong: dict[str, tuple[str, int]], transformer: str, suspect: str
) -> None:
    deliver(graph, register(**wrong))
    graph.settle()

    states = graph.states(DAY)
    assert {table for table, state in states.items() if state == "red"} == {"mart_transformer_losses"}
    found = {f.severity: f for f in failures(graph.warehouse, "mart_transformer_losses", DAY)}
    (too_much,) = found["critical"].sample
    assert too_much.startswith(f"transformer_id={transformer}: ")
    (named,) = found["warning"].sample
    assert named.startswith(f"transformer_id={transformer}: ")
    assert f"{suspect} (" in named.partition("suspects ")[2]
    assert not graph.served("transformer_losses", "loss_date")
    words = " ".join(run(graph.home, "why", str(DAY)).split())
    assert "2024-01-02 mart_transformer_losses is red:" in words
    assert "a meter is mapped to the wrong one, or multiplied wrongly" in words
    assert too_much in words and named in words

    graph.drop("meters/register.csv", register())
    graph.settle()
    assert set(graph.states(DAY).values()) == {"green"}
    assert graph.served("transformer_losses", "loss_date") == {DAY: len(FLEET)}


@pytest.mark.full
def test_an_interval_without_a_reading_of_any_meter_is_left_out_and_warned_of(graph: Graph) -> None:
    deliver(graph, register() + "SILENT,T2,1\n")
    graph.settle()

    assert graph.states(DAY)["int_transformer_balance"] == "green", "it is incomplete, not wrong"
    (warned,) = [
        f for f in failures(graph.warehouse, "int_transformer_balance", DAY) if f.expectation_id == "balanced-intervals"
    ]
    assert warned.severity == "warning"
    assert warned.message == "48 of 72 intervals with supply balanced (limit 90 %)"
    assert warned.sample == (
        "transformer_id=T2: 24 intervals without a balance, meters_missing, from 2024-01-01 23:00:00+00",
    )
    losses = dict(
        graph.warehouse.rows("select transformer_id, non_technical_loss_pct from marts.mart_transformer_losses")
    )
    assert losses["T1"] is not None
    assert losses["T2"] is None, "nothing is told of what was not looked at"
