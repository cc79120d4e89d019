{{ config(meta={'dagster': {'ref': {'name': 'tariffs'}}}) }}

select earlier.tariff_code, earlier.valid_from, earlier.valid_to, later.valid_from as also_valid_from
from {{ ref('tariffs') }} as earlier
join {{ ref('tariffs') }} as later
  on later.tariff_code = earlier.tariff_code
 and later.valid_from > earlier.valid_from
 and (earlier.valid_to is null or later.valid_from <= earlier.valid_to)

union all

select tariff_code, valid_from, valid_to, null
from {{ ref('tariffs') }}
where valid_to < valid_from
