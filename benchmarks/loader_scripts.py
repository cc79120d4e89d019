"""What a user might pick instead of the landing zone, each as its documentation has it; run by the Python of an environment that has them.

    DSN=… python loader_scripts.py NAME CSV    → seconds of the load, its imports not counted

What belongs here: the loaders. What does not: measuring them beside ours (other_loaders.py). Nothing of the platform may be imported.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

TABLE = "raw_data.by_hand_day"
COLUMNS = ("meter_id", "reading_at", "consumption_kwh")


def pandas_execute_batch(dsn: str, path: Path) -> Callable[[], None]:
    """Rows of a frame by INSERT, a hundred a round trip."""
    import pandas as pd
    import psycopg2
    from psycopg2.extras import execute_batch

    def load() -> None:
        frame = pd.read_csv(path)
        with psycopg2.connect(dsn) as connection, connection.cursor() as cursor:
            execute_batch(
                cursor,
                f"insert into {TABLE} ({', '.join(COLUMNS)}) values (%s, %s, %s)",
                frame[list(COLUMNS)].itertuples(index=False),
            )

    return load


def dlt_rows(dsn: str, path: Path) -> Callable[[], None]:
    """dlt's own reader of CSV, and the format that it prefers for Postgres."""
    import dlt
    from dlt.sources.filesystem import filesystem, read_csv

    def load() -> None:
        files = filesystem(bucket_url=path.parent.as_uri(), file_glob=path.name)
        _pipeline(dlt, dsn, "by_dlt").run((files | read_csv()).with_name("by_dlt"), write_disposition="replace")

    return load


def dlt_arrow(dsn: str, path: Path) -> Callable[[], None]:
    """The fastest way that dlt documents for Postgres: an Arrow table, as CSV through COPY."""
    import dlt
    import pyarrow.csv as pacsv

    def load() -> None:
        _pipeline(dlt, dsn, "by_dlt_arrow").run(
            pacsv.read_csv(path), table_name="by_dlt_arrow", write_disposition="replace", loader_file_format="csv"
        )

    return load


def pgpq_copy(dsn: str, path: Path) -> Callable[[], None]:
    """Arrow batches encoded in Rust for COPY in binary."""
    import psycopg
    import pyarrow as pa
    import pyarrow.csv as pacsv
    from pgpq import ArrowToPostgresBinaryEncoder

    types = {"meter_id": pa.string(), "reading_at": pa.timestamp("us", "UTC"), "consumption_kwh": pa.float64()}

    def load() -> None:
        table = pacsv.read_csv(path, convert_options=pacsv.ConvertOptions(column_types=types))
        encoder = ArrowToPostgresBinaryEncoder(table.schema)
        with psycopg.connect(dsn) as connection, connection.cursor() as cursor:
            # What is encoded has no zone and no numeric: it passes through a table of its own.
            cursor.execute(
                "create temporary table encoded (meter_id text, reading_at timestamp, consumption_kwh double precision)"
            )
            with cursor.copy("copy encoded from stdin with (format binary)") as copy:
                copy.write(encoder.write_header())
                for batch in table.to_batches():
                    copy.write(encoder.write_batch(batch))
                copy.write(encoder.finish())
            cursor.execute(
                f"insert into {TABLE} ({', '.join(COLUMNS)})"
                " select meter_id, reading_at at time zone 'UTC', consumption_kwh from encoded"
            )

    return load


def _pipeline(dlt, dsn: str, name: str):
    # A name of its own: what dlt knows of a table, columns that it added included, is kept in the database under it.
    return dlt.pipeline(
        name,
        destination=dlt.destinations.postgres(dsn),
        dataset_name="raw_data",
        pipelines_dir=tempfile.mkdtemp(dir=os.environ["DLT_DATA_DIR"]),
    )


LOADERS = {
    "pandas + execute_batch": pandas_execute_batch,
    "dlt, rows": dlt_rows,
    "dlt, Arrow and COPY": dlt_arrow,
    "pgpq (Rust), COPY in binary": pgpq_copy,
}

if __name__ == "__main__":
    name, path = sys.argv[1:]
    load = LOADERS[name](os.environ["DSN"], Path(path))
    started = time.perf_counter()
    load()
    print(time.perf_counter() - started)
