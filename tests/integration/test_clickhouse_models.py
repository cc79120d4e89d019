"""The heaviest models on both engines: the same rows from the same inputs, however awkward, and a failed run leaves what was there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from graph import Graph, day, days

from benchmarks.clickhouse_comparison import Comparison, compare
from benchmarks.clickhouse_inputs import RAW_READINGS, SMALL, copy_stored, delivered, fill, stored
from benchmarks.clickhouse_models import drop_made
from benchmarks.clickhouse_runs import (
    CLICKHOUSE,
    POSTGRES,
    ModelsError,
    is_installed,
    run_dbt,
    run_models,
    variables_of,
)
from energy_assets.keys import table_key

pytestmark = pytest.mark.skipif(not is_installed(), reason="dbt-clickhouse is not installed: pip install '.[dev]'")

FOLD = date(2023, 10, 29)
"""London's clocks went back: 25 hours from 23:00 UTC."""
EMPTY = FOLD + timedelta(days=1)
"""A day of which nothing came; every run is over both."""
ZONE = "Europe/London"
UPSTREAM = ("stg_meters", "stg_transformer_readings", "stg_transformers", "stg_outages")
SLOT = "timestamptz '2023-10-28 23:00+00' + n * interval '30 minutes'"

RAW = f"""
insert into raw_data.meter_readings (reading_date, meter_id, reading_at, consumption_kwh, interval_minutes, status, status_rank, version, instant_code, file_id, row_number)
select date '{FOLD}', meter_id, reading_at, kwh, minutes, status, rank, version, code, 1, row_number() over ()
from (
    -- Homes whose interval nobody states, each with a value of its own at each instant; the first is silent for a while.
    select 'HOME' || m as meter_id, {SLOT} as reading_at, (m * 7919 + n * 104729) % 1500 / 1000.0::double precision as kwh,
        null::smallint as minutes, null::text as status, null::smallint as rank, null::bigint as version, null::text as code
    from generate_series(1, 12) as m, generate_series(0, 49) as n where not (m = 1 and n between 20 and 23)
    -- The repeated hour was delivered without saying which: two instants, and one of them assumed.
    union all select 'FOLD', {SLOT}, 0.0005 * n, 30, null, null, null, case when n = 4 then 'fold_assumed' end from generate_series(0, 49) as n
    union all select 'QUARTERS', timestamptz '2023-10-28 23:00+00' + n * interval '15 minutes', 0.0015 * n, null, null, null, null, null from generate_series(0, 99) as n
    union all select 'HOURS', timestamptz '2023-10-28 23:00+00' + n * interval '1 hour', 0.7 * n, 60, null, null, null, null from generate_series(0, 24) as n
    union all select 'DAY', timestamptz '2023-10-28 23:00+00', 17.4, 1440, null, null, null, null
    union all select 'SINGLE', timestamptz '2023-10-29 08:07:30+00', 0.3, null, null, null, null, null
    union all select 'FACTORY', {SLOT}, 3.3333 + n, 30, null, null, null, null from generate_series(0, 49) as n
    -- Refused: below nothing, beyond the limit, a Wh taken for a kWh at one instant, and all day; an hour among half-hours; a clock that was set.
    union all select 'NEGATIVE', {SLOT}, n - 3, 30, null, null, null, null from generate_series(0, 9) as n
    union all select 'LIMIT', {SLOT}, case n when 5 then 1000.1 else 1 end, 30, null, null, null, null from generate_series(0, 9) as n
    union all select 'SPIKE', {SLOT}, case n when 5 then 150 else 0.2 end, 30, null, null, null, null from generate_series(0, 49) as n
    union all select 'WATTHOURS', {SLOT}, 400 + n, 30, null, null, null, null from generate_series(0, 49) as n
    union all select 'OVERLAP', timestamptz '2023-10-29 08:00+00', 2, 60, null, null, null, null
    union all select 'OVERLAP', {SLOT}, 1, 30, null, null, null, null from generate_series(18, 40) as n
    union all select 'SET', timestamptz '2023-10-29 08:00+00' + n * interval '30 minutes' + (n / 4) * interval '7 minutes', 0.25, 30, null, null, null, null from generate_series(0, 9) as n
    -- Delivered again: a later version, a better status, a larger value, and nothing but a status apart.
    union all select 'AGAIN', {SLOT}, n + v, 30, null, null, v, null from generate_series(0, 9) as n, generate_series(1, 3) as v
    union all select 'AGAIN', {SLOT}, 99, 30, null, null, null, null from generate_series(0, 9) as n
    union all select 'RANKED', {SLOT}, n + r, 30, 'S' || r, r, null, null from generate_series(0, 9) as n, generate_series(0, 2) as r
    union all select 'TIED', {SLOT}, v, 30, 'S' || v % 2, null, null, null from generate_series(0, 9) as n, unnest(array[1, 2, 2, 3, 3]) as v
) as delivered (meter_id, reading_at, kwh, minutes, status, rank, version, code)
"""

STAGED = f"""
insert into staging.stg_meters (reading_date, meter_id, customer_class, transformer_id, feeder_id, ct_multiplier, is_prepaid)
select date '{FOLD}', 'HOME' || m, 'household', case when m <= 8 then 'T1' else 'T2' end, null, 1, false from generate_series(1, 12) as m
union all select date '{FOLD}', meter_id, class, transformer_id, feeder_id, multiplier, false
from (values
    ('WATTHOURS', 'household', 'T2', null, 1), ('QUARTERS', 'household', 'T1', null, 1), ('HOURS', 'shop', 'T2', 'F2', 1), ('DAY', 'shop', 'TDAY', null, 1),
    ('FACTORY', 'industry', 'TCT', null, 40.5), ('NEGATIVE', 'household', 'TGAP', null, 1), ('FOLD', 'unknown', 'TNONE', null, 1), ('SILENT', 'household', 'TEST', null, 1)
) as known (meter_id, class, transformer_id, feeder_id, multiplier);

insert into staging.stg_transformers (reading_date, transformer_id, feeder_id, rating_kva, no_load_loss_w, load_loss_w)
select date '{FOLD}', transformer_id, feeder_id, rating, idle, load
from (values
    ('T1', 'F1', 160.0, 375.125, 2350.5), ('T2', null, null, null, null), ('TDAY', 'F1', 50, 125, null), ('TCT', 'F3', 630, 1030, 6500),
    ('TGAP', 'F1', 0, 100, 100), ('TIDLE', 'F1', 100, 93, 1000), ('TEST', 'F1', 25, 70, 700), ('TNONE', 'F1', 25, 70, 700)
) as known (transformer_id, feeder_id, rating, idle, load);

-- TNONE has no readings of its own; TIDLE feeds nobody, and half of its loss is a half Wh; TGAP misses one and has one refused.
insert into staging.stg_transformer_readings (reading_date, transformer_id, reading_at, interval_minutes, delivered_kwh, accepted_wh, quality_code)
select date '{FOLD}', transformer_id, {SLOT}, 30, 0, case when transformer_id = 'TIDLE' then 0 when transformer_id = 'TGAP' and n = 7 then null else wh + n * 351 end, 'valid'
from (values ('T1', 9000), ('T2', 150), ('TCT', 400000), ('TGAP', 5000), ('TIDLE', 0), ('TEST', 900)) as fed (transformer_id, wh), generate_series(0, 49) as n
where not (transformer_id = 'TGAP' and n = 9)
union all select date '{FOLD}', 'TDAY', timestamptz '2023-10-28 23:00+00', 1440, 0, 18350, 'valid';

insert into staging.stg_outages (reading_date, area_id, started_at, off_from, off_until)
select date '{FOLD}', area_id, off_from, off_from, off_until
from (values
    ('T1', timestamptz '2023-10-29 05:10+00', timestamptz '2023-10-29 05:20+00'), ('F2', '2023-10-29 12:00+00', '2023-10-29 14:00+00'),
    ('F9', '2023-10-28 23:00+00', '2023-10-30 00:00+00')
) as off (area_id, off_from, off_until);

insert into intermediate.int_reading_estimates (reading_date, meter_id, reading_at, interval_minutes, estimated_wh, method)
select date '{FOLD}', 'SILENT', {SLOT}, 30, 41 * n, 'proxy_days' from generate_series(0, 40) as n
union all select date '{FOLD}', 'HOME1', {SLOT}, 30, 333, 'interpolated' from generate_series(20, 22) as n
"""


@dataclass(frozen=True)
class Both:
    """Both engines with the awkward day's inputs."""

    graph: Graph
    client: Any
    variables: dict[str, Any]
    directory: Path

    def run(self, target: str) -> None:
        run_models(target, self.graph.warehouse.connections, self.variables, self.directory / target)

    def compared(self) -> dict[str, Comparison]:
        return {found.model: found for found in compare(self.graph.warehouse, self.client, FOLD)}

    def values(self, query: str) -> set[Any]:
        return {value for (value,) in self.graph.warehouse.rows(query)}


@pytest.fixture
def both(graph: Graph, tmp_path: Path) -> Iterator[Both]:
    variables = variables_of(FOLD, ZONE) | {"window_end": str(EMPTY + timedelta(days=1))}
    stores = graph.warehouse.connections
    run_dbt(POSTGRES, stores, variables, tmp_path / POSTGRES, "run", "--select", *UPSTREAM)
    graph.warehouse.ensure_partition("raw_data", "meter_readings", FOLD, as_loader=True)
    graph.warehouse.ensure_partition("intermediate", "int_reading_estimates", FOLD)
    for statements, as_loader in ((RAW, True), (STAGED, False)):
        with graph.warehouse.transaction(as_loader=as_loader) as connection, connection.cursor() as cursor:
            cursor.execute(statements)
    with graph.serving.client() as client:
        copy_stored(graph.warehouse, client, (RAW_READINGS, *SMALL), FOLD)
        yield Both(graph, client, variables, tmp_path)
        drop_made(client)


def test_both_engines_hold_the_same_and_a_failed_run_leaves_it(both: Both) -> None:
    both.run(POSTGRES)
    both.run(CLICKHOUSE)

    found = both.compared()
    assert {model: one.told() for model, one in found.items() if one.differences} == {}
    assert all(one.rows for one in found.values())

    # The rows are as awkward as they are meant to be.
    assert both.values("select distinct quality_code from staging.stg_meter_readings") == {
        *("valid", "fold_assumed", "negative", "above_limit", "interval_size", "unit")
    }
    assert both.values("select distinct excluded_because from intermediate.int_transformer_balance") == {
        *("outage", "no_energy_in", "meters_missing", None)
    }
    assert both.values("select distinct technical_loss_basis from intermediate.int_transformer_balance") == {
        *("ratings", "assumed")
    }
    assert both.values(
        "select distinct technical_loss_wh from intermediate.int_transformer_balance where transformer_id = 'TIDLE'"
    ) == {47}
    assert both.values(
        "select count(*) from intermediate.int_readings_hourly where meter_id = 'FOLD' and hour_of_day = 1"
    ) == {2}
    assert both.values("select count(*) > 100 from intermediate.int_readings_hourly where std_wh > 0") == {True}

    # Slots in which nothing was accepted, and days of an hour more in every grain.
    assert both.values(
        "select cardinality(profile_wh) from intermediate.int_consumption_features where accepted_count > 0"
    ) == {1, 25, 50, 100}
    assert both.values(
        "select array_position(profile_wh, null) from intermediate.int_consumption_features where meter_id = 'HOME1'"
    ) == {21}

    # What is not the same is found.
    both.client.command(
        "ALTER TABLE intermediate.int_consumption_features UPDATE profile_wh = arrayMap(wh -> ifNull(wh, 0), profile_wh)"
        " WHERE meter_id = 'HOME1' SETTINGS mutations_sync = 1"
    )
    both.client.command(
        "ALTER TABLE intermediate.int_readings_hourly UPDATE mean_wh = mean_wh + 1 WHERE meter_id = 'FOLD' SETTINGS mutations_sync = 1"
    )
    both.client.command(
        "ALTER TABLE staging.stg_meter_readings DELETE WHERE meter_id = 'DAY' SETTINGS mutations_sync = 1"
    )
    both.client.command(
        "ALTER TABLE intermediate.int_transformer_balance UPDATE technical_loss_wh = NULL WHERE transformer_id = 'TIDLE' SETTINGS mutations_sync = 1"
    )
    differing = both.compared()
    assert {model: one.differences for model, one in differing.items()} == {
        "stg_meter_readings": 1,
        "int_consumption_features": 1,
        "int_readings_hourly": 25,
        "int_transformer_balance": 50,
    }

    # A run that fails leaves the day; one that goes through makes it whole again.
    both.client.command("RENAME TABLE raw_data.meter_readings TO raw_data.meter_readings_away")
    with pytest.raises(ModelsError, match="meter_readings"):
        both.run(CLICKHOUSE)
    assert both.compared()["stg_meter_readings"] == differing["stg_meter_readings"]
    both.client.command("RENAME TABLE raw_data.meter_readings_away TO raw_data.meter_readings")
    both.client.command(
        f"INSERT INTO intermediate.int_transformer_balance SELECT * REPLACE (toDate('{EMPTY}') AS reading_date) FROM intermediate.int_transformer_balance"
    )
    both.run(CLICKHOUSE)
    assert not any(one.differences for one in both.compared().values())
    days_held = both.client.query("SELECT DISTINCT reading_date FROM intermediate.int_transformer_balance").result_rows
    assert days_held == [(FOLD,)], "the day of which nothing came was emptied"


def test_parts_bring_the_rows_of_postgres(graph: Graph) -> None:
    graph.deliver(days(1, 1))
    assert graph.land().success
    assert graph.run(day(1), [table_key("meter_readings")]).success
    other = "other_way"
    with graph.serving.client() as client:
        try:
            with stored(graph.warehouse, RAW_READINGS, day(1)) as batches:
                rows = fill(graph.warehouse, client, RAW_READINGS, day(1), batches, database=other)
            assert fill(graph.warehouse, client, RAW_READINGS, day(1), delivered(graph.warehouse, day(1))) == rows > 0
            held = [
                client.query(f"SELECT * FROM {database}.meter_readings ORDER BY meter_id, reading_at").result_rows
                for database in (other, RAW_READINGS.schema)
            ]
        finally:
            client.command(f"DROP DATABASE IF EXISTS {other} SYNC")
            drop_made(client)
    assert held[0] == held[1]
