{{ config(date_column='reading_date', unique_key=['reading_date', 'meter_id'], records='meters') }}

-- One row per meter and day: the entry of the register that holds on that day. A meter that moves, or gets another tariff or
-- multiplier, is right on every day on that day's terms, whenever the register came.
with entries as (
    select
        meter_id,
        customer_id,
        customer_class,
        transformer_id,
        feeder_id,
        tariff_code,
        prepaid,
        phases,
        ct_multiplier,
        valid_from,
        removed_on,
        latitude,
        longitude,
        greatest(coalesce(valid_from, '-infinity'), coalesce(installed_on, '-infinity')) as holds_from
    from {{ source('raw_data', 'meters') }}
),

holding as (
    select distinct on (days.reading_date, entries.meter_id) days.reading_date, entries.*
    from {{ window_calendar() }} as days
    join entries on entries.holds_from <= days.reading_date
    order by days.reading_date, entries.meter_id, entries.holds_from desc, entries.valid_from desc nulls last
)

select
    reading_date,
    meter_id,
    customer_id,
    coalesce(lower(customer_class), 'unknown')       as customer_class,
    transformer_id,
    feeder_id,
    tariff_code,
    coalesce(prepaid, false)                         as is_prepaid,
    phases,
    coalesce(round(ct_multiplier::numeric, 6), 1)    as ct_multiplier,
    round(latitude::numeric, 6)                      as latitude,
    round(longitude::numeric, 6)                     as longitude
from holding
where removed_on is null or removed_on > reading_date
