{{ config(date_column='decided_on', unique_key=['decided_on', 'subject_kind', 'subject_id'], records='case_events') }}

-- One row per case's subject and day: what was decided about it last.
select
    decided_on,
    lower(subject_kind)                          as subject_kind,
    subject_id,
    lower(event)                                 as event,
    until_on,
    crew,
    reason,
    decided_by,
    case_id,
    round(recovered_kwh::numeric * 1000)::bigint as recovered_wh
from {{ source('raw_data', 'case_events') }}
where {{ in_window('decided_on') }}
