"""How much room databases, tables and directories take, and how much is left.

What belongs here: sizes. What does not: judging them (dashboards/prometheus/rules.yml).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from energy_assets.embedded.connections import DAGSTER_DATABASE, DATABASE, SUPERSET_DATABASE
from energy_assets.monitoring.metrics import (
    CONNECTIONS,
    DATABASE_SIZE,
    DIRECTORY_SIZE,
    DISK_FREE,
    DISK_SIZE,
    FILESYSTEM_FREE,
    FILESYSTEM_SIZE,
    TABLE_PARTS,
    TABLE_ROWS,
    TABLE_SIZE,
    Sample,
)
from energy_assets.monitoring.sources import Sources
from energy_assets.resources.serving_ddl import DATABASE as SERVED_DATABASE

BLOCK_BYTES = 512
"""Of st_blocks, whatever the file system's own."""


def postgres(sources: Sources) -> Iterator[Sample]:
    rows = sources.postgres.rows(
        "select datname, pg_database_size(oid), (select count(*) from pg_stat_activity as held where held.datid = pg_database.oid)"
        " from pg_database where datname = any(%s) or datname = current_database()",
        ([DATABASE, DAGSTER_DATABASE, SUPERSET_DATABASE],),
    )
    for database, size, connections in rows:
        yield Sample(DATABASE_SIZE, size, (database,))
        yield Sample(CONNECTIONS, connections, (database,))


def clickhouse(sources: Sources) -> Iterator[Sample]:
    tables = sources.clickhouse.query(
        "SELECT table, sum(bytes_on_disk), sum(rows), count() FROM system.parts"
        " WHERE active AND database = {database:String} GROUP BY table",
        parameters={"database": SERVED_DATABASE},
    ).result_rows
    for table, *values in tables:
        for metric, value in zip((TABLE_SIZE, TABLE_ROWS, TABLE_PARTS), values, strict=True):
            yield Sample(metric, value, (table,))
    for disk, total, free in sources.clickhouse.query(
        "SELECT name, total_space, free_space FROM system.disks"
    ).result_rows:
        yield Sample(DISK_SIZE, total, (disk,))
        yield Sample(DISK_FREE, free, (disk,))


def filesystem(sources: Sources) -> Iterator[Sample]:
    usage = shutil.disk_usage(sources.home.path)
    yield Sample(FILESYSTEM_SIZE, usage.total)
    yield Sample(FILESYSTEM_FREE, usage.free)


def directories(sources: Sources) -> Iterator[Sample]:
    """Takes as long as the home has files: a part of its own, asked for less often the longer it takes."""
    for entry in sorted(sources.home.path.iterdir()):
        if entry.is_dir():
            yield Sample(DIRECTORY_SIZE, _disk_usage(entry.resolve()), (entry.name,))


def _disk_usage(directory: Path) -> int:
    """Bytes that the files below take; files come and go while it is counted. Raises PermissionError where not all can be seen."""
    size = 0
    for folder, _, names in os.walk(directory, onerror=_raise_unless_gone):
        for name in names:
            try:
                size += Path(folder, name).lstat().st_blocks * BLOCK_BYTES
            except FileNotFoundError:
                continue
    return size


def _raise_unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
