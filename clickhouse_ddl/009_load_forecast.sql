-- One row per area and interval of the day after forecast_date.
CREATE TABLE IF NOT EXISTS energy_analytics.load_forecast
(
    forecast_date        Date                             COMMENT 'Origin: the last local day that the forecast knows; it is of the day after',
    area_kind            LowCardinality(String)           COMMENT 'transformer or feeder',
    area_id              String                           COMMENT 'Identifier of the area',
    starts_at            DateTime('UTC')                  COMMENT 'Start of the interval',
    interval_minutes     UInt16                           COMMENT 'Length of the interval in minutes',
    feeder_id            LowCardinality(Nullable(String)) COMMENT 'Feeder that supplies the transformer; null of a feeder itself',
    forecast_wh          Int64                            COMMENT 'Expected load in Wh, were supply on throughout',
    naive_wh             Int64                            COMMENT 'Load of the same interval a week before in Wh: what a forecast must beat',
    low_wh               Nullable(Int64)                  COMMENT 'Lower end of its 90 % interval in Wh; null without a model',
    high_wh              Nullable(Int64)                  COMMENT 'Upper end of its 90 % interval in Wh; null without a model',
    capacity_wh          Nullable(Int64)                  COMMENT 'What the transformer''s rating lets through in the interval, in Wh; null without one',
    overload_probability Nullable(Float64)                COMMENT 'How likely the load is above that, 0 to 1',
    method               LowCardinality(String)           COMMENT 'ridge, or seasonal_naive where the days are too few to learn from'
)
ENGINE = MergeTree
PARTITION BY forecast_date
ORDER BY (area_kind, area_id, starts_at)
COMMENT 'What the load of each transformer and feeder is expected to be';
