#!/bin/bash
# ClickHouse's users of the platform, with the rights of clickhouse_ddl/grants: made once, given the passwords of the environment each time.
# clickhouse-client reads CLICKHOUSE_HOST, CLICKHOUSE_USER and CLICKHOUSE_PASSWORD; a password is handed on as its hash, which needs no quoting.
set -euo pipefail

hashed() { printf %s "$1" | sha256sum | cut -d ' ' -f 1; }

client() { clickhouse-client --host "$CLICKHOUSE_HOST" --multiquery "$@"; }

for rights in writer bi; do
  client < "${GRANTS:-/grants}/$rights.sql"
done

client <<SQL
CREATE USER IF NOT EXISTS writer IDENTIFIED WITH sha256_hash BY '$(hashed "$CLICKHOUSE_WRITER_PASSWORD")';
ALTER USER writer IDENTIFIED WITH sha256_hash BY '$(hashed "$CLICKHOUSE_WRITER_PASSWORD")';
GRANT energy_writer TO writer;
ALTER USER writer DEFAULT ROLE energy_writer;

CREATE USER IF NOT EXISTS bi IDENTIFIED WITH sha256_hash BY '$(hashed "$CLICKHOUSE_BI_PASSWORD")';
ALTER USER bi IDENTIFIED WITH sha256_hash BY '$(hashed "$CLICKHOUSE_BI_PASSWORD")'
    DEFAULT DATABASE energy_analytics SETTINGS PROFILE 'energy_reader';
GRANT energy_reader TO bi;
ALTER USER bi DEFAULT ROLE energy_reader;
SQL
echo "ClickHouse has its users writer and bi"
