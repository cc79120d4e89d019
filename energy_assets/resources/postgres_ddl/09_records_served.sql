-- One row per ClickHouse that records were copied to: through when, and what they were then. What changed since is copied next.
create table if not exists quality.records_served (
    destination text        primary key, -- Database of the copies
    fingerprint text        not null,    -- Of what the records were
    through     timestamptz not null     -- Instant up to which changes are in the copies
);
