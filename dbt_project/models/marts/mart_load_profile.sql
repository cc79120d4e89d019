{{ config(date_column='reading_date', unique_key=['reading_date', 'customer_class', 'day_type', 'interval_minutes', 'slot']) }}

-- One row per customer class and slot of the day: the load that a class draws through a workday, a Saturday, a Sunday.
-- Without a register of meters every meter is of class `unknown`. A daily reading has no profile.
with slots as (
    select
        profiles.reading_date,
        'unknown'::text                                            as customer_class,
        {{ day_type('profiles.reading_date') }}                    as day_type,
        profiles.interval_minutes,
        slot.number - 1                                            as slot,
        slot.wh
    from {{ ref('int_consumption_features') }} as profiles
    cross join lateral unnest(profiles.profile_wh) with ordinality as slot (wh, number)
    where {{ in_window('profiles.reading_date') }}
      and profiles.interval_minutes <= 60
      and slot.wh is not null
)

select
    reading_date,
    customer_class,
    day_type,
    interval_minutes,
    slot::smallint                                    as slot,
    (slot * interval_minutes)::smallint               as minute_of_day,
    count(*)::integer                                 as meter_count,
    round(sum(wh) / 1000.0, 3)                        as total_kwh,
    round(avg(wh) / 1000.0, 6)                        as mean_kwh,
    round(stddev_samp(wh) / 1000.0, 6)                as std_kwh,
    round(avg(wh) * 60 / interval_minutes / 1000.0, 6) as mean_kw
from slots
group by reading_date, customer_class, day_type, interval_minutes, slot
