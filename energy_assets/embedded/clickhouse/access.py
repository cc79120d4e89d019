"""Who may connect, and what the `bi` user may run.

What belongs here: passwords, and the rules that the engine's own readonly=1 leaves open in process. What does not: running anything.

readonly=1 refuses writing and reading through table functions. In process it still obeys `file('/etc/passwd')` as a
scalar function, DESCRIBE of a file or URL, INTO OUTFILE, KILL QUERY and `Python(…)`: those are refused here, by reading
the statement as ClickHouse itself formats it, so that no comment or quoting of the client's can hide a name.

Which database a SELECT reads is taken from the query tree that the engine makes of it, before anything of it is run: once names are
resolved, scalar subqueries have run, and an error may quote what they read. An unqualified name is of READABLE, for `bi` is always there.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import stat
import tomllib
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from energy_assets.embedded.clickhouse import sql
from energy_assets.embedded.clickhouse.protocol import EndpointError

ACCESS_DENIED = 497
AUTHENTICATION_FAILED = 516
CONSTRAINT = 452
READONLY = 164

READABLE = "energy_analytics"
"""The database that `bi` reads, and the one it is in; a client that says `default` names none in particular."""
READABLE_SYSTEM_TABLES = frozenset(
    {
        "columns",
        "databases",
        "disks",
        "functions",
        "numbers",
        "one",
        "parts",
        "settings",
        "table_functions",
        "tables",
    }
)
"""What clickhouse-connect, Superset, Grafana and the exporter of metrics ask of `system`; clickhouse_ddl/grants/bi.sql grants the same."""

BI_SETTINGS = frozenset(
    {
        "max_execution_time",
        "max_memory_usage",
        "max_result_bytes",
        "max_result_rows",
        "max_rows_to_read",
        "max_bytes_to_read",
        "result_overflow_mode",
        "read_overflow_mode",
        "timeout_overflow_mode",
        "max_block_size",
        "max_threads",
        "session_timezone",
        "date_time_output_format",
        "join_use_nulls",
        "extremes",
        "log_comment",
        "output_format_json_quote_64bit_integers",
        "output_format_arrow_string_as_string",
    }
)
"""Settings that limit or shape what `bi` reads, and that it may therefore give; all others are refused as the server does."""

BI_LIMITS = {"max_execution_time": 300, "max_result_bytes": 512 << 20}
"""Seconds and bytes of a statement of `bi`, which may give less. Beside them its memory, by the engine's (`Engine.bi_limits`)."""

_HARMLESS_TABLE_FUNCTIONS = frozenset(
    {
        "format",
        "generaterandom",
        "generateseries",
        "generate_series",
        "null",
        "numbers",
        "numbers_mt",
        "primes",
        "sqlstandardvalues",
        "values",
        "zeros",
        "zeros_mt",
    }
)
_IDENTIFIER_PARAMETER = re.compile(rb"\{\s*(\w+)\s*:\s*Identifier\s*\}")
_READING_KEYWORDS = frozenset({b"SELECT", b"WITH"})
_NAMING_KEYWORDS = frozenset({b"SHOW", b"DESCRIBE", b"EXISTS", b"USE", b"SET"})
"""Statements that name databases and tables without a query tree; `SET` the engine refuses itself."""
_SHOWN = frozenset(
    {b"TABLES", b"FULL", b"DATABASES", b"CREATE", b"COLUMNS", b"EXTENDED", b"INDEXES", b"FUNCTIONS", b"SETTINGS"}
)
_HANDLE_KEYWORDS = frozenset({b"USE", b"SET"})
_TREE_START = (b"QUERY id: 0", b"UNION id: 0")
_TREE_SYSTEM_TABLE = re.compile(r"identifier: system\.([^\s,.]*)")
_TREE_TABLE_FUNCTION = re.compile(r"table_function_name: ([^\s,]*)")
_TREE_IDENTIFIER = re.compile(r"[ ,]identifier: ([^\s,]*)")
_TREE_FROM = re.compile(
    r"(?:JOIN TREE|TABLE EXPRESSION)\n +IDENTIFIER id: \d+,(?: alias: [^\n]*?,)? identifier: ([^\s,]*)"
)
_TREE_CTE = re.compile(r"cte_name: ([^\s,]*)")
_TREE_FUNCTION = re.compile(r"(?<!table_)function_name: ([^\s,]*)")
_READS_BY_NAME = ("dictget", "dicthas", "dictisin", "joinget")
"""What functions begin with that take the name of a table or dictionary as text."""


@dataclass(frozen=True)
class User:
    name: str
    readonly: bool


WRITER = User("writer", readonly=False)
BI = User("bi", readonly=True)
USERS = (WRITER, BI)
NOBODY = "nobody"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Reading:
    """What a statement asks for, without any value in it."""

    shape: str
    """The engine's hash of the statement without its literals, as in `normalized_query_hash` of system.query_log."""
    tables: tuple[str, ...] = ()
    """`database.table`, of those that there are; UNKNOWN for another."""

    @property
    def is_of_people(self) -> bool:
        """Whether it reads anything but the engine's own tables."""
        return any(not table.startswith("system.") for table in self.tables)


class CredentialsError(Exception):
    """A credentials file that cannot be used; the message names the remedy."""


class Users:
    """The two users and their passwords, which stay in here."""

    def __init__(self, writer: str, bi: str) -> None:
        self._passwords = {WRITER.name: (WRITER, _digest(writer)), BI.name: (BI, _digest(bi))}
        self._nobodys = _digest(secrets.token_hex())

    @classmethod
    def from_file(cls, path: Path) -> Users:
        """Raises CredentialsError where the file is missing, readable by others, or lacks a password."""
        try:
            mode = path.stat().st_mode
            found = tomllib.loads(path.read_text()).get("clickhouse", {})
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise CredentialsError(f"cannot read the credentials file {path}: {error}") from error
        if stat.S_IMODE(mode) & 0o077:
            raise CredentialsError(f"{path} can be read by other users: chmod 600 {path}")
        lacking = [user for user in (WRITER.name, BI.name) if not found.get(user)]
        if lacking:
            raise CredentialsError(f"{path} lacks a password for {', '.join(lacking)} below [clickhouse]: add it")
        return cls(writer=found[WRITER.name], bi=found[BI.name])

    def claimed(self, headers: Mapping[str, str], given: Mapping[str, str]) -> str:
        """The user that a request says it is of, proved or not; `nobody` for a name that is none's."""
        try:
            name, _ = _credentials(headers, given)
        except EndpointError:
            return NOBODY
        return name if name in self._passwords else NOBODY

    def authenticate(self, headers: Mapping[str, str], given: Mapping[str, str]) -> User:
        """The user that a request's headers or its parameters `user` and `password` prove.

        Raises EndpointError 516, in the same words for an unknown user and a wrong password.
        """
        name, password = _credentials(headers, given)
        user, expected = self._passwords.get(name, (None, self._nobodys))
        # Digests are all as long, so that neither a name nor a length shows in the time that this takes.
        if not hmac.compare_digest(expected, _digest(password)) or user is None:
            raise _refused(
                f"{name}: Authentication failed: password is incorrect, or there is no user with such name. "
                "The users here are writer and bi; `energy-assets status` tells how to connect"
            )
        return user


def _digest(password: str) -> bytes:
    return hashlib.sha256(password.encode("utf-8", "surrogateescape")).digest()


def _credentials(headers: Mapping[str, str], given: Mapping[str, str]) -> tuple[str, str]:
    authorization = headers.get("authorization", "")
    header_user, header_key = headers.get("x-clickhouse-user"), headers.get("x-clickhouse-key")
    ways = [
        bool(authorization),
        header_user is not None or header_key is not None,
        "user" in given or "password" in given,
    ]
    if sum(ways) > 1:
        raise _refused(
            "Invalid authentication: it is not allowed to use the Authorization header, X-ClickHouse headers and URL parameters "
            "at once; send one of them"
        )
    if authorization:
        return _basic(authorization)
    if ways[1]:
        return header_user or "default", header_key or ""
    return given.get("user") or "default", given.get("password", "")


def _basic(authorization: str) -> tuple[str, str]:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise _refused(f"Invalid authentication: {scheme} is not supported here; use Basic")
    try:
        name, _, password = b64decode(encoded.strip(), validate=True).decode("utf-8", "surrogateescape").partition(":")
    except (Base64Error, ValueError) as error:
        raise _refused("Invalid authentication: the Authorization header is no Base64 of user:password") from error
    return name or "default", password


def _refused(message: str) -> EndpointError:
    return EndpointError(AUTHENTICATION_FAILED, "AUTHENTICATION_FAILED", message)


def check_bi_settings(settings: Mapping[str, str]) -> None:
    """Raises EndpointError 164 for a setting that is not `bi`'s to give. `readonly` may only be confirmed."""
    for name, value in settings.items():
        if name not in BI_SETTINGS and (name, value) != ("readonly", "1"):
            raise EndpointError(
                READONLY, "READONLY", f"Cannot modify '{name}' setting in readonly mode. User bi only reads"
            )


def limited(settings: Mapping[str, str], limits: Mapping[str, int]) -> dict[str, str]:
    """`bi`'s settings with its limits. Raises EndpointError 452 where it wants more than one of them, or none (0)."""
    for name, most in limits.items():
        given = settings.get(name)
        if given is not None and not _is_within(given, most):
            message = f"Setting {name} shouldn't be greater than {most} for user bi, nor 0"
            raise EndpointError(CONSTRAINT, "SETTING_CONSTRAINT_VIOLATION", message)
    return {name: str(most) for name, most in limits.items()} | dict(settings)


def _is_within(given: str, most: int) -> bool:
    try:
        return 0 < float(given) <= most
    except ValueError:
        return False


def database_of_bi(wanted: str) -> str:
    """The database that `bi` is in. Raises EndpointError 497 where it wants another than READABLE."""
    if wanted not in ("", "default", READABLE):
        raise _denied(f"database {wanted}")
    return READABLE


def denied_functions(table_functions: list[str], network_functions: list[str]) -> frozenset[str]:
    """Names, in lower case, that `bi` may not call: whatever reads files, networks, processes or this interpreter."""
    risky = {name.lower() for name in [*table_functions, *network_functions]}
    return frozenset(risky - _HARMLESS_TABLE_FUNCTIONS | {"file", "hascolumnintable", "catboostevaluate"})


def check_bi_statement(
    canonical: bytes, *, reads_only: bool, statements: int, bound: Mapping[str, str], denied: frozenset[str]
) -> None:
    """Raise EndpointError 164 unless `canonical`, a statement as ClickHouse formats it, only reads what is in tables.

    `reads_only` and `statements` are the engine's own classification of it; `bound` are its query parameters.
    """
    found = list(sql.tokens(canonical))
    kind = sql.first_keyword(canonical)
    if kind not in _READING_KEYWORDS | _NAMING_KEYWORDS | {b"EXPLAIN"} or _has_parallel_statements(found):
        raise _beyond_reading(f"{kind.decode() or 'this'} statement")
    if statements != 1 or not (reads_only or kind in _HANDLE_KEYWORDS) or sql.touches_server_files(canonical):
        raise _beyond_reading(f"{kind.decode() or 'this'} statement")
    for at, token in enumerate(found):
        name = (token.identifier or "").lower()
        following = found[at + 1].text if at + 1 < len(found) else b""
        preceding = found[at - 1] if at else None
        if name in denied and following == b"(":
            raise _beyond_reading(f"function {name}()")
        # `arrayMap(file, …)` and `APPLY file` call it without brackets.
        qualified = following == b"." or (
            preceding is not None and (preceding.text == b"." or preceding.keyword == b"AS")
        )
        if name == "file" and not qualified:
            raise _beyond_reading("bare name `file`, which can be the function (a column of that name: table.file)")
    for name in _IDENTIFIER_PARAMETER.findall(canonical):
        value = bound.get(name.decode(), "")
        if "\\" in value or value.strip('`"').lower() == "file":
            raise _beyond_reading(f"identifier parameter {name.decode()} with this value")
    if kind not in _READING_KEYWORDS:
        names = [token.identifier or "" for token in found if token.kind == "quoted"] + list(bound.values())
        if any(mark in name for name in names for mark in "/\\"):
            raise _beyond_reading("name with a path in it")


def query_in(canonical: bytes) -> bytes | None:
    """The query whose tree tells what `canonical` reads: itself, or what EXPLAIN explains; without the format. None for statements without one.

    Raises EndpointError 164 for an EXPLAIN of anything else.
    """
    kind = sql.first_keyword(canonical)
    if kind in _READING_KEYWORDS:
        return sql.without_format(canonical)
    if kind != b"EXPLAIN":
        return None
    for token in sql.tokens(canonical):
        if token.keyword in _READING_KEYWORDS or token.text == b"(":
            return sql.without_format(canonical[token.start :])
    raise _beyond_reading("EXPLAIN of what is no query")


def check_bi_tree(tree: str, databases: list[str]) -> None:
    """Raise EndpointError 497 unless the query tree, its names unresolved, reads READABLE and what is allowed of `system`; 164 for a function
    that is not `bi`'s. `databases` are all that there are.

    A column of a table or alias that is called as a foreign database is refused too: before names are resolved they look the same.
    """
    if not tree.encode().startswith(_TREE_START):
        raise _beyond_reading("statement without a query tree")
    for database in set(databases) - {READABLE, "system"}:
        if f"identifier: {database}." in tree:
            raise _denied(f"database {database}")
    for table in _TREE_SYSTEM_TABLE.findall(tree):
        if table not in READABLE_SYSTEM_TABLES:
            raise _denied(f"system.{table}")
    for name in _TREE_TABLE_FUNCTION.findall(tree):
        if name.lower() not in _HARMLESS_TABLE_FUNCTIONS:
            raise _beyond_reading(f"table function {name}()")
    for name in _TREE_FUNCTION.findall(tree):
        if name.lower().startswith(_READS_BY_NAME):
            raise _beyond_reading(f"function {name}()")


def tables_in(tree: str, known: Callable[[bool], frozenset[str]]) -> tuple[str, ...]:
    """The tables that a query tree, its names unresolved, names: `database.table`, sorted; one that is not among the known ones is UNKNOWN,
    for anything may be written there.

    `known` says which there are, anew where it is asked to. A column that is called as a table counts as one: better one too many.
    """
    named = {_qualified(name) for name in _TREE_IDENTIFIER.findall(tree)}
    read_from = {_qualified(name) for name in _TREE_FROM.findall(tree)} - {
        _qualified(name) for name in _TREE_CTE.findall(tree)
    }
    there_are = known(False)
    if not read_from <= there_are:
        there_are = known(True)
    return tuple(sorted(named & there_are | ({UNKNOWN} if read_from - there_are else set())))


def _qualified(name: str) -> str:
    return name if "." in name else f"{READABLE}.{name}"


def check_bi_names(canonical: bytes, bound: Mapping[str, str], databases: list[str]) -> None:
    """Raise EndpointError 497 where a statement without a query tree (SHOW, DESCRIBE, EXISTS, USE) names a database that is not `bi`'s;
    164 where it shows something else than tables, columns, functions and settings."""
    found = list(sql.tokens(canonical))
    if found[0].keyword == b"SHOW" and found[1].keyword not in _SHOWN:
        raise _beyond_reading(f"SHOW {found[1].text.decode(errors='replace')}")
    foreign = set(databases) - {READABLE, "system"}
    given = [part.strip('`"') for value in bound.values() for part in value.split(".")]
    for name in [*(token.identifier for token in found), *given]:
        if name in foreign:
            raise _denied(f"database {name}")
    for at, token in enumerate(found):
        if token.identifier == "system" and not _is_readable_system_table(found[at + 1 : at + 3]):
            raise _denied("system tables beyond those that clients need")
    if "system" in given:
        raise _denied("database system")


def _is_readable_system_table(following: list[sql.Token]) -> bool:
    return len(following) == 2 and following[0].text == b"." and following[1].identifier in READABLE_SYSTEM_TABLES


def _has_parallel_statements(found: list[sql.Token]) -> bool:
    return any(a.keyword == b"PARALLEL" and b.keyword == b"WITH" for a, b in pairwise(found))


def _denied(what: str) -> EndpointError:
    return EndpointError(
        ACCESS_DENIED, "ACCESS_DENIED", f"bi: Not enough privileges: {what}. User bi reads tables of {READABLE}"
    )


def _beyond_reading(what: str) -> EndpointError:
    return EndpointError(
        READONLY, "READONLY", f"bi: Cannot execute query in readonly mode: {what}. User bi only reads tables"
    )
