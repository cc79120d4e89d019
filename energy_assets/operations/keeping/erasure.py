"""Erase a customer: their rows in every store and file of the home, what names them elsewhere, and the backups that hold them.

What belongs here: the order of that, files, and what is told of it. What does not: statements (resources/erasure.py), how landing leaves them out
afterwards (landing/erasures.py).

Whatever it is interrupted by, the same command goes on: until the end a file of the home, mode 0600, says what is being erased. The
tombstone comes first, so that no file that lands meanwhile brings the customer back.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
from psycopg2 import sql

from energy_assets.access import user
from energy_assets.embedded.bootstrap import OWNERS
from energy_assets.embedded.connections import DAGSTER_SCHEMA, DATABASE
from energy_assets.home import Home, write_atomically
from energy_assets.landing import contract, parts
from energy_assets.landing.erasures import (
    CUSTOMER,
    SUBJECTS,
    Period,
    Tombstone,
    bury,
    tombstones,
    without_rows,
)
from energy_assets.landing.keyed import KEY_FILE, key_of, pseudonym
from energy_assets.operations.errors import OperationError
from energy_assets.operations.keeping.backup import Source, backup, databases, known_backups, remove
from energy_assets.resources import erasure as rows
from energy_assets.resources.answers import answer
from energy_assets.resources.erasure import Held, Table, patterns
from energy_assets.resources.ledger import stale_records
from energy_assets.resources.pseudonyms import is_pseudonymised, meter_key
from energy_assets.resources.serving import Serving
from energy_assets.resources.serving_ddl import DATABASE as SERVING_DATABASE
from energy_assets.resources.serving_ddl import quoted
from energy_assets.resources.turns import alone, files_kept
from energy_assets.resources.warehouse import Warehouse, partition_of
from energy_assets.settings import settings

if TYPE_CHECKING:
    import pyarrow as pa
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

logger = logging.getLogger(__name__)

Say = Callable[[str], None]

PENDING = "erasure.pending.json"
STORES = ("postgres", "clickhouse")
BINARY = (".parquet", ".skops", ".pkl")


@dataclass
class Erasure:
    """What is, or would be, erased."""

    held: Held
    rows: Counter[str] = field(default_factory=Counter)
    """By table, of both stores."""
    part_rows: int = 0
    part_files: int = 0
    landed: list[Path] = field(default_factory=list)
    """Delivered files that hold them; what else they hold is in parts."""
    reworded: int = 0
    """Rows of tables, and files, in which only words named them."""
    left: list[Path] = field(default_factory=list)
    """Files that name them and are not read yet, or cannot be rewritten."""
    backups: list[Path] = field(default_factory=list)
    new_backups: list[Path] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        return {
            "rows": self.rows.total(),
            "part_rows": self.part_rows,
            "files": len(self.landed),
            "backups": len(self.backups),
        }


def look(home: Home, customer: str) -> Erasure:
    """What erasing `customer` would touch; changes nothing. Raises OperationError where the register knows no such customer."""
    held = _held(home, customer)
    found = Erasure(held)
    with closing(psycopg2.connect(_dsn(home))) as connection, connection, connection.cursor() as cursor:
        found.rows += rows.count_rows(cursor, rows.tables(cursor), held)
    shas = set()
    for path, before, after in _parts_with(home, held):
        shas.add(path.stem)
        found.part_files += 1
        found.part_rows += before - after.num_rows
    found.landed, found.left = _landed_with(home, held, shas)
    found.backups = [known.path for known in known_backups(home)]
    return found


def erase(home: Home, customer: str, *, reason: str, say: Say = lambda line: None) -> Erasure:
    """Erase `customer`, and every backup that the home knows; where there was one, a new one is made first.

    No run goes on meanwhile. Raises OperationError as `look` does, and without a reason.
    """
    if not reason.strip():
        raise OperationError(
            "why is the customer erased? give a --reason; it is kept with the tombstone, without their name"
        )
    dsn = Warehouse(home=str(home.path)).connections.transformer_dsn
    with files_kept(dsn, say=say), alone(dsn, say=say):
        held = _held(home, customer)
        found = Erasure(held)
        write_atomically(home.path / PENDING, json.dumps(asdict(held), default=str), mode=0o600)
        stone = _tombstone(home, held, reason)
        bury(home, stone)
        say("parts and delivered files")
        shas = {path.stem for path, *_ in _parts_with(home, held)}
        found.landed, found.left = _landed_with(home, held, shas)
        recounted = _rewrite_parts(home, held, found)
        for path in found.landed:
            path.unlink()
        say("ClickHouse")
        serving = Serving(home=str(home.path))
        deleted: Counter[str] = Counter()
        with serving.client() as client, serving.servers(client) as there:
            for shard in there.shards:
                for table, count in rows.delete_served(shard, _as_served(home, held)).items():
                    deleted[there.plain(table)] += count
        found.rows.update({f"{SERVING_DATABASE}.{name}": count for name, count in deleted.items()})
        say("Postgres")
        touched = _erase_tables(home, held, recounted, found)
        _reword_logs(home, held, found)
        _serve_reworded(home, touched, deleted)
        say("logs and pages")
        _reword_files(home, held, found)
        _rewrite_pages(home, touched)
        bury(home, replace(stone, counts=found.counts))
    old = known_backups(home)
    for folder in dict.fromkeys(known.path.parent for known in old):
        say(f"a new backup in {folder}")
        found.new_backups.append(backup(home, folder, say=say).path)
    for known in old:
        remove(known)
        found.backups.append(known.path)
    (home.path / PENDING).unlink()
    return found


def _held(home: Home, customer: str) -> Held:
    """What the customer held; of one whose erasure was interrupted, what it was then."""
    pending = home.path / PENDING
    if pending.is_file():
        told = json.loads(pending.read_text(encoding="utf-8"))
        if told["customer"] != customer:
            raise OperationError(
                f"the erasure of another customer was interrupted: `energy-assets erase-customer` it again first; {pending} says whom"
            )
        periods = tuple(
            Period(p["meter"], *(date.fromisoformat(p[name]) if p[name] else None for name in ("first_day", "end_day")))
            for p in told["periods"]
        )
        return Held(customer, periods, tuple(told["alone"]))
    with closing(psycopg2.connect(_dsn(home))) as connection, connection, connection.cursor() as cursor:
        held = rows.held_by(cursor, customer)
    if not held.periods and not held.alone:
        stone = next((s for s in tombstones(home) if s.customer == _pseudonym(home, customer)), None)
        if stone:
            raise OperationError(
                f"that customer was erased on {stone.erased_at:%Y-%m-%d} by {stone.erased_by}: {stone.reason}"
            )
        raise OperationError(
            'the register of meters names no such customer: energy-assets sql "select customer_id, meter_id from raw_data.current_meters" lists them'
        )
    return held


def _pseudonym(home: Home, customer: str) -> str:
    return pseudonym(key_of(home), customer) if (home.path / KEY_FILE).is_file() else ""


def _tombstone(home: Home, held: Held, reason: str) -> Tombstone:
    key = key_of(home)
    hashed = [Period(pseudonym(key, period.meter), period.first_day, period.end_day) for period in held.periods]
    return Tombstone(
        pseudonym(key, held.customer),
        tuple(sorted(hashed, key=str)),
        datetime.now(UTC).replace(microsecond=0),
        user(),
        without_names(reason, (*held.alone, held.customer)),
    )


def _as_served(home: Home, held: Held) -> Held:
    """The same by the keys under which ClickHouse may know the meters."""
    if not is_pseudonymised(home):
        return held
    key = key_of(home)
    return replace(held, periods=tuple(replace(period, meter=meter_key(key, period.meter)) for period in held.periods))


def _parts_with(home: Home, held: Held) -> Iterator[tuple[Path, int, pa.Table]]:
    """Each part that holds rows of the customer: (path, rows now, table without them)."""
    import pyarrow.parquet as pq

    for source in contract.SOURCES:
        for path in sorted((home.parts / source.name).glob("*/*.parquet")):
            kept = without_rows(path, source, held.periods, held.customer, held.alone)
            if kept is not None:
                yield path, pq.read_metadata(path).num_rows, kept


def _rewrite_parts(home: Home, held: Held, found: Erasure) -> dict[tuple[str, str, date], int]:
    """Write parts anew without the customer; (start of the file's hash, source, day) -> rows that are left."""
    import pyarrow.parquet as pq

    recounted: dict[tuple[str, str, date], int] = {}
    draft = parts.draft_directory(home.parts)
    try:
        for path, before, kept in _parts_with(home, held):
            found.part_files += 1
            found.part_rows += before - kept.num_rows
            source, day = path.parent.parent.name, path.parent.name
            if day != parts.UNDATED:
                recounted[path.stem, source, date.fromisoformat(day)] = kept.num_rows
            pq.write_table(kept, draft / path.name, compression="zstd")
            parts.move_durably(draft / path.name, path)
        for path in (
            *(home.parts / parts.REJECTED).glob("*.parquet"),
            *home.parts.glob(f"*/{parts.UNDATED}/*.parquet"),
        ):
            if (words := _reworded(pq.read_table(path), held)) is not None:
                found.reworded += 1
                pq.write_table(words, draft / path.name, compression="zstd")
                parts.move_durably(draft / path.name, path)
    finally:
        parts.drop_draft(draft)
    return recounted


def _reworded(table: pa.Table, held: Held) -> pa.Table | None:
    """Rows of quarantine or of records without words that name the customer; None where none does."""
    import pyarrow as pa

    is_changed = False
    for position, of in enumerate(table.schema):
        if not pa.types.is_string(of.type) or of.name in (*SUBJECTS, CUSTOMER):
            continue
        texts = table[of.name].to_pylist()
        words = [text and without_names(text, (held.customer, *held.alone)) for text in texts]
        if words != texts:
            is_changed, table = True, table.set_column(position, of, pa.array(words, of.type))
    return table if is_changed else None


def without_names(text: str, names: Collection[str]) -> str:
    for pattern, replacement in patterns(names):
        text = re.sub(pattern, replacement, text)
    return text


def _landed_with(home: Home, held: Held, shas: Collection[str]) -> tuple[list[Path], list[Path]]:
    """Delivered files that name the customer or held rows of them: (those that were read, those that were not). `shas` are the starts of the
    hashes of files whose parts hold such rows."""
    known = dict(Warehouse(home=str(home.path)).rows("select path, sha256 from raw_data.landing_paths"))
    named = _bytes_pattern(held)
    read: list[Path] = []
    unread: list[Path] = []
    for path in sorted(home.landing.rglob("*")):
        if not path.is_file():
            continue
        sha = known.get(path.relative_to(home.landing).as_posix())
        if (sha and sha[:16] in shas) or named.search(str(path.name).encode()) or _names(path, named):
            (read if sha else unread).append(path)
    return read, unread


def _names(path: Path, named: re.Pattern[bytes]) -> bool:
    """Whether a delivered file names the customer, whatever its form."""
    import gzip

    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.suffix == ".parquet":
        try:
            table = pq.read_table(path)
        except (pa.ArrowInvalid, OSError):
            return bool(named.search(path.read_bytes()))
        return any(
            named.fullmatch(value.encode())
            for column in table.columns
            if pa.types.is_string(column.type)
            for value in column.unique().to_pylist()
            if value
        )
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError):
        content = path.read_bytes()
    return bool(named.search(content))


def _erase_tables(
    home: Home, held: Held, recounted: dict[tuple[str, str, date], int], found: Erasure
) -> dict[Table, set[date | None]]:
    """Take rows and words out of the warehouse, in one transaction, and what they were out of its files."""
    touched: dict[Table, set[date | None]] = {}
    with closing(psycopg2.connect(_dsn(home))) as connection:
        with connection, connection.cursor() as cursor:
            known = rows.tables(cursor)
            cursor.execute(*stale_records())
            stale = {(day, table) for day, table, *_ in cursor.fetchall()}
            for table, days in rows.delete_rows(cursor, known, held).items():
                found.rows[table.called] += sum(days.values())
                touched[table] = set(days)
            for table, reworded in rows.reword(cursor, known, held, everywhere=False).items():
                found.reworded += len(reworded) or 1
                touched[table] = touched.get(table, set()) | reworded
            rows.recount_parts(cursor, recounted)
            rows.keep_not_owed(cursor, stale)
            cursor.execute("delete from quality.records_served")  # copied whole again, with the words that are left
        _rewrite_tables(connection, touched)
    return touched


def _reword_logs(home: Home, held: Held, found: Erasure) -> None:
    """What Dagster and Superset noted: events, samples of checks, queries."""
    for source in _noted_in(home):
        with closing(psycopg2.connect(source.dsn)) as connection:
            with connection, connection.cursor() as cursor:
                known = [table for table in rows.tables(cursor, source.schemas or None) if table.schema not in OWNERS]
                touched = rows.reword(cursor, known, held, everywhere=True)
                found.reworded += len(touched)
            _rewrite_tables(connection, {table: {None} for table in touched})


def _noted_in(home: Home) -> list[Source]:
    """The databases of Dagster and Superset, on whichever server."""
    known = settings()
    if not known.postgres_user_url:
        return [source for name, source in databases(home, known).items() if name != DATABASE]
    superset = [Source(known.superset_database_url)] if known.superset_database_url else []
    return [Source(known.postgres_user_url, (DAGSTER_SCHEMA,)), *superset]


OLDER_TRANSACTIONS = """
    select from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and greatest(age(backend_xmin), age(backend_xid)) > age(%s::xid)
    limit 1
"""
OLDER_SECONDS = 60.0


def _wait_for_older_transactions(cursor: Cursor) -> None:
    """Until those that began earlier have ended, a vacuum keeps what was deleted for them; the server's own analysis takes seconds.

    One that lasts longer is logged of: the rows are gone, and what they were leaves the files with the next vacuum of their tables.
    """
    cursor.execute("select pg_current_xact_id()::xid::text")
    now = answer(cursor)
    until = time.monotonic() + OLDER_SECONDS
    while time.monotonic() < until:
        cursor.execute(OLDER_TRANSACTIONS, (now,))
        if not cursor.rowcount:
            return
        time.sleep(0.1)
    logger.warning(
        "a transaction is open for longer than %.0f s: what was erased may stay in Postgres' files", OLDER_SECONDS
    )


def _rewrite_tables(connection: Connection, touched: dict[Table, set[date | None]]) -> None:
    """Write the tables anew that rows were taken from, or rather their days: else what was deleted stays in the file until it is overwritten."""
    connection.autocommit = True
    with connection.cursor() as cursor:
        _wait_for_older_transactions(cursor)
        for table, days in touched.items():
            names = [partition_of(table.name, day) for day in days if day] if table.is_partitioned else [table.name]
            for name in names:
                cursor.execute("select to_regclass(format('%%I.%%I', %s, %s))", (table.schema, name))
                if answer(cursor):
                    cursor.execute(sql.SQL("vacuum (full, analyze) {}").format(sql.Identifier(table.schema, name)))
            if table.is_partitioned:
                cursor.execute(sql.SQL("analyze {}").format(sql.Identifier(table.schema, table.name)))
        cursor.execute("select usesuper from pg_user where usename = current_user")
        if answer(cursor) and not settings().postgres_url:  # of another server its operator decides
            # What the planner remembers of columns, and the log of changes: both hold values.
            _wait_for_older_transactions(cursor)
            cursor.execute("vacuum full pg_catalog.pg_statistic")
            cursor.execute("alter system set wal_recycle = off")
            cursor.execute("select pg_reload_conf()")
            cursor.execute("select pg_sleep(0.2)")
            for _ in range(2):
                cursor.execute("select pg_switch_wal()")
                cursor.execute("checkpoint")
            cursor.execute("alter system reset wal_recycle")
            cursor.execute("select pg_reload_conf()")


def _serve_reworded(home: Home, touched: dict[Table, set[date | None]], deleted: Collection[str]) -> None:
    """Copy days to ClickHouse again in which words were replaced, and all records."""
    from energy_assets.assets.serving import SERVED
    from energy_assets.resources.served_records import TABLES, copy

    warehouse, serving = Warehouse(home=str(home.path)), Serving(home=str(home.path))
    days = {table.name: {day for day in found if day} for table, found in touched.items()}
    written = {served.table for served in SERVED if days.get(served.source)}
    for served in SERVED:
        copied = warehouse.rows(
            "select reading_date from quality.day_versions where table_name = %s and reading_date = any(%s) and row_count > 0",
            (served.ledger_name, sorted(days.get(served.source, ()))),
        )
        with serving.client() as client:
            for (day,) in copied:
                with (
                    serving.swapping(client, served.table, run_id="erasure") as swap,
                    warehouse.stream(served.day_query, {"day": day}) as batches,
                ):
                    swap.replace(day, batches)
    with serving.client() as client, serving.servers(client) as known:
        for records in TABLES:
            known.everywhere(f"TRUNCATE TABLE {quoted(SERVING_DATABASE, known.local(records.table))}{{on}}")
    copy(warehouse, serving)
    if not settings().clickhouse_url:
        with serving.client() as client:
            rows.drop_replaced(client, sorted({*written, *deleted, *(records.table for records in TABLES)}))
            rows.forget_queries(client)


def _reword_files(home: Home, held: Held, found: Erasure) -> None:
    """Replace what names the customer in logs, pages and whatever else lies in the home, in place: programs go on writing to their logs."""
    named = _bytes_pattern(held)
    for path in _other_files(home):
        content = path.read_bytes()
        if not named.search(content):
            continue
        if b"\0" in content[:8192] or path.suffix in BINARY:
            if path.is_relative_to(home.superset):
                path.unlink()  # a cache
            else:
                found.left.append(path)
            continue
        for pattern, replacement in patterns(_names_of(held)):
            content = re.sub(pattern.encode(), replacement.encode(), content)
        with path.open("r+b") as file:
            file.write(content)
            file.truncate()
        found.reworded += 1


def _other_files(home: Home) -> Iterator[Path]:
    skipped = {*STORES, "landing", "parts", "credentials.toml", "ports.toml", "backups.toml", PENDING, KEY_FILE}
    for entry in sorted(home.path.iterdir()):
        if entry.name in skipped:
            continue
        yield from (path for path in (sorted(entry.rglob("*")) if entry.is_dir() else [entry]) if path.is_file())


def _rewrite_pages(home: Home, touched: dict[Table, set[date | None]]) -> None:
    """Data Docs are made anew of what is recorded now."""
    if touched and home.data_docs.is_dir():
        from energy_assets.resources.data_docs import build

        build(Warehouse(home=str(home.path)), anew=True)


def _names_of(held: Held) -> list[str]:
    return [held.customer, *sorted({*held.alone, *(period.meter for period in held.periods)})]


def _bytes_pattern(held: Held) -> re.Pattern[bytes]:
    return re.compile("|".join(f"(?:{pattern})" for pattern, _ in patterns([held.customer, *held.alone])).encode())


def _dsn(home: Home) -> str:
    """The warehouse, as whoever may change every table of it."""
    return databases(home, settings())[DATABASE].dsn
