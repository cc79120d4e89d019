"""A city delivered in order, and late, split, shuffled, twice and wrong before it is corrected: the same tables in the end.

Which tables those are, and what may tell of the way there: docs/architecture.md, "What order may change, and what not".
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import pytest
from graph import FIRST_DAY, Graph, days
from support import commands
from support.content_hash import WITHOUT_MODELS, Content, assert_same, content
from support.deliveries import Deliveries
from support.disorder import city, waves
from support.selections import BALANCE, with_gates

from energy_assets.resources.serving import DATABASE, Serving
from energy_assets.resources.warehouse import Warehouse

HELD = ("intermediate.int_reading_estimates", "intermediate.int_transformer_balance")
"""Tables that a comparison says little without."""
WINDOW = days(1, 4)
RED_DAYS = 3
"""Exit code where some day is red: a register of a city has its faults."""


def computed_after(graph: Graph, deliveries: Iterable[Deliveries]) -> Content:
    """What the balance and what it is made of hold after each wave landed and one range ran. A wave may leave a day red, the last not."""
    graph.empty()
    for wave in deliveries:
        drop(graph, wave)
        assert graph.land().success
        result = graph.run(WINDOW, with_gates(*BALANCE))
    assert result.success
    return content(graph.warehouse, graph.serving, WITHOUT_MODELS)


def held_after(graph: Graph, deliveries: Iterable[Deliveries]) -> Content:
    """What the tables hold after each wave landed and sensors ran what it made due."""
    graph.empty()
    for wave in deliveries:
        drop(graph, wave)
        graph.settle(ticks=100)
    assert not graph.owed()
    return held(graph.warehouse, graph.serving)


def held(warehouse: Warehouse, serving: Serving) -> Content:
    """What the tables hold, but for copies of red days: a day that turns red leaves in ClickHouse what was served of it before."""
    found = content(warehouse, serving, WITHOUT_MODELS)
    for table, of in warehouse.rows("select table_name, reading_date from quality.day_states where state = 'red'"):
        found.get(f"{DATABASE}.{table.removeprefix('mart_').removeprefix('stg_')}", {}).pop(str(of), None)
    return found


def drop(graph: Graph, wave: Deliveries) -> None:
    for path, text in wave.items():
        graph.drop(path, text)


def arrivals(*after: int) -> list[date]:
    return [FIRST_DAY + timedelta(days=days) for days in after]


def test_a_city_that_comes_late_and_in_disorder_comes_to_the_same_balance(graph: Graph, tmp_path: Path) -> None:
    deliveries = city(tmp_path, meters=24, transformers=2, days=len(WINDOW), seed=3)
    expected = computed_after(graph, [deliveries])
    assert not [table for table in HELD if not expected[table]], "there is less to compare than meant"
    assert_same(expected, computed_after(graph, waves(deliveries, arrivals(2, 9), seed=1, most_days_late=5)))


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [2, 3, 4])
def test_any_disorder_comes_to_the_same(graph: Graph, tmp_path: Path, seed: int) -> None:
    deliveries = city(tmp_path, meters=40, transformers=3, days=8, seed=seed)
    expected = held_after(graph, [deliveries])
    assert not [table for table in ("intermediate.int_validation_hits", "ml.load_forecast") if not expected[table]]
    assert_same(expected, held_after(graph, waves(deliveries, arrivals(4, 8, 16), seed, most_days_late=8)))


@pytest.mark.full
@pytest.mark.timeout(7200)
def test_a_month_late_is_not_too_late(tmp_path: Path) -> None:
    deliveries = city(tmp_path, meters=30, transformers=2, days=40, seed=5)
    late = waves(deliveries, arrivals(20, 40, 75), seed=5, most_days_late=30)
    assert_same(ingested(tmp_path / "in order", [deliveries]), ingested(tmp_path / "late", late))


def ingested(landed: Path, deliveries: Iterable[Deliveries]) -> Content:
    """What a home of its own holds after `energy-assets ingest` of each wave."""
    with home_of_its_own() as home:
        for number, wave in enumerate(deliveries):
            for path, text in wave.items():
                file = landed / str(number) / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, "utf-8")
            ended = commands.start(home, "ingest", str(landed / str(number)))
            printed, _ = ended.communicate(timeout=3600)
            assert ended.returncode in (0, RED_DAYS), printed
        path = str(next(home.glob("*/energy.toml")).parent)
        return held(Warehouse(home=path), Serving(home=path))


@contextmanager
def home_of_its_own() -> Iterator[Path]:
    root = Path(tempfile.mkdtemp(prefix="energy-disorder-"))
    try:
        yield root
    finally:
        commands.run(root, "down", "--all")
        shutil.rmtree(root)
