"""How to reach a home's stores: one URL for each role, the same shape whether embedded or real.

What belongs here: URLs, from the credentials and ports files or from the settings. What does not: anything that connects.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from energy_assets.embedded import credentials, ports
from energy_assets.embedded.errors import StoreError
from energy_assets.home import Home
from energy_assets.settings import Settings

DATABASE = "energy"
DAGSTER_DATABASE = "dagster"
SUPERSET_DATABASE = "superset"
DAGSTER_SCHEMA = "dagster"
"""Of a real Postgres, Dagster's tables live in this schema of the one database that the operator gave."""
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
    where the settings name another for Superset or for those who only read.

    Raises StoreError where an embedded store was never started.
    """
    return Connections(**_postgres(home, settings), **_clickhouse(home, settings))


def postgres_url(user: str, password: str, port: int, database: str) -> str:
    return f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}@{ports.LOOPBACK}:{port}/{database}"


def psycopg2_url(dsn: str) -> str:
    """The same for SQLAlchemy, which takes another driver for a bare `postgresql://`."""
    return dsn.replace("postgresql://", "postgresql+psycopg2://", 1)


def clickhouse_url(user: str, password: str, port: int) -> str:
    return f"http://{quote(user, safe='')}:{quote(password, safe='')}@{ports.LOOPBACK}:{port}/"


def read_only(url: str) -> str:
    """The same Postgres as the same role, but whose transactions write nothing unless they ask to."""
    return _with_options(url, READ_ONLY)


def _postgres(home: Home, settings: Settings) -> dict[str, Any]:
    if real := settings.postgres_url:
        return {
            "loader_dsn": real,
            "transformer_dsn": real,
            "bi_dsn": real,
            "dagster_dsn": _with_options(real, f"-csearch_path={DAGSTER_SCHEMA}"),
            "monitor_dsn": read_only(real),
            "monitor_dagster_dsn": _with_options(real, f"-csearch_path={DAGSTER_SCHEMA} {READ_ONLY}"),
            "superset_dsn": settings.superset_database_url,
        }
    port = _port(home, "postgres")
    passwords = credentials.read(home).postgres
    return {
        "loader_dsn": postgres_url("loader", passwords.loader, port, DATABASE),
        "transformer_dsn": postgres_url("transformer", passwords.transformer, port, DATABASE),
        "bi_dsn": postgres_url("bi", passwords.bi, port, DATABASE),
        "dagster_dsn": postgres_url("dagster", passwords.dagster, port, DAGSTER_DATABASE),
        "monitor_dsn": postgres_url("monitor", passwords.monitor, port, DATABASE),
        "monitor_dagster_dsn": postgres_url("monitor", passwords.monitor, port, DAGSTER_DATABASE),
        "superset_dsn": postgres_url("superset", passwords.superset, port, SUPERSET_DATABASE),
    }


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
