{% set memory_days = 35 %}
{% set lookback = case_lookback_days() %}
{{ config(
    date_column='case_date',
    unique_key=['case_date', 'case_id'],
    in_turn=true,
    meta={
        'continues_days': memory_days,
        'lookback_days': {
            'theft_scores': lookback, 'loss_explanations': 13, 'stg_inspections': memory_days, 'stg_case_events': memory_days
        }
    }
) }}
{% set day = day_in_turn() %}

-- One row per theft case and day: a case goes on from the day before, until it is visited, dismissed, or its evidence is gone; its subject then
-- rests until `suppressed_until`. Days are written in their order, each from the one before.
with suspects as (
    select * from {{ ref('theft_suspects') }}
),

-- The newest day before whose gate is open, or that this run has just written.
newest as (
    select max(case_date) as case_date
    from {{ this }}
    where case_date < {{ day }} and case_date >= {{ day }} - {{ memory_days }}
      and (case_date >= date '{{ var("window_start") }}' or {{ is_readable('mart_theft_cases', 'case_date') }})
),

-- A visit says nothing of what began after it.
before as (
    select cases.*
    from {{ this }} as cases
    join newest using (case_date)
    where cases.state not in {{ ended_states() }}
       or cases.suppressed_until >= {{ day }} and not (cases.state in ('cleared', 'confirmed', 'faulty_meter') and exists (
           select 1
           from suspects
           where suspects.subject_kind = cases.subject_kind
             and suspects.subject_id = cases.subject_id
             and suspects.is_held
             and suspects.onset_date > cases.last_visited_on + {{ onset_error_days() }}
       ))
),

told as (
    select coalesce(max(case_date), {{ day }} - 1) as until_on from newest
),

-- What was decided and found since then, the last of each subject.
events as (
    select subject_kind, subject_id, decided_on as happened_on, event, until_on, crew, recovered_wh
    from {{ ref('stg_case_events') }}
    where decided_on > (select until_on from told) and decided_on <= {{ day }} and {{ looking_back('stg_case_events', 'decided_on', memory_days) }}
    union all
    select 'meter', meter_id, inspected_on, outcome, null, null, recovered_wh
    from {{ ref('stg_inspections') }}
    where inspected_on > (select until_on from told) and inspected_on <= {{ day }} and {{ looking_back('stg_inspections', 'inspected_on', memory_days) }}
),

-- On the same day the visit has the last word.
happened as (
    select distinct on (subject_kind, subject_id)
        *, {{ state_after('event') }} is not null as is_visit
    from events
    order by subject_kind, subject_id, happened_on desc, {{ state_after('event') }} is null, event
),

-- Some of each week's visits are drawn among all meters, so that one can see what the list misses. The week decides, not the day.
week as (
    select
        monday,
        floor({{ var('weekly_visits') }} * {{ var('random_visit_share') }} + ('x' || left(md5(monday::text), 8))::bit(32)::bigint / 4294967296.0)::integer as visits
    from (select date_trunc('week', {{ day }})::date as monday) as known
),

drawn as (
    select registered.meter_id, registered.transformer_id, registered.customer_class, registered.latitude, registered.longitude
    from {{ ref('stg_meters') }} as registered
    cross join week
    where registered.reading_date = {{ day }}
      and not exists (select 1 from before where before.random_week = week.monday)
      and exists (select 1 from before where before.place is not null)
      and not exists (select 1 from before where before.subject_kind = 'meter' and before.subject_id = registered.meter_id and before.suppressed_until >= {{ day }})
    order by md5(registered.meter_id || week.monday)
    limit (select visits from week)
),

opening as (
    select subject_kind, subject_id, 'evidence' as origin from suspects where is_held
    union all
    select 'meter', meter_id, 'random' from drawn
    union all
    select subject_kind, subject_id, 'visit' from happened where is_visit and event <> 'no_access'
),

opened as (
    select distinct on (subject_kind, subject_id) subject_kind, subject_id, origin
    from opening
    where not exists (select 1 from before where before.subject_kind = opening.subject_kind and before.subject_id = opening.subject_id)
    order by subject_kind, subject_id, array_position(array['evidence', 'random', 'visit'], origin)
),

going_on as (
    select
        case_id, subject_kind, subject_id, origin, opened_on, state, state_since, crew, suppressed_until, last_visited_on, visit_count, recovered_kwh,
        supported_on, random_week, false as is_new, state as previous_state, place as previous_place
    from before
    union all
    select
        case subject_kind when 'transformer' then 'loss-' else '' end || subject_id || '-' || to_char({{ day }}, 'YYYYMMDD'),
        subject_kind, subject_id, origin, {{ day }}, 'open', {{ day }}, null, null, null, 0, null,
        {{ day }}, null, true, null, null
    from opened
),

stated as (
    select
        going_on.*,
        happened.happened_on,
        happened.event,
        coalesce(happened.is_visit, false) as is_visited,
        happened.crew         as new_crew,
        happened.recovered_wh as new_recovered_wh,
        suspects.subject_id is not null as is_supported,
        drawn.meter_id is not null as is_drawn,
        case
            when happened.is_visit then {{ state_after('happened.event') }}
            when happened.event is not null then happened.event
            when state = 'snoozed' and going_on.suppressed_until < {{ day }} then 'open'
            when state in ('open', 'assigned') and suspects.subject_id is null and drawn.meter_id is null
                 and greatest(supported_on, random_week + 6) < {{ day }} - {{ lapse_days() }} then 'lapsed'
            else state
        end as new_state,
        case
            when happened.is_visit then happened.happened_on + {{ rest_days('happened.event') }}
            when happened.event is not null then coalesce(happened.until_on, happened.happened_on + {{ decision_days('happened.event') }})
            when going_on.suppressed_until >= {{ day }} then going_on.suppressed_until
        end as rests_until
    from going_on
    left join happened using (subject_kind, subject_id)
    left join suspects using (subject_kind, subject_id)
    left join drawn on going_on.subject_kind = 'meter' and drawn.meter_id = going_on.subject_id
),

-- Figures of the day; a case whose evidence has faded keeps the last ones.
figured as (
    select
        stated.*,
        coalesce(suspects.transformer_id, drawn.transformer_id, before.transformer_id, registered.transformer_id) as transformer_id,
        coalesce(suspects.customer_class, drawn.customer_class, before.customer_class, registered.customer_class) as customer_class,
        coalesce(suspects.latitude, drawn.latitude, before.latitude, registered.latitude)     as latitude,
        coalesce(suspects.longitude, drawn.longitude, before.longitude, registered.longitude) as longitude,
        {% for column in ['probability', 'probability_basis', 'onset_date', 'stolen_kwh_per_day', 'stolen_kwh_low', 'stolen_kwh_high', 'recoverable_kwh', 'currency', 'price_per_kwh', 'bill_effect_per_month', 'value'] -%}
        case when suspects.subject_id is not null then suspects.{{ column }} else before.{{ column }} end as {{ column }},
        {% endfor -%}
        coalesce(suspects.visit_cost, before.visit_cost) as visit_cost,
        coalesce(suspects.reason_en, before.reason_en, case stated.origin when 'random' then 'drawn at random: such visits show what the list misses' else 'visited without a case' end) as reason_en,
        coalesce(suspects.reason_fr, before.reason_fr, case stated.origin when 'random' then 'tiré au sort : ces visites montrent ce que la liste ignore' else 'visité sans dossier' end) as reason_fr
    from stated
    left join before using (case_id)
    left join suspects on suspects.subject_kind = stated.subject_kind and suspects.subject_id = stated.subject_id
    left join drawn on stated.subject_kind = 'meter' and drawn.meter_id = stated.subject_id
    left join {{ ref('stg_meters') }} as registered
        on registered.reading_date = {{ day }} and stated.subject_kind = 'meter' and registered.meter_id = stated.subject_id
),

-- Worth a visit: what brings more than the visit costs; where no tariff is known, what hides energy; and where nothing tells how much it
-- hides, who is more likely than not to steal.
weighed as (
    select
        figured.*,
        new_state in ('open', 'assigned') and rests_until is null and (
            value > 0 or value is null and (recoverable_kwh > 0 or recoverable_kwh is null and probability >= {{ likely_without_energy() }})
        ) as is_worth_a_visit
    from figured
),

-- Money decides the order; where no tariff is known, energy does; who hides nobody knows how much comes last.
placed as (
    select
        weighed.*,
        case when is_drawn then week.monday else random_week end as drawn_week,
        new_state in ('open', 'assigned') and rests_until is null as is_visitable,
        case when is_worth_a_visit then row_number() over by_worth end as new_place,
        sum(case subject_kind when 'transformer' then {{ visits_of_transformer() }} else 1 end) over by_worth as visits_to_place,
        week.monday,
        {{ var('weekly_visits') }} - week.visits as ranked_visits
    from weighed
    cross join week
    window by_worth as (
        partition by is_worth_a_visit order by value desc nulls last, probability * recoverable_kwh desc nulls last, probability desc nulls last, case_id
    )
)

select
    {{ day }}                                       as case_date,
    case_id,
    subject_kind,
    subject_id,
    transformer_id,
    customer_class,
    latitude,
    longitude,
    origin,
    opened_on,
    new_state                                       as state,
    case when new_state = state and not is_visited then state_since else coalesce(happened_on, {{ day }}) end as state_since,
    coalesce(new_crew, crew)                        as crew,
    rests_until                                     as suppressed_until,
    case when is_visited then happened_on else last_visited_on end as last_visited_on,
    (visit_count + is_visited::integer)::smallint   as visit_count,
    coalesce(round(new_recovered_wh / 1000.0, 3), recovered_kwh) as recovered_kwh,
    case when is_supported then {{ day }} else supported_on end  as supported_on,
    round(probability::numeric, 6)                  as probability,
    probability_basis,
    onset_date,
    round(stolen_kwh_per_day::numeric, 3)           as stolen_kwh_per_day,
    round(stolen_kwh_low::numeric, 3)               as stolen_kwh_low,
    round(stolen_kwh_high::numeric, 3)              as stolen_kwh_high,
    round(recoverable_kwh::numeric, 3)              as recoverable_kwh,
    currency,
    round(price_per_kwh::numeric, 4)                as price_per_kwh,
    bill_effect_per_month,
    round(visit_cost::numeric, 2)                   as visit_cost,
    value,
    new_place::integer                              as place,
    case
        when is_visitable and drawn_week = monday then 'random'
        -- What comes first is gone to, even if it takes the crews longer than their week.
        when new_place is not null and (visits_to_place <= ranked_visits or new_place = 1 and ranked_visits > 0) then 'ranked'
    end                                             as selection,
    drawn_week                                      as random_week,
    is_new,
    previous_state,
    previous_place,
    reason_en,
    reason_fr
from placed
