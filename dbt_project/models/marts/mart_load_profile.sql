{{ config(date_column='reading_date', unique_key=['reading_date', 'customer_class', 'day_type', 'interval_minutes', 'slot']) }}

-- One row per customer class and slot of the day: the load that a class draws through a workday, a Saturday, a Sunday.
-- A meter that no register knows is of class `unknown`. A daily reading has no profile.
with slots as (
    select
        profiles.reading_date,
        coalesce(registered.customer_class, 'unknown')             as customer_class,
        {{ day_type('profiles.reading_date') }}                    as day_type,
        profiles.interval_minutes,
        slot.number - 1                                            as slot,
        slot.wh
    from {{ ref('int_consumption_features') }} as profiles
    left join {{ ref('stg_meters') }} as registered using (reading_date, meter_id)
    cross join lateral unnest(profiles.profile_wh) with ordinality as slot (wh, number)
    where {{ in_window('profiles.reading_date') }}
      and profiles.interval_minutes <= 60
      and slot.wh is not null
),

-- All stations together: the register does not say which one is near whom.
weather as (
    select
        observation_date                                                                as reading_date,
        extract(hour from observed_at at time zone '{{ var("timezone") }}')::integer    as hour,
        avg(temperature_c)                                                              as temperature_c
    from {{ ref('stg_weather_observations') }}
    where {{ in_window('observation_date') }}
    group by 1, 2
)

select
    slots.reading_date,
    customer_class,
    day_type,
    interval_minutes,
    slot::smallint                                    as slot,
    (slot * interval_minutes)::smallint               as minute_of_day,
    count(*)::integer                                 as meter_count,
    round(sum(wh) / 1000.0, 3)                        as total_kwh,
    round(avg(wh) / 1000.0, 6)                        as mean_kwh,
    round(stddev_samp(wh) / 1000.0, 6)                as std_kwh,
    round(avg(wh) * 60 / interval_minutes / 1000.0, 6) as mean_kw,
    round(min(weather.temperature_c)::numeric, 2)     as temperature_c
from slots
left join weather on weather.reading_date = slots.reading_date and weather.hour = slot * interval_minutes / 60
group by slots.reading_date, customer_class, day_type, interval_minutes, slot
