"""ClickHouse as the serving store: clients, its schema, and who may swap days when.

What belongs here: how the graph reaches ClickHouse. What does not: which rows are served (assets/serving.py), swapping days (serving_swap.py),
table definitions (clickhouse_ddl/) and their application (serving_schema.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import dagster as dg

from energy_assets.home import Home
from energy_assets.resources.pseudonyms import Pseudonyms, is_pseudonymised
from energy_assets.resources.serving_cluster import cluster_script
from energy_assets.resources.serving_ddl import DATABASE, Script, scripts
from energy_assets.resources.serving_schema import LEDGER, Drift, SchemaError, apply_retention, apply_scripts, drifts
from energy_assets.resources.serving_swap import DaySwap, Servers, drop_leftovers, servers
from energy_assets.resources.warehouse import Warehouse
from energy_assets.settings import settings

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

RETRIES = 3
RETRY_AFTER_SECONDS = 20.0
"""A server that restarts is back within a minute; one that is down for longer is for a person to look at."""


class Serving(dg.ConfigurableResource):  # type: ignore[type-arg]  # Dagster's own resources are not parametrised either
    """Clients are made when used, never when the code location loads."""

    home: str

    @contextmanager
    def client(self) -> Iterator[Client]:
        from energy_assets.embedded.connections import connections

        client = connect(connections(Home.at(self.home), settings()).clickhouse_url)
        try:
            yield client
        finally:
            client.close()

    def apply_schema(self) -> None:
        """Apply what of `clickhouse_ddl/` is not applied yet. Raises SchemaError where the tables are something else."""
        with self.client() as client:
            apply_scripts(client, _scripts())
            if not settings().clickhouse_cluster:
                apply_retention(client, _scripts(), settings().serving_retention_days)

    def drifts(self) -> list[Drift]:
        """Where the tables differ from `clickhouse_ddl/`; changes nothing."""
        with self.client() as client:
            return drifts(client, _scripts())

    @contextmanager
    def swapping(
        self, client: Client, table: str, *, run_id: str, is_switch: bool = False, names: Pseudonyms | None = None
    ) -> Iterator[DaySwap]:
        """Days of `table` can be swapped inside; the caller holds the table's lock.

        Rows are served under keys where the settings say so, or under `names`. Raises SchemaError where the other days hold what the
        settings no longer say, unless this is the switch.
        """
        if not is_switch:
            self._require_as_set()
        if names is None and settings().pseudonymise:
            names = Pseudonyms.of(Warehouse(home=self.home))
        with self.servers(client) as found:
            drop_leftovers(found, table)
            swap = DaySwap(found, table, run_id, names)
            try:
                yield swap
            finally:
                swap.drop_staging()

    @contextmanager
    def servers(self, client: Client) -> Iterator[Servers]:
        """Where rows lie: the server of `client`, or one of each shard of its cluster."""
        from energy_assets.embedded.connections import connections

        url = connections(Home.at(self.home), settings()).clickhouse_url
        with servers(client, url, settings().clickhouse_cluster, connect) as found:
            yield found

    def _require_as_set(self) -> None:
        if is_pseudonymised(Home.at(self.home)) != settings().pseudonymise:
            held, wanted = ("keys", "off") if not settings().pseudonymise else ("identifiers", "on")
            raise SchemaError(
                f"ClickHouse holds {held} of meters, and ENERGY_PSEUDONYMISE is {wanted} here: set it as it should be, then energy-assets up,"
                " which serves all days anew where it changed"
            )


def _scripts() -> list[Script]:
    """The scripts in the form that the settings ask for."""
    cluster = settings().clickhouse_cluster
    return [cluster_script(script, cluster) for script in scripts()] if cluster else scripts()


@contextmanager
def tried_again_while_away() -> Iterator[None]:
    """Inside a step: have Dagster try it again where ClickHouse does not answer. A restart takes seconds, a day write repeats."""
    from clickhouse_connect.driver.exceptions import OperationalError

    try:
        yield
    except OperationalError as error:
        raise dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=RETRY_AFTER_SECONDS) from error


def connect(url: str, **options: Any) -> Client:
    """A clickhouse-connect client for `http(s)://user:password@host:port/`; `options` are further ones of get_client, such as timeouts."""
    import clickhouse_connect

    parts = urlsplit(url)
    return clickhouse_connect.get_client(
        interface=parts.scheme,
        host=parts.hostname or "127.0.0.1",
        port=parts.port or (8443 if parts.scheme == "https" else 8123),
        username=unquote(parts.username or "default"),
        password=unquote(parts.password or ""),
        autogenerate_session_id=False,
        **options,
    )


def held_tables(client: Client) -> list[str]:
    """Tables of ours that hold any row."""
    rows = client.query(
        "SELECT name FROM system.tables WHERE database = {database:String} AND total_rows > 0 ORDER BY name",
        parameters={"database": DATABASE},
    ).result_rows
    return [table for (name,) in rows if (table := f"{DATABASE}.{name}") != LEDGER]
