{{ config(meta={'dagster': {'ref': {'name': 'mart_load_profile'}}}) }}

with profiles as (
    select reading_date, sum(total_kwh) * 1000 as total_wh
    from {{ ref('mart_load_profile') }}
    where {{ in_window('reading_date') }}
    group by reading_date
),

meters as (
    select reading_date, sum(total_wh) as total_wh
    from {{ ref('int_consumption_features') }}
    where {{ in_window('reading_date') }} and interval_minutes <= 60
    group by reading_date
)

select reading_date, profiles.total_wh as profile_wh, meters.total_wh as meter_wh
from profiles
full join meters using (reading_date)
where coalesce(profiles.total_wh, 0) <> coalesce(meters.total_wh, 0)
