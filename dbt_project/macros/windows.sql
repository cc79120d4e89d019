{# Days that this run rewrites. #}
{% macro in_window(column) -%}
  {{ column }} >= date '{{ var("window_start") }}' and {{ column }} < date '{{ var("window_end") }}'
{%- endmacro %}

{#
  The day that a model with `in_turn` selects: its days are written one after the other, each from the one before. The materialization says which
  it is; a unit test looks at the window's first.
#}
{% macro day_in_turn() -%}
  coalesce(nullif(current_setting('energy_assets.day_in_turn', true), '')::date, date '{{ var("window_start") }}')
{%- endmacro %}

{# The window's days as rows (reading_date). #}
{% macro window_calendar() -%}
  (
    select day::date as reading_date
    from generate_series(
      date '{{ var("window_start") }}'::timestamp, date '{{ var("window_end") }}'::timestamp - interval '1 day', interval '1 day'
    ) as known (day)
  )
{%- endmacro %}

{# The window's days of `table` and so many days before it, where their gate is open. A model's config names the same number. #}
{% macro looking_back(table, column, days) -%}
  {{ column }} >= date '{{ var("window_start") }}' - {{ days }}
  and {{ column }} < date '{{ var("window_end") }}'
  and {{ is_readable(table, column) }}
{%- endmacro %}

{# Days of `table` whose gate is open: green, or accepted by a person. #}
{% macro is_readable(table, column) -%}
  {{ column }} in (
    select reading_date from {{ source('quality', 'day_states') }}
    where table_name = '{{ table }}' and state in ('green', 'accepted')
  )
{%- endmacro %}

{# Instant at which a local day starts. #}
{% macro day_starts_at(day) -%}{{ return(adapter.dispatch('day_starts_at')(day)) }}{%- endmacro %}
{% macro postgres__day_starts_at(day) -%}
  (({{ day }})::timestamp at time zone '{{ var("timezone") }}')
{%- endmacro %}
{% macro clickhouse__day_starts_at(day) -%}
  toDateTime64({{ day }}, 6, '{{ var("timezone") }}')
{%- endmacro %}

{# Minutes of a local day: 1,440, and an hour less or more where clocks change. #}
{% macro day_minutes(day) -%}
  {{ minutes_between(day_starts_at(day), day_starts_at(day ~ " + 1")) }}
{%- endmacro %}

{# Intervals of a local day: 46 to 50 half-hours. A daily reading is one, however long the day is. #}
{% macro day_intervals(day, interval_minutes) -%}
  (case when {{ interval_minutes }} >= 1440 then 1 else ceil(1.0 * {{ day_minutes(day) }} / {{ interval_minutes }}) end)
{%- endmacro %}

{# workday, saturday or sunday; public holidays are not known here. #}
{% macro day_type(day) -%}
  (case extract(isodow from {{ day }}) when 6 then 'saturday' when 7 then 'sunday' else 'workday' end)
{%- endmacro %}

{# By how much `now` differs from `before`, in per cent of `before`; null where there is nothing to compare with. #}
{% macro change_pct(now, before) -%}
  round(100.0 * ({{ now }} - {{ before }}) / nullif({{ before }}, 0), 2)
{%- endmacro %}

{# Whether an outage of one of `areas` was reported for a part of an interval; the model has the day's outages as `outages`. #}
{% macro was_off(day, areas, starts_at, minutes) -%}
  exists (
    select 1 from outages
    where outages.reading_date = {{ day }}
      and outages.area_id in ({{ areas | join(', ') }})
      and outages.off_from < {{ minutes_after(starts_at, minutes) }}
      and outages.off_until > {{ starts_at }}
  )
{%- endmacro %}

{#
  A pre-hook: Postgres plans the model without a way that it would take for the wrong reason. Days that were just written, and what a statement
  materializes, have no statistics: tens of thousands of rows are planned as one, a meter's rows as a tenth of what they are.
    nestloop   joins in loops, which take minutes: marts join whole days by their keys, hashing is never much worse there
    mergejoin  sorts the readings of a day to join them with the few meters that need a closer look
    hashagg    holds groups that it takes for few, and writes them out when they are many, though the index has the readings in their order
  ClickHouse has no such ways.
#}
{% macro planned_without(way) -%}{{ return(adapter.dispatch('planned_without')(way)) }}{%- endmacro %}
{% macro postgres__planned_without(way) -%}
  set local enable_{{ way }} = off
{%- endmacro %}
{% macro clickhouse__planned_without(way) -%}{%- endmacro %}
