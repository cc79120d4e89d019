"""How to reach a home's stores: one URL for each role, the same shape whether embedded or real.

What belongs here: URLs, from the credentials and ports files or from the settings. What does not: anything that connects.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from energy_assets.embedded import credentials, ports
from energy_assets.embedded.credentials import PostgresPasswords
from energy_assets.embedded.errors import StoreError
from energy_assets.home import Home
from energy_assets.settings import Settings

DATABASE = "energy"
DAGSTER_DATABASE = "dagster"
SUPERSET_DATABASE = "superset"
DAGSTER_SCHEMA = "dagster"
"""Of a real Postgres, Dagster's tables live in this schema of the one database that the operator gave."""
ROLES_NOT_MADE = (
    "the platform's roles are not on the server that POSTGRES_URL names, or with other passwords than this home's: run `energy-assets up` once"
    " with POSTGRES_ADMIN_URL=postgresql://postgres:…@host:port/"
)
READ_ONLY = "-cdefault_transaction_read_only=on"


@dataclass(frozen=True)
class Connections:
    """URLs with passwords in them (hidden from `repr`), for psycopg2, ADBC, dbt and clickhouse-connect."""

    loader_dsn: str = field(repr=False)
    """Owns and writes raw_data."""
    transformer_dsn: str = field(repr=False)
    """Owns and writes staging, intermediate, ml, marts and quality."""
    bi_dsn: str = field(repr=False)
    """Reads intermediate, ml, marts and quality."""
    dagster_dsn: str = field(repr=False)
    """Runs, events and schedules of Dagster."""
    monitor_dsn: str = field(repr=False)
    """Reads quality, marts and the ledger of deliveries, and how large what is: what metrics are made of."""
    monitor_dagster_dsn: str = field(repr=False)
    """Reads Dagster's tables."""
    superset_dsn: str | None = field(repr=False)
    """Superset's own users, charts and pages; None where a real Postgres is used and none was named for them."""
    clickhouse_url: str = field(repr=False)
    clickhouse_bi_url: str = field(repr=False)


def connections(home: Home, settings: Settings) -> Connections:
    """The URLs of `home`'s stores; with POSTGRES_URL or CLICKHOUSE_URL set, that store's every role uses that URL, except
    where the settings name another for Superset or for those who only read. A POSTGRES_URL without a user is a server on which the
    platform has the roles of an embedded one.

    Raises StoreError where an embedded store was never started, or where the roles on a server were not made yet.
    """
    return Connections(**_postgres(home, settings), **_clickhouse(home, settings))


def embedded_server(port: int) -> str:
    """The address of an embedded Postgres, of no role and no database yet."""
    return f"postgresql://{ports.LOOPBACK}:{port}"


def role_url(server: str, role: str, password: str, database: str) -> str:
    """A Postgres as `role`; what the server's address asks for besides (sslmode, …) stays."""
    parts = urlsplit(server)
    address = parts.netloc.rpartition("@")[2]
    return urlunsplit(
        parts._replace(netloc=f"{quote(role, safe='')}:{quote(password, safe='')}@{address}", path=f"/{database}")
    )


def in_database(url: str, database: str) -> str:
    """The same Postgres as the same role, in another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def postgres_url(user: str, password: str, port: int, database: str) -> str:
    """An embedded Postgres as `user`."""
    return role_url(embedded_server(port), user, password, database)


def psycopg2_url(dsn: str) -> str:
    """The same for SQLAlchemy, which takes another driver for a bare `postgresql://`."""
    return dsn.replace("postgresql://", "postgresql+psycopg2://", 1)


def clickhouse_url(user: str, password: str, port: int) -> str:
    return f"http://{quote(user, safe='')}:{quote(password, safe='')}@{ports.LOOPBACK}:{port}/"


def read_only(url: str) -> str:
    """The same Postgres as the same role, but whose transactions write nothing unless they ask to."""
    return _with_options(url, READ_ONLY)


def _postgres(home: Home, settings: Settings) -> dict[str, Any]:
    if real := settings.postgres_user_url:
        return {
            "loader_dsn": real,
            "transformer_dsn": real,
            "bi_dsn": real,
            "dagster_dsn": _with_options(real, f"-csearch_path={DAGSTER_SCHEMA}"),
            "monitor_dsn": read_only(real),
            "monitor_dagster_dsn": _with_options(real, f"-csearch_path={DAGSTER_SCHEMA} {READ_ONLY}"),
            "superset_dsn": settings.superset_database_url,
        }
    server = settings.postgres_url or embedded_server(_port(home, "postgres"))
    passwords = _passwords(home, settings)
    return {
        "loader_dsn": role_url(server, "loader", passwords.loader, DATABASE),
        "transformer_dsn": role_url(server, "transformer", passwords.transformer, DATABASE),
        "bi_dsn": role_url(server, "bi", passwords.bi, DATABASE),
        "dagster_dsn": role_url(server, "dagster", passwords.dagster, DAGSTER_DATABASE),
        "monitor_dsn": role_url(server, "monitor", passwords.monitor, DATABASE),
        "monitor_dagster_dsn": role_url(server, "monitor", passwords.monitor, DAGSTER_DATABASE),
        "superset_dsn": settings.superset_database_url
        or role_url(server, "superset", passwords.superset, SUPERSET_DATABASE),
    }


def _passwords(home: Home, settings: Settings) -> PostgresPasswords:
    if settings.has_roles_on_server and not home.credentials_file.exists():
        raise StoreError(ROLES_NOT_MADE)
    return credentials.read(home).postgres


def _clickhouse(home: Home, settings: Settings) -> dict[str, Any]:
    if real := settings.clickhouse_url:
        return {"clickhouse_url": real, "clickhouse_bi_url": settings.clickhouse_bi_url or real}
    port = _port(home, "clickhouse")
    passwords = credentials.read(home).clickhouse
    return {
        "clickhouse_url": clickhouse_url("writer", passwords.writer, port),
        "clickhouse_bi_url": clickhouse_url("bi", passwords.bi, port),
    }


def _port(home: Home, store: str) -> int:
    try:
        return ports.remembered(home)[store]
    except KeyError:
        raise StoreError(f"the {store} of home {home.path} was never started: run `energy-assets up`") from None


def _with_options(url: str, options: str) -> str:
    parts = urlsplit(url)
    option = urlencode({"options": options}, quote_via=quote)
    return urlunsplit(parts._replace(query=f"{parts.query}&{option}" if parts.query else option))
