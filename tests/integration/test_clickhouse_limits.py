"""The endpoint refuses what is too large, too slow or too much, and serves everybody else meanwhile: tried with plain sockets."""

from __future__ import annotations

import gzip
import re
import socket
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress

import psutil
import pytest
from clickhouse_process import PASSWORDS, ClickHouseProcess

from energy_assets.embedded.clickhouse import wire
from energy_assets.embedded.clickhouse.access import BI_LIMITS
from energy_assets.embedded.clickhouse.app import Limits

QUICKLY = """
import sys
from energy_assets.embedded.clickhouse import access, app, wire
wire.HEAD_SECONDS, wire.BODY_SECONDS, wire.READ_SECONDS, wire.DISCARD_SECONDS, wire.CONNECTIONS = 1.5, 1.5, 1.5, 1.5, 60
access.BI_LIMITS |= {"max_execution_time": 3, "max_result_bytes": 20 << 20}
app.Limits.__init__.__defaults__ = app.Limits.__init__.__defaults__[:3] + (2.0,) + app.Limits.__init__.__defaults__[4:]
from energy_assets.embedded.clickhouse.__main__ import main
sys.exit(main(sys.argv[1:]))
"""
"""The endpoint's own process with seconds that a test can wait for; what they are otherwise, another test says."""


class QuickProcess(ClickHouseProcess):
    def command(self, port: int, *more: str) -> list[str]:
        command = super().command(port, *more)
        return [sys.executable, "-c", QUICKLY, *command[3:]]


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[QuickProcess]:
    process = QuickProcess(tmp_path_factory.mktemp("clickhouse")).start("--memory-mb", "1500")
    with process.client() as writer:
        writer.command("CREATE TABLE energy_analytics.days (wh Int64) ENGINE = MergeTree ORDER BY wh")
    yield process
    assert process.stop() == 0


@contextmanager
def connected(server, count: int = 1) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 20)) for _ in range(count)]


def head(user: str, *lines: str, target: str = "/", method: str = "POST") -> bytes:
    token = b64encode(f"{user}:{PASSWORDS.get(user, 'wrong')}".encode()).decode()
    return "\r\n".join(
        [f"{method} {target} HTTP/1.1", "Host: x", f"Authorization: Basic {token}", *lines, "", ""]
    ).encode()


def posted(user: str, body: bytes, *lines: str, target: str = "/") -> bytes:
    return head(user, f"Content-Length: {len(body)}", *lines, target=target) + body


def answer(connection: socket.socket) -> bytes:
    """One whole answer, or what comes until the other side closes or rests."""
    connection.settimeout(20)
    found = b""
    with suppress(OSError):
        while not is_whole(found) and (piece := connection.recv(1 << 16)):
            found += piece
    return found


def is_whole(found: bytes) -> bool:
    top, _, body = found.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", top)
    return bool(length) and len(body) >= int(length[1])


def sent(server, request: bytes) -> bytes:
    with connected(server) as (connection,):
        with suppress(ConnectionError):
            connection.sendall(request)
        return answer(connection)


def is_served(server, user: str = "writer") -> bool:
    started = time.monotonic()
    with server.client(user) as client:
        found = client.command("SELECT 42")
    return found == 42 and time.monotonic() - started < 20


# What they are ------------------------------------------------------------------------------------------------------


def test_the_limits_that_the_documentation_names():
    assert (wire.HEAD_BYTES, wire.HEAD_SECONDS, wire.BODY_SECONDS) == (1 << 20, 15, 30)
    assert (wire.READ_SECONDS, wire.DISCARD_SECONDS, wire.CONNECTIONS) == (60, 5, 400)
    assert BI_LIMITS == {"max_execution_time": 300, "max_result_bytes": 512 << 20}
    assert (Limits().bi_statement_bytes, Limits().bi_statement_seconds) == (256 << 10, 30)
    assert (Limits().statement_bytes, Limits().body_bytes) == (64 << 20, 16 << 30)


# Too slow -----------------------------------------------------------------------------------------------------------


def test_heads_that_trickle_are_cut_off_while_others_are_served(server):
    with connected(server, 40) as slow:
        for connection in slow:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nX-A: ")
        started = time.monotonic()
        while time.monotonic() - started < 1:
            for connection in slow:
                connection.sendall(b"a")
            assert is_served(server)
        answers = [answer(connection) for connection in slow]

    assert all(text.startswith(b"HTTP/1.1 408 ") for text in answers), answers
    assert time.monotonic() - started < 20


def test_connections_that_say_nothing_are_cut_off(server):
    with connected(server, 5) as silent:
        assert all(answer(connection).startswith(b"HTTP/1.1 408 ") for connection in silent)


def test_a_statement_that_trickles_is_refused(server):
    with connected(server, 30) as slow:
        for connection in slow:
            connection.sendall(head("bi", "Content-Length: 1000"))
        started = time.monotonic()
        while time.monotonic() - started < 1.2:
            for connection in slow:
                connection.sendall(b" ")
            assert is_served(server, "bi")
        # A byte now and then is no stillness, and yet it takes too long.
        for connection in slow:
            connection.sendall(b" ")
        answers = [answer(connection) for connection in slow]

    assert all(b"Code: 209" in text for text in answers), answers


def test_an_insert_that_comes_to_rest_is_cut_off_and_not_acknowledged(server):
    with connected(server, 10) as slow:
        for connection in slow:
            statement = b"INSERT INTO energy_analytics.days FORMAT CSV\n1\n"
            connection.sendall(head("writer", "Content-Length: 10000000") + statement + b"2\n" * 600_000)
        assert is_served(server)
        assert [answer(connection) for connection in slow] == [b""] * 10


def test_a_client_that_does_not_read_is_cut_off(server):
    query = b"SELECT number, number * 2 FROM numbers(2000000000) FORMAT TSV"
    with connected(server, 20) as deaf:
        before = server.memory_mb()
        for connection in deaf:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(posted("bi", query))
        assert is_served(server) and is_served(server, "bi")
        wait_until(lambda: len(established(server)) <= 4)
        assert server.memory_mb() - before < 500


def test_a_refused_client_that_goes_on_sending_is_cut_off(server):
    with connected(server) as (connection,):
        connection.sendall(head("nobody", "Content-Length: 100000000") + b"a" * 1000)
        started = time.monotonic()
        assert answer(connection).startswith(b"HTTP/1.1 403 ")
        with pytest.raises(OSError):
            while time.monotonic() - started < 20:
                connection.sendall(b"a" * 1000)
                time.sleep(0.1)
    assert time.monotonic() - started < 20


# Too large ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_",
    [
        head("bi", target="/?query=SELECT%201&x=" + "a" * (2 << 20)),
        head("bi", "X-Long: " + "a" * (2 << 20)),
        head("bi", *(f"X-{number}: a" for number in range(200_000))),
        b"POST / HTTP/1.1\r\nX: " + b"a" * (8 << 20),
        b"a" * (2 << 20),
    ],
    ids=["address", "header", "headers", "endless header", "no HTTP"],
)
def test_heads_that_are_too_large_are_refused(server, request_):
    found = sent(server, request_)

    assert found == b"" or found.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 ", b"HTTP/1.1 413 ")), found[:200]
    assert is_served(server)


def form(field: bytes, count: int) -> bytes:
    part = b'--x\r\nContent-Disposition: form-data; name="param_%d"\r\n\r\n%s\r\n'
    return b"".join(part % (number, field) for number in range(count)) + b"--x--\r\n"


@pytest.mark.parametrize(
    ("user", "request_", "codes"),
    [
        ("bi", posted("bi", b"SELECT '" + b"a" * (2 << 20) + b"'"), (307,)),
        ("bi", head("bi", "Content-Length: 1000000000000000"), (307,)),
        ("writer", head("writer", "Content-Length: 1000000000000000"), (307,)),
        ("bi", head("bi", "Transfer-Encoding: chunked") + b"100000\r\n" + b"a" * (1 << 20) + b"\r\n" + b"100000\r\n" + b"a" * 9, (307, 272)),
        ("bi", posted("bi", gzip.compress(b" " * (900 << 20), 1)[:4 << 20], "Content-Encoding: gzip"), (307,)),
        ("bi", posted("bi", gzip.compress(b" " * (200 << 20)), "Content-Encoding: gzip"), (272,)),
        ("bi", posted("bi", form(b"a" * 200_000, 10), "Content-Type: multipart/form-data; boundary=x"), (307,)),
        ("bi", posted("bi", b"SELECT 1 " + b"/*/" * 80_000), (62,)),
        ("bi", posted("bi", b"SELECT " + b"".join(b"$%d" % tag for tag in range(30_000))), (47, 62)),
    ],
    ids=["bi", "claimed", "claimed by the writer", "chunked", "gzip", "bomb", "form", "comments", "heredocs"],
)  # fmt: skip
def test_bodies_that_are_too_large_are_refused(server, user, request_, codes):
    before = server.memory_mb()
    found = sent(server, request_)

    assert any(b"Code: %d." % code in found for code in codes), found[:300]
    assert server.memory_mb() - before < 300
    assert is_served(server, user)


# Too many -----------------------------------------------------------------------------------------------------------


def test_more_connections_than_there_may_be_close_the_idle_ones(server):
    with connected(server, 58) as _, connected(server, 30) as later:
        later[-1].sendall(posted("bi", b"SELECT 42"))
        assert later[-1].recv(1000).startswith(b"HTTP/1.1 200 ")
        assert is_served(server)
        assert len(established(server)) <= 62


def test_what_bi_asks_does_not_keep_the_writer_waiting(server):
    endless = b"SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number)) SETTINGS max_threads = 1"
    with ThreadPoolExecutor(30) as pool:
        asked = [pool.submit(sent, server, posted("bi", endless.split(b" SETTINGS")[0])) for _ in range(12)]
        time.sleep(0.5)
        for _ in range(3):
            assert is_served(server)
        with server.client() as writer:
            writer.command("KILL QUERY WHERE query LIKE '%sipHash64%' AND query NOT LIKE 'KILL%' SYNC")
        for one in asked:
            one.cancel()


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("SELECT count() FROM numbers(1e13) WHERE NOT ignore(sipHash64(number))", b"159"),
        ("SELECT length(groupArray(number)) FROM numbers(1e9)", b"241"),
        ("SELECT number, toString(number) AS s FROM numbers(5e6) FORMAT JSON", b"396"),
        ("SELECT number, toString(number) AS s FROM numbers(5e6) FORMAT Arrow", b"396"),
    ],
    ids=["time", "memory", "result as JSON", "result as Arrow"],
)
def test_what_a_statement_of_bi_takes_has_an_end(server, statement, code):
    found = sent(server, posted("bi", statement.encode()))

    assert b"Code: %s." % code in found, found[:300]
    assert is_served(server)


@pytest.mark.parametrize(
    "setting",
    ["max_execution_time=301", "max_execution_time=0", "max_memory_usage=0", "max_memory_usage=99999999999",
     "max_result_bytes=0", "max_execution_time=-1", "max_execution_time=x"],
)  # fmt: skip
def test_bi_does_not_lift_its_limits(server, setting):
    assert b"Code: 452." in sent(server, posted("bi", b"SELECT 1", target=f"/?{setting}"))


# Who ----------------------------------------------------------------------------------------------------------------


def test_a_wrong_password_and_an_unknown_name_are_refused_in_the_same_words(server):
    words = {
        sent(server, head("writer").replace(b64encode(f"writer:{PASSWORDS['writer']}".encode()), b64encode(given)))
        .partition(b"\r\n\r\n")[2]
        .replace(given.partition(b":")[0], b"NAME", 1)
        for given in (b"writer:wrong", b"bi:", b"postgres:wrong", b"default:", b"writer:" + b"a" * 100_000)
    }

    assert len(words) == 1 and words.pop().startswith(b"Code: 516. DB::Exception: NAME: Authentication failed")


def test_without_a_password_there_is_nothing_but_a_sign_of_life(server):
    for target in ("/", "/ping", "/replicas_status"):
        assert sent(server, f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()).endswith(
            b"Ok.\n"
        )
    for target in ("/?query=SELECT%201", "/play", "/dashboard", "/metrics", "/../../etc/passwd"):
        found = sent(server, f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert found.startswith((b"HTTP/1.1 403 ", b"HTTP/1.1 404 ")), found


def established(server) -> list:
    return [
        one
        for one in psutil.Process(server.process.pid).net_connections("tcp")
        if one.status == psutil.CONN_ESTABLISHED and one.laddr.port == server.port
    ]


def wait_until(holds, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.05)
