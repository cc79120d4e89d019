{{ config(date_column='reading_date', unique_key=['reading_date', 'meter_id', 'reading_at']) }}

-- One row per meter and instant: the label and past average that came with a reading.
with delivered as (
    select reading_date, meter_id, reading_at, delivered_label, past_average_kwh
    from {{ source('raw_data', 'reading_annotations') }}
    where {{ in_window('reading_date') }}
)

select distinct on (reading_date, meter_id, reading_at)
    reading_date,
    meter_id,
    reading_at,
    delivered_label,
    past_average_kwh
from delivered
order by reading_date, meter_id, reading_at, past_average_kwh desc nulls last, delivered_label nulls last
