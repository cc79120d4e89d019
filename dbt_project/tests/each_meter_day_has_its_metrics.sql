{{ config(meta={'dagster': {'ref': {'name': 'mart_consumption_metrics'}}}) }}

with daily as (
    select reading_date as metric_date, meter_id
    from {{ ref('int_readings_daily') }}
    where {{ in_window('reading_date') }}
),

metrics as (
    select metric_date, meter_id
    from {{ ref('mart_consumption_metrics') }}
    where {{ in_window('metric_date') }}
)

(select * from daily except select * from metrics)
union all
(select * from metrics except select * from daily)
