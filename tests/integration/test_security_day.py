"""A city whose every name is an attack, on a home whose every secret is recognisable: what names say stays text, what is secret stays where it is."""

from __future__ import annotations

import io
import os
import re
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg2
import pytest
import tomlkit
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from support import commands, hostile

from energy_assets.embedded import credentials, ports, supervisor
from energy_assets.embedded.connections import Connections, connections, postgres_url
from energy_assets.embedded.credentials import ClickHousePasswords, PostgresPasswords, SupersetSecrets
from energy_assets.home import Home
from energy_assets.operations.errors import OperationError
from energy_assets.resources.serving import connect
from energy_assets.settings import Settings

pytestmark = pytest.mark.full
EMBEDDED = Settings(POSTGRES_URL=None, CLICKHOUSE_URL=None)
PLANTED = {
    section: {f.name: f"zQ7@{section}/{f.name}:sEcReT" for f in fields(kind)}
    for section, kind in (
        ("postgres", PostgresPasswords),
        ("clickhouse", ClickHousePasswords),
        ("superset", SupersetSecrets),
    )
}
GIVEN = {
    "ENERGY_ALERT_WEBHOOK_URL": "http://127.0.0.1:1/hooks/zQ7-webhook-sEcReT",
    "ENERGY_SMTP_URL": "smtp://mailer:zQ7-smtp-sEcReT@127.0.0.1:1",
    "ENERGY_ALERT_EMAIL_TO": "ada@example.org",
    "KAGGLE_API_TOKEN": "zQ7-kaggle-sEcReT",
    "KAGGLE_KEY": "zQ7-kaggle-key-sEcReT",
}
"""What a utility gives as settings; every secret that stands here holds zQ7 and sEcReT."""
HOSTILE_SETTINGS = {"ENERGY_DEFAULT_TARIFF": "flat'; drop table reference.tariffs; --"}
REASON = "checked'); drop table quality.overrides; --<script>alert(1)</script>"
SECRET = re.compile(rb"zQ7.{1,40}?sEcReT")
FIRST = hostile.FIRST


@dataclass
class Day:
    """The home after its days were run, and everything that was said meanwhile."""

    home: Home
    known: Connections
    printed: dict[str, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    """Command lines of all processes of the machine, looked at again and again."""


@pytest.fixture(scope="module")
def day() -> Iterator[Day]:
    # The place has a name of that kind too.
    root = Path(tempfile.mkdtemp(prefix="energy-test-")) / 'it\'s "a home"; $(touch pwned)'
    root.mkdir(mode=0o711)
    root.parent.chmod(0o711)
    home = Home(root / "utility")
    home.path.mkdir(mode=0o700)
    home.credentials_file.touch(mode=0o600)
    home.credentials_file.write_text(tomlkit.dumps(PLANTED))
    seen: set[str] = set()
    try:
        with watched_processes(seen):
            delivered = hostile.deliver(root.parent / "delivered")
            settings = GIVEN | HOSTILE_SETTINGS
            printed = {
                "ingest": commands.run(root, "ingest", str(delivered), "--historical", code=3, timeout=1200, **settings)
            }
            red = ("accept", str(FIRST.replace(day=2)), "meter_readings", "--reason", REASON)
            printed["accept"] = commands.run(root, *red, timeout=300, **settings)
            printed |= failing(root, ports.remembered(home))
        yield Day(home, connections(home, EMBEDDED), printed, seen)
    finally:
        supervisor.down(home)
        shutil.rmtree(root.parent)


def failing(root: Path, port: dict[str, int]) -> dict[str, str]:
    """What commands say that fail with a secret at hand."""
    wrong = {
        "refused channels": (["alert-test"], GIVEN),
        "wrong password of Postgres": (
            ["sql", "select 1"],
            {"POSTGRES_URL": f"postgresql://loader:zQ7-wrong-sEcReT@127.0.0.1:{port['postgres']}/energy"},
        ),
        "no Postgres there": (["up"], {"POSTGRES_URL": "postgresql://me:zQ7-away-sEcReT@127.0.0.1:1/energy"}),
        "no host of Postgres": (
            ["why", str(FIRST)],
            {"POSTGRES_URL": "postgresql://me:zQ7-nohost-sEcReT@nowhere.invalid/energy"},
        ),
        "wrong password of ClickHouse": (
            ["sql", "--store", "clickhouse", "select 1"],
            {"CLICKHOUSE_URL": f"http://writer:zQ7-wrong-sEcReT@127.0.0.1:{port['clickhouse']}/"},
        ),
        "no ClickHouse there": (["up"], {"CLICKHOUSE_URL": "http://me:zQ7-away-sEcReT@127.0.0.1:1/"}),
        "a setting that is none": (["status"], {"ENERGY_SMTP_URL": "zQ7-no-address-sEcReT"}),
    }

    def told(arguments: list[str], settings: dict[str, str]) -> str:
        process = commands.start(root, *arguments, **settings)
        printed, _ = process.communicate(timeout=300)
        return f"exit code {process.returncode}\n{printed}"

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(wrong, pool.map(lambda one: told(*one), wrong.values()), strict=True))


@contextmanager
def watched_processes(seen: set[str]) -> Iterator[None]:
    """Add the command line of every process to `seen`, five times a second: what `ps` shows to everybody."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.2):
            for process in psutil.process_iter(["cmdline"]):
                seen.add(" ".join(process.info["cmdline"] or ()))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


# Names stay text ----------------------------------------------------------------------------------------------------


def test_every_name_is_in_every_table_as_it_was_delivered(day):
    with closing(psycopg2.connect(day.known.transformer_dsn)) as connection, connection.cursor() as cursor:

        def column(statement: str) -> set:
            cursor.execute(statement)
            return {row[0] for row in cursor.fetchall()}

        for table in ("raw_data.meter_readings", "staging.stg_meter_readings", "intermediate.int_readings_daily"):
            assert column(f"select distinct meter_id from {table} where reading_date = '{FIRST}'") == set(hostile.IDS)
        assert column("select distinct meter_id from staging.stg_meters") == set(hostile.IDS)
        assert column("select distinct customer_class from staging.stg_meters") == {hostile.CLASS}
        assert column("select distinct tariff_code from staging.stg_meters") == {hostile.TARIFF}
        assert column("select distinct transformer_id from marts.mart_transformer_losses") == {hostile.TRANSFORMER}
        assert column("select distinct feeder_id from staging.stg_transformers") == {hostile.FEEDER}
        assert column("select notes from raw_data.inspections") == {hostile.NOTE}
        assert column("select distinct station_id from raw_data.weather_observations") == {hostile.STATION}
        assert column("select reason from quality.overrides") == {REASON}
        paths = {Path(path).name for path in column("select path from raw_data.landing_paths")}
        assert {name for name in hostile.FILES if name.isprintable()} <= paths
    with closing(connect(day.known.clickhouse_url)) as client:
        served = client.query(
            "SELECT DISTINCT meter_id FROM energy_analytics.meter_readings WHERE reading_date = {day:Date}",
            parameters={"day": FIRST},
        )
        assert set(served.result_columns[0]) == set(hostile.IDS)


def test_nothing_that_a_name_asked_for_was_done(day):
    with closing(psycopg2.connect(day.known.transformer_dsn)) as connection, connection.cursor() as cursor:
        for table in (
            "staging.stg_meter_readings", "staging.stg_meters", "staging.stg_inspections", "marts.mart_transformer_losses",
            "intermediate.int_transformer_balance", "reference.tariffs", "raw_data.landing_files", "quality.overrides",
        ):  # fmt: skip
            cursor.execute("select to_regclass(%s)", (table,))
            assert cursor.fetchone()[0] is not None, table
    places = [Path.cwd(), *(path for path in day.home.path.parents if path.is_relative_to(tempfile.gettempdir()))]
    assert not [place for place in places if (place / "pwned").exists()]
    assert not list(day.home.path.rglob("pwned"))
    assert [what for what, text in day.printed.items() if "Traceback" in text] == []


def test_no_page_holds_a_name_as_markup(day):
    pages = [path for path in day.home.path.rglob("*.html") if "postgres" not in path.parts]
    assert len([page for page in pages if page.is_relative_to(day.home.data_docs)]) > 10
    for page in pages:
        text = page.read_text(encoding="utf-8", errors="replace")
        for attack in ("<script>alert(1)", "<img src=x", "<b>x</b>"):
            assert attack not in text, page


def test_metrics_hold_names_as_labels_and_no_line_of_their_making(day):
    from energy_assets.monitoring.collector import HomeCollector
    from energy_assets.monitoring.graph import Graph

    registry = CollectorRegistry()
    registry.register(HomeCollector(day.home, Graph.of(day.home)))
    told = generate_latest(registry).decode()

    families = list(text_string_to_metric_families(told))
    labels = {value for family in families for sample in family.samples for value in sample.labels.values()}
    assert len(families) > 10
    assert {hostile.FEEDER, hostile.TRANSFORMER} & labels
    assert all(family.name.startswith("energy_assets_") for family in families)


@pytest.mark.parametrize(
    "statement",
    [
        "drop table marts.mart_transformer_losses",
        "select 1; drop table marts.mart_transformer_losses",
        "commit; drop table marts.mart_transformer_losses",
        "set transaction read write; drop table marts.mart_transformer_losses",
        "do $$ begin drop table marts.mart_transformer_losses; end $$",
        "do $$ begin perform set_config('transaction_read_only', 'off', true); drop table marts.mart_transformer_losses; end $$",
        "with gone as (delete from marts.mart_transformer_losses returning 1) select * from gone",
        "explain analyze delete from marts.mart_transformer_losses",
        "copy marts.mart_transformer_losses to program 'touch pwned'",
        "copy (select 1) to '/tmp/energy-pwned'",
        "select pg_read_file('/etc/passwd')",
        "select nextval('quality.day_version_seq')",
        "create temp table mine ()",
        "vacuum",
    ],
)
def test_the_sql_command_only_reads(day, monkeypatch, statement):
    from energy_assets.operations.query import query

    monkeypatch.delenv("POSTGRES_URL", raising=False)
    with pytest.raises(OperationError):
        query(day.home, "postgres", statement)
    assert query(day.home, "postgres", "select count(*) > 0 from marts.mart_transformer_losses")[1] == [(True,)]


# Secrets stay where they are ----------------------------------------------------------------------------------------


def test_no_secret_is_shown_by_a_command_that_fails(day):
    leaked = {what: text for what, text in day.printed.items() if is_secret(text.encode())}
    assert leaked == {}
    failed = {what: text for what, text in day.printed.items() if text.startswith("exit code")}
    assert len(failed) == 7
    assert not [what for what, text in failed.items() if text.startswith("exit code 0")]


def test_no_secret_is_in_the_process_list(day):
    assert any("energy_assets.embedded.clickhouse" in line for line in day.seen)
    assert [line for line in day.seen if is_secret(line.encode())] == []


def test_no_secret_is_in_any_file_but_the_one_for_it(day):
    looked = [path for path in day.home.path.rglob("*") if path.is_file() and path != day.home.credentials_file]
    assert {"events.jsonl", "clickhouse.log", "postgres.log", "dagster.yaml", "column_lineage.json"} <= {
        p.name for p in looked
    }
    assert [path for path in looked if is_secret(path.read_bytes())] == []


def test_no_secret_is_in_any_table(day):
    """Run configuration, tags, events, metadata, verdicts: text is compressed in Postgres' own files, so its tables are asked."""
    password = credentials.read(day.home).postgres.superuser
    tables = 0
    for database in ("energy", "dagster", "postgres"):
        url = postgres_url("postgres", password, ports.remembered(day.home)["postgres"], database)
        with closing(psycopg2.connect(url)) as server, server.cursor() as cursor:
            cursor.execute(
                "select format('%I.%I', schemaname, tablename) from pg_tables"
                " where schemaname not in ('pg_catalog', 'information_schema')"
            )
            names = [name for (name,) in cursor.fetchall()] + ["pg_catalog.pg_authid", "pg_catalog.pg_db_role_setting"]
            for name in names:
                written = io.BytesIO()
                cursor.copy_expert(f"copy (select told::text from {name} as told) to stdout", written)
                assert not is_secret(written.getvalue()), f"{database} {name}"
            tables += len(names)
    assert tables > 60


def test_files_are_their_users_alone(day):
    """What is in a home is closed; below a closed directory it does not matter what a store makes."""
    open_to_others = [path for path in day.home.path.iterdir() if stat.S_IMODE(path.lstat().st_mode) & 0o077]
    assert open_to_others == []
    # Where root starts it, Postgres is another user, who must pass through the home and may do no more.
    assert stat.S_IMODE(day.home.path.stat().st_mode) == (0o701 if os.geteuid() == 0 else 0o700)
    assert stat.S_IMODE(day.home.credentials_file.stat().st_mode) == 0o600


def is_secret(text: bytes) -> bool:
    """Whether a secret is in there, as it is or as addresses hold it."""
    if SECRET.search(text):
        return True
    planted = (secret for section in PLANTED.values() for secret in section.values())
    return any(quote(secret, safe="").encode() in text for secret in planted)
