{{ config(meta={'dagster': {'ref': {'name': 'tariffs'}}}) }}

with terms as (
    select tariff_code, valid_from from {{ ref('tariffs') }}
),

tiers as (
    select distinct tariff_code, valid_from from {{ ref('tariff_tiers') }}
)

(select * from terms except select * from tiers)
union all
(select * from tiers except select * from terms)
