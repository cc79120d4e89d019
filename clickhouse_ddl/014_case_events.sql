-- One row per decision on a theft case.
CREATE TABLE IF NOT EXISTS energy_analytics.case_events
(
    decided_on   Date                             COMMENT 'Local day of the decision',
    subject_kind LowCardinality(String)           COMMENT 'meter or transformer',
    subject_id   String                           COMMENT 'Identifier of that meter or transformer',
    event        LowCardinality(String)           COMMENT 'assigned, snoozed, dismissed, open; of a transformer also theft, clean, no_access, faulty_meter',
    until_on     Nullable(Date)                   COMMENT 'Last day on which a snoozed or dismissed case stays off the list',
    crew         LowCardinality(Nullable(String)) COMMENT 'Whom it was assigned to',
    reason       Nullable(String)                 COMMENT 'Why, in the words of whoever decided',
    decided_by   LowCardinality(Nullable(String)) COMMENT 'Who decided',
    case_id      Nullable(String)                 COMMENT 'Case as it was called then',
    recovered_wh Nullable(Int64)                  COMMENT 'Energy that was billed after a visit, in whole watt-hours'
)
ENGINE = MergeTree
PARTITION BY decided_on
ORDER BY (subject_kind, subject_id)
COMMENT 'What was decided about theft cases';
