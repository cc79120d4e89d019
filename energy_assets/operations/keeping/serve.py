"""Serve every day anew: after a restore, and when keys take the place of identifiers or the other way round.

What belongs here: filling ClickHouse's tables outside of runs. What does not: a day's own copy (assets/serving.py), which names are replaced
(resources/pseudonyms.py).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from energy_assets.embedded.connections import connections
from energy_assets.home import Home, acting_on
from energy_assets.operations.errors import OperationError
from energy_assets.resources.pseudonyms import Pseudonyms, is_pseudonymised, known_identifiers, mark_of, meter_key
from energy_assets.resources.turns import alone
from energy_assets.resources.warehouse import Warehouse
from energy_assets.settings import settings

STAGED_DAYS = 30
"""Days of a table that are twice in ClickHouse while they are copied."""


def serve_anew(home: Home, dropped: Path | None = None) -> int:
    """Fill ClickHouse's tables from Postgres, and from the files of `dropped` with days that Postgres has no more; how many days of tables that were.

    A day whose copy is older than its table, because it was written or turned red since, is left to the graph: it owes it. Of a red day
    the copy that readers kept is gone.
    """
    from energy_assets.assets.serving import SERVED as TABLES
    from energy_assets.resources.served_records import copy
    from energy_assets.resources.serving import Serving
    from energy_assets.resources.serving_ddl import DATABASE as SERVING_DATABASE
    from energy_assets.resources.serving_ddl import quoted

    warehouse, serving = Warehouse(home=str(home.path)), Serving(home=str(home.path))
    count = 0
    for served in TABLES:
        warehouse.rows(
            "with gone as (delete from quality.day_versions as copied using quality.day_versions as source"
            " where copied.table_name = %s and source.table_name = %s and source.reading_date = copied.reading_date"
            " and source.version > copied.version returning 1) select count(*) from gone",
            (served.ledger_name, served.source),
        )
        days = warehouse.rows(
            "select reading_date from quality.day_versions as copied where table_name = %s and row_count > 0 and not exists ("
            "  select from quality.day_states as source where source.table_name = %s and source.reading_date = copied.reading_date"
            "  and source.state = 'dropped') order by 1",
            (served.ledger_name, served.source),
        )
        for first in range(0, len(days), STAGED_DAYS):
            with (
                warehouse.locked(served.ledger_name),
                serving.client() as client,
                serving.swapping(client, served.table, run_id="anew", is_switch=True) as swap,
            ):
                for (day,) in days[first : first + STAGED_DAYS]:
                    with warehouse.stream(served.day_query, {"day": day}) as batches:
                        swap.replace(day, batches)
        count += len(days)
        with serving.client() as client:
            for path in sorted((dropped / served.table).glob("*.parquet") if dropped else ()):
                with path.open("rb") as file:
                    client.raw_insert(quoted(SERVING_DATABASE, served.table), insert_block=file, fmt="Parquet")
    with warehouse.transaction() as connection, connection.cursor() as cursor:
        cursor.execute("delete from quality.records_served where destination = %s", (SERVING_DATABASE,))
    copy(warehouse, serving, is_switch=True)
    return count


def serve_as_set(home: Home, say: Callable[[str], None]) -> None:
    """Let ClickHouse hold keys or identifiers, as ENERGY_PSEUDONYMISE says; nothing is done where it does."""
    if is_pseudonymised(home) == settings().pseudonymise:
        return
    with acting_on(home), alone(connections(home, settings()).transformer_dsn, say=say):
        say(f"serving all days anew, {'under keys' if settings().pseudonymise else 'by their identifiers'}")
        _rename_dropped(home)
        serve_anew(home)
        if settings().pseudonymise:
            mark_of(home).touch(mode=0o600)
        else:
            mark_of(home).unlink()


def identifier_of(home: Home, key: str) -> str:
    """The meter or customer that is served as `key`. Raises OperationError where no known one is."""
    from energy_assets.landing.keyed import key_of

    warehouse, secret = Warehouse(home=str(home.path)), key_of(home)
    head = key.partition("-")[0]  # a case's name begins with its meter's
    found = next((name for name in known_identifiers(warehouse) if meter_key(secret, name) == head), None)
    if found is None:
        raise OperationError(f"{key} is the key of no meter or customer of home {home.name}: is it of another home?")
    return found + key.removeprefix(head)


def _rename_dropped(home: Home) -> None:
    """Days that ClickHouse alone holds are read from there, and written under the other names."""
    from energy_assets.assets.serving import SERVED as TABLES
    from energy_assets.resources.serving import Serving
    from energy_assets.resources.serving_ddl import DATABASE as SERVING_DATABASE
    from energy_assets.resources.serving_ddl import quoted

    warehouse, serving = Warehouse(home=str(home.path)), Serving(home=str(home.path))
    names = (Pseudonyms.of if settings().pseudonymise else Pseudonyms.undone)(warehouse)
    for served in TABLES:
        days = warehouse.rows(
            "select reading_date from quality.day_states where table_name = %s and state = 'dropped' order by 1",
            (served.source,),
        )
        columns = ", ".join(quoted(column.name) for column in served.columns if column.is_stored)
        with serving.client() as client:
            for (day,) in days:
                table = client.query_arrow(
                    f"SELECT {columns} FROM {quoted(SERVING_DATABASE, served.table)} WHERE {quoted(served.date_column)} = {{day:Date}}",
                    parameters={"day": day.isoformat()},
                    use_strings=True,
                )
                with serving.swapping(client, served.table, run_id="renamed", is_switch=True, names=names) as swap:
                    swap.replace(day, table.to_reader())
