-- The flagged readings alone: what the anomaly page lists.
CREATE TABLE IF NOT EXISTS energy_analytics.anomaly_flags
(
    reading_date    Date                   COMMENT 'Local day of the utility',
    meter_id        String                 COMMENT 'Identifier of the meter',
    reading_at      DateTime('UTC')        COMMENT 'Start of the interval',
    consumption_kwh Float64                COMMENT 'Accepted energy of the interval in kWh',
    expected_kwh    Nullable(Float64)      COMMENT 'Energy expected from the meter''s own history in kWh',
    deviation_ratio Nullable(Float64)      COMMENT 'Accepted over expected energy',
    anomaly_score   Float64                COMMENT 'How unusual the reading is, 0 to 1',
    anomaly_type    LowCardinality(String) COMMENT 'spike, drop, drift, flat or unusual_pattern',
    model_version   LowCardinality(String) COMMENT 'Version of the model that scored it'
)
ENGINE = MergeTree
PARTITION BY reading_date
ORDER BY (reading_at, meter_id)
COMMENT 'Readings flagged as anomalous';
