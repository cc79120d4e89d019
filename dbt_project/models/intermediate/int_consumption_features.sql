{{ config(date_column='reading_date', unique_key=['reading_date', 'meter_id']) }}

-- One row per meter and day with the day's profile: slot k is the k-th interval since local midnight, null where nothing
-- was accepted. A day with a clock change has 46 or 50 half-hour slots. This is the grain that history is read in.
with readings as (
    select
        reading_date,
        meter_id,
        min(interval_minutes) over (partition by reading_date, meter_id) as interval_minutes,
        extract(epoch from reading_at - {{ day_starts_at('reading_date') }})::integer / 60 as minute_of_day,
        accepted_wh
    from {{ ref('stg_meter_readings') }}
    where {{ in_window('reading_date') }}
),

-- Two readings within one interval are off the grid: their energy belongs to the slot all the same.
slots as (
    select
        reading_date,
        meter_id,
        interval_minutes,
        minute_of_day / interval_minutes as slot,
        sum(accepted_wh)::bigint         as slot_wh,
        count(accepted_wh)               as accepted_count
    from readings
    group by reading_date, meter_id, interval_minutes, slot
),

meters as (
    select
        reading_date,
        meter_id,
        interval_minutes,
        {{ day_intervals('reading_date', 'interval_minutes') }}::integer as slot_count,
        count(*)                         as filled_count,
        sum(accepted_count)::smallint    as accepted_count,
        coalesce(sum(slot_wh), 0)::bigint as total_wh
    from slots
    group by reading_date, meter_id, interval_minutes
),

-- Only a meter with gaps needs its empty slots spelled out.
gaps as (
    select meters.reading_date, meters.meter_id, missing.slot
    from meters
    cross join lateral generate_series(0, meters.slot_count - 1) as missing (slot)
    where meters.filled_count < meters.slot_count
    except
    select reading_date, meter_id, slot
    from slots
),

padded as (
    select reading_date, meter_id, slot, slot_wh from slots
    union all
    select reading_date, meter_id, slot, null from gaps
),

profiles as (
    select reading_date, meter_id, array_agg(slot_wh order by slot) as profile_wh
    from padded
    group by reading_date, meter_id
)

select
    reading_date,
    meter_id,
    meters.interval_minutes,
    profiles.profile_wh,
    meters.accepted_count,
    meters.total_wh
from meters
join profiles using (reading_date, meter_id)
