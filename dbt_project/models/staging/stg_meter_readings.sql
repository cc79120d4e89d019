{{ config(date_column='reading_date', unique_key=['reading_date', 'meter_id', 'reading_at'], by_day=true) }}

-- One row per meter and instant: of several deliveries the one that counts, its energy in Wh, and whether it is accepted.
-- Energy is that of the customer: what a meter behind current transformers counts is multiplied as the register says.
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

{{ interval_ctes('meter_id') }},

timed as (
    select
        chosen.reading_date,
        chosen.meter_id,
        chosen.reading_at,
        {{ interval_minutes() }} as interval_minutes,
        chosen.consumption_kwh as delivered_kwh,
        coalesce(meters.ct_multiplier, 1) as ct_multiplier,
        case
            when chosen.consumption_kwh < 0 then 'negative'
            when chosen.consumption_kwh * coalesce(meters.ct_multiplier, 1) > {{ var('max_interval_kwh') }} then 'above_limit'
            when chosen.instant_code = 'fold_assumed' then 'fold_assumed'
            else 'valid'
        end as quality_code
    from chosen
    left join own_intervals using (reading_date, meter_id)
    left join usual_intervals using (reading_date)
    left join {{ ref('stg_meters') }} as meters using (reading_date, meter_id)
)

select
    reading_date,
    meter_id,
    reading_at,
    interval_minutes,
    delivered_kwh,
    case when quality_code not in ('negative', 'above_limit') then round(delivered_kwh * 1000 * ct_multiplier)::bigint end as accepted_wh,
    quality_code
from timed
