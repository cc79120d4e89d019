{{ config(meta={'dagster': {'ref': {'name': 'int_readings_daily'}}}) }}

with hourly as (
    select reading_date, meter_id, sum(total_wh) as total_wh
    from {{ ref('int_readings_hourly') }}
    where {{ in_window('reading_date') }}
    group by reading_date, meter_id
),

daily as (
    select reading_date, meter_id, total_wh
    from {{ ref('int_readings_daily') }}
    where {{ in_window('reading_date') }} and interval_minutes <= 60
)

select reading_date, meter_id, hourly.total_wh as hourly_wh, daily.total_wh as daily_wh
from hourly
full join daily using (reading_date, meter_id)
where hourly.total_wh is distinct from daily.total_wh
