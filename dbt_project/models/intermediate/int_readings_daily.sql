{{ config(date_column='reading_date', unique_key=['reading_date', 'meter_id']) }}

-- One row per meter and day: its energy, its peak, and how much of the day was delivered. A reading that overlaps another
-- fills no interval of its own. What was estimated stands beside what was measured, never in it.
with readings as (
    select reading_date, meter_id, reading_at, interval_minutes, accepted_wh, quality_code
    from {{ ref('stg_meter_readings') }}
    where {{ in_window('reading_date') }}
),

daily as (
    select
        reading_date,
        meter_id,
        min(interval_minutes)                                                             as interval_minutes,
        count(*) filter (where quality_code is distinct from 'interval_size')::smallint   as reading_count,
        count(accepted_wh)::smallint                                                      as accepted_count,
        coalesce(sum(accepted_wh), 0)::bigint                                             as total_wh,
        max(accepted_wh)                                                                  as peak_wh,
        (array_agg(reading_at order by accepted_wh desc, reading_at) filter (where accepted_wh is not null))[1] as peak_at,
        min(accepted_wh)                                                                  as min_wh
    from readings
    group by reading_date, meter_id
),

estimates as (
    select reading_date, meter_id, sum(estimated_wh)::bigint as estimated_wh
    from {{ source('intermediate', 'int_reading_estimates') }}
    where {{ in_window('reading_date') }}
    group by reading_date, meter_id
),

counted as (
    select *, {{ day_intervals('reading_date', 'interval_minutes') }}::smallint as expected_count
    from daily
)

select
    reading_date,
    meter_id,
    interval_minutes,
    reading_count,
    accepted_count,
    expected_count,
    total_wh,
    coalesce(estimates.estimated_wh, 0)::bigint as estimated_wh,
    peak_wh,
    peak_at,
    min_wh,
    accepted_count >= expected_count as is_complete
from counted
left join estimates using (reading_date, meter_id)
