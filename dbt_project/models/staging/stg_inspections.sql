{{ config(date_column='inspected_on', unique_key=['inspected_on', 'meter_id'], records='inspections') }}

-- One row per visited meter and day: what the crew found.
select
    inspected_on,
    meter_id,
    lower(outcome)                          as outcome,
    round(recovered_kwh::numeric * 1000)::bigint as recovered_wh,
    case_id,
    lower(selection)                        as selection,
    notes
from {{ source('raw_data', 'inspections') }}
where {{ in_window('inspected_on') }}
