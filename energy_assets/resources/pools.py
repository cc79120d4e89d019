"""Connections that are kept open between uses: opening one costs 12 ms by psycopg2 and 80 ms by ADBC, a day write a few.

What belongs here: pools by URL. What does not: transactions and statements (warehouse.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from adbc_driver_postgresql.dbapi import Connection as AdbcConnection
    from psycopg2.extensions import connection as Connection
    from sqlalchemy import Engine, Pool

KEPT = 4


@contextmanager
def psycopg2_connection(dsn: str) -> Iterator[Connection]:
    """A connection that answers, whatever happened to the server since it was last used; rolled back when returned."""
    pooled = _engine(dsn).raw_connection()
    try:
        yield cast("Connection", pooled.driver_connection)
    finally:
        pooled.close()


@contextmanager
def adbc_connection(dsn: str) -> Iterator[AdbcConnection]:
    """An ADBC connection outside autocommit; given up where its use fails."""
    pooled = _adbc_pool(dsn).connect()
    try:
        yield cast("Connection", pooled.driver_connection)
    except BaseException:
        pooled.invalidate()
        raise
    finally:
        pooled.close()


@lru_cache(maxsize=8)
def _engine(dsn: str) -> Engine:
    from sqlalchemy import create_engine

    from energy_assets.embedded.connections import psycopg2_url

    return create_engine(psycopg2_url(dsn), pool_size=KEPT, pool_pre_ping=True)


@lru_cache(maxsize=8)
def _adbc_pool(dsn: str) -> Pool:
    from adbc_driver_postgresql import dbapi
    from sqlalchemy.pool import QueuePool

    return QueuePool(lambda: dbapi.connect(dsn), pool_size=KEPT)
