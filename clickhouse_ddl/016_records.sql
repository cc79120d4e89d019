-- What the gates said, what was delivered and what could not be read: records of the platform's own work, by day, for the page of data
-- quality. Values of single rows stay where they are: whoever looks at a page need not see them.

-- One row per table and day that was written: whether its gate is open.
CREATE TABLE IF NOT EXISTS energy_analytics.gate_states
(
    reading_date    Date                   COMMENT 'Local day of the utility',
    table_name      LowCardinality(String) COMMENT 'Table that was judged',
    layer           LowCardinality(String) COMMENT 'Schema of that table',
    state           LowCardinality(String) COMMENT 'green, red, accepted (red, and accepted by a person) or unjudged',
    row_count       UInt64                 COMMENT 'Rows of the day',
    failed_critical UInt32                 COMMENT 'Critical expectations that failed',
    failed_warning  UInt32                 COMMENT 'Warnings that failed',
    finding         String                 COMMENT 'What failed first, in a sentence; empty where nothing did',
    written_at      DateTime('UTC')        COMMENT 'When the day was written last',
    judged_at       Nullable(DateTime('UTC')) COMMENT 'When it was judged last'
)
ENGINE = MergeTree
PARTITION BY reading_date
ORDER BY table_name
COMMENT 'Gates day by day';

-- One row per table, day and expectation.
CREATE TABLE IF NOT EXISTS energy_analytics.validation_results
(
    reading_date     Date                             COMMENT 'Local day that was judged',
    table_name       LowCardinality(String)           COMMENT 'Table that was judged',
    expectation_id   LowCardinality(String)           COMMENT 'Name of the expectation in its suite',
    expectation      LowCardinality(String)           COMMENT 'Great Expectations'' type',
    column_name      LowCardinality(Nullable(String)) COMMENT 'Column that it is about',
    severity         LowCardinality(String)           COMMENT 'critical stops what reads the day; warning is shown; info is recorded',
    success          Bool                             COMMENT 'Whether it held',
    observed         Nullable(String)                 COMMENT 'What was found',
    unexpected_count Nullable(UInt64)                 COMMENT 'Rows that break it',
    element_count    Nullable(UInt64)                 COMMENT 'Rows looked at',
    message          String                           COMMENT 'The finding in a sentence',
    judged_at        DateTime('UTC')                  COMMENT 'When it was judged'
)
ENGINE = MergeTree
PARTITION BY reading_date
ORDER BY (table_name, expectation_id)
COMMENT 'What each expectation said of each day';

-- One row per source, day and day of arrival.
CREATE TABLE IF NOT EXISTS energy_analytics.deliveries
(
    reading_date   Date                   COMMENT 'Local day that the rows are of',
    source         LowCardinality(String) COMMENT 'Source of the landing contract',
    came_on        Date                   COMMENT 'Local day on which their files were read; of a historical home, on which they were written',
    days_late      Int32                  COMMENT 'Days from the day after reading_date to came_on; 0 where they came the next morning or before',
    file_count     UInt32                 COMMENT 'Files that brought them and count',
    row_count      UInt64                 COMMENT 'Rows accepted',
    rejected_count Float64                COMMENT 'Rows rejected; those whose day is unreadable are shared out over the file''s days'
)
ENGINE = MergeTree
PARTITION BY reading_date
ORDER BY (source, came_on)
COMMENT 'What came, of which day, and how late';

-- One row per file, column and reason.
CREATE TABLE IF NOT EXISTS energy_analytics.rejected_rows
(
    landed_on    Date                             COMMENT 'Local day on which the file was read',
    source       LowCardinality(String)           COMMENT 'Source that the rows should have fed',
    path         String                           COMMENT 'Path of the file below the landing zone',
    column_name  LowCardinality(Nullable(String)) COMMENT 'Column that could not be read; null where it is the whole row or file',
    reason       String                           COMMENT 'What is wrong with it',
    row_count    UInt64                           COMMENT 'Rows rejected for it',
    first_row    UInt64                           COMMENT 'First of them in the file, the header being 1; 0 is the whole file',
    first_date   Nullable(Date)                   COMMENT 'First local day that they are of; null where that could not be read',
    last_date    Nullable(Date)                   COMMENT 'Last of these days',
    is_withdrawn Bool                             COMMENT 'Whether the file no longer counts: corrected or retracted'
)
ENGINE = MergeTree
PARTITION BY landed_on
ORDER BY (source, path)
COMMENT 'Quarantine: what could not be read, by file and reason';
