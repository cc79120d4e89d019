"""A sample of `make chaos`: a run that loses itself, Postgres and ClickHouse ends, after the same command again, as if nothing had been."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from chaos import kills
from chaos.compare import compare
from chaos.trial import Trial

from energy_assets.simulation import simulate

AIMS = [
    kills.Aim("raw", "", 0.5, "postgres", whole_family=False, outage_seconds=0.5),
    kills.Aim("intermediate", "", 0.5, "run", whole_family=False, outage_seconds=0.0),
    kills.Aim("ClickHouse", "", 0.5, "clickhouse", whole_family=False, outage_seconds=0.5),
]
COUNTED = ("days_wrong", "rows_lost", "rows_twice", "days_not_shown", "unfinished_runs", "drafts_left")


@pytest.fixture
def root() -> Iterator[Path]:
    """Not below pytest's own directories: root's Postgres is another user (see conftest)."""
    directory = Path(tempfile.mkdtemp(prefix="energy-chaos-"))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.mark.timeout(1200)
def test_after_a_kill_of_each_and_the_same_command_again_every_table_is_that_of_an_undisturbed_run(root: Path) -> None:
    city = root / "city"
    simulate(meters=20, days=1, seed=1, out=city, format="csv")
    calm, disturbed = Trial(root / "calm", city), Trial(root / "disturbed", city)
    try:
        with ThreadPoolExecutor(1) as pool:
            undisturbed = pool.submit(kills.undisturbed, calm)
            through = kills.disturb(disturbed, AIMS, {}, 0, lambda line: None)
            _, expected = undisturbed.result()
        verdict = compare(expected, disturbed.state())
    finally:
        calm.remove()
        disturbed.remove()

    assert {kill.victim for kill in through.kills} == set(kills.VICTIMS)
    assert through.repairs == 0, through.printed
    assert sum(verdict.as_json()[name] for name in COUNTED) == 0, "\n".join(verdict.details)
    assert verdict.days > 40, "there is less to compare than meant"
