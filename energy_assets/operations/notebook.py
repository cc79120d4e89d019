"""The current home as a notebook reads it: small frames out of both stores. Nothing here can write.

What belongs here: opening a home, frames with a bound, what the simulator planted. What does not: what is computed from
them (ml/) and what is drawn (notebooks/).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from energy_assets import home as homes
from energy_assets.embedded import supervisor
from energy_assets.embedded.connections import connections, read_only
from energy_assets.home import Calendar, Home
from energy_assets.operations.errors import OperationError
from energy_assets.resources.gates import READABLE_STATES
from energy_assets.resources.pools import psycopg2_connection
from energy_assets.resources.warehouse import Warehouse
from energy_assets.settings import settings
from ml.anomaly.evaluation import Planted

MOST_ROWS = 100_000
"""A frame is for looking at: what is larger is aggregated in the store, or streamed as Arrow."""

CHECKOUT = Path(__file__).resolve().parents[2]


class ReadOnlyWarehouse(Warehouse):
    """The warehouse for whoever looks: it reads every schema, and Postgres refuses its writes."""

    def _dsn(self, as_loader: bool) -> str:
        return read_only(super()._dsn(as_loader))


@dataclass(frozen=True)
class OpenHome:
    """A home whose stores answer. Frames hold at most `MOST_ROWS` rows; more raise OperationError, naming what to do."""

    home: Home

    @property
    def calendar(self) -> Calendar:
        return self.home.calendar()

    @property
    def warehouse(self) -> ReadOnlyWarehouse:
        """For the project's own functions that read, and for Arrow streams of whatever is no small frame."""
        return ReadOnlyWarehouse(home=str(self.home.path))

    def postgres(self, statement: str, parameters: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """What a `select` says, with `%(name)s` for parameters; numerics as floats."""
        from psycopg2 import Error

        try:
            # A cursor on the server's side: a result that is too large never gets here whole.
            with (
                psycopg2_connection(self.warehouse._dsn(as_loader=False)) as connection,
                connection,
                connection.cursor(name="notebook") as cursor,
            ):
                cursor.execute(statement, parameters)
                rows = cursor.fetchmany(MOST_ROWS + 1)
                names = [column.name for column in cursor.description or ()]
        except Error as error:
            raise OperationError(str(error).strip()) from error
        _require_few(len(rows))
        return pd.DataFrame.from_records(rows, columns=names, coerce_float=True)

    def clickhouse(self, statement: str, parameters: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """What a `SELECT` says, with `{name:Type}` for parameters, asked as the user that can only read."""
        from clickhouse_connect.driver.exceptions import ClickHouseError

        from energy_assets.resources.serving import connect

        client = connect(connections(self.home, settings()).clickhouse_bi_url)
        blocks, rows = [], 0
        try:
            with client.query_df_stream(
                statement, parameters=dict(parameters) if parameters else None, tz_mode="aware"
            ) as stream:
                for block in stream:
                    blocks.append(block)
                    _require_few(rows := rows + len(block))
        except ClickHouseError as error:
            raise OperationError(str(error).strip()) from error
        finally:
            client.close()
        return pd.concat(blocks, ignore_index=True) if blocks else pd.DataFrame()

    def readable_days(self, table: str) -> list[date]:
        """The days of a gated table that hold rows behind an open gate, in order. Raises OperationError where there is none."""
        rows = self.warehouse.rows(
            "select reading_date from quality.day_states"
            " where table_name = %s and state = any(%s) and row_count > 0 order by reading_date",
            (table, list(READABLE_STATES)),
        )
        if not rows:
            raise OperationError(
                f"home {self.home.name} has no day of {table} yet: `make demo` makes a home with data, `energy-assets resume` runs what waits"
            )
        return [day for (day,) in rows]

    def planted(self, file: Path | None = None) -> Planted | None:
        """What the simulator planted, from the demo's truth/anomalies.csv or from `file`; None where nobody knows the truth."""
        file = file or self.home.path / "simulated" / "truth" / "anomalies.csv"
        if not file.is_file():
            return None
        truth = pd.read_csv(file, dtype=str)
        started, ended = (
            pd.to_datetime(truth[name], utc=True).dt.tz_localize(None).to_numpy().astype("datetime64[s]")
            for name in ("started_at", "ended_at")
        )
        return Planted(truth["meter_id"].to_numpy(str), started, ended, truth["kind"].to_numpy(str))


def open_home(name: str | None = None) -> OpenHome:
    """The current home, or the one called `name`; this process then acts on it.

    A notebook runs in its own folder: where neither $ENERGY_HOME nor a home below that folder says otherwise, the checkout's
    homes are meant. Raises HomeError without a home, and OperationError where its stores are stopped, naming the command.
    """
    if "ENERGY_HOME" not in os.environ and not homes.root().exists():
        os.environ["ENERGY_HOME"] = str(CHECKOUT / homes.DEFAULT_ROOT)
    home = homes.named(name) if name else homes.current()
    home.calendar()
    if stopped := [state.name for state in supervisor.status(home, settings()) if not state.is_healthy]:
        raise OperationError(f"{' and '.join(stopped)} of home {home.name} do not answer: run `energy-assets up`")
    # The graph's calendar is that of the process's home, read when its modules are first imported.
    os.environ["ENERGY_HOME"] = str(home.path)
    return OpenHome(home)


def _require_few(rows: int) -> None:
    if rows > MOST_ROWS:
        raise OperationError(
            f"more than {MOST_ROWS:,} rows for a frame: aggregate or limit them in the statement, or stream them with"
            " home.warehouse.stream(…)"
        )
