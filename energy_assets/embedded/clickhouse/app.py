"""The ASGI application: one HTTP request, one statement on a handle of its own, one answer.

What belongs here: the order of things — who, what, run, answer — and what happens when either side goes away.
What does not: SQL (sql.py), chDB (engine.py), bytes on the wire (protocol.py, compression.py).
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.requests import Request as HttpRequest
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from energy_assets.embedded.clickhouse import access, protocol, sql
from energy_assets.embedded.clickhouse.compression import PIECE_BYTES, Compressor, Identity, accepted, decompressor
from energy_assets.embedded.clickhouse.engine import Engine, ExternalTable, Job, Request, pieces
from energy_assets.embedded.clickhouse.protocol import EndpointError, Parameters
from energy_assets.embedded.clickhouse.query_log import Asked, QueryLog
from energy_assets.embedded.clickhouse.sessions import Session, Sessions

logger = logging.getLogger(__name__)

_Value = TypeVar("_Value")
_SLOW_SECONDS = 1.0
_KILL_INTERVAL_SECONDS = 0.2
_SPOOL_MEMORY_BYTES = 32 << 20
_DEFAULT_FORMAT = "TabSeparated"


@dataclass(frozen=True)
class Limits:
    """What one endpoint carries for each user. Further requests wait; none is refused for load, and neither user waits for the other."""

    workers: int = 8
    requests: int = 100
    """Statements with a handle open at once; those that wait for their client need no worker."""
    bi_statement_bytes: int = 256 << 10
    """Of everything that `bi` sends: the engine reads no longer statements either."""
    bi_statement_seconds: float = 30.0
    """In which it must be there."""
    statement_bytes: int = 64 << 20
    """Of SQL, and of data within VALUES that needs query parameters."""
    body_bytes: int = 16 << 30
    """Of an insert, decompressed."""


class Endpoint:
    """Serves `/`. Holds the worker threads, and the jobs that run."""

    def __init__(
        self, engine: Engine, users: access.Users, limits: Limits | None = None, log: QueryLog | None = None
    ) -> None:
        self._engine, self._users, self._limits = engine, users, limits or Limits()
        self._log = log or QueryLog(None)
        self._workers = {
            user.name: ThreadPoolExecutor(self._limits.workers, thread_name_prefix=user.name) for user in access.USERS
        }
        # Killing has threads of its own: it must work when all workers are busy.
        self._control = ThreadPoolExecutor(2, thread_name_prefix="control")
        self._gates = {user.name: asyncio.Semaphore(self._limits.requests) for user in access.USERS}
        self._jobs: set[Job] = set()
        self._sessions = Sessions(lambda session: self._control.submit(session.handle.close))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer, started = Answer(send, self._engine), time.monotonic()
        try:
            await self._serve(HttpRequest(scope, receive), answer)
        except EndpointError as error:
            await answer.fail(error)
        except ClientDisconnect:
            answer.outcome = "client left before its request was complete"
        finally:
            seconds = time.monotonic() - started
            self._log.note(answer.asked(scope, seconds))
        level = logging.DEBUG if answer.outcome == "ok" and seconds < _SLOW_SECONDS else logging.INFO
        # Neither SQL nor parameters: both can hold secrets. system.query_log has the SQL.
        logger.log(level, "%s %s: %s, %.0f ms", answer.query_id, answer.user, answer.outcome, seconds * 1e3)

    async def _serve(self, http: HttpRequest, answer: Answer) -> None:
        given = protocol.parameters(http.scope["query_string"])
        if http.method not in ("GET", "HEAD", "POST"):
            raise EndpointError(48, "NOT_IMPLEMENTED", f"HTTP method {http.method} is not supported: use POST")
        answer.query_id = given.query_id
        if http.method != "POST" and sql.is_blank(given.query):
            await answer.whole(b"Ok.\n", "text/html; charset=UTF-8")
            return
        answer.user = self._users.claimed(http.headers, given.transport)
        user = self._users.authenticate(http.headers, given.transport)
        answer.is_reader = user.readonly
        _refuse_unsupported(given)
        answer.prepare(http, given)
        body, statement = await self._received(http, given, user)
        if sql.is_blank(statement):
            await answer.whole(b"Ok.\n", "text/html; charset=UTF-8")
            return
        request = Request(
            user=user,
            database=given.transport.get("database") or http.headers.get("x-clickhouse-database", ""),
            settings=given.settings,
            bound=given.bound,
            external=tuple(body.external),
            is_get=http.method != "POST",
            query_id=answer.query_id,
        )
        if user.readonly and body.external:
            raise EndpointError(access.READONLY, "READONLY", "bi: external tables are not allowed in readonly mode")
        async with self._session(user, given) as session:
            answer.session = session
            await self._run(http, request, session, statement, body, answer)

    @asynccontextmanager
    async def _session(self, user: access.User, given: Parameters) -> AsyncIterator[Session | None]:
        session_id = given.transport.get("session_id")
        if not session_id:
            yield None
            return
        session = await self._sessions.take(user.name, session_id, must_exist=given.flag("session_check"))
        try:
            yield session
        finally:
            self._sessions.release(session, given.transport.get("session_timeout", ""))

    async def _received(self, http: HttpRequest, given: Parameters, user: access.User) -> tuple[Body, bytes]:
        """The body, and the statement with as much data as came with it. What `bi` sends must be small and soon there."""
        whole = self._limits.bi_statement_bytes if user.readonly else self._limits.body_bytes
        _refuse_larger(http, whole)
        bounded = HttpRequest(http.scope, _bounded(http.receive, whole))
        try:
            async with asyncio.timeout(self._limits.bi_statement_seconds if user.readonly else None):
                body = await self._body(bounded, given, user)
                return body, await self._statement(given, body, user)
        except TimeoutError as error:
            message = f"the statement was not there within {self._limits.bi_statement_seconds:.0f} s"
            raise EndpointError(209, "SOCKET_TIMEOUT", message) from error

    async def _body(self, http: HttpRequest, given: Parameters, user: access.User) -> Body:
        if http.headers.get("content-type", "").lower().startswith("multipart/form-data"):
            return await _form(http, given, self._limits.statement_bytes)
        codec = decompressor(http.headers.get("content-encoding", ""))
        return Body(http.stream(), codec, self._limits.body_bytes, partial(self._in_worker, user))

    async def _statement(self, given: Parameters, body: Body, user: access.User) -> bytes:
        """The SQL, with as much data as came with it: all of the body, unless that is the data of an INSERT."""
        most = self._limits.bi_statement_bytes if user.readonly else self._limits.statement_bytes
        start = given.query
        head = await body.read(min(PIECE_BYTES, most))
        statement = start + b"\n" + head if start and head else start + head
        if not body.is_complete and (user.readonly or sql.data_insert(statement) is None):
            statement += await body.read(most)
            if not body.is_complete:
                message = f"the statement is longer than {most >> 10} KiB; data belongs behind INSERT … FORMAT"
                raise EndpointError(272, "QUERY_IS_TOO_LARGE", message)
        if len(statement) > most and user.readonly:
            raise EndpointError(272, "QUERY_IS_TOO_LARGE", f"the statement is longer than {most >> 10} KiB")
        return statement

    async def _run(
        self,
        http: HttpRequest,
        request: Request,
        session: Session | None,
        statement: bytes,
        body: Body,
        answer: Answer,
    ) -> None:
        user = request.user
        async with self._gates[user.name], self._job(request, session) as job:
            answer.job = job
            is_kill = sql.first_keyword(statement[:PIECE_BYTES]) == b"KILL" and not user.readonly
            executor = self._control if is_kill else self._workers[user.name]
            run = _Run(job, executor, answer, self._engine)
            insert = sql.data_insert(statement)
            if insert is not None and request.user.readonly:
                raise EndpointError(access.READONLY, "READONLY", "bi: Cannot execute query in readonly mode: INSERT")
            if insert is not None and not _is_small_values(insert, body):
                await run.insert(insert, statement, body)
            else:
                await self._until_client_leaves(http, job, run.statement(statement, is_values=insert is not None))

    @asynccontextmanager
    async def _job(self, request: Request, session: Session | None) -> AsyncIterator[Job]:
        job = Job(self._engine, request, session)
        self._jobs.add(job)
        try:
            yield job
        finally:
            # Shielded: a handle must be closed by a worker even when this request's task is cancelled.
            await asyncio.shield(self._in_worker(request.user, job.alone, job.close))
            self._jobs.discard(job)

    async def _until_client_leaves(self, http: HttpRequest, job: Job, work: Awaitable[None]) -> None:
        """Do `work`; when the client goes away, cancel a reading statement. One that writes is left to finish, as on a server."""
        task = asyncio.ensure_future(work)
        watch = asyncio.ensure_future(_disconnect(http.receive))
        try:
            await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done() and job.reads_only is not False:
                logger.info("the client left: cancelling its statement")
                await self._cancel_until(job, task)
            await task
        except EndpointError:
            if not watch.done():
                raise
        finally:
            watch.cancel()
            if not task.done():
                await self._cancel_until(job, task)

    async def _cancel_until(self, job: Job, task: asyncio.Future[None]) -> None:
        while not task.done():
            await asyncio.get_running_loop().run_in_executor(self._control, job.cancel)
            await asyncio.wait({task}, timeout=_KILL_INTERVAL_SECONDS)
        with suppress(EndpointError, asyncio.CancelledError):
            task.result()

    async def _in_worker(self, user: access.User, call: Callable[..., _Value], *args: Any) -> _Value:
        return await asyncio.get_running_loop().run_in_executor(self._workers[user.name], call, *args)

    def cancel_all(self) -> None:
        """Cancel whatever runs, for a server that must end."""
        for job in list(self._jobs):
            self._control.submit(job.cancel)

    def close(self) -> bool:
        """Let go of the worker threads; False where a statement still holds one."""
        self._sessions.end_all()
        for workers in self._workers.values():
            workers.shutdown(wait=False, cancel_futures=True)
        self._control.shutdown(wait=True)
        return not self._jobs


class _Run:
    """One statement's way through the worker threads."""

    def __init__(self, job: Job, executor: ThreadPoolExecutor, answer: Answer, engine: Engine) -> None:
        self._job, self._executor, self._answer, self._engine = job, executor, answer, engine

    async def _call(self, call: Callable[..., _Value], *args: Any) -> _Value:
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._job.alone, call, *args)

    async def insert(self, insert: sql.DataInsert, statement: bytes, body: Body) -> None:
        """Pass data on as it comes. The answer, which acknowledges it, is sent after the engine's commit."""
        job = self._job
        await self._call(job.open)
        await self._call(job.begin_insert, insert)
        await self._call(job.feed, statement[insert.data_at :])
        async for piece in body.pieces():
            await self._call(job.feed, piece)
        await self._call(job.finish_insert)
        await self._answer.whole(b"", None, job.statistics)

    async def statement(self, statement: bytes, *, is_values: bool) -> None:
        job, answer = self._job, self._answer
        if is_values:
            job.refuse_writing()
            await self._call(job.open)
            reads = job.reads_only = False
        else:
            reads = await self._call(job.prepare, statement)
        format_name = (sql.output_format(statement) if reads else None) or answer.default_format
        if job.can_stream(statement, format_name):
            await self._stream(statement, format_name)
            return
        result = await self._call(job.run, statement, answer.default_format)
        has_result = reads or bool(result)
        if len(result) <= PIECE_BYTES:
            await answer.whole(result, format_name if has_result else None, job.statistics)
            return
        parts = pieces(result)
        await answer.begin(format_name, job.statistics)
        for part in parts:
            await answer.send_piece(await self._call(answer.compress, part))
        await answer.end()

    async def _stream(self, statement: bytes, format_name: str) -> None:
        """Send the result as it comes, once its first piece shows that the query works."""
        job, answer = self._job, self._answer
        first = await self._call(job.start, statement, format_name)
        if job.is_exhausted:
            await answer.whole(first, format_name, job.statistics)
            return
        if answer.waits_for_end:
            await self._spooled(first, format_name)
            return
        await answer.begin(format_name)
        upcoming: asyncio.Future[bytes] | None = None
        piece = first
        try:
            while piece:
                # The engine works on the next piece while this one is sent.
                upcoming = asyncio.ensure_future(self._call(job.fetch))
                await answer.send_piece(await self._call(answer.compress, piece))
                piece = await upcoming
        except EndpointError as error:
            await answer.break_off(error)
            return
        finally:
            if upcoming is not None and not upcoming.done():
                await asyncio.wait({upcoming})
        await answer.end()

    async def _spooled(self, first: bytes, format_name: str) -> None:
        """Send nothing before the query's end, as `wait_end_of_query` asks: its errors then have a status of their own."""
        job, answer = self._job, self._answer
        with tempfile.SpooledTemporaryFile(_SPOOL_MEMORY_BYTES, dir=str(self._engine.spool)) as spool:
            piece = first
            while piece:
                await self._call(spool.write, piece)
                piece = await self._call(job.fetch)
            spool.seek(0)
            await answer.begin(format_name, job.statistics)
            while part := await self._call(spool.read, PIECE_BYTES):
                await answer.send_piece(await self._call(answer.compress, part))
        await answer.end()


@dataclass
class Body:
    """A request's body, decompressed as it is read, never more of it than `limit` bytes."""

    source: AsyncIterator[bytes]
    codec: Any
    limit: int
    in_worker: Callable[..., Awaitable[Any]]
    is_complete: bool = False
    external: list[ExternalTable] = field(default_factory=list)
    _size: int = 0
    _pieces: AsyncIterator[bytes] | None = None

    async def read(self, wanted: int) -> bytes:
        """At least `wanted` bytes, or all there are: then `is_complete`."""
        found = bytearray()
        async for piece in self.pieces():
            found += piece
            if len(found) >= wanted:
                break
        return bytes(found)

    def pieces(self) -> AsyncIterator[bytes]:
        if self._pieces is None:
            self._pieces = self._decompressed()
        return self._pieces

    async def _decompressed(self) -> AsyncIterator[bytes]:
        async for raw in _gathered(self.source):
            found = iter(self.codec.feed(raw))
            while (piece := await self._next(found)) is not None:
                self._size += len(piece)
                if self._size > self.limit:
                    raise EndpointError(
                        307, "TOO_MANY_BYTES", f"the body is larger than {self.limit >> 20} MiB: send several inserts"
                    )
                yield piece
        self.codec.finish()
        self.is_complete = True

    async def _next(self, found: Any) -> bytes | None:
        if isinstance(self.codec, Identity):
            return next(found, None)
        return await self.in_worker(next, found, None)


class Answer:
    """The response to one request: whole, or begun, continued and ended; or broken off."""

    def __init__(self, send: Send, engine: Engine) -> None:
        self._send, self._engine = send, engine
        self.query_id = ""
        self.user = access.NOBODY
        self.is_reader = False
        self.job: Job | None = None
        self.error: EndpointError | None = None
        self.default_format = _DEFAULT_FORMAT
        self.waits_for_end = False
        self.outcome = "no answer"
        self.session: Session | None = None
        self._timezone = engine.timezone
        self._encoding: str | None = None
        self._codec: Compressor | Identity = Identity()
        self._tag = protocol.new_exception_tag()
        self._is_head = False

    def asked(self, scope: Scope, seconds: float) -> Asked:
        """What there is to say of the statement afterwards."""
        host, port = scope.get("client") or ("", 0)
        return Asked(
            user=self.user,
            is_reader=self.is_reader,
            address=f"{host}:{port}",
            reading=self.job.reading if self.job else None,
            statistics=self.job.statistics if self.job else protocol.Statistics(),
            outcome=self.outcome,
            error=self.error,
            milliseconds=round(seconds * 1e3),
        )

    def prepare(self, http: HTTPConnection, given: Parameters) -> None:
        """Take over what the request asks of its answer."""
        headers = http.headers
        self.default_format = (
            given.transport.get("default_format") or headers.get("x-clickhouse-format") or _DEFAULT_FORMAT
        )
        self.waits_for_end = given.flag("wait_end_of_query")
        self._timezone = given.settings.get("session_timezone") or self._engine.timezone
        self._is_head = http.scope["method"] == "HEAD"
        if given.flag("enable_http_compression"):
            self._encoding = accepted(headers.get("accept-encoding", ""))

    async def whole(
        self, body: bytes, format_name: str | None = None, statistics: protocol.Statistics | None = None
    ) -> None:
        """Answer success at once. `format_name` is a ClickHouse format or, with a slash, a content type; None: no result."""
        headers = self._headers(format_name, statistics)
        if body and self._encoding:
            codec = Compressor(self._encoding)
            body = codec.compress(body) + codec.finish()
            headers["Content-Encoding"] = self._encoding
        headers["Content-Length"] = str(len(body))
        await self._respond(200, headers, body)
        self.outcome = "ok"

    async def begin(self, format_name: str, statistics: protocol.Statistics | None = None) -> None:
        headers = self._headers(format_name, statistics)
        headers["X-ClickHouse-Exception-Tag"] = self._tag
        if self._encoding:
            self._codec = Compressor(self._encoding)
            headers["Content-Encoding"] = self._encoding
        await self._send({"type": "http.response.start", "status": 200, "headers": protocol.encode_headers(headers)})
        self.outcome = "cut"

    def compress(self, piece: bytes) -> bytes:
        return self._codec.compress(piece)

    async def send_piece(self, piece: bytes) -> None:
        if piece:
            await self._send({"type": "http.response.body", "body": b"" if self._is_head else piece, "more_body": True})

    async def end(self) -> None:
        self._is_last()
        await self._send({"type": "http.response.body", "body": self._codec.finish(), "more_body": False})
        self.outcome = "ok"

    async def break_off(self, error: EndpointError) -> None:
        """Say within the begun result that it failed, and leave it without its end, so that no client takes it for whole."""
        block = protocol.exception_block(self._tag, error.text(self._engine.version))
        await self.send_piece(self._codec.compress(block) + self._codec.finish())
        self.outcome, self.error = f"broken off: {error.code} {error.name}", error

    async def fail(self, error: EndpointError) -> None:
        headers = self._headers("text/plain; charset=UTF-8", None)
        headers["X-ClickHouse-Exception-Code"] = str(error.code)
        if error.status == 401:
            headers["WWW-Authenticate"] = 'Basic realm="ClickHouse server HTTP API"'
        body = error.text(self._engine.version).encode("utf-8", "replace")
        headers["Content-Length"] = str(len(body))
        await self._respond(error.status, headers, body)
        self.outcome, self.error = f"{error.code} {error.name}", error

    async def _respond(self, status: int, headers: dict[str, str], body: bytes) -> None:
        await self._send({"type": "http.response.start", "status": status, "headers": protocol.encode_headers(headers)})
        self._is_last()
        await self._send({"type": "http.response.body", "body": b"" if self._is_head else body})

    def _is_last(self) -> None:
        """Said before the last piece is sent: the client may send its next request at once."""
        if self.session is not None:
            self.session.is_answered = True

    def _headers(self, format_name: str | None, statistics: protocol.Statistics | None) -> dict[str, str]:
        headers = {
            "X-ClickHouse-Server-Display-Name": "energy-assets",
            "X-ClickHouse-Query-Id": self.query_id,
            "X-ClickHouse-Timezone": self._timezone,
            "Content-Type": "text/plain; charset=UTF-8",
        }
        if format_name is not None and "/" in format_name:
            headers["Content-Type"] = format_name
        elif format_name is not None:
            headers["Content-Type"] = protocol.content_type(format_name)
            headers["X-ClickHouse-Format"] = format_name
        if statistics is not None:
            headers["X-ClickHouse-Summary"] = statistics.header()
        return headers


def _refuse_larger(http: HttpRequest, most: int) -> None:
    """Raises EndpointError 307 for a body that says itself that it is too large, before any of it is read."""
    said = http.headers.get("content-length", "0")
    if said.isdigit() and int(said) > most:
        raise _too_large(most)


def _bounded(receive: Receive, most: int) -> Receive:
    """`receive` that gives no more than `most` bytes of a body, however they are encoded. Raises EndpointError 307."""
    received = 0

    async def bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > most:
            raise _too_large(most)
        return message

    return bounded


def _too_large(most: int) -> EndpointError:
    return EndpointError(307, "TOO_MANY_BYTES", f"the body is larger than {most >> 10} KiB: send it in several")


async def _gathered(source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The network's small chunks in pieces of about PIECE_BYTES: a worker thread is worth calling for those."""
    pending = bytearray()
    async for chunk in source:
        pending += chunk
        if len(pending) >= PIECE_BYTES:
            yield bytes(pending)
            pending.clear()
    if pending:
        yield bytes(pending)


async def _form(http: HttpRequest, given: Parameters, limit: int) -> Body:
    """A multipart form: its fields are parameters, its files external tables."""
    try:
        form = await http.form(max_files=100, max_fields=10_000, max_part_size=limit)
    except MultiPartException as error:
        raise EndpointError(36, "BAD_ARGUMENTS", f"the multipart form cannot be read: {error.message}") from error
    external = []
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            external.append(_external_table(name, value, given))
        else:
            given.add(name, value)
    body = Body(_empty(), Identity(), limit, _no_worker)
    body.external = external
    return body


def _external_table(name: str, file: UploadFile, given: Parameters) -> ExternalTable:
    described = given.take_external(name)
    structure = described.get("structure") or ", ".join(
        f"_{number} {kind}" for number, kind in enumerate(described.get("types", "").split(","), start=1) if kind
    )
    if not structure:
        raise EndpointError(36, "BAD_ARGUMENTS", f"external table {name} has neither {name}_structure nor {name}_types")
    return ExternalTable(name, structure, described.get("format", _DEFAULT_FORMAT), file.file)


async def _empty() -> AsyncIterator[bytes]:
    return
    yield b""


async def _no_worker(*_: Any) -> None:
    return None


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _is_small_values(insert: sql.DataInsert, body: Body) -> bool:
    """VALUES that came whole runs as a statement: its rows may use query parameters."""
    return insert.format == "Values" and body.is_complete


def _refuse_unsupported(given: Parameters) -> None:
    for name in ("compress", "decompress"):
        if given.flag(name):
            message = f"{name}=1, ClickHouse's own block compression, is not supported: use Content-Encoding and Accept-Encoding"
            raise EndpointError(48, "NOT_IMPLEMENTED", message)
    if given.transport.get("role"):
        raise EndpointError(
            48, "NOT_IMPLEMENTED", "roles are not supported here: the users writer and bi are all there is"
        )


async def _ok(_: HttpRequest) -> PlainTextResponse:
    return PlainTextResponse("Ok.\n", media_type="text/html")


def application(endpoint: Endpoint) -> Starlette:
    return Starlette(
        routes=[Route("/ping", _ok), Route("/replicas_status", _ok), Route("/", endpoint)],
    )
