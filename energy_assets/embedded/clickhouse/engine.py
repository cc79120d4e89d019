"""The chDB engine of this process, and one statement's life on a handle of its own.

What belongs here: every call into chDB. All methods block: callers run them in worker threads, one at a time for each Job.
What does not: HTTP (app.py), and what users may do (access.py).
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import re
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO, TypeVar
from xml.sax.saxutils import escape

from energy_assets.embedded.clickhouse import access, sql
from energy_assets.embedded.clickhouse.compression import PIECE_BYTES
from energy_assets.embedded.clickhouse.protocol import (
    FOOTER_SETTINGS,
    STREAMED_FORMATS,
    EndpointError,
    Statistics,
    engine_error,
)
from energy_assets.embedded.clickhouse.sessions import Session, leaves_state, settings_named

logger = logging.getLogger(__name__)

_Value = TypeVar("_Value")
_PIECE_SECONDS = 0.25
"""A slow query's rows do not wait for a full piece."""
_SETTING_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_TAG_SETTING = "chdb_client_name"
"""A setting that nothing reads: it carries a job's tag into system.processes, where KILL QUERY finds it."""
_SERVER_LIKE = {"implicit_select": "0", "allow_introspection_functions": "0"}
"""What chDB, being made for notebooks, sets otherwise than a server."""

_CONFIG = """<clickhouse>
  <logger><level>none</level><console>0</console></logger>
  <timezone>UTC</timezone>
  <max_server_memory_usage>{memory}</max_server_memory_usage>
  <mark_cache_size>{mark_cache}</mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <backups><allowed_path>{backups}</allowed_path></backups>
  <query_log>
    <database>system</database><table>query_log</table>
    <ttl>event_date + INTERVAL 7 DAY DELETE</ttl>
    <flush_interval_milliseconds>7500</flush_interval_milliseconds>
  </query_log>
</clickhouse>
"""
_MAY_HAVE_FOOTER = re.compile(rb"\btotals\b|" + "|".join(FOOTER_SETTINGS).encode(), re.IGNORECASE)
_MARK_CACHE_BYTES = 256 << 20


class DataDirectoryError(Exception):
    """A data directory that the engine cannot open; the message names cause and remedy."""


@dataclass(frozen=True)
class ExternalTable:
    """A table that a request brings along: a temporary table of its handle."""

    name: str
    structure: str
    format: str
    content: Any
    """A binary file."""


@dataclass(frozen=True)
class Request:
    """What a job is to run, and as whom."""

    user: access.User
    database: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    bound: Mapping[str, str] = field(default_factory=dict)
    external: tuple[ExternalTable, ...] = ()
    is_get: bool = False
    query_id: str = ""


class Engine:
    """The engine on one data directory. Handles are cheap; this root keeps the engine open between them."""

    def __init__(self, data: Path, *, memory_bytes: int) -> None:
        """Raises DataDirectoryError where `data` is taken by another process or cannot be written."""
        self.spool = data / "spool"
        self.bi_limits = {**access.BI_LIMITS, "max_memory_usage": memory_bytes // 2}
        self._store = data / "engine"
        try:
            config = self._prepare(data, memory_bytes)
            import chdb  # the engine's 0.3 s and 500 MB of library are paid by the process that serves, nobody else

            self._chdb: Any = chdb  # its functions say no types
            self._root = self._chdb.connect(f"{self._store}?config-file={config}")
        except OSError as error:
            raise DataDirectoryError(f"cannot use {data} for data: {error}") from error
        except RuntimeError as error:
            raise DataDirectoryError(f"the engine cannot open {data}: {engine_error(error).message}") from error
        self._control_lock = threading.Lock()
        self._control = self._chdb.connect(str(self._store))
        self.version = self._text("SELECT version()")
        self.timezone = self._text("SELECT timezone()")
        self._root.query(f"CREATE DATABASE IF NOT EXISTS {sql.quote_identifier(access.READABLE)}")
        self._tables: frozenset[str] | None = None
        self.denied_to_bi = access.denied_functions(
            self._text("SELECT name FROM system.table_functions").split(),
            self._text("SELECT name FROM system.functions WHERE lower(name) LIKE 'ai%'").split(),
        )

    def _prepare(self, data: Path, memory_bytes: int) -> Path:
        if set(str(data)) & set("?&#%"):
            raise OSError("its path holds one of ? & # %: choose another")
        work = data / "empty"
        for directory in (self._store, self.spool, work, data / "backups"):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = _locked(data)
        config = data / "config.xml"
        text = _CONFIG.format(memory=memory_bytes, mark_cache=_MARK_CACHE_BYTES, backups=escape(str(data / "backups")))
        config.write_text(text)
        # Names that look like files resolve against the working directory: let there be none.
        os.chdir(work)
        return config

    def clear_spool(self) -> None:
        """Remove what requests of a killed process left behind."""
        for left in self.spool.iterdir():
            left.unlink()

    def _text(self, statement: str) -> str:
        return self._root.query(statement, "TabSeparatedRaw").bytes().decode().strip()

    def connect(self) -> Any:
        return self._chdb.connect(str(self._store))

    @contextmanager
    def examiner(self) -> Iterator[Any]:
        """A handle to look at `bi`'s statements with: as `bi` has it, but without the limits and shapes that a request may set."""
        handle = self.connect()
        try:
            handle.query(f"USE {sql.quote_identifier(access.READABLE)}")
            handle.query(f"SET {', '.join(f'{name} = {value}' for name, value in _SERVER_LIKE.items())}, readonly = 1")
            yield handle
        finally:
            handle.close()

    def tables(self, examiner: Any, *, anew: bool) -> frozenset[str]:
        """All tables there are, as `database.table`; as they were when last asked for, unless `anew`."""
        if self._tables is None or anew:
            found = examiner.query("SELECT concat(database, '.', name) FROM system.tables", "TabSeparatedRaw")
            self._tables = frozenset(_lines(found))
        return self._tables

    def kill(self, tag: str) -> None:
        """Cancel the statement that runs under `tag`, if one does; returns at once."""
        with self._control_lock:
            self._control.query(f"KILL QUERY WHERE Settings['{_TAG_SETTING}'] = '{tag}' ASYNC FORMAT Null")

    def close(self) -> None:
        with self._control_lock:
            self._control.close()
        self._root.close()


def _locked(data: Path) -> TextIO:
    """The open lock file of `data`, which this process holds as long as it lives.

    The engine has a lock of its own, but tells of it on stderr only. Raises DataDirectoryError where another process holds the lock.
    """
    lock = (data / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise DataDirectoryError(
            f"{data} is in use by another process, and only one can have it open: "
            "stop that one (`energy-assets down`), or choose another --data"
        ) from error
    return lock


class Job:
    """One request's statement on a handle of its own. Not thread-safe, save for `cancel`."""

    def __init__(self, engine: Engine, request: Request, session: Session | None = None) -> None:
        self._engine, self._request, self._session = engine, request, session
        self.tag = uuid.uuid4().hex
        self.is_cancelled = False
        self.is_exhausted = False
        self.reads_only: bool | None = None
        """None until the statement was examined."""
        self.reading: access.Reading | None = None
        """What a statement of `bi` asks for; None until it was examined."""
        self.statistics = Statistics()
        self._handle: Any = None
        self._stream: Any = None
        self._sink: _SpooledInsert | None = None
        self._lock = threading.Lock()

    def alone(self, call: Callable[..., _Value], *args: Any) -> _Value:
        """Do `call` when no other one of this job runs: one may, when its request was given up meanwhile."""
        with self._lock:
            return call(*args)

    def open(self) -> None:
        """Open the handle: database, settings, external tables, and `readonly` last. Raises EndpointError."""
        request, session = self._request, self._session
        if request.user.readonly:
            access.check_bi_settings(request.settings)
        with _engine_errors():
            kept = session if session is not None and session.handle is not None else None
            is_kept = kept is not None
            self._handle = kept.handle if kept else self._engine.connect()
            database = request.database or (kept.database if kept else "")
            if request.user.readonly:
                database = access.database_of_bi(database)
            if database and (is_kept or database != "default"):
                self._handle.query(f"USE {sql.quote_identifier(database)}")
            given = request.settings
            if request.user.readonly:
                given = access.limited(given, self._engine.bi_limits)
            settings = {"log_comment": request.query_id, **_SERVER_LIKE, **given, _TAG_SETTING: self.tag}
            readonly = "1" if request.user.readonly else settings.get("readonly")
            self._set({name: value for name, value in settings.items() if name != "readonly"})
            for table in request.external:
                self._create_external(table)
            # On a session's handle it could not be taken back: there `examine` alone refuses writing.
            if readonly is not None and not is_kept:
                self._set({"readonly": readonly})

    def _set(self, settings: Mapping[str, str]) -> None:
        assignments = [f"{_setting_name(name)} = {sql.quote_string(value)}" for name, value in settings.items()]
        self._handle.query(f"SET {', '.join(assignments)}")

    def _create_external(self, table: ExternalTable) -> None:
        name = sql.quote_identifier(table.name)
        self._handle.query(f"CREATE TEMPORARY TABLE {name} ({table.structure}) ENGINE = Memory")
        inserter = self._handle.send_insert(f"INSERT INTO {name}", table.format)
        with inserter:
            while piece := table.content.read(PIECE_BYTES):
                inserter.append(piece)
            inserter.finish()

    def prepare(self, statement: bytes) -> bool:
        """`open`, then `examine`."""
        self.open()
        self.reads_only = self.examine(statement)
        return self.reads_only

    def examine(self, statement: bytes) -> bool:
        """Whether `statement` only reads. Raises EndpointError for several statements, server files, or what `bi` may not run."""
        if sql.touches_server_files(statement):
            raise EndpointError(
                358, "INTO_OUTFILE_NOT_ALLOWED", "INTO OUTFILE and FROM INFILE are not allowed over HTTP"
            )
        if sql.reads_input(statement):
            # The engine would take the statement and silently leave out its data.
            message = (
                "INSERT … SELECT … FROM input(…) is not supported: insert into a temporary table, and select from it"
            )
            raise EndpointError(48, "NOT_IMPLEMENTED", message)
        found = self._classify(statement)
        if found["statement_count"] > 1:
            raise EndpointError(62, "SYNTAX_ERROR", "Multi-statements are not allowed: send one statement a request")
        reads_only = found["query_class"].name == "READ_ONLY"
        self.refuse_writing(unless=reads_only or found["statement_count"] == 0)
        if self._request.user.readonly:
            with self._engine.examiner() as examiner:
                self._examine_for_bi(examiner, statement, reads_only, found["statement_count"])
        return reads_only

    def _examine_for_bi(self, examiner: Any, statement: bytes, reads_only: bool, statements: int) -> None:
        bound = self._request.bound
        canonical, shape = _canonical(examiner, statement)
        self.reading = access.Reading(shape)
        access.check_bi_statement(
            canonical, reads_only=reads_only, statements=statements, bound=bound, denied=self._engine.denied_to_bi
        )
        query = access.query_in(canonical)
        with _engine_errors():
            databases = _lines(examiner.query("SELECT name FROM system.databases", "TabSeparatedRaw"))
            if query is None:
                access.check_bi_names(canonical, bound, databases)
            else:
                # Unresolved, so that nothing of it is run yet.
                explain = b"EXPLAIN QUERY TREE run_passes = 0 %s\nFORMAT TabSeparatedRaw" % query.rstrip(b"; \n")
                tree = examiner.query(explain, "TabSeparatedRaw", params=dict(bound)).bytes().decode("utf-8", "replace")
                tables = access.tables_in(tree, lambda anew: self._engine.tables(examiner, anew=anew))
                self.reading = access.Reading(shape, tables)
                access.check_bi_tree(tree, databases)

    def refuse_writing(self, *, unless: bool = False) -> None:
        """Raises EndpointError 164 for a request that may only read: a GET, or one with a `readonly` setting."""
        if unless or self._request.user.readonly:
            return
        if self._request.is_get:
            raise EndpointError(
                access.READONLY,
                "READONLY",
                "Cannot execute query in readonly mode. For queries over HTTP, method GET implies readonly. "
                "You should use method POST for modifying queries",
            )
        if self._request.settings.get("readonly", "0") != "0" and self._session is not None and self._session.handle:
            raise EndpointError(access.READONLY, "READONLY", "Cannot execute query in readonly mode")

    def _keep(self, statement: bytes) -> None:
        """After `statement` ran: leave the handle to the session, where a later request would notice the difference."""
        session = self._session
        if session is None or self._request.user.readonly or not leaves_state(statement):
            return
        with _engine_errors():
            if names := settings_named(statement):
                listed = ", ".join(sql.quote_string(name) for name in names)
                found = self._handle.query(
                    f"SELECT name, value FROM system.settings WHERE name IN ({listed})", "JSONEachRow"
                )
                session.settings |= {row["name"]: row["value"] for row in map(json.loads, found.bytes().splitlines())}
            session.database = (
                self._handle.query("SELECT currentDatabase()", "TabSeparatedRaw").bytes().decode().strip()
            )
        session.handle = self._handle

    def _restore_session(self) -> None:
        """Take back what this request set, and the session did not."""
        known = self._session.settings if self._session else {}
        for name in self._request.settings:
            if name in known:
                self._set({name: known[name]})
            elif name != "readonly":
                self._handle.query(f"SET {_setting_name(name)} = DEFAULT")

    def _classify(self, statement: bytes) -> dict[str, Any]:
        return self._handle._conn.classify_query(statement.decode("utf-8", "replace"))

    def can_stream(self, statement: bytes, format_name: str) -> bool:
        """Whether the engine's blocks, one after the other, are this query's whole result."""
        settings = set(self._request.settings) | set(self._session.settings if self._session else ())
        return (
            bool(self.reads_only)
            and sql.first_keyword(statement) in (b"SELECT", b"WITH", b"FROM")
            and format_name in STREAMED_FORMATS
            and not settings & FOOTER_SETTINGS
            and not _MAY_HAVE_FOOTER.search(statement)
        )

    def run(self, statement: bytes, format_name: str) -> bytes:
        """Run to the end; the whole result, empty where the statement has none."""
        with _engine_errors():
            result = self._handle.query(statement, format_name, params=dict(self._request.bound))
        self.statistics = _statistics(result)
        self._keep(statement)
        return result.bytes()

    def start(self, statement: bytes, format_name: str) -> bytes:
        """Start a streamed query, to be fetched piece by piece; the first piece."""
        with _engine_errors():
            self._stream = self._handle.send_query(statement, format_name, params=dict(self._request.bound))
        return self.fetch()

    def fetch(self) -> bytes:
        """The next piece of a streamed result: about PIECE_BYTES, less where the engine is slow. Empty at its end."""
        pieces: list[bytes] = []
        size, started = 0, time.monotonic()
        with _engine_errors():
            while size < PIECE_BYTES and not (pieces and time.monotonic() - started > _PIECE_SECONDS):
                if self.is_cancelled:
                    raise EndpointError(394, "QUERY_WAS_CANCELLED", "Query was cancelled")
                block = self._stream.fetch()
                if block is None:
                    self.is_exhausted = True
                    break
                self.statistics.result_rows += block.rows_read()
                self.statistics.read_rows += block.storage_rows_read()
                self.statistics.read_bytes += block.storage_bytes_read()
                self.statistics.elapsed_seconds += block.elapsed()
                pieces.append(block.bytes())
                size += len(pieces[-1])
        self.statistics.result_bytes += size
        return b"".join(pieces)

    def begin_insert(self, insert: sql.DataInsert) -> None:
        """Start an INSERT whose data follows in `feed`. Raises EndpointError where the target, format or user refuse it."""
        self.refuse_writing()
        with _engine_errors():
            for name, value in self._request.bound.items():
                self._handle.query(f"SET {_setting_name('param_' + name)} = {sql.quote_string(value)}")
            if insert.format == "Arrow":
                arrow = replace(insert, format="ArrowStream")
                self._sink = _ArrowFileInsert(self._handle, arrow, self._engine.spool)
            else:
                self._sink = _SpooledInsert(self._handle, insert, self._engine.spool)

    def feed(self, data: bytes) -> None:
        with _engine_errors():
            self._insert.append(data)

    def finish_insert(self) -> None:
        """Commit. Only after this may an insert be acknowledged."""
        with _engine_errors():
            self.statistics = self._insert.finish()
            self._sink = None

    @property
    def _insert(self) -> _SpooledInsert:
        """The insert that `begin_insert` started."""
        if self._sink is None:
            raise EndpointError(49, "LOGICAL_ERROR", "no insert was begun")
        return self._sink

    def cancel(self) -> None:
        """Ask a running statement to stop; from any thread, again and again until it did."""
        self.is_cancelled = True
        self._engine.kill(self.tag)

    def close(self) -> None:
        """Give up whatever is still open. Blocks written by an unfinished insert stay, as on a server."""
        sink, stream, handle = self._sink, self._stream, self._handle
        self._sink = self._stream = self._handle = None
        try:
            if sink is not None:
                sink.cancel()
            if stream is not None:
                stream.cancel()
        except RuntimeError as error:
            logger.debug("closing a handle with a failed statement: %s", engine_error(error).name)
        finally:
            if handle is not None and not self._left_to_session(handle):
                handle.close()

    def _left_to_session(self, handle: Any) -> bool:
        session = self._session
        if session is None or session.handle is not handle:
            return False
        self._handle = handle
        try:
            self._restore_session()
        except RuntimeError as error:
            # Better no session than one with another request's settings.
            logger.warning("a session ends: its settings cannot be restored: %s", engine_error(error).name)
            session.handle = None
        self._handle = None
        return session.handle is not None


class _SpooledInsert:
    """Data goes to a file first, from which the engine reads block by block.

    chDB also takes data as it comes (`send_insert`), but then (4.4.0) tells of no error that storing it ran into: with a full disk, a
    violated constraint or too many partitions it answers how many rows it wrote, and has none. Formats that are read from their end would
    be kept in memory whole.
    """

    def __init__(self, handle: Any, insert: sql.DataInsert, spool: Path) -> None:
        self._handle, self._insert = handle, insert
        self._file = tempfile.NamedTemporaryFile(dir=spool, suffix=f".{insert.format.lower()}")  # noqa: SIM115 (lives until finish)

    def append(self, data: bytes) -> None:
        self._file.write(data)

    def finish(self) -> Statistics:
        with self._file:
            self._file.flush()
            source = sql.quote_string(self._file.name).encode()
            statement = b"%s FROM INFILE %s %s FORMAT %s"
            parts = (self._insert.into, source, self._insert.settings, self._insert.format.encode())
            return _statistics(self._handle.query(statement % parts))

    def cancel(self) -> None:
        self._file.close()


class _ArrowFileInsert(_SpooledInsert):
    """An Arrow file as the stream that lies in it, between a magic number and a footer: read as a file, it would be held whole."""

    _MAGIC = b"ARROW1"
    _START = b"ARROW1\0\0"

    def __init__(self, handle: Any, insert: sql.DataInsert, spool: Path) -> None:
        super().__init__(handle, insert, spool)
        self._start, self._tail = b"", b""

    def append(self, data: bytes) -> None:
        if len(self._start) < len(self._START):
            data, self._start = self._start + data, (self._start + data)[: len(self._START)]
            if not self._START.startswith(self._start):
                raise EndpointError(
                    117, "INCORRECT_DATA", "the data is no Arrow file; an Arrow stream is FORMAT ArrowStream"
                )
            if len(self._start) < len(self._START):
                return
            data = data[len(self._START) :]
        self._tail = (self._tail + data[-len(self._MAGIC) :])[-len(self._MAGIC) :]
        super().append(data)

    def finish(self) -> Statistics:
        # A stream may end after any batch; a file that does is cut.
        if self._tail != self._MAGIC:
            raise EndpointError(33, "CANNOT_READ_ALL_DATA", "the Arrow file is cut: it lacks its end")
        return super().finish()


def _statistics(result: Any) -> Statistics:
    return Statistics(
        read_rows=result.storage_rows_read(),
        read_bytes=result.storage_bytes_read(),
        written_rows=result.rows_written(),
        written_bytes=result.bytes_written(),
        result_rows=result.rows_read() or result.rows_written(),
        result_bytes=result.size(),
        elapsed_seconds=result.elapsed(),
    )


def _canonical(handle: Any, statement: bytes) -> tuple[bytes, str]:
    """`statement` as ClickHouse formats it, and its hash without its literals. Raises EndpointError where it is none, or could be read in two ways."""
    try:
        text = statement.decode()
    except UnicodeDecodeError as error:
        raise EndpointError(62, "SYNTAX_ERROR", "the statement is no valid UTF-8") from error
    if "\0" in text:
        raise EndpointError(62, "SYNTAX_ERROR", "the statement holds a NUL byte")
    for plain, escaped in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
        text = text.replace(plain, escaped)
    with _engine_errors():
        asked = "SELECT normalizedQueryHash({q:String}), formatQuerySingleLine({q:String})"
        shape, _, canonical = handle.query(asked, "TabSeparatedRaw", params={"q": text}).bytes().partition(b"\t")
    return canonical, shape.decode()


def _lines(result: Any) -> list[str]:
    return result.bytes().decode("utf-8", "replace").split("\n")[:-1]


def _setting_name(name: str) -> str:
    if not _SETTING_NAME.fullmatch(name):
        raise EndpointError(
            115, "UNKNOWN_SETTING", f"Unknown setting {name!r}: a name has letters, digits and underscores"
        )
    return name


class _engine_errors:
    """Whatever chDB raises in the block leaves it as an EndpointError."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise EndpointError(
                243, "NOT_ENOUGH_SPACE", f"{error.strerror}: the disk of ClickHouse's data is full"
            ) from error
        # ChdbError is a RuntimeError; ValueError is a parameter that cannot be handed over, such as broken UTF-8.
        if isinstance(error, (RuntimeError, ValueError)):
            raise engine_error(error) from error


def pieces(data: bytes) -> Iterator[bytes]:
    """`data` in pieces of PIECE_BYTES, without copying it whole."""
    view = memoryview(data)
    for start in range(0, len(view), PIECE_BYTES):
        yield bytes(view[start : start + PIECE_BYTES])
