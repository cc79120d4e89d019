{% set lookback_days = price_days() - 1 %}
{% set fit_lookback_days = loss_fit_days() - 1 %}
{{ config(
    date_column='loss_date',
    unique_key=['loss_date', 'transformer_id'],
    meta={'lookback_days': {
        'int_readings_daily': lookback_days, 'stg_meters': lookback_days, 'int_transformer_balance': fit_lookback_days
    }}
) }}

-- One row per transformer and day: the energy of the intervals that could be balanced, where it went, and how sure that is.
with intervals as (
    select
        reading_date, transformer_id, feeder_id, interval_minutes, energy_in_wh, metered_wh, estimated_wh, connected_meters,
        technical_loss_basis, technical_loss_wh, excluded_because
    from {{ ref('int_transformer_balance') }}
    where {{ in_window('reading_date') }}
),

sums as (
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
        coalesce(sum(energy_in_wh::numeric * energy_in_wh * 60 / interval_minutes) filter (where excluded_because is null), 0) as squared_wh2_per_hour,
        coalesce(sum(interval_minutes) filter (where excluded_because is null), 0)  as balanced_minutes,
        coalesce(sum(energy_in_wh), 0)                                              as delivered_wh
    from intervals
    group by reading_date, transformer_id
),

-- What the transformers without ratings lose themselves, by how what is not metered went with the load over the trailing days.
unrated as (
    select
        sums.reading_date,
        sums.transformer_id,
        past.reading_date                                                           as past_date,
        past.energy_in_wh::numeric * 60 / past.interval_minutes                     as load_w,
        (past.energy_in_wh - past.metered_wh)::numeric * 60 / past.interval_minutes as loss_w
    from sums
    join {{ ref('int_transformer_balance') }} as past
        on past.transformer_id = sums.transformer_id
        and past.reading_date between sums.reading_date - {{ fit_lookback_days }} and sums.reading_date
    where sums.technical_loss_basis = 'assumed'
      and past.excluded_because is null
      and {{ looking_back('int_transformer_balance', 'past.reading_date', fit_lookback_days) }}
),

fitted as (
    select * from {{ fitted_losses('unrated') }} as known
),

days as (
    select
        sums.reading_date,
        sums.transformer_id,
        sums.feeder_id,
        sums.connected_meters,
        case when fitted.transformer_id is not null then 'fitted' else sums.technical_loss_basis end as technical_loss_basis,
        sums.interval_count,
        sums.balanced_count,
        sums.outage_count,
        sums.incomplete_count,
        sums.energy_in_wh,
        sums.metered_wh,
        sums.estimated_wh,
        coalesce(
            round((fitted.no_load_loss_w * sums.balanced_minutes / 60 + fitted.load_loss_per_w * sums.squared_wh2_per_hour)::numeric)::bigint,
            sums.technical_loss_wh
        ) as technical_loss_wh,
        sums.balanced_minutes,
        sums.delivered_wh
    from sums
    left join fitted using (reading_date, transformer_id)
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
        days.energy_in_wh - days.metered_wh - days.technical_loss_wh as non_technical_loss_wh,
        prices.currency,
        prices.currency_decimals,
        prices.charge_per_kwh,
        prices.vat_per_kwh,
        registered.rating_kva,
        registered.latitude,
        registered.longitude,
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
    round(((non_technical_loss_wh - {{ ninety_percent() }} * deviation_wh) / 1000.0)::numeric, 3) as non_technical_loss_low_kwh,
    round(((non_technical_loss_wh + {{ ninety_percent() }} * deviation_wh) / 1000.0)::numeric, 3) as non_technical_loss_high_kwh,
    round(100.0 * non_technical_loss_wh / nullif(energy_in_wh, 0), 2) as non_technical_loss_pct,
    currency,
    round(charge_per_kwh::numeric, 4)                     as price_per_kwh,
    {{ amount('non_technical_loss_wh', 'judged') }}       as non_technical_loss_value,
    non_technical_loss_wh >= -{{ var('implausible_loss_deviations') }} * deviation_wh - {{ rounding_wh() }} as is_plausible,
    rating_kva,
    latitude,
    longitude
from judged
