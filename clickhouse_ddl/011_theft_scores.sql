-- One row per meter and day: how suspicious it is, since when, how much, and why.
CREATE TABLE IF NOT EXISTS energy_analytics.theft_scores
(
    score_date         Date                             COMMENT 'Local day through which everything was read',
    meter_id           String                           COMMENT 'Identifier of the meter',
    transformer_id     LowCardinality(Nullable(String)) COMMENT 'Transformer behind which the register has it on that day',
    theft_score        Nullable(Float64)                COMMENT 'How suspicious it is, 0 to 1; null where it is not scored',
    theft_probability  Nullable(Float64)                COMMENT 'How likely it steals, on the basis that the next column names',
    probability_basis  LowCardinality(Nullable(String)) COMMENT 'prior: the expected rate of theft, spread in the order of scores',
    onset_date         Nullable(Date)                   COMMENT 'Day since when; null where none is clear',
    stolen_kwh_per_day Nullable(Float64)                COMMENT 'Energy that it hides a day, in kWh; null where nothing tells',
    stolen_kwh_low     Nullable(Float64)                COMMENT 'Lower end of its 90 % interval',
    stolen_kwh_high    Nullable(Float64)                COMMENT 'Upper end of its 90 % interval',
    reason_en          String                           COMMENT 'Why, in English, the most telling first',
    reason_fr          String                           COMMENT 'The same in French',
    score_status       LowCardinality(String)           COMMENT 'scored, or too_few_days',
    model_version      LowCardinality(Nullable(String)) COMMENT 'Version of the ranker; null where it is not scored'
)
ENGINE = MergeTree
PARTITION BY score_date
ORDER BY (meter_id)
COMMENT 'How suspicious each meter is: a reason to look, not a proof';
