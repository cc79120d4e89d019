-- The list of the strangest meter-days reads one reading of each, in the order of scores, and no longer groups all of a year's at each look
-- (`python -m benchmarks pages`). Days that were served before this know it once they are served again.
ALTER TABLE energy_analytics.anomaly_flags
    ADD COLUMN IF NOT EXISTS meter_day_flags Nullable(UInt32) COMMENT 'Flagged readings of the meter on that day; null but on the one of them with the highest score';
