{#
  How long a reading's interval is. Where the delivery does not state it, it is the closest spacing of the same meter's
  readings on that day that is no exception (a tenth of the spacings have it); for a meter with a single reading, that of most
  meters; a fleet of single readings is read daily.
  Inferred over the whole day and never file by file, so that no order of delivery changes it.
#}

{# CTEs over `chosen` (reading_date, `id`, reading_at, interval_minutes): own_intervals, usual_intervals. #}
{% macro interval_ctes(id) -%}
spacings as (
    select
        reading_date,
        {{ id }},
        {{ seconds_between('reading_at', 'lead(' ~ or_null('reading_at') ~ ') over (partition by reading_date, ' ~ id ~ ' order by reading_at)') }} / 60 as minutes
    from chosen
    where interval_minutes is null
),

counted_spacings as (
    select reading_date, {{ id }}, minutes, count(*) as times, sum(count(*)) over (partition by reading_date, {{ id }}) as total
    from spacings
    where minutes is not null
    group by reading_date, {{ id }}, minutes
),

own_intervals as materialized (
    select reading_date, {{ id }}, min(minutes)::smallint as interval_minutes
    from counted_spacings
    where minutes in (15, 30, 60, 1440) and times * 10 >= total
    group by reading_date, {{ id }}
),

usual_intervals as (
    select reading_date, {{ most_frequent('interval_minutes') }} as interval_minutes
    from own_intervals
    group by reading_date
)
{%- endmacro %}

{# The interval of a row of `chosen`, which is joined to both. #}
{% macro interval_minutes() -%}
coalesce(chosen.interval_minutes, own_intervals.interval_minutes, usual_intervals.interval_minutes, 1440)::smallint
{%- endmacro %}
