{{ config(date_column='reading_date', unique_key=['reading_date', 'transformer_id', 'reading_at']) }}

-- One row per transformer and instant: of several deliveries the one that counts, its energy in Wh, and whether it is accepted.
with delivered as (
    select reading_date, transformer_id, reading_at, energy_kwh, interval_minutes, version, instant_code
    from {{ source('raw_data', 'transformer_readings') }}
    where {{ in_window('reading_date') }}
),

chosen as (
    select distinct on (reading_date, transformer_id, reading_at) *
    from delivered
    order by
        reading_date, transformer_id, reading_at,
        version desc nulls last, instant_code nulls first, energy_kwh desc, interval_minutes
),

{{ interval_ctes('transformer_id') }},

timed as (
    select
        chosen.reading_date,
        chosen.transformer_id,
        chosen.reading_at,
        {{ interval_minutes() }} as interval_minutes,
        chosen.energy_kwh as delivered_kwh,
        case
            when chosen.energy_kwh < 0 then 'negative'
            when chosen.energy_kwh > {{ var('max_transformer_interval_kwh') }} then 'above_limit'
            when chosen.instant_code = 'fold_assumed' then 'fold_assumed'
            else 'valid'
        end as quality_code
    from chosen
    left join own_intervals using (reading_date, transformer_id)
    left join usual_intervals using (reading_date)
)

select
    reading_date,
    transformer_id,
    reading_at,
    interval_minutes,
    delivered_kwh,
    case when quality_code not in ('negative', 'above_limit') then round(delivered_kwh * 1000)::bigint end as accepted_wh,
    quality_code
from timed
