{# Days that this run rewrites. #}
{% macro in_window(column) -%}
  {{ column }} >= date '{{ var("window_start") }}' and {{ column }} < date '{{ var("window_end") }}'
{%- endmacro %}

{# Instant at which a local day starts. #}
{% macro day_starts_at(day) -%}
  (({{ day }})::timestamp at time zone '{{ var("timezone") }}')
{%- endmacro %}

{# Minutes of a local day: 1,440, and an hour less or more where clocks change. #}
{% macro day_minutes(day) -%}
  (extract(epoch from {{ day_starts_at(day ~ " + 1") }} - {{ day_starts_at(day) }})::integer / 60)
{%- endmacro %}

{# Intervals of a local day: 46 to 50 half-hours. A daily reading is one, however long the day is. #}
{% macro day_intervals(day, interval_minutes) -%}
  (case when {{ interval_minutes }} >= 1440 then 1 else ceil({{ day_minutes(day) }}::numeric / {{ interval_minutes }}) end)
{%- endmacro %}
