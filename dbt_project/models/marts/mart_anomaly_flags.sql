{{ config(date_column='reading_date', unique_key=['reading_date', 'meter_id', 'reading_at']) }}

-- The flagged readings alone, with what was expected and what kind of departure it is.
with flagged as (
    select reading_date, meter_id, reading_at, accepted_wh, expected_wh, anomaly_score, anomaly_type, model_version
    from {{ source('ml', 'anomaly_scores') }}
    where {{ in_window('reading_date') }}
      and is_anomaly
),

areas as (
    select * from {{ areas_of_meters() }} as known
)

select
    reading_date,
    meter_id,
    reading_at,
    round(accepted_wh / 1000.0, 3)                                       as consumption_kwh,
    round((expected_wh / 1000.0)::numeric, 3)                            as expected_kwh,
    round((accepted_wh / nullif(expected_wh, 0))::numeric, 3)            as deviation_ratio,
    anomaly_score::numeric                                               as anomaly_score,
    anomaly_type,
    model_version,
    areas.customer_class,
    areas.transformer_id,
    areas.feeder_id,
    -- Told on one reading of the meter's day alone, so that a list of such days is read, not made anew from all readings at each look.
    case
        when row_number() over (partition by reading_date, meter_id order by anomaly_score desc, reading_at) = 1
            then (count(*) over (partition by reading_date, meter_id))::integer
    end                                                                  as meter_day_flags
from flagged
left join areas using (reading_date, meter_id)
