{% set lookback_days = 14 %}
{{ config(
    date_column='reading_date',
    unique_key=['reading_date', 'area_id', 'started_at'],
    meta={'lookback_days': {'outages': lookback_days}}
) }}

-- One row per outage and local day that it touches, with the part of the day that was without supply.
-- An outage counts for so many days after the day on which it began: an end that was never delivered must not hide a
-- transformer's losses for ever.
with delivered as (
    select area_id, started_at, ended_at, kind, version
    from {{ source('raw_data', 'outages') }}
    where {{ looking_back('outages', 'outage_date', lookback_days) }}
      and (ended_at is null or ended_at > started_at)
),

-- Of several deliveries the highest version counts; else one that knows the end, and of those the longest.
chosen as (
    select distinct on (area_id, started_at) *
    from delivered
    order by area_id, started_at, version desc nulls last, ended_at desc nulls last, kind
),

days as (
    select
        reading_date,
        {{ day_starts_at('reading_date') }}       as starts_at,
        {{ day_starts_at('(reading_date + 1)') }} as ends_at
    from {{ window_calendar() }} as calendar
)

select
    days.reading_date,
    chosen.area_id,
    chosen.started_at,
    chosen.ended_at,
    chosen.kind,
    greatest(chosen.started_at, days.starts_at) as off_from,
    least(chosen.ended_at, days.ends_at)        as off_until
from days
join chosen
    on chosen.started_at < days.ends_at
   and (chosen.ended_at is null or chosen.ended_at > days.starts_at)
   and chosen.started_at >= {{ day_starts_at('(days.reading_date - ' ~ lookback_days ~ ')') }}
