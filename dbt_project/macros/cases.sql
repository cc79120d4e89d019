{#
  Terms of theft cases: for how long a subject is left alone, and what a visit brings back.
#}

{#
  Days after a visit for which no case of its subject is worth another one, by what was found; what begins after the visit ends its rest. What a crew mended looks
  like a change for as long as evidence looks back, sixteen weeks.
#}
{% macro rest_days(outcome) -%}
  (case {{ outcome }} when 'theft' then 120 when 'clean' then 180 when 'faulty_meter' then 120 when 'no_access' then 7 end)
{%- endmacro %}

{# Days by which an onset may be off: evidence that begins later than this after a visit is new. #}
{% macro onset_error_days() -%}
  7
{%- endmacro %}

{# Days for which a decision without an end of its own holds. #}
{% macro decision_days(event) -%}
  (case {{ event }} when 'snoozed' then 14 when 'dismissed' then 90 end)
{%- endmacro %}

{# State of a case after a visit; a locked gate leaves it as open as it was. #}
{% macro state_after(outcome) -%}
  (case {{ outcome }} when 'theft' then 'confirmed' when 'clean' then 'cleared' when 'faulty_meter' then 'faulty_meter' when 'no_access' then 'open' end)
{%- endmacro %}

{# States that a case has no way out of: its subject's next case is another one. #}
{% macro ended_states() -%}
  ('confirmed', 'cleared', 'faulty_meter', 'dismissed', 'lapsed')
{%- endmacro %}

{# Days without evidence after which a case that nobody visited ends. #}
{% macro lapse_days() -%}
  14
{%- endmacro %}

{# Days before the day in turn on which evidence is looked for: what must hold on three of five. #}
{% macro case_lookback_days() -%}
  {{ return(4) }}
{%- endmacro %}

{# Share of a transformer's energy below which what nobody explains is no case: its own loss is not known better. #}
{% macro least_unexplained_share() -%}
  0.03
{%- endmacro %}

{# Share of itself by which a loss that nobody explains is off, one standard deviation: benchmarks/DETECTION.md finds half of the truth. #}
{% macro unexplained_error_share() -%}
  0.5
{%- endmacro %}

{# Probability from which on a case is worth a visit that nobody else needs, though nothing tells how much energy it hides: more likely than not. #}
{% macro likely_without_energy() -%}
  0.5
{%- endmacro %}

{# Visits that walking along a transformer's lines takes. #}
{% macro visits_of_transformer() -%}
  4
{%- endmacro %}

{# Days of a theft of which the beginning is not known: the weeks over which its energy is known. #}
{% macro days_without_onset() -%}
  28
{%- endmacro %}

{#
  Energy that a visit brings, in kWh: what was hidden since the onset and may still be billed, and what a mended meter counts from now on.
#}
{% macro recoverable_kwh(kwh_per_day, onset, day) -%}
  ({{ kwh_per_day }} * (
    least(coalesce({{ day }} - {{ onset }} + 1, {{ days_without_onset() }}), {{ var('back_billed_days') }}) + {{ var('mended_days') }}
  ))
{%- endmacro %}

{#
  Probability that a normal quantity is above zero, by the logistic approximation of Bowling et al., "A logistic approximation to the
  cumulative normal distribution" (Journal of Industrial Engineering and Management 2(1), 2009): within 0.0002. Postgres before 16 has no erf.
#}
{% macro probability_above_zero(mean, deviation) -%}
  (1 / (1 + exp(-least(greatest(
    1.5976 * {{ mean }} / {{ deviation }} + 0.07056 * power({{ mean }} / {{ deviation }}, 3), -40), 40))))
{%- endmacro %}

{# What a visit costs, in the currency of the customer's tariff; null where nobody said. #}
{% macro visit_cost(currency) -%}
  (case {{ currency }} {% for name, cost in var('visit_costs').items() %}when {{ dbt.string_literal(dbt.escape_single_quotes(name)) }} then {{ cost }} {% endfor %}end)::numeric
{%- endmacro %}
