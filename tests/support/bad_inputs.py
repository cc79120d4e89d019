"""Bad deliveries, each with what must come of it: it is quarantined for a reason, or it loads right.

What belongs here: one entry for each, made by code. What does not: landing them (unit/test_landing_bad_inputs.py for each by itself,
integration/test_bad_inputs.py for all at once, beside a sound delivery), and random ones (unit/test_landing_fuzz.py).
`python tests/support/bad_inputs_document.py` writes docs/bad-inputs.md from them.
"""

from __future__ import annotations

import gzip
import io
import os
import socket
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Row = Mapping[str, object]
ORIGIN = "elsewhere"
"""Beside the landing zone: what links that leave it lead to."""


@dataclass(frozen=True)
class Quarantined:
    """The file is rejected whole; its message holds all of `told`."""

    told: tuple[str, ...]


@dataclass(frozen=True)
class Refused:
    """The file is not opened at all; the reason holds all of `told`."""

    told: tuple[str, ...]


@dataclass(frozen=True)
class Loads:
    """Its rows load: `rows` says of each, in order, values of some columns; `rejected` row, column and a part of the reason of the
    others; `left_out` the optional columns whose values could not be read, and how many."""

    rows: tuple[Row, ...] = ()
    rejected: tuple[tuple[int, str | None, str], ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class LeftAlone:
    """Nothing is made of it: it is no data file, or lies in no source's folder."""


Outcome = Quarantined | Refused | Loads | LeftAlone


@dataclass(frozen=True)
class BadInput:
    """`name` says what is wrong, `path` where it lies below a landing zone, `content` what it holds.

    Where that is not all, `place` puts it there, given its path. `is_large`: read in a process of its own, whose memory is measured.
    """

    name: str
    path: str
    content: Callable[[], bytes]
    outcome: Outcome
    place: Callable[[Path, bytes], None] | None = None
    is_large: bool = False

    @property
    def source(self) -> str:
        return self.path.split("/")[0]

    def put(self, root: Path) -> Path:
        """Make it below the landing zone `root`."""
        path = root / self.path
        path.parent.mkdir(parents=True, exist_ok=True)
        (self.place or _write)(path, self.content())
        return path


READINGS = "meter_id,reading_at,consumption_kwh\n"
GOOD = "M1,2024-01-01 00:00,1.5\n"
ONE: tuple[Row, ...] = (
    {"meter_id": "M1", "reading_at": datetime(2023, 12, 31, 23, tzinfo=UTC), "consumption_kwh": 1.5},
)
TWO = ONE * 2
COLUMNS: dict[str, pa.Array] = {
    "meter_id": pa.array(["M1"]),
    "reading_at": pa.array(["2024-01-01 00:00"]),
    "consumption_kwh": pa.array([1.5]),
}


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def text(name: str, path: str, content: str | bytes, outcome: Outcome) -> BadInput:
    """A file of this content."""
    return BadInput(name, path, lambda: content.encode() if isinstance(content, str) else content, outcome)


def readings(name: str, slug: str, rows: str | bytes, outcome: Outcome) -> BadInput:
    """A CSV of readings: a sound row, and the ones in question."""
    content = (READINGS + GOOD).encode() + (rows.encode() if isinstance(rows, str) else rows)
    return BadInput(name, f"meter_readings/{slug}.csv", lambda: content, outcome)


def value(name: str, slug: str, cell: str, reason: str, column: str = "consumption_kwh") -> BadInput:
    """Readings of which the second has `cell` in a required column, and is rejected for it."""
    cells = {"meter_id": "M1", "reading_at": "2024-01-01 00:30", "consumption_kwh": "1"} | {column: cell}
    return readings(name, slug, ",".join(cells.values()) + "\n", Loads(ONE, ((3, column, reason),)))


def number(name: str, slug: str, cell: str, loaded: float) -> BadInput:
    """Readings of which the second has an odd number that loads all the same."""
    return readings(name, slug, f"M1,2024-01-01 00:00,{cell}\n", Loads((*ONE, {**ONE[0], "consumption_kwh": loaded})))


def date_of(
    name: str, slug: str, cell: str, reason: str = "is no date-time (expected e.g. 2017-11-05 00:30"
) -> BadInput:
    return value(name, slug, cell, reason, "reading_at")


def parquet(name: str, slug: str, outcome: Outcome, path: str = "meter_readings", **columns: Any) -> BadInput:
    """A Parquet file of one sound reading, but for these columns."""
    return BadInput(name, f"{path}/{slug}.parquet", lambda: _parquet(COLUMNS | columns), outcome)


def _parquet(columns: Mapping[str, pa.Array], **options: Any) -> bytes:
    longest = max(map(len, columns.values()))
    padded = {
        name: array if len(array) == longest else pa.concat_arrays([array] * longest) for name, array in columns.items()
    }
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(list(padded.values()), names=list(padded)), buffer, **options)
    return buffer.getvalue()


def _twice(name: str) -> bytes:
    buffer = io.BytesIO()
    arrays = [*COLUMNS.values(), COLUMNS[name]]
    pq.write_table(pa.Table.from_arrays(arrays, names=[*COLUMNS, name]), buffer)
    return buffer.getvalue()


def _long_parquet() -> bytes:
    columns = {name: pa.concat_arrays([array] * 9000) for name, array in COLUMNS.items()}
    return _parquet(columns, row_group_size=1000, compression="none", use_dictionary=False)


def _spoiled(content: bytes, share: float, junk: bytes) -> bytes:
    at = int(len(content) * share)
    return content[:at] + junk + content[at + len(junk) :]


def _packed(content: bytes | str) -> bytes:
    return gzip.compress(content.encode() if isinstance(content, str) else content, mtime=0)


def _tarred() -> bytes:
    buffer, content = io.BytesIO(), (READINGS + GOOD).encode()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        entry = tarfile.TarInfo("readings.csv")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _bomb(start: str, piece: bytes, times: int) -> Callable[[], bytes]:
    """What unpacks to `start` and then `piece` again and again: gzip joins what is joined."""
    return lambda: _packed(start) + _packed(piece) * times


def _repeated_text() -> bytes:
    """A text of a megabyte that two hundred thousand rows repeat: 200 GB, in a few kilobytes."""
    rows = 200_000
    ids = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * (1 << 20)]))
    others = {name: pa.repeat(array[0], rows) for name, array in COLUMNS.items()}
    return _parquet(others | {"meter_id": ids}, compression="zstd", store_schema=False, write_statistics=False)


def _long_texts() -> bytes:
    """Texts of a megabyte, each another, packed to nothing."""
    ids = pa.array([f"{number}" + "x" * (1 << 20) for number in range(80)])
    return _parquet({"meter_id": ids}, compression="zstd", use_dictionary=False, write_statistics=False)


def _many_rows() -> bytes:
    """Thirty million rows that are all the same."""
    buffer, rows = io.BytesIO(), 10_000_000
    column = pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), rows), pa.array(["M1"]))
    table = pa.table({name: column for name in COLUMNS})
    with pq.ParquetWriter(
        buffer, table.schema, compression="zstd", write_statistics=False, store_schema=False
    ) as writer:
        for _ in range(3):
            writer.write_table(table, row_group_size=rows)
    return buffer.getvalue()


def _in_folder_of_that_name(path: Path, content: bytes) -> None:
    path.mkdir(parents=True)
    (path / "inside.csv").write_bytes(content)


def _link_out(path: Path, content: bytes) -> None:
    _link_to(path, _outside(path, content))


def _link_to_folder(path: Path, content: bytes) -> None:
    _link_to(path, _outside(path, content).parent)


def _outside(path: Path, content: bytes) -> Path:
    """A file beside the landing zone that `path` lies in, two folders up."""
    target = path.parents[2] / ORIGIN / path.name
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(content)
    return target


def _link_to(path: Path, target: Path) -> None:
    path.symlink_to(target)


def _socket(path: Path, _content: bytes) -> None:
    before = Path.cwd()
    os.chdir(path.parent)  # a socket's whole path may have 108 characters only
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path.name)
    finally:
        os.chdir(before)


def _under_bytes(name: bytes) -> Callable[[Path, bytes], None]:
    """A file of a name that is no text."""

    def place(path: Path, content: bytes) -> None:
        descriptor = os.open(os.fsencode(path.parent) + b"/" + name, os.O_WRONLY | os.O_CREAT)
        os.write(descriptor, content)
        os.close(descriptor)

    return place


def named(name: str, file_name: str, outcome: Outcome, place: Callable[[Path, bytes], None] | None = None) -> BadInput:
    """Sound readings under a name that is odd, or in a place that is."""
    return BadInput(name, f"meter_readings/{file_name}", lambda: (READINGS + GOOD).encode(), outcome, place)


NO_MAPPING = ("no mapping fits", "energy-assets mapping new")
DAMAGED = ("damaged or cut off", "deliver it again")

ENCODINGS = [
    text("a byte order mark", "meter_readings/mark.csv", (READINGS + GOOD).encode("utf-8-sig"), Loads(ONE)),
    text(
        "UTF-16, as Excel's “Unicode text”",
        "meter_readings/utf16.csv",
        (READINGS + GOOD).encode("utf-16"),
        Quarantined(("UTF-16", "UTF-8")),
    ),
    text(
        "UTF-16 without a mark",
        "meter_readings/utf16be.csv",
        (READINGS + GOOD).encode("utf-16-be"),
        Quarantined(("row 1", "NUL", "UTF-8")),
    ),
    readings(
        "one letter in Windows-1252",
        "cp1252",
        b"Caf\xe9,2024-01-01 00:30,1\n",
        Quarantined(("row 3", "0xe9", "cp1252")),
    ),
    readings(
        "that letter in a row of the wrong length",
        "cp1252 ragged",
        b"Caf\xe9,2024-01-01\n",
        Quarantined(("row 3", "0xe9", "cp1252")),
    ),
    readings("half a surrogate", "surrogate", b"M\xed\xa0\x80,2024-01-01 00:30,1\n", Quarantined(("row 3", "0xed"))),
    readings(
        "a NUL byte in an identifier",
        "nul",
        "M\x001,2024-01-01 00:30,1\n",
        Loads(ONE, ((3, "meter_id", "control characters"),)),
    ),
    text("a NUL byte in the header", "meters/nul.csv", "meter_id,a\0b\nM1,\n", Quarantined(("row 1", "NUL"))),
    text(
        "nothing but zeros, as after a crash of the sender",
        "weather/zeros.csv",
        bytes(1 << 20),
        Quarantined(("row 1", "NUL")),
    ),
    text(
        "a control character in an unknown column's name",
        "meters/bell.csv",
        "meter_id,a\x07b\nM1,x\n",
        Loads(({"meter_id": "M1"},)),
    ),
    text("line ends of old Macs", "meter_readings/mac.csv", (READINGS + GOOD).replace("\n", "\r"), Loads(ONE)),
    text("two kinds of line ends", "meter_readings/ends.csv", READINGS + GOOD.replace("\n", "\r\n") + GOOD, Loads(TWO)),
    readings("no end of line after the last row", "no end", GOOD.strip(), Loads(TWO)),
]

HEADERS = [
    text("an empty file", "inspections/empty.csv", b"", Quarantined(("is empty", "header as its first row"))),
    text("white space alone", "outages/blank.csv", " \n\t\n", Quarantined(("is empty",))),
    text(
        "an empty first line",
        "meter_readings/blank line.csv",
        "\n" + READINGS + GOOD,
        Quarantined(("starts with an empty line",)),
    ),
    text(
        "a header and no rows",
        "token_purchases/none.csv",
        "meter_id,purchased_at,energy_kwh\n",
        Quarantined(("a header and no rows",)),
    ),
    text(
        "a header and empty rows",
        "meter_readings/commas.csv",
        READINGS + ",,\n\n,,\n",
        Quarantined(("a header and no rows",)),
    ),
    text("no header", "meter_readings/headless.csv", GOOD * 2, Quarantined((*NO_MAPPING, "M1"))),
    text(
        "a missing column",
        "transformer_readings/missing.csv",
        "transformer_id,reading_at\nT1,2024-01-01\n",
        Quarantined((*NO_MAPPING, "lacks energy_kwh")),
    ),
    text(
        "column names in capitals",
        "meter_readings/capitals.csv",
        READINGS.upper() + GOOD,
        Quarantined((*NO_MAPPING, "METER_ID")),
    ),
    text(
        "another source's columns",
        "register_readings/other.csv",
        READINGS + GOOD * 5,
        Quarantined((*NO_MAPPING, "lacks read_at, register_kwh")),
    ),
    text(
        "a needed column twice",
        "meter_readings/twice.csv",
        "meter_id,reading_at,consumption_kwh,meter_id\nM1,2024-01-01,1,M2\n",
        Quarantined(("meter_id is there 2 times", "leave one")),
    ),
    text(
        "an unknown column twice",
        "meter_readings/unknown.csv",
        "x,meter_id,reading_at,consumption_kwh,x\n1,M1,2024-01-01 00:00,1.5,2\n",
        Loads(ONE),
    ),
    text(
        "columns in another order, with spaces",
        "meter_readings/order.csv",
        " consumption_kwh , reading_at,meter_id\n1.5,2024-01-01 00:00,M1\n",
        Loads(ONE),
    ),
    text(
        "values in another order than the header says",
        "meter_readings/swapped.csv",
        READINGS + "1.5,M1,2024-01-01\n",
        Loads((), ((2, "reading_at", "is no date-time"),)),
    ),
    text(
        "Excel's sep= line",
        "meter_readings/sep.csv",
        "sep=,\n" + READINGS + GOOD,
        Quarantined(("row 1", "sep=", "take that row away")),
    ),
    text(
        "semicolons and decimal commas",
        "meter_readings/semicolons.csv",
        READINGS.replace(",", ";") + "M1;2024-01-01;1,5\n",
        Quarantined((*NO_MAPPING, "meter_id;reading_at")),
    ),
    text(
        "a header of ten megabytes",
        "meter_readings/long header.csv",
        b"meter_id," * 1_200_000 + b"\n",
        Quarantined(("row 1 is longer than 1 MB",)),
    ),
    text(
        "a header without an end",
        "meter_readings/endless.csv",
        b"x" * (3 << 20),
        Quarantined(("row 1 is longer than 1 MB",)),
    ),
    text(
        "a terminal's commands in the header",
        "meters/escape.csv",
        "meter\x1b[31m,b\n1,2\n",
        Quarantined((*NO_MAPPING, "meter\N{REPLACEMENT CHARACTER}[31m")),
    ),
    text(
        "twenty thousand columns",
        "meters/wide.csv",
        "meter_id" + ",x" * 20_000 + "\nM1" + "," * 20_000 + "\n",
        Quarantined(("20,001 columns",)),
    ),
    text(
        "a name of a column as long as a page",
        "meters/page.csv",
        "meter_id," + "x" * 200_000 + "\nM1,\n",
        Quarantined(("row 1 is no header",)),
    ),
]

FORMATS = [
    text(
        "a web page: the portal's login",
        "meter_readings/login.csv",
        "\n<!DOCTYPE html><html>…</html>",
        Quarantined(("a web page", "export it as CSV")),
    ),
    text("JSON", "weather/observations.csv", '{"station_id": "S1"}\n', Quarantined(("JSON", "export it as CSV"))),
    text(
        "an Excel workbook named .csv",
        "meters/register.csv",
        b"PK\x03\x04" + bytes(200),
        Quarantined(("Excel workbook", "export it as CSV")),
    ),
    text(
        "an old Excel workbook named .csv",
        "transformers/register.csv",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(200),
        Quarantined(("Excel workbook", "export it as CSV")),
    ),
    text(
        "PDF named .csv", "inspections/report.csv", b"%PDF-1.7\n%\xe2\xe3\n", Quarantined(("PDF", "export it as CSV"))
    ),
    text(
        "gzip named .csv",
        "meter_readings/packed.csv",
        _packed(READINGS + GOOD),
        Quarantined(("gzip", "name it .csv.gz")),
    ),
    text(
        "Parquet named .csv",
        "meter_readings/parquet.csv",
        _parquet(COLUMNS),
        Quarantined(("Parquet", "name it .parquet")),
    ),
    text(
        "plain CSV named .csv.gz",
        "meter_readings/plain.csv.gz",
        READINGS + GOOD * 3,
        Quarantined(("named as gzip and is text", "name it .csv")),
    ),
    text(
        "plain CSV named .parquet",
        "meter_readings/plain.parquet",
        READINGS + GOOD * 4,
        Quarantined(("named as Parquet and is text", "name it .csv")),
    ),
    text(
        "gzip named .parquet",
        "weather/packed.parquet",
        _packed(READINGS + GOOD * 6),
        Quarantined(("named as Parquet and is gzip",)),
    ),
]

ROWS = [
    readings(
        "rows of the wrong length",
        "ragged",
        "M1,2024-01-01\nM1,2024-01-01,1,2\n" + GOOD,
        Loads(TWO, ((3, None, "has 2 values, the header has 3"), (4, None, "has 4 values"))),
    ),
    readings(
        "a decimal comma that makes one value more",
        "comma",
        "M1,2024-01-01,1,5\n",
        Loads(ONE, ((3, None, "has 4 values, the header has 3"),)),
    ),
    readings(
        "a quote that is never closed",
        "quote",
        '"M2,2024-01-01,1\n' + GOOD,
        Quarantined(("row 3 opens a quote", "correct the row")),
    ),
    text(
        "a note over two lines",
        "inspections/notes.csv",
        'meter_id,inspected_on,outcome,notes\nM1,2024-01-01,clean,"one\ntwo"\n',
        Quarantined(("row 2 opens a quote", "correct the row")),
    ),
    readings(
        "a quote that is never closed, in a large file",
        "large quote",
        '"M2,2024-01-01,1\n' + GOOD * 120_000,
        Quarantined(("row 3 opens a quote",)),
    ),
    readings(
        "a quote within a value",
        "inch",
        '5" pipe,2024-01-01 00:00,1.5\n',
        Loads((*ONE, {**ONE[0], "meter_id": '5" pipe'})),
    ),
    readings(
        "quotes doubled within quotes",
        "doubled",
        '"M ""7""",2024-01-01 00:00,1.5\n',
        Loads((*ONE, {**ONE[0], "meter_id": 'M "7"'})),
    ),
    readings(
        "a quoted row too short, longer than a page",
        "long ragged",
        f'"{"x" * 1500}",y\n"a",b\n',
        Loads(ONE, ((3, None, "has 2 values"), (4, None, "has 2 values"))),
    ),
    readings(
        "a row of ten megabytes",
        "long row",
        "x" * (10 << 20) + "\n" + GOOD,
        Quarantined(("row 3 is longer than 2 MB",)),
    ),
    readings(
        "an identifier of a megabyte",
        "long id",
        "M" * (1 << 20) + ",2024-01-01 00:30,1\n",
        Loads(ONE, ((3, "meter_id", "longer than 200 characters"),)),
    ),
    readings(
        "a hundred thousand rows of the wrong length",
        "hopeless",
        "M1,2024-01-01\n" * 100_001,
        Quarantined(("rows have another number of values than the header (2, not 3)",)),
    ),
    readings(
        "the header again in the middle, from files that were joined",
        "joined",
        READINGS + GOOD,
        Loads(TWO, ((3, "reading_at", "is no date-time"),)),
    ),
    readings("a total at the end", "total", "Total,,3.0\n", Loads(ONE, ((3, "reading_at", "is empty"),))),
    readings("the same row twice", "same", GOOD, Loads(TWO)),
]

NUMBERS = [
    value("a decimal comma", "decimal comma", '"1,5"', "is no number"),
    value("a thousands mark", "thousands", "1 234.5", "is no number"),
    value("a no-break space as thousands mark", "no-break", "1\u00a0234.5", "is no number"),
    value("a unit in the number", "unit", "1.5 kWh", "is no number"),
    value("not a number", "nan", "NaN", "is no finite number"),
    value("infinity", "infinity", "-inf", "is no finite number"),
    value("a number beyond all numbers", "1e309", "1e309", "is no finite number"),
    value("a hexadecimal number", "hexadecimal", "0x1F", "is no number"),
    value("digits of another script", "arabic digits", "١٢", "is no number"),
    value("a typographic minus", "minus", "\u22121.5", "is no number"),
    value("a formula", "formula", "=1+1", "is no number"),
    value("a spreadsheet's error", "error", "#N/A", "is no number"),
    value("an empty number", "no number", "", "is empty: a value is needed"),
    number("a negative number", "negative", "-3.5", -3.5),
    number("the largest number there is", "1e308", "1e308", 1e308),
    number("a number next to nothing", "1e-400", "1e-400", 0.0),
    number("four hundred digits, most behind the point", "digits", "0." + "1" * 400, float("0." + "1" * 400)),
]

DATES = [
    date_of("a French date", "french", "31/12/2023 00:30"),
    date_of("an American date", "american", "12/31/2023 12:30 AM"),
    date_of("a German date", "german", "31.12.2023 00:30"),
    date_of("a Japanese date", "japanese", "2023年12月31日"),
    date_of("a date with a month's name", "janvier", "1 janv. 2024"),
    date_of("a date in Arabic digits", "arabic date", "٢٠٢٤-٠١-٠١"),
    date_of("a time in Arabic digits", "arabic time", "2024-01-01 ١٢:٠٠"),
    date_of("a year of the Buddhist era", "buddhist", "2567-01-01 00:30", "is later than a day from now"),
    date_of("a year of the Ethiopian calendar", "ethiopian", "1996-04-22 00:30", "is before 2000-01-01"),
    date_of("seconds since 1970", "epoch", "1704067200"),
    date_of("milliseconds since 1970", "epoch ms", "1704067200000"),
    date_of("days since 1900, as Excel counts them", "serial", "45292.0208"),
    date_of("the thirtieth of February", "february", "2024-02-30 00:30"),
    date_of("twenty-four o'clock", "24", "2024-01-01 24:00"),
    date_of("no date", "no date", "", "is empty: a date-time is needed"),
    text(
        "a register's date in another culture",
        "meters/culture.csv",
        "meter_id,installed_on\nM1,31/12/2023\nM2,2023-12-31\n",
        Loads(
            ({"meter_id": "M2", "installed_on": date(2023, 12, 31)},),
            ((2, "installed_on", "is no date (expected e.g. 2017-11-05)"),),
        ),
    ),
    text(
        "an outage that ends at the end of time",
        "outages/forever.csv",
        "area_id,started_at,ended_at\nT1,2024-01-01 00:00,9999-12-31T23:59:59\n",
        Loads((), ((2, "ended_at", "is later than 9999-12-31"),)),
    ),
]

IDENTIFIERS = [
    value("no identifier", "no id", "", "is empty", "meter_id"),
    value("an identifier of white space", "white id", "\u00a0 ", "is empty", "meter_id"),
    value("an identifier of 201 characters", "201", "M" * 201, "longer than 200 characters", "meter_id"),
    readings(
        "an identifier of thirty digits, with leading zeros",
        "zeros",
        "000456789012345678901234567890,2024-01-01 00:00,1.5\n",
        Loads((*ONE, {**ONE[0], "meter_id": "000456789012345678901234567890"})),
    ),
    readings(
        "a formula as identifier",
        "formula id",
        '"=HYPERLINK(""http://x"")",2024-01-01 00:00,1.5\n',
        Loads((*ONE, {**ONE[0], "meter_id": '=HYPERLINK("http://x")'})),
    ),
    readings(
        "an identifier that is a command for databases",
        "drop",
        "'); drop table meters;--,2024-01-01 00:00,1.5\n",
        Loads((*ONE, {**ONE[0], "meter_id": "'); drop table meters;--"})),
    ),
    text(
        "a formula in a note",
        "inspections/formula.csv",
        "meter_id,inspected_on,outcome,notes\nM1,2024-01-01,theft,=cmd|' /C calc'!A0\n",
        Loads(({"notes": "=cmd|' /C calc'!A0"},)),
    ),
]

OTHER_SOURCES = [
    text(
        "humidity with its unit",
        "weather/unit.csv",
        "station_id,observed_at,humidity_pct\nS1,2024-01-01 00:00,85 %\n",
        Loads(({"station_id": "S1", "humidity_pct": None},), left_out={"humidity_pct": 1}),
    ),
    text(
        "an outage whose end is a word",
        "outages/later.csv",
        "area_id,started_at,ended_at\nT1,2024-01-01 00:00,later\nT2,2024-01-01 00:00,\n",
        Loads(({"area_id": "T2", "ended_at": None},), ((2, "ended_at", "is no date-time"),)),
    ),
    text(
        "an amount with its currency",
        "token_purchases/amount.csv",
        "meter_id,purchased_at,energy_kwh,amount\nM1,2024-01-01 00:00,50,5 000 FCFA\n",
        Loads(({"energy_kwh": 50.0, "amount": None},), left_out={"amount": 1}),
    ),
    text(
        "a register that counts backwards",
        "register_readings/backwards.csv",
        "meter_id,read_at,register_kwh\nM1,2024-01-01 00:00,-5\n",
        Loads(({"register_kwh": -5.0},)),
    ),
    text(
        "a transformer's energy in words",
        "transformer_readings/words.csv",
        "transformer_id,reading_at,energy_kwh\nT1,2024-01-01 00:00,twelve\n",
        Loads((), ((2, "energy_kwh", "is no number"),)),
    ),
    text(
        "a rating with its unit",
        "transformers/rating.csv",
        "transformer_id,rating_kva\nT1,100 kVA\n",
        Loads(({"transformer_id": "T1", "rating_kva": None},), left_out={"rating_kva": 1}),
    ),
    text(
        "a multiplier as a ratio",
        "meters/ratio.csv",
        "meter_id,ct_multiplier\nM1,40:1\n",
        Loads((), ((2, "ct_multiplier", "is no number"),)),
    ),
    text(
        "a perhaps, and one and a half phases",
        "meters/perhaps.csv",
        "meter_id,prepaid,phases\nM1,peut-être,1.5\n",
        Loads(({"prepaid": None, "phases": None},), left_out={"prepaid": 1, "phases": 1}),
    ),
    text(
        "a visit without an outcome",
        "inspections/outcome.csv",
        "meter_id,inspected_on,outcome\nM1,2024-01-01,\nM2,2024-01-01,clean\n",
        Loads(({"meter_id": "M2"},), ((2, "outcome", "is empty"),)),
    ),
    text(
        "an interval longer than a number can be",
        "meter_readings/interval.csv",
        READINGS.strip() + ",interval_minutes\nM1,2024-01-01 00:00,1.5,99999\n",
        Loads(({**ONE[0], "interval_minutes": None},), left_out={"interval_minutes": 1}),
    ),
    text(
        "a version beyond all numbers",
        "meter_readings/version.csv",
        READINGS.strip() + f",version\nM1,2024-01-01 00:00,1.5,{2**63}\n",
        Loads(({**ONE[0], "version": None},), left_out={"version": 1}),
    ),
    text("a folder that no source has", "meter_reading/typing error.csv", READINGS + GOOD, LeftAlone()),
]

PACKED = [
    text("gzip cut off", "meter_readings/cut.csv.gz", _packed(READINGS + GOOD * 5000)[:120], Quarantined(DAMAGED)),
    text(
        "gzip with a flipped bit",
        "meter_readings/flipped.csv.gz",
        _spoiled(_packed(READINGS + "".join(f"M{n},2024-01-01,{n}\n" for n in range(500))), 0.5, b"\xff\xff"),
        Quarantined(DAMAGED),
    ),
    text(
        "gzip with the wrong checksum",
        "weather/checksum.csv.gz",
        _packed(READINGS + GOOD)[:-8] + bytes(8),
        Quarantined(DAMAGED),
    ),
    text("gzip in two pieces", "meter_readings/pieces.csv.gz", _packed(READINGS + GOOD) + _packed(GOOD), Loads(TWO)),
    text(
        "gzip with rubbish behind it",
        "meter_readings/rubbish.csv.gz",
        _packed(READINGS + GOOD) + b"rubbish",
        Quarantined(DAMAGED),
    ),
    text(
        "gzip twice",
        "meter_readings/packed twice.csv.gz",
        _packed(_packed(READINGS + GOOD)),
        Quarantined(("unpacks to is gzip",)),
    ),
    text("a tar archive", "meters/archive.csv.gz", _tarred(), Quarantined(("tar archive", "unpack it"))),
    text("gzip of nothing", "outages/nothing.csv.gz", _packed(b""), Quarantined(("is empty",))),
    BadInput(
        "a bomb: 3 GB of zeros in one row",
        "meter_readings/zeros.csv.gz",
        _bomb(READINGS + GOOD, bytes(64 << 20), 48),
        Quarantined(("row 3 is longer than 2 MB",)),
        is_large=True,
    ),
    BadInput(
        "a bomb: 3 GB of empty lines",
        "meter_readings/lines.csv.gz",
        _bomb(READINGS + GOOD, b"\n" * (64 << 20), 48),
        Quarantined(("bytes of it unpack to", "times as much", "smaller files")),
        is_large=True,
    ),
    BadInput(
        "a bomb: 3 GB of short rows",
        "meter_readings/short rows.csv.gz",
        _bomb(READINGS + GOOD, b"x\n" * (32 << 20), 48),
        Quarantined(("another number of values than the header",)),
        is_large=True,
    ),
]

PARQUETS = [
    text("an empty Parquet file", "meter_readings/empty.parquet", b"", Quarantined(("is empty",))),
    text(
        "Parquet cut off",
        "meter_readings/cut.parquet",
        _long_parquet()[:-200],
        Quarantined(("damaged", "deliver it again")),
    ),
    text(
        "Parquet with a spoiled page",
        "meter_readings/page.parquet",
        _spoiled(_long_parquet(), 0.5, b"\xff" * 4000),
        Quarantined(("deliver it again",)),
    ),
    text(
        "Parquet whose footer says nonsense",
        "meter_readings/footer.parquet",
        b"PAR1" + bytes(40) + b"\xff\xff\xff\x7fPAR1",
        Quarantined(("damaged", "deliver it again")),
    ),
    parquet(
        "Parquet without rows",
        "no rows",
        Quarantined(("no rows",)),
        **{name: array[:0] for name, array in COLUMNS.items()},
    ),
    text(
        "Parquet with a column twice",
        "meter_readings/twice.parquet",
        _twice("meter_id"),
        Quarantined(("meter_id is there 2 times",)),
    ),
    parquet(
        "a list as identifier",
        "list",
        Quarantined(("the column meter_id", "store it as text")),
        meter_id=pa.array([["M1"]]),
    ),
    parquet(
        "an identifier that is no UTF-8",
        "bytes",
        Quarantined(("the column meter_id", "UTF-8")),
        meter_id=pa.array([b"\xff"]),
    ),
    parquet("numbers as identifiers", "numbers", Loads(({**ONE[0], "meter_id": "17"},)), meter_id=pa.array([17])),
    parquet(
        "identifiers that a table turned into 17.0",
        "floats",
        Loads(({**ONE[0], "meter_id": "17"},)),
        meter_id=pa.array([17.0]),
    ),
    parquet(
        "identifiers of sixteen digits that a table turned into 1.2e15",
        "exponents",
        Loads(({**ONE[0], "meter_id": "1234567890123456"},)),
        meter_id=pa.array([1234567890123456.0]),
    ),
    parquet(
        "a structure as a number",
        "structure",
        Quarantined(("the column consumption_kwh", "store it as text")),
        consumption_kwh=pa.array([{"kwh": "1.5"}]),
    ),
    parquet(
        "no identifier, null", "null", Loads((), ((1, "meter_id", "is empty"),)), meter_id=pa.array([None], pa.string())
    ),
    parquet(
        "a null column", "null column", Loads((), ((1, "consumption_kwh", "is empty"),)), consumption_kwh=pa.nulls(1)
    ),
    parquet(
        "not a number, in Parquet",
        "nan",
        Loads((), ((1, "consumption_kwh", "is no finite number"),)),
        consumption_kwh=pa.array([float("nan")]),
    ),
    parquet("decimals", "decimals", Loads(ONE), consumption_kwh=pa.array([Decimal("1.500")])),
    parquet(
        "a length of time as energy",
        "duration",
        Loads((), ((1, "consumption_kwh", "is no number"),)),
        consumption_kwh=pa.array([5], pa.duration("us")),
    ),
    parquet(
        "seconds since 1970 as a number",
        "epoch",
        Loads((), ((1, "reading_at", "is no date-time"),)),
        reading_at=pa.array([1704067200]),
    ),
    parquet(
        "nanoseconds in another zone",
        "nanoseconds",
        Loads(ONE),
        reading_at=pa.array([1_704_063_600_000_000_000], pa.timestamp("ns", "Asia/Tokyo")),
    ),
    parquet(
        "an instant beyond the calendar",
        "beyond",
        Loads((), ((1, "reading_at", "is later than a day from now"),)),
        reading_at=pa.array([2**63 - 1], pa.timestamp("us")),
    ),
    parquet(
        "an instant that overflows into a likely one",
        "overflow",
        Loads((), ((1, "reading_at", "is later than a day from now"),)),
        reading_at=pa.array([(2**64 + 1_704_063_600_000_000) // 1000], pa.timestamp("ms")),
    ),
    parquet(
        "a date beyond the calendar",
        "date",
        Loads((), ((1, "reading_at", "is later than a day from now"),)),
        reading_at=pa.array([2**31 - 1], pa.date32()),
    ),
    parquet("unknown columns of any type", "unknown", Loads(ONE), remark=pa.array([{"a": [1, 2]}])),
    BadInput(
        "a bomb: a text of a megabyte in 200,000 rows",
        "meter_readings/repeated.parquet",
        _repeated_text,
        Loads((), ((1, "meter_id", "longer than 200 characters"),)),
        is_large=True,
    ),
    BadInput(
        "a bomb: long texts packed to nothing",
        "meters/long texts.parquet",
        _long_texts,
        Quarantined(("bytes of it unpack to", "times as much")),
        is_large=True,
    ),
    BadInput(
        "a bomb: thirty million rows in a few kilobytes",
        "meter_readings/many rows.parquet",
        _many_rows,
        Quarantined(("30,000,000 rows", "smaller files")),
        is_large=True,
    ),
]

NAMES = [
    named("quotes, spaces and brackets in the name", 'it\'s "a" [x] (1) $HOME `id`.csv', Loads(ONE)),
    named("a name that climbs out elsewhere", "x\\..\\..\\etc\\passwd%2f..csv", Loads(ONE)),
    named("a name that is an option", "-rf.csv", Loads(ONE)),
    named("a name of 255 bytes", "é" * 125 + "x.csv", Loads(ONE)),
    named("an ending in capitals", "LOUD.CSV", Loads(ONE)),
    named("a line end in the name", "two\nlines.csv", Refused(("no printable UTF-8", "rename it"))),
    named("a name that is read backwards", "\u202evsc.csv", Refused(("no printable UTF-8", "rename it"))),
    named(
        "a name that is no UTF-8",
        "\N{REPLACEMENT CHARACTER}.csv",
        Refused(("no printable UTF-8", "rename it")),
        _under_bytes(b"\xff.csv"),
    ),
    named("a hidden file", ".hidden.csv", LeftAlone()),
    named("a spreadsheet's lock", "~$open.csv", LeftAlone()),
    named("a file still being sent", "sent.csv.part", LeftAlone()),
    BadInput(
        "a folder named .csv, with a file in it",
        "meter_readings/folder.csv",
        lambda: (READINGS + GOOD).encode(),
        Loads(ONE),
        _in_folder_of_that_name,
    ),
    named(
        "a link that leaves the zone", "stolen.csv", Refused(("leaves the landing zone", "copy the file")), _link_out
    ),
    named("a link to itself", "loop.csv", Refused(("cannot be read", "link")), lambda path, _: _link_to(path, path)),
    named(
        "a link to nothing",
        "dangling.csv",
        Refused(("cannot be read", "repair the link")),
        lambda path, _: _link_to(path, path.parent / "nothing"),
    ),
    named("a link to a folder", "linked", Refused(("link to a folder",)), _link_to_folder),
    named("a pipe", "pipe.csv", Refused(("no regular file", "take it away")), lambda path, _: os.mkfifo(path)),
    named("a socket", "socket.csv", Refused(("no regular file", "take it away")), _socket),
]

GROUPS: Mapping[str, Sequence[BadInput]] = {
    "Encodings and line ends": ENCODINGS,
    "Headers": HEADERS,
    "Other formats": FORMATS,
    "Rows": ROWS,
    "Numbers": NUMBERS,
    "Dates and times": DATES,
    "Identifiers and texts": IDENTIFIERS,
    "Other sources": OTHER_SOURCES,
    "Packed files": PACKED,
    "Parquet": PARQUETS,
    "Names and places": NAMES,
}
BAD_INPUTS: Sequence[BadInput] = tuple(bad for group in GROUPS.values() for bad in group)
