-- A server of your own: who reads dashboards, notebooks and metrics there, and nothing else. Run once by who administers it, whole:
-- clickhouse-client --multiquery < clickhouse_ddl/grants/bi.sql; then make the user, whose password stands in no file:
--   CREATE USER bi IDENTIFIED WITH sha256_password BY '…' DEFAULT ROLE energy_reader
--       DEFAULT DATABASE energy_analytics SETTINGS PROFILE 'energy_reader';
-- and set CLICKHOUSE_BI_URL=http://bi:…@host:port/. On a cluster, each statement takes ON CLUSTER.
-- The embedded ClickHouse has no users: its endpoint holds bi to the same (docs/clickhouse-endpoint.md), and a test compares both.

-- What readonly leaves to the client is nothing: neither a setting nor a statement that writes, and no table function that reads files or networks.
CREATE SETTINGS PROFILE IF NOT EXISTS energy_reader SETTINGS
    readonly = 1,
    max_execution_time = 300,
    max_memory_usage = 4294967296,
    max_result_bytes = 536870912,
    allow_ddl = 0,
    allow_introspection_functions = 0;

CREATE QUOTA IF NOT EXISTS energy_reader KEYED BY user_name
    FOR INTERVAL 1 minute MAX queries = 3000, execution_time = 600,
    FOR INTERVAL 1 hour MAX errors = 3000, read_bytes = 1099511627776;

CREATE ROLE IF NOT EXISTS energy_reader;

ALTER QUOTA energy_reader TO energy_reader;

GRANT SELECT ON energy_analytics.* TO energy_reader;

-- What clickhouse-connect, Superset, Grafana and the exporter of metrics ask of the server itself; of tables and columns a server shows
-- each user those that it may read.
GRANT SELECT ON system.columns TO energy_reader;
GRANT SELECT ON system.databases TO energy_reader;
GRANT SELECT ON system.disks TO energy_reader;
GRANT SELECT ON system.functions TO energy_reader;
GRANT SELECT ON system.numbers TO energy_reader;
GRANT SELECT ON system.one TO energy_reader;
GRANT SELECT ON system.parts TO energy_reader;
GRANT SELECT ON system.settings TO energy_reader;
GRANT SELECT ON system.table_functions TO energy_reader;
GRANT SELECT ON system.tables TO energy_reader;
