"""Who asked ClickHouse what is written down: user, time, address, tables, how much was answered, and nothing of what was asked for."""

from __future__ import annotations

import http.client
import json
import stat
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlencode

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from clickhouse_process import PASSWORDS, ClickHouseProcess
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from energy_assets.access import QUERIES_FILE, Access, note, noted
from energy_assets.home import Home

WHOM = "M000143"
READINGS = "energy_analytics.meter_readings"


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[ClickHouseProcess]:
    directory = tmp_path_factory.mktemp("clickhouse")
    process = ClickHouseProcess(directory).start("--home", str(directory / "north"))
    with process.client() as writer:
        for statement in (
            "CREATE DATABASE other",
            "CREATE TABLE other.kept (s String) ENGINE = MergeTree ORDER BY s",
            f"CREATE TABLE {READINGS} (meter_id String, kwh Float64) ENGINE = MergeTree ORDER BY meter_id",
            f"INSERT INTO {READINGS} SELECT concat('M', leftPad(toString(number % 1000), 6, '0')), 1 FROM numbers(200000)",
            "CREATE TABLE energy_analytics.theft_cases (meter_id String) ENGINE = MergeTree ORDER BY meter_id",
            f"CREATE VIEW energy_analytics.total AS SELECT sum(kwh) AS kwh FROM {READINGS}",
        ):
            writer.command(statement)
    yield process
    process.stop()


@pytest.fixture
def home(server: ClickHouseProcess) -> Home:
    """The endpoint's home, of which nothing is written down yet."""
    home = Home(server.directory / "north")
    for path in home.logs.glob("*.jsonl"):
        path.unlink()
    return home


def written(home: Home, count: int = 1) -> list[dict[str, str]]:
    """The entries, once there are `count`: an answer is sent before it is written down."""

    def entries() -> list[Access]:
        found = noted(home, 1000)
        assert len(found) >= count, found
        return found

    trying = Retrying(
        retry=retry_if_exception_type(AssertionError), stop=stop_after_delay(10), wait=wait_fixed(0.02), reraise=True
    )
    found = trying(entries)
    assert len(found) == count, found
    return [{"user": entry.user, "command": entry.command} | fields(entry.arguments) for entry in found]


def fields(arguments: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in arguments.split())


def asked(server: ClickHouseProcess, statement: str, user: str = "bi", **options: object) -> None:
    with server.client(user) as client, suppress(DatabaseError):
        client.query(statement, **options)


def text(home: Home) -> str:
    return "".join(path.read_text() for path in home.logs.glob("*"))


def test_a_query_is_written_down_with_who_when_whence_and_how_much(server: ClickHouseProcess, home: Home) -> None:
    asked(server, f"SELECT meter_id, kwh FROM meter_readings WHERE meter_id = '{WHOM}'")
    (entry,) = written(home)
    assert (entry["user"], entry["command"], entry["outcome"]) == ("bi", "query", "answered")
    assert entry["tables"] == READINGS
    assert entry["rows"] == "200"
    assert int(entry["bytes"]) > 200 * len(WHOM)
    address, port = entry["from"].split(":")
    assert address == "127.0.0.1"
    assert int(port) != server.port
    assert noted(home, 1)[0].home == "north"
    assert stat.S_IMODE((home.logs / QUERIES_FILE).stat().st_mode) == 0o600


def test_no_value_of_a_query_is_written_down(server: ClickHouseProcess, home: Home) -> None:
    statement = (
        f"SELECT *, '{WHOM}' AS {WHOM} /* of {WHOM} */ FROM meter_readings WHERE meter_id = {{m:String}} -- {WHOM}"
    )
    assert posted(server, "bi", PASSWORDS["bi"], statement, param_m=WHOM, log_comment=WHOM, query_id=WHOM) == 200
    asked(server, f"SELECT * FROM {WHOM}")
    asked(server, f"SELECT * FROM energy_analytics.{WHOM}")
    asked(server, f"SELECT throwIf(kwh > 0, '{WHOM} ({WHOM})') FROM meter_readings")
    asked(server, f"SELECT dictGet('{WHOM}', 'a', 1)")
    asked(server, f"SELECT {WHOM} FROM meter_readings WHERE")
    entries = written(home, 6)
    assert [entry["outcome"] for entry in entries] == [
        "answered",
        "failed:60",
        "failed:60",
        "failed:395",
        "refused:164",
        "failed:62",
    ]
    assert [entry.get("tables") for entry in entries[:4]] == [READINGS, "unknown", "unknown", READINGS]
    assert WHOM not in text(home)


def test_queries_that_differ_in_values_alone_have_one_shape_which_the_engine_knows_too(
    server: ClickHouseProcess, home: Home
) -> None:
    for meter in (WHOM, "M000144"):
        asked(server, f"SELECT sum(kwh) FROM meter_readings WHERE meter_id = '{meter}'")
    asked(server, f"SELECT max(kwh) FROM meter_readings WHERE meter_id = '{WHOM}'")
    one, same, other = (entry["shape"] for entry in written(home, 3))
    assert one == same != other
    with server.client() as writer:
        writer.command("SYSTEM FLUSH LOGS")
        found = writer.query(
            "SELECT count() FROM system.query_log WHERE type = 'QueryFinish' AND normalized_query_hash = {h:UInt64}",
            parameters={"h": one},
        )
    assert found.result_rows[0][0] >= 2


@pytest.mark.parametrize(
    ("statement", "tables"),
    [
        ("SELECT 1 FROM meter_readings AS a JOIN energy_analytics.theft_cases AS b USING (meter_id)", "both"),
        ("SELECT (SELECT max(meter_id) FROM theft_cases), count() FROM `meter_readings`", "both"),
        ("SELECT count() FROM meter_readings WHERE meter_id IN theft_cases", "both"),
        ("WITH x AS (SELECT * FROM theft_cases) SELECT 1 FROM x, meter_readings", "both"),
        ("SELECT meter_id FROM theft_cases UNION ALL SELECT meter_id FROM meter_readings", "both"),
        ("SELECT * FROM total", "energy_analytics.total"),
        ("EXPLAIN ESTIMATE SELECT * FROM meter_readings", READINGS),
        (
            "SELECT name FROM system.tables WHERE name IN (SELECT meter_id FROM meter_readings)",
            f"{READINGS},system.tables",
        ),
    ],
)
def test_every_table_that_is_read_is_named(server: ClickHouseProcess, home: Home, statement: str, tables: str) -> None:
    asked(server, statement)
    (entry,) = written(home)
    assert entry["outcome"] == "answered"
    assert entry["tables"] == (f"{READINGS},energy_analytics.theft_cases" if tables == "both" else tables)


def test_a_table_that_was_made_meanwhile_is_named(server: ClickHouseProcess, home: Home) -> None:
    asked(server, "SELECT * FROM meter_readings LIMIT 1")
    with server.client() as writer:
        writer.command("CREATE TABLE energy_analytics.made_since (a Int8) ENGINE = MergeTree ORDER BY a")
    asked(server, "SELECT * FROM made_since")
    assert written(home, 2)[1]["tables"] == "energy_analytics.made_since"


def test_what_is_refused_is_written_down_as_such(server: ClickHouseProcess, home: Home) -> None:
    for statement in (
        "SELECT * FROM other.kept",
        "SELECT * FROM system.query_log",
        f"DROP TABLE {READINGS}",
        "SHOW ACCESS",
    ):
        asked(server, statement)
    entries = written(home, 4)
    assert [entry["outcome"] for entry in entries] == ["refused:497", "refused:497", "refused:164", "refused:164"]
    assert [entry.get("tables") for entry in entries] == ["other.kept", "system.query_log", None, None]
    assert "rows" not in entries[0]


def test_work_of_the_platform_and_what_clients_ask_of_themselves_are_not(server: ClickHouseProcess, home: Home) -> None:
    with server.client() as writer:
        writer.query(f"SELECT count() FROM {READINGS}")
        writer.command(f"INSERT INTO {READINGS} VALUES ('x', 1)")
    for statement in (
        "SELECT version()",
        "SELECT name FROM system.tables",
        "SHOW TABLES",
        "DESCRIBE TABLE meter_readings",
    ):
        asked(server, statement)
    assert noted(home, 10) == []
    asked(server, "SELECT 1 FROM theft_cases")
    written(home, 1)


def test_a_refused_password_is_written_down_and_who_guesses_pushes_nothing_out(
    server: ClickHouseProcess, home: Home
) -> None:
    assert posted(server, "bi", "wrong") == 403
    (entry,) = written(home)
    assert (entry["user"], entry["outcome"], entry["times"]) == ("bi", "refused:516", "1")
    for _ in range(200):
        posted(server, WHOM, "wrong")
    entries = noted(home, 1000)
    assert 1 <= len(entries) < 20, "each guess is a line"
    assert {entry.user for entry in entries} <= {"bi", "nobody"}
    assert WHOM not in text(home)


def posted(server: ClickHouseProcess, user: str, password: str, statement: str = "SELECT 1", **given: str) -> int:
    """The status of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    token = b64encode(f"{user}:{password}".encode()).decode()
    connection.request("POST", f"/?{urlencode(given)}", statement.encode(), {"Authorization": f"Basic {token}"})
    try:
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_client_that_leaves_is_written_down_as_such(server: ClickHouseProcess, home: Home) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    token = b64encode(f"bi:{PASSWORDS['bi']}".encode()).decode()
    statement = f"SELECT a.meter_id, b.meter_id FROM {READINGS} AS a, {READINGS} AS b FORMAT RowBinary"
    connection.request("POST", "/", statement.encode(), {"Authorization": f"Basic {token}"})
    assert connection.getresponse().read(1000)
    connection.close()
    (entry,) = written(home)
    assert entry["outcome"] != "answered"
    assert entry["tables"] == READINGS


def test_a_log_that_cannot_be_written_holds_nobody_up(server: ClickHouseProcess, home: Home) -> None:
    path = home.logs / QUERIES_FILE
    path.mkdir(parents=True)
    try:
        with server.client("bi") as client:
            assert client.command("SELECT count() FROM theft_cases") == 0
            assert client.command("SELECT count() FROM theft_cases") == 0
    finally:
        path.rmdir()
    assert f"{path} cannot be written: Is a directory" in server.log


def test_commands_and_queries_are_shown_by_time_and_queries_set_no_command_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from energy_assets import access

    monkeypatch.setattr(access, "LIMIT_BYTES", 200)
    home = Home(tmp_path / "north")
    note(home, ["why", "2024-01-01"])
    for number in range(60):
        access.note_query(home, "bi", f"rows={number}")
    note(home, ["why", "2024-01-02"])
    shown = [entry.arguments for entry in noted(home, 100)]
    assert shown[0] == "2024-01-01"
    assert shown[-2:] == ["rows=59", "2024-01-02"]
    assert 10 < len(shown) < 60, "queries are kept for ever, or not at all"
    assert [entry.arguments for entry in noted(home, 100, with_queries=False)] == ["2024-01-01", "2024-01-02"]
    assert all(json.loads(line) for path in home.logs.glob("*.jsonl*") for line in path.read_text().splitlines())
