{#
  What one reading and its own day prove against it. Rules and thresholds are ml/validation/rules.toml's; a rule that is off
  hits nothing. Only the few meter-days that `meter_days` singles out are looked at row by row.
#}

{# Codes of readings whose energy counts. #}
{% macro accepted_codes() -%}
('valid', 'fold_assumed')
{%- endmacro %}

{# Seconds by which a reading of `timed` starts after the grid of its interval's length. #}
{% macro grid_offset() -%}
mod({{ epoch_seconds('reading_at') }}, interval_minutes * 60)
{%- endmacro %}

{#
  CTE `overlapping` over `timed` and `meter_days`: readings that share time with another of their meter, and are off the grid or of
  another length than most readings of that meter and day.
#}
{% macro overlapping_ctes(rule) -%}
off_grid as (
    select
        timed.reading_date,
        timed.meter_id,
        timed.reading_at,
        timed.interval_minutes,
        {{ grid_offset() }} as grid_offset
    from timed
    join meter_days using (reading_date, meter_id)
    where meter_days.is_off_grid and {{ var(rule ~ '_enabled') }}
),

usual_grids as (
    select
        reading_date,
        meter_id,
        {{ most_frequent('interval_minutes') }} as interval_minutes,
        {{ most_frequent('grid_offset') }} as grid_offset
    from off_grid
    group by reading_date, meter_id
),

neighbours as (
    select
        *,
        lag({{ or_null(minutes_after('reading_at', 'interval_minutes')) }}) over by_meter as previous_ends_at,
        lead({{ or_null('reading_at') }}) over by_meter as next_starts_at
    from off_grid
    window by_meter as (partition by reading_date, meter_id order by reading_at)
),

overlapping as (
    select neighbours.reading_date, neighbours.meter_id, neighbours.reading_at
    from neighbours
    join usual_grids using (reading_date, meter_id)
    where (neighbours.interval_minutes, neighbours.grid_offset) <> (usual_grids.interval_minutes, usual_grids.grid_offset)
      and (
          neighbours.previous_ends_at > neighbours.reading_at
          or neighbours.next_starts_at < {{ minutes_after('neighbours.reading_at', 'neighbours.interval_minutes') }}
      )
)
{%- endmacro %}

{#
  CTEs over `timed` and `meter_days`: `large_days`, the meter-days with a reading above `least_kw`, and the power from which one of
  them is Wh taken for kWh (null where the day has too few readings to tell); `wh_days`, the meter-days that are so as a
  whole, by the class of their customers. Meters behind current transformers have no peers here.
#}
{% macro unit_ctes(rule) -%}
large_days as (
    select
        timed.reading_date,
        timed.meter_id,
        case when count(*) >= {{ var(rule ~ '_least_readings') }} then
            {{ var(rule ~ '_ratio') }} * {{ discrete_percentile(0.9, 'timed.delivered_kwh * 60 / timed.interval_minutes') }}
        else 'infinity'::double precision end as limit_kw
    from timed
    join meter_days using (reading_date, meter_id)
    where meter_days.peak_kw >= {{ var(rule ~ '_least_kw') }} and timed.delivered_kwh > 0 and {{ var(rule ~ '_enabled') }}
    group by timed.reading_date, timed.meter_id
),

class_days as (
    select reading_date, customer_class, {{ discrete_percentile(0.5, 'mean_kw') }} as median_kw
    from meter_days
    where customer_class <> 'unknown' and ct_multiplier = 1
    group by reading_date, customer_class
    having count(*) >= {{ var(rule ~ '_least_peers') }}
),

wh_days as (
    select meter_days.reading_date, meter_days.meter_id
    from meter_days
    join class_days using (reading_date, customer_class)
    where meter_days.ct_multiplier = 1
      and meter_days.mean_kw >= greatest({{ var(rule ~ '_least_kw') }}, {{ var(rule ~ '_peer_ratio') }} * class_days.median_kw)
      and class_days.median_kw > 0
      and {{ var(rule ~ '_enabled') }}
)
{%- endmacro %}
