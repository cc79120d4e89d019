"""HTTP bodies, in and out: decompression that never believes a cut or padded body, and compression of results.

What belongs here: streaming codecs by their HTTP name. What does not: when to use which (protocol.py).
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import lz4.frame

from energy_assets.embedded.clickhouse.protocol import EndpointError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PIECE_BYTES = 1 << 20
"""Data is handed on in pieces of at most this size, however well it was compressed."""

CANNOT_DECOMPRESS = 271
UNKNOWN_COMPRESSION_METHOD = 89
_GZIP, _ZLIB = 31, 15
_ZSTD_LEVEL, _ZLIB_LEVEL = 1, 3
_FAILURES = (RuntimeError, EOFError, ValueError, zlib.error, zstd.ZstdError)


class _Inflate:
    """zlib with the interface that lz4's and zstd's decompressors share."""

    def __init__(self, window_bits: int) -> None:
        self._zlib = zlib.decompressobj(window_bits)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        piece = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        self.needs_input = not self._zlib.unconsumed_tail and len(piece) < max_length
        return piece


_FRAMES: dict[str, Callable[[], Any]] = {
    "lz4": lz4.frame.LZ4FrameDecompressor,
    "zstd": zstd.ZstdDecompressor,
    "gzip": lambda: _Inflate(_GZIP),
    "deflate": lambda: _Inflate(_ZLIB),
}


class Decompressor:
    """Decompresses a body of one or more frames, piece by piece.

    Clients send one frame per block: stopping at the first frame's end would silently drop all other rows.
    """

    def __init__(self, encoding: str) -> None:
        if encoding not in _FRAMES:
            known = ", ".join(_FRAMES)
            raise EndpointError(
                UNKNOWN_COMPRESSION_METHOD,
                "UNKNOWN_COMPRESSION_METHOD",
                f"a body with Content-Encoding: {encoding} cannot be read here: send {known}, or no compression",
            )
        self._encoding = encoding
        self._frame: Any = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Pieces of at most PIECE_BYTES. Raises EndpointError for what is no frame."""
        while data or self._frame is not None:
            if self._frame is None:
                self._frame = _FRAMES[self._encoding]()
            try:
                piece = self._frame.decompress(data, PIECE_BYTES)
            except _FAILURES as error:
                raise self._broken(
                    f"is damaged, or has trailing data that is no {self._encoding} frame: {error}"
                ) from error
            data = b""
            if piece:
                yield piece
            if self._frame.eof:
                data, self._frame = self._frame.unused_data or b"", None
            elif self._frame.needs_input:
                return

    def finish(self) -> None:
        """Raises EndpointError where the body ended within a frame."""
        if self._frame is not None:
            raise self._broken("ended within a frame")

    def _broken(self, what: str) -> EndpointError:
        message = f"the {self._encoding} body {what}; send it again, whole"
        return EndpointError(CANNOT_DECOMPRESS, "CANNOT_DECOMPRESS", message)


class Identity:
    """The codec of bodies without compression, in either direction."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        yield data

    def compress(self, data: bytes) -> bytes:
        return data

    def finish(self) -> bytes:
        return b""


class Compressor:
    """Compresses a result into one frame, piece by piece."""

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding
        self._head = b""
        if encoding == "lz4":
            self._codec = lz4.frame.LZ4FrameCompressor(auto_flush=True)
            self._head = self._codec.begin()
        elif encoding == "zstd":
            self._codec = zstd.ZstdCompressor(level=_ZSTD_LEVEL)
        else:
            self._codec = zlib.compressobj(_ZLIB_LEVEL, wbits=_GZIP if encoding == "gzip" else _ZLIB)

    def compress(self, data: bytes) -> bytes:
        head, self._head = self._head, b""
        return head + self._codec.compress(data)

    def finish(self) -> bytes:
        head, self._head = self._head, b""
        return head + self._codec.flush()


def decompressor(encoding: str) -> Decompressor | Identity:
    """The reader of a body with this Content-Encoding header. Raises EndpointError for an unknown one."""
    encoding = encoding.strip().lower()
    return Identity() if encoding in ("", "identity") else Decompressor(encoding)


def accepted(accept_encoding: str) -> str | None:
    """The best codec that an Accept-Encoding header names; None where there is none."""
    offered = {
        part.split(";")[0].strip().lower() for part in accept_encoding.split(",") if "q=0" not in part.replace(" ", "")
    }
    return next((encoding for encoding in ("lz4", "zstd", "gzip", "deflate") if encoding in offered), None)
