{{ config(date_column='reading_date', unique_key=['reading_date', 'meter_id', 'hour_at'], by_day=true, pre_hook="{{ planned_without('hashagg') }}") }}

-- One row per meter and hour. Hours are those of the local clock: where it is set back, the repeated hour is there twice.
-- A daily reading says nothing about hours and has none.
with readings as (
    select
        reading_date,
        meter_id,
        date_trunc('hour', reading_at, '{{ var("timezone") }}') as hour_at,
        accepted_wh
    from {{ ref('stg_meter_readings') }}
    where {{ in_window('reading_date') }}
      and interval_minutes <= 60
)

select
    reading_date,
    meter_id,
    hour_at,
    {{ local_hour('hour_at') }}           as hour_of_day,
    count(*)::smallint                    as reading_count,
    count(accepted_wh)::smallint          as accepted_count,
    coalesce(sum(accepted_wh), 0)::bigint as total_wh,
    {{ rounded_mean('accepted_wh', 3) }}  as mean_wh,
    max(accepted_wh)                      as max_wh,
    min(accepted_wh)                      as min_wh,
    {{ rounded_deviation('accepted_wh', 3) }} as std_wh
from readings
group by reading_date, meter_id, hour_at
