"""The scripts in the form for a cluster, checked as text: the embedded engine has neither replicas nor shards."""

from __future__ import annotations

import pytest
import sqlglot
from pydantic import ValidationError
from sqlglot import exp

from energy_assets.resources.serving_cluster import cluster_form, cluster_script
from energy_assets.resources.serving_ddl import declared_tables, projection_change, scripts
from energy_assets.settings import Settings

CLUSTER = "main"
FORMS = [cluster_script(script, CLUSTER) for script in scripts()]
TEXTS = [text for script in FORMS for text in script.statements]
TREES = [sqlglot.parse_one(text, dialect="clickhouse") for text in TEXTS if not projection_change(text)]
TABLES = {tree.find(exp.Table).name: tree for tree in TREES if isinstance(tree, exp.Create) and tree.kind == "TABLE"}
DECLARED = declared_tables(statement for script in scripts() for statement in script.statements)
PLAIN = {name: table for name, table in DECLARED.items() if not table.reads}
VIEWS = DECLARED.keys() - PLAIN.keys()
CLUSTERED = declared_tables(statement for script in FORMS for statement in script.statements)


def engine(table: str) -> str:
    return TABLES[table].find(exp.EngineProperty).this.sql("clickhouse")


def test_every_statement_is_run_on_the_cluster() -> None:
    for tree in TREES:
        assert isinstance(tree, exp.Create | exp.Alter), tree.sql("clickhouse")
        assert [on.name for on in tree.find_all(exp.OnCluster)] == [CLUSTER], tree.sql("clickhouse")
    for text in filter(projection_change, TEXTS):
        assert f'_local ON CLUSTER "{CLUSTER}" ' in text


def test_every_table_is_replicated_under_a_local_name_and_distributed_under_its_own() -> None:
    assert set(TABLES) == {form for name in PLAIN for form in (name, f"{name}_local")}
    for name in PLAIN:
        assert engine(f"{name}_local").startswith("Replicated")
        assert "MergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}'" in engine(f"{name}_local")
        assert engine(name).startswith(f"Distributed('{CLUSTER}', 'energy_analytics', '{name}_local', cityHash64(")


def test_a_meter_stays_on_one_shard() -> None:
    by_meter = {name for name, table in PLAIN.items() if "meter_id" in [column.name for column in table.columns]}
    assert by_meter >= {"meter_readings", "anomaly_scores", "consumption_metrics", "anomaly_flags"}
    for name in by_meter:
        assert engine(name).endswith("cityHash64(meter_id))")


def test_both_forms_declare_the_same_columns_and_only_local_tables_have_keys() -> None:
    for name, table in PLAIN.items():
        local, distributed = CLUSTERED[f"{name}_local"], CLUSTERED[name]
        assert local.columns == distributed.columns == table.columns
        assert (local.partition_key, local.sorting_key) == (table.partition_key, table.sorting_key)
        assert (distributed.partition_key, distributed.sorting_key) == ((), ())


def test_a_view_is_one_of_the_distributed_tables() -> None:
    assert {"case_queue", "energy_flow"} <= VIEWS
    for name in VIEWS:
        assert f"{name}_local" not in CLUSTERED
        assert CLUSTERED[name] == DECLARED[name] and set(CLUSTERED[name].reads) <= PLAIN.keys()


def test_what_only_rows_need_stays_with_the_local_table() -> None:
    local, distributed = cluster_form(
        "CREATE TABLE IF NOT EXISTS d.t (day Date, meter_id String CODEC(ZSTD(1)),"
        " PROJECTION p (SELECT day, count() GROUP BY day)) ENGINE = ReplacingMergeTree(day)"
        " PARTITION BY day ORDER BY meter_id TTL day + INTERVAL 2 YEAR SETTINGS index_granularity = 1 COMMENT 'It'",
        CLUSTER,
    )
    for storage in ("CODEC", "PROJECTION", "PARTITION BY", "ORDER BY", "TTL", "SETTINGS"):
        assert storage in local
        assert storage not in distributed
    assert "ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', day)" in local
    assert distributed.endswith("COMMENT 'It'")


def test_a_column_is_added_to_both_tables() -> None:
    assert cluster_form("ALTER TABLE d.t ADD COLUMN IF NOT EXISTS c Int64 CODEC(T64) COMMENT 'x' AFTER y", CLUSTER) == [
        "ALTER TABLE d.t_local ON CLUSTER \"main\" ADD COLUMN IF NOT EXISTS c Int64 CODEC(T64) COMMENT 'x' AFTER y",
        "ALTER TABLE d.t ON CLUSTER \"main\" ADD COLUMN IF NOT EXISTS c Int64 COMMENT 'x' AFTER y",
    ]


def test_a_projection_is_added_where_rows_are() -> None:
    assert cluster_form(
        "ALTER TABLE d.t\n    ADD PROJECTION IF NOT EXISTS p (SELECT a, count() GROUP BY a)", CLUSTER
    ) == ['ALTER TABLE d.t_local ON CLUSTER "main" ADD PROJECTION IF NOT EXISTS p (SELECT a, count() GROUP BY a)']
    for name, table in PLAIN.items():
        assert CLUSTERED[f"{name}_local"].projections == table.projections
        assert CLUSTERED[name].projections == ()


def test_the_form_is_no_change_of_the_script() -> None:
    assert [form.sha256 for form in FORMS] == [script.sha256 for script in scripts()]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE IF NOT EXISTS d.t (a Int64) ENGINE = Memory",
        "CREATE TABLE IF NOT EXISTS d.t (a Int64) ENGINE = MergeTree ORDER BY tuple()",
        "ALTER TABLE d.t DROP COLUMN a",
        "CREATE MATERIALIZED VIEW IF NOT EXISTS d.v TO d.t AS SELECT 1 AS a",
    ],
)
def test_what_has_no_cluster_form_is_refused(statement: str) -> None:
    with pytest.raises(ValueError, match=r"clickhouse_ddl|cluster|replicated|shard"):
        cluster_form(statement, CLUSTER)


def test_the_embedded_engine_is_no_cluster() -> None:
    with pytest.raises(ValidationError, match="set CLICKHOUSE_URL"):
        Settings(CLICKHOUSE_URL=None, clickhouse_cluster="main")


def test_a_retention_that_would_not_be_applied_is_refused() -> None:
    with pytest.raises(ValidationError, match="not applied to a cluster"):
        Settings(CLICKHOUSE_URL="http://a:1/", clickhouse_cluster="main", serving_retention_days={"meter_readings": 30})
