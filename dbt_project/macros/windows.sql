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
