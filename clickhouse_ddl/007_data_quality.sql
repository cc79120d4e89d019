-- One row per rule and day: what the data-quality page counts.
CREATE TABLE IF NOT EXISTS energy_analytics.data_quality
(
    reading_date   Date                   COMMENT 'Local day of the utility',
    rule           LowCardinality(String) COMMENT 'missing, negative, above_limit, fold_assumed, duplicate or rejected',
    area_id        LowCardinality(String) COMMENT 'Area of the network; all without a register of meters',
    hit_count      UInt64                 COMMENT 'Readings that the rule hit',
    meter_count    Nullable(UInt32)       COMMENT 'Meters that it hit; null for duplicate and rejected rows, which are counted by file',
    expected_count UInt64                 COMMENT 'Readings that the day''s meters should have',
    share_pct      Nullable(Float64)      COMMENT 'Hits as a percentage of the expected readings'
)
ENGINE = MergeTree
PARTITION BY reading_date
ORDER BY (rule, area_id)
COMMENT 'What rules found in each day''s readings';
