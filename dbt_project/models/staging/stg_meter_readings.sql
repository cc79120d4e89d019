{{ config(date_column='reading_date', unique_key=['reading_date', 'meter_id', 'reading_at'], by_day=true) }}

-- One row per meter and instant: of several deliveries the one that counts, its energy in Wh, and whether it is accepted.
with delivered as (
    select reading_date, meter_id, reading_at, consumption_kwh, interval_minutes, status, status_rank, version, instant_code
    from {{ source('raw_data', 'meter_readings') }}
    where {{ in_window('reading_date') }}
),

-- The choice rests on what was delivered, never on when or in which file: the order of arrival cannot change a table.
chosen as (
    select distinct on (reading_date, meter_id, reading_at) *
    from delivered
    order by
        reading_date, meter_id, reading_at,
        version desc nulls last, status_rank nulls last, instant_code nulls first, consumption_kwh desc, interval_minutes, status
),

-- Where the delivery does not state the interval, it is the meter's closest spacing of that day …
spacings as (
    select
        reading_date,
        meter_id,
        extract(epoch from lead(reading_at) over (partition by reading_date, meter_id order by reading_at) - reading_at) / 60 as minutes
    from chosen
    where interval_minutes is null
),

meter_intervals as (
    select reading_date, meter_id, min(minutes)::smallint as interval_minutes
    from spacings
    where minutes in (15, 30, 60, 1440)
    group by reading_date, meter_id
),

-- … or, for a meter with a single reading, that of most meters; a fleet of single readings is read daily.
usual_intervals as (
    select reading_date, mode() within group (order by interval_minutes) as interval_minutes
    from meter_intervals
    group by reading_date
),

timed as (
    select
        chosen.reading_date,
        chosen.meter_id,
        chosen.reading_at,
        coalesce(
            chosen.interval_minutes, meter_intervals.interval_minutes, usual_intervals.interval_minutes, 1440
        )::smallint as interval_minutes,
        chosen.consumption_kwh as delivered_kwh,
        case
            when chosen.consumption_kwh < 0 then 'negative'
            when chosen.consumption_kwh > {{ var('max_interval_kwh') }} then 'above_limit'
            when chosen.instant_code = 'fold_assumed' then 'fold_assumed'
            else 'valid'
        end as quality_code
    from chosen
    left join meter_intervals using (reading_date, meter_id)
    left join usual_intervals using (reading_date)
)

select
    reading_date,
    meter_id,
    reading_at,
    interval_minutes,
    delivered_kwh,
    case when quality_code not in ('negative', 'above_limit') then round(delivered_kwh * 1000)::bigint end as accepted_wh,
    quality_code
from timed
