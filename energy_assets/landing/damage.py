"""What a broken file raises, as a sentence with the row and what to do.

What belongs here: telling damage apart, and finding the row that it lies in by looking through the file once more.
What does not: what a file is that was never CSV or Parquet (formats.py), single values (values.py).
"""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from energy_assets.landing.formats import UnreadableFile, is_parquet, open_csv, safe
from energy_assets.landing.mapping import CsvDialect

ROW_BYTES = 2 << 20
"""A longer row is no row."""
SHOWN_ERROR = 200
_LINE_END = re.compile(rb"\r\n|\r|\n")


@contextmanager
def as_unreadable(path: Path, dialect: CsvDialect | None = None, refusals: Sequence[str] = ()) -> Iterator[None]:
    """Turn what a broken file raises into UnreadableFile; errors of the machine (OSError with a number) pass.

    `refusals` holds reasons that were found while parsing; they say more than what the parser then raises.
    """
    dialect = dialect or CsvDialect()
    try:
        yield
    except UnicodeDecodeError as error:
        raise UnreadableFile(_encoding_reason(path, dialect)) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UnreadableFile(f"the compressed file is damaged or cut off ({error}): deliver it again") from error
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = refusals[0] if refusals else _damage_reason(path, dialect, str(error))
        raise UnreadableFile(reason) from error


def runaway_reason(row_number: int, dialect: CsvDialect) -> str:
    return (
        f"row {row_number} opens a quote ({dialect.quote}) that is not closed on its line: "
        'correct the row, or declare quote = "" in a mapping where the mark is part of the values'
    )


def defect_reason(error: Exception) -> str:
    """What is said of a file that reading stumbled over, by no fault that is known."""
    said = safe(_first_line(str(error)))
    return (
        f"reading it ended in a defect of this program ({type(error).__name__}: {said}): report that, with the file if you "
        "may; once it is mended, change the file's time (touch) and it is read again"
    )


def _damage_reason(path: Path, dialect: CsvDialect, error: str) -> str:
    if is_parquet(path):
        return f"the file is damaged, or no Parquet that can be read ({_first_line(error)}): deliver it again"
    if "straddl" in error:
        return _long_row_reason(path, dialect)
    if _undecodable(path, dialect):
        return _encoding_reason(path, dialect)
    return f"the file is damaged or of another format ({_first_line(error)}): deliver it again"


def _first_line(error: str) -> str:
    return (error.splitlines() or ["no reason given"])[0][:SHOWN_ERROR]


def _encoding_reason(path: Path, dialect: CsvDialect) -> str:
    found = _undecodable(path, dialect)
    where = f" (row {found[0]} holds the byte 0x{found[1]:02x})" if found else ""
    return (
        f"the file is not encoded in {dialect.encoding}{where}: save it as UTF-8, or declare its encoding "
        "(latin-1, cp1252) under [csv] in a mapping"
    )


def _undecodable(path: Path, dialect: CsvDialect) -> tuple[int, int] | None:
    """Row and value of the first byte that is none of the encoding; None where all are."""
    decoder = codecs.getincrementaldecoder(dialect.encoding)()
    row, ended_in_return = 1, False
    for piece, is_last in _pieces(path):
        if ended_in_return and piece.startswith(b"\n"):
            row -= 1  # the line end was cut in two, and counted with its first half
        ended_in_return = piece.endswith(b"\r")
        try:
            decoder.decode(piece, final=is_last)
        except UnicodeDecodeError as error:
            return row + len(_LINE_END.findall(error.object[: error.start])), error.object[error.start]
        row += len(_LINE_END.findall(piece))
    return None


def _long_row_reason(path: Path, dialect: CsvDialect) -> str:
    """Why no row ends within ROW_BYTES: a line that long, or a quote that is never closed."""
    row, quoted, length = 1, 0, 0
    quote = dialect.quote.encode()
    for piece, _ in _pieces(path):
        lines = _LINE_END.split(piece)
        for position, line in enumerate(lines):
            if position:
                row, length = row + 1, 0
            length += len(line)
            if length > ROW_BYTES:
                return f"row {row} is longer than {ROW_BYTES >> 20} MB: correct the row, has it lost its line ends?"
            if not quoted and quote and line.count(quote) % 2:
                quoted = row
    return (
        runaway_reason(quoted, dialect)
        if quoted
        else f"a row is longer than {ROW_BYTES >> 20} MB: correct it, has it lost its line ends?"
    )


def _pieces(path: Path) -> Iterator[tuple[bytes, bool]]:
    """The file's bytes piece by piece, as far as they can be unpacked, and whether each is the last."""
    with open_csv(path) as stream:
        try:
            piece = stream.read(1 << 20)
            while piece:
                following = stream.read(1 << 20)
                yield piece, not following
                piece = following
        except (EOFError, zlib.error, gzip.BadGzipFile, UnreadableFile):
            return
