-- Pages are filtered by class, transformer and feeder: their tables know them, so that no page joins.
ALTER TABLE energy_analytics.consumption_metrics
    ADD COLUMN IF NOT EXISTS customer_class LowCardinality(Nullable(String)) COMMENT 'Class of the customer on that day; null where no register knows the meter',
    ADD COLUMN IF NOT EXISTS transformer_id LowCardinality(Nullable(String)) COMMENT 'Transformer that feeds the meter on that day',
    ADD COLUMN IF NOT EXISTS feeder_id LowCardinality(Nullable(String)) COMMENT 'Feeder that supplies that transformer';

ALTER TABLE energy_analytics.anomaly_flags
    ADD COLUMN IF NOT EXISTS customer_class LowCardinality(Nullable(String)) COMMENT 'Class of the customer on that day; null where no register knows the meter',
    ADD COLUMN IF NOT EXISTS transformer_id LowCardinality(Nullable(String)) COMMENT 'Transformer that feeds the meter on that day',
    ADD COLUMN IF NOT EXISTS feeder_id LowCardinality(Nullable(String)) COMMENT 'Feeder that supplies that transformer';

ALTER TABLE energy_analytics.load_profile
    ADD COLUMN IF NOT EXISTS temperature_c Nullable(Float64) COMMENT 'Mean air temperature over all stations in the hour of the slot, in degrees Celsius; null without weather';

ALTER TABLE energy_analytics.transformer_losses
    ADD COLUMN IF NOT EXISTS rating_kva Nullable(Float64) COMMENT 'Rated power in kVA',
    ADD COLUMN IF NOT EXISTS latitude Nullable(Float64) COMMENT 'Latitude in degrees, WGS 84',
    ADD COLUMN IF NOT EXISTS longitude Nullable(Float64) COMMENT 'Longitude in degrees, WGS 84';
