"""`bi` tries what it must not do, in every way in which the endpoint takes a statement: it reads energy_analytics, and nothing else."""

from __future__ import annotations

import gzip
import http.client
import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

import lz4.frame
import pytest
from clickhouse_process import PASSWORDS, ClickHouseProcess

from energy_assets.embedded.clickhouse.access import BI_LIMITS, READABLE, READABLE_SYSTEM_TABLES

DDL = Path(__file__).resolve().parents[2] / "clickhouse_ddl"
SECRET = "nobody-else-reads-this"
REFUSED = {"164": "readonly", "497": "access denied", "62": "no statement at all"}
UNKNOWN = {"48": "not supported to anyone", "60": "no such table", "358": "server files are nobody's"}
Answer = tuple[int, str | None, bytes]


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[ClickHouseProcess]:
    """An endpoint whose writer keeps something of its own, in tables and in files, beside what is served."""
    directory = tmp_path_factory.mktemp("clickhouse")
    process = ClickHouseProcess(directory).start()
    (directory / "secret.csv").write_text(f"{SECRET}\n")
    with process.client() as writer:
        for statement in (
            "CREATE DATABASE other",
            "CREATE TABLE other.kept (s String) ENGINE = MergeTree ORDER BY s",
            f"INSERT INTO other.kept VALUES ('{SECRET}')",
            "CREATE TABLE kept (s String) ENGINE = MergeTree ORDER BY s",
            f"INSERT INTO kept VALUES ('{SECRET}')",
            "CREATE TABLE other.joined (k Int8, s String) ENGINE = Join(ANY, LEFT, k)",
            f"INSERT INTO other.joined VALUES (1, '{SECRET}')",
            "CREATE DICTIONARY other.known (k UInt64, s String) PRIMARY KEY k"
            " SOURCE(CLICKHOUSE(QUERY 'SELECT k, s FROM other.joined')) LAYOUT(FLAT()) LIFETIME(0)",
            "CREATE TABLE energy_analytics.days (day Date, kwh Float64) ENGINE = MergeTree ORDER BY day",
            "INSERT INTO energy_analytics.days VALUES ('2024-01-01', 1.5), ('2024-01-02', 2.5)",
            "CREATE VIEW energy_analytics.total AS SELECT sum(kwh) AS kwh FROM energy_analytics.days",
        ):
            writer.command(statement)
    yield process
    process.stop()


def exchange(server, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Answer:
    """Status, ClickHouse's code of the error, and the body, as `bi`."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    token = b64encode(f"bi:{PASSWORDS['bi']}".encode()).decode()
    connection.request(method, target, body, {"Authorization": f"Basic {token}"} | (headers or {}))
    response = connection.getresponse()
    try:
        return response.status, response.getheader("X-ClickHouse-Exception-Code"), response.read()
    finally:
        connection.close()


def in_url(statement: str, **more: str) -> str:
    return "/?" + urlencode({"query": statement} | more)


def split(server, statement: str) -> Answer:
    head, _, tail = statement.partition(" ")
    return exchange(server, "POST", in_url(head), tail.encode())


def in_a_form(server, statement: str) -> Answer:
    body = f'--x\r\nContent-Disposition: form-data; name="query"\r\n\r\n{statement}\r\n--x--\r\n'
    return exchange(server, "POST", "/", body.encode(), {"Content-Type": "multipart/form-data; boundary=x"})


WAYS: dict[str, Callable[[ClickHouseProcess, str], Answer]] = {
    "body": lambda server, statement: exchange(server, "POST", "/", statement.encode()),
    "GET": lambda server, statement: exchange(server, "GET", in_url(statement)),
    "URL of a POST": lambda server, statement: exchange(server, "POST", in_url(statement)),
    "half in the URL, half in the body": split,
    "gzip": lambda server, statement: exchange(
        server, "POST", "/", gzip.compress(statement.encode()), {"Content-Encoding": "gzip"}
    ),
    "lz4": lambda server, statement: exchange(
        server, "POST", "/", lz4.frame.compress(statement.encode()), {"Content-Encoding": "lz4"}
    ),
    "form": in_a_form,
    "session": lambda server, statement: exchange(server, "POST", "/?session_id=bis", statement.encode()),
    "waiting for the end": lambda server, statement: exchange(
        server, "POST", "/?wait_end_of_query=1", statement.encode()
    ),
    "Parquet": lambda server, statement: exchange(
        server, "POST", "/", statement.encode(), {"X-ClickHouse-Format": "Parquet"}
    ),
}

READS = [
    "SELECT s FROM other.kept",
    "SELECT s FROM `other`.`kept`",
    'SELECT s FROM "other"/**/."kept" -- energy_analytics',
    "FROM other.kept SELECT s",
    "SELECT s FROM default.kept",
    "SELECT s FROM (SELECT * FROM other.kept)",
    "WITH energy_analytics AS (SELECT s FROM other.kept) SELECT * FROM energy_analytics",
    "WITH (SELECT s FROM other.kept LIMIT 1) AS stolen SELECT stolen",
    "SELECT (SELECT s FROM other.kept LIMIT 1)::Int8",
    "SELECT throwIf(1, (SELECT s FROM other.kept LIMIT 1))",
    "SELECT 1 UNION ALL SELECT length(s) FROM other.kept",
    "SELECT 'x' INTERSECT SELECT s FROM other.kept",
    "SELECT day FROM days WHERE 'x' IN other.kept",
    "SELECT day FROM days WHERE EXISTS (SELECT 1 FROM other.kept)",
    "SELECT s FROM days CROSS JOIN other.kept",
    "SELECT s FROM days, other.kept",
    "SELECT other.kept.s FROM other.kept",
    "SELECT other.kept.* FROM other.kept",
    "SELECT s FROM other.kept FORMAT Parquet",
    "SELECT s FROM other.kept FORMAT JSON",
    "SELECT s FROM days AS format, other.kept FORMAT CSV",
    "SELECT * FROM merge('other', '.*')",
    "SELECT * FROM view(SELECT s FROM other.kept)",
    "SELECT * FROM viewIfPermitted(SELECT s FROM other.kept ELSE null('s String'))",
    "SELECT * FROM viewExplain('EXPLAIN', '', (SELECT s FROM other.kept))",
    "SELECT * FROM (EXPLAIN SELECT s FROM other.kept)",
    "SELECT * FROM loop(other, kept)",
    "SELECT * FROM eval('SELECT s FROM other.kept')",
    "SELECT * FROM mergeTreeIndex('other', 'kept', with_marks = true)",
    "SELECT * FROM dictionary('other.known')",
    "SELECT dictGet('other.known', 's', 1)",
    "SELECT dictgetstring('other.known', 's', 1)",
    "SELECT joinGet('other.joined', 's', 1)",
    "SELECT hasColumnInTable('other', 'kept', 's')",
    "EXPLAIN SELECT s FROM other.kept",
    "EXPLAIN ESTIMATE SELECT s FROM other.kept",
    "EXPLAIN QUERY TREE SELECT (SELECT s FROM other.kept LIMIT 1)::Int8",
    "EXPLAIN SYNTAX SELECT (SELECT s FROM other.kept LIMIT 1)",
    "DESCRIBE TABLE other.kept",
    "DESCRIBE (SELECT (SELECT s FROM other.kept LIMIT 1)::Int8)",
    "SHOW CREATE TABLE other.kept",
    "SHOW TABLES FROM other",
    "SHOW COLUMNS FROM kept FROM other",
    "EXISTS TABLE other.kept",
    "USE other",
    "CHECK TABLE other.kept",
    "SELECT 1 PARALLEL WITH SELECT s FROM other.kept",
    "SELECT 1; SELECT s FROM other.kept",
    "SELECT query FROM system.query_log",
    "SELECT query FROM system.processes",
    "SELECT * FROM `system`.`errors`",
    "SELECT * FROM system.users",
    "SELECT * FROM clusterAllReplicas('default', system.query_log)",
    "SELECT * FROM INFORMATION_SCHEMA.tables",
    "SHOW PROCESSLIST",
    "SHOW GRANTS",
    "SHOW ACCESS",
]
"""What `bi` must not read. FILE stands for the path of a file that the endpoint's process may read."""

BEYOND = [
    "SELECT * FROM file('FILE', LineAsString)",
    "SELECT file('FILE')",
    "SELECT FiLe('FILE')",
    "SELECT `file`('FILE')",
    "SELECT * FROM fileCluster('default', 'FILE', LineAsString)",
    "SELECT * FROM `FILE`",
    "SELECT * FROM default.`FILE`",
    "SELECT * FROM 'FILE'",
    "DESCRIBE file('FILE', CSV)",
    "SELECT * FROM url('http://127.0.0.1:1/', CSV, 'a Int8')",
    "SELECT * FROM url('file://FILE', LineAsString)",
    "SELECT * FROM s3('http://127.0.0.1:1/b/k', NOSIGN, CSV, 'a Int8')",
    "SELECT * FROM remote('127.0.0.1:1', system.one)",
    "SELECT * FROM cluster('default', other.kept)",
    "SELECT * FROM postgresql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "SELECT * FROM sqlite('FILE', 'a')",
    "SELECT * FROM executable('id', CSV, 'a String')",
    "SELECT * FROM python(os)",
    "SELECT * FROM input('a Int8')",
    "SELECT 1 INTO OUTFILE 'FILE.out'",
    "INSERT INTO FUNCTION file('FILE.out', CSV, 'a Int8') VALUES (1)",
    "INSERT INTO energy_analytics.days FROM INFILE 'FILE' FORMAT CSV",
    "INSERT INTO energy_analytics.days VALUES ('2024-01-03', 9)",
    "ALTER TABLE energy_analytics.days DELETE WHERE 1",
    "ALTER TABLE energy_analytics.days DROP PARTITION tuple()",
    "DELETE FROM energy_analytics.days WHERE 1",
    "UPDATE energy_analytics.days SET kwh = 0 WHERE 1",
    "OPTIMIZE TABLE energy_analytics.days FINAL",
    "TRUNCATE TABLE energy_analytics.days",
    "DROP TABLE energy_analytics.days",
    "RENAME TABLE energy_analytics.days TO energy_analytics.gone",
    "EXCHANGE TABLES energy_analytics.days AND energy_analytics.total",
    "CREATE TABLE energy_analytics.mine (a Int8) ENGINE = Memory",
    "CREATE TEMPORARY TABLE mine (a Int8)",
    "CREATE VIEW energy_analytics.mine AS SELECT * FROM other.kept",
    "CREATE FUNCTION mine AS (x) -> x",
    "CREATE DICTIONARY energy_analytics.mine (k UInt64) PRIMARY KEY k SOURCE(FILE(path 'FILE' format 'CSV'))"
    " LAYOUT(FLAT()) LIFETIME(0)",
    "CREATE NAMED COLLECTION mine AS a = 1",
    "CREATE USER mine",
    "GRANT ALL ON *.* TO bi",
    "DETACH TABLE energy_analytics.days",
    "ATTACH TABLE energy_analytics.mine (a Int8) ENGINE = File(CSV, 'FILE')",
    "BACKUP DATABASE other TO File('mine')",
    "KILL QUERY WHERE 1",
    "SYSTEM FLUSH LOGS",
    "SYSTEM SHUTDOWN",
    "SET readonly = 0",
    "SET max_memory_usage = 1",
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT 1 SETTINGS max_memory_usage = 1",
    "SELECT * FROM (SELECT 1 SETTINGS allow_ddl = 1) SETTINGS max_threads = 64",
    "EXPLAIN AST DROP TABLE energy_analytics.days",
]


@pytest.mark.parametrize("way", WAYS)
def test_bi_is_refused_whatever_way_the_statement_comes(server, way):
    file = server.directory / "secret.csv"
    before = state(server)
    # All of them in one way, and each of them in some others.
    every = 1 if way == "body" else 4
    for statement in (READS + BEYOND)[list(WAYS).index(way) % every :: every]:
        status, code, text = WAYS[way](server, statement.replace("FILE", str(file)))

        assert status != 200, f"{statement}: {text!r}"
        assert code in (REFUSED if statement in READS else REFUSED | UNKNOWN), f"{statement}: {text!r}"
        assert SECRET.encode() not in text, statement
    assert state(server) == before
    assert not Path(f"{file}.out").exists()


@pytest.mark.parametrize(
    ("statement", "parameters"),
    [
        ("SELECT * FROM {d:Identifier}.{t:Identifier}", {"d": "other", "t": "kept"}),
        ("SELECT * FROM {d:Identifier}.kept", {"d": "`other`"}),
        ("SELECT * FROM {t:Identifier}", {"t": "other.kept"}),
        ("DESCRIBE TABLE {d:Identifier}.kept", {"d": "other"}),
        ("SHOW CREATE TABLE {d:Identifier}.{t:Identifier}", {"d": "other", "t": "kept"}),
        ("SELECT * FROM merge({d:String}, '.*')", {"d": "other"}),
        ("SELECT dictGet({d:String}, 's', 1)", {"d": "other.known"}),
        ("SELECT * FROM system.{t:Identifier}", {"t": "query_log"}),
    ],
)
def test_bi_is_refused_what_parameters_name(server, statement, parameters):
    target = "/?" + urlencode({f"param_{name}": value for name, value in parameters.items()})
    status, code, text = exchange(server, "POST", target, statement.encode())

    assert status != 200, text
    assert code in {*REFUSED, "60", "81"}, text
    assert SECRET.encode() not in text


@pytest.mark.parametrize("where", ["/?database=other", "/?database=system", "/?database=information_schema"])
def test_bi_is_in_no_other_database(server, where):
    for statement in ("SELECT 1", "SELECT * FROM kept"):
        assert exchange(server, "POST", where, statement.encode())[1] == "497"


def test_bi_is_in_its_database_where_the_client_names_none(server):
    for target, headers in (("/", {}), ("/?database=default", {}), ("/", {"X-ClickHouse-Database": "default"})):
        assert exchange(server, "POST", target, b"SELECT sum(kwh) FROM days", headers)[2] == b"4\n"
        assert exchange(server, "POST", target, b"SELECT * FROM kept", headers)[1] == "60", (
            "default.kept is not its own"
        )


@pytest.mark.parametrize(
    ("statement", "wanted"),
    [
        ("SELECT sum(kwh) FROM days", "4"),
        ("select kwh from energy_analytics.total format TSV", "4"),
        ("WITH of AS (SELECT * FROM days) SELECT count() FROM of WHERE day IN (SELECT day FROM of)", "2"),
        ("SELECT count() FROM (SELECT day FROM days UNION ALL SELECT toDate('2024-01-03'))", "3"),
        ("SELECT sum(number) FROM numbers(3)", "3"),
        ("SELECT count() FROM values('a Int8', (1), (2))", "2"),
        ("SELECT format FROM (SELECT 1 AS format) ORDER BY format", "1"),
        ("SELECT (SELECT max(kwh) FROM days)", "2.5"),
        ("SELECT count() > 9 FROM (SELECT name FROM system.functions UNION ALL SELECT name FROM system.table_functions)", "1"),
        ("SELECT name FROM system.tables WHERE database = 'energy_analytics' AND engine = 'View'", "total"),
        ("SHOW TABLES FROM energy_analytics LIKE 'd%'", "days"),
        ("EXISTS TABLE energy_analytics.days", "1"),
        ("EXISTS DATABASE `energy_analytics`", "1"),
        ("SELECT count() FROM system.parts WHERE table = 'days' AND active", "1"),
    ],
)  # fmt: skip
def test_bi_reads_what_it_is_there_for(server, statement, wanted):
    status, _, text = exchange(server, "POST", "/", statement.encode())

    assert (status, text.decode().strip()) == (200, wanted)


def test_limits_that_bi_sets_itself_do_not_disturb_the_look_at_its_statement(server):
    target = "/?max_result_rows=1&max_result_bytes=100&max_rows_to_read=10&extremes=1&max_block_size=1"

    assert exchange(server, "POST", target, b"SELECT sum(kwh) FROM days")[0] == 200


def state(server) -> str:
    """What the writer sees: tables, rows, databases, users, functions of our own."""
    with server.client() as writer:
        return json.dumps(
            [
                writer.query(statement).result_rows
                for statement in (
                    "SELECT database, name FROM system.tables WHERE database NOT IN ('system', 'INFORMATION_SCHEMA')"
                    " AND NOT is_temporary ORDER BY ALL",
                    "SELECT count(), sum(kwh) FROM energy_analytics.days",
                    "SELECT count() FROM system.functions WHERE origin = 'SQLUserDefined'",
                    "SELECT name FROM system.named_collections",
                    "SELECT name FROM system.databases ORDER BY name",
                )
            ]
        )


# A server of one's own ----------------------------------------------------------------------------------------------


def granted() -> list[str]:
    """The statements of clickhouse_ddl/grants/bi.sql; this engine has no users that could run them."""
    lines = (DDL / "grants" / "bi.sql").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("--"))
    return [statement.strip() for statement in text.split(";") if statement.strip()]


def test_the_grants_of_a_real_server_are_statements_that_clickhouse_reads(server):
    user = "CREATE USER bi IDENTIFIED WITH sha256_password BY 'x' DEFAULT ROLE energy_reader DEFAULT DATABASE energy_analytics SETTINGS PROFILE 'energy_reader'"
    with server.client() as writer:
        for statement in [*granted(), user]:
            formatted = writer.command("SELECT formatQuerySingleLine({sql:String})", parameters={"sql": statement})
            assert formatted.split()[0] == statement.split()[0]


def test_bi_may_on_a_real_server_what_it_may_here():
    grants = [statement.split() for statement in granted() if statement.startswith("GRANT")]
    profile = " ".join(next(statement for statement in granted() if "SETTINGS PROFILE" in statement).split())

    assert {(words[1], words[-1]) for words in grants} == {("SELECT", "energy_reader")}, "it reads, whatever it is"
    assert {words[3] for words in grants} == {f"{READABLE}.*", *(f"system.{table}" for table in READABLE_SYSTEM_TABLES)}
    assert "readonly = 1" in profile
    for setting, most in BI_LIMITS.items():
        assert f"{setting} = {most}," in profile
    assert not [statement for statement in granted() if "IDENTIFIED" in statement], "no password stands in a file"
