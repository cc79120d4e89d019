"""ClickHouse's HTTP protocol: request parameters, status codes, headers, and the mark that an error leaves within a result.

What belongs here: what bytes and names mean on the wire, as pure functions and values.
What does not: running anything (engine.py), or who may do what (access.py).
"""

from __future__ import annotations

import json
import re
import secrets
import string
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

TRANSPORT_PARAMETERS = frozenset(
    {
        "query",
        "user",
        "password",
        "database",
        "default_format",
        "query_id",
        "quota_key",
        "stacktrace",
        "role",
        "session_id",
        "session_timeout",
        "session_check",
        "compress",
        "decompress",
        "buffer_size",
        "wait_end_of_query",
        "client_protocol_version",
        "progress",
        "send_progress_in_http_headers",
        "http_headers_progress_interval_ms",
        "enable_http_compression",
        "http_zlib_compression_level",
        "http_native_compression_disable_checksumming_on_decompress",
        "cancel_http_readonly_queries_on_client_close",
        "close_session",
    }
)
"""Parameters that HTTP's side consumes. All others are settings of the engine, `param_x` query parameters, or external tables."""

STREAMED_FORMATS = frozenset(
    {
        "Native",
        "TabSeparated",
        "TSV",
        "TabSeparatedRaw",
        "TSVRaw",
        "CSV",
        "RowBinary",
        "JSONEachRow",
        "JSONCompactEachRow",
    }
)
"""Formats without header and footer: the engine's blocks, one after the other, are a whole result."""

FOOTER_SETTINGS = frozenset({"extremes", "output_format_json_array_of_rows"})
"""Settings that give these formats a footer after all, as WITH TOTALS does."""

_CONTENT_TYPES = {
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "TSV": "text/tab-separated-values; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8; header=absent",
    "CSVWithNames": "text/csv; charset=UTF-8; header=present",
    "JSON": "application/json; charset=UTF-8",
    "JSONCompact": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
}
_BINARY_FORMATS = frozenset(
    {"Native", "RowBinary", "Arrow", "ArrowStream", "Parquet", "ORC", "Avro", "RawBLOB", "MsgPack"}
)

_CODE = re.compile(r"Code: (\d+)\. (DB::\w*Exception: )")
_NAME = re.compile(r"\(([A-Z][A-Z0-9_]+)\)\s*(?:\(version [^)]*\)+)?\s*$")
_VERSION = re.compile(r"\s*\(version [^()]*(?:\([^()]*\))?\)\.?\s*(?=\([A-Z][A-Z0-9_]+\)$|$)")

_STATUS = {
    **dict.fromkeys((192, 193, 497, 511, 516), 403),
    194: 401,
    **dict.fromkeys((6, 26, 27, 32, 33, 38, 41, 43, 53, 62, 69, 70, 72, 117, 131, 158, 386, 457), 400),
    **dict.fromkeys((46, 47, 50, 60, 63, 73, 78, 81, 108, 115, 139), 404),
    **dict.fromkeys((159, 209), 408),
    **dict.fromkeys((48,), 501),
    **dict.fromkeys((372, 373), 404),
    307: 413,
}
_DEFAULT_STATUS = 500
"""Never 429, 503 or 504: clients run those again, which an error of SQL does not deserve."""

_STATUS_OF_NAME = {"QUERY_IS_TOO_LARGE": 413, "NOT_IMPLEMENTED": 501, "AUTHENTICATION_FAILED": 403}


class EndpointError(Exception):
    """An error that ClickHouse has a code and a name for, raised by the endpoint or by its engine."""

    def __init__(self, code: int, name: str, message: str) -> None:
        super().__init__(message)
        self.code, self.name, self.message = code, name, message

    @property
    def status(self) -> int:
        return _STATUS_OF_NAME.get(self.name) or _STATUS.get(self.code, _DEFAULT_STATUS)

    def text(self, version: str) -> str:
        """The line that a server of this version answers."""
        return f"Code: {self.code}. DB::Exception: {self.message.rstrip('. ')}. ({self.name}) (version {version} (official build))\n"


def engine_error(error: BaseException) -> EndpointError:
    """What the engine raised, as the server would say it: one code, one name, no wrapping of wrappers."""
    text = str(error)
    codes = list(_CODE.finditer(text))
    if not codes:
        return EndpointError(1002, "UNKNOWN_EXCEPTION", text.strip())
    # The engine nests one error in another of the same code when it comes from a lower level.
    start = codes[0]
    for following in codes[1:]:
        if following.start() == start.end() and following[1] == start[1]:
            start = following
    body = text[start.end() :].strip()
    name = _NAME.search(body)
    while found := _NAME.search(body):
        body = _VERSION.sub("", body[: found.start()].strip()).rstrip(". ").strip() if found.start() else ""
    return EndpointError(int(start[1]), name[1] if name else "UNKNOWN_EXCEPTION", _VERSION.sub("", body).strip())


@dataclass
class Parameters:
    """One request's parameters, taken apart. Values are text whose undecodable bytes are surrogates."""

    transport: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    bound: dict[str, str] = field(default_factory=dict)
    """Query parameters by name, without `param_`, in ClickHouse's TSV escaping."""

    def add(self, name: str, value: str) -> None:
        if name in TRANSPORT_PARAMETERS:
            self.transport[name] = value
        elif name.startswith("param_"):
            self.bound[name.removeprefix("param_")] = value
        else:
            self.settings[name] = value

    def take_external(self, table: str) -> dict[str, str]:
        """The settings that describe the external table `table`, removed from the others: format, types, structure."""
        found = {key: self.settings.pop(f"{table}_{key}", "") for key in ("format", "types", "structure")}
        return {key: value for key, value in found.items() if value}

    def flag(self, name: str) -> bool:
        return self.transport.get(name, "").lower() in ("1", "true")

    @property
    def query(self) -> bytes:
        return self.transport.get("query", "").encode("utf-8", "surrogateescape")

    @property
    def query_id(self) -> str:
        """The client's own id, or a new one; always the same for one request."""
        return self.transport.setdefault("query_id", "") or self._new_query_id()

    def _new_query_id(self) -> str:
        self.transport["query_id"] = str(uuid.uuid4())
        return self.transport["query_id"]


def parameters(query_string: bytes) -> Parameters:
    found = Parameters()
    for name, value in parse_qsl(
        query_string.decode("ascii", "replace"), keep_blank_values=True, errors="surrogateescape"
    ):
        found.add(name, value)
    return found


@dataclass
class Statistics:
    """What a statement read and wrote, as X-ClickHouse-Summary tells it."""

    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    result_rows: int = 0
    result_bytes: int = 0
    elapsed_seconds: float = 0.0

    def header(self) -> str:
        counts = {name: str(value) for name, value in vars(self).items() if name != "elapsed_seconds"}
        counts["total_rows_to_read"] = str(self.read_rows)
        counts["elapsed_ns"] = str(int(self.elapsed_seconds * 1e9))
        return json.dumps(counts, separators=(",", ":"))


def content_type(format_name: str) -> str:
    if format_name in _BINARY_FORMATS or format_name.startswith("RowBinary"):
        return "application/octet-stream"
    return _CONTENT_TYPES.get(format_name, "text/plain; charset=UTF-8")


def encode_headers(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), _one_line(value).encode("latin-1", "replace")) for name, value in headers.items()]


def _one_line(value: str) -> str:
    return re.sub(r"[\r\n\x00]+", " ", value)


def new_exception_tag() -> str:
    return "".join(secrets.choice(string.ascii_lowercase) for _ in range(16))


def exception_block(tag: str, message: str) -> bytes:
    """What ends a result that failed after its headers were sent; the connection is cut after it."""
    body, mark = message.strip().encode("utf-8", "replace"), tag.encode()
    return b"\r\n__exception__\r\n%s\r\n%s\n%d %s\r\n__exception__\r\n" % (mark, body, len(body), mark)
