{{ config(date_column='reading_date', unique_key=['reading_date', 'transformer_id', 'reading_at']) }}

-- One row per transformer and interval: what came in, what its meters say, what the transformer itself lost, and what is left.
-- Everything is brought to the coarsest interval that the transformer and its meters have on that day. An interval that
-- cannot be balanced is there, with the reason, and no loss is told of it.
with fed as (
    select reading_date, transformer_id, reading_at, interval_minutes, accepted_wh
    from {{ ref('stg_transformer_readings') }}
    where {{ in_window('reading_date') }}
),

connected as (
    select reading_date, meter_id, transformer_id
    from {{ ref('stg_meters') }}
    where {{ in_window('reading_date') }} and transformer_id is not null
),

-- What a meter measured, and what was estimated where it did not.
metered as materialized (
    select
        readings.reading_date,
        connected.transformer_id,
        readings.reading_at,
        readings.interval_minutes,
        readings.accepted_wh as metered_wh,
        false                as is_estimated
    from {{ ref('stg_meter_readings') }} as readings
    join connected using (reading_date, meter_id)
    where {{ in_window('readings.reading_date') }} and readings.accepted_wh is not null
    union all
    select
        estimates.reading_date,
        connected.transformer_id,
        estimates.reading_at,
        estimates.interval_minutes,
        estimates.estimated_wh,
        true
    from {{ source('intermediate', 'int_reading_estimates') }} as estimates
    join connected using (reading_date, meter_id)
    where {{ in_window('estimates.reading_date') }}
),

-- A transformer without readings of its own on a day has no balance on it; one without meters has nothing but losses.
transformer_days as materialized (
    select
        reading_date,
        transformer_id,
        max(registered.feeder_id)                                       as feeder_id,
        max(registered.rating_kva)                                      as rating_kva,
        max(registered.no_load_loss_w)                                  as no_load_loss_w,
        max(registered.load_loss_w)                                     as load_loss_w,
        {{ whole_day('greatest(max(fed.interval_minutes), max(meters.interval_minutes))', day_minutes('reading_date')) }} as interval_minutes,
        coalesce(max(counted.connected_meters), 0)                      as connected_meters,
        {{ day_starts_at('reading_date') }}                             as starts_at,
        {{ day_minutes('reading_date') }}                               as day_minutes
    from fed
    left join {{ ref('stg_transformers') }} as registered using (reading_date, transformer_id)
    left join (
        select reading_date, transformer_id, count(*) as connected_meters from connected group by 1, 2
    ) as counted using (reading_date, transformer_id)
    left join (
        select reading_date, transformer_id, max(interval_minutes) as interval_minutes from metered group by 1, 2
    ) as meters using (reading_date, transformer_id)
    group by reading_date, transformer_id
),

-- A register of meters alone may say which feeder a transformer hangs on.
feeders as (
    select reading_date, transformer_id, min(feeder_id) as feeder_id
    from {{ ref('stg_meters') }}
    where {{ in_window('reading_date') }}
    group by 1, 2
),

slots as (
    select
        days.reading_date,
        days.transformer_id,
        coalesce(days.feeder_id, feeders.feeder_id) as feeder_id,
        days.interval_minutes,
        days.connected_meters,
        days.rating_kva,
        days.no_load_loss_w,
        days.load_loss_w,
        slot,
        {{ minutes_after('days.starts_at', 'slot * days.interval_minutes') }}         as reading_at,
        least(days.interval_minutes, days.day_minutes - slot * days.interval_minutes) as minutes
    from transformer_days as days
    left join feeders using (reading_date, transformer_id)
    {{ cross_join_numbers('slot', 'ceil(1.0 * days.day_minutes / days.interval_minutes)::integer') }}
),

-- Readings of either side by slot. Minutes tell whether a slot is covered: a daily reading covers a day of any length.
fed_slots as (
    select
        reading_date,
        transformer_id,
        {{ slot_of('fed.reading_at', 'days') }}                        as slot,
        sum(fed.accepted_wh)::bigint                                   as energy_in_wh,
        sum({{ whole_day('fed.interval_minutes', 'days.day_minutes') }}) filter (where fed.accepted_wh is not null) as covered_minutes
    from fed
    join transformer_days as days using (reading_date, transformer_id)
    group by 1, 2, 3
),

metered_slots as (
    select
        reading_date,
        transformer_id,
        {{ slot_of('metered.reading_at', 'days') }}                    as slot,
        sum(metered.metered_wh)::bigint                                as metered_wh,
        sum(metered.metered_wh) filter (where metered.is_estimated)::bigint as estimated_wh,
        sum({{ whole_day('metered.interval_minutes', 'days.day_minutes') }}) as covered_minutes,
        sum({{ whole_day('metered.interval_minutes', 'days.day_minutes') }}) filter (where not metered.is_estimated) as measured_minutes
    from metered
    join transformer_days as days using (reading_date, transformer_id)
    group by 1, 2, 3
),

outages as (
    select reading_date, area_id, off_from, off_until
    from {{ ref('stg_outages') }}
    where {{ in_window('reading_date') }}
),

compared as (
    select
        reading_date,
        transformer_id,
        slots.reading_at       as reading_at,
        slots.feeder_id        as feeder_id,
        slots.minutes          as minutes,
        slots.connected_meters as connected_meters,
        slots.rating_kva       as rating_kva,
        slots.no_load_loss_w   as no_load_loss_w,
        slots.load_loss_w      as load_loss_w,
        fed_slots.energy_in_wh as energy_in_wh,
        coalesce(metered_slots.metered_wh, 0)   as metered_wh,
        coalesce(metered_slots.estimated_wh, 0) as estimated_wh,
        {{ quotient('coalesce(metered_slots.measured_minutes, 0)', 'slots.minutes', 3) }} as reporting_meters,
        case
            when {{ was_off('slots.reading_date', ['slots.transformer_id', 'slots.feeder_id'], 'slots.reading_at', 'slots.minutes') }}
                then 'outage'
            when coalesce(fed_slots.covered_minutes, 0) < slots.minutes then 'no_energy_in'
            when coalesce(metered_slots.covered_minutes, 0) < slots.minutes * slots.connected_meters then 'meters_missing'
        end as excluded_because
    from slots
    left join fed_slots using (reading_date, transformer_id, slot)
    left join metered_slots using (reading_date, transformer_id, slot)
),

lossy as (
    select
        *,
        {{ technical_loss_wh('energy_in_wh', 'minutes', 'rating_kva', 'no_load_loss_w', 'load_loss_w') }} as technical_loss_wh
    from compared
)

select
    reading_date,
    transformer_id,
    reading_at,
    feeder_id,
    minutes::smallint as interval_minutes,
    energy_in_wh,
    metered_wh,
    estimated_wh,
    connected_meters::integer as connected_meters,
    reporting_meters,
    case when rating_kva > 0 and no_load_loss_w is not null and load_loss_w is not null then 'ratings' else 'assumed' end as technical_loss_basis,
    technical_loss_wh,
    case when excluded_because is null then energy_in_wh - metered_wh - technical_loss_wh end as non_technical_loss_wh,
    excluded_because
from lossy
