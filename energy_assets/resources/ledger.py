"""The ledger of deliveries: which content each path held, which of it counts, and which days it touches.

What belongs here: every statement on raw_data.landing_*, on raw_data.rejected_rows and on tables of records, but the view of
whole days (deliveries.py). What does not: reading files (landing/).
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from energy_assets.days import DayWindow
from energy_assets.landing.contract import DAILY_SOURCES, RECORD_SOURCES, Source
from energy_assets.landing.contract import source as contract_source

if TYPE_CHECKING:
    import pyarrow as pa
    from psycopg2.extensions import cursor as Cursor

    from energy_assets.landing.files import DataFile
    from energy_assets.landing.land import LandedFile
    from energy_assets.resources.warehouse import Rows, Warehouse


class RetractionError(Exception):
    """A file that cannot be withdrawn; the message names what is known."""


@dataclass(frozen=True)
class ActiveFile:
    """A file that counts for a day."""

    file_id: int
    sha256: str


@dataclass(frozen=True)
class DayInputs:
    """What a raw day is to be loaded from, and the fingerprint of this choice; None where nothing was ever delivered."""

    files: tuple[ActiveFile, ...] = ()
    fingerprint: str | None = None


@dataclass(frozen=True)
class UnreadableFile:
    """A file that could not be read at all."""

    path: str
    sha256: str
    message: str


def unread(warehouse: Rows, files: Iterable[DataFile], mappings_changed_at: datetime | None = None) -> list[DataFile]:
    """Those of `files` whose path, size and modification time are not the ones that were last read.

    One that could not be read is unread again once the mappings changed: one of them may fit it now.
    """
    known = {
        row[0]: (row[1], row[2])
        for row in warehouse.rows(
            "select path, byte_count, modified_ns from ("
            "select distinct on (path) held.path, held.byte_count, held.modified_ns, held.seen_at, file.status"
            " from raw_data.landing_paths as held join raw_data.landing_files as file using (sha256)"
            " order by held.path, held.seen_at desc) as newest"
            " where status <> 'unreadable' or %(changed_at)s::timestamptz is null or seen_at >= %(changed_at)s",
            {"changed_at": mappings_changed_at},
        )
    }
    return [file for file in files if known.get(file.relative) != (file.size, file.mtime_ns)]


def record(warehouse: Warehouse, landed: LandedFile, *, run_id: str) -> bool:
    """Enter a read file, in one transaction; whether its content is new.

    New content at a path withdraws what the path held, unless the mapping declares that it adds. Content that cannot be read
    corrects nothing: what the path held stands until a readable file comes. Content that is known already only gets one
    more path; one that could not be read before, and can now that a mapping fits it, is new.
    """
    with warehouse.transaction(as_loader=True) as connection, connection.cursor() as cursor:
        cursor.execute("select quality.lock_table('raw_data.landing_files')")
        is_new = _insert_file(cursor, landed, run_id)
        if landed.status == "landed" and landed.same_path == "corrects":
            cursor.execute(
                "update raw_data.landing_paths set is_current = false where path = %s and sha256 <> %s",
                (landed.path, landed.sha256),
            )
        cursor.execute(
            "insert into raw_data.landing_paths (path, sha256, byte_count, modified_ns) values (%s, %s, %s, %s)"
            " on conflict (path, sha256) do update set is_current = true, byte_count = excluded.byte_count,"
            " modified_ns = excluded.modified_ns, seen_at = clock_timestamp()",
            (landed.path, landed.sha256, landed.size, landed.mtime_ns),
        )
    return is_new


def day_inputs(warehouse: Warehouse, source: Source, window: DayWindow) -> dict[date, DayInputs]:
    """For each day of the window: the files that hold rows of it, by hash."""
    rows = warehouse.rows(
        "select reading_date, inputs, array_agg(file_id order by sha256) filter (where part.row_count > 0),"
        " array_agg(sha256 order by sha256) filter (where part.row_count > 0)"
        " from raw_data.landing_parts as part join raw_data.active_files using (file_id)"
        " join raw_data.day_inputs using (source, reading_date)"
        " where source = %s and reading_date >= %s and reading_date < %s group by reading_date, inputs",
        (source.name, window.start, window.end),
    )
    known = {
        day: DayInputs(tuple(map(ActiveFile, ids or (), shas or ())), fingerprint)
        for day, fingerprint, ids, shas in rows
    }
    return {day: known.get(day, DayInputs()) for day in window}


def stale_days(warehouse: Rows) -> dict[date, dict[str, str]]:
    """Days of raw tables that were loaded from other files than count now, or never: what landings touched and no run redid.

    Each raw table of a day comes with a fingerprint of what there is to load and what was loaded: it changes when either does.
    """
    rows = warehouse.rows(
        """
        with sources as (
            select source, table_name from unnest(%s, %s) as known (source, table_name)
        ),
        loaded as (
            select source, reading_date, inputs, version from quality.day_versions join sources using (table_name)
        ),
        due as (
            select source, reading_date, inputs from raw_data.day_inputs
        )
        select reading_date, table_name, concat_ws(':', due.inputs, version)
        from due full join loaded using (source, reading_date) join sources using (source)
        where due.inputs is distinct from loaded.inputs
          -- Nothing is left to load a day from whose parts were dropped: what comes late of it stays in the ledger alone.
          and not exists (
            select from quality.dropped_days as dropped where dropped.table_name = 'parts' and dropped.reading_date = coalesce(due.reading_date, loaded.reading_date)
          )
        order by reading_date, table_name
        """,
        ([source.name for source in DAILY_SOURCES], [source.table for source in DAILY_SOURCES]),
    )
    stale: dict[date, dict[str, str]] = {}
    for day, table, fingerprint in [*rows, *_stale_record_days(warehouse)]:
        stale.setdefault(day, {})[table] = fingerprint
    return stale


def has_delivered(warehouse: Warehouse, source: Source) -> bool:
    """Whether any file ever brought a row of the source, readable or not."""
    return warehouse.rows(
        "select exists (select from raw_data.landing_parts where source = %(source)s)"
        " or exists (select from raw_data.rejected_rows where source = %(source)s)"
        " or exists (select from raw_data.record_states where source = %(source)s)",
        {"source": source.name},
    )[0][0]


def record_count(warehouse: Warehouse, source: Source) -> int:
    """Delivered rows of a source of records."""
    from psycopg2 import sql

    return warehouse.rows(sql.SQL("select count(*) from raw_data.{}").format(sql.Identifier(source.table)))[0][0]


def staged_records(source: Source) -> str:
    """The table that holds, day by day, what a source's records say."""
    return f"stg_{source.table}"


def _stale_record_days(warehouse: Rows) -> list[tuple[Any, ...]]:
    """Days that were staged from other records than count for them now."""
    return [
        (day, table, f"{inputs}:{version}" if inputs is not None else str(version))
        for day, table, inputs, version in warehouse.rows(*stale_records())
    ]


def stale_records() -> tuple[str, tuple[list[str], list[str]]]:
    """A query and its parameters: the days that were staged from other records than count for them now.

    Rows: (day, staged table, what the records that count say of it now, version).
    """
    return (
        """
        with known as (select source, table_name from unnest(%s, %s) as known (source, table_name)),
        states as materialized (select source, is_lasting, changed_on, inputs from raw_data.record_states)
        select staged.reading_date, table_name, due.inputs, staged.version
        from quality.day_versions as staged
        join known using (table_name)
        left join lateral (
            select inputs from states
            where states.source = known.source
              and (changed_on = staged.reading_date or (is_lasting and changed_on < staged.reading_date))
            order by changed_on desc
            limit 1
        ) as due on true
        where due.inputs is distinct from staged.inputs
        order by staged.reading_date, table_name
        """,
        ([source.name for source in RECORD_SOURCES], [staged_records(source) for source in RECORD_SOURCES]),
    )


def delivered_days(warehouse: Warehouse) -> DayWindow | None:
    """From the first to the last day of which readings count; None where none landed."""
    first, last = warehouse.rows(
        "select min(reading_date), max(reading_date) + 1 from raw_data.day_inputs where row_count > 0 and source = any(%s)",
        ([source.name for source in DAILY_SOURCES if source.makes_days],),
    )[0]
    return DayWindow(first, last) if first else None


def unreadable_files(warehouse: Rows, day: date | None = None) -> list[UnreadableFile]:
    """Unreadable files that nobody corrected or withdrew.

    Of a day: those whose path names it or held rows of it before; any, where the day has no rows.
    """
    rows = warehouse.rows(
        """
        select held.path, file.sha256, file.message
        from raw_data.landing_files as file
        join raw_data.landing_paths as held using (sha256)
        where file.status = 'unreadable' and held.is_current and file.retracted_at is null
          and (
            %(day)s::date is null
            or translate(held.path, '-_. ', '') like '%%' || to_char(%(day)s::date, 'YYYYMMDD') || '%%'
            or exists (
                select from raw_data.landing_paths as earlier
                join raw_data.landing_files as content using (sha256)
                join raw_data.landing_parts as part using (file_id)
                where earlier.path = held.path and part.reading_date = %(day)s
            )
            or not exists (select from raw_data.day_inputs where reading_date = %(day)s and row_count > 0)
          )
        order by held.path
        """,
        {"day": day},
    )
    return [UnreadableFile(*row) for row in rows]


def retract(warehouse: Warehouse, name: str, *, reason: str) -> list[date]:
    """Withdraw the content that `name` (a path, or the start of a sha256) holds; the days that its rows or records touch.

    It stays withdrawn when the same content is delivered again, until `restore`. Raises RetractionError where nothing or
    more than one content fits.
    """
    return _withdrawn(
        warehouse,
        name,
        "update raw_data.landing_files set retracted_at = clock_timestamp(), retraction = %s where file_id = %s",
        reason,
        is_retracted=False,
    )


def restore(warehouse: Warehouse, name: str) -> list[date]:
    """Let withdrawn content count again; the days it touches. Raises RetractionError as `retract` does."""
    return _withdrawn(
        warehouse,
        name,
        "update raw_data.landing_files set retracted_at = null, retraction = %s where file_id = %s",
        None,
        is_retracted=True,
    )


def retraction_of(warehouse: Warehouse, sha256: str) -> str | None:
    """Who withdrew the content and why; None where nobody did."""
    found = warehouse.rows(
        "select retraction from raw_data.landing_files where sha256 = %s and retracted_at is not null", (sha256,)
    )
    return found[0][0] if found else None


def _withdrawn(
    warehouse: Warehouse, name: str, statement: str, retraction: str | None, *, is_retracted: bool
) -> list[date]:
    """Withdraw or restore a file; the days that it brought rows of, and those that its records say something else of now."""
    stale = {row[0] for row in _stale_record_days(warehouse)}
    with warehouse.transaction(as_loader=True) as connection, connection.cursor() as cursor:
        file_id = _file_called(cursor, name, is_retracted=is_retracted)
        cursor.execute(statement, (retraction, file_id))
        days = _days_of(cursor, file_id)
    return sorted({*days, *({row[0] for row in _stale_record_days(warehouse)} ^ stale)})


def _file_called(cursor: Cursor, name: str, *, is_retracted: bool) -> int:
    cursor.execute(
        "select distinct file_id from raw_data.landing_files join raw_data.landing_paths using (sha256)"
        " where (retracted_at is not null) = %s"
        " and (path = %s and is_current or (length(%s) >= 8 and starts_with(sha256, %s)))",
        (is_retracted, name, name, name),
    )
    found = cursor.fetchall()
    if len(found) != 1:
        which = "withdrawn file" if is_retracted else "landed file"
        what = f"no {which} is" if not found else f"{len(found)} {which}s are"
        raise RetractionError(
            f"{what} called {name!r}: give its path below the landing zone or the first 8 characters of its sha256; "
            '`energy-assets sql "select path, sha256, retracted_at from raw_data.landing_paths'
            ' join raw_data.landing_files using (sha256)"` lists them'
        )
    return found[0][0]


def _days_of(cursor: Cursor, file_id: int) -> list[date]:
    cursor.execute("select distinct reading_date from raw_data.landing_parts where file_id = %s order by 1", (file_id,))
    return [row[0] for row in cursor.fetchall()]


def _insert_file(cursor: Cursor, landed: LandedFile, run_id: str) -> bool:
    cursor.execute(
        "insert into raw_data.landing_files (sha256, byte_count, status, message, mapping, mapping_sha256,"
        " unknown_columns, rows_read, rows_rejected, run_id) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " on conflict (sha256) do nothing returning file_id",
        (
            landed.sha256,
            landed.size,
            landed.status,
            landed.message or None,
            landed.mapping,
            landed.mapping_hash,
            list(landed.unknown_columns),
            landed.rows_read,
            landed.rows_rejected,
            run_id,
        ),
    )
    inserted = cursor.fetchone() or _readable_now(cursor, landed, run_id)
    if inserted is None:
        return False
    _copy(cursor, "rejected_rows", inserted[0], landed.reject_batches())
    for name in landed.records:
        _copy(cursor, contract_source(name).table, inserted[0], landed.record_batches(name))
    _insert_parts(cursor, inserted[0], landed)
    return True


def _readable_now(cursor: Cursor, landed: LandedFile, run_id: str) -> tuple[int] | None:
    """The number of a file that could not be read when it came and now can, its entry renewed; None where it is no such file."""
    if landed.status != "landed":
        return None
    cursor.execute(
        "update raw_data.landing_files set status = %s, message = null, mapping = %s, mapping_sha256 = %s, unknown_columns = %s,"
        " rows_read = %s, rows_rejected = %s, run_id = %s, landed_at = clock_timestamp()"
        " where sha256 = %s and status = 'unreadable' returning file_id",
        (
            landed.status,
            landed.mapping,
            landed.mapping_hash,
            list(landed.unknown_columns),
            landed.rows_read,
            landed.rows_rejected,
            run_id,
            landed.sha256,
        ),
    )
    renewed = cursor.fetchone()
    if renewed is not None:
        cursor.execute("delete from raw_data.rejected_rows where file_id = %s", renewed)
    return renewed


def _copy(cursor: Cursor, table: str, file_id: int, batches: Iterable[pa.RecordBatch]) -> None:
    """A file's rows by COPY, batch by batch: a file of junk can have millions."""
    import pyarrow as pa
    from psycopg2 import sql
    from pyarrow import csv

    for batch in batches:
        rows = pa.Table.from_batches([batch]).append_column(
            "file_id", pa.repeat(pa.scalar(file_id, pa.int32()), batch.num_rows)
        )
        buffer = io.BytesIO()
        csv.write_csv(rows, buffer, csv.WriteOptions(include_header=False))
        buffer.seek(0)
        columns = sql.SQL(", ").join(map(sql.Identifier, rows.schema.names))
        statement = sql.SQL("copy raw_data.{} ({}) from stdin with (format csv)")
        cursor.copy_expert(statement.format(sql.Identifier(table), columns), buffer)


def _insert_parts(cursor: Cursor, file_id: int, landed: LandedFile) -> None:
    """Accepted and rejected rows per source and day; rejects without a readable day are shared out by the days' rows."""
    from psycopg2.extras import execute_values

    cursor.execute(
        "select source, reading_date, count(*) from raw_data.rejected_rows where file_id = %s and row_number > 0"
        " group by source, reading_date",
        (file_id,),
    )
    rejected = {(source, day): count for source, day, count in cursor.fetchall()}
    parts = []
    for source in {*landed.sources, *(source for source, day in rejected if day)} - landed.records.keys():
        accepted = landed.sources.get(source, {})
        total, undated = sum(accepted.values()), rejected.get((source, None), 0)
        for day in {*accepted, *(day for known, day in rejected if known == source and day)}:
            share = Decimal(undated * accepted.get(day, 0)) / total if total else Decimal(0)
            parts.append((file_id, source, day, accepted.get(day, 0), rejected.get((source, day), 0) + round(share, 6)))
    execute_values(
        cursor,
        "insert into raw_data.landing_parts (file_id, source, reading_date, row_count, rejected_count) values %s",
        parts,
    )
