-- Evidence that came later: homes that were made before it have none of these columns yet.
alter table ml.theft_evidence
    add column if not exists carried_wh bigint,              -- Prepaid: what purchases of the eight weeks before these had left over, in Wh, at least; null where purchases are not known
    add column if not exists year_ago_wh bigint,             -- What it reported a day in the same four weeks a year before, in Wh; null where fewer than 14 days are known
    add column if not exists same_season double precision,   -- Logarithm of the last four weeks' level over that of a year before, less the fleet's
    add column if not exists sibling_change double precision -- Level of the last four weeks less that of before, beside its transformer's other meters'
;
