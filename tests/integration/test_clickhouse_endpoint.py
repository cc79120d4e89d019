"""The ClickHouse endpoint answers unmodified clients as a server does: rows whole or an error, never a short result."""

from __future__ import annotations

import http.client
import io
import time
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from urllib.parse import quote, urlencode

import clickhouse_connect
import lz4.frame
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import sqlalchemy
from clickhouse_connect.driver.compression import ZstdCompressor
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, OperationalError, StreamFailureError
from clickhouse_connect.driver.external import ExternalData
from clickhouse_process import PASSWORDS, ClickHouseProcess

ROWS = 300_000
"""More than two of the client's compressed frames hold."""


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[ClickHouseProcess]:
    process = ClickHouseProcess(tmp_path_factory.mktemp("clickhouse")).start()
    yield process
    process.stop()


@pytest.fixture(scope="module")
def writer(server):
    with server.client() as client:
        yield client


@pytest.fixture(scope="module")
def bi(server, writer):
    writer.command("CREATE TABLE energy_analytics.known (day Date, kwh Float64) ENGINE = MergeTree ORDER BY day")
    writer.insert("energy_analytics.known", [[date(2024, 1, 1), 1.5]], column_names=["day", "kwh"])
    with server.client("bi") as client:
        yield client


@pytest.fixture
def readings(writer, request):
    """An empty table of this test's own."""
    name = f"`{request.node.name}`"
    writer.command(
        f"CREATE TABLE {name} (meter_id String, at DateTime('UTC'), wh Int64) ENGINE = MergeTree ORDER BY at"
    )
    return name


def table_of(rows: int) -> pa.Table:
    return pa.table(
        {
            "meter_id": pa.array([f"M{number % 997}" for number in range(rows)]),
            "at": pa.array([1_704_067_200 + 1800 * number for number in range(rows)], pa.timestamp("s", tz="UTC")),
            "wh": pa.array(range(rows), pa.int64()),
        }
    )


def ask(server, method="POST", target="/", body=None, headers=None, user="writer") -> tuple[int, dict[str, str], bytes]:
    """One plain HTTP exchange, as curl does it."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    token = b64encode(f"{user}:{PASSWORDS[user]}".encode()).decode()
    body = body.encode() if isinstance(body, str) else body
    connection.request(method, target, body=body, headers={"Authorization": f"Basic {token}"} | (headers or {}))
    response = connection.getresponse()
    answer = response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    connection.close()
    return answer


def counted(writer, table) -> tuple[int, int]:
    return writer.query(f"SELECT count(), sum(wh) FROM {table}").result_rows[0]


# Inserts -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compress", ["lz4", "zstd"])
def test_an_insert_of_many_frames_keeps_every_row(server, writer, readings, compress):
    columns = table_of(ROWS).to_pydict()

    with server.client(compress=compress) as client:
        summary = client.insert(readings, list(columns.values()), column_names=list(columns), column_oriented=True)

    assert summary.written_rows == ROWS
    assert counted(writer, readings) == (ROWS, sum(range(ROWS)))


@pytest.mark.parametrize("compress", ["lz4", "zstd"])
def test_an_arrow_insert_keeps_every_row(server, writer, readings, compress):
    with server.client(compress=compress) as client:
        client.insert_arrow(readings, table_of(ROWS))

    assert counted(writer, readings) == (ROWS, sum(range(ROWS)))


@pytest.mark.parametrize("format_name", ["CSV", "Parquet", "ArrowStream"])
@pytest.mark.parametrize("compression", ["lz4", "zstd", None])
def test_a_raw_insert_keeps_every_row(writer, readings, format_name, compression):
    content = encoded(table_of(ROWS), format_name)
    block = multi_frame(content, compression)

    writer.raw_insert(readings, ["meter_id", "at", "wh"], block, fmt=format_name, compression=compression)

    assert counted(writer, readings) == (ROWS, sum(range(ROWS)))


@pytest.mark.parametrize(
    "damage",
    [lambda body: body[:-7], lambda body: body + b"trailing", lambda body: body[: len(body) // 2]],
    ids=["cut", "padded", "halved"],
)
def test_a_damaged_compressed_body_is_an_error(server, readings, damage):
    body = damage(multi_frame(encoded(table_of(ROWS), "CSV"), "lz4"))
    query = urlencode({"query": f"INSERT INTO {readings} FORMAT CSV"})

    status, headers, text = ask(server, target="/?" + query, body=body, headers={"Content-Encoding": "lz4"})

    assert status == 500, text
    assert headers["x-clickhouse-exception-code"] == "271"


def test_a_body_of_unknown_compression_is_refused(server):
    status, headers, text = ask(server, body=b"\x1b", headers={"Content-Encoding": "br"})

    assert (status, headers["x-clickhouse-exception-code"]) == (500, "89")
    assert b"lz4, zstd, gzip, deflate" in text


def test_a_cut_arrow_file_is_an_error(writer, readings):
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table_of(1).schema) as file:
        file.write_table(table_of(1000), max_chunksize=100)
    whole = sink.getvalue()

    for broken in (whole[: len(whole) // 2], whole[:-1], b"no arrow"):
        with pytest.raises(DatabaseError, match=r"CANNOT_READ_ALL_DATA|INCORRECT_DATA"):
            writer.raw_insert(readings, insert_block=broken, fmt="Arrow")


def test_data_for_input_is_refused_rather_than_lost(server, readings):
    statement = f"INSERT INTO {readings} (wh) SELECT a FROM input('a Int64') FORMAT CSV\n1\n"

    assert ask(server, body=statement)[1]["x-clickhouse-exception-code"] == "48"


def test_a_broken_row_fails_the_insert(writer, readings):
    with pytest.raises(DatabaseError, match="INCORRECT_DATA"):
        writer.raw_insert(readings, ["meter_id", "at", "wh"], "M1,2024-01-01 00:00:00,many\n", fmt="CSV")


def test_values_take_parameters_quotes_and_semicolons(writer, readings):
    writer.command(
        f"INSERT INTO {readings} VALUES ({{meter:String}}, '2024-01-01 00:00:00', 1), ('a;''b', '2024-01-01 00:30:00', 2)",
        parameters={"meter": "O'Brien"},
    )

    assert writer.query(f"SELECT meter_id FROM {readings} ORDER BY wh").result_columns[0] == ["O'Brien", "a;'b"]


def test_a_retried_day_replaces_its_partition(writer):
    writer.command("CREATE TABLE served (day Date, wh Int64) ENGINE = MergeTree PARTITION BY day ORDER BY wh")
    writer.command("CREATE TABLE staged AS served")
    rows = [[date(2024, 1, 1), 1], [date(2024, 1, 2), 2]]
    writer.insert("served", rows, column_names=["day", "wh"])
    writer.insert("staged", [[date(2024, 1, 1), 10]], column_names=["day", "wh"])

    writer.command("ALTER TABLE served REPLACE PARTITION '2024-01-01' FROM staged")
    writer.command("ALTER TABLE served DROP PARTITION '2024-01-02'")

    assert writer.query("SELECT * FROM served").result_rows == [(date(2024, 1, 1), 10)]


def encoded(table: pa.Table, format_name: str) -> bytes:
    sink = io.BytesIO()
    if format_name == "Parquet":
        pyarrow.parquet.write_table(table, sink)
    elif format_name == "ArrowStream":
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table, max_chunksize=10_000)
    else:
        plain = table.set_column(1, "at", table["at"].cast(pa.int64()))
        pyarrow.csv.write_csv(plain, sink, pyarrow.csv.WriteOptions(include_header=False))
    return sink.getvalue()


def multi_frame(content: bytes, compression: str | None, size: int = 1 << 20) -> bytes:
    """`content` as several frames, which is how clients compress block by block."""
    if compression is None:
        return content
    compress = {"lz4": lz4.frame.compress, "zstd": ZstdCompressor().compress_block}[compression]
    return b"".join(compress(content[start : start + size]) for start in range(0, len(content), size))


# Results -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compress", ["lz4", "zstd", "gzip", False])
def test_a_compressed_result_is_whole(server, compress):
    with server.client(compress=compress) as client:
        assert len(client.query(f"SELECT number, toString(number) FROM numbers({ROWS})").result_rows) == ROWS
        assert client.query_arrow(f"SELECT number FROM numbers({ROWS})").num_rows == ROWS


def test_a_streamed_result_leaves_memory_flat(server):
    with server.client() as client:
        client.query("SELECT 1")
        before, peak, rows = server.memory_mb(), 0.0, 0
        with client.query_column_block_stream("SELECT number, toString(number) FROM numbers(4_000_000)") as blocks:
            for block in blocks:
                rows += len(block[0])
                peak = max(peak, server.memory_mb())

    assert rows == 4_000_000
    assert peak - before < 150


def test_an_error_amid_a_stream_reaches_the_client(server):
    query = "SELECT number, throwIf(number = 3_000_000) FROM numbers(4_000_000) SETTINGS max_threads = 1"
    for compress in ("lz4", "zstd", False):
        with server.client(compress=compress) as client:
            rows = 0
            with pytest.raises((StreamFailureError, OperationalError)), client.query_row_block_stream(query) as blocks:
                for block in blocks:
                    rows += len(block)
        assert 0 < rows < 3_000_001


def test_an_error_amid_a_waited_for_result_has_a_status_of_its_own(writer):
    with pytest.raises(DatabaseError, match="FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"):
        writer.query("SELECT number, throwIf(number = 3_000_000) FROM numbers(4_000_000) SETTINGS max_threads = 1")


def test_an_error_amid_a_plain_result_is_marked_and_cut(server):
    query = quote("SELECT number, throwIf(number = 3_000_000) FROM numbers(4_000_000) SETTINGS max_threads = 1")

    with pytest.raises(http.client.IncompleteRead) as cut:
        ask(server, target="/?query=" + query)

    assert cut.value.partial.endswith(b"\r\n__exception__\r\n")
    assert b"Code: 395. DB::Exception" in cut.value.partial[-1000:]


def test_errors_of_sql_have_the_servers_codes(server):
    for statement, status, code in [
        ("selec 1", 400, "62"),
        ("SELECT * FROM nosuch", 404, "60"),
        ("SELECT 1; SELECT 2", 400, "62"),
    ]:
        answer = ask(server, body=statement)

        assert (answer[0], answer[1]["x-clickhouse-exception-code"]) == (status, code)
        assert answer[2].startswith(f"Code: {code}. DB::Exception: ".encode())


def test_parameters_round_trip(writer):
    given = {
        "text": "it's a \\ back\\tslash, a \t tab,\n a line, „Zähler“ 電力 😀",
        "list": ["a'b", "\\", "é"],
        "numbers": [1, None, 3],
        "nothing": None,
        "instant": datetime(2024, 3, 10, 1, 30, tzinfo=UTC),
        "column": "odd name",
    }

    rows = writer.query(
        "SELECT {text:String}, {list:Array(String)}, {numbers:Array(Nullable(Int32))}, {nothing:Nullable(Int64)}, "
        "{instant:DateTime('UTC')}, {column:Identifier} FROM (SELECT 7 AS `odd name`)",
        parameters=given,
        query_formats={"DateTime": "int"},
    ).result_rows

    instant = int(given["instant"].timestamp())
    assert rows == [(given["text"], given["list"], given["numbers"], None, instant, 7)]


def test_settings_limit_time_and_memory(server):
    slow = "SELECT count() FROM numbers(1e12) WHERE NOT ignore(sipHash64(number))"
    large = "SELECT length(groupArray(number)) FROM numbers(1e8)"

    for statement, settings, code in [
        (slow, "max_execution_time=1", "159"),
        (large, "max_memory_usage=50000000", "241"),
    ]:
        status, headers, text = ask(server, target=f"/?{settings}", body=statement)

        assert headers["x-clickhouse-exception-code"] == code, text
        assert status not in (429, 503, 504)


def test_an_unknown_setting_is_an_error(server):
    assert ask(server, target="/?max_speling=1", body="SELECT 1")[1]["x-clickhouse-exception-code"] == "115"


def test_large_results_of_every_kind_are_whole(server):
    for format_name in (
        "TSV",
        "TabSeparatedWithNames",
        "CSVWithNames",
        "JSONEachRow",
        "RowBinary",
        "Parquet",
        "ArrowStream",
        "JSON",
    ):
        statement = f"SELECT number AS n, toString(number) AS s FROM numbers({ROWS}) FORMAT {format_name}"
        status, headers, body = ask(server, body=statement)

        assert (status, headers["x-clickhouse-format"]) == (200, format_name)
        if format_name == "Parquet":
            assert pyarrow.parquet.read_table(io.BytesIO(body)).num_rows == ROWS
        elif format_name == "ArrowStream":
            assert pa.ipc.open_stream(body).read_all().num_rows == ROWS
        elif "JSON" not in format_name and format_name != "RowBinary":
            assert body.count(b"\n") == ROWS + format_name.endswith("WithNames")


@pytest.mark.parametrize(
    ("statement", "settings", "last"),
    [
        (
            "SELECT number % 2 AS k, count() FROM numbers(4) GROUP BY k WITH TOTALS ORDER BY k FORMAT CSV",
            "",
            b"\n0,4\n",
        ),
        ("SELECT number FROM numbers(4) FORMAT TSV", "extremes=1", b"\n0\n3\n"),
        ("SELECT 1 AS a FORMAT JSONEachRow", "output_format_json_array_of_rows=1", b"\n]\n"),
    ],
)
def test_a_result_with_a_footer_has_it(server, statement, settings, last):
    assert ask(server, target=f"/?{settings}", body=statement)[2].endswith(last)


def test_eight_clients_at_once_get_their_own_rows(server, writer, readings):
    def work(number: int) -> tuple[int, int]:
        with server.client(database="default") as client:
            client.insert(
                readings, [[f"M{number}", datetime(2024, 1, 1), number]] * 100, column_names=["meter_id", "at", "wh"]
            )
            seen = client.query(
                f"SELECT count(), max(wh) FROM {readings} WHERE wh = {{n:Int64}}", parameters={"n": number}
            )
            return seen.result_rows[0]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [(100, number) for number in range(8)]
    assert counted(writer, readings)[0] == 800


def test_more_clients_than_workers_wait_their_turn(server):
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda _: ask(server, body="SELECT sleep(0.3)")[0], range(24)))

    assert answers == [200] * 24


def test_a_slow_query_sends_its_rows_as_they_come(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    statement = "SELECT sleepEachRow(0.1) FROM numbers(30) SETTINGS max_block_size = 1"
    headers = {"X-ClickHouse-User": "writer", "X-ClickHouse-Key": PASSWORDS["writer"]}
    started = time.monotonic()
    connection.request("POST", "/", body=statement, headers=headers)

    assert connection.getresponse().read(2) == b"0\n"
    assert time.monotonic() - started < 2
    connection.close()


def test_an_external_table_serves_one_query(writer):
    rows = writer.query(
        "SELECT name, factor FROM tariffs ORDER BY factor",
        external_data=ExternalData(
            file_name="tariffs", data=b"night,1\nday,2\n", fmt="CSV", structure="name String, factor Int8"
        ),
    ).result_rows

    assert rows == [("night", 1), ("day", 2)]
    with pytest.raises(DatabaseError, match="UNKNOWN_TABLE"):
        writer.query("SELECT * FROM tariffs")


# Sessions ------------------------------------------------------------------------------------------------------------


def test_a_session_keeps_temporary_tables_settings_and_database(server):
    with server.client(session_id="keeps") as client:
        client.command("CREATE TEMPORARY TABLE mine (a Int64)")
        client.insert("mine", [[1], [2]], column_names=["a"], database="")
        client.command("SET max_block_size = 1234")
        assert client.query("SELECT sum(a) FROM mine", settings={"max_block_size": 99}).result_rows == [(3,)]
        assert client.command("SELECT getSetting('max_block_size')") == 1234
        client.command("SELECT 1", settings={"max_threads": 1})
        assert client.command("SELECT changed FROM system.settings WHERE name = 'max_threads'") == 0

    with server.client(session_id="other") as other, pytest.raises(DatabaseError, match="UNKNOWN_TABLE"):
        other.query("SELECT * FROM mine")


def test_two_requests_of_one_session_at_once_are_refused(server):
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(ask, server, target="/?session_id=one", body="SELECT sleep(1)")
        time.sleep(0.3)
        status, headers, _ = ask(server, target="/?session_id=one", body="SELECT 1")
        assert (status, headers["x-clickhouse-exception-code"]) == (404, "373")
        assert slow.result()[0] == 200
    assert ask(server, target="/?session_id=one&session_check=1", body="SELECT 1")[0] == 200
    assert (
        ask(server, target="/?session_id=two&session_check=1", body="SELECT 1")[1]["x-clickhouse-exception-code"]
        == "372"
    )


# Clients that leave --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streamed", [True, False])
def test_the_query_of_a_client_that_leaves_is_cancelled(server, writer, streamed):
    mark = f"left-{streamed}"
    what = "number" if streamed else "count()"
    statement = f"SELECT {what} FROM numbers(1e13) WHERE NOT ignore(sipHash64(number))"
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    token = b64encode(f"writer:{PASSWORDS['writer']}".encode()).decode()
    connection.request("POST", f"/?log_comment={mark}", body=statement, headers={"Authorization": f"Basic {token}"})
    wait_until(lambda: running(writer, mark) == 1)

    connection.close()

    wait_until(lambda: running(writer, mark) == 0)


def test_an_insert_whose_client_leaves_is_not_acknowledged_nor_stuck(server, writer, readings):
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    token = b64encode(f"writer:{PASSWORDS['writer']}".encode()).decode()
    connection.putrequest(
        "POST", "/?" + urlencode({"query": f"INSERT INTO {readings} FORMAT CSV", "log_comment": "cut"})
    )
    connection.putheader("Authorization", f"Basic {token}")
    connection.putheader("Content-Length", "1000000")
    connection.endheaders(b"M1,2024-01-01 00:00:00,1\n")
    connection.close()

    wait_until(lambda: running(writer, "cut") == 0)
    writer.insert(readings, [["M2", datetime(2024, 1, 1), 2]], column_names=["meter_id", "at", "wh"])
    assert counted(writer, readings)[0] in (1, 2)


def running(writer, mark: str) -> int:
    query = "SELECT count() FROM system.processes WHERE Settings['log_comment'] = {mark:String}"
    return writer.query(query, parameters={"mark": mark}).result_rows[0][0]


def wait_until(holds, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.05)


def test_a_query_can_be_killed_while_all_workers_are_busy(server):
    statement = "SELECT count() FROM numbers(1e13) WHERE NOT ignore(sipHash64(number))"
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(ask, server, target="/?log_comment=busy", body=statement) for _ in range(8)]
        kill = "KILL QUERY WHERE Settings['log_comment'] = 'busy'"
        wait_until(lambda: ask(server, body=kill) and all(answer.done() for answer in answers), 30)

    assert {answer.result()[1]["x-clickhouse-exception-code"] for answer in answers} == {"394"}


# Users ---------------------------------------------------------------------------------------------------------------


def test_a_wrong_password_is_refused(server):
    for user, password in [("writer", "wrong"), ("nobody", ""), ("default", "")]:
        with pytest.raises(ClickHouseError, match="516"):
            clickhouse_connect.get_client(host="127.0.0.1", port=server.port, username=user, password=password)


def test_every_way_to_send_a_password_works(server):
    password = PASSWORDS["bi"]
    in_url = "/?" + urlencode({"query": "SELECT 1", "user": "bi", "password": password})
    for target, headers in [
        (in_url, {}),
        ("/?query=SELECT%201", {"X-ClickHouse-User": "bi", "X-ClickHouse-Key": password}),
    ]:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("GET", target, headers=headers)
        assert connection.getresponse().read() == b"1\n"
        connection.close()
    assert password not in server.log


def test_bi_reads_tables(bi):
    assert bi.query("SELECT day, sum(kwh) FROM known GROUP BY day").result_rows == [(date(2024, 1, 1), 1.5)]
    assert bi.command("SHOW TABLES LIKE 'known'") == "known"
    assert bi.query("DESCRIBE TABLE known").result_columns[0] == ["day", "kwh"]
    assert bi.query("EXPLAIN SELECT * FROM known").result_rows


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO known VALUES ('2024-01-02', 1)",
        "INSERT INTO known FORMAT CSV\n2024-01-02,1\n",
        "CREATE TABLE mine (a Int8) ENGINE = Memory",
        "DROP TABLE known",
        "ALTER TABLE known DELETE WHERE 1",
        "KILL QUERY WHERE 1",
        "SYSTEM FLUSH LOGS",
        "SET readonly = 0",
        "SET max_threads = 1",
        "SELECT 1 SETTINGS readonly = 0",
        "SELECT 1; SELECT 2",
        "SELECT * FROM file('/etc/passwd', LineAsString)",
        "SELECT file('/etc/passwd')",
        "SELECT `file`/* */('/etc/passwd')",
        "SELECT arrayMap(file, ['/etc/passwd'])",
        "SELECT * APPLY(file) FROM (SELECT '/etc/passwd')",
        "SELECT ‘'’, file('/etc/passwd'), ‘'’",
        "WITH file AS f SELECT arrayMap(f, ['/etc/passwd'])",
        "DESCRIBE file('/etc/passwd', CSV)",
        "DESCRIBE TABLE default.`/etc/passwd`",
        "DESCRIBE TABLE default.`\\x2fetc\\x2fpasswd`",
        "EXISTS TABLE default.`/etc/passwd`",
        "SELECT * FROM default.`/etc/passwd`",
        "SELECT hasColumnInTable('default', '/etc/passwd', 'root')",
        "SELECT * FROM filesystem('/etc')",
        "SELECT * FROM url('http://127.0.0.1:1/', CSV, 'a Int8')",
        "DESCRIBE url('http://127.0.0.1:1/')",
        "SELECT * FROM Python(os)",
        "SELECT * FROM postgresql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
        "SELECT * FROM executable('id', CSV, 'a String')",
        "SELECT * FROM viewIfPermitted(SELECT * FROM file('/etc/passwd') ELSE null('a Int8'))",
        "EXPLAIN SELECT file('/etc/passwd')",
    ],
)
def test_bi_is_refused_more_than_reading_tables(server, bi, statement):
    status, headers, text = ask(server, body=statement, user="bi")

    assert status != 200, text
    assert headers["x-clickhouse-exception-code"] in ("164", "497", "62"), text


@pytest.mark.parametrize("value", ["file", "`file`", "fil\\x65"])
def test_bi_cannot_name_a_refused_function_in_a_parameter(server, bi, value):
    target = "/?" + urlencode({"param_f": value})

    status, headers, text = ask(
        server, target=target, body="SELECT arrayMap({f:Identifier}, ['/etc/passwd'])", user="bi"
    )

    assert (status, headers["x-clickhouse-exception-code"]) == (500, "164"), text


def test_nobody_reads_or_writes_the_servers_files_through_sql(server, bi, tmp_path):
    for user in ("bi", "writer"):
        status, _, text = ask(server, body=f"SELECT 1 INTO OUTFILE '{tmp_path}/out'", user=user)
        assert status == 500, text
    assert not (tmp_path / "out").exists()
    assert ask(server, body="INSERT INTO known FROM INFILE '/etc/passwd' FORMAT CSV")[0] == 500


@pytest.mark.parametrize(
    "settings",
    ["readonly=0", "readonly=2", "allow_ddl=1", "output_format_schema=/tmp/x", "readonly=1&max_rows_to_group_by=1"],
)
def test_bi_cannot_raise_its_rights_by_settings(server, bi, settings):
    _, headers, text = ask(server, target=f"/?{settings}", body="SELECT 1", user="bi")

    assert headers.get("x-clickhouse-exception-code") == "164", text


def test_bi_may_limit_itself(server, bi):
    assert ask(server, target="/?max_result_rows=1&max_execution_time=5", body="SELECT 1", user="bi")[0] == 200


def test_a_get_only_reads(server):
    create = quote("CREATE TABLE by_get (a Int8) ENGINE = Memory")

    assert ask(server, "GET", f"/?query={create}")[1]["x-clickhouse-exception-code"] == "164"
    assert ask(server, "GET", "/?query=SELECT%201")[2] == b"1\n"


# Superset and curl ---------------------------------------------------------------------------------------------------


def test_supersets_dialect_connects_lists_and_queries(server, bi):
    url = f"clickhousedb://bi:{quote(PASSWORDS['bi'], safe='')}@127.0.0.1:{server.port}/energy_analytics"
    engine = sqlalchemy.create_engine(url)

    inspector = sqlalchemy.inspect(engine)
    with engine.connect() as connection:
        rows = connection.execute(sqlalchemy.text("SELECT day, kwh AS `kWh/day` FROM known")).fetchall()

    assert "energy_analytics" in inspector.get_schema_names()
    assert "known" in inspector.get_table_names("energy_analytics")
    assert [column["name"] for column in inspector.get_columns("known", "energy_analytics")] == ["day", "kwh"]
    assert [tuple(row) for row in rows] == [(date(2024, 1, 1), 1.5)]
    engine.dispose()


def test_pings_and_empty_queries_answer_ok(server):
    assert ask(server, "GET", "/ping")[2] == b"Ok.\n"
    assert ask(server, "GET", "/")[2] == b"Ok.\n"
    assert ask(server, body="  -- nothing\n")[2] == b"Ok.\n"


def test_the_query_log_knows_a_query_by_the_clients_id(server, writer):
    assert ask(server, target="/?query_id=my-own-id", body="SELECT 42")[1]["x-clickhouse-query-id"] == "my-own-id"

    writer.command("SYSTEM FLUSH LOGS")

    logged = writer.query(
        "SELECT DISTINCT query FROM system.query_log WHERE log_comment = 'my-own-id' AND query LIKE '%42%'"
    )
    assert logged.result_rows == [("SELECT 42",)]


def test_an_idle_connection_serves_many_queries(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    headers = {"X-ClickHouse-User": "writer", "X-ClickHouse-Key": PASSWORDS["writer"]}
    took = []
    for statement in ["SELECT 1", "selec", *["SELECT 2"] * 98]:
        started = time.monotonic()
        connection.request("POST", "/", body=statement, headers=headers)
        socket_before = connection.sock
        connection.getresponse().read()
        assert connection.sock is socket_before
        took.append(time.monotonic() - started)
    connection.close()

    # Each query would have it, but for the first ones, which the kernel acknowledges at once; a busy machine delays some, never all.
    assert min(took[50:]) < 0.04, "a delayed acknowledgement costs 40 ms a query"
