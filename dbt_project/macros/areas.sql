{# Where each registered meter of the window's days is: rows (reading_date, meter_id, customer_class, transformer_id, feeder_id). #}
{% macro areas_of_meters() -%}
  (
    select
      meters.reading_date,
      meters.meter_id,
      meters.customer_class,
      meters.transformer_id,
      coalesce(transformers.feeder_id, meters.feeder_id) as feeder_id
    from {{ ref('stg_meters') }} as meters
    left join {{ ref('stg_transformers') }} as transformers using (reading_date, transformer_id)
    where {{ in_window('meters.reading_date') }}
  )
{%- endmacro %}
