{{ config(date_column='reading_date', unique_key=['reading_date', 'meter_id', 'reading_at'], by_day=true, pre_hook="{{ planned_without('mergejoin') }}") }}

-- One row per meter and instant: of several deliveries the one that counts, its energy in Wh, and whether it is accepted.
-- Energy is that of the customer: what a meter behind current transformers counts is multiplied as the register says.
-- What rejects a reading is what it and its own day prove; ml/validation/rules.toml holds the thresholds.
-- What is read more than once is materialized: Postgres would do so unasked, ClickHouse would compute it each time.
with delivered as (
    select reading_date, meter_id, reading_at, consumption_kwh, interval_minutes, status, status_rank, version, instant_code
    from {{ source('raw_data', 'meter_readings') }}
    where {{ in_window('reading_date') }}
),

-- The choice rests on what was delivered, never on when or in which file: the order of arrival cannot change a table.
chosen as materialized (
    select distinct on (reading_date, meter_id, reading_at) *
    from delivered
    order by
        reading_date, meter_id, reading_at,
        version desc nulls last, status_rank nulls last, instant_code nulls first, consumption_kwh desc, interval_minutes, status
),

{{ interval_ctes('meter_id') }},

timed as materialized (
    select
        reading_date,
        meter_id,
        chosen.reading_at as reading_at,
        {{ interval_minutes() }} as interval_minutes,
        chosen.consumption_kwh as delivered_kwh,
        chosen.instant_code as instant_code,
        coalesce(meters.ct_multiplier, 1) as ct_multiplier,
        coalesce(meters.customer_class, 'unknown') as customer_class
    from chosen
    left join own_intervals using (reading_date, meter_id)
    left join usual_intervals using (reading_date)
    left join {{ ref('stg_meters') }} as meters using (reading_date, meter_id)
),

-- One look at every meter's day tells the few that need a closer one.
meter_days as materialized (
    select
        reading_date,
        meter_id,
        max(customer_class)                                                          as customer_class,
        max(ct_multiplier)                                                           as ct_multiplier,
        max(delivered_kwh * 60 / interval_minutes)                                   as peak_kw,
        avg(delivered_kwh * 60 / interval_minutes)                                   as mean_kw,
        min(interval_minutes) <> max(interval_minutes)
            or min({{ grid_offset() }}) <> max({{ grid_offset() }})                  as is_off_grid
    from timed
    group by reading_date, meter_id
),

{{ overlapping_ctes('interval_size') }},

{{ unit_ctes('unit') }},

judged as (
    select
        reading_date,
        meter_id,
        reading_at,
        timed.interval_minutes as interval_minutes,
        timed.delivered_kwh as delivered_kwh,
        timed.ct_multiplier as ct_multiplier,
        case
            when timed.delivered_kwh < 0 then 'negative'
            when timed.delivered_kwh * timed.ct_multiplier > {{ var('max_interval_kwh') }} then 'above_limit'
            when overlapping.reading_at is not null then 'interval_size'
            when timed.delivered_kwh > 0 and (
                wh_days.meter_id is not null
                or (
                    timed.delivered_kwh * 60 / timed.interval_minutes >= {{ var('unit_least_kw') }}
                    and timed.delivered_kwh * 60 / timed.interval_minutes >= large_days.limit_kw
                )
            ) then 'unit'
            when timed.instant_code = 'fold_assumed' then 'fold_assumed'
            else 'valid'
        end as quality_code
    from timed
    left join overlapping using (reading_date, meter_id, reading_at)
    left join large_days using (reading_date, meter_id)
    left join wh_days using (reading_date, meter_id)
)

select
    reading_date,
    meter_id,
    reading_at,
    interval_minutes,
    delivered_kwh,
    case when quality_code in {{ accepted_codes() }} then round(delivered_kwh * 1000 * ct_multiplier)::bigint end as accepted_wh,
    quality_code
from judged
