-- One row per slot of a meter's day without an accepted reading: what was estimated for it, and how. Never counted as measured.
-- Native day partitions, made when a day first has any.
create table if not exists intermediate.int_reading_estimates (
    reading_date     date        not null, -- Local day of the utility
    meter_id         text        not null, -- Identifier of the meter
    reading_at       timestamptz not null, -- Start of the interval
    interval_minutes smallint    not null, -- Length of the interval in minutes
    estimated_wh     bigint      not null, -- Estimated energy in Wh
    method           text        not null, -- interpolated, proxy_days or class_profile, in the order in which they are tried
    primary key (reading_date, meter_id, reading_at)
) partition by list (reading_date);

-- One row per rule, subject and day that it hit: what was seen there, and what it was compared with. Readings stay accepted.
-- Native day partitions, made when a day first has any.
create table if not exists intermediate.int_validation_hits (
    reading_date date             not null, -- Local day of the utility
    rule         text             not null, -- Name of the rule: validation-rules.md
    subject_id   text             not null, -- Meter that was hit; the transformer where the rule is outage_from_siblings
    from_at      timestamptz      not null, -- Start of the first interval that it is about
    to_at        timestamptz      not null, -- End of the last
    hit_count    bigint           not null, -- Intervals that it is about
    observed     double precision not null, -- Statistic of the rule, in the unit of its threshold
    threshold    double precision,          -- What it was compared with; null where there is none
    related_id   text,                      -- Transformer that fits the meter, where the rule is wrong_transformer and one does
    primary key (reading_date, rule, subject_id)
) partition by list (reading_date);
