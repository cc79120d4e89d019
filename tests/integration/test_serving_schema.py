"""ClickHouse's tables against the scripts that made them: the ledger, and what is told of tables that drifted."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from clickhouse_connect.driver.client import Client
from typer.testing import CliRunner

from energy_assets.cli import app
from energy_assets.embedded.connections import Connections
from energy_assets.home import Home
from energy_assets.resources import serving
from energy_assets.resources.serving import Serving, connect
from energy_assets.resources.serving_ddl import Script, scripts
from energy_assets.resources.serving_schema import (
    SchemaError,
    apply_retention,
    apply_scripts,
    drifts,
    ledger,
    table_drifts,
)
from energy_assets.settings import Settings

FOUNDATION = scripts()[0]
DRIFTING = "energy_analytics.drifting"
FIRST = Script(
    "002_drifting.sql",
    f"CREATE TABLE IF NOT EXISTS {DRIFTING} (day Date, meter_id String, wh Int64, kwh Float64 ALIAS wh / 1000)"
    " ENGINE = MergeTree PARTITION BY day ORDER BY (meter_id, day);\n",
)
SECOND = Script("003_more.sql", f"ALTER TABLE {DRIFTING} ADD COLUMN IF NOT EXISTS note LowCardinality(String);\n")


@pytest.fixture
def client(stores: tuple[Home, Connections]) -> Iterator[Client]:
    """A ClickHouse without any table of ours."""
    client = connect(stores[1].clickhouse_url)
    client.command("DROP DATABASE IF EXISTS energy_analytics SYNC")
    yield client
    client.command("DROP DATABASE IF EXISTS energy_analytics SYNC")
    client.close()
    Serving(home=str(stores[0].path)).apply_schema()


def described(client: Client, *declared: Script) -> list[str]:
    return [drift.what for drift in table_drifts(client, [FOUNDATION, *declared])]


def test_the_scripts_make_what_they_declare_and_the_ledger_says_so(client: Client) -> None:
    apply_scripts(client, scripts())
    assert drifts(client, scripts()) == []
    assert {name: entry.sha256 for name, entry in ledger(client).items()} == {
        script.name: script.sha256 for script in scripts()
    }


def test_a_script_is_applied_once_and_a_new_one_when_it_comes(client: Client) -> None:
    apply_scripts(client, [FOUNDATION, FIRST])
    client.command(f"ALTER TABLE {DRIFTING} RENAME COLUMN wh TO watt_hours")
    with pytest.raises(SchemaError, match="no column wh"):
        apply_scripts(client, [FOUNDATION, FIRST, SECOND])
    client.command(f"ALTER TABLE {DRIFTING} RENAME COLUMN watt_hours TO wh")
    apply_scripts(client, [FOUNDATION, FIRST, SECOND])
    assert list(ledger(client)) == [FOUNDATION.name, FIRST.name, SECOND.name]
    assert described(client, FIRST, SECOND) == []


def test_an_applied_script_that_changed_is_named_and_nothing_else_is_run(client: Client) -> None:
    apply_scripts(client, [FOUNDATION, FIRST])
    edited = Script(FIRST.name, FIRST.text.replace("meter_id String", "meter_id UInt64"))
    with pytest.raises(SchemaError, match=r"002_drifting\.sql has changed .* energy-assets") as refused:
        apply_scripts(client, [FOUNDATION, edited, SECOND])
    assert "new numbered script" in str(refused.value)
    assert SECOND.name not in ledger(client)


def test_a_crash_between_a_script_and_its_row_is_made_good(client: Client) -> None:
    apply_scripts(client, [FOUNDATION, FIRST, SECOND])
    client.command("DELETE FROM energy_analytics.schema_migrations WHERE script != '001_database.sql'")
    apply_scripts(client, [FOUNDATION, FIRST, SECOND])
    assert drifts(client, [FOUNDATION, FIRST, SECOND]) == []


def test_processes_that_start_at_once_leave_one_row_a_script(client: Client, stores: tuple[Home, Connections]) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: Serving(home=str(stores[0].path)).apply_schema(), range(4)))
    assert drifts(client, scripts()) == []
    assert len(ledger(client)) == len(scripts())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("ALTER TABLE {0} DROP COLUMN kwh", ["energy_analytics.drifting has no column kwh Float64"]),
        ("ALTER TABLE {0} MODIFY COLUMN wh Int32", ["energy_analytics.drifting.wh is Int32, declared is Int64"]),
        ("DROP TABLE {0} SYNC", ["energy_analytics.drifting does not exist"]),
    ],
)
def test_a_table_that_cannot_take_rows_is_refused_with_the_remedy(client: Client, change: str, told: list[str]) -> None:
    apply_scripts(client, [FOUNDATION, FIRST])
    client.command(change.format(DRIFTING))
    assert described(client, FIRST) == told
    with pytest.raises(SchemaError, match="→") as refused:
        apply_scripts(client, [FOUNDATION, FIRST])
    assert told[0] in str(refused.value)


def test_other_differences_are_told_and_do_not_stop(client: Client) -> None:
    apply_scripts(client, [FOUNDATION])
    client.command(
        f"CREATE TABLE {DRIFTING} (meter_id String, day Date, wh Int64, kwh Float64 ALIAS wh / 1000, more UInt8)"
        " ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY day"
    )
    apply_scripts(client, [FOUNDATION, FIRST])
    assert described(client, FIRST) == [
        "energy_analytics.drifting has a column more, which no script declares",
        "energy_analytics.drifting has its columns in the order meter_id, day, wh, kwh, declared is day, meter_id, wh, kwh",
        "energy_analytics.drifting has the partition key (toYYYYMM(day)), declared is (day)",
        "energy_analytics.drifting has the sorting key (day), declared is (meter_id, day)",
    ]


def test_a_projection_that_is_missing_or_nobody_declared_is_told(client: Client) -> None:
    apply_scripts(client, scripts())
    client.command("ALTER TABLE energy_analytics.forecast_accuracy DROP PROJECTION by_area")
    client.command("ALTER TABLE energy_analytics.data_quality ADD PROJECTION odd (SELECT rule, count() GROUP BY rule)")
    assert [drift.what for drift in drifts(client, scripts())] == [
        "energy_analytics.data_quality has a projection odd, which no script declares",
        "energy_analytics.forecast_accuracy has no projection by_area",
    ]


def test_a_projection_is_part_of_a_day_that_is_swapped_in_and_answers_for_it(client: Client) -> None:
    apply_scripts(client, scripts())
    table, staging = "energy_analytics.forecast_accuracy", "energy_analytics.forecast_accuracy__test"
    columns = "(reading_date, area_kind, area_id, hour, method, actual_kwh, forecast_kwh, error_pct)"
    for day, kwh in (("2024-03-07", 1), ("2024-03-08", 2), ("2024-03-08", 3)):
        client.command(f"CREATE TABLE {staging} AS {table}")
        client.command(
            f"INSERT INTO {staging} {columns} SELECT '{day}', 'transformer', 'T1', number, 'ridge', {kwh}, {kwh}, 0 FROM numbers(24)"
        )
        client.command(f"ALTER TABLE {table} REPLACE PARTITION '{day}' FROM {staging}")
        client.command(f"DROP TABLE {staging} SYNC")
    question = (
        "SELECT toStartOfDay(toDateTime(reading_date)) AS reading_date, sum(actual_kwh) AS kwh, avg(abs(error_pct)) AS mape"
        f" FROM {table} WHERE area_kind = 'transformer' GROUP BY reading_date ORDER BY reading_date"
    )

    answered = client.query(question).result_rows

    assert "ReadFromMergeTree (by_area)" in client.command(f"EXPLAIN {question}")
    assert [row[1:] for row in answered] == [(24, 0), (72, 0)]
    assert answered == client.query(question, settings={"optimize_use_projections": 0}).result_rows


def test_a_case_is_expected_to_go_on_beside_its_siblings_at_its_level_before_the_onset(client: Client) -> None:
    apply_scripts(client, scripts())
    # Twice as much as B until the 5th, then half; on the 7th too little of A was read.
    client.command(
        "INSERT INTO energy_analytics.consumption_metrics (metric_date, meter_id, transformer_id, total_kwh, completeness_pct)"
        " SELECT toDate('2024-03-01') + number, 'A', 'T1', if(number < 4, 8, 2), if(number = 6, 50, 100) FROM numbers(8)"
        " UNION ALL SELECT toDate('2024-03-01') + number, 'B', 'T1', 4, 100 FROM numbers(8)"
    )
    client.command(
        "INSERT INTO energy_analytics.transformer_losses (loss_date, transformer_id, non_technical_loss_kwh) VALUES ('2024-03-08', 'T1', 6)"
    )
    client.command(
        "INSERT INTO energy_analytics.theft_cases (case_date, case_id, subject_kind, subject_id, transformer_id, onset_date, state) VALUES"
        " ('2024-03-08', 'A-1', 'meter', 'A', 'T1', '2024-03-05', 'open'), ('2024-03-08', 'B-1', 'meter', 'B', 'T1', NULL, 'open'),"
        " ('2024-03-08', 'A-0', 'meter', 'A', 'T1', '2024-03-05', 'cleared'), ('2024-03-07', 'A-9', 'meter', 'A', 'T1', NULL, 'open')"
    )

    rows = client.query(
        "SELECT case_id, toDayOfMonth(metric_date), reported_kwh, expected_kwh, transformer_non_technical_loss_kwh"
        " FROM energy_analytics.case_course ORDER BY case_id, metric_date"
    ).result_rows

    level = 8 / 6
    assert [row[:3] for row in rows[:8]] == [
        ("A-1", day, None if day == 7 else 8 if day < 5 else 2) for day in range(1, 9)
    ]
    assert [row[3] for row in rows[:8]] == pytest.approx([level * 6] * 4 + [level * 3] * 4)
    assert [row[:4] for row in rows[8:]] == [("B-1", day, 4, None) for day in range(1, 9)]
    assert [row[4] for row in rows] == [*[None] * 7, 6] * 2


def test_scripts_that_wait_and_scripts_of_a_newer_version_are_told(client: Client) -> None:
    assert [drift.what for drift in drifts(client, [FOUNDATION])] == ["energy_analytics was never made"]
    apply_scripts(client, [FOUNDATION, Script("009_newer.sql", FIRST.text)])
    told = [drift.what for drift in drifts(client, [FOUNDATION, FIRST])]
    assert told[0] == "002_drifting.sql is not applied yet"
    assert told[1].startswith("009_newer.sql was applied by energy-assets")


def test_doctor_tells_of_a_drifted_table(
    client: Client, stores: tuple[Home, Connections], monkeypatch: pytest.MonkeyPatch
) -> None:
    apply_scripts(client, scripts())
    client.command("ALTER TABLE energy_analytics.anomaly_flags DROP COLUMN deviation_ratio")
    monkeypatch.delenv("CLICKHOUSE_URL", raising=False)
    result = CliRunner().invoke(app, ["--home", str(stores[0].path), "doctor"])
    assert result.exit_code == 1
    assert "energy_analytics.anomaly_flags has no column deviation_ratio Nullable(Float64)" in result.stdout
    assert "ALTER TABLE energy_analytics.anomaly_flags ADD COLUMN deviation_ratio" in result.stdout


def test_a_table_forgets_days_that_are_older_than_its_number_and_only_while_it_is_set(client: Client) -> None:
    applied = [FOUNDATION, FIRST]
    apply_scripts(client, applied)
    for _ in range(2):
        apply_retention(client, applied, {"drifting": 30})
    client.command(f"INSERT INTO {DRIFTING} (day, meter_id, wh) SELECT today() - 40 * number, 'M', 1 FROM numbers(2)")
    client.command(f"OPTIMIZE TABLE {DRIFTING} FINAL")
    assert client.command(f"SELECT count() FROM {DRIFTING}") == 1
    apply_retention(client, applied, {})
    client.command(f"INSERT INTO {DRIFTING} (day, meter_id, wh) VALUES (today() - 40, 'M', 1)")
    client.command(f"OPTIMIZE TABLE {DRIFTING} FINAL")
    assert client.command(f"SELECT count() FROM {DRIFTING}") == 2
    assert described(client, FIRST) == []
    with pytest.raises(SchemaError, match=r"names nowhere: there are drifting$"):
        apply_retention(client, applied, {"nowhere": 30})


def test_a_cluster_that_the_server_does_not_know_is_refused_in_so_many_words(
    client: Client, stores: tuple[Home, Connections], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        serving, "settings", lambda: Settings(CLICKHOUSE_URL=stores[1].clickhouse_url, clickhouse_cluster="main")
    )
    swapping = Serving(home=str(stores[0].path)).swapping(client, "meter_readings", run_id="r")
    with pytest.raises(SchemaError, match=r"(?s)no cluster main.*→ set ENERGY_CLICKHOUSE_CLUSTER"), swapping:
        pass
