{{ config(materialized='day_view', days_of='int_readings_daily', unique_key=['month_date', 'meter_id']) }}

-- One row per meter and calendar month, of the days whose gate is open. A view: a month is at most 31 rows a meter.
with daily as (
    select reading_date, meter_id, reading_count, accepted_count, expected_count, total_wh, peak_wh, is_complete
    from {{ ref('int_readings_daily') }}
    where {{ is_readable('int_readings_daily', 'reading_date') }}
)

select
    date_trunc('month', reading_date)::date as month_date,
    meter_id,
    count(*)::smallint                      as day_count,
    count(*) filter (where is_complete)::smallint as complete_day_count,
    sum(reading_count)::integer             as reading_count,
    sum(accepted_count)::integer            as accepted_count,
    sum(expected_count)::integer            as expected_count,
    sum(total_wh)::bigint                   as total_wh,
    round(avg(total_wh), 3)                 as mean_day_wh,
    max(peak_wh)                            as peak_wh
from daily
group by 1, 2
