"""Ask a store without being able to write.

What belongs here: read-only statements of a person. What does not: the graph's own statements (resources/).
"""

from __future__ import annotations

from typing import Any

from energy_assets.embedded.connections import connections
from energy_assets.home import Home
from energy_assets.operations.errors import OperationError
from energy_assets.settings import settings


def query(home: Home, store: str, statement: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows. Raises OperationError with the store's own message."""
    known = connections(home, settings())
    if store == "clickhouse":
        return _clickhouse(known.clickhouse_bi_url, statement)
    return _postgres(known.transformer_dsn, statement)


def _postgres(dsn: str, statement: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """One statement in a read-only transaction; the driver prepares it, so that a second one cannot end the transaction."""
    from adbc_driver_manager import Error
    from adbc_driver_postgresql import dbapi

    try:
        with dbapi.connect(dsn) as connection, connection.cursor() as cursor:
            cursor.execute("set transaction read only")
            cursor.execute(statement)
            names = [column[0] for column in cursor.description or []]
            return names, cursor.fetchall() if names else []
    except Error as error:
        raise OperationError(str(error).strip()) from error


def _clickhouse(url: str, statement: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    from clickhouse_connect.driver.exceptions import ClickHouseError

    from energy_assets.resources.serving import connect

    client = connect(url)
    try:
        result = client.query(statement)
        return list(result.column_names), list(result.result_rows)
    except ClickHouseError as error:
        raise OperationError(str(error).strip()) from error
    finally:
        client.close()
