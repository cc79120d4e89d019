-- Gates: which version of a day was written, what the checkpoint said of it, and what a person accepted.

create sequence if not exists quality.day_version_seq;

-- One row per written day of a table; every write of the day gives it a new version.
create table if not exists quality.day_versions (
    table_name   text        not null,                           -- Table that was written; ClickHouse's copies are called energy_analytics.…
    reading_date date        not null,                           -- Local day of the utility
    version      bigint      not null,                           -- Number of the write, higher than that of every earlier write of any table
    row_count    bigint      not null,                           -- Rows of the day
    inputs       text,                                           -- Raw tables alone: fingerprint of the files that the day was loaded from
    run_id       text        not null,                           -- Run that wrote it
    written_at   timestamptz not null default clock_timestamp(), -- When it was written
    primary key (table_name, reading_date)
);

-- One row per day, table and expectation: what the checkpoint found in the day as it was written last.
create table if not exists quality.validation_results (
    reading_date     date        not null,                                                     -- Local day that was judged
    table_name       text        not null,                                                     -- Table that was judged
    version          bigint      not null,                                                     -- Write of the day that was judged
    expectation_id   text        not null,                                                     -- Name of the expectation in its suite
    expectation      text        not null,                                                     -- Great Expectations' type
    column_name      text,                                                                     -- Column that it is about
    severity         text        not null check (severity in ('critical', 'warning', 'info')), -- critical stops what reads the day; warning is shown; info is recorded
    success          boolean     not null,                                                     -- Whether it held
    observed         text,                                                                     -- What was found
    unexpected_count bigint,                                                                   -- Rows that break it
    element_count    bigint,                                                                   -- Rows looked at
    sample           text[]      not null default '{}',                                        -- At most five of them
    message          text        not null,                                                     -- The finding in a sentence
    run_id           text        not null,                                                     -- Run that judged
    judged_at        timestamptz not null default clock_timestamp(),                           -- When it was judged
    primary key (reading_date, table_name, expectation_id)
);

-- One row per red day that a person took as it is; it holds for the version that was judged.
create table if not exists quality.overrides (
    table_name   text        not null,                                  -- Table of the day
    reading_date date        not null,                                  -- Local day of the utility
    version      bigint      not null,                                  -- Write of the day that was accepted
    reason       text        not null check (length(trim(reason)) > 0), -- Why the day may be used as it is
    accepted_by  text        not null,                                  -- Who accepted it
    accepted_at  timestamptz not null default clock_timestamp(),        -- When it was accepted
    primary key (table_name, reading_date, version)
);

-- One row per day of a table whose rows were dropped because of their age; it holds until the day is written again.
create table if not exists quality.dropped_days (
    table_name   text        not null,                           -- Table of the day; parts: the Parquet parts that raw days are loaded from
    reading_date date        not null,                           -- Local day of the utility
    version      bigint      not null,                           -- Write of the day that was dropped; 0 of parts
    dropped_at   timestamptz not null default clock_timestamp(), -- When it was dropped
    primary key (table_name, reading_date)
);

-- One row per written day of a table: green, red, accepted (red, overridden by a person), unjudged, or dropped because of its age.
create or replace view quality.day_states as
with verdicts as (
    select
        table_name,
        reading_date,
        min(version)                                                 as judged_version,
        bool_and(success or severity <> 'critical')                  as is_green,
        count(*) filter (where not success and severity = 'critical') as failed_critical,
        count(*) filter (where not success and severity = 'warning')  as failed_warning
    from quality.validation_results
    group by table_name, reading_date
)
select
    written.table_name,   -- Table that was written
    written.reading_date, -- Local day of the utility
    written.version,      -- Number of the day's newest write
    written.row_count,    -- Rows of the day
    case
        when dropped.version is not null then 'dropped'
        when verdicts.judged_version is distinct from written.version then 'unjudged'
        when verdicts.is_green then 'green'
        when overrides.version is not null then 'accepted'
        else 'red'
    end::text as state, -- green, red, accepted, unjudged or dropped
    coalesce(verdicts.failed_critical, 0)::bigint as failed_critical, -- Critical expectations that failed
    coalesce(verdicts.failed_warning, 0)::bigint  as failed_warning   -- Warnings that failed
from quality.day_versions as written
left join verdicts using (table_name, reading_date)
left join quality.overrides as overrides using (table_name, reading_date, version)
left join quality.dropped_days as dropped using (table_name, reading_date, version);

-- Every day write ends with this, in its own transaction: the verdicts of older versions then no longer count.
create or replace function quality.bump_day(written_table text, written_date date, written_rows bigint, writer text, written_inputs text default null)
returns bigint language sql security definer set search_path = pg_catalog as $$
    insert into quality.day_versions as known (table_name, reading_date, version, row_count, inputs, run_id)
    values (written_table, written_date, nextval('quality.day_version_seq'), written_rows, written_inputs, writer)
    on conflict (table_name, reading_date) do update
        set version = excluded.version, row_count = excluded.row_count, inputs = excluded.inputs,
            run_id = excluded.run_id, written_at = clock_timestamp()
    returning version
$$;
-- It writes with its owner's rights, and whoever may look into this schema could else call it: embedded/bootstrap.py lets the loader.
revoke execute on function quality.bump_day(text, date, bigint, text, text) from public;

-- Days whose rows are dropped because of their age, told in the transaction that drops them.
create or replace function quality.drop_days(dropped_table text, dropped_dates date[])
returns void language sql security definer set search_path = pg_catalog as $$
    insert into quality.dropped_days (table_name, reading_date, version)
    select table_name, reading_date, version from quality.day_versions where table_name = dropped_table and reading_date = any(dropped_dates)
    on conflict (table_name, reading_date) do update set version = excluded.version, dropped_at = clock_timestamp()
$$;
revoke execute on function quality.drop_days(text, date[]) from public;

-- One writer per table at a time; held until the transaction ends.
create or replace function quality.lock_table(locked_table text)
returns void language sql as $$
    select pg_advisory_xact_lock(hashtext('energy_assets'), hashtext(locked_table))
$$;

-- Truncating keeps the swap cheap whatever the day held before; readers wait for the transaction instead of seeing half of it.
create or replace function quality.empty_partition(partition_schema text, partition_name text)
returns void language plpgsql as $$
begin
    execute format('truncate %I.%I', partition_schema, partition_name);
end
$$;
