{#
  What energy costs: the one place where money is computed, on the terms of the seeds `tariffs` and `tariff_tiers`.

  - Amounts are exact (numeric) until they are stated; then they are rounded once, half up, to the currency's minor unit. Of a bill the charge
    and the total are rounded and the tax is their difference, so that the parts add up.
  - A tier holds what lies above its from_kwh up to and including its to_kwh; energy is not rounded to whole kWh before.
  - Fixed fees are left out: nobody loses them with a kWh.
  - Energy whose tariff is unknown, or not in force on its day, has no price, nor has negative energy. Amounts that such energy is part of
    are null: unknown, which is better than too small.

  `monthly_bills`, `lost_values` and `mean_prices` return a query in parentheses, to be selected from. What they read, `daily`, is a relation
  or CTE of one row per `by` and day with reading_date, tariff_code (null: the variable `default_tariff`) and energy_wh; `by` lists columns.
#}

{#
  Bills: one row per `by` × month_date, with currency, currency_decimals, energy_wh, energy_charge, vat, total.

  `wh` is what to bill of a row, an expression in watt-hours. Where the days of a month stand on different terms, because the tariff or the
  meter's tariff_code changed, each terms' limits hold in proportion to its share of the month's days, as utilities prorate slices.
  A month in progress is billed as if nothing more were drawn in it.
#}
{% macro monthly_bills(daily, by, wh='energy_wh') -%}
(
    with metered as (
        select {{ listed(by) }}, reading_date, {{ tariff_of('tariff_code') }} as tariff_code, {{ wh }} as energy_wh
        from {{ daily }}
    ),

    parts as (
        select
            {{ listed(by, 'metered') }},
            date_trunc('month', metered.reading_date)::date as month_date,
            metered.tariff_code,
            min(metered.reading_date)                       as priced_on,
            count(*)                                        as day_count,
            sum(metered.energy_wh)::bigint                  as energy_wh
        from metered
        left join {{ ref('tariffs') }} as terms
          on terms.tariff_code = metered.tariff_code
         and {{ in_force('terms', 'metered.reading_date') }}
        group by {{ listed(by, 'metered') }}, month_date, metered.tariff_code, terms.valid_from
    ),

    shares as (
        select *, day_count / sum(day_count) over (partition by {{ listed(by) }}, month_date) as months
        from parts
    ),

    charged as (
        select
            {{ listed(by, 'shares') }},
            shares.month_date,
            shares.energy_wh,
            tier.currency,
            tier.currency_decimals,
            {{ energy_charge('tier', kwh('shares.energy_wh'), 'shares.months') }} as energy_charge,
            {{ vat('tier', kwh('shares.energy_wh'), 'shares.months') }}           as vat
        from shares
        left join {{ priced_tiers() }} as tier
          on {{ is_tier_of('tier', 'shares.tariff_code', 'shares.priced_on', kwh('shares.energy_wh'), 'shares.months') }}
    ),

    summed as (
        select
            {{ listed(by) }},
            month_date,
            min(currency)          as currency,
            min(currency_decimals) as currency_decimals,
            sum(energy_wh)::bigint as energy_wh,
            count(energy_charge) = count(*) and min(currency) = max(currency) as is_priced,
            sum(energy_charge)     as energy_charge,
            sum(vat)               as vat
        from charged
        group by {{ listed(by) }}, month_date
    )

    select
        {{ listed(by) }},
        month_date,
        currency,
        currency_decimals,
        energy_wh,
        case when is_priced then round(energy_charge, currency_decimals) end       as energy_charge,
        case when is_priced then round(energy_charge + vat, currency_decimals) - round(energy_charge, currency_decimals) end as vat,
        case when is_priced then round(energy_charge + vat, currency_decimals) end as total
    from summed
)
{%- endmacro %}

{#
  What lost energy would have cost: the bill of what was metered and lost, less the bill of what was metered. One row per `by` × month_date, with
  currency, energy_wh (metered), lost_wh, lost_charge, lost_vat, lost_total.

  The marginal value of a theft case. It is no price times a quantity: stolen energy may lift the whole month into a dearer tier, or past the
  limit of the tax, and both are lost with it. lost_charge is the utility's own, lost_vat what it would have passed on to the state.
  `daily` has lost_wh too (null: nothing lost).
#}
{% macro lost_values(daily, by) -%}
(
    with metered as (
        select * from {{ monthly_bills(daily, by) }} as bills
    ),

    whole as (
        select * from {{ monthly_bills(daily, by, wh='energy_wh + coalesce(lost_wh, 0)') }} as bills
    )

    select
        {{ listed(by) }},
        month_date,
        whole.currency,
        metered.energy_wh,
        whole.energy_wh - metered.energy_wh         as lost_wh,
        whole.energy_charge - metered.energy_charge as lost_charge,
        whole.vat - metered.vat                     as lost_vat,
        whole.total - metered.total                 as lost_total
    from metered
    join whole using ({{ listed(by) }}, month_date)
)
{%- endmacro %}

{#
  What a kWh costs in an area: the value of energy that is lost there and is on nobody's bill. One row per `by` × reading_date of the run's
  window, with currency, currency_decimals, billed_meters, charge_per_kwh and vat_per_kwh, which are not rounded: `amount` rounds.

  Method: each meter's energy over the trailing `price_days()` days is billed as a month, on the terms of the day; the area's price is the sum of these
  bills over the sum of their energy. A meter with fewer days has limits in proportion to them.
  - Why the mean, not the marginal price: who takes the energy is unknown. A customer who bypasses a meter would pay the dearest tier that he reaches,
    a hook without a meter would start in the cheapest; the mean of the bills around them lies between.
  - Why trailing days, not the month to date: in the first days of a month every customer stands in the cheapest tier, so the same loss would
    be worth less on the 2nd than on the 28th.
  - It depends on the days' content alone, not on the order in which they came: the caller's `daily` holds the window and `price_days() - 1` days before it
    (`looking_back`, and the same number in the model's `lookback_days`), so late days restate it.
  Where the meters of an area drew nothing at all, the price is that of the first kWh.
  `daily` has one row per `by`, `meter` and day; a meter counts on the days of which it has a row.
#}
{% macro mean_prices(daily, by, meter='meter_id') -%}
(
    with metered as (
        select {{ listed(by) }}, {{ meter }}, reading_date, {{ tariff_of('tariff_code') }} as tariff_code, energy_wh
        from {{ daily }}
    ),

    trailing_days as (
        select
            {{ listed(by) }},
            reading_date,
            tariff_code,
            (sum(energy_wh) over days)::bigint         as energy_wh,
            count(*) over days / {{ price_days() }}.0 as months
        from metered
        window days as (
            partition by {{ listed(by) }}, {{ meter }}, tariff_code
            order by reading_date range between interval '{{ price_days() - 1 }} days' preceding and current row
        )
    ),

    charged as (
        select
            {{ listed(by, 'trailing_days') }},
            trailing_days.reading_date,
            trailing_days.energy_wh,
            tier.currency,
            tier.currency_decimals,
            tier.price_per_kwh,
            {{ energy_charge('tier', kwh('trailing_days.energy_wh'), 'trailing_days.months') }} as energy_charge,
            {{ vat('tier', kwh('trailing_days.energy_wh'), 'trailing_days.months') }}           as vat
        from trailing_days
        join {{ priced_tiers() }} as tier
          on {{ is_tier_of('tier', 'trailing_days.tariff_code', 'trailing_days.reading_date', kwh('trailing_days.energy_wh'), 'trailing_days.months') }}
        where {{ in_window('trailing_days.reading_date') }}
    )

    select
        {{ listed(by) }},
        reading_date,
        min(currency)           as currency,
        min(currency_decimals)  as currency_decimals,
        count(*)::integer       as billed_meters,
        coalesce(sum(energy_charge) / nullif({{ kwh('sum(energy_wh)') }}, 0), avg(price_per_kwh)) as charge_per_kwh,
        coalesce(sum(vat) / nullif({{ kwh('sum(energy_wh)') }}, 0), 0)                            as vat_per_kwh
    from charged
    group by {{ listed(by) }}, reading_date
    -- Francs and dollars have no mean.
    having min(currency) = max(currency)
)
{%- endmacro %}

{# Days that `mean_prices` bills as a month. #}
{% macro price_days() -%}
  {{ return(30) }}
{%- endmacro %}

{# What `wh` watt-hours are worth at a row of `mean_prices`, stated in the currency's minor unit; with tax where `with_vat`. #}
{% macro amount(wh, prices, with_vat=false) -%}
  round({{ kwh(wh) }} * ({{ prices }}.charge_per_kwh{% if with_vat %} + {{ prices }}.vat_per_kwh{% endif %}), {{ prices }}.currency_decimals)
{%- endmacro %}

{#
  Each tier with the terms of its tariff, and what is needed to price a month by the one tier that its energy falls in: charge_below, what the tiers below it
  cost, and untaxed_charge, what the energy that no tax is due on costs where tiers are progressive.
#}
{% macro priced_tiers() -%}
(
    select
        tariff_code,
        valid_from,
        terms.valid_to,
        terms.currency,
        terms.currency_decimals,
        terms.tier_rule,
        terms.vat_pct,
        terms.vat_from_kwh,
        terms.vat_rule,
        tiers.from_kwh,
        tiers.to_kwh,
        tiers.price_per_kwh,
        coalesce(sum((tiers.to_kwh - tiers.from_kwh) * tiers.price_per_kwh) over below, 0) as charge_below,
        sum(greatest(least(tiers.to_kwh, terms.vat_from_kwh) - tiers.from_kwh, 0) * tiers.price_per_kwh) over (
            partition by tariff_code, valid_from
        ) as untaxed_charge
    from {{ ref('tariffs') }} as terms
    join {{ ref('tariff_tiers') }} as tiers using (tariff_code, valid_from)
    window below as (partition by tariff_code, valid_from order by tiers.tier rows between unbounded preceding and 1 preceding)
)
{%- endmacro %}

{# Whether the month's energy falls in the tier. `months` is the share of a month that it was drawn in: limits are a month's. #}
{% macro is_tier_of(tier, tariff_code, day, kwh, months) -%}
  {{ tier }}.tariff_code = {{ tariff_code }}
  and {{ in_force(tier, day) }}
  and ({{ kwh }} > {{ tier }}.from_kwh * {{ months }} or ({{ kwh }} = 0 and {{ tier }}.from_kwh = 0))
  and ({{ tier }}.to_kwh is null or {{ kwh }} <= {{ tier }}.to_kwh * {{ months }})
{%- endmacro %}

{# Exact charge for the energy, without tax; `tier` is the one that it falls in. #}
{% macro energy_charge(tier, kwh, months) -%}
  (case {{ tier }}.tier_rule
      when 'whole_at_tier' then {{ kwh }} * {{ tier }}.price_per_kwh
      when 'progressive' then {{ tier }}.charge_below * {{ months }} + ({{ kwh }} - {{ tier }}.from_kwh * {{ months }}) * {{ tier }}.price_per_kwh
  end)
{%- endmacro %}

{# Exact value-added tax on it. #}
{% macro vat(tier, kwh, months) -%}
  (case
      when {{ kwh }} <= {{ tier }}.vat_from_kwh * {{ months }} then 0
      when {{ tier }}.vat_rule = 'all_energy' then {{ energy_charge(tier, kwh, months) }}
      when {{ tier }}.tier_rule = 'whole_at_tier' then ({{ kwh }} - {{ tier }}.vat_from_kwh * {{ months }}) * {{ tier }}.price_per_kwh
      when {{ tier }}.tier_rule = 'progressive' then {{ energy_charge(tier, kwh, months) }} - {{ tier }}.untaxed_charge * {{ months }}
  end * {{ tier }}.vat_pct / 100)
{%- endmacro %}

{% macro in_force(terms, day) -%}
  ({{ terms }}.valid_from <= {{ day }} and ({{ terms }}.valid_to is null or {{ terms }}.valid_to >= {{ day }}))
{%- endmacro %}

{# The tariff of a row of the register, or the one that holds where it names none. #}
{% macro tariff_of(tariff_code) -%}
  coalesce({{ tariff_code }}, {{ dbt.string_literal(dbt.escape_single_quotes(var("default_tariff"))) }})
{%- endmacro %}

{# Exact: a product of integers and 0.001. #}
{% macro kwh(wh) -%}
  (({{ wh }}) * 0.001)
{%- endmacro %}

{% macro listed(columns, relation=none) -%}
  {% for column in columns %}{% if relation %}{{ relation }}.{% endif %}{{ adapter.quote(column) }}{{ ', ' if not loop.last }}{% endfor %}
{%- endmacro %}
