{{ config(materialized='ephemeral') }}
{% set day = day_in_turn() %}

-- One row per meter or transformer that a case may be about on the day in turn: how likely, how much, what a visit would bring.
-- No table: mart_theft_cases keeps what becomes a case.
with scores as (
    select score_date, meter_id, transformer_id, theft_probability, probability_basis, onset_date, stolen_kwh_per_day, stolen_kwh_low, stolen_kwh_high, reason_en, reason_fr
    from {{ source('ml', 'theft_scores') }}
    where score_date between {{ day }} - {{ case_lookback_days() }} and {{ day }} and {{ looking_back('theft_scores', 'score_date', case_lookback_days()) }}
),

-- Evidence of one day may be a bad reading: a case opens where it held on three of five.
held as (
    select meter_id
    from scores
    where theft_probability >= {{ var('case_probability') }}
    group by meter_id
    having count(*) >= {{ var('case_days') }}
),

meters as (
    select
        scores.*,
        held.meter_id is not null as is_held,
        registered.customer_class,
        registered.tariff_code,
        registered.latitude,
        registered.longitude,
        evidence.reported_wh
    from scores
    join {{ source('ml', 'theft_evidence') }} as evidence on evidence.score_date = {{ day }} and evidence.meter_id = scores.meter_id
    left join {{ ref('stg_meters') }} as registered on registered.reading_date = {{ day }} and registered.meter_id = scores.meter_id
    left join held on held.meter_id = scores.meter_id
    where scores.score_date = {{ day }} and scores.theft_probability >= {{ var('case_probability') }} / 2
),

-- A month of what the meter says, and of what it hides, on the terms of the day.
months as (
    select
        meter_id,
        {{ day }}                                                      as reading_date,
        tariff_code,
        {{ price_days() }} * reported_wh                               as energy_wh,
        round({{ price_days() }} * 1000 * stolen_kwh_per_day)::bigint  as lost_wh
    from meters
    where stolen_kwh_per_day is not null
),

bills as (
    select * from {{ lost_values('months', ['meter_id']) }} as known
),

-- What nobody explained on both of the last two Mondays.
unexplained as (
    select
        transformer_id,
        (array_agg(energy_wh order by explained_date desc))[1]      / 1000.0 as kwh,
        (array_agg(energy_low_wh order by explained_date desc))[1]  / 1000.0 as low_kwh,
        (array_agg(energy_high_wh order by explained_date desc))[1] / 1000.0 as high_kwh
    from {{ source('ml', 'loss_explanations') }}
    where meter_id = ''
      and explained_date between {{ day }} - 13 and {{ day }}
      and {{ looking_back('loss_explanations', 'explained_date', 13) }}
    group by transformer_id
    having count(*) = 2 and min(energy_low_wh) > 0
),

fed as (
    select
        transformer_id,
        count(*)::numeric / nullif(count(*) filter (where excluded_because is null), 0) as whole_day,
        sum(energy_in_wh) filter (where excluded_because is null)      as energy_in_wh,
        sum(technical_loss_wh) filter (where excluded_because is null) as technical_loss_wh,
        sum(estimated_wh) filter (where excluded_because is null)      as estimated_wh
    from {{ ref('int_transformer_balance') }}
    where reading_date = {{ day }} and transformer_id in (select transformer_id from unexplained)
    group by transformer_id
),

-- Who takes it is unknown: it costs what the meters around it pay.
behind as (
    select registered.transformer_id, registered.meter_id, {{ day }} as reading_date, registered.tariff_code, {{ price_days() }} * evidence.reported_wh as energy_wh
    from {{ ref('stg_meters') }} as registered
    join {{ source('ml', 'theft_evidence') }} as evidence on evidence.score_date = {{ day }} and evidence.meter_id = registered.meter_id
    where registered.reading_date = {{ day }} and registered.transformer_id in (select transformer_id from unexplained)
),

prices as (
    select
        transformer_id,
        case when min(currency) = max(currency) then min(currency) end as currency,
        case when min(currency) = max(currency) and bool_and(energy_charge is not null) then sum(energy_charge) / nullif({{ kwh('sum(energy_wh)') }}, 0) end as price_per_kwh,
        sum(power(energy_wh / {{ price_days() }}.0, 2)) as sum_of_squares_wh2
    from {{ monthly_bills('behind', ['transformer_id', 'meter_id']) }} as bills
    group by transformer_id
),

-- It must exceed what meters of their class and the transformer's own loss may err by, and by what such estimates were off.
transformers as (
    select
        unexplained.*,
        prices.currency,
        prices.price_per_kwh,
        {{ probability_above_zero(
            'unexplained.kwh',
            '(sqrt(power((unexplained.high_kwh - unexplained.low_kwh) / 2 / ' ~ ninety_percent() ~ ', 2) + power(fed.whole_day / 1000 * '
            ~ loss_deviation_wh('fed.energy_in_wh', 'coalesce(prices.sum_of_squares_wh2, 0)', 'fed.technical_loss_wh * ' ~ var('fitted_loss_error_share'), 'fed.estimated_wh')
            ~ ', 2) + power(unexplained.kwh * ' ~ unexplained_error_share() ~ ', 2)) + 0.001)'
        ) }} as probability,
        registered.latitude,
        registered.longitude
    from unexplained
    join fed using (transformer_id)
    left join prices using (transformer_id)
    left join {{ ref('stg_transformers') }} as registered on registered.reading_date = {{ day }} and registered.transformer_id = unexplained.transformer_id
    where unexplained.kwh >= {{ least_unexplained_share() }} * fed.whole_day * {{ kwh('fed.energy_in_wh') }}
),

subjects as (
    select
        'meter'                       as subject_kind,
        meters.meter_id               as subject_id,
        meters.transformer_id,
        meters.customer_class,
        meters.latitude,
        meters.longitude,
        meters.is_held,
        meters.theft_probability      as probability,
        meters.probability_basis,
        meters.onset_date,
        meters.stolen_kwh_per_day,
        meters.stolen_kwh_low,
        meters.stolen_kwh_high,
        {{ recoverable_kwh('meters.stolen_kwh_per_day', 'meters.onset_date', day) }} as recoverable_kwh,
        bills.currency,
        bills.lost_charge / nullif(bills.lost_wh / 1000.0, 0) as price_per_kwh,
        bills.lost_total              as bill_effect_per_month,
        {{ visit_cost('bills.currency') }} as visit_cost,
        meters.reason_en,
        meters.reason_fr
    from meters
    left join bills using (meter_id)
    union all
    select
        'transformer',
        transformer_id,
        transformer_id,
        null,
        latitude,
        longitude,
        -- Whoever is suspected behind it is visited first: what is left may be theirs.
        probability >= {{ var('case_probability') }} and not exists (
            select 1 from meters where meters.is_held and meters.transformer_id = transformers.transformer_id
        ),
        probability,
        'interval',
        null::date,
        kwh,
        low_kwh,
        high_kwh,
        {{ recoverable_kwh('kwh', 'null::date', day) }},
        currency,
        price_per_kwh,
        null,
        {{ visits_of_transformer() }} * {{ visit_cost('currency') }},
        format('%s kWh a day of its loss is explained by no meter behind it: a hook on the line, or a meter that the register does not have', round(kwh, 1)),
        format('%s kWh par jour de ses pertes ne s''expliquent par aucun compteur en aval : branchement clandestin sur la ligne, ou compteur absent du registre', replace(round(kwh, 1)::text, '.', ','))
    from transformers
    where probability >= {{ var('case_probability') }} / 2
)

select
    *,
    round((probability * recoverable_kwh * price_per_kwh - visit_cost)::numeric, 2) as value
from subjects
