"""The ClickHouse endpoint's pure parts: reading statements, decompressing bodies, saying errors."""

from __future__ import annotations

import asyncio
import collections
import gzip
import time
import zlib

import lz4.frame
import pytest
from clickhouse_connect.driver.compression import ZstdCompressor
from hypothesis import given
from hypothesis import strategies as st

from energy_assets.embedded.clickhouse import protocol, sessions, sql
from energy_assets.embedded.clickhouse.compression import PIECE_BYTES, Compressor, accepted, decompressor
from energy_assets.embedded.clickhouse.protocol import EndpointError, engine_error

COMPRESS = {
    "lz4": lz4.frame.compress,
    "zstd": ZstdCompressor().compress_block,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
}


@pytest.mark.parametrize(
    ("statement", "into", "settings", "format_name", "data"),
    [
        (b"INSERT INTO t FORMAT CSV\n1,2", b"INSERT INTO t", b"", "CSV", b"1,2"),
        (
            b"-- c\ninsert into d.t (a, `b)`) format Native\r\n\x00\n",
            b"insert into d.t (a, `b)`)",
            b"",
            "Native",
            b"\x00\n",
        ),
        (b"INSERT INTO t SETTINGS a = 1 FORMAT TSV  x", b"INSERT INTO t", b"SETTINGS a = 1", "TSV", b"x"),
        (b"INSERT INTO t (a) VALUES (1), ('FORMAT')", b"INSERT INTO t (a)", b"", "Values", b" (1), ('FORMAT')"),
        (b"INSERT INTO values VALUES (1)", b"INSERT INTO values", b"", "Values", b" (1)"),
        (b"INSERT INTO d.format FORMAT CSV 1", b"INSERT INTO d.format", b"", "CSV", b"1"),
        (
            b"INSERT INTO FUNCTION null('a Int8') FORMAT CSV\n1",
            b"INSERT INTO FUNCTION null('a Int8')",
            b"",
            "CSV",
            b"1",
        ),
        (b"INSERT INTO {t:Identifier} FORMAT CSV\n1", b"INSERT INTO {t:Identifier}", b"", "CSV", b"1"),
    ],
)
def test_an_insert_is_told_from_its_data(statement, into, settings, format_name, data):
    found = sql.data_insert(statement)

    assert found is not None
    assert (found.into[found.into.lower().index(b"insert") :], found.settings, found.format) == (
        into,
        settings,
        format_name,
    )
    assert statement[found.data_at :] == data


@pytest.mark.parametrize(
    "statement",
    [
        b"SELECT 1 FORMAT CSV",
        b"INSERT INTO t SELECT 1 FORMAT CSV",
        b"INSERT INTO t (a) WITH 1 AS x SELECT x",
        b"",
        b"INSERT INTO t",
    ],
)
def test_other_statements_carry_no_data(statement):
    assert sql.data_insert(statement) is None


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (b"SELECT 1 FORMAT JSON", "JSON"),
        (b"SELECT 1\n format Native ; -- FORMAT CSV", "Native"),
        (b"SELECT count() FROM t FORMAT TSV SETTINGS max_threads = 1", "TSV"),
        (b"SELECT 'x FORMAT CSV'", None),
        (b"SELECT format FROM t ORDER BY format DESC", None),
        (b"SELECT format('{}', a) FROM (SELECT 1 AS a)", None),
    ],
)
def test_the_output_format_is_the_statements_own(statement, expected):
    assert sql.output_format(statement) == expected


@pytest.mark.parametrize("encoding", COMPRESS)
@given(frames=st.lists(st.binary(max_size=3000), min_size=1, max_size=5), chunk=st.integers(1, 700))
def test_a_body_of_many_frames_is_whole_however_it_is_cut(encoding, frames, chunk):
    body = b"".join(COMPRESS[encoding](frame) for frame in frames)
    codec = decompressor(encoding)

    found = b"".join(piece for at in range(0, len(body), chunk) for piece in codec.feed(body[at : at + chunk]))
    codec.finish()

    assert found == b"".join(frames)


@pytest.mark.parametrize("encoding", COMPRESS)
def test_a_bomb_is_handed_on_in_small_pieces(encoding):
    codec = decompressor(encoding)

    sizes = [len(piece) for piece in codec.feed(COMPRESS[encoding](bytes(20 * PIECE_BYTES)))]

    assert sum(sizes) == 20 * PIECE_BYTES
    assert max(sizes) <= PIECE_BYTES


@pytest.mark.parametrize("encoding", COMPRESS)
@pytest.mark.parametrize("damage", [lambda body: body[:-3], lambda body: body + b"more"], ids=["cut", "padded"])
def test_a_damaged_body_is_an_error(encoding, damage):
    codec = decompressor(encoding)

    with pytest.raises(EndpointError) as refused:
        list(codec.feed(damage(COMPRESS[encoding](b"some readings" * 100))))
        codec.finish()

    assert refused.value.code == 271


@pytest.mark.parametrize("encoding", COMPRESS)
def test_a_compressed_result_reads_as_it_was(encoding):
    codec, reader = Compressor(encoding), decompressor(encoding)

    body = codec.compress(b"some ") + codec.compress(b"rows") + codec.finish()

    assert b"".join(reader.feed(body)) == b"some rows"
    reader.finish()


def test_the_best_accepted_encoding_is_chosen():
    assert accepted("br, gzip;q=0.5, lz4") == "lz4"
    assert accepted("gzip, deflate") == "gzip"
    assert accepted("zstd;q=0, identity") is None


def test_an_engines_error_is_said_as_a_server_says_it():
    nested = "Code: 164. DB::Exception: Code: 164. DB::Exception: Cannot modify 'a'. (READONLY) (version 26.9.2.1). (READONLY)"
    for raised in (nested, "Streaming query failed: Code: 164. DB::Exception: Cannot modify 'a'. (READONLY)"):
        error = engine_error(RuntimeError(raised))

        assert (error.code, error.name) == (164, "READONLY")
        said = "Code: 164. DB::Exception: Cannot modify 'a'. (READONLY) (version 26.9 (official build))\n"
        assert error.text("26.9") == said


def test_no_error_of_sql_looks_like_one_to_retry():
    statuses = {EndpointError(code, "ANY", "").status for code in range(1, 1100)}

    assert not statuses & {429, 503, 504}


def test_the_mark_of_a_broken_result_is_found_by_the_client():
    from clickhouse_connect.driver.transform import extract_exception_with_tag

    block = protocol.exception_block("abcdefgh", "Code: 395. DB::Exception: no. (X)\n")

    assert extract_exception_with_tag(b"rows" + block, "abcdefgh") == "Code: 395. DB::Exception: no. (X)"


@pytest.mark.parametrize(
    "piece",
    [b"/*", b"/*/", b"$a", b"$$", b"'\\''", b"`\\`", b'"\\"', b"'", b"--", b"a ", b"1.", b"$a$b"],
)
def test_reading_a_statement_takes_time_with_its_length_alone(piece: bytes) -> None:
    """Whatever was opened again and again and never closed: a megabyte that took hours would stop everybody's statements."""

    started = time.perf_counter()
    collections.deque(sql.tokens(b"SELECT " + piece * (400_000 // len(piece))), maxlen=0)
    assert time.perf_counter() - started < 20


def test_a_heredoc_that_is_never_closed_hides_nothing() -> None:
    assert sql.touches_server_files(b"SELECT 1 AS $a$ INTO OUTFILE '/x'")
    assert not sql.touches_server_files(b"SELECT $a$ INTO OUTFILE $a$")


def test_sessions_of_one_user_do_not_grow_without_end() -> None:
    async def take_many() -> int:
        known = sessions.Sessions(lambda _: None)
        for user in ("bi", "writer"):
            for number in range(2 * sessions.MOST_SESSIONS if user == "bi" else 5):
                known.release(await known.take(user, str(number), must_exist=False), "60")
        await known.take("writer", "0", must_exist=True)
        return len(known._sessions)

    assert asyncio.run(take_many()) == sessions.MOST_SESSIONS + 5
