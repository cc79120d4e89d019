"""Each Postgres role tries what it must not do, with `set transaction read write` first: rights refuse, not a setting that anybody may change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import psycopg2
import pytest
from psycopg2 import errors
from psycopg2.extensions import connection as Connection

from energy_assets.embedded import bootstrap, credentials, ports
from energy_assets.embedded.connections import Connections, connections, postgres_url
from energy_assets.home import Home
from energy_assets.settings import Settings

WITHIN = {
    "loader": "energy",
    "transformer": "energy",
    "bi": "energy",
    "monitor": "energy",
    "dagster": "dagster",
    "superset": "superset",
}
"""Each role, and the database that it is for."""
READERS = {"bi", "monitor"}
OF_ENERGY = {"loader", "transformer", *READERS}
SCHEMAS = tuple(bootstrap.OWNERS)
REFUSED, DONE = "refused", "done"
ALONE = ("alter system", "create database", "drop database", "create tablespace")
"""Statements that no transaction may hold."""

# What nobody may ----------------------------------------------------------------------------------------------------

SERVER = [
    # Files and programs of the machine
    "copy (select 1) to program 'id'",
    "copy (select 1) to '/tmp/energy-roles'",
    "create temp table pg_temp.taken (line text); copy pg_temp.taken from '/etc/passwd'",
    "select pg_read_file('pg_hba.conf')",
    "select pg_read_binary_file('PG_VERSION')",
    "select pg_stat_file('PG_VERSION')",
    "select pg_ls_dir('.')",
    "select pg_ls_logdir()",
    "select lo_import('/etc/passwd')",
    "select lo_export(1, '/tmp/energy-roles')",
    "select pg_current_logfile()",
    "create tablespace mine location '/tmp'",
    # Code in the server
    "create extension file_fdw",
    "create extension dblink",
    "create function pg_temp.mine() returns int language c as 'mine'",
    "create function pg_temp.mine() returns int language internal as 'mine'",
    "load 'auto_explain'",
    "create event trigger mine on ddl_command_start execute function pg_catalog.now()",
    # Other roles, and the server itself
    "select rolpassword from pg_authid",
    "select passwd from pg_shadow",
    "select * from pg_user_mapping",
    "select * from pg_hba_file_rules",
    "select * from pg_file_settings",
    "select * from pg_largeobject",
    "select * from pg_statistic",
    "set role postgres",
    "set session authorization postgres",
    "alter role current_user superuser",
    "alter role current_user createrole",
    "alter role current_user bypassrls",
    "alter role current_user connection limit 1000",
    "create role mine",
    "drop role bi",
    "grant pg_read_server_files to current_user",
    "grant pg_signal_backend to current_user",
    "alter system set log_statement = 'all'",
    "set log_statement = 'all'",
    "set session_replication_role = replica",
    "select pg_reload_conf()",
    "select pg_rotate_logfile()",
    "select pg_switch_wal()",
    "checkpoint",
    "select pg_backup_start('mine')",
    "select pg_create_physical_replication_slot('mine')",
    "create database mine",
    "drop database energy",
    "alter database energy set work_mem = '1GB'",
    "alter database energy owner to current_user",
]

TERMINATING = [
    "select pg_terminate_backend({})",
    "select pg_cancel_backend({})",
]


def others(role: str) -> list[str]:
    return [f"set role {other}" for other in WITHIN if other != role] + [
        f"alter role {other} password 'mine'" for other in WITHIN if other != role
    ]


def beyond_its_schemas(role: str) -> list[str]:
    """What `role` must not do in the database `energy`."""
    tried = [
        "create schema mine",
        "create table public.mine ()",
        "create function public.mine() returns int language sql as 'select 1'",
        "create publication mine",
        "select lo_create(0)",
        "select lo_creat(-1)",
        "select lo_from_bytea(0, 'x')",
        "select lo_put(1, 0, 'x')",
        "select lo_unlink(1)",
    ]
    for schema in SCHEMAS:
        if bootstrap.OWNERS[schema] == role:
            continue
        tried += [
            f"create table {schema}.mine ()",
            f"create view {schema}.mine as select 1",
            f"create function {schema}.mine() returns int language sql as 'select 1'",
            f"drop schema {schema} cascade",
            f"alter schema {schema} owner to current_user",
            f"grant create on schema {schema} to current_user; create table {schema}.mine ()",
            f"insert into {schema}.tried values (1)",
            f"update {schema}.tried set one = 2",
            f"delete from {schema}.tried",
            f"truncate {schema}.tried",
            f"drop table {schema}.tried",
            f"alter table {schema}.tried add column two int",
            f"lock table {schema}.tried in access exclusive mode",
            f"create index on {schema}.tried (one)",
            f"create trigger mine before insert on {schema}.tried execute function pg_catalog.suppress_redundant_updates_trigger()",
        ]
        if role not in bootstrap.READERS[schema]:
            tried.append(f"select one from {schema}.tried")
    return tried


OF_READERS = [
    "create temp table mine ()",
    "create function pg_temp.mine() returns int language sql as 'select 1'",
    # Its owner's rights would write for whoever may call it: a bumped day has no verdict any more, and closes what reads it.
    "select quality.bump_day('stg_meter_readings', '2024-01-01', 0, 'mine')",
    # The locks under which days are written.
    "select quality.lock_table('staging.stg_meter_readings')",
    "select pg_advisory_lock(1)",
    "select pg_advisory_xact_lock_shared(1, 2)",
    "select pg_try_advisory_lock(1)",
    "select nextval('quality.day_version_seq')",
    "select setval('quality.day_version_seq', 1)",
    "select quality.empty_partition('quality', 'tried')",
    "insert into quality.overrides (table_name, reading_date, version, reason, accepted_by) values ('x', '2024-01-01', 1, 'mine', 'mine')",
]


@pytest.fixture(scope="module")
def urls(graph_home: Home) -> Iterator[Connections]:
    """The stores with all their tables, and a table `tried` in each schema."""
    known = connections(graph_home, Settings(POSTGRES_URL=None, CLICKHOUSE_URL=None))
    with superuser(graph_home) as server, server.cursor() as cursor:
        for schema, owner in bootstrap.OWNERS.items():
            cursor.execute(f"set role {owner}")
            cursor.execute(f"create table {schema}.tried (one int)")
            cursor.execute("reset role")
    yield known
    with superuser(graph_home) as server, server.cursor() as cursor:
        for schema in SCHEMAS:
            cursor.execute(f"drop table {schema}.tried")


def superuser(home: Home) -> Connection:
    password = credentials.read(home).postgres.superuser
    server = psycopg2.connect(postgres_url("postgres", password, ports.remembered(home)["postgres"], "energy"))
    server.autocommit = True
    return closing(server)


def dsn_of(urls: Connections, role: str) -> str:
    return getattr(urls, f"{role}_dsn")


@pytest.mark.parametrize("role", WITHIN)
def test_a_role_is_refused_what_it_must_not_do(urls, role):
    forbidden = SERVER + others(role)
    if role in OF_ENERGY:
        forbidden += beyond_its_schemas(role)
    if role in READERS:
        forbidden += OF_READERS
    with closing(psycopg2.connect(dsn_of(urls, role))) as connection:
        found = {statement: outcome(connection, statement) for statement in forbidden}
    assert {statement: what for statement, what in found.items() if what != REFUSED} == {}


@pytest.mark.parametrize("role", WITHIN)
def test_a_role_ends_nobody_elses_statement_and_reads_none(urls, role):
    with closing(psycopg2.connect(dsn_of(urls, "loader" if role != "loader" else "bi"))) as other:
        with other.cursor() as cursor:
            cursor.execute("select 'something of my own'")
        with closing(psycopg2.connect(dsn_of(urls, role))) as connection:
            pid = other.info.backend_pid
            assert all(is_refused(connection, statement.format(pid)) for statement in TERMINATING)
            with connection.cursor() as cursor:
                cursor.execute("select query from pg_stat_activity where pid = %s", (pid,))
                seen = cursor.fetchone()[0]
    # Who watches the server sees what runs: never a password, for these are hashed before they are sent.
    assert ("something of my own" in seen) == (role == "monitor")


@pytest.mark.parametrize("role", WITHIN)
def test_a_role_reaches_no_database_but_its_own(urls, role):
    own = {WITHIN[role]} | ({"dagster"} if role == "monitor" else set())
    for database in {"energy", "dagster", "superset", "postgres", "template1"} - own:
        with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
            psycopg2.connect(urlsplit(dsn_of(urls, role))._replace(path=f"/{database}").geturl())


def test_the_monitor_of_dagsters_tables_reads_and_writes_none(urls):
    with (
        closing(psycopg2.connect(urls.dagster_dsn)) as owner,
        owner,
        owner.cursor() as cursor,
    ):
        cursor.execute("create table if not exists tried (one int)")
    with closing(psycopg2.connect(urls.monitor_dagster_dsn)) as connection:
        for statement in ("insert into tried values (1)", "drop table tried", "create table mine ()", *OF_READERS[:1]):
            assert is_refused(connection, statement), statement
        assert not is_refused(connection, "select one from tried")


def test_the_loader_reads_nothing_that_was_made_of_what_it_loads(urls):
    with closing(psycopg2.connect(urls.loader_dsn)) as connection:
        for schema in set(SCHEMAS) - {"raw_data"}:
            assert is_refused(connection, f"select * from {schema}.tried"), schema
        assert is_refused(connection, "select * from quality.validation_results")
        assert is_refused(connection, "update quality.validation_results set success = true")
        assert not is_refused(connection, "select quality.bump_day('meter_readings', '2024-01-01', 0, 'mine')")
        assert not is_refused(connection, "insert into raw_data.tried values (1)")


def test_the_transformer_reads_raw_data_and_writes_none(urls):
    with closing(psycopg2.connect(urls.transformer_dsn)) as connection:
        assert not is_refused(connection, "select one from raw_data.tried")
        for statement in (
            "insert into raw_data.tried values (1)",
            "truncate raw_data.tried",
            "drop table raw_data.tried",
        ):
            assert is_refused(connection, statement)


def test_functions_with_their_owners_rights_are_known_and_called_by_writers_alone(graph_home, urls):
    with superuser(graph_home) as server, server.cursor() as cursor:
        cursor.execute(
            "select pronamespace::regnamespace || '.' || proname, has_function_privilege('public', oid, 'execute')"
            " from pg_proc where prosecdef and pronamespace <> 'pg_catalog'::regnamespace"
        )
        assert sorted(cursor.fetchall()) == [("quality.bump_day", False), ("quality.drop_days", False)]


def test_rights_that_an_earlier_version_granted_are_taken_away(graph_home, urls):
    with superuser(graph_home) as server, server.cursor() as cursor:
        cursor.execute("grant usage on schema marts to loader; grant select, insert on marts.tried to loader")
        cursor.execute("grant insert on quality.tried to loader")
        cursor.execute("alter default privileges for role transformer in schema marts grant select on tables to loader")
        cursor.execute("grant execute on all functions in schema quality to public")
        cursor.execute("alter role bi set default_transaction_read_only = off")

    passwords = credentials.read(graph_home).postgres
    superuser_url = postgres_url("postgres", passwords.superuser, ports.remembered(graph_home)["postgres"], "postgres")
    bootstrap.bootstrap(superuser_url, passwords)

    with closing(psycopg2.connect(urls.loader_dsn)) as loader:
        assert is_refused(loader, "select one from marts.tried")
        assert is_refused(loader, "insert into quality.tried values (1)")
    with closing(psycopg2.connect(urls.bi_dsn)) as bi, bi.cursor() as cursor:
        assert is_refused(bi, OF_READERS[2])
        cursor.execute("show default_transaction_read_only")
        assert cursor.fetchone() == ("on",)


def test_readers_leave_connections_to_the_graph(graph_home):
    with superuser(graph_home) as server, server.cursor() as cursor:
        cursor.execute("select rolname, rolconnlimit from pg_roles where rolconnlimit > 0 order by 1")
        assert cursor.fetchall() == [("bi", 20), ("monitor", 10)]


def outcome(connection: Connection, statement: str) -> str:
    """refused (for want of rights), done, or the name of another error; nothing that it did stays."""
    connection.autocommit = statement.startswith(ALONE)
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "set default_transaction_read_only = off" if connection.autocommit else "set transaction read write"
            )
            cursor.execute(statement)
    except errors.InsufficientPrivilege:
        return REFUSED
    except psycopg2.Error as error:
        return f"{type(error).__name__}: {error}".strip()
    finally:
        connection.rollback()
    return DONE


def is_refused(connection: Connection, statement: str) -> bool:
    found = outcome(connection, statement)
    assert found in (REFUSED, DONE), f"{statement}: {found}"
    return found == REFUSED
