-- One row per meter and instant. Partitioned by day: a day is swapped whole. Ordered by meter: a meter's month is one read.
CREATE TABLE IF NOT EXISTS energy_analytics.meter_readings
(
    reading_date     Date                   COMMENT 'Local day of the utility',
    meter_id         String                 COMMENT 'Identifier of the meter',
    reading_at       DateTime('UTC')        COMMENT 'Start of the interval',
    interval_minutes UInt16                 COMMENT 'Length of the interval',
    accepted_wh      Nullable(Int64)        COMMENT 'Accepted energy in Wh; null where the delivered value is not accepted',
    quality_code     LowCardinality(String) COMMENT 'valid, fold_assumed, negative or above_limit',
    consumption_kwh  Nullable(Float64) ALIAS accepted_wh / 1000 COMMENT 'Accepted energy in kWh'
)
ENGINE = MergeTree
PARTITION BY reading_date
ORDER BY (meter_id, reading_at)
COMMENT 'Accepted readings';
