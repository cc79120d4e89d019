-- One row per transformer and day.
CREATE TABLE IF NOT EXISTS energy_analytics.transformer_losses
(
    loss_date                   Date                   COMMENT 'Local day of the utility',
    transformer_id              String                 COMMENT 'Identifier of the transformer',
    feeder_id                   LowCardinality(Nullable(String)) COMMENT 'Feeder that supplies the transformer',
    connected_meters            UInt32                 COMMENT 'Meters behind the transformer',
    interval_count              UInt16                 COMMENT 'Intervals of the day',
    balanced_count              UInt16                 COMMENT 'Intervals that could be balanced',
    outage_count                UInt16                 COMMENT 'Intervals left out because supply was off for a part of them',
    incomplete_count            UInt16                 COMMENT 'Intervals left out because readings are missing',
    delivered_kwh               Float64                COMMENT 'Energy that came in over all intervals with a reading, in kWh',
    energy_in_kwh               Float64                COMMENT 'Energy that came in over the balanced intervals, in kWh',
    metered_kwh                 Float64                COMMENT 'Energy that the meters say, over the same intervals, in kWh',
    estimated_kwh               Float64                COMMENT 'Part of it that was estimated, in kWh',
    technical_loss_basis        LowCardinality(String) COMMENT 'ratings, or assumed where the register has none',
    technical_loss_kwh          Float64                COMMENT 'Energy that the transformer itself turned to heat, computed, in kWh',
    non_technical_loss_kwh      Float64                COMMENT 'What is left, in kWh: stolen, or metered wrongly, or mapped wrongly',
    deviation_kwh               Float64                COMMENT 'Standard deviation of that by what meters may err by, in kWh',
    non_technical_loss_low_kwh  Float64                COMMENT 'Lower end of its 90 % interval in kWh',
    non_technical_loss_high_kwh Float64                COMMENT 'Upper end of its 90 % interval in kWh',
    non_technical_loss_pct      Nullable(Float64)      COMMENT 'Non-technical loss as a percentage of the energy that came in',
    currency                    LowCardinality(Nullable(String)) COMMENT 'ISO 4217 code of the currency of the meters'' tariffs',
    price_per_kwh               Nullable(Float64)      COMMENT 'Mean price of a kWh on the bills of the transformer''s meters, without tax, in currency',
    non_technical_loss_value    Nullable(Float64)      COMMENT 'What the non-technical loss would have cost at that price, in currency',
    is_plausible                Bool                   COMMENT 'Whether the loss can be: false where the meters say clearly more than came in'
)
ENGINE = MergeTree
PARTITION BY loss_date
ORDER BY transformer_id
COMMENT 'Where the energy of each transformer went';
