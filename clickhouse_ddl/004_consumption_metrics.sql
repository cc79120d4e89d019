-- One row per meter and day.
CREATE TABLE IF NOT EXISTS energy_analytics.consumption_metrics
(
    metric_date      Date              COMMENT 'Local day of the utility',
    meter_id         String            COMMENT 'Identifier of the meter',
    total_kwh        Float64           COMMENT 'Energy of the day in kWh',
    mean_kwh         Nullable(Float64) COMMENT 'Mean energy of an interval in kWh',
    peak_kwh         Nullable(Float64) COMMENT 'Largest energy of an interval in kWh',
    peak_hour        Nullable(UInt8)   COMMENT 'Local hour of the peak',
    min_kwh          Nullable(Float64) COMMENT 'Smallest energy of an interval in kWh',
    variance_kwh2    Nullable(Float64) COMMENT 'Sample variance of the intervals'' energy in kWh²',
    reading_count    UInt16            COMMENT 'Readings delivered',
    expected_count   UInt16            COMMENT 'Intervals of the local day',
    completeness_pct Float64           COMMENT 'Accepted readings as a percentage of the expected ones',
    anomaly_count    Nullable(UInt32)  COMMENT 'Readings flagged as anomalous; null where nothing could be scored',
    anomaly_rate_pct Nullable(Float64) COMMENT 'Flagged readings as a percentage of the scored ones',
    loss_estimate_kwh Nullable(Float64) COMMENT 'What flagged readings fall short of the energy expected of them in kWh: a hint, no proof',
    day_before_kwh   Nullable(Float64) COMMENT 'Energy of the day before in kWh; null where that day is missing or its gate is closed',
    day_change_pct   Nullable(Float64) COMMENT 'Difference from the day before in per cent of it',
    week_before_kwh  Nullable(Float64) COMMENT 'Energy of the same weekday a week before in kWh',
    week_change_pct  Nullable(Float64) COMMENT 'Difference from the same weekday a week before in per cent of it',
    month_before_kwh Nullable(Float64) COMMENT 'Mean energy of a day over the 28 days before in kWh',
    month_change_pct Nullable(Float64) COMMENT 'Difference from the mean of the 28 days before in per cent of it'
)
ENGINE = MergeTree
PARTITION BY metric_date
ORDER BY meter_id
COMMENT 'Daily consumption of each meter';
