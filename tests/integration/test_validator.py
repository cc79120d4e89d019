"""The gates judge real rows: a sound day passes, and each fault is found, named and counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest
import yaml
from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from energy_assets.embedded import credentials
from energy_assets.embedded.connections import postgres_url
from energy_assets.landing.contract import RECORD_SOURCES
from energy_assets.resources.schema import apply_schema
from quality_suites import SUITES, Suite
from quality_suites.validator import GateError, Limits, Outcome, Validator

DAY = date(2024, 3, 7)
SCRATCH = "gates"
MODELS = Path(__file__).resolve().parents[2] / "dbt_project" / "models"

SOUND_DAY = """
insert into raw_data.landing_files (sha256, byte_count, status, rows_read, rows_rejected, run_id)
values ('abc', 1, 'landed', 96, 0, 'test');
insert into raw_data.landing_paths (path, sha256, byte_count, modified_ns) values ('meters/march.csv', 'abc', 1, 1);
insert into raw_data.landing_parts
select file_id, source, '{day}', 96, 0 from raw_data.landing_files, unnest(array[
    'meter_readings', 'transformer_readings', 'register_readings', 'weather', 'outages', 'token_purchases', 'reading_annotations'
]) as source;

insert into raw_data.meter_readings (reading_date, meter_id, reading_at, consumption_kwh, interval_minutes, row_number, file_id)
select '{day}', meter_id, '{day} 00:00+00'::timestamptz + slot * interval '30 minutes', 0.1, 30, 1 + row_number() over (), file_id
from raw_data.landing_files, unnest(array['M1', 'M2']) as meter_id, generate_series(0, 47) as slot;
insert into raw_data.weather_observations (observation_date, station_id, observed_at, temperature_c, row_number, file_id)
select reading_date, 'S1', reading_at, 25, row_number, file_id from raw_data.meter_readings where meter_id = 'M1';
insert into raw_data.reading_annotations (reading_date, meter_id, reading_at, row_number, file_id)
select reading_date, meter_id, reading_at, row_number, file_id from raw_data.meter_readings;
insert into raw_data.transformer_readings (reading_date, transformer_id, reading_at, energy_kwh, interval_minutes, row_number, file_id)
select reading_date, 'T1', reading_at, 0.22, 30, row_number, file_id from raw_data.meter_readings where meter_id = 'M1';
insert into raw_data.register_readings (reading_date, meter_id, read_at, register_kwh, row_number, file_id)
select reading_date, meter_id, reading_at, 1000, row_number, file_id from raw_data.meter_readings where reading_at = '{day} 06:00+00';
insert into raw_data.outages (outage_date, area_id, started_at, ended_at, kind, row_number, file_id)
select '{day}', 'T1', '{day} 21:30+00', '{day} 23:00+00', 'load_shedding', 2, file_id from raw_data.landing_files;
insert into raw_data.token_purchases (purchase_date, meter_id, purchased_at, energy_kwh, amount, currency, row_number, file_id)
select reading_date, meter_id, reading_at, 50, 3950, 'XAF', row_number, file_id from raw_data.meter_readings where reading_at = '{day} 06:00+00';
insert into raw_data.meters (meter_id, transformer_id, ct_multiplier, row_number, file_id)
select meter_id, 'T1', 1, 1 + row_number() over (), file_id from raw_data.landing_files, unnest(array['M1', 'M2']) as meter_id;
insert into raw_data.transformers (transformer_id, rating_kva, no_load_loss_w, load_loss_w, row_number, file_id)
select 'T1', 10, 30, 200, 2, file_id from raw_data.landing_files;

insert into staging.stg_meters
select '{day}', meter_id, 'C1', 'residential', transformer_id, 'F1', 'BT', true, 1, ct_multiplier, 4.05, 9.7 from raw_data.meters;
insert into staging.stg_transformers
select '{day}', transformer_id, 'F1', rating_kva, no_load_loss_w, load_loss_w, 4.05, 9.7 from raw_data.transformers;
insert into staging.stg_inspections values ('{day}', 'M1', 'theft', 120000, 'K1', 'ranked', 'bypass behind the meter');
insert into staging.stg_case_events values ('{day}', 'transformer', 'T1', 'snoozed', '2024-03-20', null, 'line is rebuilt', 'ada', 'loss-T1-20240301', null);
insert into staging.stg_outages
select outage_date, area_id, started_at, ended_at, kind, started_at, ended_at from raw_data.outages;
insert into staging.stg_transformer_readings
select reading_date, transformer_id, reading_at, 30, 0.22, 220, 'valid' from raw_data.transformer_readings;
insert into staging.stg_register_readings
select reading_date, meter_id, read_at, register_kwh, 1000000 from raw_data.register_readings;
insert into staging.stg_token_purchases
select purchase_date, meter_id, purchased_at, 50000, amount, currency from raw_data.token_purchases;
insert into staging.stg_meter_readings
select reading_date, meter_id, reading_at, 30, 0.1, 100, 'valid' from raw_data.meter_readings;
insert into staging.stg_weather_observations
select observation_date, station_id, observed_at, 25, 80, 10 from raw_data.weather_observations;
insert into staging.stg_reading_annotations
select reading_date, meter_id, reading_at, 'Normal', 0.1 from raw_data.reading_annotations;

insert into intermediate.int_readings_hourly
select reading_date, meter_id, date_trunc('hour', reading_at), extract(hour from min(reading_at) at time zone 'UTC'), count(*), count(*),
    sum(accepted_wh), avg(accepted_wh), max(accepted_wh), min(accepted_wh), 0
from staging.stg_meter_readings group by reading_date, meter_id, date_trunc('hour', reading_at);
insert into intermediate.int_readings_daily
select reading_date, meter_id, 30, count(*), count(*), 48, sum(accepted_wh), 0, max(accepted_wh), min(reading_at), min(accepted_wh), true
from staging.stg_meter_readings group by reading_date, meter_id;
insert into intermediate.int_consumption_features
select reading_date, meter_id, 30, array_agg(accepted_wh order by reading_at), count(*), sum(accepted_wh)
from staging.stg_meter_readings group by reading_date, meter_id;
insert into intermediate.int_reading_estimates
select '{day}', 'M3', '{day} 00:00+00'::timestamptz + slot * interval '30 minutes', 30, 100, 'proxy_days' from generate_series(0, 3) as slot;
insert into intermediate.int_validation_hits
values ('{day}', 'spike', 'M1', '{day} 12:00+00', '{day} 12:30+00', 1, 4.2, 3, null);
insert into intermediate.int_transformer_balance
select reading_date, transformer_id, reading_at, 'F1', 30, accepted_wh, 200, 0, 2, 2, 'ratings', 15,
    case when reading_at < '{day} 21:30+00' or reading_at >= '{day} 23:00+00' then 5 end,
    case when reading_at >= '{day} 21:30+00' and reading_at < '{day} 23:00+00' then 'outage' end
from staging.stg_transformer_readings;
insert into ml.anomaly_scores
select reading_date, meter_id, reading_at, accepted_wh, 100, 0.2, false, null, 'scored', 'v1' from staging.stg_meter_readings;
update ml.anomaly_scores set is_anomaly = true, anomaly_type = 'spike', anomaly_score = 0.9
where meter_id = 'M1' and reading_at = '{day} 12:00+00';
insert into marts.mart_consumption_metrics
select reading_date, meter_id, 4.8, 0.1, 0.1, 0, 0.1, 0, 48, 48, 100, 0, 0, 0, 4, 20, 4.8, 0, 5, -4 from intermediate.int_readings_daily;
insert into marts.mart_anomaly_flags
select reading_date, meter_id, reading_at, 0.1, 0.1, 1, anomaly_score, anomaly_type, model_version from ml.anomaly_scores where is_anomaly;
insert into marts.mart_load_profile
select reading_date, 'unknown', 'workday', 30, slot - 1, 30 * (slot - 1), count(*), sum(wh) / 1000.0, avg(wh) / 1000.0, 0, avg(wh) / 500.0
from intermediate.int_consumption_features, unnest(profile_wh) with ordinality as slots (wh, slot) group by reading_date, slot;
insert into marts.mart_data_quality
select '{day}', rule, 'all', 0, 0, 96, 0 from unnest(array['missing', 'negative', 'above_limit', 'fold_assumed', 'duplicate', 'rejected']) as rule;
insert into marts.mart_transformer_losses
values ('{day}', 'T1', 'F1', 2, 48, 45, 3, 0, 10.560, 9.900, 9.000, 0, 'ratings', 0.675, 0.225, 0.1, 0.061, 0.390, 2.27, 'XAF', 50, 11, true);
insert into ml.load_forecast
select '{day}', kind, area_id, '{day} 00:00+00'::timestamptz + interval '1 day' + slot * interval '30 minutes', 30, feeder_id,
    220, 200, 150, 290, capacity_wh, chance, 'ridge'
from (values ('transformer', 'T1', 'F1', 4500, 0.0), ('feeder', 'F1', null, null, null)) as area (kind, area_id, feeder_id, capacity_wh, chance),
    generate_series(0, 47) as slot;
insert into intermediate.int_day_traits
select '{day}', meter_id, array[200, 80, 100, 150, 250, 400, 900, 120, 60, 70, 0, 0.1, 0.2] || array_fill(200, array[8])
from unnest(array['M1', 'M2']) as meter_id;
insert into ml.loss_explanations
values ('{day}', 'T1', 'M1', 2400, 1900, 2900, 'share', 0.5, '2024-02-20', 80, 0.6, false, false),
    ('{day}', 'T1', 'M2', 0, 0, 0, null, null, null, 1.5, 0.01, true, false),
    ('{day}', 'T1', '', -50, -200, 90, null, null, null, null, null, false, false);
insert into ml.theft_evidence (
    score_date, meter_id, transformer_id, known_days, reported_wh, drop_date, before_w, after_w, fleet_change, onset_date,
    explained_date, explained_way, explained_since, explained_wh, explained_low_wh, explained_high_wh, used_wh, bought_wh, drop_t, balance_gain
)
values ('{day}', 'M1', 'T1', 28, 4800, '2024-02-20', 400, 200, 0.02, '2024-02-21', '{day}', 'share', '2024-02-20', 2400, 1900, 2900, 9, 9, -6, 4.4),
    ('{day}', 'M2', 'T1', 20, 4800, null, null, null, null, null, '{day}', null, null, null, null, null, null, null, -1, 0.9),
    ('{day}', 'M3', null, 9, 0, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null);
insert into ml.theft_scores
values ('{day}', 'M1', 'T1', 0.4, 0.06, 'prior', '2024-02-20', 2.4, 1.9, 2.9, '[{"code": "level_fell"}]', 'fell', 'baisse', 'scored', 'v1'),
    ('{day}', 'M2', 'T1', 0.1, 0.01, 'labels', null, null, null, null, '[]', '', '', 'scored', 'v1'),
    ('{day}', 'M3', null, null, null, null, null, null, null, null, '[]', '', '', 'too_few_days', null);
insert into marts.mart_forecast_accuracy
select '{day}', 'transformer', 'T1', hour, 'ridge', 2, 2, 2, 2, 0.44, 0.44, 0.4, 0, -9.09 from generate_series(0, 23) as hour;
insert into marts.mart_detection_performance
values ('{day}', 'ranked', 5, 2, 40, 4, 36, 12, 0.33, 0.2, 0.5, 0.6, 0.5, 0.4, 4, 2, 9, 900, 22.5, 'XAF', 30000, 750, 36, 12, 11, 0.1);
insert into marts.mart_theft_cases
values ('{day}', 'M1-20240302', 'meter', 'M1', 'T1', 'residential', 4.05, 9.7, 'evidence', '2024-03-02', 'open', '2024-03-02', null, null, null, 0, null,
    '{day}', 0.3, 'prior', '2024-02-20', 2.4, 1.9, 2.9, 470, 'XAF', 50, 3600, 6000, 1050, 1, 'ranked', null, false, 'open', 1, 'fell', 'baisse'),
    ('{day}', 'loss-T1-20240301', 'transformer', 'T1', 'T1', null, 4.05, 9.7, 'evidence', '2024-03-01', 'snoozed', '{day}', null, '2024-03-20', null, 0, null,
    '{day}', 0.9, 'interval', null, 2, 1, 3, 400, 'XAF', 50, null, 24000, -6000, null, null, null, false, 'open', 2, 'hook', 'branchement');
"""

BY_DAY = (
    *("ml.anomaly_scores", "ml.load_forecast", "ml.loss_explanations", "ml.theft_evidence", "ml.theft_scores"),
    *("intermediate.int_reading_estimates", "intermediate.int_validation_hits", "intermediate.int_day_traits"),
)
"""Tables that scripts declare by day partitions."""

NULLS_ALLOWED = """
do $$ declare found record; begin
    for found in
        select attrelid::regclass as relation, attname from pg_attribute join pg_class on oid = attrelid
        where relkind = 'p' and attnum > 0 and attnotnull
    loop
        execute format('alter table %s alter %I drop not null', found.relation, found.attname);
    end loop;
end $$
"""

ONE = "where meter_id = 'M1' and reading_at = '2024-03-07 06:00+00'"
STATION = "where observed_at = '2024-03-07 06:00+00'"
FED = "where reading_at = '2024-03-07 06:00+00'"
BOUGHT = "where meter_id = 'M1'"
FIRST_TOLD = "where starts_at = '2024-03-08 00:00+00'"
SUSPECT = "where meter_id = 'M1'"
CASE = "where subject_kind = 'meter'"
HONEST = "where meter_id = 'M2'"
UNSCORED = "where meter_id = 'M3'"
NOBODY = "where meter_id = ''"
FIRST_ESTIMATE = "where reading_at = '2024-03-07 00:00+00'"
UNREADABLE_RECORD = """
insert into raw_data.rejected_rows
select file_id, '{source}', null, 4, 'valid_from', 'soon', 'is no date-time' from raw_data.landing_files
"""

FAULTS = [
    ("meter_readings", "meter_id-not-null", f"update raw_data.meter_readings set meter_id = null {ONE}"),
    ("meter_readings", "reading_at-not-null", f"update raw_data.meter_readings set reading_at = null {ONE}"),
    ("meter_readings", "consumption_kwh-not-null", f"update raw_data.meter_readings set consumption_kwh = null {ONE}"),
    ("meter_readings", "interval_minutes-known", f"update raw_data.meter_readings set interval_minutes = 7 {ONE}"),
    ("meter_readings", "reading_at-near-its-day", f"update raw_data.meter_readings set reading_at = '1970-01-01' {ONE}"),
    ("meter_readings", "consumption_kwh-finite", f"update raw_data.meter_readings set consumption_kwh = 'NaN' {ONE}"),
    ("meter_readings", "consumption_kwh-finite", f"update raw_data.meter_readings set consumption_kwh = '-Infinity' {ONE}"),
    ("meter_readings", "rejected-share", "update raw_data.landing_parts set rejected_count = 2"),
    ("weather_observations", "station_id-not-null", f"update raw_data.weather_observations set station_id = null {STATION}"),
    ("weather_observations", "observed_at-not-null", f"update raw_data.weather_observations set observed_at = null {STATION}"),
    ("weather_observations", "observed_at-near-its-day", f"update raw_data.weather_observations set observed_at = 'infinity' {STATION}"),
    ("weather_observations", "rejected-share", "update raw_data.landing_parts set rejected_count = 2"),
    ("reading_annotations", "meter_id-not-null", f"update raw_data.reading_annotations set meter_id = null {ONE}"),
    ("reading_annotations", "reading_at-not-null", f"update raw_data.reading_annotations set reading_at = null {ONE}"),
    ("reading_annotations", "reading_at-near-its-day", f"update raw_data.reading_annotations set reading_at = '1970-01-01' {ONE}"),
    ("reading_annotations", "rejected-share", "update raw_data.landing_parts set rejected_count = 2"),
    ("stg_meter_readings", "meter_id-not-null", f"update staging.stg_meter_readings set meter_id = null {ONE}"),
    ("stg_meter_readings", "reading_at-not-null", f"update staging.stg_meter_readings set reading_at = null {ONE}"),
    ("stg_meter_readings", "interval_minutes-not-null", f"update staging.stg_meter_readings set interval_minutes = null {ONE}"),
    ("stg_meter_readings", "interval_minutes-known", f"update staging.stg_meter_readings set interval_minutes = 20 {ONE}"),
    ("stg_meter_readings", "quality_code-not-null", f"update staging.stg_meter_readings set quality_code = null {ONE}"),
    ("stg_meter_readings", "quality_code-known", f"update staging.stg_meter_readings set quality_code = 'fine' {ONE}"),
    ("stg_meter_readings", "meter_id-reading_at-unique", f"insert into staging.stg_meter_readings select * from staging.stg_meter_readings {ONE}"),
    ("stg_meter_readings", "accepted_wh-in-range", f"update staging.stg_meter_readings set accepted_wh = -1 {ONE}"),
    ("stg_meter_readings", "accepted_wh-in-range", f"update staging.stg_meter_readings set accepted_wh = 1000001 {ONE}"),
    ("stg_meter_readings", "accepted_wh-where-accepted", f"update staging.stg_meter_readings set accepted_wh = null {ONE}"),
    ("stg_meter_readings", "accepted_wh-where-accepted", f"update staging.stg_meter_readings set quality_code = 'negative' {ONE}"),
    ("stg_weather_observations", "station_id-not-null", f"update staging.stg_weather_observations set station_id = null {STATION}"),
    ("stg_weather_observations", "observed_at-not-null", f"update staging.stg_weather_observations set observed_at = null {STATION}"),
    ("stg_weather_observations", "station_id-observed_at-unique", f"insert into staging.stg_weather_observations select * from staging.stg_weather_observations {STATION}"),
    ("stg_reading_annotations", "meter_id-not-null", f"update staging.stg_reading_annotations set meter_id = null {ONE}"),
    ("stg_reading_annotations", "reading_at-not-null", f"update staging.stg_reading_annotations set reading_at = null {ONE}"),
    ("stg_reading_annotations", "meter_id-reading_at-unique", f"insert into staging.stg_reading_annotations select * from staging.stg_reading_annotations {ONE}"),
    ("int_readings_hourly", "meter_id-not-null", "update intermediate.int_readings_hourly set meter_id = null where meter_id = 'M1'"),
    ("int_readings_hourly", "hour_at-not-null", "update intermediate.int_readings_hourly set hour_at = null where meter_id = 'M1'"),
    ("int_readings_hourly", "reading_count-not-null", "update intermediate.int_readings_hourly set reading_count = null"),
    ("int_readings_hourly", "accepted_count-not-null", "update intermediate.int_readings_hourly set accepted_count = null"),
    ("int_readings_hourly", "total_wh-not-null", "update intermediate.int_readings_hourly set total_wh = null where hour_of_day = 3"),
    ("int_readings_hourly", "meter_id-hour_at-unique", "insert into intermediate.int_readings_hourly select * from intermediate.int_readings_hourly where hour_of_day = 3"),
    ("int_readings_hourly", "hour_of_day-in-range", "update intermediate.int_readings_hourly set hour_of_day = 24 where hour_of_day = 23"),
    ("int_readings_hourly", "std_wh-in-range", "update intermediate.int_readings_hourly set std_wh = -1"),
    ("int_readings_hourly", "counts-in-order", "update intermediate.int_readings_hourly set accepted_count = 3"),
    ("int_readings_hourly", "energy-in-order", "update intermediate.int_readings_hourly set mean_wh = max_wh + 1"),
    ("int_readings_hourly", "total_wh-of-staging", "delete from intermediate.int_readings_hourly where hour_of_day = 3"),
    ("int_readings_daily", "meter_id-not-null", "update intermediate.int_readings_daily set meter_id = null where meter_id = 'M1'"),
    ("int_readings_daily", "reading_count-not-null", "update intermediate.int_readings_daily set reading_count = null"),
    ("int_readings_daily", "accepted_count-not-null", "update intermediate.int_readings_daily set accepted_count = null"),
    ("int_readings_daily", "expected_count-not-null", "update intermediate.int_readings_daily set expected_count = null"),
    ("int_readings_daily", "total_wh-not-null", "update intermediate.int_readings_daily set total_wh = null where meter_id = 'M1'"),
    ("int_readings_daily", "meter_id-unique", "insert into intermediate.int_readings_daily select * from intermediate.int_readings_daily where meter_id = 'M1'"),
    ("int_readings_daily", "counts-in-order", "update intermediate.int_readings_daily set accepted_count = 49"),
    ("int_readings_daily", "counts-in-order", "update intermediate.int_readings_daily set reading_count = 49"),
    ("int_readings_daily", "energy-in-order", "update intermediate.int_readings_daily set peak_wh = total_wh + 1"),
    ("int_readings_daily", "energy-in-order", "update intermediate.int_readings_daily set min_wh = -1"),
    ("int_readings_daily", "total_wh-of-staging", "delete from intermediate.int_readings_daily where meter_id = 'M2'"),
    ("int_consumption_features", "meter_id-not-null", "update intermediate.int_consumption_features set meter_id = null where meter_id = 'M1'"),
    ("int_consumption_features", "accepted_count-not-null", "update intermediate.int_consumption_features set accepted_count = null"),
    ("int_consumption_features", "total_wh-not-null", "update intermediate.int_consumption_features set total_wh = null where meter_id = 'M1'"),
    ("int_consumption_features", "meter_id-unique", "insert into intermediate.int_consumption_features select * from intermediate.int_consumption_features where meter_id = 'M1'"),
    ("int_consumption_features", "profile_wh-length", "update intermediate.int_consumption_features set profile_wh = '{}'"),
    ("int_consumption_features", "profile_wh-length", "update intermediate.int_consumption_features set profile_wh = array_fill(1::bigint, array[101])"),
    ("int_consumption_features", "total_wh-of-staging", "update intermediate.int_consumption_features set total_wh = total_wh + 1"),
    ("anomaly_scores", "meter_id-not-null", f"update ml.anomaly_scores set meter_id = null {ONE}"),
    ("anomaly_scores", "reading_at-not-null", f"update ml.anomaly_scores set reading_at = null {ONE}"),
    ("anomaly_scores", "score_status-not-null", f"update ml.anomaly_scores set score_status = null {ONE}"),
    ("anomaly_scores", "meter_id-reading_at-unique", f"insert into ml.anomaly_scores select * from ml.anomaly_scores {ONE}"),
    ("anomaly_scores", "anomaly_score-in-range", f"update ml.anomaly_scores set anomaly_score = 1.01 {ONE}"),
    ("anomaly_scores", "anomaly_score-in-range", f"update ml.anomaly_scores set anomaly_score = 'NaN' {ONE}"),
    ("anomaly_scores", "score_status-known", f"update ml.anomaly_scores set score_status = 'perhaps' {ONE}"),
    ("anomaly_scores", "anomaly_type-known", f"update ml.anomaly_scores set anomaly_type = 'odd' {ONE}"),
    ("anomaly_scores", "anomaly_score-where-scored", f"update ml.anomaly_scores set anomaly_score = null {ONE}"),
    ("anomaly_scores", "anomaly_score-where-scored", f"update ml.anomaly_scores set score_status = 'no_model' {ONE}"),
    ("anomaly_scores", "model_version-where-scored", f"update ml.anomaly_scores set model_version = null {ONE}"),
    ("anomaly_scores", "one-per-accepted-reading", f"delete from ml.anomaly_scores {ONE}"),
    ("anomaly_scores", "one-per-accepted-reading", f"update staging.stg_meter_readings set accepted_wh = null {ONE}"),
    ("mart_consumption_metrics", "meter_id-not-null", "update marts.mart_consumption_metrics set meter_id = null where meter_id = 'M1'"),
    ("mart_consumption_metrics", "total_kwh-not-null", "update marts.mart_consumption_metrics set total_kwh = null where meter_id = 'M1'"),
    ("mart_consumption_metrics", "completeness_pct-not-null", "update marts.mart_consumption_metrics set completeness_pct = null"),
    ("mart_consumption_metrics", "meter_id-unique", "insert into marts.mart_consumption_metrics select * from marts.mart_consumption_metrics where meter_id = 'M1'"),
    ("mart_consumption_metrics", "energy-in-order", "update marts.mart_consumption_metrics set mean_kwh = 0.2"),
    ("mart_consumption_metrics", "variance_kwh2-in-range", "update marts.mart_consumption_metrics set variance_kwh2 = -1"),
    ("mart_consumption_metrics", "peak_hour-in-range", "update marts.mart_consumption_metrics set peak_hour = 24"),
    ("mart_consumption_metrics", "completeness_pct-in-range", "update marts.mart_consumption_metrics set completeness_pct = 101"),
    ("mart_consumption_metrics", "anomaly_rate_pct-in-range", "update marts.mart_consumption_metrics set anomaly_rate_pct = -1"),
    ("mart_consumption_metrics", "counts-in-order", "update marts.mart_consumption_metrics set anomaly_count = 49"),
    ("mart_consumption_metrics", "loss_estimate_kwh-in-range", "update marts.mart_consumption_metrics set loss_estimate_kwh = -1"),
    ("mart_consumption_metrics", "day_change_pct-in-range", "update marts.mart_consumption_metrics set day_change_pct = -101"),
    ("mart_consumption_metrics", "week_change_pct-in-range", "update marts.mart_consumption_metrics set week_change_pct = -101"),
    ("mart_consumption_metrics", "month_change_pct-in-range", "update marts.mart_consumption_metrics set month_change_pct = -101"),
    ("mart_load_profile", "customer_class-not-null", "update marts.mart_load_profile set customer_class = null"),
    ("mart_load_profile", "day_type-not-null", "update marts.mart_load_profile set day_type = null"),
    ("mart_load_profile", "slot-not-null", "update marts.mart_load_profile set slot = null where slot = 3"),
    ("mart_load_profile", "meter_count-not-null", "update marts.mart_load_profile set meter_count = null"),
    ("mart_load_profile", "total_kwh-not-null", "update marts.mart_load_profile set total_kwh = null"),
    ("mart_load_profile", "customer_class-interval_minutes-slot-unique", "insert into marts.mart_load_profile select * from marts.mart_load_profile where slot = 3"),
    ("mart_load_profile", "day_type-known", "update marts.mart_load_profile set day_type = 'holiday'"),
    ("mart_load_profile", "minute_of_day-in-range", "update marts.mart_load_profile set minute_of_day = 1500 where slot = 3"),
    ("mart_load_profile", "meter_count-in-range", "update marts.mart_load_profile set meter_count = 0 where slot = 3"),
    ("mart_load_profile", "total_kwh-in-range", "update marts.mart_load_profile set total_kwh = -1 where slot = 3"),
    ("mart_load_profile", "total_kwh-of-profiles", "delete from marts.mart_load_profile where slot = 3"),
    ("mart_data_quality", "rule-not-null", "update marts.mart_data_quality set rule = null where rule = 'missing'"),
    ("mart_data_quality", "area_id-not-null", "update marts.mart_data_quality set area_id = null"),
    ("mart_data_quality", "hit_count-not-null", "update marts.mart_data_quality set hit_count = null"),
    ("mart_data_quality", "expected_count-not-null", "update marts.mart_data_quality set expected_count = null"),
    ("mart_data_quality", "rule-area_id-unique", "update marts.mart_data_quality set rule = 'missing'"),
    ("mart_data_quality", "rule-known", "update marts.mart_data_quality set rule = 'unheard-of' where rule = 'missing'"),
    ("mart_data_quality", "hit_count-in-range", "update marts.mart_data_quality set hit_count = -1"),
    ("mart_data_quality", "meters-where-hit", "update marts.mart_data_quality set meter_count = 1"),
    ("mart_consumption_metrics", "total_kwh-of-daily", "update marts.mart_consumption_metrics set total_kwh = 4.801 where meter_id = 'M1'"),
    ("mart_anomaly_flags", "meter_id-not-null", "update marts.mart_anomaly_flags set meter_id = null"),
    ("mart_anomaly_flags", "reading_at-not-null", "update marts.mart_anomaly_flags set reading_at = null"),
    ("mart_anomaly_flags", "consumption_kwh-not-null", "update marts.mart_anomaly_flags set consumption_kwh = null"),
    ("mart_anomaly_flags", "anomaly_score-not-null", "update marts.mart_anomaly_flags set anomaly_score = null"),
    ("mart_anomaly_flags", "anomaly_type-not-null", "update marts.mart_anomaly_flags set anomaly_type = null"),
    ("mart_anomaly_flags", "model_version-not-null", "update marts.mart_anomaly_flags set model_version = null"),
    ("mart_anomaly_flags", "meter_id-reading_at-unique", "insert into marts.mart_anomaly_flags select * from marts.mart_anomaly_flags"),
    ("mart_anomaly_flags", "anomaly_type-known", "update marts.mart_anomaly_flags set anomaly_type = 'odd'"),
    ("mart_anomaly_flags", "anomaly_score-in-range", "update marts.mart_anomaly_flags set anomaly_score = 2"),
    ("mart_anomaly_flags", "one-per-flagged-score", "delete from marts.mart_anomaly_flags"),
    ("mart_anomaly_flags", "one-per-flagged-score", "update ml.anomaly_scores set is_anomaly = false"),
    ("transformer_readings", "transformer_id-not-null", f"update raw_data.transformer_readings set transformer_id = null {FED}"),
    ("transformer_readings", "reading_at-not-null", f"update raw_data.transformer_readings set reading_at = null {FED}"),
    ("transformer_readings", "energy_kwh-not-null", f"update raw_data.transformer_readings set energy_kwh = null {FED}"),
    ("transformer_readings", "interval_minutes-known", f"update raw_data.transformer_readings set interval_minutes = 7 {FED}"),
    ("transformer_readings", "reading_at-near-its-day", f"update raw_data.transformer_readings set reading_at = '1970-01-01' {FED}"),
    ("transformer_readings", "rejected-share", "update raw_data.landing_parts set rejected_count = 2"),
    ("register_readings", "meter_id-not-null", f"update raw_data.register_readings set meter_id = null {BOUGHT}"),
    ("register_readings", "read_at-not-null", f"update raw_data.register_readings set read_at = null {BOUGHT}"),
    ("register_readings", "register_kwh-not-null", f"update raw_data.register_readings set register_kwh = null {BOUGHT}"),
    ("register_readings", "read_at-near-its-day", f"update raw_data.register_readings set read_at = '1970-01-01' {BOUGHT}"),
    ("register_readings", "rejected-share", "update raw_data.landing_parts set rejected_count = 2"),
    ("outages", "area_id-not-null", "update raw_data.outages set area_id = null"),
    ("outages", "started_at-not-null", "update raw_data.outages set started_at = null"),
    ("outages", "started_at-near-its-day", "update raw_data.outages set started_at = 'infinity'"),
    ("outages", "rejected-share", "update raw_data.landing_parts set rejected_count = 2"),
    ("token_purchases", "meter_id-not-null", f"update raw_data.token_purchases set meter_id = null {BOUGHT}"),
    ("token_purchases", "purchased_at-not-null", f"update raw_data.token_purchases set purchased_at = null {BOUGHT}"),
    ("token_purchases", "energy_kwh-not-null", f"update raw_data.token_purchases set energy_kwh = null {BOUGHT}"),
    ("token_purchases", "purchased_at-near-its-day", f"update raw_data.token_purchases set purchased_at = '1970-01-01' {BOUGHT}"),
    ("token_purchases", "rejected-share", "update raw_data.landing_parts set rejected_count = 2"),
    ("stg_meters", "meter_id-not-null", f"update staging.stg_meters set meter_id = null {BOUGHT}"),
    ("stg_meters", "customer_class-not-null", f"update staging.stg_meters set customer_class = null {BOUGHT}"),
    ("stg_meters", "ct_multiplier-not-null", f"update staging.stg_meters set ct_multiplier = null {BOUGHT}"),
    ("stg_meters", "meter_id-unique", f"insert into staging.stg_meters select * from staging.stg_meters {BOUGHT}"),
    ("stg_meters", "rejected-share", UNREADABLE_RECORD.format(source="meters")),
    ("stg_meters", "ct_multiplier-positive", f"update staging.stg_meters set ct_multiplier = 0 {BOUGHT}"),
    ("stg_transformers", "transformer_id-not-null", "update staging.stg_transformers set transformer_id = null"),
    ("stg_transformers", "transformer_id-unique", "insert into staging.stg_transformers select * from staging.stg_transformers"),
    ("stg_transformers", "rejected-share", UNREADABLE_RECORD.format(source="transformers")),
    ("stg_transformers", "losses-of-the-rating", "update staging.stg_transformers set load_loss_w = load_loss_w * 1000"),
    ("stg_transformers", "losses-of-the-rating", "update staging.stg_transformers set rating_kva = 0"),
    ("stg_transformers", "losses-of-the-rating", "update staging.stg_transformers set no_load_loss_w = -1"),
    ("stg_inspections", "meter_id-not-null", "update staging.stg_inspections set meter_id = null"),
    ("stg_inspections", "outcome-not-null", "update staging.stg_inspections set outcome = null"),
    ("stg_inspections", "meter_id-unique", "insert into staging.stg_inspections select * from staging.stg_inspections"),
    ("stg_inspections", "outcome-known", "update staging.stg_inspections set outcome = 'perhaps'"),
    ("stg_outages", "area_id-not-null", "update staging.stg_outages set area_id = null"),
    ("stg_outages", "started_at-not-null", "update staging.stg_outages set started_at = null"),
    ("stg_outages", "off_from-not-null", "update staging.stg_outages set off_from = null"),
    ("stg_outages", "off_until-not-null", "update staging.stg_outages set off_until = null"),
    ("stg_outages", "area_id-started_at-unique", "insert into staging.stg_outages select * from staging.stg_outages"),
    ("stg_outages", "off-within-the-day", "update staging.stg_outages set off_from = started_at - interval '1 minute'"),
    ("stg_outages", "off-within-the-day", "update staging.stg_outages set off_until = off_from"),
    ("stg_outages", "off-within-the-day", "update staging.stg_outages set off_until = ended_at + interval '1 minute'"),
    ("stg_outages", "off-within-the-day", "update staging.stg_outages set ended_at = null, off_until = off_from + interval '26 hours'"),
    ("stg_transformer_readings", "transformer_id-not-null", f"update staging.stg_transformer_readings set transformer_id = null {FED}"),
    ("stg_transformer_readings", "reading_at-not-null", f"update staging.stg_transformer_readings set reading_at = null {FED}"),
    ("stg_transformer_readings", "interval_minutes-not-null", f"update staging.stg_transformer_readings set interval_minutes = null {FED}"),
    ("stg_transformer_readings", "quality_code-not-null", f"update staging.stg_transformer_readings set quality_code = null {FED}"),
    ("stg_transformer_readings", "transformer_id-reading_at-unique", f"insert into staging.stg_transformer_readings select * from staging.stg_transformer_readings {FED}"),
    ("stg_transformer_readings", "interval_minutes-known", f"update staging.stg_transformer_readings set interval_minutes = 20 {FED}"),
    ("stg_transformer_readings", "quality_code-known", f"update staging.stg_transformer_readings set quality_code = 'fine' {FED}"),
    ("stg_transformer_readings", "accepted_wh-in-range", f"update staging.stg_transformer_readings set accepted_wh = -1 {FED}"),
    ("stg_transformer_readings", "accepted_wh-in-range", f"update staging.stg_transformer_readings set accepted_wh = 10000001 {FED}"),
    ("stg_transformer_readings", "accepted_wh-where-accepted", f"update staging.stg_transformer_readings set accepted_wh = null {FED}"),
    ("stg_transformer_readings", "accepted_wh-where-accepted", f"update staging.stg_transformer_readings set quality_code = 'negative' {FED}"),
    ("stg_register_readings", "meter_id-not-null", f"update staging.stg_register_readings set meter_id = null {BOUGHT}"),
    ("stg_register_readings", "read_at-not-null", f"update staging.stg_register_readings set read_at = null {BOUGHT}"),
    ("stg_register_readings", "meter_id-read_at-unique", f"insert into staging.stg_register_readings select * from staging.stg_register_readings {BOUGHT}"),
    ("stg_register_readings", "register_wh-in-range", f"update staging.stg_register_readings set register_wh = -1 {BOUGHT}"),
    ("stg_token_purchases", "meter_id-not-null", f"update staging.stg_token_purchases set meter_id = null {BOUGHT}"),
    ("stg_token_purchases", "purchased_at-not-null", f"update staging.stg_token_purchases set purchased_at = null {BOUGHT}"),
    ("stg_token_purchases", "energy_wh-not-null", f"update staging.stg_token_purchases set energy_wh = null {BOUGHT}"),
    ("stg_token_purchases", "meter_id-purchased_at-unique", f"insert into staging.stg_token_purchases select * from staging.stg_token_purchases {BOUGHT}"),
    ("int_reading_estimates", "meter_id-not-null", f"update intermediate.int_reading_estimates set meter_id = null {FIRST_ESTIMATE}"),
    ("int_reading_estimates", "reading_at-not-null", f"update intermediate.int_reading_estimates set reading_at = null {FIRST_ESTIMATE}"),
    ("int_reading_estimates", "estimated_wh-not-null", f"update intermediate.int_reading_estimates set estimated_wh = null {FIRST_ESTIMATE}"),
    ("int_reading_estimates", "method-not-null", f"update intermediate.int_reading_estimates set method = null {FIRST_ESTIMATE}"),
    ("int_reading_estimates", "meter_id-reading_at-unique", f"insert into intermediate.int_reading_estimates select * from intermediate.int_reading_estimates {FIRST_ESTIMATE}"),
    ("int_reading_estimates", "interval_minutes-known", f"update intermediate.int_reading_estimates set interval_minutes = 7 {FIRST_ESTIMATE}"),
    ("int_reading_estimates", "method-known", f"update intermediate.int_reading_estimates set method = 'guessed' {FIRST_ESTIMATE}"),
    ("int_reading_estimates", "estimated_wh-in-range", f"update intermediate.int_reading_estimates set estimated_wh = -1 {FIRST_ESTIMATE}"),
    ("int_reading_estimates", "no-estimate-of-what-was-measured", f"update intermediate.int_reading_estimates set meter_id = 'M1' {FIRST_ESTIMATE}"),
    ("int_reading_estimates", "no-estimate-in-an-outage", "delete from staging.stg_meter_readings; update intermediate.int_reading_estimates set meter_id = 'M1', reading_at = reading_at + interval '21 hours'"),
    ("int_validation_hits", "rule-not-null", "update intermediate.int_validation_hits set rule = null"),
    ("int_validation_hits", "subject_id-not-null", "update intermediate.int_validation_hits set subject_id = null"),
    ("int_validation_hits", "from_at-not-null", "update intermediate.int_validation_hits set from_at = null"),
    ("int_validation_hits", "to_at-not-null", "update intermediate.int_validation_hits set to_at = null"),
    ("int_validation_hits", "hit_count-not-null", "update intermediate.int_validation_hits set hit_count = null"),
    ("int_validation_hits", "observed-not-null", "update intermediate.int_validation_hits set observed = null"),
    ("int_validation_hits", "rule-subject_id-unique", "insert into intermediate.int_validation_hits select * from intermediate.int_validation_hits"),
    ("int_validation_hits", "rule-known", "update intermediate.int_validation_hits set rule = 'unit'"),
    ("int_validation_hits", "hit_count-in-range", "update intermediate.int_validation_hits set hit_count = 0"),
    ("int_validation_hits", "extent-in-order", "update intermediate.int_validation_hits set to_at = from_at"),
    ("int_validation_hits", "extent-in-order", "update intermediate.int_validation_hits set to_at = from_at + interval '26 hours'"),
    ("int_transformer_balance", "transformer_id-not-null", f"update intermediate.int_transformer_balance set transformer_id = null {FED}"),
    ("int_transformer_balance", "reading_at-not-null", f"update intermediate.int_transformer_balance set reading_at = null {FED}"),
    ("int_transformer_balance", "metered_wh-not-null", f"update intermediate.int_transformer_balance set metered_wh = null {FED}"),
    ("int_transformer_balance", "connected_meters-not-null", f"update intermediate.int_transformer_balance set connected_meters = null {FED}"),
    ("int_transformer_balance", "technical_loss_basis-not-null", f"update intermediate.int_transformer_balance set technical_loss_basis = null {FED}"),
    ("int_transformer_balance", "transformer_id-reading_at-unique", f"insert into intermediate.int_transformer_balance select * from intermediate.int_transformer_balance {FED}"),
    ("int_transformer_balance", "technical_loss_basis-known", f"update intermediate.int_transformer_balance set technical_loss_basis = 'guessed' {FED}"),
    ("int_transformer_balance", "excluded_because-known", f"update intermediate.int_transformer_balance set excluded_because = 'holiday' {FED}"),
    ("int_transformer_balance", "loss-where-balanced", f"update intermediate.int_transformer_balance set excluded_because = 'outage' {FED}"),
    ("int_transformer_balance", "loss-where-balanced", f"update intermediate.int_transformer_balance set non_technical_loss_wh = null {FED}"),
    ("int_transformer_balance", "loss-where-balanced", f"update intermediate.int_transformer_balance set non_technical_loss_wh = 6 {FED}"),
    ("int_transformer_balance", "energy_in_wh-of-staging", f"update intermediate.int_transformer_balance set energy_in_wh = energy_in_wh + 1 {FED}"),
    ("int_transformer_balance", "energy_in_wh-of-staging", f"delete from intermediate.int_transformer_balance {FED}"),
    ("mart_transformer_losses", "transformer_id-not-null", "update marts.mart_transformer_losses set transformer_id = null"),
    ("mart_transformer_losses", "energy_in_kwh-not-null", "update marts.mart_transformer_losses set energy_in_kwh = null"),
    ("mart_transformer_losses", "metered_kwh-not-null", "update marts.mart_transformer_losses set metered_kwh = null"),
    ("mart_transformer_losses", "technical_loss_kwh-not-null", "update marts.mart_transformer_losses set technical_loss_kwh = null"),
    ("mart_transformer_losses", "non_technical_loss_kwh-not-null", "update marts.mart_transformer_losses set non_technical_loss_kwh = null"),
    ("mart_transformer_losses", "transformer_id-unique", "insert into marts.mart_transformer_losses select * from marts.mart_transformer_losses"),
    ("mart_transformer_losses", "counts-add-up", "update marts.mart_transformer_losses set balanced_count = 44"),
    ("mart_transformer_losses", "parts-add-up", "update marts.mart_transformer_losses set metered_kwh = 9.001"),
    ("mart_transformer_losses", "unmetered_kwh-of-balance", "update marts.mart_transformer_losses set metered_kwh = 9.001, technical_loss_kwh = 0.674"),
    ("mart_transformer_losses", "implausible-share", "update marts.mart_transformer_losses set is_plausible = false"),
    ("load_forecast", "area_kind-not-null", f"update ml.load_forecast set area_kind = null {FIRST_TOLD}"),
    ("load_forecast", "area_id-not-null", f"update ml.load_forecast set area_id = null {FIRST_TOLD}"),
    ("load_forecast", "starts_at-not-null", f"update ml.load_forecast set starts_at = null {FIRST_TOLD}"),
    ("load_forecast", "interval_minutes-not-null", f"update ml.load_forecast set interval_minutes = null {FIRST_TOLD}"),
    ("load_forecast", "forecast_wh-not-null", f"update ml.load_forecast set forecast_wh = null {FIRST_TOLD}"),
    ("load_forecast", "naive_wh-not-null", f"update ml.load_forecast set naive_wh = null {FIRST_TOLD}"),
    ("load_forecast", "method-not-null", f"update ml.load_forecast set method = null {FIRST_TOLD}"),
    ("load_forecast", "area_kind-area_id-starts_at-unique", f"insert into ml.load_forecast select * from ml.load_forecast {FIRST_TOLD}"),
    ("load_forecast", "area_kind-known", "update ml.load_forecast set area_kind = 'street' where area_id = 'T1'"),
    ("load_forecast", "method-known", f"update ml.load_forecast set method = 'guessed' {FIRST_TOLD}"),
    ("load_forecast", "overload_probability-in-range", f"update ml.load_forecast set overload_probability = 1.1 {FIRST_TOLD}"),
    ("load_forecast", "forecast-in-order", f"update ml.load_forecast set low_wh = 221 {FIRST_TOLD}"),
    ("load_forecast", "forecast-in-order", f"update ml.load_forecast set high_wh = 219 {FIRST_TOLD}"),
    ("load_forecast", "starts_at-next-day", "update ml.load_forecast set starts_at = starts_at - interval '1 day'"),
    ("load_forecast", "feeders-are-their-transformers", "update ml.load_forecast set forecast_wh = 222 where area_kind = 'feeder'"),
    ("load_forecast", "feeders-are-their-transformers", f"delete from ml.load_forecast {FIRST_TOLD} and area_kind = 'transformer'"),
    ("int_day_traits", "meter_id-not-null", f"update intermediate.int_day_traits set meter_id = null {SUSPECT}"),
    ("int_day_traits", "traits-not-null", f"update intermediate.int_day_traits set traits = null {SUSPECT}"),
    ("int_day_traits", "meter_id-unique", f"insert into intermediate.int_day_traits select * from intermediate.int_day_traits {SUSPECT}"),
    ("int_day_traits", "traits-length", f"update intermediate.int_day_traits set traits = traits[:20] {SUSPECT}"),
    ("int_day_traits", "traits-length", f"update intermediate.int_day_traits set traits = array[]::real[] {SUSPECT}"),
    ("int_day_traits", "mean_w-not-null", f"update intermediate.int_day_traits set traits[1] = null {SUSPECT}"),
    ("int_day_traits", "traits-in-range", f"update intermediate.int_day_traits set traits[21] = -1 {SUSPECT}"),
    ("int_day_traits", "traits-in-range", f"update intermediate.int_day_traits set traits[10] = 'NaN' {SUSPECT}"),
    ("int_day_traits", "traits-in-range", f"update intermediate.int_day_traits set traits[7] = 'Infinity' {SUSPECT}"),
    ("int_day_traits", "traits-in-range", f"update intermediate.int_day_traits set traits[12] = 1.1 {SUSPECT}"),
    ("int_day_traits", "quantiles-in-order", f"update intermediate.int_day_traits set traits[2] = 101 {SUSPECT}"),
    ("int_day_traits", "quantiles-in-order", f"update intermediate.int_day_traits set traits[6] = 901 {SUSPECT}"),
    ("loss_explanations", "transformer_id-not-null", f"update ml.loss_explanations set transformer_id = null {SUSPECT}"),
    ("loss_explanations", "meter_id-not-null", f"update ml.loss_explanations set meter_id = null {SUSPECT}"),
    ("loss_explanations", "energy_wh-not-null", f"update ml.loss_explanations set energy_wh = null {SUSPECT}"),
    ("loss_explanations", "energy_low_wh-not-null", f"update ml.loss_explanations set energy_low_wh = null {SUSPECT}"),
    ("loss_explanations", "energy_high_wh-not-null", f"update ml.loss_explanations set energy_high_wh = null {SUSPECT}"),
    ("loss_explanations", "has_drifting_clock-not-null", f"update ml.loss_explanations set has_drifting_clock = null {SUSPECT}"),
    ("loss_explanations", "is_misplaced-not-null", f"update ml.loss_explanations set is_misplaced = null {SUSPECT}"),
    ("loss_explanations", "transformer_id-meter_id-unique", f"insert into ml.loss_explanations select * from ml.loss_explanations {SUSPECT}"),
    ("loss_explanations", "way-known", f"update ml.loss_explanations set way = 'bypass' {SUSPECT}"),
    ("loss_explanations", "coefficient-in-range", f"update ml.loss_explanations set coefficient = -0.1 {SUSPECT}"),
    ("loss_explanations", "gain-in-range", f"update ml.loss_explanations set gain = -1 {SUSPECT}"),
    ("loss_explanations", "gain-in-range", f"update ml.loss_explanations set gain = 'NaN' {SUSPECT}"),
    ("loss_explanations", "gain_share-in-range", f"update ml.loss_explanations set gain_share = 1.1 {SUSPECT}"),
    ("loss_explanations", "interval-in-order", f"update ml.loss_explanations set energy_low_wh = 2401 {SUSPECT}"),
    ("loss_explanations", "interval-in-order", f"update ml.loss_explanations set energy_high_wh = 2399 {SUSPECT}"),
    ("loss_explanations", "interval-in-order", f"update ml.loss_explanations set energy_low_wh = -1 {SUSPECT}"),
    ("loss_explanations", "since_date-not-later", f"update ml.loss_explanations set since_date = '2024-03-08' {SUSPECT}"),
    ("loss_explanations", "energy_wh-where-explained", f"update ml.loss_explanations set way = null {SUSPECT}"),
    ("loss_explanations", "energy_wh-where-explained", f"update ml.loss_explanations set coefficient = null {SUSPECT}"),
    ("loss_explanations", "energy_wh-where-explained", f"update ml.loss_explanations set energy_high_wh = 1 {HONEST}"),
    ("loss_explanations", "energy_wh-where-explained", f"update ml.loss_explanations set since_date = explained_date {HONEST}"),
    ("loss_explanations", "energy_wh-where-explained", f"update ml.loss_explanations set way = 'night', coefficient = 0.5 {NOBODY}"),
    ("loss_explanations", "one-per-transformer", f"delete from ml.loss_explanations {NOBODY}"),
    ("loss_explanations", "one-per-transformer", f"insert into ml.loss_explanations select * from ml.loss_explanations {NOBODY}"),
    ("loss_explanations", "meter-explains-once", f"update ml.loss_explanations set meter_id = 'M1', transformer_id = 'T2' {HONEST}"),
    ("theft_evidence", "meter_id-not-null", f"update ml.theft_evidence set meter_id = null {SUSPECT}"),
    ("theft_evidence", "known_days-not-null", f"update ml.theft_evidence set known_days = null {SUSPECT}"),
    ("theft_evidence", "reported_wh-not-null", f"update ml.theft_evidence set reported_wh = null {SUSPECT}"),
    ("theft_evidence", "meter_id-unique", f"insert into ml.theft_evidence select * from ml.theft_evidence {SUSPECT}"),
    ("theft_evidence", "known_days-in-range", f"update ml.theft_evidence set known_days = 29 {SUSPECT}"),
    ("theft_evidence", "known_days-in-range", f"update ml.theft_evidence set known_days = -1 {SUSPECT}"),
    ("theft_evidence", "reported_wh-in-range", f"update ml.theft_evidence set reported_wh = -1 {SUSPECT}"),
    ("theft_evidence", "before_w-in-range", f"update ml.theft_evidence set before_w = -1 {SUSPECT}"),
    ("theft_evidence", "after_w-in-range", f"update ml.theft_evidence set after_w = -1 {SUSPECT}"),
    ("theft_evidence", "used_wh-in-range", f"update ml.theft_evidence set used_wh = -1 {SUSPECT}"),
    ("theft_evidence", "carried_wh-in-range", f"update ml.theft_evidence set carried_wh = -1 {SUSPECT}"),
    ("theft_evidence", "year_ago_wh-in-range", f"update ml.theft_evidence set year_ago_wh = -1 {SUSPECT}"),
    ("theft_evidence", "statistics-finite", f"update ml.theft_evidence set same_season = 'NaN' {SUSPECT}"),
    ("theft_evidence", "explained_way-known", f"update ml.theft_evidence set explained_way = 'bypass' {SUSPECT}"),
    ("theft_evidence", "dates-not-later", f"update ml.theft_evidence set drop_date = '2024-03-08' {SUSPECT}"),
    ("theft_evidence", "dates-not-later", f"update ml.theft_evidence set onset_date = '2024-03-08' {SUSPECT}"),
    ("theft_evidence", "dates-not-later", f"update ml.theft_evidence set explained_date = '2024-03-08' {SUSPECT}"),
    ("theft_evidence", "dates-not-later", f"update ml.theft_evidence set explained_date = '2024-02-19' {SUSPECT}"),
    ("theft_evidence", "explained_wh-where-explained", f"update ml.theft_evidence set explained_way = null {SUSPECT}"),
    ("theft_evidence", "explained_wh-where-explained", f"update ml.theft_evidence set explained_wh = null {SUSPECT}"),
    ("theft_evidence", "explained_wh-where-explained", f"update ml.theft_evidence set explained_high_wh = null {SUSPECT}"),
    ("theft_evidence", "explained_wh-where-explained", f"update ml.theft_evidence set explained_date = null {SUSPECT}"),
    ("theft_evidence", "explained_wh-where-explained", f"update ml.theft_evidence set explained_since = explained_date {HONEST}"),
    ("theft_evidence", "balance_gain-where-explained", f"update ml.theft_evidence set balance_gain = null {SUSPECT}"),
    ("theft_evidence", "balance_gain-where-explained", f"update ml.theft_evidence set balance_gain = 0 {UNSCORED}"),
    ("theft_evidence", "interval-in-order", f"update ml.theft_evidence set explained_low_wh = 2401 {SUSPECT}"),
    ("theft_evidence", "interval-in-order", f"update ml.theft_evidence set explained_high_wh = 2399 {SUSPECT}"),
    ("theft_evidence", "interval-in-order", f"update ml.theft_evidence set explained_low_wh = -1 {SUSPECT}"),
    ("theft_evidence", "statistics-finite", f"update ml.theft_evidence set stolen_share = 'NaN' {SUSPECT}"),
    ("theft_evidence", "statistics-finite", f"update ml.theft_evidence set drop_t = '-Infinity' {SUSPECT}"),
    ("theft_evidence", "one-per-meter-with-traits", f"delete from ml.theft_evidence {HONEST}"),
    ("stg_case_events", "subject_kind-not-null", "update staging.stg_case_events set subject_kind = null"),
    ("stg_case_events", "subject_id-not-null", "update staging.stg_case_events set subject_id = null"),
    ("stg_case_events", "event-not-null", "update staging.stg_case_events set event = null"),
    ("stg_case_events", "subject_kind-subject_id-unique", "insert into staging.stg_case_events select * from staging.stg_case_events"),
    ("stg_case_events", "subject_kind-known", "update staging.stg_case_events set subject_kind = 'street'"),
    ("stg_case_events", "event-known", "update staging.stg_case_events set event = 'forgotten'"),
    ("stg_case_events", "until_on-not-earlier", "update staging.stg_case_events set until_on = '2024-01-01'"),
    ("stg_case_events", "visits-are-inspections", "update staging.stg_case_events set subject_kind = 'meter', event = 'theft'"),
    ("theft_scores", "meter_id-not-null", f"update ml.theft_scores set meter_id = null {SUSPECT}"),
    ("theft_scores", "score_status-not-null", f"update ml.theft_scores set score_status = null {SUSPECT}"),
    ("theft_scores", "reasons-not-null", f"update ml.theft_scores set reasons = null {SUSPECT}"),
    ("theft_scores", "reason_en-not-null", f"update ml.theft_scores set reason_en = null {SUSPECT}"),
    ("theft_scores", "reason_fr-not-null", f"update ml.theft_scores set reason_fr = null {SUSPECT}"),
    ("theft_scores", "meter_id-unique", f"insert into ml.theft_scores select * from ml.theft_scores {SUSPECT}"),
    ("theft_scores", "theft_score-in-range", f"update ml.theft_scores set theft_score = 1.1 {SUSPECT}"),
    ("theft_scores", "theft_score-in-range", f"update ml.theft_scores set theft_score = 'NaN' {SUSPECT}"),
    ("theft_scores", "theft_probability-in-range", f"update ml.theft_scores set theft_probability = -0.1 {SUSPECT}"),
    ("theft_scores", "score_status-known", f"update ml.theft_scores set score_status = 'guessed' {SUSPECT}"),
    ("theft_scores", "probability_basis-known", f"update ml.theft_scores set probability_basis = 'hope' {SUSPECT}"),
    ("theft_scores", "theft_score-where-scored", f"update ml.theft_scores set theft_score = null {SUSPECT}"),
    ("theft_scores", "theft_score-where-scored", f"update ml.theft_scores set theft_score = 0.5 {UNSCORED}"),
    ("theft_scores", "theft_probability-where-scored", f"update ml.theft_scores set theft_probability = null {SUSPECT}"),
    ("theft_scores", "theft_probability-where-scored", f"update ml.theft_scores set theft_probability = 0.5 {UNSCORED}"),
    ("theft_scores", "probability_basis-where-scored", f"update ml.theft_scores set probability_basis = null {SUSPECT}"),
    ("theft_scores", "probability_basis-where-scored", f"update ml.theft_scores set probability_basis = 'prior' {UNSCORED}"),
    ("theft_scores", "model_version-where-scored", f"update ml.theft_scores set model_version = null {SUSPECT}"),
    ("theft_scores", "model_version-where-scored", f"update ml.theft_scores set model_version = 'v1' {UNSCORED}"),
    ("theft_scores", "stolen_kwh_per_day-where-scored", f"update ml.theft_scores set stolen_kwh_per_day = 0 {UNSCORED}"),
    ("theft_scores", "interval-in-order", f"update ml.theft_scores set stolen_kwh_low = 2.5 {SUSPECT}"),
    ("theft_scores", "interval-in-order", f"update ml.theft_scores set stolen_kwh_high = 2.3 {SUSPECT}"),
    ("theft_scores", "interval-in-order", f"update ml.theft_scores set stolen_kwh_low = -0.1 {SUSPECT}"),
    ("theft_scores", "interval-in-order", f"update ml.theft_scores set stolen_kwh_high = null {SUSPECT}"),
    ("theft_scores", "interval-in-order", f"update ml.theft_scores set stolen_kwh_high = 'NaN' {SUSPECT}"),
    ("theft_scores", "onset_date-not-later", f"update ml.theft_scores set onset_date = '2024-03-08' {SUSPECT}"),
    ("theft_scores", "reasons-in-words", f"update ml.theft_scores set reason_fr = '' {SUSPECT}"),
    ("theft_scores", "reasons-in-words", f"update ml.theft_scores set reasons = 'fell' {SUSPECT}"),
    ("theft_scores", "one-per-evidence", f"delete from ml.theft_scores {HONEST}"),
    ("theft_scores", "one-per-evidence", f"delete from ml.theft_evidence {HONEST}"),
    ("mart_theft_cases", "case_id-not-null", f"update marts.mart_theft_cases set case_id = null {CASE}"),
    ("mart_theft_cases", "subject_kind-not-null", f"update marts.mart_theft_cases set subject_kind = null {CASE}"),
    ("mart_theft_cases", "subject_id-not-null", f"update marts.mart_theft_cases set subject_id = null {CASE}"),
    ("mart_theft_cases", "origin-not-null", f"update marts.mart_theft_cases set origin = null {CASE}"),
    ("mart_theft_cases", "opened_on-not-null", f"update marts.mart_theft_cases set opened_on = null {CASE}"),
    ("mart_theft_cases", "state-not-null", f"update marts.mart_theft_cases set state = null {CASE}"),
    ("mart_theft_cases", "state_since-not-null", f"update marts.mart_theft_cases set state_since = null {CASE}"),
    ("mart_theft_cases", "case_id-unique", "update marts.mart_theft_cases set case_id = 'M1-20240302'"),
    ("mart_theft_cases", "subject_kind-subject_id-unique", "update marts.mart_theft_cases set subject_kind = 'meter', subject_id = 'M1'"),
    ("mart_theft_cases", "subject_kind-known", f"update marts.mart_theft_cases set subject_kind = 'street' {CASE}"),
    ("mart_theft_cases", "state-known", f"update marts.mart_theft_cases set state = 'lost' {CASE}"),
    ("mart_theft_cases", "origin-known", f"update marts.mart_theft_cases set origin = 'tip' {CASE}"),
    ("mart_theft_cases", "selection-known", f"update marts.mart_theft_cases set selection = 'tip' {CASE}"),
    ("mart_theft_cases", "probability-in-range", f"update marts.mart_theft_cases set probability = 1.1 {CASE}"),
    ("mart_theft_cases", "dates-in-order", f"update marts.mart_theft_cases set opened_on = '2024-03-08' {CASE}"),
    ("mart_theft_cases", "dates-in-order", f"update marts.mart_theft_cases set onset_date = '2024-03-08' {CASE}"),
    ("mart_theft_cases", "rested-where-suppressed", f"update marts.mart_theft_cases set suppressed_until = '2024-03-08' {CASE}"),
    ("mart_theft_cases", "rested-where-suppressed", f"update marts.mart_theft_cases set state = 'cleared' {CASE}"),
    ("mart_theft_cases", "selected-by-place", f"update marts.mart_theft_cases set place = null {CASE}"),
    ("mart_theft_cases", "interval-in-order", f"update marts.mart_theft_cases set stolen_kwh_low = 3 {CASE}"),
    ("mart_theft_cases", "interval-in-order", f"update marts.mart_theft_cases set stolen_kwh_high = null {CASE}"),
    ("mart_detection_performance", "selection-not-null", "update marts.mart_detection_performance set selection = null"),
    ("mart_detection_performance", "visits-not-null", "update marts.mart_detection_performance set visits = null"),
    ("mart_detection_performance", "decided-not-null", "update marts.mart_detection_performance set decided = null"),
    ("mart_detection_performance", "thefts-not-null", "update marts.mart_detection_performance set thefts = null"),
    ("mart_detection_performance", "selection-unique", "insert into marts.mart_detection_performance select * from marts.mart_detection_performance"),
    ("mart_detection_performance", "selection-known", "update marts.mart_detection_performance set selection = 'tip'"),
    ("mart_detection_performance", "counts-in-order", "update marts.mart_detection_performance set thefts = 37"),
    ("mart_detection_performance", "counts-in-order", "update marts.mart_detection_performance set no_access = 5"),
    ("mart_detection_performance", "shares-in-order", "update marts.mart_detection_performance set hit_rate = 0.6"),
    ("mart_detection_performance", "shares-in-order", "update marts.mart_detection_performance set lift_high = 3"),
    ("mart_forecast_accuracy", "area_kind-not-null", "update marts.mart_forecast_accuracy set area_kind = null where hour = 3"),
    ("mart_forecast_accuracy", "area_id-not-null", "update marts.mart_forecast_accuracy set area_id = null where hour = 3"),
    ("mart_forecast_accuracy", "hour-not-null", "update marts.mart_forecast_accuracy set hour = null where hour = 3"),
    ("mart_forecast_accuracy", "method-not-null", "update marts.mart_forecast_accuracy set method = null where hour = 3"),
    ("mart_forecast_accuracy", "interval_count-not-null", "update marts.mart_forecast_accuracy set interval_count = null where hour = 3"),
    ("mart_forecast_accuracy", "compared_count-not-null", "update marts.mart_forecast_accuracy set compared_count = null where hour = 3"),
    ("mart_forecast_accuracy", "area_kind-area_id-hour-unique", "insert into marts.mart_forecast_accuracy select * from marts.mart_forecast_accuracy"),
    ("mart_forecast_accuracy", "area_kind-known", "update marts.mart_forecast_accuracy set area_kind = 'street'"),
    ("mart_forecast_accuracy", "method-known", "update marts.mart_forecast_accuracy set method = 'guessed'"),
    ("mart_forecast_accuracy", "hour-in-range", "update marts.mart_forecast_accuracy set hour = 24 where hour = 23"),
    ("mart_forecast_accuracy", "actual_kwh-in-range", "update marts.mart_forecast_accuracy set actual_kwh = -1"),
    ("mart_forecast_accuracy", "counts-in-order", "update marts.mart_forecast_accuracy set within_count = 3"),
    ("mart_forecast_accuracy", "counts-in-order", "update marts.mart_forecast_accuracy set interval_count = 1"),
    ("mart_forecast_accuracy", "compared-or-null", "update marts.mart_forecast_accuracy set actual_kwh = null where hour = 3"),
]  # fmt: skip

DOUBTS = [
    (
        "mart_transformer_losses",
        "no-energy-from-nowhere",
        """
            insert into marts.mart_transformer_losses
            select loss_date, 'T' || number, feeder_id, connected_meters, interval_count, balanced_count, outage_count, incomplete_count,
                delivered_kwh, energy_in_kwh, energy_in_kwh, estimated_kwh, technical_loss_basis, 0, 0,
                deviation_kwh, 0, 0, 0, currency, price_per_kwh, 0, number > 2
            from marts.mart_transformer_losses, generate_series(2, 9) as number
        """,
    ),
    ("meter_readings", "consumption_kwh-plausible", f"update raw_data.meter_readings set consumption_kwh = 1001 {ONE}"),
    ("meter_readings", "consumption_kwh-not-negative", f"update raw_data.meter_readings set consumption_kwh = -1 {ONE}"),
    ("meter_readings", "readings-delivered", "delete from raw_data.meter_readings"),
    ("stg_meter_readings", "reading_at-on-grid", f"update staging.stg_meter_readings set reading_at = reading_at + interval '7 minutes' {ONE}"),
    ("stg_meter_readings", "completeness", "delete from staging.stg_meter_readings where reading_at >= '2024-03-07 20:00+00'"),
    ("stg_weather_observations", "humidity_pct-in-range", f"update staging.stg_weather_observations set humidity_pct = 101 {STATION}"),
    ("stg_weather_observations", "temperature_c-in-range", f"update staging.stg_weather_observations set temperature_c = 61 {STATION}"),
    ("anomaly_scores", "anomaly-share", "update ml.anomaly_scores set is_anomaly = true where meter_id = 'M2'"),
    ("theft_scores", "suspected-share", f"update ml.theft_scores set theft_score = 0.51 {SUSPECT}"),
    ("transformer_readings", "energy_kwh-plausible", f"update raw_data.transformer_readings set energy_kwh = -1 {FED}"),
    ("transformer_readings", "energy_kwh-plausible", f"update raw_data.transformer_readings set energy_kwh = 10001 {FED}"),
    ("outages", "kind-known", "update raw_data.outages set kind = 'storm'"),
    ("outages", "ended_at-after-start", "update raw_data.outages set ended_at = started_at"),
    ("token_purchases", "energy_kwh-not-negative", f"update raw_data.token_purchases set energy_kwh = -1 {BOUGHT}"),
    ("stg_meters", "transformer_id-registered", f"update staging.stg_meters set transformer_id = 'T9' {BOUGHT}"),
    ("stg_meters", "latitude-in-range", f"update staging.stg_meters set latitude = 91 {BOUGHT}"),
    ("stg_meters", "longitude-in-range", f"update staging.stg_meters set longitude = -181 {BOUGHT}"),
    ("stg_transformers", "latitude-in-range", "update staging.stg_transformers set latitude = -91"),
    ("stg_transformers", "longitude-in-range", "update staging.stg_transformers set longitude = 181"),
    ("stg_inspections", "selection-known", "update staging.stg_inspections set selection = 'tip'"),
    ("stg_inspections", "recovered_wh-in-range", "update staging.stg_inspections set recovered_wh = -1"),
    ("stg_case_events", "recovered_wh-in-range", "update staging.stg_case_events set recovered_wh = -1"),
    ("int_transformer_balance", "balanced-intervals", "update intermediate.int_transformer_balance set excluded_because = 'meters_missing', non_technical_loss_wh = null where reading_at < '2024-03-07 03:00+00'"),
]  # fmt: skip

MEASURES = [
    ("stg_weather_observations", "mean-temperature_c-usual"),
    ("int_readings_daily", "median-total_wh-usual"),
    ("int_readings_daily", "high-total_wh-usual"),
    ("anomaly_scores", "mean-anomaly_score-usual"),
    ("theft_scores", "mean-theft_score-usual"),
]
SILENT = """
insert into intermediate.int_readings_daily (reading_date, meter_id, accepted_count, total_wh)
values ('2024-03-05', 'M3', 48, 4800), ('2024-02-05', 'M4', 48, 4800)
"""
REGULAR = [table for table, suite in SUITES.items() if suite.is_regular]
COMPARED_WITH_OTHER_DAYS = {
    *MEASURES,
    *((table, "row-count-usual") for table in REGULAR),
    ("int_readings_daily", "meters-not-silent"),
}


@pytest.fixture(scope="module")
def scratch_dsn(stores) -> Iterator[str]:
    """A database of this module alone, with the platform's tables but none of their constraints: faults must get in."""
    home, connections = stores
    port = urlsplit(connections.transformer_dsn).port
    superuser = credentials.read(home).postgres.superuser
    with closing(psycopg2.connect(postgres_url("postgres", superuser, port, "postgres"))) as server:
        server.autocommit = True
        run(server, sql.SQL("create database {}").format(sql.Identifier(SCRATCH)))
        dsn = postgres_url("postgres", superuser, port, SCRATCH)
        try:
            with closing(psycopg2.connect(dsn)) as database:
                make_tables(database)
            yield dsn
        finally:
            run(server, sql.SQL("drop database {} with (force)").format(sql.Identifier(SCRATCH)))


@pytest.fixture(scope="module")
def scratch(scratch_dsn: str) -> Iterator[Connection]:
    with closing(psycopg2.connect(scratch_dsn)) as database:
        database.autocommit = True
        yield database


@pytest.fixture(scope="module")
def validator(scratch_dsn: str) -> Iterator[Validator]:
    made = Validator(scratch_dsn, Limits())
    yield made
    made.close()


@pytest.fixture
def sound_day(scratch: Connection) -> Connection:
    """A database that holds one day, two meters and no fault."""
    # As one statement, hence one transaction: one wait for the disk instead of one a table.
    emptied = (
        "quality.day_versions",
        "quality.validation_results",
        "quality.overrides",
        "raw_data.rejected_rows",
        *(f"raw_data.{source.table}" for source in RECORD_SOURCES),
        "raw_data.landing_parts",
        "raw_data.landing_paths",
        "raw_data.landing_files",
        *(f"{suite.schema}.{suite.table}" for suite in SUITES.values()),
    )
    emptying = [f"delete from {table}" for table in emptied]
    run(scratch, ";\n".join([*emptying, SOUND_DAY.replace("{day}", DAY.isoformat())]))
    return scratch


@pytest.mark.parametrize("table", SUITES)
def test_a_sound_day_passes_every_expectation(validator, sound_day, table):
    outcomes = validator.judge(table, DAY)

    assert [outcome.message for outcome in outcomes if not outcome.success] == []
    assert outcomes


@pytest.mark.parametrize("table", SUITES)
def test_a_day_without_rows_is_green(validator, sound_day, table):
    outcomes = validator.judge(table, DAY + timedelta(days=1))

    assert [outcome.message for outcome in outcomes if not outcome.success and outcome.severity == "critical"] == []


@pytest.mark.parametrize(("table", "expectation_id", "fault"), FAULTS)
def test_a_fault_makes_the_day_red_and_is_named(validator, sound_day, table, expectation_id, fault):
    run(sound_day, fault)

    outcome = named(validator.judge(table, DAY), expectation_id)

    assert (outcome.success, outcome.severity) == (False, "critical")


@pytest.mark.parametrize(("table", "expectation_id", "doubt"), DOUBTS)
def test_a_doubt_is_a_warning_and_leaves_the_day_green(validator, sound_day, table, expectation_id, doubt):
    run(sound_day, doubt)

    outcomes = validator.judge(table, DAY)

    assert (named(outcomes, expectation_id).success, named(outcomes, expectation_id).severity) == (False, "warning")
    assert [outcome.message for outcome in outcomes if not outcome.success and outcome.severity == "critical"] == []


DAILY = "intermediate.int_readings_daily"
TWICE = f"insert into {DAILY} (reading_date, meter_id, total_wh) select reading_date, meter_id, {{wh}} from {DAILY} where meter_id = 'M1'"
UNFIT_KEYS = [
    ("(reading_date, meter_id) where total_wh > 0", "alter meter_id set not null", TWICE.format(wh="0")),
    ("(reading_date, meter_id, total_wh)", "alter meter_id set not null", TWICE.format(wh="total_wh + 1")),
    ("(reading_date, meter_id)", "alter meter_id drop not null", f"update {DAILY} set meter_id = null"),
]


@pytest.mark.parametrize(("key", "nulls", "fault"), UNFIT_KEYS)
def test_a_key_that_lets_rows_be_there_twice_is_no_proof_of_the_contrary(validator, sound_day, key, nulls, fault):
    with daily_key(sound_day, key, nulls):
        run(sound_day, fault)
        outcome = named(validator.judge("int_readings_daily", DAY), "meter_id-unique")

    assert (outcome.success, outcome.unexpected_count) == (False, 1)


def test_a_key_that_keeps_rows_apart_is_proof_enough(validator, sound_day):
    rules = SUITES["int_readings_daily"].expectations(Limits())
    proof = f"select {next(rule.is_proven for rule in rules if rule.meta['rule'] == 'meter_id-unique')}"
    with closing(sound_day.cursor()) as cursor:
        cursor.execute(proof)
        assert cursor.fetchone() == (False,)
        with daily_key(sound_day, "(meter_id, reading_date)", "alter meter_id set not null"):
            cursor.execute(proof)
            assert cursor.fetchone() == (True,)
            assert named(validator.judge("int_readings_daily", DAY), "meter_id-unique").success


@contextmanager
def daily_key(database: Connection, key: str, nulls: str) -> Iterator[None]:
    """The daily table with a unique index, while it lasts."""
    run(database, f"alter table {DAILY} alter reading_date set not null, {nulls}")
    run(database, f"create unique index tried on {DAILY} {key}")
    try:
        yield
    finally:
        run(database, "drop index intermediate.tried")
        run(database, f"alter table {DAILY} alter reading_date drop not null, {nulls.replace('set not', 'drop not')}")


def test_every_expectation_is_broken_by_some_test():
    tried = {(table, expectation_id) for table, expectation_id, _ in FAULTS + DOUBTS} | COMPARED_WITH_OTHER_DAYS
    held = {
        (table, expectation.meta["rule"])
        for table, suite in SUITES.items()
        for expectation in suite.expectations(Limits())
    }

    assert {pair for pair in held - tried if pair[1] != "schema"} == set()


@pytest.mark.parametrize("table", REGULAR)
def test_a_row_count_unlike_the_days_before_is_a_warning(validator, sound_day, table):
    remember(sound_day, table, days=7, row_count=1000)

    outcomes = validator.judge(table, DAY)
    outcome = named(outcomes, "row-count-usual")

    assert (outcome.success, outcome.severity) == (False, "warning")
    assert "rows (usually 1,000 ± 200, by 7 of the 28 days before)" in outcome.message
    assert outcome.sample[0] == "2024-03-06: 1000"


@pytest.mark.parametrize(("table", "expectation_id"), MEASURES)
def test_numbers_unlike_those_of_the_days_before_are_a_warning(validator, sound_day, table, expectation_id):
    today = named(validator.judge(table, DAY), expectation_id)
    remember(sound_day, table, days=7, expectation_id=expectation_id, observed=repr(3 * float(today.observed)))

    outcome = named(validator.judge(table, DAY), expectation_id)

    assert today.success
    assert (outcome.success, outcome.severity) == (False, "warning")


def test_a_day_like_those_before_is_no_drift_and_says_what_is_usual(validator, sound_day):
    remember(sound_day, "stg_meter_readings", days=28, row_count=100)

    outcome = named(validator.judge("stg_meter_readings", DAY), "row-count-usual")

    assert outcome.success
    assert outcome.message == "96 rows (usually 100 ± 20, by 28 of the 28 days before)"


def test_too_few_days_before_give_no_verdict(validator, sound_day):
    remember(sound_day, "stg_meter_readings", days=6, row_count=1000)

    outcome = named(validator.judge("stg_meter_readings", DAY), "row-count-usual")

    assert outcome.success
    assert "no verdict with fewer than 7" in outcome.message


@pytest.mark.parametrize(("closed", "compared"), [("red", False), ("unjudged", False), ("accepted", True)])
def test_only_days_that_may_be_read_say_what_is_usual(validator, sound_day, closed, compared):
    remember(sound_day, "stg_meter_readings", days=7, row_count=1000)
    if closed == "unjudged":
        run(sound_day, "update quality.day_versions set version = 2")
    else:
        run(sound_day, "update quality.validation_results set success = false, severity = 'critical'")
    if closed == "accepted":
        run(
            sound_day,
            "insert into quality.overrides select table_name, reading_date, version, 'known', 'me' from quality.day_versions",
        )

    assert named(validator.judge("stg_meter_readings", DAY), "row-count-usual").success is not compared


def test_a_meter_that_fell_silent_is_named_and_one_that_left_long_ago_is_not(validator, sound_day):
    run(sound_day, SILENT)

    outcome = named(validator.judge("int_readings_daily", DAY), "meters-not-silent")

    assert (outcome.success, outcome.severity, outcome.unexpected_count) == (False, "warning", 1)
    assert outcome.sample == ("meter_id=M3: last heard of on 2024-03-05",)


@pytest.mark.parametrize("table", SUITES)
def test_a_missing_column_makes_the_day_red_and_says_so(scratch_dsn, sound_day, table):
    suite = SUITES[table]
    column = suite.expectations(Limits())[1].column
    rename(sound_day, suite, column, "renamed")
    try:
        with closing(Validator(scratch_dsn, Limits())) as fresh:
            outcomes = fresh.judge(table, DAY)
    finally:
        rename(sound_day, suite, "renamed", column)

    assert f"{column} is missing" in named(outcomes, "schema").message
    assert "could not be judged" in named(outcomes, f"{column}-not-null").message
    assert not named(outcomes, f"{column}-not-null").success


def test_a_column_of_another_type_makes_the_day_red(validator, sound_day):
    run(sound_day, "alter table staging.stg_weather_observations alter humidity_pct type text")
    try:
        schema = named(validator.judge("stg_weather_observations", DAY), "schema")
    finally:
        run(
            sound_day,
            "alter table staging.stg_weather_observations alter humidity_pct type float8 using humidity_pct::float8",
        )

    assert not schema.success
    assert "humidity_pct is text instead of double precision or numeric" in schema.message


def test_a_further_column_is_named_and_no_fault(validator, sound_day):
    run(sound_day, "alter table staging.stg_weather_observations add pressure_hpa float8")
    try:
        schema = named(validator.judge("stg_weather_observations", DAY), "schema")
    finally:
        run(sound_day, "alter table staging.stg_weather_observations drop pressure_hpa")

    assert schema.success
    assert "further columns: pressure_hpa" in schema.message


def test_rejected_rows_are_counted_against_the_limit_and_shown_with_file_row_and_reason(validator, sound_day):
    run(sound_day, "update raw_data.landing_parts set row_count = 3597, rejected_count = 1204")
    run(
        sound_day,
        """
        insert into raw_data.rejected_rows
        select file_id, 'meter_readings', '2024-03-07', 1 + n, 'meter_identifier', '', 'no meter'
        from raw_data.landing_files, generate_series(1, 1204) as n
        """,
    )

    outcome = named(validator.judge("meter_readings", DAY), "rejected-share")

    assert outcome.message == "1,204 of 4,801 rows rejected (limit 1 %)"
    assert (outcome.unexpected_count, outcome.element_count, outcome.observed) == (1204, 4801, "25.1 %")
    assert len(outcome.sample) == 5
    assert outcome.sample[0] == "meters/march.csv row 2, column meter_identifier: no meter"


def test_rejected_rows_of_a_withdrawn_file_do_not_count(validator, sound_day):
    run(sound_day, "update raw_data.landing_parts set rejected_count = 90")
    run(sound_day, "update raw_data.landing_files set retracted_at = now()")

    assert named(validator.judge("meter_readings", DAY), "rejected-share").success


def test_a_share_at_its_limit_passes(validator, sound_day):
    run(sound_day, "update raw_data.landing_parts set row_count = 99, rejected_count = 1")

    assert named(validator.judge("meter_readings", DAY), "rejected-share").success


def test_the_offending_rows_are_shown_five_at_most(validator, sound_day):
    run(sound_day, "update staging.stg_meter_readings set accepted_wh = -7")

    outcome = named(validator.judge("stg_meter_readings", DAY), "accepted_wh-in-range")

    assert outcome.message == "96 of 96 rows with accepted_wh outside 0 to 1,000,000 (limit 0)"
    assert len(outcome.sample) == 5
    assert outcome.sample[0] == "meter_id=M1, reading_at=2024-03-07 00:00:00+00, accepted_wh=-7"


def test_energy_lost_on_the_way_names_the_meter(validator, sound_day):
    run(sound_day, "delete from intermediate.int_readings_daily where meter_id = 'M2'")

    outcome = named(validator.judge("int_readings_daily", DAY), "total_wh-of-staging")

    assert "4,800 here, 9,600 there (difference -4,800, limit 0)" in outcome.message
    assert outcome.sample == ("meter_id=M2: no Wh here, 4800 there",)


def test_limits_are_those_that_were_given(scratch_dsn, sound_day):
    run(sound_day, "update raw_data.landing_parts set rejected_count = 24")
    with closing(Validator(scratch_dsn, Limits(rejected_share=0.2))) as lenient:
        assert named(lenient.judge("meter_readings", DAY), "rejected-share").success


def test_a_corrected_day_turns_green_and_a_neighbour_keeps_its_own_verdict(validator, sound_day):
    run(sound_day, f"update staging.stg_meter_readings set accepted_wh = -1 {ONE}")
    red = validator.judge("stg_meter_readings", DAY)
    neighbour = validator.judge("stg_meter_readings", DAY + timedelta(days=1))
    run(sound_day, f"update staging.stg_meter_readings set accepted_wh = 100 {ONE}")
    green = validator.judge("stg_meter_readings", DAY)

    assert not named(red, "accepted_wh-in-range").success
    assert named(neighbour, "accepted_wh-in-range").element_count == 0
    assert all(outcome.success for outcome in green)


def test_a_table_that_is_missing_is_an_error_and_no_pass(scratch_dsn, sound_day):
    run(sound_day, "alter table staging.stg_weather_observations rename to elsewhere")
    try:
        with closing(Validator(scratch_dsn, Limits())) as fresh, pytest.raises(GateError) as error:
            fresh.judge("stg_weather_observations", DAY)
    finally:
        run(sound_day, "alter table staging.elsewhere rename to stg_weather_observations")

    assert "staging.stg_weather_observations could not judge 2024-03-07: the table does not exist" in str(error.value)
    assert "energy-assets materialize --day 2024-03-07" in str(error.value)


def test_a_table_to_compare_with_that_is_missing_is_an_error_and_no_pass(validator, sound_day):
    run(sound_day, "alter table intermediate.int_readings_daily rename to elsewhere")
    try:
        with pytest.raises(GateError) as error:
            validator.judge("mart_consumption_metrics", DAY)
    finally:
        run(sound_day, "alter table intermediate.elsewhere rename to int_readings_daily")

    assert "could not judge 2024-03-07: total_kwh-of-daily" in str(error.value)
    assert 'relation "intermediate.int_readings_daily" does not exist' in str(error.value)


def test_a_connection_that_fails_is_an_error_that_keeps_the_password(scratch_dsn):
    wrong = (
        urlsplit(scratch_dsn)
        ._replace(netloc=f"postgres:hush-hush@{urlsplit(scratch_dsn).netloc.split('@')[1]}")
        .geturl()
    )

    with closing(Validator(wrong, Limits())) as locked_out, pytest.raises(GateError) as error:
        locked_out.judge("meter_readings", DAY)

    assert "the gate on raw_data.meter_readings could not judge 2024-03-07" in str(error.value)
    assert "password authentication failed" in str(error.value)
    assert "hush-hush" not in str(error.value)


def test_a_table_without_a_suite_is_an_error(validator):
    with pytest.raises(GateError, match="no suite for meters"):
        validator.judge("meters", DAY)


def run(connection: Connection, statement: str | sql.Composable) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def remember(
    database: Connection,
    table: str,
    *,
    days: int,
    row_count: int = 1,
    expectation_id: str = "row-count-usual",
    observed: str = "1.0",
) -> None:
    """So many green days before the day, with what was counted and recorded on each."""
    with database.cursor() as cursor:
        for past in (DAY - timedelta(days=n) for n in range(1, days + 1)):
            cursor.execute(
                "insert into quality.day_versions (table_name, reading_date, version, row_count, run_id)"
                " values (%s, %s, 1, %s, 'test')",
                (table, past, row_count),
            )
            cursor.execute(
                "insert into quality.validation_results (reading_date, table_name, version, expectation_id, expectation,"
                " severity, success, observed, message, run_id) values (%s, %s, 1, %s, '', 'warning', true, %s, '', 'test')",
                (past, table, expectation_id, observed),
            )


def named(outcomes: list[Outcome], expectation_id: str) -> Outcome:
    return next(outcome for outcome in outcomes if outcome.expectation_id == expectation_id)


def rename(database: Connection, suite: Suite, column: str, to: str) -> None:
    names = [sql.Identifier(name) for name in (suite.schema, suite.table, column, to)]
    run(database, sql.SQL("alter table {}.{} rename {} to {}").format(*names))


def make_tables(database: Connection) -> None:
    """The platform's own DDL and the columns that the dbt models declare."""
    for schema in ("reference", "raw_data", "staging", "intermediate", "ml", "marts", "quality"):
        run(database, sql.SQL("create schema {}").format(sql.Identifier(schema)))
    database.commit()
    apply_schema(database, database)
    for file in sorted(MODELS.glob("*/*.yml")):
        for model in yaml.safe_load(file.read_text()).get("models", []):
            columns = sql.SQL(", ").join(
                sql.SQL("{} " + column["data_type"]).format(sql.Identifier(column["name"]))
                for column in model["columns"]
            )
            run(
                database,
                sql.SQL("create table {}.{} ({})").format(
                    sql.Identifier(file.parent.name), sql.Identifier(model["name"]), columns
                ),
            )
    for table in BY_DAY:
        run(database, f"alter table {table} drop constraint {table.partition('.')[2]}_pkey")
    for suite in SUITES.values():
        if suite.schema == "raw_data" or f"{suite.schema}.{suite.table}" in BY_DAY:
            run(
                database,
                f"create table {suite.schema}.{suite.table}_all partition of {suite.schema}.{suite.table} default",
            )
    run(database, NULLS_ALLOWED)
    database.commit()
