{{ config(date_column='reading_date', unique_key=['reading_date', 'rule', 'area_id']) }}

-- One row per rule and day: how many readings it hit, of how many, of how many meters. Rules without a hit are there, with 0.
-- Without a register of meters there is one area, `all`. Delivery itself is told here: a re-delivery counts as duplicates.
with days as (
    select reading_date from {{ window_calendar() }} as calendar
),

readings as (
    select reading_date, meter_id, quality_code
    from {{ ref('stg_meter_readings') }}
    where {{ in_window('reading_date') }}
),

daily as (
    select reading_date, meter_id, reading_count, expected_count
    from {{ ref('int_readings_daily') }}
    where {{ in_window('reading_date') }}
),

-- Staging keeps one row of each meter and instant: what raw has beyond that was delivered more than once.
delivered as (
    select
        reading_date,
        sum(row_count) filter (where table_name = 'meter_readings')
            - sum(row_count) filter (where table_name = 'stg_meter_readings') as surplus_count
    from {{ source('quality', 'day_states') }}
    where table_name in ('meter_readings', 'stg_meter_readings') and {{ in_window('reading_date') }}
    group by reading_date
),

rejections as (
    select reading_date, sum(rejected_count) as row_count
    from {{ source('raw_data', 'day_inputs') }}
    where source = 'meter_readings' and {{ in_window('reading_date') }}
    group by reading_date
),

hits as (
    select reading_date, quality_code as rule, count(*) as hit_count, count(distinct meter_id) as meter_count
    from readings
    where quality_code <> 'valid'
    group by reading_date, quality_code
    union all
    select reading_date, 'missing', sum(expected_count - reading_count), count(*)
    from daily
    where reading_count < expected_count
    group by reading_date
    union all
    select reading_date, 'duplicate', surplus_count, null
    from delivered
    union all
    select reading_date, 'rejected', round(row_count), null
    from rejections
),

-- The readings that a day should have: what hits are a share of.
expected as (
    select reading_date, sum(expected_count) as expected_count
    from daily
    group by reading_date
)

select
    days.reading_date,
    rules.rule,
    'all'::text                                                                       as area_id,
    coalesce(hits.hit_count, 0)::bigint                                                as hit_count,
    case when rules.rule not in ('duplicate', 'rejected') then coalesce(hits.meter_count, 0)::integer end as meter_count,
    coalesce(expected.expected_count, 0)::bigint                                      as expected_count,
    round(100.0 * coalesce(hits.hit_count, 0) / nullif(expected.expected_count, 0), 3) as share_pct
from days
cross join (
    values ('missing'), ('negative'), ('above_limit'), ('fold_assumed'), ('duplicate'), ('rejected')
) as rules (rule)
left join hits on hits.reading_date = days.reading_date and hits.rule = rules.rule
left join expected on expected.reading_date = days.reading_date
where exists (select 1 from daily where daily.reading_date = days.reading_date)
   or hits.hit_count > 0
