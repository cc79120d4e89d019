{# Number of the slot of a transformer's day (`days`: starts_at, interval_minutes) that an instant falls in. #}
{% macro slot_of(instant, days) -%}
  (floor({{ seconds_between(days ~ '.starts_at', instant) }} / 60 / {{ days }}.interval_minutes)::integer)
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
  {%- set load_share = energy_wh ~ ' / 1000.0 / (' ~ minutes ~ ' / 60.0) / ' ~ var('power_factor') ~ ' / nullif(' ~ rating_kva ~ ', 0)' -%}
  (case
    when {{ rating_kva }} > 0 and {{ no_load_loss_w }} is not null and {{ load_loss_w }} is not null
    then {{ whole_wh('(' ~ no_load_loss_w ~ ' + ' ~ load_loss_w ~ ' * power(' ~ load_share ~ ', 2)) * ' ~ minutes ~ ' / 60.0') }}
    else {{ whole_wh(energy_wh ~ ' * ' ~ var('technical_loss_share')) }}
  end)
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
  within `power_factor_error`; without them it is fitted or assumed as a whole, and may be off by a share of itself.
#}
{% macro uncertain_loss_wh(days, registered) -%}
  (case {{ days }}.technical_loss_basis
    when 'ratings' then ({{ days }}.technical_loss_wh - {{ registered }}.no_load_loss_w * {{ days }}.balanced_minutes / 60.0)
      * 2.0 * {{ var('power_factor_error') }} / {{ var('power_factor') }} / sqrt(3.0)
    when 'fitted' then {{ days }}.technical_loss_wh * {{ var('fitted_loss_error_share') }}
    else {{ days }}.technical_loss_wh * {{ var('assumed_loss_error_share') }}
  end)
{%- endmacro %}

{# Days that the losses of a transformer without ratings are fitted on: four whole weeks; and the fewest that are enough. #}
{% macro loss_fit_days() %}{{ return(28) }}{% endmacro %}
{% macro least_loss_fit_days() %}{{ return(14) }}{% endmacro %}

{#
  No-load loss in W and load loss in W per W² of transformers without ratings, from `relation` (reading_date, transformer_id, past_date,
  load_w, loss_w: what came in and was not metered), a row for each day and transformer with days enough:
      loss ≈ P0 + k · load²,   P0, k ≥ 0
  fitted to the lower edge of what was not metered (the lowest tenth, in eight classes of load), for what is stolen comes on top of what the
  transformer loses, and is not taken at all hours. What is taken at all hours alike is mistaken for P0. Least squares of eight
  points; where one coefficient would be below nothing, of the other alone.
#}
{% macro fitted_losses(relation) -%}
  (
    select
        reading_date,
        transformer_id,
        case when slope <= 0 then mean_w when base_w <= 0 then 0 else base_w end        as no_load_loss_w,
        case when slope <= 0 then 0 when base_w <= 0 then through_origin else slope end as load_loss_per_w
    from (
        select
            reading_date,
            transformer_id,
            regr_slope(edge_w, squared_w2 order by class)                                    as slope,
            regr_intercept(edge_w, squared_w2 order by class)                                as base_w,
            avg(edge_w order by class)                                                       as mean_w,
            sum(edge_w * squared_w2 order by class) / nullif(sum(squared_w2 * squared_w2 order by class), 0) as through_origin
        from (
            select
                reading_date,
                transformer_id,
                class,
                avg(load_w * load_w)::double precision                                        as squared_w2,
                greatest(percentile_cont(0.1) within group (order by loss_w::double precision), 0) as edge_w
            from (
                select
                    reading_date, transformer_id, load_w, loss_w,
                    ntile(8) over (partition by reading_date, transformer_id order by load_w, loss_w) as class
                from {{ relation }}
            ) as classed
            group by reading_date, transformer_id, class
        ) as edges
        group by reading_date, transformer_id
    ) as lines
    join (
        select reading_date, transformer_id
        from {{ relation }}
        group by reading_date, transformer_id
        having count(distinct past_date) >= {{ least_loss_fit_days() }}
    ) as known using (reading_date, transformer_id)
    where slope is not null
  )
{%- endmacro %}

{# What rounding of deliveries to a Wh or ten can amount to in a transformer's day. #}
{% macro rounding_wh() -%} 500 {%- endmacro %}
