"""What the ClickHouse scripts declare, as it is read off their text."""

from __future__ import annotations

import pytest
from sqlglot import exp

from energy_assets.resources.serving_ddl import (
    DATABASE,
    added_columns,
    declared_tables,
    parsed,
    projection_change,
    scripts,
    served_columns,
)

TABLE = (
    "CREATE TABLE IF NOT EXISTS d.t (day Date, meter_id String COMMENT 'Who', wh Int64, kwh Float64 ALIAS wh / 1000)"
    " ENGINE = MergeTree PARTITION BY day ORDER BY (meter_id, day)"
)


def statements() -> list[exp.Expression]:
    texts = [statement for script in scripts() for statement in script.statements]
    return [parsed(text) for text in texts if not projection_change(text)]


def test_every_statement_is_safe_to_repeat() -> None:
    for statement in statements():
        safe = (
            statement.args["exists"] or statement.args["replace"]
            if isinstance(statement, exp.Create)
            else all(column.args.get("exists") for column in added_columns(statement))
        )
        assert safe, f"IF NOT EXISTS is missing: {statement.sql('clickhouse')[:100]}"


def test_every_stored_column_of_every_script_is_described() -> None:
    undescribed = [
        f"{table}.{column.name}"
        for table, columns in served_columns().items()
        for column in columns
        if not column.description
    ]
    assert not undescribed


def test_every_table_is_in_the_served_database() -> None:
    for statement in statements():
        if isinstance(statement, exp.Alter) or statement.kind != "SCHEMA":
            assert statement.find(exp.Table).db == DATABASE, statement.sql("clickhouse")[:100]


def test_a_later_script_adds_columns_where_it_says() -> None:
    table = declared_tables(
        [
            TABLE,
            "ALTER TABLE d.t ADD COLUMN IF NOT EXISTS a Nullable(Float64) COMMENT 'It''s, new' AFTER day, ADD COLUMN b UInt8",
            "ALTER TABLE d.t ADD COLUMN IF NOT EXISTS first LowCardinality(String) FIRST",
            "ALTER TABLE d.t ADD COLUMN IF NOT EXISTS b UInt8",
        ]
    )["t"]
    assert [column.name for column in table.columns] == ["first", "day", "a", "meter_id", "wh", "kwh", "b"]
    added = next(column for column in table.columns if column.name == "a")
    assert (added.type, added.description) == ("Nullable(Float64)", "It's, new")
    assert [column.name for column in table.columns if not column.is_stored] == ["kwh"]
    assert (table.partition_key, table.sorting_key) == (("day",), ("meter_id", "day"))


def test_a_later_script_adds_a_projection_and_replaces_a_view() -> None:
    tables = declared_tables(
        [
            TABLE,
            "-- Why.\nALTER TABLE d.t\n    ADD PROJECTION IF NOT EXISTS p\n    (SELECT day, sum(wh) GROUP BY day)",
            "ALTER TABLE d.t MATERIALIZE PROJECTION IF EXISTS p",
            f"CREATE VIEW IF NOT EXISTS {DATABASE}.v (a Date) AS SELECT day AS a FROM {DATABASE}.t",
            f"CREATE VIEW IF NOT EXISTS {DATABASE}.v (b Date) AS SELECT day AS b FROM {DATABASE}.t",
            f"CREATE OR REPLACE VIEW {DATABASE}.v (c Date) AS SELECT day AS c FROM {DATABASE}.s",
        ]
    )
    assert tables["t"].projections == ("p",)
    assert [column.name for column in tables["v"].columns] == ["c"] and tables["v"].reads == ("s",)
    assert declared_tables(statement for script in scripts() for statement in script.statements)[
        "meter_readings"
    ].projections == ("by_instant",)


@pytest.mark.parametrize("change", ["ADD PROJECTION p (SELECT day)", "MATERIALIZE PROJECTION p", "DROP PROJECTION p"])
def test_a_projection_that_is_not_safe_to_repeat_is_refused(change: str) -> None:
    with pytest.raises(ValueError, match="adds columns or projections, but here stands"):
        declared_tables([TABLE, f"ALTER TABLE d.t {change}"])


@pytest.mark.parametrize("change", ["DROP COLUMN wh", "MODIFY COLUMN wh UInt8", "ADD COLUMN a UInt8, DROP COLUMN wh"])
def test_a_change_that_cannot_be_read_is_refused(change: str) -> None:
    with pytest.raises(ValueError, match="adds columns or projections, but here stands"):
        declared_tables([TABLE, f"ALTER TABLE d.t {change}"])
