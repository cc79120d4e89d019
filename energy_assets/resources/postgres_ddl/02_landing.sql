-- The ledger of deliveries: one row per content that landed, by sha256, with what became of its rows.
create table if not exists raw_data.landing_files (
    file_id         integer     primary key generated always as identity,            -- Number of the file in this warehouse
    sha256          text        not null unique,                                     -- Hash of its content
    byte_count      bigint      not null,                                            -- Size in bytes
    status          text        not null check (status in ('landed', 'unreadable')), -- landed, or unreadable
    message         text,                                                            -- Why it could not be read
    mapping         text,                                                            -- Dialect that it was read in
    mapping_sha256  text,                                                            -- Hash of that dialect's mapping as it was then
    unknown_columns text[]      not null default '{}',                               -- Columns of the file that no mapping names; they were left out
    rows_read       bigint      not null,                                            -- Rows of the file
    rows_rejected   bigint      not null,                                            -- Rows in quarantine
    landed_at       timestamptz not null default clock_timestamp(),                  -- When it was read
    run_id          text        not null,                                            -- Run that read it
    retracted_at    timestamptz,                                                     -- When it was withdrawn
    retraction      text                                                             -- Who withdrew it, and why
);

-- One row per path and content that it has held. A correction makes the earlier content's row not current; nothing is deleted.
create table if not exists raw_data.landing_paths (
    path        text        not null,                                            -- Path below the landing zone
    sha256      text        not null references raw_data.landing_files (sha256), -- Hash of the content that it held
    byte_count  bigint      not null,                                            -- Size in bytes
    modified_ns bigint      not null,                                            -- When the file was changed last, in nanoseconds since 1970
    is_current  boolean     not null default true,                               -- Whether the path's content counts: nothing corrected it since
    seen_at     timestamptz not null default clock_timestamp(),                  -- When it was seen there last
    primary key (path, sha256)
);

-- One row per file, source and local day that the file brought rows of.
create table if not exists raw_data.landing_parts (
    file_id        integer not null references raw_data.landing_files (file_id), -- File that brought them, see raw_data.landing_files
    source         text    not null,                                             -- Source that they feed
    reading_date   date    not null,                                             -- Local day of the utility
    row_count      bigint  not null,                                             -- Rows accepted
    rejected_count numeric not null,                                             -- Rows rejected; those whose day is unreadable are shared out over the file's days
    primary key (source, reading_date, file_id)
);

-- Quarantine: one row per row that could not be read, with file, row, column, value and reason.
create table if not exists raw_data.rejected_rows (
    file_id      integer not null references raw_data.landing_files (file_id), -- File that it came in, see raw_data.landing_files
    source       text    not null,                                             -- Source that it should have fed
    reading_date date,                                                         -- Its local day; null where that could not be read
    row_number   bigint  not null,                                             -- Row of the file, the header being 1; 0 is the whole file
    column_name  text,                                                         -- Column that could not be read
    value        text,                                                         -- What stands there
    reason       text    not null                                              -- What is wrong with it
);
create index if not exists rejected_rows_day on raw_data.rejected_rows (reading_date, source);
create index if not exists rejected_rows_file on raw_data.rejected_rows (file_id);

-- One row per file that counts: content that some path holds now and that nobody withdrew.
create or replace view raw_data.active_files as
select
    file_id, -- Number of the file in this warehouse
    sha256   -- Hash of its content
from raw_data.landing_files as file
where status = 'landed'
  and retracted_at is null
  and exists (select from raw_data.landing_paths as held where held.sha256 = file.sha256 and held.is_current);

-- One row per source and day, with what the raw day should be loaded from; a day whose files were all withdrawn has no row here.
create or replace view raw_data.day_inputs as
select
    source,                                                        -- Source that the rows feed
    reading_date,                                                  -- Local day of the utility
    md5(string_agg(sha256, ',' order by sha256)) as inputs,        -- Fingerprint of the files to load the day from
    sum(row_count)::bigint                       as row_count,     -- Rows accepted
    sum(rejected_count)                          as rejected_count -- Rows rejected
from raw_data.landing_parts
join raw_data.active_files using (file_id)
group by source, reading_date;
