-- A server of your own: who makes and fills the platform's tables there, and touches nothing else. Run once by who administers it, whole, as bi.sql;
-- then make the user:
--   CREATE USER writer IDENTIFIED WITH sha256_password BY '…' DEFAULT ROLE energy_writer;
-- and set CLICKHOUSE_URL=http://writer:…@host:port/. On a cluster, each statement takes ON CLUSTER, and the role also needs
--   GRANT ON CLUSTER '…' CLUSTER, REMOTE ON *.* TO energy_writer; GRANT ON CLUSTER '…' SELECT ON system.clusters TO energy_writer;
CREATE ROLE IF NOT EXISTS energy_writer;

GRANT ALL ON energy_analytics.* TO energy_writer;

-- Which days, columns and bytes there are; of tables a server shows each user those that it may read.
GRANT SELECT ON system.columns TO energy_writer;
GRANT SELECT ON system.databases TO energy_writer;
GRANT SELECT ON system.disks TO energy_writer;
GRANT SELECT ON system.functions TO energy_writer;
GRANT SELECT ON system.one TO energy_writer;
GRANT SELECT ON system.parts TO energy_writer;
GRANT SELECT ON system.settings TO energy_writer;
GRANT SELECT ON system.tables TO energy_writer;
