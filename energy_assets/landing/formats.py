"""What a delivered file is, by its name and its first bytes, and how it is opened: unpacked, within bounds.

What belongs here: telling formats apart, opening, and what a file that unpacks out of all proportion is told.
What does not: rows (blocks.py, parquet.py), and what a file that breaks off later is told (damage.py).
"""

from __future__ import annotations

import gzip
import io
import re
from pathlib import Path

UNPACKED_BYTES = 64 << 20
"""So much may any packed file unpack to."""
MOST_TIMES = 200
"""Beyond that, so many times its own size: readings shrink to a tenth or a thirtieth, never to a two-hundredth."""
MOST_ROWS = 20
"""For each byte of a Parquet file of more than UNPACKED_ROWS: less than half a bit each, whereas a reading needs some."""
UNPACKED_ROWS = 8_000_000
SNIFFED_BYTES = 512

EXPORT = "export it as CSV in UTF-8, or as Parquet"
SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (b"\x1f\x8b", "gzip", "name it .csv.gz"),
    (b"PAR1", "Parquet", "name it .parquet"),
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook", f"unpack it, or {EXPORT}"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook of the old kind", EXPORT),
    (b"%PDF", "PDF", EXPORT),
    (b"\xff\xfe", "UTF-16", 'save it as UTF-8 (Excel calls that "CSV UTF-8")'),
    (b"\xfe\xff", "UTF-16", 'save it as UTF-8 (Excel calls that "CSV UTF-8")'),
    (b"BZh", "bzip2", "pack it with gzip, or not at all"),
    (b"\xfd7zXZ\x00", "xz", "pack it with gzip, or not at all"),
    (b"(\xb5/\xfd", "zstd", "pack it with gzip, or not at all"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it"),
    (b"Rar!", "a RAR archive", "unpack it"),
    (b"SQLite format 3\x00", "an SQLite database", EXPORT),
)
"""First bytes -> what starts with them, and what to do."""
MARKUP = ((b"<!doctype", "a web page"), (b"<html", "a web page"), (b"<?xml", "XML"), (b"{", "JSON"), (b"[{", "JSON"))
"""The same of text, past white space and in lower case. A web page is often a portal's login, saved in the export's place."""
TAR_MARK, TAR_OFFSET = b"ustar", 257


UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, ends of line, turns of the reading direction: no database stores or no terminal bears them."""


class UnreadableFile(Exception):
    """A file that cannot be read as a whole; the message gives reason and remedy."""

    def __init__(self, message: str) -> None:
        super().__init__(safe(message))


def safe(text: str) -> str:
    """`text` as it can be stored and shown."""
    return UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text)


def is_parquet(path: Path) -> bool:
    return path.name.lower().endswith(".parquet")


def is_gzip(path: Path) -> bool:
    return path.name.lower().endswith(".gz")


def open_csv(path: Path) -> io.RawIOBase:
    """The bytes of a CSV file, unpacked where its name says that it is packed.

    Reading on raises UnreadableFile where they are out of all proportion to the file.
    """
    return _Unpacked(path) if is_gzip(path) else path.open("rb", buffering=0)


def refuse_other_formats(path: Path, head: bytes) -> None:
    """Raise UnreadableFile where a CSV file, unpacked, starts as another format does."""
    if found := _recognised(head):
        what, remedy = found
        packed = "what it unpacks to" if is_gzip(path) else "the file"
        raise UnreadableFile(f"{packed} is {what}, no CSV: {remedy}")


def refuse_other_names(path: Path) -> None:
    """Raise UnreadableFile where the first bytes are not those of the format that the name promises. Empty files pass."""
    wanted, what = (b"PAR1", "Parquet") if is_parquet(path) else (b"\x1f\x8b", "gzip")
    if not (is_parquet(path) or is_gzip(path)):
        return
    with path.open("rb") as stream:
        head = stream.read(SNIFFED_BYTES)
    if not head or head.startswith(wanted):
        return
    found, remedy = _recognised(head) or (None, "")
    if found is None and b"\0" not in head:
        found, remedy = "text", "name it .csv, if it holds rows as text"
    raise UnreadableFile(f"the file is named as {what} and is {found or 'none'}: {remedy or 'deliver it again'}")


def refuse_disproportion(size: int, unpacked: int, *, rows: int = 0) -> None:
    """Raise UnreadableFile where `size` bytes unpack to so many that it is a mistake, or meant to do harm."""
    size = max(size, 1)
    if unpacked > UNPACKED_BYTES and unpacked > MOST_TIMES * size:
        raise UnreadableFile(
            f"{size:,} bytes of it unpack to {unpacked // (1 << 20):,} MB, {unpacked // size:,} times as much, which "
            "no readings do: look at what wrote it, and deliver it again in smaller files"
        )
    if rows > UNPACKED_ROWS and rows > MOST_ROWS * size:
        raise UnreadableFile(
            f"its {size:,} bytes say that they hold {rows:,} rows, which no readings do: look at what wrote it, and deliver "
            "it again in smaller files"
        )


def _recognised(head: bytes) -> tuple[str, str] | None:
    for first, what, remedy in SIGNATURES:
        if head.startswith(first):
            return what, remedy
    if head[TAR_OFFSET:].startswith(TAR_MARK):
        return "a tar archive", "unpack it"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for first, what in MARKUP:
        if text.startswith(first):
            return what, EXPORT
    return None


class _Unpacked(io.RawIOBase):
    """What a gzip file unpacks to, as far as it is in proportion."""

    def __init__(self, path: Path) -> None:
        self._packed = path.open("rb")
        self._stream = gzip.GzipFile(fileobj=self._packed)
        self._bytes = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._bytes += len(data)
        refuse_disproportion(self._packed.tell(), self._bytes)
        return data

    def close(self) -> None:
        self._stream.close()
        self._packed.close()
        super().close()
