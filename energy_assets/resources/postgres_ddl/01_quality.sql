-- Gates: which version of a day was written, what the checkpoint said of it, and what a person accepted.

create sequence if not exists quality.day_version_seq;

create table if not exists quality.day_versions (
    table_name   text        not null,
    reading_date date        not null,
    version      bigint      not null,
    row_count    bigint      not null,
    inputs       text,       -- raw tables: fingerprint of the parts that the day was loaded from
    run_id       text        not null,
    written_at   timestamptz not null default clock_timestamp(),
    primary key (table_name, reading_date)
);

create table if not exists quality.validation_results (
    reading_date     date        not null,
    table_name       text        not null,
    version          bigint      not null,
    expectation_id   text        not null,
    expectation      text        not null,
    column_name      text,
    severity         text        not null check (severity in ('critical', 'warning', 'info')),
    success          boolean     not null,
    observed         text,
    unexpected_count bigint,
    element_count    bigint,
    sample           text[]      not null default '{}',
    message          text        not null,
    run_id           text        not null,
    judged_at        timestamptz not null default clock_timestamp(),
    primary key (reading_date, table_name, expectation_id)
);

create table if not exists quality.overrides (
    table_name   text        not null,
    reading_date date        not null,
    version      bigint      not null,
    reason       text        not null check (length(trim(reason)) > 0),
    accepted_by  text        not null,
    accepted_at  timestamptz not null default clock_timestamp(),
    primary key (table_name, reading_date, version)
);

-- One row per written day of a table: green, red, accepted (red, overridden by a person) or unjudged.
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
    written.table_name,
    written.reading_date,
    written.version,
    written.row_count,
    case
        when verdicts.judged_version is distinct from written.version then 'unjudged'
        when verdicts.is_green then 'green'
        when overrides.version is not null then 'accepted'
        else 'red'
    end as state,
    coalesce(verdicts.failed_critical, 0) as failed_critical,
    coalesce(verdicts.failed_warning, 0)  as failed_warning
from quality.day_versions as written
left join verdicts using (table_name, reading_date)
left join quality.overrides as overrides using (table_name, reading_date, version);

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
