-- Everything that dashboards read lives in one database.
CREATE DATABASE IF NOT EXISTS energy_analytics;

-- Which scripts made these tables. A script is applied once; one that was applied never changes: write a new one.
CREATE TABLE IF NOT EXISTS energy_analytics.schema_migrations
(
    script     String                  COMMENT 'File name in clickhouse_ddl/',
    sha256     String                  COMMENT 'Hash of the file as it was applied',
    applied_at DateTime64(3, 'UTC')    COMMENT 'When its last statement had succeeded',
    applied_by LowCardinality(String)  COMMENT 'Version of Energy Assets, user and machine'
)
ENGINE = ReplacingMergeTree(applied_at)
ORDER BY script
COMMENT 'Applied scripts of clickhouse_ddl/';
