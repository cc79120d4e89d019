{{ config(date_column='purchase_date', unique_key=['purchase_date', 'meter_id', 'purchased_at']) }}

-- One row per meter and instant: the energy that a prepaid customer bought, in Wh, and what was paid.
with delivered as (
    select purchase_date, meter_id, purchased_at, energy_kwh, amount, currency, version, instant_code
    from {{ source('raw_data', 'token_purchases') }}
    where {{ in_window('purchase_date') }}
)

select distinct on (purchase_date, meter_id, purchased_at)
    purchase_date,
    meter_id,
    purchased_at,
    round(energy_kwh * 1000)::bigint as energy_wh,
    round(amount::numeric, 2)        as amount,
    upper(currency)                  as currency
from delivered
order by purchase_date, meter_id, purchased_at, version desc nulls last, instant_code nulls first, energy_kwh desc, amount desc nulls last, currency
