{{ config(date_column='reading_date', unique_key=['reading_date', 'meter_id']) }}

-- One row per meter and day with the day's profile: slot k is the k-th interval since local midnight, null where nothing
-- was accepted. A day with a clock change has 46 or 50 half-hour slots. This is the grain that history is read in.
-- Nearly every meter has one reading for each slot: its profile is its readings in their order. Those of the others are laid out slot by slot.
{%- set place = seconds_between(day_starts_at('reading_date'), 'reading_at') ~ ' / 60 / interval_minutes' %}
with meters as (
    select
        reading_date,
        meter_id,
        min(interval_minutes)            as interval_minutes,
        max(interval_minutes)            as longest_minutes,
        count(*)                         as reading_count,
        count(*) filter (where {{ place }} <> floor({{ place }})) as off_grid_count,
        min(reading_at)                  as first_at,
        max(reading_at)                  as last_at,
        {{ array_in_order('accepted_wh', 'reading_at') }} as readings_wh,
        count(accepted_wh)::smallint     as accepted_count,
        coalesce(sum(accepted_wh), 0)::bigint as total_wh
    from {{ ref('stg_meter_readings') }}
    where {{ in_window('reading_date') }}
    group by reading_date, meter_id
),

-- As many readings as slots, each on the grid, from the first slot to the last: one in each, for no two are of one instant.
gauged as materialized (
    select
        *,
        {{ day_intervals('reading_date', 'interval_minutes') }}::integer as slot_count,
        longest_minutes = interval_minutes
            and reading_count = {{ day_intervals('reading_date', 'interval_minutes') }}
            and off_grid_count = 0
            and first_at = {{ day_starts_at('reading_date') }}
            and last_at = {{ minutes_after(day_starts_at('reading_date'), '(reading_count - 1)::integer * interval_minutes') }} as is_whole
    from meters
),

-- Two readings within one interval are off the grid: their energy belongs to the slot all the same. A daily reading has one slot, also in the 25th hour.
slots as (
    select
        reading_date,
        meter_id,
        least(
            {{ whole_quotient(minutes_between(day_starts_at('reading_date'), 'readings.reading_at'), 'gauged.interval_minutes') }}, gauged.slot_count - 1
        ) as slot,
        sum(readings.accepted_wh)::bigint as slot_wh
    from {{ ref('stg_meter_readings') }} as readings
    join gauged using (reading_date, meter_id)
    where {{ in_window('readings.reading_date') }} and not gauged.is_whole
    group by reading_date, meter_id, slot
),

expected as (
    select gauged.reading_date as reading_date, gauged.meter_id as meter_id, slot
    from gauged
    {{ cross_join_numbers('slot', 'gauged.slot_count') }}
    where not gauged.is_whole
),

laid_out as (
    select reading_date, meter_id, {{ array_in_order('slot_wh', 'slot') }} as profile_wh
    from expected
    left join slots using (reading_date, meter_id, slot)
    group by reading_date, meter_id
)

select
    reading_date,
    meter_id,
    gauged.interval_minutes as interval_minutes,
    case when gauged.is_whole then gauged.readings_wh else laid_out.profile_wh end as profile_wh,
    gauged.accepted_count   as accepted_count,
    gauged.total_wh         as total_wh
from gauged
left join laid_out using (reading_date, meter_id)
