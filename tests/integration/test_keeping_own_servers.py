"""A utility's own servers (POSTGRES_URL, CLICKHOUSE_URL), as its operator gives them: a database, a role that owns it and may make no other.

`up`, days, a copy, the loss of the database, the copy on an empty one, an erasure and dropped days, each as a person does it. ClickHouse is the
endpoint as a server by its address: another ClickHouse than that was never tried.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import clickhouse_connect
import psycopg2
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_process import PASSWORDS, ClickHouseProcess
from graph import day
from psycopg2 import sql
from support import commands
from support.content_hash import Content, assert_same, content
from support.deliveries import Deliveries
from support.disorder import city
from support.own_postgres import PASSWORD, OwnPostgres, own_postgres
from support.selections import BALANCE, with_gates

from energy_assets.days import ONE_DAY
from energy_assets.embedded.connections import clickhouse_url
from energy_assets.home import Calendar, Home
from energy_assets.landing.erasures import REPLACEMENT
from energy_assets.operations.errors import OperationError
from energy_assets.operations.keeping.backup import SERVERS_SCHEMAS, backup
from energy_assets.operations.keeping.erasure import _rewrite_tables
from energy_assets.operations.keeping.restore import restore
from energy_assets.resources.erasure import tables
from energy_assets.resources.serving import Serving
from energy_assets.resources.warehouse import Warehouse
from energy_assets.settings import settings

DAYS = 3
GONE, GONE_METER = "C000010", "M000001"
SERVED = "energy_analytics/meter_readings"
KEYS = ",".join([*(key.to_user_string() for key in with_gates(*BALANCE)), SERVED])
RUN = f"""
from datetime import date
from energy_assets.home import current
from energy_assets.operations.runs import Runner
with Runner(current()) as runner:
    runner.land()
    outcome = runner.backfill(runner.window(date(2024, 1, {{first}}), date(2024, 1, {{last}})), runner.keys("{KEYS}"))
assert outcome.is_complete, outcome
"""
PERIODS = {
    "ENERGY_RESTATEMENT_DAYS": "0",
    "ENERGY_RETENTION_DAYS": '{"meter_readings": 2, "stg_meter_readings": 2, "int_readings_hourly": 2}',
}


@dataclass
class Utility:
    """Two servers, and homes that have nothing but these."""

    postgres: OwnPostgres
    clickhouse: ClickHouseProcess
    homes: Path
    copied: Path = Path()
    before: Content = field(default_factory=dict)
    numbered: list[tuple[str, str, int]] = field(default_factory=list)
    later: Deliveries = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, str]:
        return {
            "POSTGRES_URL": self.postgres.url("utility", "losses"),
            "CLICKHOUSE_URL": clickhouse_url("writer", PASSWORDS["writer"], self.clickhouse.port),
            "ENERGY_SUPERSET_DATABASE_URL": self.postgres.url("superset", "superset"),
        }

    def run(self, *arguments: str, code: int = 0, **more: str) -> str:
        return commands.run(self.homes, *arguments, code=code, **self.settings | more)

    def held(self) -> Content:
        path = str(self.homes / "north")  # the servers' addresses are the settings', whichever the home
        return content(Warehouse(home=path), Serving(home=path))

    def sequences(self) -> list[tuple[str, str, int]]:
        """How far each sequence of the platform's schemas went; Dagster's goes on with every command."""
        with closing(psycopg2.connect(self.settings["POSTGRES_URL"])) as connection, connection.cursor() as cursor:
            cursor.execute(
                "select schemaname, sequencename, last_value from pg_sequences where schemaname <> 'dagster' and last_value is not null order by 1, 2"
            )
            return cursor.fetchall()

    def databases_with(self, pattern: str) -> set[str]:
        """Databases of the Postgres of which any row of any table matches the regular expression."""
        found = set()
        for database in ("losses", "superset"):
            with (
                closing(psycopg2.connect(self.postgres.url("postgres", database))) as connection,
                connection.cursor() as cursor,
            ):
                for table in tables(cursor, None):
                    name = sql.Identifier(table.schema, table.name)
                    cursor.execute(
                        sql.SQL("select from {} as held where held::text ~ %s limit 1").format(name), (pattern,)
                    )
                    found |= {database} if cursor.rowcount else set()
        return found

    def served_with(self, meter: str) -> int:
        with self.client() as client:
            query = "SELECT count() FROM energy_analytics.meter_readings WHERE meter_id = {meter:String}"
            return client.query(query, parameters={"meter": meter}).result_rows[0][0]

    def empty_clickhouse(self) -> None:
        with self.client() as client:
            client.command("DROP DATABASE energy_analytics SYNC")

    def client(self) -> closing[Client]:
        user = {"username": "writer", "password": PASSWORDS["writer"]}
        return closing(clickhouse_connect.get_client(host="127.0.0.1", port=self.clickhouse.port, **user))


@pytest.fixture(scope="module")
def utility() -> Iterator[Utility]:
    """Three days of a city on servers of its own."""
    before = dict(os.environ)
    root = Path(tempfile.mkdtemp(prefix="energy-own-servers-"))
    (root / "clickhouse").mkdir()
    clickhouse = ClickHouseProcess(root / "clickhouse").start()
    try:
        with own_postgres() as postgres:
            for role in ("utility", "superset"):
                postgres.make_role(role)
            postgres.make_database("losses", owner="utility")
            postgres.make_database("superset", owner="superset")
            own = Utility(postgres, clickhouse, root / "homes")
            os.environ.update(own.settings)
            settings.cache_clear()
            bring_three_days(own)
            yield own
            assert not list(own.homes.glob("*/postgres")), "a home made a Postgres of its own beside POSTGRES_URL"
    finally:
        clickhouse.stop()
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)
        settings.cache_clear()
        shutil.rmtree(root)


def bring_three_days(own: Utility) -> None:
    home = Home(own.homes / "north")
    home.write_calendar(Calendar("Africa/Douala", day(1), day(DAYS + 1)))
    deliveries = city(own.homes.parent / "city", meters=16, transformers=2, days=DAYS + 1, seed=3)
    own.later = {path: text for path, text in deliveries.items() if str(day(DAYS + 1)) in path}
    deliver(home, {path: text for path, text in deliveries.items() if path not in own.later})
    own.run("--home", "north", "up")
    compute(own, home, 1, DAYS)
    own.postgres.as_superuser(
        "create table query (sql text)",
        sql.SQL("insert into query values ({})").format(
            sql.Literal(f"select * from t where meter_id = '{GONE_METER}'")
        ),
        "alter table query owner to superset",
        database="superset",
    )


def deliver(home: Home, files: Deliveries) -> None:
    for path, text in files.items():
        target = home.landing / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def compute(own: Utility, home: Home, first: int, last: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN.format(first=first, last=last)],
        env=commands.environment(home) | own.settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def named_in(path: Path, word: str) -> bool:
    return path.is_file() and word.encode() in path.read_bytes()


@pytest.fixture(scope="module")
def restored(utility: Utility) -> Home:
    """The home that a copy becomes on an empty database, after its own was lost."""
    utility.copied = backup(Home(utility.homes / "north"), utility.homes / "copies").path
    utility.before, utility.numbered = utility.held(), utility.sequences()
    utility.postgres.drop_database("losses")
    utility.postgres.make_database("losses", owner="utility")
    home = Home(utility.homes / "again")
    with pytest.raises(OperationError, match=r"CLICKHOUSE_URL names holds rows in .* DROP DATABASE energy_analytics"):
        restore(utility.copied, home)
    utility.empty_clickhouse()
    utility.run("restore", str(utility.copied), "--home", home.name)
    return home


def test_a_lost_database_comes_back_on_an_empty_one(utility: Utility, restored: Home) -> None:
    assert_same(utility.before, utility.held())
    assert utility.numbered == utility.sequences(), "versions would begin again at 1"
    assert utility.before["energy_analytics.meter_readings"], "nothing was served"
    assert restored.calendar().last_day == day(DAYS + 1)


def test_nothing_is_written_over_a_database_that_holds_something(utility: Utility, restored: Home) -> None:
    before = utility.held()
    third = Home(utility.homes / "third")
    with pytest.raises(OperationError, match=r"POSTGRES_URL names holds dagster\..* create database NAME owner USER"):
        restore(utility.copied, third)
    assert not third.path.exists()
    assert_same(before, utility.held())


@pytest.mark.full
def test_a_role_that_may_make_no_schemas_restores_into_those_that_are_there(utility: Utility, restored: Home) -> None:
    """In a home with a ClickHouse of its own: the server's holds the other home's rows."""
    utility.postgres.make_database("tight", owner="postgres")
    address = f"postgresql://127.0.0.1:{utility.postgres.port}/tight?user=utility&password={PASSWORD}"
    tight = {"POSTGRES_URL": address}
    own = {name: value for name, value in utility.settings.items() if name != "CLICKHOUSE_URL"} | tight
    arguments = ("restore", str(utility.copied), "--home", "tight")
    assert "grant CREATE on its database" in commands.run(utility.homes, *arguments, code=1, **own)
    for schema in SERVERS_SCHEMAS:
        made = sql.SQL("create schema {} authorization utility").format(sql.Identifier(schema))
        utility.postgres.as_superuser(made, database="tight")
    try:
        assert "each table as it was" in commands.run(utility.homes, *arguments, **own)
    finally:
        commands.run(utility.homes, "--home", "tight", "down")
    assert [path for path in (utility.homes / "tight").rglob("*") if named_in(path, PASSWORD)] == []


@pytest.mark.full
def test_a_role_that_owns_nothing_is_told_what_it_lacks(utility: Utility, restored: Home) -> None:
    utility.postgres.make_role("guest")
    address = {"POSTGRES_URL": utility.postgres.url("guest", "losses")}
    for command, denied in (("up", "schema quality"), ("backup", "schema")):
        refused = utility.run("--home", restored.name, command, code=1, **address)
        assert "permission denied for" in refused
        assert denied in refused
        assert "let POSTGRES_URL's user own the platform's schemas" in refused
        assert "Traceback" not in refused


@pytest.mark.full
def test_a_further_day_is_computed_in_the_restored_home(utility: Utility, restored: Home) -> None:
    deliver(restored, utility.later)
    compute(utility, restored, DAYS + 1, DAYS + 1)
    assert utility.held()["intermediate.int_transformer_balance"].keys() >= {str(day(DAYS + 1))}


@pytest.mark.full
def test_dropped_days_are_gone_from_the_server_and_stay_in_the_copy(utility: Utility, restored: Home) -> None:
    before = utility.held()
    utility.run("--home", "again", "retention", "--apply", **PERIODS)
    after = utility.held()
    newest = max(before["staging.stg_meter_readings"])
    gone = {of for of in before["staging.stg_meter_readings"] if of < str(date.fromisoformat(newest) - ONE_DAY)}
    assert gone
    for table in ("raw_data.meter_readings", "staging.stg_meter_readings", "intermediate.int_readings_hourly"):
        assert before[table].keys() - after[table].keys() == gone
    assert_same({SERVED: before["energy_analytics.meter_readings"]}, {SERVED: after["energy_analytics.meter_readings"]})
    utility.run("--home", "again", "backup", "--to", str(utility.homes / "after dropping"))
    (copied,) = (utility.homes / "after dropping").iterdir()
    assert {path.stem for path in (copied / "clickhouse/meter_readings").iterdir()} == gone


@pytest.mark.full
def test_nothing_on_the_servers_names_who_was_erased(utility: Utility, restored: Home) -> None:
    assert {"losses", "superset"} == utility.databases_with(f"{GONE}|{GONE_METER}"), "there is nothing to erase"
    printed = utility.run("--home", restored.name, "erase-customer", GONE, "--reason", "a letter", "--yes")
    assert "staging.stg_meter_readings" in printed
    assert utility.databases_with(f"{GONE}|{GONE_METER}") == set()
    assert utility.databases_with(re.escape(REPLACEMENT)) >= {"superset"}
    assert utility.served_with(GONE_METER) == 0
    assert utility.served_with("M000002") > 0


@pytest.mark.full
def test_erasing_leaves_the_settings_of_anothers_server_alone(utility: Utility) -> None:
    """Though its role be a superuser: how the server keeps its log of changes is its operator's business."""
    with (
        closing(psycopg2.connect(utility.postgres.url("postgres", "losses"))) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("select pg_conf_load_time(), pg_current_wal_lsn() - '0/0'::pg_lsn")
        before = cursor.fetchall()
        connection.commit()
        _rewrite_tables(connection, {})
        cursor.execute("select pg_conf_load_time(), pg_current_wal_lsn() - '0/0'::pg_lsn")
        assert cursor.fetchall() == before
