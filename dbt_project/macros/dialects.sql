{#
  What Postgres and ClickHouse say differently. Models and macros call these and hold one logic for both.

  What belongs here: one thing said in two dialects, with the same result. What does not: what a model means.
  ClickHouse's side relies on the settings of its target in profiles.yml: outer joins and empty sums give null, casts keep it.
#}

{# Seconds from one instant to another, with fractions. Postgres' extract counts in numeric, which is slower. #}
{% macro seconds_between(since, until) -%}{{ return(adapter.dispatch('seconds_between')(since, until)) }}{%- endmacro %}
{% macro postgres__seconds_between(since, until) -%}
date_part('epoch', {{ until }} - {{ since }})
{%- endmacro %}
{% macro clickhouse__seconds_between(since, until) -%}
(dateDiff('microsecond', {{ since }}, {{ until }}) / 1000000)
{%- endmacro %}

{# Whole minutes from one instant to a later one. #}
{% macro minutes_between(since, until) -%}{{ return(adapter.dispatch('minutes_between')(since, until)) }}{%- endmacro %}
{% macro postgres__minutes_between(since, until) -%}
(extract(epoch from {{ until }} - {{ since }})::integer / 60)
{%- endmacro %}
{% macro clickhouse__minutes_between(since, until) -%}
intDiv(dateDiff('second', {{ since }}, {{ until }}), 60)
{%- endmacro %}

{# Seconds since 1970, whole. #}
{% macro epoch_seconds(instant) -%}{{ return(adapter.dispatch('epoch_seconds')(instant)) }}{%- endmacro %}
{% macro postgres__epoch_seconds(instant) -%}
date_part('epoch', {{ instant }})::bigint
{%- endmacro %}
{% macro clickhouse__epoch_seconds(instant) -%}
toInt64(roundBankers(toUnixTimestamp64Micro({{ instant }}) / 1000000))
{%- endmacro %}

{# The instant so many minutes after another. #}
{% macro minutes_after(instant, minutes) -%}{{ return(adapter.dispatch('minutes_after')(instant, minutes)) }}{%- endmacro %}
{% macro postgres__minutes_after(instant, minutes) -%}
{{ instant }} + {{ minutes }} * interval '1 minute'
{%- endmacro %}
{% macro clickhouse__minutes_after(instant, minutes) -%}
addMinutes({{ instant }}, {{ minutes }})
{%- endmacro %}

{# Hour of the local clock, 0 to 23. #}
{% macro local_hour(instant) -%}{{ return(adapter.dispatch('local_hour')(instant)) }}{%- endmacro %}
{% macro postgres__local_hour(instant) -%}
extract(hour from {{ instant }} at time zone '{{ var("timezone") }}')::smallint
{%- endmacro %}
{% macro clickhouse__local_hour(instant) -%}
toHour({{ instant }}, '{{ var("timezone") }}')::smallint
{%- endmacro %}

{# An argument of lag and lead. Beyond the window ClickHouse gives its type's default, and null only where the type has it. #}
{% macro or_null(value) -%}{{ return(adapter.dispatch('or_null')(value)) }}{%- endmacro %}
{% macro postgres__or_null(value) -%}
{{ value }}
{%- endmacro %}
{% macro clickhouse__or_null(value) -%}
toNullable({{ value }})
{%- endmacro %}

{# Aggregate: the most frequent value, of several the least. #}
{% macro most_frequent(value) -%}{{ return(adapter.dispatch('most_frequent')(value)) }}{%- endmacro %}
{% macro postgres__most_frequent(value) -%}
mode() within group (order by {{ value }})
{%- endmacro %}
{% macro clickhouse__most_frequent(value) -%}
{%- set counted = 'sumMap([assumeNotNull(' ~ value ~ ')], [toInt64(1)]) filter (where ' ~ value ~ ' is not null)' -%}
arraySort((value, times) -> (-times, value), ({{ counted }}).1, ({{ counted }}).2)[1]
{%- endmacro %}

{# Aggregate: the first value in order that so great a share of all values does not exceed; none is interpolated. #}
{% macro discrete_percentile(share, value) -%}{{ return(adapter.dispatch('discrete_percentile')(share, value)) }}{%- endmacro %}
{% macro postgres__discrete_percentile(share, value) -%}
percentile_disc({{ share }}) within group (order by {{ value }})
{%- endmacro %}
{% macro clickhouse__discrete_percentile(share, value) -%}
arraySort(groupArray({{ value }}))[greatest(toInt64(ceil({{ share }} * count({{ value }}))), 1)]
{%- endmacro %}

{# How often a whole number goes into another, neither below nothing. #}
{% macro whole_quotient(dividend, divisor) -%}{{ return(adapter.dispatch('whole_quotient')(dividend, divisor)) }}{%- endmacro %}
{% macro postgres__whole_quotient(dividend, divisor) -%}
{{ dividend }} / {{ divisor }}
{%- endmacro %}
{% macro clickhouse__whole_quotient(dividend, divisor) -%}
intDiv({{ dividend }}, {{ divisor }})
{%- endmacro %}

{# Aggregate: the values as an array, nulls among them, in the order of `place`. #}
{% macro array_in_order(value, place) -%}{{ return(adapter.dispatch('array_in_order')(value, place)) }}{%- endmacro %}
{% macro postgres__array_in_order(value, place) -%}
array_agg({{ value }} order by {{ place }})
{%- endmacro %}
{% macro clickhouse__array_in_order(value, place) -%}
arrayMap(placed -> placed.2, arraySort(placed -> placed.1, groupArray(({{ place }}, {{ value }}))))
{%- endmacro %}

{# A quotient of whole numbers, exact until it is rounded, halves away from zero. #}
{% macro quotient(dividend, divisor, digits) -%}{{ return(adapter.dispatch('quotient')(dividend, divisor, digits)) }}{%- endmacro %}
{% macro postgres__quotient(dividend, divisor, digits) -%}
round({{ dividend }} / {{ divisor }}::numeric, {{ digits }})
{%- endmacro %}
{% macro clickhouse__quotient(dividend, divisor, digits) -%}
round(toDecimal128({{ dividend }}, {{ digits + 6 }}) / {{ divisor }}, {{ digits }})
{%- endmacro %}

{# Aggregate: the mean of whole numbers, rounded. #}
{% macro rounded_mean(value, digits) -%}{{ return(adapter.dispatch('rounded_mean')(value, digits)) }}{%- endmacro %}
{% macro postgres__rounded_mean(value, digits) -%}
round(avg({{ value }}), {{ digits }})
{%- endmacro %}
{% macro clickhouse__rounded_mean(value, digits) -%}
{{ quotient('sum(' ~ value ~ ')', 'greatest(count(' ~ value ~ '), 1)', digits) }}
{%- endmacro %}

{#
  Aggregate: the sample standard deviation of whole numbers, rounded; null for a single one. ClickHouse's own subtracts large squares as floats;
  here their difference is whole, and one division and one root round it.
#}
{% macro rounded_deviation(value, digits) -%}{{ return(adapter.dispatch('rounded_deviation')(value, digits)) }}{%- endmacro %}
{% macro postgres__rounded_deviation(value, digits) -%}
round(stddev_samp({{ value }}), {{ digits }})
{%- endmacro %}
{% macro clickhouse__rounded_deviation(value, digits) -%}
{%- set count, sum = 'count(' ~ value ~ ')', 'sum(toInt128(' ~ value ~ '))' -%}
{%- set squares = 'sum(toInt128(' ~ value ~ ') * ' ~ value ~ ')' -%}
case when {{ count }} > 1 then round(toDecimal128(sqrt(({{ count }} * {{ squares }} - {{ sum }} * {{ sum }}) / greatest({{ count }} * ({{ count }} - 1), 1)), {{ digits + 6 }}), {{ digits }}) end
{%- endmacro %}

{#
  A computed energy in whole Wh, halves away from zero. Postgres computes in decimals, ClickHouse in floats: what is a half but for the float's own
  error is taken for one.
#}
{% macro whole_wh(energy_wh) -%}{{ return(adapter.dispatch('whole_wh')(energy_wh)) }}{%- endmacro %}
{% macro postgres__whole_wh(energy_wh) -%}
round({{ energy_wh }})::bigint
{%- endmacro %}
{% macro clickhouse__whole_wh(energy_wh) -%}
(sign({{ energy_wh }}) * floor(round(abs({{ energy_wh }}), 9) + 0.5))::bigint
{%- endmacro %}

{# Behind the tables of a FROM: each of their rows once for each `number` from 0 to `times` - 1. #}
{% macro cross_join_numbers(number, times) -%}{{ return(adapter.dispatch('cross_join_numbers')(number, times)) }}{%- endmacro %}
{% macro postgres__cross_join_numbers(number, times) -%}
cross join lateral generate_series(0, {{ times }} - 1) as numbers ({{ number }})
{%- endmacro %}
{% macro clickhouse__cross_join_numbers(number, times) -%}
array join range(assumeNotNull({{ times }})) as {{ number }}
{%- endmacro %}
