{{ config(date_column='observation_date', unique_key=['observation_date', 'station_id', 'observed_at']) }}

-- One row per station and instant; of several deliveries the warmest counts: an order that no arrival can change.
with delivered as (
    select observation_date, station_id, observed_at, temperature_c, humidity_pct, wind_speed_kmh
    from {{ source('raw_data', 'weather_observations') }}
    where {{ in_window('observation_date') }}
)

select distinct on (observation_date, station_id, observed_at)
    observation_date,
    station_id,
    observed_at,
    temperature_c,
    humidity_pct,
    wind_speed_kmh
from delivered
order by
    observation_date, station_id, observed_at,
    temperature_c desc nulls last, humidity_pct desc nulls last, wind_speed_kmh desc nulls last
