{# Number of the slot of a transformer's day (`days`: starts_at, interval_minutes) that an instant falls in. #}
{% macro slot_of(instant, days) -%}
  (floor(extract(epoch from {{ instant }} - {{ days }}.starts_at) / 60 / {{ days }}.interval_minutes)::integer)
{%- endmacro %}

{# Minutes that a reading covers: a daily one covers the day, of 23 to 25 hours. #}
{% macro whole_day(interval_minutes, day_minutes) -%}
  (case when {{ interval_minutes }} >= 1440 then {{ day_minutes }} else {{ interval_minutes }} end)
{%- endmacro %}

{#
  Energy that a distribution transformer itself turns to heat in an interval, in Wh:
      no-load loss · t  +  load loss · (S / rated S)² · t,   S = energy / t / power factor
  (IEC 60076-1; the load is taken as steady through the interval and the winding losses at rated current as nameplate).
  Where the register has no ratings it is a share of the energy: an assumption, and the row says so.
#}
{% macro technical_loss_wh(energy_wh, minutes, rating_kva, no_load_loss_w, load_loss_w) -%}
  (case
    when {{ rating_kva }} > 0 and {{ no_load_loss_w }} is not null and {{ load_loss_w }} is not null
    then round(
      ({{ no_load_loss_w }} + {{ load_loss_w }} * power(
        {{ energy_wh }} / 1000.0 / ({{ minutes }} / 60.0) / {{ var('power_factor') }} / nullif({{ rating_kva }}, 0), 2
      )) * {{ minutes }} / 60.0
    )
    else round({{ energy_wh }} * {{ var('technical_loss_share') }})
  end)::bigint
{%- endmacro %}

{#
  Standard deviation of a day's non-technical loss, in Wh, from what meters of a class may err by: a class is a limit, its
  error taken as evenly spread within it (limit / √3; JCGM 100:2008, 4.3.7), one error per meter and day, meters
  independent; `uncertain_wh`, what the technical loss may be off by; what was estimated, to a share of itself.
#}
{% macro loss_deviation_wh(energy_in_wh, sum_of_squares_wh2, uncertain_wh, estimated_wh) -%}
  sqrt(
    power({{ energy_in_wh }} * {{ var('transformer_meter_class_pct') }} / 100.0 / sqrt(3.0), 2)
    + {{ sum_of_squares_wh2 }} * power({{ var('meter_class_pct') }} / 100.0 / sqrt(3.0), 2)
    + power({{ uncertain_wh }}, 2)
    + power({{ estimated_wh }} * {{ var('estimate_error_share') }}, 2)
  )
{%- endmacro %}

{#
  By how much the technical loss of a day (`days`) may be off, in Wh, one standard deviation. With ratings (`registered`) the
  no-load part is known, and the part that goes with the load is as uncertain as the square of the power factor, which is known to
  within `power_factor_error`; without them it is assumed as a whole, and may be off by a share of itself.
#}
{% macro uncertain_loss_wh(days, registered) -%}
  (case {{ days }}.technical_loss_basis
    when 'ratings' then ({{ days }}.technical_loss_wh - {{ registered }}.no_load_loss_w * {{ days }}.balanced_minutes / 60.0)
      * 2.0 * {{ var('power_factor_error') }} / {{ var('power_factor') }} / sqrt(3.0)
    else {{ days }}.technical_loss_wh * {{ var('assumed_loss_error_share') }}
  end)
{%- endmacro %}

{# What rounding of deliveries to a Wh or ten can amount to in a transformer's day. #}
{% macro rounding_wh() -%} 500 {%- endmacro %}
