-- One row per theft case and day: what is to be visited, why, and what it is worth.
CREATE TABLE IF NOT EXISTS energy_analytics.theft_cases
(
    case_date             Date                             COMMENT 'Local day of the utility',
    case_id               String                           COMMENT 'Subject and day on which the case opened; stays the same while it lasts',
    subject_kind          LowCardinality(String)           COMMENT 'meter, or transformer where no meter explains the loss',
    subject_id            String                           COMMENT 'Identifier of that meter or transformer',
    transformer_id        LowCardinality(Nullable(String)) COMMENT 'Transformer that feeds the meter; the transformer itself',
    customer_class        LowCardinality(Nullable(String)) COMMENT 'Class of the customer',
    latitude              Nullable(Float64)                COMMENT 'Latitude in degrees, WGS 84',
    longitude             Nullable(Float64)                COMMENT 'Longitude in degrees, WGS 84',
    origin                LowCardinality(String)           COMMENT 'What opened it: evidence, random (drawn for a visit) or visit (visited without a case)',
    opened_on             Date                             COMMENT 'Local day on which it opened',
    state                 LowCardinality(String)           COMMENT 'open, assigned, snoozed; ended as confirmed, cleared, faulty_meter, dismissed or lapsed',
    state_since           Date                             COMMENT 'Local day since when',
    crew                  LowCardinality(Nullable(String)) COMMENT 'Whom it was assigned to last',
    suppressed_until      Nullable(Date)                   COMMENT 'Last day on which the subject rests: visited, snoozed or dismissed; null where it does not',
    last_visited_on       Nullable(Date)                   COMMENT 'Local day of the last visit of this case',
    visit_count           Int32                            COMMENT 'Visits of this case',
    recovered_kwh         Nullable(Float64)                COMMENT 'Energy that was billed after the visit in kWh',
    supported_on          Date                             COMMENT 'Last day on which there was evidence',
    probability           Nullable(Float64)                COMMENT 'How likely it is theft, on the basis that the next column names',
    probability_basis     LowCardinality(Nullable(String)) COMMENT 'prior or labels, as of the score; interval: that what nobody explains exceeds what meters may err by',
    onset_date            Nullable(Date)                   COMMENT 'Day since when; null where none is clear',
    stolen_kwh_per_day    Nullable(Float64)                COMMENT 'Energy that is hidden a day, in kWh; null where nothing tells',
    stolen_kwh_low        Nullable(Float64)                COMMENT 'Lower end of its 90 % interval',
    stolen_kwh_high       Nullable(Float64)                COMMENT 'Upper end of its 90 % interval',
    recoverable_kwh       Nullable(Float64)                COMMENT 'Energy that a visit would bring if it is theft: back-billed, and counted from then on, in kWh',
    currency              LowCardinality(Nullable(String)) COMMENT 'ISO 4217 code of the currency',
    price_per_kwh         Nullable(Float64)                COMMENT 'What a hidden kWh costs on top of the meter''s bill, without tax; of a transformer the mean of its meters'' bills',
    bill_effect_per_month Nullable(Float64)                COMMENT 'What the bill of 30 days would be higher by, with tax',
    visit_cost            Nullable(Float64)                COMMENT 'What a visit costs in that currency; null where nobody said',
    value                 Nullable(Float64)                COMMENT 'Probability × recoverable_kwh × price_per_kwh − visit_cost; null where no tariff or energy is known',
    place                 Nullable(Int32)                  COMMENT 'Place by value among the cases that may be visited; null where it may not, or is not worth it',
    selection             LowCardinality(Nullable(String)) COMMENT 'ranked: within the visits of a week; random: drawn for this week; null: not on the list',
    random_week           Nullable(Date)                   COMMENT 'Monday of the week for which it was drawn last',
    is_new                Bool                             COMMENT 'Whether it opened on this day',
    previous_state        LowCardinality(Nullable(String)) COMMENT 'State of the day before; null where it is new',
    previous_place        Nullable(Int32)                  COMMENT 'Place of the day before',
    reason_en             String                           COMMENT 'Why, in English, the most telling first',
    reason_fr             String                           COMMENT 'The same in French'
)
ENGINE = MergeTree
PARTITION BY case_date
ORDER BY case_id
COMMENT 'Theft cases day by day: what is to be visited, and what became of it';
