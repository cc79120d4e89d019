{{ config(
    date_column='reading_date',
    unique_key=['reading_date', 'area_kind', 'area_id', 'hour'],
    meta={'lookback_days': {'load_forecast': 1}}
) }}

-- One row per area and hour that was forecast the day before: what was expected, what the same hour a week before would have said,
-- and what came. Only intervals that were fed throughout are compared: a forecast is of what would be used with supply.
with expected as (
    select
        forecast_date + 1 as reading_date, area_kind, area_id, feeder_id, starts_at, interval_minutes, method,
        forecast_wh, naive_wh, low_wh, high_wh
    from {{ source('ml', 'load_forecast') }}
    where {{ looking_back('load_forecast', 'forecast_date', 1) }} and {{ in_window('forecast_date + 1') }}
),

fed as (
    select reading_date, transformer_id as area_id, reading_at as starts_at, interval_minutes, accepted_wh
    from {{ ref('stg_transformer_readings') }}
    where {{ in_window('reading_date') }} and accepted_wh > 0
),

outages as (
    select reading_date, area_id, off_from, off_until
    from {{ ref('stg_outages') }}
    where {{ in_window('reading_date') }}
),

transformers as (
    select
        expected.*,
        case when not {{ was_off('expected.reading_date', ['expected.area_id', 'expected.feeder_id'], 'expected.starts_at', 'expected.interval_minutes') }}
            then fed.accepted_wh end as actual_wh
    from expected
    left join fed using (reading_date, area_id, starts_at, interval_minutes)
    where expected.area_kind = 'transformer'
),

-- A feeder is compared where each of its transformers is.
feeders as (
    select
        expected.reading_date, expected.area_kind, expected.area_id, expected.starts_at, expected.interval_minutes, expected.method,
        expected.forecast_wh, expected.naive_wh, expected.low_wh, expected.high_wh,
        case when count(parts.actual_wh) = count(*) then sum(parts.actual_wh)::bigint end as actual_wh
    from expected
    join transformers as parts
        on parts.reading_date = expected.reading_date
        and parts.feeder_id = expected.area_id
        and parts.starts_at >= expected.starts_at
        and parts.starts_at < expected.starts_at + expected.interval_minutes * interval '1 minute'
    where expected.area_kind = 'feeder'
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
),

areas as (
    select reading_date, area_kind, area_id, starts_at, method, forecast_wh, naive_wh, low_wh, high_wh, actual_wh from transformers
    union all
    select reading_date, area_kind, area_id, starts_at, method, forecast_wh, naive_wh, low_wh, high_wh, actual_wh from feeders
),

hours as (
    select
        reading_date,
        area_kind,
        area_id,
        extract(hour from starts_at at time zone '{{ var("timezone") }}')::smallint         as hour,
        min(method)                                                                          as method,
        count(*)                                                                             as interval_count,
        count(actual_wh)                                                                     as compared_count,
        count(*) filter (where actual_wh between low_wh and high_wh)                         as within_count,
        count(actual_wh) filter (where low_wh is not null)                                   as bounded_count,
        sum(actual_wh)                                                                       as actual_wh,
        sum(forecast_wh) filter (where actual_wh is not null)                                as forecast_wh,
        sum(naive_wh) filter (where actual_wh is not null)                                   as naive_wh
    from areas
    group by 1, 2, 3, 4
)

select
    reading_date,
    area_kind,
    area_id,
    hour,
    method,
    interval_count::smallint               as interval_count,
    compared_count::smallint               as compared_count,
    bounded_count::smallint                as bounded_count,
    within_count::smallint                 as within_count,
    round(actual_wh / 1000.0, 3)           as actual_kwh,
    round(forecast_wh / 1000.0, 3)         as forecast_kwh,
    round(naive_wh / 1000.0, 3)            as naive_kwh,
    {{ change_pct('forecast_wh', 'actual_wh') }} as error_pct,
    {{ change_pct('naive_wh', 'actual_wh') }}    as naive_error_pct
from hours
