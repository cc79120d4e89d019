"""A home's data over years: a copy of it makes the same home elsewhere, and no half copy is taken for one."""

from __future__ import annotations

import json
import os
import re
import shutil
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import psycopg2
import pyarrow.parquet as pq
import pytest
from graph import Graph, Simulated, day, days, script
from psycopg2 import sql
from support import commands
from support.content_hash import Content, assert_same, content
from support.deliveries import Deliveries
from support.disorder import city
from support.selections import BALANCE, with_gates

from energy_assets.automation.edges import EDGES
from energy_assets.embedded import credentials, ports
from energy_assets.home import Home
from energy_assets.operations.errors import OperationError
from energy_assets.operations.instance import dagster_instance
from energy_assets.operations.keeping import manifest as manifests
from energy_assets.operations.keeping.backup import Backup, backup, databases, keep_newest, known_backups
from energy_assets.resources.due import due_days, red_days
from energy_assets.resources.erasure import tables
from energy_assets.resources.gates import day_states
from energy_assets.resources.ledger import stale_days
from energy_assets.resources.serving import Serving
from energy_assets.resources.turns import among_runs
from energy_assets.resources.warehouse import Warehouse
from energy_assets.settings import settings

WINDOW = days(1, 3)
NEXT = day(4)
PARTLY = [*with_gates(*BALANCE), dg.AssetKey(["energy_analytics", "meter_readings"])]
"""Of the daily chain: readings, balance and a copy; all of it, models included, runs in test_the_whole_chain_goes_on_in_a_restored_home."""


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
    """Three days of a city in a home whose own Dagster recorded the runs; the fourth day's files wait outside."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="energy-keeping-") as directory, dagster_instance(graph_home) as instance:
        graph = Graph(graph_home, graph_definitions, instance, simulated)
        graph.empty()
        deliveries = spoken_of(renamed(city(Path(directory), meters=16, transformers=2, days=4, seed=3)))
        graph.all = deliveries
        graph.later = {path: text for path, text in deliveries.items() if str(NEXT) in path}
        deliver(graph_home, {path: text for path, text in deliveries.items() if path not in graph.later})
        assert graph.land().success
        assert graph.run(WINDOW, PARTLY).success
        yield graph
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


GONE, GONE_METER = "C990010", "M990001"
MOVED, MOVED_METER, MOVED_ON = "C990009", "M990002", day(3)
"""Two customers who are erased: one held their meter always, the other until somebody else moved in."""


def renamed(deliveries: Deliveries) -> Deliveries:
    """Those who are erased are called as nobody else is: what other tests deleted in this home may still lie in Postgres' files."""
    for name in (GONE, GONE_METER, MOVED, MOVED_METER):
        deliveries = {path: text.replace(name.replace("99", "00"), name) for path, text in deliveries.items()}
    return deliveries


def spoken_of(deliveries: Deliveries) -> Deliveries:
    """The same with a tenant who follows on another, and with a visit's note and a rejected row that name a customer."""
    register = deliveries["meters/2024-01-01.csv"]
    (entry,) = (line for line in register.splitlines() if MOVED in line)
    then = re.sub("[0-9]{4}-[0-9]{2}-[0-9]{2}", str(MOVED_ON), entry, count=1).replace(MOVED, "C000099")
    readings = deliveries["meter_readings/2024-01-02.csv"]
    return deliveries | {
        "meters/2024-01-01.csv": f"{register}{then}\n",
        "meter_readings/2024-01-02.csv": f'{readings}"M000003","{GONE_METER} of {GONE}","0.015",1\n',
        "inspections/2024-01-02.csv": "meter_id,inspected_on,outcome,selection,notes\n"
        f"M000004,2024-01-02,clean,ranked,next door to {GONE} ({GONE_METER})\n",
    }


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
    found = backup(original.home, elsewhere / "copies")
    shutil.copytree(found.path, moved(found, elsewhere))
    return found


def moved(made: Backup, elsewhere: Path) -> Path:
    """A copy that the home does not know of, so that an erasure, whichever test comes first, leaves it."""
    return elsewhere / "moved" / made.path.name


@pytest.fixture(scope="module")
def restored(made: Backup, elsewhere: Path) -> Home:
    """The home that the copy becomes, brought up."""
    commands.run(elsewhere, "restore", str(moved(made, elsewhere)), "--home", "again")
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


@pytest.mark.full
def test_a_further_day_comes_to_the_same_in_both(original: Graph, restored: Home) -> None:
    for home in (original.home, restored):
        deliver(home, original.later)
    assert original.land().success
    assert original.run(NEXT, PARTLY).success
    script(restored, FURTHER.format(day=NEXT, keys=",".join(key.to_user_string() for key in PARTLY)))
    assert_same(held(original.home), held(restored))
    assert Warehouse(home=str(restored.path)).row_counts("int_transformer_balance", [NEXT])[NEXT]


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
    shutil.copytree(moved(made, elsewhere), spoilt)
    part = next(name for name in made.manifest.files if "/parts/meter_readings/" in name)
    (spoilt / part).write_bytes((spoilt / part).read_bytes()[:-1] + b"\0")
    next((spoilt / "files/landing").rglob("*.csv")).unlink()
    printed = commands.run(elsewhere, "restore", str(spoilt), "--home", "spoilt-home", code=1)
    assert part in printed
    assert "is missing" in printed
    assert "energy-assets backup --list" in printed
    (spoilt / manifests.FILE).unlink()
    assert "is no backup" in commands.run(elsewhere, "restore", str(spoilt), "--home", "spoilt-home", code=1)
    packed = elsewhere / "cut off.tar"
    with tarfile.open(packed, "w") as tar:
        tar.add(moved(made, elsewhere), "copy")
    packed.write_bytes(packed.read_bytes()[: packed.stat().st_size // 2])
    assert "damaged" in commands.run(elsewhere, "restore", str(packed), "--home", "spoilt-home", code=1)
    assert not (elsewhere / "spoilt-home").exists()
    assert not list(elsewhere.glob(".*restoring*"))


def test_a_backup_of_a_newer_version_is_refused(made: Backup, elsewhere: Path) -> None:
    newer = elsewhere / "newer"
    shutil.copytree(moved(made, elsewhere), newer)
    told = json.loads((newer / manifests.FILE).read_text())
    told["schema"].append("postgres_ddl/99_of_tomorrow.sql")
    del told["sha256"]
    told["sha256"] = manifests._own_hash(told)
    (newer / manifests.FILE).write_text(json.dumps(told))
    printed = commands.run(elsewhere, "restore", str(newer), "--home", "newer-home", code=1)
    assert "99_of_tomorrow.sql" in printed
    assert "install that version" in printed


def test_nothing_is_restored_over_a_home(made: Backup, restored: Home, elsewhere: Path) -> None:
    printed = commands.run(elsewhere, "restore", str(moved(made, elsewhere)), "--home", restored.name, code=1)
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


OLD = day(1)
PERIODS = {
    "ENERGY_RESTATEMENT_DAYS": "0",
    "ENERGY_RETENTION_DAYS": '{"meter_readings": 2, "stg_meter_readings": 2, "int_readings_hourly": 2}',
}
"""Three or four days, of which the two newest stay: no home so young could drop anything, were late data to restate five weeks."""


@pytest.mark.full
def test_a_period_below_a_lookback_is_refused_with_its_reader(restored: Home) -> None:
    periods = '{"int_day_traits": 390, "mart_theft_cases": 900, "no_table": 900}'
    printed = commands.run(restored, "retention", ENERGY_RETENTION_DAYS=periods, code=1)
    assert "int_day_traits must keep 427 days or more, not 390: theft_evidence reads so far back" in printed
    assert "mart_theft_cases is never dropped" in printed
    assert "no_table is nothing that is kept by day" in printed


def owed_tables(warehouse: Warehouse) -> set[tuple[date, str]]:
    """What is owed of each day: also in a home of which only a part was run nothing may come on top."""
    return {
        (entry.day, table)
        for entry in due_days(warehouse, EDGES)
        for table in (*entry.work.written, *entry.work.judged)
    }


@pytest.mark.full
def test_dropped_days_are_gone_and_neither_owed_nor_red(restored: Home) -> None:
    warehouse = Warehouse(home=str(restored.path))
    before, owed = held(restored), owed_tables(warehouse)
    shown = commands.run(restored, "retention", **PERIODS)
    assert "would go: energy-assets retention --apply" in shown
    assert held(restored) == before, "a dry run changed something"
    commands.run(restored, "retention", "--apply", **PERIODS)
    after = held(restored)
    newest = max(before["staging.stg_meter_readings"])
    past = {str(of) for of in WINDOW if of < date.fromisoformat(newest) - timedelta(days=1)}
    assert str(OLD) in past
    for table in ("raw_data.meter_readings", "staging.stg_meter_readings", "intermediate.int_readings_hourly"):
        assert set(before[table]) - set(after[table]) == past
        assert newest in after[table]
    dropped = (
        "raw_data.meter_readings",
        "staging.stg_meter",
        "intermediate.int_readings_hourly",
        "ml.anomaly_scores",
        "quality.dropped",
    )
    assert [name for name in before if before[name] != after.get(name) and not name.startswith(dropped)] == []
    assert owed_tables(warehouse) <= owed, "what was dropped is owed"
    assert red_days(warehouse, WINDOW) == {}
    assert "was dropped" not in commands.run(restored, "why", newest)
    told = commands.run(restored, "why", str(OLD), "stg_meter_readings")
    assert "is dropped" in told
    assert f"energy-assets materialize --day {OLD}" in told


@pytest.fixture(scope="module")
def third(restored: Home, elsewhere: Path) -> Home:
    """The home that a backup becomes which was made after days were dropped."""
    commands.run(restored, "retention", "--apply", **PERIODS)
    commands.run(elsewhere, "--home", restored.name, "backup", "--to", str(elsewhere / "after dropping"))
    (copied,) = (elsewhere / "after dropping").iterdir()
    assert (copied / "clickhouse" / "meter_readings" / f"{OLD}.parquet").is_file()
    commands.run(elsewhere, "restore", str(copied), "--home", "third")
    commands.run(elsewhere, "--home", "third", "up")
    return Home(elsewhere / "third")


@pytest.mark.full
def test_a_backup_holds_days_that_only_clickhouse_has(restored: Home, third: Home) -> None:
    assert_same(held(restored), held(third))
    assert held(third)["energy_analytics.meter_readings"][str(OLD)]


@pytest.mark.full
def test_with_pseudonyms_no_identifier_is_served_and_back(third: Home) -> None:
    before = held(third)
    commands.run(third, "up", ENERGY_PSEUDONYMISE="true")
    named = "(^|[^0-9a-f])[MC]0000[0-9]{2}"
    assert served_that_match(third, named) == []
    after = held(third)
    assert {table: days.keys() for table, days in after.items()} == {
        table: days.keys() for table, days in before.items()
    }
    with Serving(home=str(third.path)).client() as client:
        ((key,),) = client.query("SELECT min(meter_id) FROM energy_analytics.meter_readings").result_rows
    assert re.fullmatch(r"M0000\d\d", commands.run(third, "who", key).strip())
    served = ("--from", str(day(3)), "--to", str(day(3)), "--select", "energy_analytics/meter_readings")
    refused = commands.run(third, "backfill", *served, code=1)
    assert "ENERGY_PSEUDONYMISE is off here" in refused
    commands.run(third, "up")
    assert served_that_match(third, named)
    assert_same(before, held(third))


def served_that_match(home: Home, pattern: str) -> list[str]:
    """Tables of ClickHouse of which any row matches the regular expression."""
    with Serving(home=str(home.path)).client() as client:
        names = client.query(
            "SELECT name FROM system.tables WHERE database = 'energy_analytics' AND engine LIKE '%MergeTree'"
        ).result_rows
        return [
            name
            for (name,) in names
            if client.query(
                f"SELECT count() FROM energy_analytics.{name} WHERE match(toString(tuple(*)), {{pattern:String}})",
                parameters={"pattern": pattern},
            ).result_rows[0][0]
        ]


@pytest.mark.full
def test_a_dropped_day_is_made_anew_from_its_parts(original: Graph, restored: Home) -> None:
    script(restored, FURTHER.format(day=OLD, keys=",".join(key.to_user_string() for key in PARTLY)))
    found, wanted = held(restored), held(original.home)
    for table in ("staging.stg_meter_readings", "intermediate.int_readings_hourly", "energy_analytics.meter_readings"):
        assert found[table][str(OLD)] == wanted[table][str(OLD)]
    assert day_states(Warehouse(home=str(restored.path)), ["stg_meter_readings"], days(1, 1))[
        "stg_meter_readings", OLD
    ].is_readable


@pytest.fixture(scope="module")
def erased(original: Graph, made: Backup) -> str:
    """What the commands printed that erased both, after whatever else may name them did."""
    home = original.home
    deliver(home, original.later)
    original.land()
    with original.warehouse.transaction() as connection, connection.cursor() as cursor:
        cursor.execute(
            "insert into quality.overrides (table_name, reading_date, version, reason, accepted_by) values ('meter_readings', %s, 1, %s, 'x')",
            (day(1), f"{GONE} called about {GONE_METER}."),
        )
    original.instance.report_runless_asset_event(
        dg.AssetMaterialization("sample", metadata={"rows": [GONE_METER, GONE], "said": f"of {GONE_METER}."})
    )
    with (home.logs / "events.jsonl").open("a") as log:
        log.write(json.dumps({"message": f"looked at {GONE_METER}"}) + "\n")
    before, stale = held(home), stale_tables(original.warehouse)
    shown = commands.run(home, "erase-customer", GONE)
    assert held(home) == before, "a dry run changed something"
    assert str(made.path) in shown
    printed = commands.run(home, "erase-customer", GONE, "--reason", f"letter of {GONE}", "--yes")
    original.before, original.stale = before, stale
    return printed + commands.run(home, "erase-customer", MOVED, "--reason", "moved abroad", "--yes")


def test_nothing_in_the_home_names_who_was_erased(original: Graph, erased: str) -> None:
    home = original.home
    named = re.compile(f"{GONE}|{GONE_METER}|{MOVED}".encode())
    assert [str(path) for path in home.path.rglob("*") if path.is_file() and named.search(path.read_bytes())] == []
    for path in home.parts.rglob("*.parquet"):
        assert not named.search(str(pq.read_table(path).to_pylist()).encode()), path
    for source in databases(home, settings()).values():
        with closing(psycopg2.connect(source.dsn)) as connection, connection.cursor() as cursor:
            for table in tables(cursor, None):
                cursor.execute(
                    sql.SQL("select held::text from {} as held where held::text ~ %s limit 1").format(
                        sql.Identifier(table.schema, table.name)
                    ),
                    (named.pattern.decode(),),
                )
                assert cursor.fetchall() == [], table.called
    assert served_that_match(home, named.pattern.decode()) == []


def test_the_next_tenant_keeps_their_days_and_aggregates_stay(original: Graph, erased: str) -> None:
    days_left = original.warehouse.rows(
        "select distinct reading_date from staging.stg_meter_readings where meter_id = %s order by 1", (MOVED_METER,)
    )
    assert {row[0] for row in days_left} >= {MOVED_ON}
    assert min(days_left) == (MOVED_ON,)
    after = held(original.home)
    for table in ("intermediate.int_transformer_balance", "energy_analytics.load_profile"):
        assert after.get(table) == original.before.get(table)
    assert after["staging.stg_meter_readings"] != original.before["staging.stg_meter_readings"]


def stale_tables(warehouse: Warehouse) -> set[tuple[date, str]]:
    return {(of, table) for of, tables_of_day in stale_days(warehouse).items() for table in tables_of_day}


def test_erased_rows_make_no_day_owed_and_stay_counted_right(original: Graph, erased: str) -> None:
    assert stale_tables(original.warehouse) <= original.stale, "erasing made days owed"
    counted = original.warehouse.row_counts("stg_meter_readings", WINDOW)
    assert all(original.count("stg_meter_readings", "reading_date", of) == counted[of] for of in WINDOW)
    assert all(rows == counted[of] for of, rows in original.served().items() if of in counted)


def test_backups_that_held_them_are_gone_and_new_ones_hold_them_not(original: Graph, made: Backup, erased: str) -> None:
    assert not made.path.exists()
    assert f"{made.path} removed" in erased
    known = known_backups(original.home)
    assert known
    for path in (path for entry in known for path in entry.path.rglob("parts/**/*.parquet")):
        assert GONE_METER not in str(pq.read_table(path).to_pylist())


def test_a_file_that_is_delivered_again_does_not_bring_them_back(original: Graph, erased: str) -> None:
    again = {f"{path.split('/')[0]}/again {path.split('/')[1]}": text for path, text in original.all.items()}
    deliver(
        original.home,
        {path: text.replace("\n", "\r\n") for path, text in again.items() if "2024-01-02" in path or "meters" in path},
    )
    result = original.land()
    assert result.success
    landed = next(e for e in result.get_asset_materialization_events() if e.asset_key.path[-1] == "landing_files")
    assert landed.materialization.metadata["rows of erased customers left out"].value > 48
    for path in original.home.parts.rglob("*.parquet"):
        assert not re.search(f"{GONE}|{GONE_METER}|{MOVED}", str(pq.read_table(path).to_pylist())), path
    assert original.warehouse.rows(
        "select count(*) from raw_data.meters where customer_id in (%s, %s)", (GONE, MOVED)
    ) == [(0,)]


def test_who_was_erased_cannot_be_erased_again_and_the_tombstone_names_nobody(original: Graph, erased: str) -> None:
    printed = commands.run(original.home, "erase-customer", GONE, code=1)
    assert "was erased on" in printed
    assert "letter of (erased)" in printed
    assert GONE not in (original.home.path / "erasures.jsonl").read_text()
    assert "names no such customer" in commands.run(original.home, "erase-customer", "C-nobody", code=1)
