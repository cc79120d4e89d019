{% set lookback_days = 28 %}
{{ config(
    date_column='metric_date',
    unique_key=['metric_date', 'meter_id'],
    meta={'lookback_days': {'int_readings_daily': price_days() - 1}}
) }}

-- What one table of a layer reads of another, Dagster maps in one way: mart_transformer_losses looks back a day further.
-- One row per meter and day, as an analyst reads it: kWh, peak, spread, completeness, anomalies, and how the day compares.
with daily as (
    select reading_date, meter_id, reading_count, accepted_count, expected_count, total_wh, peak_wh, peak_at, min_wh
    from {{ ref('int_readings_daily') }}
    where {{ in_window('reading_date') }}
),

-- Exact: variance over integers does not depend on the order in which they are added.
spread as (
    select features.reading_date, features.meter_id, var_samp(slot.wh) as variance_wh2
    from {{ ref('int_consumption_features') }} as features
    cross join lateral unnest(features.profile_wh) as slot (wh)
    where {{ in_window('features.reading_date') }}
    group by features.reading_date, features.meter_id
),

anomalies as (
    select
        reading_date,
        meter_id,
        count(*) filter (where is_anomaly)  as anomaly_count,
        count(anomaly_score)                as scored_count,
        sum(greatest(round(expected_wh)::bigint - accepted_wh, 0)) filter (where is_anomaly) as shortfall_wh
    from {{ source('ml', 'anomaly_scores') }}
    where {{ in_window('reading_date') }}
    group by reading_date, meter_id
),

-- Days that are missing, or whose gate is closed, read as absent: their comparisons are null.
earlier as (
    select reading_date, meter_id, total_wh
    from {{ ref('int_readings_daily') }}
    where {{ looking_back('int_readings_daily', 'reading_date', lookback_days) }}
),

areas as (
    select * from {{ areas_of_meters() }} as known
),

compared as (
    select
        daily.reading_date,
        daily.meter_id,
        max(earlier.total_wh) filter (where earlier.reading_date = daily.reading_date - 1) as day_before_wh,
        max(earlier.total_wh) filter (where earlier.reading_date = daily.reading_date - 7) as week_before_wh,
        avg(earlier.total_wh)                                                              as month_before_wh
    from daily
    join earlier
      on earlier.meter_id = daily.meter_id
     and earlier.reading_date >= daily.reading_date - {{ lookback_days }}
     and earlier.reading_date < daily.reading_date
    group by daily.reading_date, daily.meter_id
)

select
    daily.reading_date                                                        as metric_date,
    daily.meter_id,
    round(daily.total_wh / 1000.0, 3)                                         as total_kwh,
    round(daily.total_wh / 1000.0 / nullif(daily.accepted_count, 0), 6)       as mean_kwh,
    round(daily.peak_wh / 1000.0, 3)                                          as peak_kwh,
    extract(hour from daily.peak_at at time zone '{{ var("timezone") }}')::smallint as peak_hour,
    round(daily.min_wh / 1000.0, 3)                                           as min_kwh,
    round(spread.variance_wh2 / 1000000.0, 6)                                 as variance_kwh2,
    daily.reading_count,
    daily.expected_count,
    round(100.0 * daily.accepted_count / daily.expected_count, 2)             as completeness_pct,
    case when anomalies.scored_count > 0 then anomalies.anomaly_count end::integer as anomaly_count,
    round(100.0 * anomalies.anomaly_count / nullif(anomalies.scored_count, 0), 3) as anomaly_rate_pct,
    round(case when anomalies.scored_count > 0 then coalesce(anomalies.shortfall_wh, 0) end / 1000.0, 3) as loss_estimate_kwh,
    round(compared.day_before_wh / 1000.0, 3)                                 as day_before_kwh,
    {{ change_pct('daily.total_wh', 'compared.day_before_wh') }}              as day_change_pct,
    round(compared.week_before_wh / 1000.0, 3)                                as week_before_kwh,
    {{ change_pct('daily.total_wh', 'compared.week_before_wh') }}             as week_change_pct,
    round(compared.month_before_wh / 1000.0, 3)                               as month_before_kwh,
    {{ change_pct('daily.total_wh', 'compared.month_before_wh') }}            as month_change_pct,
    areas.customer_class,
    areas.transformer_id,
    areas.feeder_id
from daily
left join areas using (reading_date, meter_id)
left join spread using (reading_date, meter_id)
left join anomalies using (reading_date, meter_id)
left join compared using (reading_date, meter_id)
