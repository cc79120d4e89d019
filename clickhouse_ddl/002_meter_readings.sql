-- One row per meter and instant. The choices, each measured on 14.4 million readings (10,000 meters, 30 days of half hours)
-- by `python -m benchmarks layout`, against the same table without the choice:
-- Partitions of a day: a day is swapped whole, and a question about one day reads that day (35 ms; 446 ms with months).
-- Ordered by meter: a meter's month is one read a day (28 ms; 561 ms when ordered by instant).
-- T64 with ZSTD: energies fill a fraction of 64 bits (18.3 MB; 45.9 MB with the default, 29.1 MB with Delta and ZSTD).
-- Delta with ZSTD: instants are evenly spaced (0.08 MB; 0.43 MB). Low cardinality of the quality code: 0.45 MB; 1.74 MB.
-- The pre-aggregate by instant: the energy of all meters by day or hour (12 ms; 171 ms, and as fast to write). It is a
-- projection, part of the partition, so it is swapped with its day; a materialized view's rows would not be.
-- Left at the default codec: meter_id, which ZSTD made larger (4.3 MB; 3.4 MB) and slower to group by.
CREATE TABLE IF NOT EXISTS energy_analytics.meter_readings
(
    reading_date     Date                   COMMENT 'Local day of the utility',
    meter_id         String                 COMMENT 'Identifier of the meter',
    reading_at       DateTime('UTC') CODEC(Delta, ZSTD(1)) COMMENT 'Start of the interval',
    interval_minutes UInt16                 COMMENT 'Length of the interval',
    accepted_wh      Nullable(Int64) CODEC(T64, ZSTD(1)) COMMENT 'Accepted energy in Wh; null where the delivered value is not accepted',
    quality_code     LowCardinality(String) COMMENT 'valid, fold_assumed, negative or above_limit',
    consumption_kwh  Nullable(Float64) ALIAS accepted_wh / 1000 COMMENT 'Accepted energy in kWh',
    PROJECTION by_instant
    (
        SELECT reading_date, reading_at, sum(accepted_wh), count(accepted_wh), count()
        GROUP BY reading_date, reading_at
    )
)
ENGINE = MergeTree
PARTITION BY reading_date
ORDER BY (meter_id, reading_at)
COMMENT 'Accepted readings';
