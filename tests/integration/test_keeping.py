"""A home's data over years: a copy of it makes the same home elsewhere, and no half copy is taken for one."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from graph import Graph, Simulated, day, days, script
from support import commands
from support.content_hash import Content, assert_same, content
from support.deliveries import Deliveries
from support.disorder import city
from support.selections import BALANCE, scores, with_gates

from energy_assets.automation.edges import EDGES
from energy_assets.embedded import credentials, ports
from energy_assets.home import Home
from energy_assets.operations.errors import OperationError
from energy_assets.operations.instance import dagster_instance
from energy_assets.operations.keeping import manifest as manifests
from energy_assets.operations.keeping.backup import Backup, backup, keep_newest, known_backups
from energy_assets.resources.due import due_days, red_days
from energy_assets.resources.gates import day_states
from energy_assets.resources.serving import Serving
from energy_assets.resources.turns import among_runs
from energy_assets.resources.warehouse import Warehouse

WINDOW = days(1, 8)
"""The eighth is the first whose week has a model."""
NEXT = day(9)
PARTLY = [
    *scores(),
    *(key for key in with_gates(*BALANCE) if key not in scores()),
    dg.AssetKey(["energy_analytics", "meter_readings"]),
    dg.AssetKey(["energy_analytics", "anomaly_scores"]),
]
"""Of the daily chain: readings, balance, model, scores and copies of both; all of it runs in test_everything_is_restored."""


FURTHER = """
from datetime import date
from energy_assets.home import current
from energy_assets.operations.runs import Runner
with Runner(current()) as runner:
    runner.land()
    of = date.fromisoformat("{day}")
    outcome = runner.backfill(runner.window(of, of), runner.keys("{keys}"))
assert outcome.is_complete, outcome
"""


@pytest.fixture(scope="module")
def original(graph_home: Home, graph_definitions: dg.Definitions, simulated: Simulated) -> Iterator[Graph]:
    """Eight days of a city in a home whose own Dagster recorded the runs; the ninth day's files wait outside."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="energy-keeping-") as directory, dagster_instance(graph_home) as instance:
        graph = Graph(graph_home, graph_definitions, instance, simulated)
        graph.empty()
        deliveries = city(Path(directory), meters=16, transformers=2, days=9, seed=3)
        graph.later = {path: text for path, text in deliveries.items() if str(NEXT) in path}
        deliver(graph_home, {path: text for path, text in deliveries.items() if path not in graph.later})
        assert graph.land().success
        assert graph.run(WINDOW, PARTLY).success
        yield graph
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def deliver(home: Home, files: Deliveries) -> None:
    for path, text in files.items():
        target = home.landing / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        os.utime(target, (1_700_000_000, 1_700_000_000))


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Path]:
    """A directory for copies, and for the homes that are made of them. Not below pytest's own: root's Postgres is another user."""
    root = Path(tempfile.mkdtemp(prefix="energy-restored-"))
    try:
        yield root
    finally:
        commands.run(root, "down", "--all")
        shutil.rmtree(root)


@pytest.fixture(scope="module")
def made(original: Graph, elsewhere: Path) -> Backup:
    return backup(original.home, elsewhere / "copies")


@pytest.fixture(scope="module")
def restored(made: Backup, elsewhere: Path) -> Home:
    """The home that the copy becomes, brought up."""
    commands.run(elsewhere, "restore", str(made.path), "--home", "again")
    commands.run(elsewhere, "up")
    return Home(elsewhere / "again")


def held(home: Home) -> Content:
    return content(Warehouse(home=str(home.path)), Serving(home=str(home.path)))


def test_a_restored_home_holds_what_the_original_held(original: Graph, restored: Home) -> None:
    assert_same(held(original.home), held(restored))
    assert held(original.home)["energy_analytics.meter_readings"], "nothing was served"
    assert credentials.read(restored).postgres != credentials.read(original.home).postgres
    assert ports.remembered(restored) != ports.remembered(original.home)


def test_dagster_of_a_restored_home_knows_what_was_materialized(original: Graph, restored: Home) -> None:
    key = dg.AssetKey(["energy_analytics", "meter_readings"])
    before = dict(os.environ)
    with dagster_instance(restored) as instance:
        known = instance.get_materialized_partitions(key)
        statuses = {run.status for run in instance.get_runs()}
    os.environ.update(before)
    assert known == original.instance.get_materialized_partitions(key)
    assert {str(of) for of in WINDOW} <= known
    assert statuses <= {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE}


def test_a_further_day_comes_to_the_same_in_both(original: Graph, restored: Home) -> None:
    for home in (original.home, restored):
        deliver(home, original.later)
    assert original.land().success
    assert original.run(NEXT, PARTLY).success
    script(restored, FURTHER.format(day=NEXT, keys=",".join(key.to_user_string() for key in PARTLY)))
    assert_same(held(original.home), held(restored))
    assert Warehouse(home=str(restored.path)).row_counts("anomaly_scores", [NEXT])[NEXT]


def test_a_backup_waits_for_the_run_and_the_run_for_the_backup(original: Graph, elsewhere: Path) -> None:
    said: list[str] = []
    dsn = original.warehouse.connections.transformer_dsn
    with among_runs(dsn, say=said.append):
        waiting = threading.Thread(
            target=backup, args=(original.home, elsewhere / "waited"), kwargs={"say": said.append}
        )
        waiting.start()
        waiting.join(3)
        assert waiting.is_alive(), "the backup did not wait for the run"
        assert not list((elsewhere / "waited").glob("[!.]*")), "there is a backup before the run has ended"
    waiting.join(60)
    assert said == ["a run is going on: this begins when it has ended"]
    assert len(list((elsewhere / "waited").glob("[!.]*"))) == 1


def test_a_damaged_backup_is_not_restored(made: Backup, elsewhere: Path) -> None:
    spoilt = elsewhere / "spoilt"
    shutil.copytree(made.path, spoilt)
    part = next(name for name in made.manifest.files if "/parts/meter_readings/" in name)
    (spoilt / part).write_bytes((spoilt / part).read_bytes()[:-1] + b"\0")
    next((spoilt / "files/models").glob("*")).unlink()
    printed = commands.run(elsewhere, "restore", str(spoilt), "--home", "spoilt-home", code=1)
    assert part in printed
    assert "is missing" in printed
    assert "energy-assets backup --list" in printed
    (spoilt / manifests.FILE).unlink()
    assert "is no backup" in commands.run(elsewhere, "restore", str(spoilt), "--home", "spoilt-home", code=1)
    packed = elsewhere / "cut off.tar"
    with tarfile.open(packed, "w") as tar:
        tar.add(made.path, "copy")
    packed.write_bytes(packed.read_bytes()[: packed.stat().st_size // 2])
    assert "damaged" in commands.run(elsewhere, "restore", str(packed), "--home", "spoilt-home", code=1)
    assert not (elsewhere / "spoilt-home").exists()
    assert not list(elsewhere.glob(".*restoring*"))


def test_a_backup_of_a_newer_version_is_refused(made: Backup, elsewhere: Path) -> None:
    newer = elsewhere / "newer"
    shutil.copytree(made.path, newer)
    told = json.loads((newer / manifests.FILE).read_text())
    told["schema"].append("postgres_ddl/99_of_tomorrow.sql")
    del told["sha256"]
    told["sha256"] = manifests._own_hash(told)
    (newer / manifests.FILE).write_text(json.dumps(told))
    printed = commands.run(elsewhere, "restore", str(newer), "--home", "newer-home", code=1)
    assert "99_of_tomorrow.sql" in printed
    assert "install that version" in printed


def test_nothing_is_restored_over_a_home(made: Backup, restored: Home, elsewhere: Path) -> None:
    printed = commands.run(elsewhere, "restore", str(made.path), "--home", restored.name, code=1)
    assert "is not empty" in printed


def test_an_interrupted_backup_is_none_and_old_ones_go(original: Graph, elsewhere: Path) -> None:
    folder = elsewhere / "kept"
    (folder / f".{original.home.name}-20200101T000000Z.partial" / "postgres").mkdir(parents=True)
    for hour in range(3):
        backup(original.home, folder, now=datetime(2024, 2, 1, hour, tzinfo=UTC))
    assert not list(folder.glob(".*")), "what an interrupted backup left is still there"
    gone = keep_newest(original.home, folder, 2)
    assert [path.name[-16:] for path in gone] == ["20240201T000000Z"]
    assert len([known for known in known_backups(original.home) if known.path.parent == folder]) == 2
    assert not any(path.stat().st_mode & 0o077 for path in folder.rglob("*"))


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_the_whole_chain_goes_on_in_a_restored_home(tmp_path: Path, elsewhere: Path) -> None:
    deliveries = city(tmp_path / "all", meters=24, transformers=2, days=10, seed=4)
    later = {path: text for path, text in deliveries.items() if "2024-01-10" in path}
    for folder, files in ("first", deliveries.keys() - later.keys()), ("then", later.keys()):
        for path in files:
            (tmp_path / folder / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / path).write_text(deliveries[path])
    commands.start(elsewhere, "--home", "whole", "ingest", str(tmp_path / "first"), "--historical").wait()
    commands.run(elsewhere, "--home", "whole", "backup", "--to", str(elsewhere / "whole-copies"))
    (copied,) = (elsewhere / "whole-copies").iterdir()
    commands.run(elsewhere, "restore", str(copied), "--home", "whole-again")
    commands.run(elsewhere, "--home", "whole-again", "up")
    assert_same(held(Home(elsewhere / "whole")), held(Home(elsewhere / "whole-again")))
    for name in ("whole", "whole-again"):
        commands.start(elsewhere, "--home", name, "ingest", str(tmp_path / "then")).wait()
    assert_same(held(Home(elsewhere / "whole")), held(Home(elsewhere / "whole-again")))


def test_a_backup_in_the_home_itself_is_refused(original: Graph) -> None:
    with pytest.raises(OperationError, match="would be lost with it"):
        backup(original.home, original.home.path / "backups")


OLD = day(2)
PERIODS = {
    "ENERGY_RESTATEMENT_DAYS": "0",
    "ENERGY_RETENTION_DAYS": '{"meter_readings": 4, "stg_meter_readings": 4, "int_readings_hourly": 4, "anomaly_scores": 4}',
}
"""Nine days, of which five are past: no home so young could drop anything, were late data to restate five weeks."""


def test_a_period_below_a_lookback_is_refused_with_its_reader(restored: Home) -> None:
    periods = '{"int_day_traits": 390, "mart_theft_cases": 900, "no_table": 900}'
    printed = commands.run(restored, "retention", ENERGY_RETENTION_DAYS=periods, code=1)
    assert "int_day_traits must keep 427 days or more, not 390: theft_evidence reads so far back" in printed
    assert "mart_theft_cases is never dropped" in printed
    assert "no_table is nothing that is kept by day" in printed


def test_dropped_days_are_gone_and_neither_owed_nor_red(restored: Home) -> None:
    warehouse = Warehouse(home=str(restored.path))
    before, owed = held(restored), due_days(warehouse, EDGES)
    shown = commands.run(restored, "retention", **PERIODS)
    assert "would go: energy-assets retention --apply" in shown
    assert held(restored) == before, "a dry run changed something"
    commands.run(restored, "retention", "--apply", **PERIODS)
    after = held(restored)
    for table in ("raw_data.meter_readings", "staging.stg_meter_readings", "intermediate.int_readings_hourly"):
        assert set(before[table]) - set(after[table]) == {str(day(number)) for number in range(1, 6)}
        assert str(NEXT) in after[table]
    dropped = (
        "raw_data.meter_readings",
        "staging.stg_meter",
        "intermediate.int_readings_hourly",
        "ml.anomaly_scores",
        "quality.dropped",
    )
    assert [name for name in before if before[name] != after.get(name) and not name.startswith(dropped)] == []
    assert due_days(warehouse, EDGES) == owed
    assert red_days(warehouse, WINDOW) == {}
    assert "energy-assets materialize --day 2024-01-02 makes it anew" not in commands.run(restored, "why", "2024-01-09")
    assert "was dropped" not in commands.run(restored, "retention", **PERIODS)


def test_a_backup_holds_days_that_only_clickhouse_has(restored: Home, elsewhere: Path) -> None:
    commands.run(elsewhere, "--home", restored.name, "backup", "--to", str(elsewhere / "after dropping"))
    (copied,) = (elsewhere / "after dropping").iterdir()
    assert (copied / "clickhouse" / "meter_readings" / f"{OLD}.parquet").is_file()
    commands.run(elsewhere, "restore", str(copied), "--home", "third")
    commands.run(elsewhere, "--home", "third", "up")
    assert_same(held(restored), held(Home(elsewhere / "third")))


def test_a_dropped_day_is_made_anew_from_its_parts(original: Graph, restored: Home) -> None:
    script(restored, FURTHER.format(day=OLD, keys=",".join(key.to_user_string() for key in PARTLY)))
    found, wanted = held(restored), held(original.home)
    for table in ("staging.stg_meter_readings", "intermediate.int_readings_hourly", "energy_analytics.meter_readings"):
        assert found[table][str(OLD)] == wanted[table][str(OLD)]
    assert day_states(Warehouse(home=str(restored.path)), ["stg_meter_readings"], days(2, 2))[
        "stg_meter_readings", OLD
    ].is_readable
