"""The balance against a truth that has the errors of which its interval speaks: a simulated city, honest deliveries, thieves."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest
from graph import Graph, days

from energy_assets.landing.files import deliver
from energy_assets.operations.balance import balance
from energy_assets.simulation import simulate

METERS, TRANSFORMERS, DAYS = 600, 100, 2
SETTLED = 1_700_000_000
"""When the files were changed last, long ago: a young file is taken for still being written."""


@pytest.fixture
def truth(graph: Graph, tmp_path: Path) -> Path:
    """Two days of a city in the graph: some of its people steal; nothing is lost on the way and no register is wrong."""
    city = {"transformers": TRANSFORMERS, "look_alikes": False, "with_defects": False, "theft_rate": 0.08}
    simulate(METERS, DAYS, 5, tmp_path, **city)
    for file in tmp_path.glob("*/*.parquet"):
        os.utime(file, (SETTLED, SETTLED))
    deliver(tmp_path, graph.home.landing)
    assert graph.land().success
    assert graph.run(days(1, DAYS)).success
    return tmp_path / "truth"


@pytest.mark.full
def test_the_interval_of_a_days_loss_holds_the_truth_on_nine_days_of_ten_and_the_sum_is_near_it(
    graph: Graph, truth: Path
) -> None:
    found = pl.DataFrame(
        graph.warehouse.rows(
            "select transformer_id, loss_date, non_technical_loss_low_kwh::float, non_technical_loss_high_kwh::float"
            " from marts.mart_transformer_losses"
        ),
        schema=["transformer_id", "day", "low", "high"],
        orient="row",
    )
    judged = found.join(stolen(graph, truth), on=["transformer_id", "day"], validate="1:1")
    assert judged.height == TRANSFORMERS * DAYS
    holds = judged.filter(pl.col("stolen_kwh").is_between("low", "high")).height / judged.height
    assert 0.85 <= holds <= 0.95, f"{holds:.1%} of {judged.height} intervals hold the truth"

    summed = balance(graph.warehouse)
    assert summed is not None
    assert not summed.implausible
    total = judged["stolen_kwh"].sum()
    assert total > 0.01 * summed.energy_in_kwh, "the city should have something to find"
    assert abs(summed.non_technical_loss_kwh - total) < 3 * summed.deviation_kwh < 0.01 * summed.energy_in_kwh


def stolen(graph: Graph, truth: Path) -> pl.DataFrame:
    """By transformer and local day: true less reported energy of its customers and what strangers took, over the balanced intervals."""
    balanced = pl.DataFrame(
        graph.warehouse.rows(
            "select transformer_id, reading_at, reading_date from intermediate.int_transformer_balance where excluded_because is null"
        ),
        schema=["transformer_id", "reading_at", "day"],
        orient="row",
    ).with_columns(pl.col("reading_at").dt.convert_time_zone("UTC").dt.cast_time_unit("us"))
    meters = pl.read_parquet(truth / "meters.parquet").select("meter_id", "transformer_id")
    used = pl.read_parquet(truth / "intervals").join(meters, on="meter_id")
    kept_back = used.select("transformer_id", "reading_at", kwh=pl.col("true_kwh") - pl.col("reported_kwh"))
    hooked = pl.read_parquet(truth / "transformers").select("transformer_id", "reading_at", kwh="hooked_kwh")
    lost = pl.concat([kept_back, hooked]).join(balanced, on=["transformer_id", "reading_at"])
    return lost.group_by("transformer_id", "day").agg(pl.col("kwh").sum().alias("stolen_kwh"))
