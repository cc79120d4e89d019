-- One row per week and way of choosing whom to visit.
CREATE TABLE IF NOT EXISTS energy_analytics.detection_performance
(
    week_date               Date                             COMMENT 'Sunday that ends the week',
    selection               LowCardinality(String)           COMMENT 'ranked, random, other (a tip, say), or all of them',
    week_visits             UInt32                           COMMENT 'Visits of the week itself; everything else is of the 26 weeks to it',
    week_thefts             UInt32                           COMMENT 'Of them, those that found theft',
    visits                  UInt32                           COMMENT 'Visits to meters over 26 weeks',
    no_access               UInt32                           COMMENT 'Of them, those that nobody let in: they count for nothing else',
    decided                 UInt32                           COMMENT 'Of them, those that found theft, a sound or a faulty meter',
    thefts                  UInt32                           COMMENT 'Of them, those that found theft',
    hit_rate                Nullable(Float64)                COMMENT 'thefts over decided',
    hit_rate_low            Nullable(Float64)                COMMENT 'Lower end of its 90 % interval (Wilson)',
    hit_rate_high           Nullable(Float64)                COMMENT 'Upper end of its 90 % interval',
    precision_at_5          Nullable(Float64)                COMMENT 'Share of theft among visits to the first 5 places of the list of the day before',
    precision_at_10         Nullable(Float64)                COMMENT 'The same of the first 10',
    precision_at_20         Nullable(Float64)                COMMENT 'The same of the first 20',
    lift                    Nullable(Float64)                COMMENT 'Hit rate of ranked visits over that of random ones, half a hit added to both; null without random visits',
    lift_low                Nullable(Float64)                COMMENT 'Lower end of its 90 % interval (Katz)',
    lift_high               Nullable(Float64)                COMMENT 'Upper end of its 90 % interval',
    recovered_kwh           Float64                          COMMENT 'Energy that was billed afterwards in kWh',
    recovered_kwh_per_visit Float64                          COMMENT 'The same per visit',
    currency                LowCardinality(Nullable(String)) COMMENT 'ISO 4217 code; null where visits are of several, or of none that is known',
    net_value               Nullable(Float64)                COMMENT 'What that energy costs, less the visits',
    net_value_per_visit     Nullable(Float64)                COMMENT 'The same per visit',
    judged                  UInt32                           COMMENT 'Decided visits whose case had a probability on the day before',
    judged_thefts           Nullable(UInt32)                 COMMENT 'Of them, those that found theft',
    expected_thefts         Nullable(Float64)                COMMENT 'What their probabilities add up to: well calibrated where judged_thefts is about that',
    brier_score             Nullable(Float64)                COMMENT 'Mean squared difference of probability and outcome (Brier 1950)'
)
ENGINE = MergeTree
PARTITION BY week_date
ORDER BY selection
COMMENT 'How often visits were right, week by week, beside random ones';
