"""Ask a store without being able to write.

What belongs here: read-only statements of a person. What does not: the graph's own statements (resources/).
"""

from __future__ import annotations

import re
from typing import Any

from energy_assets.embedded.connections import connections
from energy_assets.home import Home
from energy_assets.operations.errors import OperationError
from energy_assets.settings import settings

TABLES = "→ docs/05-data-dictionary.md lists tables and columns; one statement at a time, and none that writes"


def query(home: Home, store: str, statement: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows. Raises OperationError with the store's own message."""
    if not statement.strip():
        raise OperationError('there is no statement: give one in quotes, e.g. energy-assets sql "select 1"')
    known = connections(home, settings())
    if store == "clickhouse":
        return _clickhouse(known.clickhouse_bi_url, statement)
    return _postgres(known.transformer_dsn, statement)


def _postgres(dsn: str, statement: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """One statement in a read-only transaction; the driver prepares it, so that a second one cannot end the transaction."""
    import psycopg2
    from adbc_driver_manager import Error
    from adbc_driver_postgresql import dbapi

    psycopg2.connect(dsn).close()  # its error, where nothing answers, is the one that every command words
    try:
        with dbapi.connect(dsn) as connection, connection.cursor() as cursor:
            cursor.execute("set transaction read only")
            cursor.execute(statement)
            names = [column[0] for column in cursor.description or []]
            return names, cursor.fetchall() if names else []
    except Error as error:
        raise OperationError(f"{_postgres_words(str(error))}\n{TABLES}") from error


def _postgres_words(message: str) -> str:
    """The server's own words, without the driver's around them."""
    words = message.partition("ERROR:")[2] or message
    return re.sub(r"\s*(Query was: .*)?\.? SQLSTATE: \w+\s*$", "", words, flags=re.DOTALL).strip()


def _clickhouse(url: str, statement: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

    from energy_assets.resources.serving import connect

    client = None
    try:
        client = connect(url)
        result = client.query(statement)
        return list(result.column_names), [tuple(row) for row in result.result_rows]
    except ClickHouseError as error:
        if isinstance(error, OperationalError):
            raise  # nothing answers
        words = str(error).partition("DB::Exception: ")[2] or str(error)
        # Of a syntax error, the list of all that might follow.
        raise OperationError(f"{words.partition('. Expected one of')[0].strip()}\n{TABLES}") from error
    finally:
        if client is not None:
            client.close()
