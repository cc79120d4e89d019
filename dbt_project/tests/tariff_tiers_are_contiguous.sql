{{ config(meta={'dagster': {'ref': {'name': 'tariff_tiers'}}}) }}

-- Each tier starts where the one before it ends, the first at 0, and only the last has no end.
with neighbours as (
    select
        tariff_code,
        valid_from,
        tier,
        from_kwh,
        to_kwh,
        row_number() over terms               as expected_tier,
        coalesce(lag(to_kwh) over terms, 0)   as expected_from_kwh,
        lead(tier) over terms is null         as is_last
    from {{ ref('tariff_tiers') }}
    window terms as (partition by tariff_code, valid_from order by tier)
)

select *
from neighbours
where tier <> expected_tier
   or from_kwh <> expected_from_kwh
   or is_last <> (to_kwh is null)
   or to_kwh <= from_kwh
