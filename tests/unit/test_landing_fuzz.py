"""Whatever is delivered, nothing is lost: each row is loaded as it is written, or rejected, or its file is quarantined.

`make test` tries a small sample that is the same each time; `make fuzz` tries anew for an hour (support/fuzzing.py), with the same
properties. What it found stands here as `@example`, and in bad_inputs.py.
"""

from __future__ import annotations

import csv
import gzip
import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import example, given, settings
from hypothesis import strategies as st
from landing_support import NOW, Zone, accepted_rows, rejected
from support.plain_reading import UNSURE, PlainReading, read_plainly, read_row

from energy_assets.landing.contract import METER_READINGS, SOURCES, Column, Source
from energy_assets.landing.formats import safe
from energy_assets.landing.land import LandedFile

settings.register_profile("sample", derandomize=True, max_examples=60, deadline=None, database=None)
settings.load_profile("sample")

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - each example in a directory of its own
"""Thousands of parts are made sure to be on the disk, as in earnest: on a disk that would take most of the time."""

CHARACTERS = st.characters(exclude_categories=("Cs",))
ANYTHING = st.text(CHARACTERS, max_size=12)
TEXTS = st.sampled_from(
    ["M1", "M2", " M3 ", "", " ", "M\x001", "é", "x" * 200, "x" * 201, '"', 'a"b', "a,b", "=1+1", "@SUM(A1)", "\ufeff"]
)
NUMBERS = st.one_of(
    st.sampled_from(
        [
            "1.5",
            "-3",
            "0",
            "",
            "1,5",
            "1.234,5",
            "nan",
            "-inf",
            "Infinity",
            "1e308",
            "1e309",
            "1e-400",
            "0x1F",
            "1_000",
            "١٢",
            "+.5",
            "5.",
            ".",
            "--1",
            "1e5",
            "1 000",
        ]
    ),
    st.sampled_from(["1'000", "12:30", "=1.5", "١.٥", "1.5 kWh", "9" * 400, "-0", "TRUE", "#N/A", "1\u00a0000", "−1"]),
    st.floats().map(repr),
    st.integers().map(str),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
)
LIKELY = st.datetimes(datetime(2023, 12, 30), datetime(2024, 4, 2))
OFFSETS = st.sampled_from(["", "", "Z", "+01:00", "-0530", "+14", "+15:00", " +02:00"])
INSTANTS = st.one_of(
    st.builds(lambda at, offset: at.isoformat(" ", "minutes") + offset, LIKELY, OFFSETS),
    st.builds(lambda at, offset: at.isoformat() + offset, st.datetimes(), OFFSETS),
    LIKELY.map(lambda at: f"{at:%Y-%m-%d}"),
    st.sampled_from(
        [
            "",
            "0000-00-00",
            "2024-02-30 00:00",
            "2024-01-01 24:00",
            "2024-01-01 ١٢:٠٠",
            "01/02/2024",
            "1704067200",
            "45292.5",
            "24:00",
        ]
    ),
    st.sampled_from(
        [
            "9999-12-31T23:59:59-14:00",
            "0001-01-01T00:00:00+14:00",
            "2024-01-01T00:00:60",
            "2024-1-1",
            "20240101",
            "2024-W01-1",
        ]
    ),
    st.sampled_from(
        [
            "2024-03-31 01:30",
            "2024-10-27 01:30",
            "٢٠٢٤-٠١-٠١",
            "2024-01-01T00:00:00.1234567890",
            "2024-01-01T00:00:00,5",
        ]
    ),
)
CELLS: dict[str, st.SearchStrategy[str]] = {
    "text": TEXTS | ANYTHING,
    "timestamptz": INSTANTS | ANYTHING,
    "date": INSTANTS | ANYTHING,
    "boolean": st.sampled_from(["yes", "NON", "1", "0", "maybe", "", "İ"]) | ANYTHING,
    "bigint": st.sampled_from(["1", "", "2024-01-01", "v2", str(2**63), str(-(2**63))]) | NUMBERS | INSTANTS,
}
"""Of each type of column, what stands in such columns, and what does not belong there."""


@dataclass(frozen=True)
class Delivery:
    """A file of one source in the contract's own dialect: its text without a byte order mark, and how it is stored."""

    source: Source
    text: str
    has_mark: bool
    is_packed: bool
    zone: str

    def name(self) -> str:
        return f"{self.source.name}/a.csv" + (".gz" if self.is_packed else "")

    def content(self) -> bytes:
        plain = (b"\xef\xbb\xbf" if self.has_mark else b"") + self.text.encode()
        return gzip.compress(plain, mtime=0) if self.is_packed else plain


@st.composite
def deliveries(draw: st.DrawFn) -> Delivery:
    source = draw(st.sampled_from(SOURCES))
    header = draw(headers(source))
    cells = st.tuples(*(cell_of(source, name) for name in header)).map(list)
    ragged = st.lists(TEXTS | INSTANTS, min_size=1, max_size=len(header) + 2)
    rows = draw(st.lists(st.one_of(cells, cells, cells, ragged, st.just([""] * len(header))), max_size=12))
    text = io.StringIO()
    writer = csv.writer(
        text,
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        lineterminator=draw(st.sampled_from(["\n", "\r\n", "\r"])),
    )
    writer.writerows([header, *rows])
    written = text.getvalue()
    return Delivery(
        source,
        written if draw(st.booleans()) else written.rstrip("\r\n"),
        draw(st.booleans()),
        draw(st.booleans()),
        draw(st.sampled_from(["Africa/Douala", "Europe/London"])),
    )


@st.composite
def headers(draw: st.DrawFn, source: Source) -> list[str]:
    optional = [column.name for column in source.delivered if not column.required]
    chosen = draw(st.lists(st.sampled_from(optional), unique=True)) if optional else []
    unknown = draw(st.lists(st.sampled_from(["remark", "Zähler", "naïve, quoted", ""]), unique=True, max_size=2))
    return draw(st.permutations([*source.required, *chosen, *unknown]))


def cell_of(source: Source, name: str) -> st.SearchStrategy[str]:
    known = {column.name: column for column in source.delivered}
    if name not in known:
        return TEXTS
    likely = {"text": "M1", "timestamptz": "2024-01-01 00:30", "date": "2024-01-01"}.get(known[name].type, "1")
    return st.just(likely) | CELLS.get(known[name].type, NUMBERS | ANYTHING)


def landed_twice(zone: Zone, path: Path) -> LandedFile:
    """The landed file, after landing it again changed nothing."""
    first = zone.land(path)
    before = {part: part.read_bytes() for part in zone.parts.rglob("*.parquet")}
    again = zone.land(path)
    assert {part: part.read_bytes() for part in zone.parts.rglob("*.parquet")} == before
    assert (first.status, first.message, first.sources, first.records) == (
        again.status,
        again.message,
        again.sources,
        again.records,
    )
    return first


def assert_nothing_is_lost(zone: Zone, landed: LandedFile) -> None:
    """What holds for every file that was read: its rows were accepted or rejected, and one that was refused says why."""
    assert landed.status in ("landed", "unreadable")
    if landed.status == "unreadable":
        assert (landed.rows_read, landed.sources, landed.records) == (0, {}, {})
        assert ": " in landed.message or " → " in landed.message, "a reason and what to do"
        assert "defect of this program" not in landed.message
        assert safe(landed.message) == landed.message
        assert not list(zone.parts.rglob("*.parquet"))
        return
    assert all(safe(name) == name for name in landed.unknown_columns)
    assert landed.rows_read == landed.rows_accepted + landed.rows_rejected > 0


def assert_reads_alike(landed: LandedFile, rows: dict[int, dict[str, object]], plain: PlainReading) -> None:
    assert set(rows) == set(plain.accepted), "accepted rows"
    assert {row for row, *_ in rejected(landed)} == plain.rejected, "rejected rows"
    for number, values in plain.accepted.items():
        for name, value in values.items():
            assert value is UNSURE or rows[number][name] == value, (number, name)


@given(delivery=deliveries())
@example(
    Delivery(
        METER_READINGS, 'meter_id,reading_at,consumption_kwh\n"' + "x" * 1200 + '",y\n"a",b\n', False, False, "UTC"
    )
)
@example(Delivery(METER_READINGS, "meter_id,reading_at,consumption_kwh\nM1,2024-01-01 ١٢:٠٠,1\n", False, False, "UTC"))
def test_each_row_of_a_csv_is_loaded_as_it_is_written_or_rejected(delivery: Delivery) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as directory:
        zone = Zone(Path(directory), delivery.zone)
        landed = landed_twice(zone, zone.put(delivery.content(), delivery.name()))
        assert_nothing_is_lost(zone, landed)
        plain = read_plainly(delivery.text, delivery.source, delivery.zone, NOW)
        if plain.has_line_ends:
            assert "opens a quote" in landed.message
        elif not plain.accepted and not plain.rejected:
            assert "holds a header and no rows" in landed.message
        else:
            assert landed.status == "landed", landed.message
            assert_reads_alike(landed, accepted_rows(zone, landed, delivery.source), plain)


SOUND = "meter_id,reading_at,consumption_kwh,version\n" + "".join(
    f"M{number % 3},2024-01-0{1 + number // 24} {number % 24:02d}:00,{number / 8},{number % 2}\n"
    for number in range(40)
)


def sound_parquet(**options: object) -> bytes:
    rows = [line.split(",") for line in SOUND.splitlines()[1:]]
    table = pa.table(
        {
            "meter_id": [row[0] for row in rows],
            "reading_at": [datetime.fromisoformat(row[1]) for row in rows],
            "consumption_kwh": [float(row[2]) for row in rows],
            "version": [int(row[3]) for row in rows],
        }
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **options)
    return buffer.getvalue()


SOUND_FILES = {
    "a.csv": SOUND.encode(),
    "b.csv": SOUND.replace("\n", "\r\n").replace("M1", '"M1"').encode("utf-8-sig"),
    "a.csv.gz": gzip.compress(SOUND.encode(), mtime=0),
    "a.parquet": sound_parquet(),
    "b.parquet": sound_parquet(use_dictionary=False, compression="none", row_group_size=7),
    "c.parquet": sound_parquet(compression="zstd", data_page_version="2.0", write_page_index=True),
}
MUTATIONS: dict[str, Callable[[bytes, int, int, bytes], bytes]] = {
    "cut": lambda content, at, length, _: content[:at],
    "behead": lambda content, at, length, _: content[at:],
    "delete": lambda content, at, length, _: content[:at] + content[at + length :],
    "insert": lambda content, at, _, junk: content[:at] + junk + content[at:],
    "overwrite": lambda content, at, _, junk: content[:at] + junk + content[at + len(junk) :],
    "repeat": lambda content, at, length, _: content[: at + length] + content[at:],
    "swap": lambda content, at, length, _: content[:at] + content[at : at + length][::-1] + content[at + length :],
    "zero": lambda content, at, length, _: content[:at] + bytes(length) + content[at + length :],
}
JUNK = st.binary(min_size=1, max_size=8) | st.sampled_from(
    [
        b'"',
        b",",
        b"\n",
        b"\r",
        b"\r\n",
        b"\x00",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\xff\xff\xff\xff\x07",
        b"PAR1",
        b";",
        b"=",
        b"\xc2\xa0",
    ]
)


@st.composite
def broken_files(draw: st.DrawFn) -> tuple[str, bytes]:
    name = draw(st.sampled_from(sorted(SOUND_FILES)))
    content = SOUND_FILES[name]
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(content)))
        mutate = MUTATIONS[draw(st.sampled_from(sorted(MUTATIONS)))]
        content = mutate(content, at, draw(st.integers(1, 64)), draw(JUNK))
    return name, content


@given(broken=broken_files())
def test_a_broken_file_is_quarantined_or_says_what_it_says(broken: tuple[str, bytes]) -> None:
    name, content = broken
    with tempfile.TemporaryDirectory(dir=MEMORY) as directory:
        zone = Zone(Path(directory))
        landed = landed_twice(zone, zone.put(content, f"meter_readings/{name}"))
        assert_nothing_is_lost(zone, landed)
        if landed.status == "unreadable":
            return
        rows = accepted_rows(zone, landed, METER_READINGS)
        assert len(rows) == landed.rows_accepted
        if name.endswith(".gz"):
            content = gzip.decompress(content)  # whose checksum holds, or it had not landed
        if not name.endswith(".parquet") and b'"' not in content:
            text = content.decode().removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
            if text.split("\n")[0].strip() == SOUND.split("\n")[0]:
                assert_reads_alike(landed, rows, read_plainly(text, METER_READINGS, zone.timezone, NOW))


ARROW_CELLS: dict[pa.DataType, st.SearchStrategy[object]] = {
    pa.string(): TEXTS | NUMBERS | INSTANTS | ANYTHING,
    pa.large_string(): TEXTS | NUMBERS | INSTANTS,
    pa.dictionary(pa.int32(), pa.string()): TEXTS | NUMBERS | INSTANTS,
    pa.binary(): st.binary(max_size=6) | TEXTS.map(str.encode),
    pa.float64(): st.floats(),
    pa.float32(): st.floats(width=32),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.int8(): st.integers(-128, 127),
    pa.bool_(): st.booleans(),
    pa.decimal128(38, 9): st.decimals(-(10**20), 10**20, places=9),
    pa.date32(): st.integers(-(2**31), 2**31 - 1) | st.dates(date(1999, 1, 1), date(2030, 1, 1)),
    pa.date64(): st.dates(),
    pa.timestamp("us"): st.integers(-(2**63), 2**63 - 1) | LIKELY,
    pa.timestamp("ms", tz="UTC"): st.integers(-(2**63), 2**63 - 1) | LIKELY.map(lambda at: at.replace(tzinfo=UTC)),
    pa.timestamp("ns"): st.integers(-(2**63), 2**63 - 1),
    pa.time64("us"): st.times(),
    pa.duration("us"): st.timedeltas(timedelta(-1), timedelta(1)),
    pa.list_(pa.int32()): st.lists(st.integers(0, 9), max_size=2),
    pa.struct([("a", pa.string())]): st.fixed_dictionaries({"a": TEXTS}),
    pa.null(): st.none(),
}


@st.composite
def parquet_files(draw: st.DrawFn) -> tuple[Source, pa.Table, bytes]:
    source = draw(st.sampled_from(SOURCES))
    header, rows = draw(headers(source)), draw(st.integers(0, 8))
    columns = [draw(arrow_columns(source, name, rows)) for name in header]
    table = pa.Table.from_arrays(columns, names=header)
    buffer = io.BytesIO()
    pq.write_table(
        table,
        buffer,
        use_dictionary=draw(st.booleans()),
        store_schema=draw(st.booleans()),
        row_group_size=draw(st.sampled_from([1, 3, 1000])),
        compression=draw(st.sampled_from(["none", "snappy", "zstd", "gzip"])),
    )
    return source, table, buffer.getvalue()


@st.composite
def arrow_columns(draw: st.DrawFn, source: Source, name: str, rows: int) -> pa.Array:
    known = {column.name: column for column in source.delivered}
    if draw(st.integers(0, 3)):
        kind, cells = likely_type(known.get(name))
    else:
        kind, cells = draw(st.sampled_from(sorted(ARROW_CELLS.items(), key=str)))
    values = draw(st.lists(st.none() | cells, min_size=rows, max_size=rows))
    if pa.types.is_dictionary(kind):
        return pa.array(values, kind.value_type).dictionary_encode()
    return pa.array(values, kind)


def likely_type(column: Column | None) -> tuple[pa.DataType, st.SearchStrategy[object]]:
    if column is not None and column.type == "double precision":
        return pa.float64(), ARROW_CELLS[pa.float64()]
    if column is not None and column.type == "timestamptz":
        return pa.timestamp("us"), ARROW_CELLS[pa.timestamp("us")]
    return pa.string(), ARROW_CELLS[pa.string()]


def as_written(value: pa.Scalar, column: Column) -> str | None:
    """A value of a Parquet file as it would stand in a CSV; None where that is not obvious."""
    if not value.is_valid:
        return ""
    if pa.types.is_string(value.type) or pa.types.is_large_string(value.type) or pa.types.is_dictionary(value.type):
        return value.as_py() or ""
    if not pa.types.is_float64(value.type):
        return None
    number = value.as_py()
    if column.type in ("double precision", "smallint"):
        return repr(number)
    return str(int(number)) if number.is_integer() and abs(number) < 2**53 else None


@given(delivered=parquet_files())
def test_each_row_of_a_parquet_is_loaded_as_it_is_written_or_rejected(
    delivered: tuple[Source, pa.Table, bytes],
) -> None:
    source, table, content = delivered
    with tempfile.TemporaryDirectory(dir=MEMORY) as directory:
        zone = Zone(Path(directory))
        landed = landed_twice(zone, zone.put(content, f"{source.name}/a.parquet"))
        assert_nothing_is_lost(zone, landed)
        if landed.status == "unreadable":
            assert not table.num_rows or "the column" in landed.message
            return
        rows = accepted_rows(zone, landed, source)
        assert sorted([*rows, *{row for row, *_ in rejected(landed)}]) == list(range(1, table.num_rows + 1))
        for number in range(1, table.num_rows + 1):
            cells = {
                column.name: as_written(table[column.name][number - 1], column) for column in known_of(source, table)
            }
            if None not in cells.values():
                values = read_row(cells, source, zone.timezone, NOW)
                assert (values is not None) == (number in rows), (number, cells)
                for name, value in (values or {}).items():
                    assert value is UNSURE or rows[number][name] == value, (number, name)


def known_of(source: Source, table: pa.Table) -> list[Column]:
    return [column for column in source.delivered if column.name in table.column_names]
