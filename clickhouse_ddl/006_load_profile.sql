-- One row per customer class and slot of a day: what a heat map or a load curve reads, some hundred rows a day.
CREATE TABLE IF NOT EXISTS energy_analytics.load_profile
(
    reading_date     Date                   COMMENT 'Local day of the utility',
    customer_class   LowCardinality(String) COMMENT 'Class of the customers; unknown without a register of meters',
    day_type         LowCardinality(String) COMMENT 'workday, saturday or sunday',
    interval_minutes UInt16                 COMMENT 'Length of a slot in minutes',
    slot             UInt16                 COMMENT 'Number of the slot since local midnight, the first being 0',
    minute_of_day    UInt16                 COMMENT 'Minutes from local midnight to the slot',
    meter_count      UInt32                 COMMENT 'Meters with accepted energy in the slot',
    total_kwh        Float64                COMMENT 'Energy of the slot in kWh',
    mean_kwh         Float64                COMMENT 'Mean energy of a meter in the slot in kWh',
    std_kwh          Nullable(Float64)      COMMENT 'Sample standard deviation over the meters in kWh',
    mean_kw          Float64                COMMENT 'Mean load of a meter in the slot in kW'
)
ENGINE = MergeTree
PARTITION BY reading_date
ORDER BY (customer_class, interval_minutes, slot)
COMMENT 'Load of each customer class through the day';
