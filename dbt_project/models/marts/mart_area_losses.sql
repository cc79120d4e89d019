{{ config(
    materialized='day_view',
    days_of='mart_transformer_losses',
    date_column='loss_date',
    unique_key=['loss_date', 'area_kind', 'area_id']
) }}

-- One row per feeder and day, and one for the utility, of the days whose gate is open. A view, so that it cannot say anything else than
-- its transformers do. A meter mapped to the wrong transformer of the same feeder is right again here.
with losses as (
    select
        loss_date, transformer_id, feeder_id, connected_meters, interval_count, balanced_count, outage_count, incomplete_count,
        delivered_kwh, energy_in_kwh, metered_kwh, estimated_kwh, technical_loss_kwh, non_technical_loss_kwh, deviation_kwh,
        currency, non_technical_loss_value, is_plausible
    from {{ ref('mart_transformer_losses') }}
    where {{ is_readable('mart_transformer_losses', 'loss_date') }}
),

-- Transformers err independently of each other: their variances add up.
areas as (
    select
        loss_date,
        case when grouping(feeder_id) = 1 then 'utility' else 'feeder' end as area_kind,
        case when grouping(feeder_id) = 1 then 'all' else feeder_id end    as area_id,
        count(*)                                                           as transformer_count,
        count(*) filter (where not is_plausible)                           as implausible_count,
        sum(connected_meters)                                              as connected_meters,
        sum(interval_count)                                                as interval_count,
        sum(balanced_count)                                                as balanced_count,
        sum(outage_count)                                                  as outage_count,
        sum(incomplete_count)                                              as incomplete_count,
        sum(delivered_kwh)                                                 as delivered_kwh,
        sum(energy_in_kwh)                                                 as energy_in_kwh,
        sum(metered_kwh)                                                   as metered_kwh,
        sum(estimated_kwh)                                                 as estimated_kwh,
        sum(technical_loss_kwh)                                            as technical_loss_kwh,
        sum(non_technical_loss_kwh)                                        as non_technical_loss_kwh,
        sqrt(sum(power(deviation_kwh, 2)))                                 as deviation_kwh,
        case when count(distinct currency) = 1 then min(currency) end      as currency,
        sum(non_technical_loss_value) filter (where is_plausible)          as non_technical_loss_value
    from losses
    group by grouping sets ((loss_date, feeder_id), (loss_date))
    having grouping(feeder_id) = 1 or feeder_id is not null
)

select
    loss_date,
    area_kind,
    area_id,
    transformer_count::integer            as transformer_count,
    implausible_count::integer            as implausible_count,
    connected_meters::integer             as connected_meters,
    interval_count::integer               as interval_count,
    balanced_count::integer               as balanced_count,
    outage_count::integer                 as outage_count,
    incomplete_count::integer             as incomplete_count,
    delivered_kwh,
    energy_in_kwh,
    metered_kwh,
    estimated_kwh,
    technical_loss_kwh,
    non_technical_loss_kwh,
    round(deviation_kwh, 3)                                                        as deviation_kwh,
    round(non_technical_loss_kwh - {{ ninety_percent() }} * deviation_kwh, 3)                       as non_technical_loss_low_kwh,
    round(non_technical_loss_kwh + {{ ninety_percent() }} * deviation_kwh, 3)                       as non_technical_loss_high_kwh,
    round(100 * non_technical_loss_kwh / nullif(energy_in_kwh, 0), 2)              as non_technical_loss_pct,
    currency,
    case when currency is not null then non_technical_loss_value end               as non_technical_loss_value
from areas
