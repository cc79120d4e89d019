-- The same rows as in 017, in half the time: what a case's meter and its siblings reported was read once for the course and once more for the
-- level before the onset, since ClickHouse writes a WITH out wherever it is named. Measured by `python -m benchmarks pages`.

-- One row per case of the newest day and day of sixteen weeks: what its meter reported, and what it would have, had it gone on beside its siblings as before the onset.
CREATE OR REPLACE VIEW energy_analytics.case_course
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
            siblings.mean_kwh AS mean_kwh,
            metrics.metric_date < cases.onset_date AND reported_kwh IS NOT NULL AND siblings.mean_kwh > 0 AS is_of_level
        FROM cases
        INNER JOIN
        (
            SELECT meter_id, metric_date, total_kwh, completeness_pct
            FROM energy_analytics.consumption_metrics
            WHERE metric_date > newest - 112 AND metric_date <= newest AND meter_id IN (SELECT subject_id FROM cases)
        ) AS metrics ON metrics.meter_id = cases.subject_id
        LEFT JOIN siblings ON siblings.transformer_id = cases.transformer_id AND siblings.metric_date = metrics.metric_date
    ),
    levelled AS
    (
        SELECT
            metric_date, case_id, meter_id, transformer_id, customer_class, onset_date, reported_kwh, mean_kwh,
            sumIf(reported_kwh, is_of_level) OVER (PARTITION BY case_id)
                / nullIf(sumIf(mean_kwh, is_of_level) OVER (PARTITION BY case_id), 0) AS share
        FROM known
    )
SELECT
    levelled.metric_date AS metric_date,
    levelled.case_id AS case_id,
    levelled.meter_id AS meter_id,
    levelled.transformer_id AS transformer_id,
    levelled.customer_class AS customer_class,
    levelled.onset_date AS onset_date,
    levelled.reported_kwh AS reported_kwh,
    if(levelled.share > 0, levelled.share * levelled.mean_kwh, NULL) AS expected_kwh,
    losses.non_technical_loss_kwh AS transformer_non_technical_loss_kwh
FROM levelled
LEFT JOIN
(
    SELECT loss_date, transformer_id, toNullable(non_technical_loss_kwh) AS non_technical_loss_kwh
    FROM energy_analytics.transformer_losses
    WHERE loss_date > newest - 112 AND loss_date <= newest
) AS losses ON losses.transformer_id = levelled.transformer_id AND losses.loss_date = levelled.metric_date;
