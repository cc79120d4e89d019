-- One row per meter and instant that could be scored, or not, and why. Keys and the codec as in 002_meter_readings.sql.
-- Scores and expectations keep the default codec: Gorilla with ZSTD saved 13 % of their bytes and read 3 times slower.
CREATE TABLE IF NOT EXISTS energy_analytics.anomaly_scores
(
    reading_date  Date                             COMMENT 'Local day of the utility',
    meter_id      String                           COMMENT 'Identifier of the meter',
    reading_at    DateTime('UTC')                  COMMENT 'Start of the interval',
    accepted_wh   Int64 CODEC(T64, ZSTD(1))        COMMENT 'Accepted energy in Wh',
    expected_wh   Nullable(Float64)                COMMENT 'Energy expected from the meter''s own history in Wh',
    anomaly_score Nullable(Float64)                COMMENT 'How unusual the reading is, 0 to 1; null without a model',
    is_anomaly    Nullable(Bool)                   COMMENT 'Whether the score passes the model''s threshold',
    anomaly_type  LowCardinality(Nullable(String)) COMMENT 'spike, drop, drift, flat or unusual_pattern',
    score_status  LowCardinality(String)           COMMENT 'scored, or no_model',
    model_version LowCardinality(Nullable(String)) COMMENT 'Version of the model that scored it'
)
ENGINE = MergeTree
PARTITION BY reading_date
ORDER BY (meter_id, reading_at)
COMMENT 'How unusual each accepted reading is';
