-- One row per area and hour that was forecast the day before.
CREATE TABLE IF NOT EXISTS energy_analytics.forecast_accuracy
(
    reading_date    Date                   COMMENT 'Local day of the utility that was forecast on the day before',
    area_kind       LowCardinality(String) COMMENT 'transformer or feeder',
    area_id         String                 COMMENT 'Identifier of the area',
    hour            UInt8                  COMMENT 'Local hour of the day; so far ahead, in hours, of the last that the forecast knew',
    method          LowCardinality(String) COMMENT 'ridge, or seasonal_naive where the days were too few to learn from',
    interval_count  UInt16                 COMMENT 'Intervals of the hour',
    compared_count  UInt16                 COMMENT 'Intervals that were fed throughout and read',
    bounded_count   UInt16                 COMMENT 'Compared intervals whose forecast had a 90 % interval',
    within_count    UInt16                 COMMENT 'Compared intervals whose load was within it',
    actual_kwh      Nullable(Float64)      COMMENT 'Load of the compared intervals in kWh; null where none could be',
    forecast_kwh    Nullable(Float64)      COMMENT 'What was expected of them in kWh',
    naive_kwh       Nullable(Float64)      COMMENT 'What the same intervals a week before would have said, in kWh',
    error_pct       Nullable(Float64)      COMMENT 'Forecast minus load as a percentage of the load: the mean of its size is the MAPE',
    naive_error_pct Nullable(Float64)      COMMENT 'The same of the week before'
)
ENGINE = MergeTree
PARTITION BY reading_date
ORDER BY (area_kind, area_id, hour)
COMMENT 'How well the load of each transformer and feeder was forecast';
