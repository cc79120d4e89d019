{% set lookback_days = 28 %}
{{ config(date_column='reading_date', unique_key=['reading_date', 'rule', 'area_id']) }}

-- One row per rule, day and area, how many readings it hit, of how many, of how many meters. The area `all` has a row for every rule
-- that judged the day, with 0 where it hit nothing; a transformer of the register has those that hit one of its meters. A rule that
-- found no source to judge by has no row. Delivery itself is told here: a re-delivery counts as duplicates.
with days as (
    select reading_date from {{ window_calendar() }} as calendar
),

areas as (
    select reading_date, meter_id, transformer_id as area_id
    from {{ ref('stg_meters') }}
    where {{ in_window('reading_date') }} and transformer_id is not null
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

-- Only a day with a surplus can hold a reading of two values.
restated as (
    select reading_date, count(*) as instant_count
    from (
        select reading_date, meter_id, reading_at
        from {{ source('raw_data', 'meter_readings') }}
        where {{ in_window('reading_date') }}
          and reading_date in (select reading_date from delivered where surplus_count > 0)
        group by reading_date, meter_id, reading_at
        having min(consumption_kwh) <> max(consumption_kwh)
    ) as instants
    group by reading_date
),

rejections as (
    select reading_date, sum(rejected_count) as row_count
    from {{ source('raw_data', 'day_inputs') }}
    where source = 'meter_readings' and {{ in_window('reading_date') }}
    group by reading_date
),

-- Hits by subject: a meter, or a transformer where the rule is about one.
by_subject as (
    select reading_date, quality_code as rule, meter_id as subject_id, count(*) as hit_count
    from readings
    where quality_code <> 'valid'
    group by reading_date, quality_code, meter_id
    union all
    select reading_date, 'missing', meter_id, expected_count - reading_count
    from daily
    where reading_count < expected_count
    union all
    select reading_date, rule, subject_id, hit_count
    from {{ source('intermediate', 'int_validation_hits') }}
    where {{ in_window('reading_date') }}
),

hits as (
    select reading_date, rule, 'all' as area_id, sum(hit_count) as hit_count, count(*) as meter_count
    from by_subject
    group by reading_date, rule
    union all
    select by_subject.reading_date, rule, coalesce(areas.area_id, subject_id), sum(hit_count), count(*)
    from by_subject
    left join areas on areas.reading_date = by_subject.reading_date and areas.meter_id = by_subject.subject_id
    where areas.area_id is not null or rule = 'outage_from_siblings'
    group by by_subject.reading_date, rule, coalesce(areas.area_id, subject_id)
    union all
    select reading_date, 'duplicate', 'all', surplus_count, null
    from delivered
    union all
    select reading_date, 'replacement', 'all', instant_count, null
    from restated
    union all
    select reading_date, 'rejected', 'all', round(row_count), null
    from rejections
),

-- The readings that a day should have: what hits are a share of.
expected as (
    select reading_date, 'all' as area_id, sum(expected_count) as expected_count
    from daily
    group by reading_date
    union all
    select daily.reading_date, areas.area_id, sum(daily.expected_count)
    from daily
    join areas using (reading_date, meter_id)
    group by daily.reading_date, areas.area_id
),

-- What a rule may look back on: the same days that the hits were computed from.
sources as (
    select days.reading_date, array_agg(distinct inputs.source) as names
    from days
    join (
        select distinct source, reading_date
        from {{ source('raw_data', 'day_inputs') }}
        where reading_date >= date '{{ var("window_start") }}' - {{ lookback_days }} and reading_date < date '{{ var("window_end") }}' and row_count > 0
        union
        select distinct 'meters', reading_date
        from areas
    ) as inputs
        on inputs.reading_date = days.reading_date
        or (inputs.source <> 'meters' and inputs.reading_date between days.reading_date - {{ lookback_days }} and days.reading_date)
    group by days.reading_date
),

-- A row for each rule that could judge the day, and for each area in which one hit something.
told as (
    select days.reading_date, rules.rule, 'all' as area_id
    from days
    cross join (
        values {% for rule in var('validation_rules') %}
            ('{{ rule.name }}', array[{% for name in rule.needs %}'{{ name }}'{{ ', ' if not loop.last }}{% endfor %}]){{ ', ' if not loop.last }}{% endfor %}
    ) as rules (rule, needs)
    left join sources using (reading_date)
    where rules.needs = array['meter_readings'] or rules.needs <@ sources.names
    union
    select reading_date, rule, area_id
    from hits
    where hit_count > 0
)

select
    told.reading_date,
    told.rule,
    told.area_id,
    coalesce(hits.hit_count, 0)::bigint                                                as hit_count,
    case
        when told.rule not in ('duplicate', 'replacement', 'rejected') then coalesce(hits.meter_count, 0)::integer
    end                                                                                as meter_count,
    coalesce(expected.expected_count, 0)::bigint                                       as expected_count,
    round(100.0 * coalesce(hits.hit_count, 0) / nullif(expected.expected_count, 0), 3) as share_pct
from told
left join hits using (reading_date, rule, area_id)
left join expected using (reading_date, area_id)
where exists (select 1 from daily where daily.reading_date = told.reading_date)
   or hits.hit_count > 0
