-- What pages ask in a form that the tables do not have. Views: they hold nothing that could be out of date.

-- One row per transformer, day and step of a waterfall: energy that came in, and where it went; what remains is the non-technical loss.
CREATE VIEW IF NOT EXISTS energy_analytics.energy_flow
(
    loss_date      Date                             COMMENT 'Local day of the utility',
    transformer_id String                           COMMENT 'Identifier of the transformer',
    feeder_id      LowCardinality(Nullable(String)) COMMENT 'Feeder that supplies it',
    step           String                           COMMENT 'energy_in, metered or technical_loss',
    kwh            Float64                          COMMENT 'Energy over the balanced intervals in kWh; what leaves is negative'
)
AS SELECT
    loss_date,
    transformer_id,
    feeder_id,
    tupleElement(part, 1) AS step,
    tupleElement(part, 2) AS kwh
FROM energy_analytics.transformer_losses
ARRAY JOIN [('energy_in', energy_in_kwh), ('metered', -metered_kwh), ('technical_loss', -technical_loss_kwh)] AS part;

-- One row per case of the newest day: the analyst's list.
CREATE VIEW IF NOT EXISTS energy_analytics.case_queue
(
    case_date             Date                             COMMENT 'Newest local day with cases',
    case_id               String                           COMMENT 'Subject and day on which the case opened',
    subject_kind          LowCardinality(String)           COMMENT 'meter, or transformer where no meter explains the loss',
    subject_id            String                           COMMENT 'Identifier of that meter or transformer',
    transformer_id        LowCardinality(Nullable(String)) COMMENT 'Transformer that feeds the meter; the transformer itself',
    customer_class        LowCardinality(Nullable(String)) COMMENT 'Class of the customer',
    latitude              Nullable(Float64)                COMMENT 'Latitude in degrees, WGS 84',
    longitude             Nullable(Float64)                COMMENT 'Longitude in degrees, WGS 84',
    opened_on             Date                             COMMENT 'Local day on which it opened',
    onset_date            Nullable(Date)                   COMMENT 'Day since when; null where none is clear',
    state                 LowCardinality(String)           COMMENT 'open, assigned, snoozed; ended as confirmed, cleared, faulty_meter, dismissed or lapsed',
    crew                  LowCardinality(Nullable(String)) COMMENT 'Whom it was assigned to last',
    selection             LowCardinality(Nullable(String)) COMMENT 'ranked, random, or null where it is not on the list',
    place                 Nullable(Int32)                  COMMENT 'Place by value among the cases that may be visited',
    is_new                Bool                             COMMENT 'Whether it opened on this day',
    probability           Nullable(Float64)                COMMENT 'How likely it is theft',
    stolen_kwh_per_day    Nullable(Float64)                COMMENT 'Energy that is hidden a day, in kWh',
    recoverable_kwh       Nullable(Float64)                COMMENT 'Energy that a visit would bring if it is theft, in kWh',
    currency              LowCardinality(Nullable(String)) COMMENT 'ISO 4217 code of the currency',
    value                 Nullable(Float64)                COMMENT 'What a visit is expected to bring less its cost, in currency',
    bill_effect_per_month Nullable(Float64)                COMMENT 'What the bill of 30 days would be higher by, with tax',
    reason_en             String                           COMMENT 'Why, in English',
    reason_fr             String                           COMMENT 'The same in French'
)
AS SELECT
    case_date, case_id, subject_kind, subject_id, transformer_id, customer_class, latitude, longitude, opened_on, onset_date, state, crew,
    selection, place, is_new, probability, stolen_kwh_per_day, recoverable_kwh, currency, value, bill_effect_per_month, reason_en, reason_fr
FROM energy_analytics.theft_cases
WHERE case_date = (SELECT max(case_date) FROM energy_analytics.theft_cases);

-- One row per case of the newest day and day of sixteen weeks: what its meter reported, and what it would have, had it gone on beside its siblings as before the onset.
CREATE VIEW IF NOT EXISTS energy_analytics.case_course
(
    metric_date                        Date                             COMMENT 'Local day of the utility',
    case_id                            String                           COMMENT 'Subject and day on which the case opened',
    meter_id                           String                           COMMENT 'Identifier of the meter',
    transformer_id                     LowCardinality(Nullable(String)) COMMENT 'Transformer that feeds it',
    customer_class                     LowCardinality(Nullable(String)) COMMENT 'Class of the customer',
    onset_date                         Nullable(Date)                   COMMENT 'Day since when; null where none is clear',
    reported_kwh                       Nullable(Float64)                COMMENT 'Energy that the meter reported in kWh; null where less than four fifths of the day were read',
    expected_kwh                       Nullable(Float64)                COMMENT 'Mean energy of the transformer''s meters, brought to this meter''s level before the onset, in kWh; null without an onset',
    transformer_non_technical_loss_kwh Nullable(Float64)                COMMENT 'Non-technical loss of the transformer in kWh'
)
AS WITH
    (SELECT max(case_date) FROM energy_analytics.theft_cases) AS newest,
    cases AS
    (
        SELECT case_id, subject_id, transformer_id, customer_class, onset_date
        FROM energy_analytics.theft_cases
        WHERE case_date = newest AND subject_kind = 'meter' AND state IN ('open', 'assigned', 'snoozed')
    ),
    siblings AS
    (
        SELECT transformer_id, metric_date, avg(total_kwh) AS mean_kwh
        FROM energy_analytics.consumption_metrics
        WHERE metric_date > newest - 112 AND metric_date <= newest AND transformer_id IN (SELECT transformer_id FROM cases)
        GROUP BY transformer_id, metric_date
    ),
    known AS
    (
        SELECT
            metrics.metric_date AS metric_date,
            cases.case_id AS case_id,
            cases.subject_id AS meter_id,
            cases.transformer_id AS transformer_id,
            cases.customer_class AS customer_class,
            cases.onset_date AS onset_date,
            if(metrics.completeness_pct >= 80, metrics.total_kwh, NULL) AS reported_kwh,
            siblings.mean_kwh AS mean_kwh
        FROM cases
        INNER JOIN
        (
            SELECT meter_id, metric_date, total_kwh, completeness_pct
            FROM energy_analytics.consumption_metrics
            WHERE metric_date > newest - 112 AND metric_date <= newest AND meter_id IN (SELECT subject_id FROM cases)
        ) AS metrics ON metrics.meter_id = cases.subject_id
        LEFT JOIN siblings ON siblings.transformer_id = cases.transformer_id AND siblings.metric_date = metrics.metric_date
    ),
    levels AS
    (
        SELECT case_id, sum(reported_kwh) / nullIf(sum(mean_kwh), 0) AS share
        FROM known
        WHERE metric_date < onset_date AND reported_kwh IS NOT NULL AND mean_kwh > 0
        GROUP BY case_id
    )
SELECT
    known.metric_date AS metric_date,
    known.case_id AS case_id,
    known.meter_id AS meter_id,
    known.transformer_id AS transformer_id,
    known.customer_class AS customer_class,
    known.onset_date AS onset_date,
    known.reported_kwh AS reported_kwh,
    if(levels.share > 0, levels.share * known.mean_kwh, NULL) AS expected_kwh,
    losses.non_technical_loss_kwh AS transformer_non_technical_loss_kwh
FROM known
LEFT JOIN levels ON levels.case_id = known.case_id
LEFT JOIN
(
    SELECT loss_date, transformer_id, toNullable(non_technical_loss_kwh) AS non_technical_loss_kwh
    FROM energy_analytics.transformer_losses
    WHERE loss_date > newest - 112 AND loss_date <= newest
) AS losses ON losses.transformer_id = known.transformer_id AND losses.loss_date = known.metric_date;

-- One row per scored meter of the newest day.
CREATE VIEW IF NOT EXISTS energy_analytics.newest_theft_scores
(
    score_date         Date                             COMMENT 'Newest local day with scores',
    meter_id           String                           COMMENT 'Identifier of the meter',
    transformer_id     LowCardinality(Nullable(String)) COMMENT 'Transformer that feeds it',
    theft_score        Float64                          COMMENT 'How suspicious it is, 0 to 1',
    theft_probability  Nullable(Float64)                COMMENT 'How likely it steals',
    stolen_kwh_per_day Nullable(Float64)                COMMENT 'Energy that it hides a day, in kWh; null where nothing tells'
)
AS SELECT score_date, meter_id, transformer_id, assumeNotNull(theft_scores.theft_score) AS theft_score, theft_probability, stolen_kwh_per_day
FROM energy_analytics.theft_scores
WHERE score_date = (SELECT max(score_date) FROM energy_analytics.theft_scores) AND theft_scores.theft_score IS NOT NULL;
