"""The same readings, registers and whatever else, delivered otherwise, come to the same tables.

What must not tell how rows were delivered are staging, intermediate and what is built on them; scores and models too where
all of it landed before the first run (support/content_hash.py). The ledger, raw and quarantine tell it: that is their job.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import numpy as np
import pytest
from graph import Graph, Simulated, day, days
from support.content_hash import WITHOUT_DELIVERY, WITHOUT_MODELS, Content, assert_same, content, differences
from support.deliveries import Deliveries, by_source, redelivered, shuffled, split, with_restated
from support.selections import BALANCE, STAGING, with_gates
from support.sources import beside_readings

from energy_assets.days import DayWindow
from energy_assets.resources.why import failed_steps

WHOLE = days(1, 8)
"""A week to learn from, and a day that its model scores."""


def files_of(simulated: Simulated, window: DayWindow) -> Deliveries:
    return {f"meter_readings/{of}.csv": simulated.file(of, is_red=False).read_text() for of in window}


def held_after(graph: Graph, deliveries: Deliveries, window: DayWindow) -> Content:
    """What the tables hold once all of it landed, and then one range ran."""
    graph.empty()
    drop(graph, deliveries)
    assert graph.land().success
    assert graph.run(window).success
    return content(graph.warehouse, graph.serving, WITHOUT_DELIVERY)


def drop(graph: Graph, deliveries: Deliveries) -> None:
    for path, text in deliveries.items():
        graph.drop(path, text)


def otherwise(deliveries: Deliveries, seed: int) -> Deliveries:
    """Everything at once: some again, all dealt out over other files, some of those again, each shuffled."""
    result: Deliveries = {}
    for files in by_source(deliveries):
        result |= shuffled(redelivered(split(redelivered(files, seed), seed, files=7), seed + 1), seed)
    return result


def a_form_of_delivery_leaves_the_tables_alone(graph: Graph, simulated: Simulated, seed: int) -> None:
    deliveries = with_restated(files_of(simulated, WHOLE), seed) | beside_readings(WHOLE)
    expected = held_after(graph, deliveries, WHOLE)
    for table in ("ml.anomaly_model", "staging.stg_inspections", "marts.mart_transformer_losses"):
        assert expected[table], f"{table} holds nothing: there is less to compare than meant"
    assert_same(expected, held_after(graph, otherwise(deliveries, seed), WHOLE))


def test_deliveries_shuffled_split_and_repeated_come_to_the_same_tables(graph: Graph, simulated: Simulated) -> None:
    a_form_of_delivery_leaves_the_tables_alone(graph, simulated, seed=1)


@pytest.mark.full
@pytest.mark.parametrize("seed", [2, 3, 4, 5])
def test_readings_in_any_form_come_to_the_same_tables(graph: Graph, simulated: Simulated, seed: int) -> None:
    a_form_of_delivery_leaves_the_tables_alone(graph, simulated, seed)


def land_and_run(graph: Graph, window: DayWindow | date, *tables: str) -> None:
    """Land what waits, then run these tables and their gates."""
    assert graph.land().success
    result = graph.run(window, with_gates(*tables))
    assert result.success, failed_steps(result.all_events)


def batches_of(deliveries: Deliveries, seed: int, batches: int) -> Iterator[Deliveries]:
    """The files in an order of the seed's."""
    paths = np.random.default_rng(seed).permutation(sorted(deliveries))
    return ({path: deliveries[path] for path in batch} for batch in np.array_split(paths, batches))


def test_the_order_of_arrival_changes_neither_staging_nor_intermediate(graph: Graph, simulated: Simulated) -> None:
    deliveries = redelivered(with_restated(files_of(simulated, days(1, 3)), seed=1, share=0.1), seed=1)
    beside = redelivered(beside_readings(days(1, 3)), seed=1)
    contents = []
    for seed in (1, 2):
        graph.empty()
        for readings, others in zip(batches_of(deliveries, seed, 2), batches_of(beside, seed, 2), strict=True):
            drop(graph, readings | others)
            land_and_run(graph, days(1, 3), *BALANCE)
        contents.append(content(graph.warehouse, graph.serving, WITHOUT_MODELS))
    assert_same(*contents)


def settled(graph: Graph, deliveries: Deliveries, seed: int, batches: int) -> Content:
    """What the tables hold after the files came in batches, and sensors ran what each made due."""
    graph.empty()
    for batch in batches_of(deliveries, seed, batches):
        drop(graph, batch)
        graph.settle()
    return content(graph.warehouse, graph.serving, WITHOUT_MODELS)


@pytest.mark.full
@pytest.mark.parametrize("seed", [3, 4])
def test_any_order_of_arrival_comes_to_the_same(graph: Graph, simulated: Simulated, seed: int) -> None:
    deliveries = with_restated(files_of(simulated, days(1, 4)), seed, share=0.1) | beside_readings(days(1, 4))
    deliveries = redelivered(deliveries, seed)
    expected = settled(graph, deliveries, seed, batches=1)
    assert_same(expected, settled(graph, deliveries, seed + 10, batches=4))


HEADER = "meter_id,reading_at,consumption_kwh"


def readings(kwh: float, *, versions: tuple[object, ...] = ()) -> str:
    """Two half-hours of one meter on the second of January."""
    header = HEADER + (",version" if versions else "")
    starts = ("2024-01-02T09:00+01:00", "2024-01-02T09:30+01:00")
    rows = [f"A,{start},{kwh}" + (f",{versions[0]}" if versions else "") for start in starts]
    return "\n".join([header, *rows]) + "\n"


def accepted_wh(graph: Graph, window: DayWindow | date) -> list[int]:
    """Land what waits, and the days' accepted readings."""
    land_and_run(graph, window, *STAGING)
    rows = graph.warehouse.rows("select accepted_wh from staging.stg_meter_readings order by meter_id, reading_at")
    return [row[0] for row in rows]


def test_new_content_of_a_path_takes_the_place_of_the_old(graph: Graph) -> None:
    """A correction wins although it is smaller and although nothing in it says that it is newer."""
    graph.drop("meter_readings/a.csv", readings(5))
    assert accepted_wh(graph, day(2)) == [5000, 5000]
    graph.drop("meter_readings/a.csv", readings(2))
    assert accepted_wh(graph, day(2)) == [2000, 2000]
    graph.drop("meter_readings/a.csv", readings(5))
    assert accepted_wh(graph, day(2)) == [5000, 5000], "content that came back counts again"


def test_a_higher_version_wins_whichever_came_first(graph: Graph) -> None:
    older, newer = readings(5, versions=(1,)), readings(2, versions=(2,))
    for first, second in ((older, newer), (newer, older)):
        graph.empty()
        graph.drop("meter_readings/first.csv", first)
        accepted_wh(graph, day(2))
        graph.drop("meter_readings/second.csv", second)
        assert accepted_wh(graph, day(2)) == [2000, 2000]


ADDING = """
name = "portal"
description = "A portal that overwrites one file with what is new"
same_path = "adds"

[recognise]
columns = ["meter", "start", "kwh"]

[sources.meter_readings.columns]
meter_id = "meter"
reading_at = "start"
consumption_kwh = "kwh"
"""


@pytest.fixture
def adding(graph: Graph) -> Iterator[Graph]:
    """The graph with the user's own mapping whose new content of a path adds."""
    mapping = graph.home.mappings / "portal.toml"
    mapping.parent.mkdir(exist_ok=True)
    mapping.write_text(ADDING)
    yield graph
    mapping.unlink()


def test_a_mapping_may_declare_that_new_content_of_a_path_adds(adding: Graph) -> None:
    for number, of in enumerate(days(2, 3), start=1):
        adding.drop("meter_readings/new.csv", f"meter,start,kwh\nA,{of}T09:00+01:00,{number}\n")
        assert adding.land().success
    assert accepted_wh(adding, days(2, 3)) == [1000, 2000]


def test_one_reading_of_other_energy_is_another_content(graph: Graph) -> None:
    """The proofs above can fail."""
    contents = []
    for kwh in (5, 5.001):
        graph.empty()
        graph.drop("meter_readings/a.csv", readings(kwh))
        accepted_wh(graph, day(2))
        contents.append(content(graph.warehouse, graph.serving, ["staging."]))
    (difference,) = differences(*contents)
    assert difference.startswith("staging.stg_meter_readings 2024-01-02: Held(rows=2,")
