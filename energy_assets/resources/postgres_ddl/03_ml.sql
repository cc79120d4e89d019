-- One row per fitted model: the Isolation Forest that scores an ISO week, learnt from the weeks before it.
create table if not exists ml.anomaly_model (
    fitted_date          date        primary key,                       -- First day of the ISO week that the model scores
    model_version        text        not null unique,                   -- Name of the model and of its file
    sha256               text        not null,                          -- Hash of its file, verified at each load
    training_start_date  date        not null,                          -- First day it learnt from
    training_end_date    date        not null,                          -- Day after the last it learnt from
    training_days        integer     not null,                          -- Days with readings among them
    training_rows        bigint      not null,                          -- Readings it learnt from
    score_threshold      double precision not null,                     -- Score from which a reading is flagged
    feature_names        text[]      not null,                          -- What it sees of a reading
    run_id               text        not null,                          -- Run that fitted it
    published_at         timestamptz not null default clock_timestamp() -- When it was fitted
);

-- One row per meter and instant: how unusual an accepted reading is beside its meter's own last week.
-- Native day partitions, made when a day is first written.
create table if not exists ml.anomaly_scores (
    reading_date  date        not null, -- Local day of the utility
    meter_id      text        not null, -- Identifier of the meter
    reading_at    timestamptz not null, -- Start of the interval
    accepted_wh   bigint      not null, -- Accepted energy in Wh
    expected_wh   double precision,     -- Energy expected from the meter's own history in Wh
    anomaly_score double precision,     -- How unusual the reading is, 0 to 1; null without a model
    is_anomaly    boolean,              -- Whether the score passes the model's threshold
    anomaly_type  text,                 -- spike, drop, drift, flat or unusual_pattern, where flagged
    score_status  text        not null, -- scored, or no_model
    model_version text,                 -- Version of the model that scored it
    primary key (reading_date, meter_id, reading_at)
) partition by list (reading_date);
