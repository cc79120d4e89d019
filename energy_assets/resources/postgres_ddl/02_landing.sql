-- The ledger of deliveries: which content arrived, under which paths, and what became of its rows.

create table if not exists raw_data.landing_files (
    file_id         integer     primary key generated always as identity,
    sha256          text        not null unique,
    byte_count      bigint      not null,
    status          text        not null check (status in ('landed', 'unreadable')),
    message         text,       -- why it could not be read
    mapping         text,
    mapping_sha256  text,
    unknown_columns text[]      not null default '{}',
    rows_read       bigint      not null,
    rows_rejected   bigint      not null,
    landed_at       timestamptz not null default clock_timestamp(),
    run_id          text        not null,
    retracted_at    timestamptz,
    retraction      text        -- who withdrew it, and why
);

-- The contents that a path has held. A correction makes the earlier content's row not current; nothing is deleted.
create table if not exists raw_data.landing_paths (
    path        text        not null,
    sha256      text        not null references raw_data.landing_files (sha256),
    byte_count  bigint      not null,
    modified_ns bigint      not null,
    is_current  boolean     not null default true,
    seen_at     timestamptz not null default clock_timestamp(),
    primary key (path, sha256)
);

create table if not exists raw_data.landing_parts (
    file_id        integer not null references raw_data.landing_files (file_id),
    source         text    not null,
    reading_date   date    not null,
    row_count      bigint  not null,
    rejected_count numeric not null, -- rejects whose day is unreadable are shared out over the file's days
    primary key (source, reading_date, file_id)
);

create table if not exists raw_data.rejected_rows (
    file_id      integer not null references raw_data.landing_files (file_id),
    source       text    not null,
    reading_date date,   -- null where the row's day could not be read
    row_number   bigint  not null,
    column_name  text,
    value        text,
    reason       text    not null
);
create index if not exists rejected_rows_day on raw_data.rejected_rows (reading_date, source);
create index if not exists rejected_rows_file on raw_data.rejected_rows (file_id);

-- What counts: content that some path holds now and that nobody withdrew.
create or replace view raw_data.active_files as
select file_id, sha256
from raw_data.landing_files as file
where status = 'landed'
  and retracted_at is null
  and exists (select from raw_data.landing_paths as held where held.sha256 = file.sha256 and held.is_current);

-- What a raw day should be loaded from; a day whose files were all withdrawn has no row here.
create or replace view raw_data.day_inputs as
select
    source,
    reading_date,
    md5(string_agg(sha256, ',' order by sha256)) as inputs,
    sum(row_count)::bigint                       as row_count,
    sum(rejected_count)                          as rejected_count
from raw_data.landing_parts
join raw_data.active_files using (file_id)
group by source, reading_date;
