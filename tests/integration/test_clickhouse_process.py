"""The ClickHouse endpoint as a process: what it refuses to start on, how it ends, and what it has kept after either."""

from __future__ import annotations

import http.client
import subprocess
import threading
import time
from base64 import b64encode
from datetime import datetime

import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError
from clickhouse_process import PASSWORDS, ClickHouseProcess, free_port
from support.small_disk import NotPermitted, fill, free, small_disk

CREATE = "CREATE TABLE readings (block Int64, number Int64) ENGINE = MergeTree ORDER BY (block, number)"
BLOCK_ROWS = 50_000


@pytest.fixture
def server(tmp_path):
    process = ClickHouseProcess(tmp_path).start()
    yield process
    if process.process.poll() is None:
        process.kill()


def test_a_restart_keeps_data(server):
    with server.client() as client:
        client.command("CREATE DATABASE served")
        client.command("CREATE TABLE served.days (at DateTime('UTC')) ENGINE = MergeTree ORDER BY at")
        client.insert("served.days", [[datetime(2024, 1, 1)]], column_names=["at"])

    assert server.stop() == 0
    server.start()

    with server.client(database="served") as client:
        assert client.query("SELECT at FROM days").result_rows == [(datetime(2024, 1, 1),)]


def test_a_kill_amid_inserts_loses_no_acknowledged_block_and_leaves_no_half_one(server):
    with server.client() as client:
        client.command(CREATE)
    acknowledged: list[int] = []
    for round_number in range(2):
        inserting = threading.Thread(target=insert_until_it_fails, args=(server, acknowledged, round_number * 1000))
        inserting.start()
        before = len(acknowledged)
        while len(acknowledged) < before + 4:
            time.sleep(0.01)
        server.kill()
        inserting.join()
        server.start()

    with server.client() as client:
        found = dict(client.query("SELECT block, count() FROM readings GROUP BY block").result_rows)
        assert client.command("CHECK TABLE readings", settings={"check_query_single_value_result": 1}) == 1
    assert set(acknowledged) <= set(found), "an acknowledged block is lost"
    assert set(found.values()) == {BLOCK_ROWS}, "a block is there by half"


@pytest.mark.parametrize(
    ("table", "error"),
    [
        ("(number Int64) ENGINE = MergeTree PARTITION BY number ORDER BY number", "Too many partitions"),
        ("(number Int64, CONSTRAINT small CHECK number < 10) ENGINE = MergeTree ORDER BY number", "Constraint"),
    ],
)
@pytest.mark.parametrize("rows", [1_000, 300_000])
def test_an_insert_whose_rows_cannot_be_stored_is_not_acknowledged(server, table, error, rows):
    with server.client() as client:
        client.command(f"CREATE TABLE refused {table}")
        with pytest.raises(ClickHouseError, match=error):
            client.insert("refused", [range(rows)], column_names=["number"], column_oriented=True)
        assert client.command("SELECT count() FROM refused") == 0


def test_an_insert_into_a_full_disk_is_not_acknowledged_and_names_it(server, small_data_disk):
    rows = [[1] * 1000, list(range(1000))]
    with server.client() as client:
        client.command(CREATE)
        fill(small_data_disk)
        with pytest.raises(ClickHouseError, match="NOT_ENOUGH_SPACE"):
            client.insert("readings", rows, column_names=["block", "number"], column_oriented=True)
        assert client.command("SELECT count() FROM readings") == 0

        free(small_data_disk)
        client.insert("readings", rows, column_names=["block", "number"], column_oriented=True)
        assert client.command("SELECT count() FROM readings") == 1000


@pytest.fixture
def small_data_disk(server):
    """The server's data lie on a disk of their own; skips where this user may not mount one."""
    server.stop()
    try:
        with small_disk(server.directory / "data", megabytes=200) as disk:
            server.start()
            yield disk
            server.stop()
    except NotPermitted as reason:
        pytest.skip(str(reason))


def insert_until_it_fails(server: ClickHouseProcess, acknowledged: list[int], start: int) -> None:
    numbers = list(range(BLOCK_ROWS))
    try:
        with server.client() as client:
            for block in range(start, start + 1000):
                client.insert(
                    "readings", [[block] * BLOCK_ROWS, numbers], column_names=["block", "number"], column_oriented=True
                )
                acknowledged.append(block)
    except ClickHouseError:
        return


def test_a_second_server_on_the_same_data_is_refused_with_the_remedy(server):
    said = refusal(server.command(free_port()))

    assert said.startswith("error: ")
    assert "in use by another process" in said
    assert "--data" in said
    assert server.client().command("SELECT 1") == 1


def test_a_taken_port_is_refused_with_the_remedy(server, tmp_path):
    other = ClickHouseProcess(tmp_path / "other")
    other.directory.mkdir()

    said = refusal(other.command(server.port))

    assert f"127.0.0.1:{server.port}" in said
    assert "--port" in said


def test_credentials_that_others_can_read_are_refused(tmp_path):
    server = ClickHouseProcess(tmp_path)
    command = server.command(free_port())
    (tmp_path / "credentials.toml").chmod(0o644)

    assert "chmod 600" in refusal(command)


def refusal(command: list[str]) -> str:
    """The one line that a server says that does not start."""
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode != 0
    assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr
    return ended.stderr


def test_a_stop_lets_a_running_query_finish(server):
    answer = ask_in_background(server, "SELECT sleep(2)")

    assert server.stop() == 0
    assert answer() == (200, b"0\n")


@pytest.mark.full
def test_a_stop_cancels_what_would_not_end(server):
    answer = ask_in_background(server, "SELECT count() FROM numbers(1e13) WHERE NOT ignore(sipHash64(number))")
    started = time.monotonic()

    assert server.stop() == 0
    assert time.monotonic() - started < 12
    status, text = answer()
    assert (status, text[:9]) == (500, b"Code: 394")


def ask_in_background(server: ClickHouseProcess, statement: str):
    """Send `statement`, wait until it runs; returns what gives status and body of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    token = b64encode(f"writer:{PASSWORDS['writer']}".encode()).decode()
    connection.request("POST", "/", body=statement, headers={"Authorization": f"Basic {token}"})
    time.sleep(0.5)

    def answer() -> tuple[int, bytes]:
        response = connection.getresponse()
        return response.status, response.read()

    return answer


def test_nothing_secret_is_in_the_process_list_or_the_log(server):
    with server.client("bi") as client, pytest.raises(ClickHouseError):
        client.command("selec secret")

    shown = " ".join(server.process.args) + server.log
    assert not any(password in shown for password in PASSWORDS.values())
    assert "selec secret" not in server.log


def test_a_large_insert_is_not_held_in_memory(server):
    megabytes = 300
    line = b"1234567890123,1234567890123\n"
    piece = line * ((1 << 20) // len(line))

    with server.client() as client:
        client.command(CREATE)
        before, peak = server.memory_mb(), [0.0]
        body = watched(piece, megabytes, server, peak)
        client.raw_insert("readings", ["block", "number"], body, fmt="CSV")
        rows = client.query("SELECT count() FROM readings").result_rows[0][0]

    assert rows == megabytes * (len(piece) // len(line))
    assert peak[0] - before < 350, "what the engine needs for its blocks and parts, whatever the insert's size"


def watched(piece: bytes, count: int, server: ClickHouseProcess, peak: list[float]):
    for number in range(count):
        if number % 10 == 0:
            peak[0] = max(peak[0], server.memory_mb())
        yield piece
