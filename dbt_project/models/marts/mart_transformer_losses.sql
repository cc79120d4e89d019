{% set lookback_days = price_days() - 1 %}
{{ config(
    date_column='loss_date',
    unique_key=['loss_date', 'transformer_id'],
    meta={'lookback_days': {'int_readings_daily': lookback_days, 'stg_meters': lookback_days}}
) }}

-- One row per transformer and day: the energy of the intervals that could be balanced, where it went, and how sure that is.
with intervals as (
    select
        reading_date, transformer_id, feeder_id, interval_minutes, energy_in_wh, metered_wh, estimated_wh, connected_meters,
        technical_loss_basis, technical_loss_wh, non_technical_loss_wh, excluded_because
    from {{ ref('int_transformer_balance') }}
    where {{ in_window('reading_date') }}
),

days as (
    select
        reading_date,
        transformer_id,
        max(feeder_id)            as feeder_id,
        max(connected_meters)     as connected_meters,
        min(technical_loss_basis) as technical_loss_basis,
        count(*)                  as interval_count,
        count(*) filter (where excluded_because is null)            as balanced_count,
        count(*) filter (where excluded_because = 'outage')         as outage_count,
        count(*) filter (where excluded_because in ('no_energy_in', 'meters_missing')) as incomplete_count,
        coalesce(sum(energy_in_wh) filter (where excluded_because is null), 0)      as energy_in_wh,
        coalesce(sum(metered_wh) filter (where excluded_because is null), 0)        as metered_wh,
        coalesce(sum(estimated_wh) filter (where excluded_because is null), 0)      as estimated_wh,
        coalesce(sum(technical_loss_wh) filter (where excluded_because is null), 0) as technical_loss_wh,
        coalesce(sum(non_technical_loss_wh), 0)                                     as non_technical_loss_wh,
        coalesce(sum(interval_minutes) filter (where excluded_because is null), 0)  as balanced_minutes,
        coalesce(sum(energy_in_wh), 0)                                              as delivered_wh
    from intervals
    group by reading_date, transformer_id
),

-- A meter errs in one direction all day: its error goes with its own energy, not with that of all.
meters as (
    select
        connected.reading_date,
        connected.transformer_id,
        sum(power(daily.total_wh, 2)) as sum_of_squares_wh2,
        sum(daily.total_wh)           as total_wh
    from {{ ref('stg_meters') }} as connected
    join {{ ref('int_readings_daily') }} as daily using (reading_date, meter_id)
    where {{ in_window('connected.reading_date') }} and {{ in_window('daily.reading_date') }}
    group by connected.reading_date, connected.transformer_id
),

-- What a kWh costs there: the mean of its meters' bills, over the trailing days.
billed as (
    select connected.transformer_id, connected.meter_id, connected.reading_date, connected.tariff_code, daily.total_wh as energy_wh
    from {{ ref('stg_meters') }} as connected
    join {{ ref('int_readings_daily') }} as daily using (reading_date, meter_id)
    where connected.transformer_id is not null
      and {{ looking_back('stg_meters', 'connected.reading_date', lookback_days) }}
      and {{ looking_back('int_readings_daily', 'daily.reading_date', lookback_days) }}
),

prices as (
    select * from {{ mean_prices('billed', ['transformer_id']) }} as known
),

judged as (
    select
        days.*,
        prices.currency,
        prices.currency_decimals,
        prices.charge_per_kwh,
        prices.vat_per_kwh,
        {{ loss_deviation_wh(
            'days.energy_in_wh',
            'coalesce(meters.sum_of_squares_wh2 * power(days.metered_wh / nullif(meters.total_wh, 0), 2), 0)',
            uncertain_loss_wh('days', 'registered'),
            'days.estimated_wh'
        ) }} as deviation_wh
    from days
    left join meters using (reading_date, transformer_id)
    left join prices using (reading_date, transformer_id)
    left join {{ ref('stg_transformers') }} as registered using (reading_date, transformer_id)
)

select
    reading_date                                          as loss_date,
    transformer_id,
    feeder_id,
    connected_meters,
    interval_count::smallint                              as interval_count,
    balanced_count::smallint                              as balanced_count,
    outage_count::smallint                                as outage_count,
    incomplete_count::smallint                            as incomplete_count,
    round(delivered_wh / 1000.0, 3)                       as delivered_kwh,
    round(energy_in_wh / 1000.0, 3)                       as energy_in_kwh,
    round(metered_wh / 1000.0, 3)                         as metered_kwh,
    round(estimated_wh / 1000.0, 3)                       as estimated_kwh,
    technical_loss_basis,
    round(technical_loss_wh / 1000.0, 3)                  as technical_loss_kwh,
    round(non_technical_loss_wh / 1000.0, 3)              as non_technical_loss_kwh,
    round((deviation_wh / 1000.0)::numeric, 3)            as deviation_kwh,
    round(((non_technical_loss_wh - 1.645 * deviation_wh) / 1000.0)::numeric, 3) as non_technical_loss_low_kwh,
    round(((non_technical_loss_wh + 1.645 * deviation_wh) / 1000.0)::numeric, 3) as non_technical_loss_high_kwh,
    round(100.0 * non_technical_loss_wh / nullif(energy_in_wh, 0), 2) as non_technical_loss_pct,
    currency,
    round(charge_per_kwh::numeric, 4)                     as price_per_kwh,
    {{ amount('non_technical_loss_wh', 'judged') }}       as non_technical_loss_value,
    non_technical_loss_wh >= -{{ var('implausible_loss_deviations') }} * deviation_wh - {{ rounding_wh() }} as is_plausible
from judged
