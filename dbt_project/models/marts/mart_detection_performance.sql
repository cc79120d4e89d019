{% set visit_days = 182 %}
{{ config(
    date_column='week_date',
    unique_key=['week_date', 'selection'],
    meta={'lookback_days': {'stg_inspections': visit_days - 1, 'mart_theft_cases': visit_days}}
) }}

-- One row per week and way of choosing, on the week's Sunday: what the visits to meters found over the 26 weeks to it. A visit is judged by the list of
-- the day before, which sent the crew; a locked gate says nothing.
with weeks as (
    select reading_date as week_date from {{ window_calendar() }} as days where extract(isodow from reading_date) = 7
),

listed as (
    select case_date, subject_id, place, selection, probability, price_per_kwh, currency, visit_cost
    from {{ ref('mart_theft_cases') }}
    where subject_kind = 'meter' and {{ looking_back('mart_theft_cases', 'case_date', visit_days) }}
),

-- A visit costs what it does also where nothing was suspected, drawn at random or a tip; a kWh found there is worth what it is on the list.
terms as (
    select case_date, min(currency) as currency, avg(price_per_kwh) as price_per_kwh, avg(visit_cost) as visit_cost
    from listed
    where currency is not null
    group by case_date
    having count(distinct currency) = 1
),

visits as (
    select
        weeks.week_date,
        weeks.week_date - visited.inspected_on < 7          as is_of_week,
        coalesce(visited.selection, listed.selection, 'other') as selection,
        visited.outcome,
        (visited.outcome = 'theft')::integer                as theft,
        visited.outcome in ('theft', 'clean', 'faulty_meter') as is_decided,
        visited.recovered_wh / 1000.0                       as recovered_kwh,
        visited.recovered_wh / 1000.0 * coalesce(listed.price_per_kwh, terms.price_per_kwh) as recovered_value,
        coalesce(listed.currency, terms.currency)           as currency,
        coalesce(listed.visit_cost, terms.visit_cost)       as visit_cost,
        listed.place,
        listed.probability
    from weeks
    join {{ ref('stg_inspections') }} as visited
        on visited.inspected_on between weeks.week_date - {{ visit_days - 1 }} and weeks.week_date
    left join listed on listed.case_date = visited.inspected_on - 1 and listed.subject_id = visited.meter_id
    left join terms on terms.case_date = visited.inspected_on - 1
    where {{ looking_back('stg_inspections', 'visited.inspected_on', visit_days - 1) }}
),

counted as (
    select
        week_date,
        case when grouping(selection) = 1 then 'all' else selection end as selection,
        count(*) filter (where is_of_week)                             as week_visits,
        coalesce(sum(theft) filter (where is_of_week), 0)              as week_thefts,
        count(*)                                                       as visits,
        count(*) filter (where outcome = 'no_access')                  as no_access,
        count(*) filter (where is_decided)                             as decided,
        sum(theft)                                                     as thefts,
        {% for k in [5, 10, 20] -%}
        avg(theft) filter (where is_decided and place <= {{ k }})      as precision_at_{{ k }},
        {% endfor -%}
        coalesce(sum(recovered_kwh), 0)                                as recovered_kwh,
        case when count(distinct currency) = 1 then min(currency) end  as currency,
        case when count(distinct currency) = 1 then coalesce(sum(recovered_value), 0) - sum(coalesce(visit_cost, 0)) end as net_value,
        sum(probability) filter (where is_decided)                     as expected_thefts,
        count(probability) filter (where is_decided)                   as judged,
        sum(theft) filter (where is_decided and probability is not null) as judged_thefts,
        avg(power(probability - theft, 2)) filter (where is_decided)   as brier_score
    from visits
    group by grouping sets ((week_date, selection), (week_date))
)

select
    counted.week_date,
    counted.selection,
    counted.week_visits::integer    as week_visits,
    counted.week_thefts::integer    as week_thefts,
    counted.visits::integer         as visits,
    counted.no_access::integer      as no_access,
    counted.decided::integer        as decided,
    counted.thefts::integer         as thefts,
    round(counted.thefts / nullif(counted.decided, 0)::numeric, 4)         as hit_rate,
    round({{ wilson('counted.thefts', 'counted.decided', -1) }}::numeric, 4) as hit_rate_low,
    round({{ wilson('counted.thefts', 'counted.decided', 1) }}::numeric, 4)  as hit_rate_high,
    {% for k in [5, 10, 20] -%}
    round(counted.precision_at_{{ k }}, 4) as precision_at_{{ k }},
    {% endfor -%}
    {% for name, sign in [('lift', 0), ('lift_low', -1), ('lift_high', 1)] -%}
    case when counted.selection = 'ranked' and random.decided > 0 and counted.decided > 0 then
        round(({{ ratio_of_shares('counted.thefts', 'counted.decided', 'random.thefts', 'random.decided', sign) }})::numeric, 3)
    end as {{ name }},
    {% endfor -%}
    round(counted.recovered_kwh, 3)                                        as recovered_kwh,
    round(counted.recovered_kwh / counted.visits, 3)                       as recovered_kwh_per_visit,
    counted.currency,
    round(counted.net_value, 2)                                            as net_value,
    round(counted.net_value / counted.visits, 2)                           as net_value_per_visit,
    counted.judged::integer         as judged,
    counted.judged_thefts::integer  as judged_thefts,
    round(counted.expected_thefts, 3)                                      as expected_thefts,
    round(counted.brier_score, 5)                                          as brier_score
from counted
left join counted as random on random.week_date = counted.week_date and random.selection = 'random'
