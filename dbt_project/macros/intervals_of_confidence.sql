{# Standard deviations either side of a mean that hold 90 % of a normal quantity. #}
{% macro ninety_percent() -%}
  {{ return(1.645) }}
{%- endmacro %}

{#
  One end of the 90 % interval of a share of `hits` in `trials`: E. B. Wilson, "Probable inference, the law of succession, and statistical inference"
  (Journal of the American Statistical Association 22, 1927). `sign` is -1 for the lower end, 1 for the upper. Null without trials.
#}
{% macro wilson(hits, trials, sign) -%}
  {%- set z2 = ninety_percent() * ninety_percent() -%}
  ((({{ hits }} + {{ z2 }} / 2.0) + {{ sign }} * {{ ninety_percent() }} * sqrt({{ hits }} * ({{ trials }} - {{ hits }}) / nullif({{ trials }}, 0)::numeric + {{ z2 }} / 4.0))
    / (nullif({{ trials }}, 0) + {{ z2 }}))
{%- endmacro %}

{#
  Ratio of two shares, and with `sign` an end of its 90 % interval, half a hit added to each so that none is infinite: S. D. Walter, "The distribution of Levin's
  measure of attributable risk" (Biometrika 62, 1975); D. Katz et al., "Obtaining confidence intervals for the risk ratio in cohort studies" (Biometrics 34, 1978).
#}
{% macro ratio_of_shares(hits, trials, other_hits, other_trials, sign=0) -%}
  ((({{ hits }} + 0.5) / ({{ trials }} + 0.5)) / nullif(({{ other_hits }} + 0.5) / ({{ other_trials }} + 0.5), 0)
    * exp({{ sign }} * {{ ninety_percent() }} * sqrt(1 / ({{ hits }} + 0.5) - 1 / ({{ trials }} + 0.5) + 1 / ({{ other_hits }} + 0.5) - 1 / ({{ other_trials }} + 0.5))))
{%- endmacro %}
