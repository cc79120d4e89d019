{{ config(date_column='reading_date', unique_key=['reading_date', 'transformer_id'], records='transformers') }}

-- One row per transformer and day: the entry of the register that holds on that day.
with entries as (
    select
        transformer_id,
        feeder_id,
        rating_kva,
        no_load_loss_w,
        load_loss_w,
        latitude,
        longitude,
        coalesce(valid_from, '-infinity') as holds_from
    from {{ source('raw_data', 'transformers') }}
),

holding as (
    select distinct on (days.reading_date, entries.transformer_id) days.reading_date, entries.*
    from {{ window_calendar() }} as days
    join entries on entries.holds_from <= days.reading_date
    order by days.reading_date, entries.transformer_id, entries.holds_from desc
)

select
    reading_date,
    transformer_id,
    feeder_id,
    round(rating_kva::numeric, 3)     as rating_kva,
    round(no_load_loss_w::numeric, 3) as no_load_loss_w,
    round(load_loss_w::numeric, 3)    as load_loss_w,
    round(latitude::numeric, 6)       as latitude,
    round(longitude::numeric, 6)      as longitude
from holding
