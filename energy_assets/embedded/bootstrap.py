"""Databases, schemas, roles and rights of a platform's Postgres, each statement idempotent.

What belongs here: who may do what in which schema. What does not: tables (who fills a table makes it) and server settings.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import asdict

import psycopg2
import psycopg2.errors
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import encrypt_password
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random

from energy_assets.embedded.connections import (
    DAGSTER_DATABASE,
    DAGSTER_SCHEMA,
    DATABASE,
    SUPERSET_DATABASE,
    in_database,
)
from energy_assets.embedded.credentials import PostgresPasswords
from energy_assets.embedded.errors import StoreError

DATABASE_OWNERS = {DATABASE: None, DAGSTER_DATABASE: "dagster", SUPERSET_DATABASE: "superset"}
"""The databases, and the role that owns each where it is not the superuser: nobody but that role reaches it."""

OWNERS = {
    "raw_data": "loader",
    "reference": "transformer",
    "staging": "transformer",
    "intermediate": "transformer",
    "ml": "transformer",
    "marts": "transformer",
    "quality": "transformer",
}
"""Schemas of the platform and the role that owns each."""

READERS = {
    "raw_data": ("transformer",),
    "reference": ("bi",),
    "staging": (),
    "intermediate": ("bi",),
    "ml": ("bi",),
    "marts": ("bi", "monitor"),
    "quality": ("bi", "monitor"),
}
"""Who else reads a schema: `loader` reads nothing but what it loads. Of raw_data `monitor` reads the ledger alone (resources/schema.py)."""

CALLERS = {"quality": ("loader",)}
"""Who else calls a schema's functions: a raw write bumps its day's version in `quality`, and reads and writes nothing else there."""

LOGIN_ROLES = ("loader", "transformer", "bi", "dagster", "superset", "monitor")
TEMPORARY_TABLES = ("loader", "transformer")

CONNECTIONS = {"bi": 20, "monitor": 10}
"""How many connections of those who only read there may be at once, so that they leave some of a hundred to the graph."""

LARGE_OBJECTS = (
    "lo_creat",
    "lo_create",
    "lo_from_bytea",
    "lo_open",
    "lo_put",
    "lowrite",
    "lo_truncate",
    "lo_truncate64",
    "lo_unlink",
)
"""Functions that write without any table; Postgres lets everybody call them."""
ADVISORY_LOCKS = ("pg_advisory_%", "pg_try_advisory_%")
"""Functions that take the locks under which days are written; a reader that held one would stop the graph."""

_HELD = """
select distinct nspname, held.grantee::regrole::text
from pg_namespace
join (
    select relnamespace as schema, (aclexplode(relacl)).grantee from pg_class
    union
    select defaclnamespace, (aclexplode(defaclacl)).grantee from pg_default_acl where defaclobjtype in ('r', 'S')
) as held on held.schema = pg_namespace.oid
where nspname = any(%s) and held.grantee::regrole::text = any(%s)
"""
"""Schemas and the roles that hold rights on what is in them, or will."""

HASH_ITERATIONS = {"dagster": 1}
"""Rounds of SCRAM for roles of which each use is a new connection; the server's own number for the others.

Dagster's run processes open one for nearly every event, and half of its 11 ms is hashing. Rounds slow down who guesses a
password from a stolen verifier: these passwords are 192 random bits, and whoever reaches the verifier, in the data directory,
reaches the credentials file beside it. The roles that people connect as keep the usual number: JDBC refuses fewer rounds.
"""

CHANGED_ATTEMPTS = 40
"""So often is a statement tried while runs change the catalogue: each makes a table now and then, none does so for seconds."""

_SCRAM = re.compile(r"SCRAM-SHA-256\$(?P<rounds>\d+):(?P<salt>[^$]+)\$(?P<stored_key>[^:]+):.+")

OWN_THE_SCHEMAS = "let POSTGRES_URL's user own the platform's schemas and what is in them (reassign owned by … to …), or name the user that does"
"""What to do where a real Postgres says `permission denied`."""

Statement = sql.Composable


def bootstrap(superuser: str, passwords: PostgresPasswords) -> None:
    """Make databases, roles, schemas and rights on the server at the URL `superuser`; where they are there already, nothing changes.

    Raises StoreError where the URL's user is no superuser: what keeps readers from the server's own functions is nobody else's to revoke.
    """
    with closing(_connect(in_database(superuser, "postgres"))) as server:
        _require_superuser(server)
        _make_roles(server, passwords)
        for name, owner in DATABASE_OWNERS.items():
            _make_database(server, name, owner)
    with closing(_connect(in_database(superuser, DATABASE))) as database:
        _make_schemas(database, OWNERS)
        _run(database, _rights_of_before(database))
        _run(database, _rights())
        _keep_from_public(database, LARGE_OBJECTS)
        _keep_from_public(database, ADVISORY_LOCKS, unless=("loader", "transformer"))
    with closing(_connect(in_database(superuser, DAGSTER_DATABASE))) as dagster:
        _run(dagster, _table_rights("select", "public", "dagster", "monitor"))
        _keep_from_public(dagster, LARGE_OBJECTS)


def bootstrap_real(url: str) -> None:
    """Make the schemas that a real Postgres lacks; its roles and rights are its operator's business.

    Raises StoreError where the URL's user may not create them.
    """
    try:
        with closing(_connect(url)) as database:
            _make_schemas(database, dict.fromkeys([*OWNERS, DAGSTER_SCHEMA]))
    except psycopg2.errors.InsufficientPrivilege as error:
        names = ", ".join([*OWNERS, DAGSTER_SCHEMA])
        raise StoreError(
            f"POSTGRES_URL's user may not create schemas: grant CREATE on its database, or create {names} for it"
        ) from error


def _rights() -> list[Statement]:
    return [
        *_database_rights(),
        *(statement for schema in OWNERS for statement in _schema_rights(schema)),
        *_function_rights(),
        _read_only("bi"),
        _read_only("monitor"),
        _without_warnings("loader"),
        _without_warnings("transformer"),
        # How large a database is, also of one that it may not read.
        _compose("grant pg_read_all_stats to {}", "monitor"),
    ]


def _database_rights() -> Iterable[Statement]:
    for database in (*DATABASE_OWNERS, "postgres", "template1"):
        yield _compose("revoke all on database {} from public", database)
    for role in ("loader", "transformer", "bi"):
        yield _compose("grant connect on database {} to {}", DATABASE, role)
    for database in (DATABASE, DAGSTER_DATABASE):
        yield _compose("grant connect on database {} to {}", database, "monitor")
    for role in TEMPORARY_TABLES:
        yield _compose("grant temporary on database {} to {}", DATABASE, role)


def _schema_rights(schema: str) -> Iterable[Statement]:
    for role in READERS[schema]:
        yield _compose("grant usage on schema {} to {}", schema, role)
        yield from _table_rights("select", schema, OWNERS[schema], role)


def _rights_of_before(database: Connection) -> Iterable[Statement]:
    """Take away what an earlier version of this platform granted on tables, and this one does not."""
    with database.cursor() as cursor:
        cursor.execute(_HELD, (list(OWNERS), list(LOGIN_ROLES)))
        held = cursor.fetchall()
    for schema, role in held:
        if role in (OWNERS[schema], *READERS[schema]) or (schema, role) == ("raw_data", "monitor"):
            continue
        yield _compose("revoke all on schema {} from {}", schema, role)
        for kind in ("tables", "sequences"):
            yield _compose(f"revoke all on all {kind} in schema {{}} from {{}}", schema, role)
            yield _compose(
                f"alter default privileges for role {{}} in schema {{}} revoke all on {kind} from {{}}",
                *(OWNERS[schema], schema, role),
            )


def _function_rights() -> Iterable[Statement]:
    """Functions are called by who writes: one of quality's writes with its owner's rights, and Postgres would let every reader call it."""
    for owner in sorted(set(OWNERS.values())):
        yield _compose("alter default privileges for role {} revoke execute on functions from public", owner)
    for schema in OWNERS:
        yield _compose("revoke execute on all functions in schema {} from public", schema)
    for schema, callers in CALLERS.items():
        for role in callers:
            yield _compose("grant usage on schema {} to {}", schema, role)
            yield _compose("grant execute on all functions in schema {} to {}", schema, role)
            yield _compose(
                "alter default privileges for role {} in schema {} grant execute on functions to {}",
                OWNERS[schema],
                schema,
                role,
            )


def _keep_from_public(database: Connection, patterns: tuple[str, ...], *, unless: tuple[str, ...] = ()) -> None:
    """Let only the roles of `unless` call the server's own functions of these names."""
    with database.cursor() as cursor:
        cursor.execute(
            "select oid::regprocedure::text from pg_proc where pronamespace = 'pg_catalog'::regnamespace and proname like any(%s)",
            (list(patterns),),
        )
        functions = sql.SQL(", ").join(sql.SQL(name) for (name,) in cursor.fetchall())
    _run(database, [sql.SQL("revoke execute on function {} from public").format(functions)])
    for role in unless:
        _run(database, [sql.SQL("grant execute on function {} to {}").format(functions, sql.Identifier(role))])


def _table_rights(rights: str, schema: str, owner: str, role: str) -> Iterable[Statement]:
    """For the tables that are there, and for those that `owner` will make."""
    yield _compose(f"grant {rights} on all tables in schema {{}} to {{}}", schema, role)
    yield _compose(
        f"alter default privileges for role {{}} in schema {{}} grant {rights} on tables to {{}}", owner, schema, role
    )


def _read_only(role: str) -> Statement:
    # The rights already forbid writing; this makes the error say so, and spares temporary objects too.
    return _compose("alter role {} set default_transaction_read_only = on", role)


def _without_warnings(role: str) -> Statement:
    # ADBC and dbt begin a transaction that has begun, hundreds of times a run: nobody would find anything else in the log.
    return _compose("alter role {} set log_min_messages = error", role)


def _require_superuser(server: Connection) -> None:
    if not _names(server, "select usename from pg_user where usename = current_user and usesuper"):
        raise StoreError(
            "POSTGRES_ADMIN_URL's user is no superuser, who alone may make the platform's roles with their rights: name one; where the server"
            " has none to give (managed ones), set POSTGRES_URL to a user and a database of its own instead"
        )


def _make_roles(server: Connection, passwords: PostgresPasswords) -> None:
    with server.cursor() as cursor:
        cursor.execute("select rolname, rolpassword from pg_authid")
        verifiers: dict[str, str | None] = dict(cursor.fetchall())
    for role in LOGIN_ROLES:
        password = asdict(passwords)[role]
        if role not in verifiers:
            _run(server, [_compose("create role {} login", role)])
        if not _is_made_of(password, verifiers.get(role)):
            # Hashed on this side, so that no log and no statistics view ever holds the password.
            verifier = _verifier(server, role, password)
            _run(server, [sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(verifier))])
    for role, most in CONNECTIONS.items():
        _run(server, [sql.SQL("alter role {} connection limit {}").format(sql.Identifier(role), sql.Literal(most))])


def _verifier(server: Connection, role: str, password: str) -> str:
    rounds = HASH_ITERATIONS.get(role)
    # libpq hashes with as many rounds as the server reports at the moment.
    _run(server, [sql.SQL("set scram_iterations = {}").format(sql.Literal(rounds) if rounds else sql.SQL("default"))])
    return encrypt_password(password, role, scope=server, algorithm="scram-sha-256")


def _is_made_of(password: str, verifier: str | None) -> bool:
    """Whether a role's verifier, as Postgres keeps it (RFC 5803), is that of `password`.

    Computed rather than tried by connecting, each of which would be an error in the server's log. A password beyond ASCII that
    Postgres normalises before it hashes is taken for another one, and set again.
    """
    found = _SCRAM.fullmatch(verifier or "")
    if not found:
        return False
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), b64decode(found["salt"]), int(found["rounds"]))
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    return hmac.compare_digest(hashlib.sha256(client_key).digest(), b64decode(found["stored_key"]))


def _make_database(server: Connection, name: str, owner: str | None) -> None:
    if name not in _names(server, "select datname from pg_database"):
        _run(server, [_compose("create database {}", name)])
    if owner:
        _run(server, [_compose("alter database {} owner to {}", name, owner)])


def _make_schemas(database: Connection, owners: Mapping[str, str | None]) -> None:
    # Asked first: `create schema if not exists` needs the right to create even where there is nothing to do.
    existing = _names(database, "select nspname from pg_namespace")
    for schema, owner in owners.items():
        if schema not in existing:
            _run(database, [_compose("create schema {}", schema)])
        if owner:
            _run(database, [_compose("alter schema {} owner to {}", schema, owner)])


def _connect(url: str) -> Connection:
    server = psycopg2.connect(url, connect_timeout=10)
    server.autocommit = True  # `create database` refuses a transaction, and each statement may be repeated alone
    return server


def _run(server: Connection, statements: Iterable[Statement]) -> None:
    """Run each statement, again where somebody else changed the same table's entry of the catalogue meanwhile, as a run does that makes one."""
    again = Retrying(
        retry=retry_if_exception(_is_meanwhile_changed),
        stop=stop_after_attempt(CHANGED_ATTEMPTS),
        wait=wait_random(0.05, 0.5),
        reraise=True,
    )
    with server.cursor() as cursor:
        for statement in statements:
            again(cursor.execute, statement)


def _is_meanwhile_changed(error: BaseException) -> bool:
    """Postgres has no code of its own for it ("tuple concurrently updated", "… deleted"), and no lock for rights that others wait at."""
    return isinstance(error, psycopg2.errors.InternalError_) and "tuple concurrently" in str(error)


def _names(server: Connection, query: str) -> set[str]:
    with server.cursor() as cursor:
        cursor.execute(query)
        return {name for (name,) in cursor}


def _compose(text: str, *identifiers: str) -> Statement:
    return sql.SQL(text).format(*map(sql.Identifier, identifiers))
