{{ config(date_column='reading_date', unique_key=['reading_date', 'meter_id', 'read_at']) }}

-- One row per meter and instant: what its register showed, in Wh. A register only ever counts up: a negative one is not accepted.
with delivered as (
    select reading_date, meter_id, read_at, register_kwh, version, instant_code
    from {{ source('raw_data', 'register_readings') }}
    where {{ in_window('reading_date') }}
)

select distinct on (reading_date, meter_id, read_at)
    reading_date,
    meter_id,
    read_at,
    register_kwh                                                          as delivered_kwh,
    case when register_kwh >= 0 then round(register_kwh * 1000)::bigint end as register_wh
from delivered
order by reading_date, meter_id, read_at, version desc nulls last, instant_code nulls first, register_kwh desc
