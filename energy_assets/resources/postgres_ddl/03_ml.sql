-- Models and scores. Scores are reading-grain: native day partitions, made when a day is first written.

create table if not exists ml.anomaly_model (
    fitted_date          date        primary key, -- first day of the ISO week that the model scores
    model_version        text        not null unique,
    sha256               text        not null,
    training_start_date  date        not null,
    training_end_date    date        not null,    -- exclusive
    training_days        integer     not null,
    training_rows        bigint      not null,
    score_threshold      double precision not null,
    feature_names        text[]      not null,
    run_id               text        not null,
    published_at         timestamptz not null default clock_timestamp()
);

create table if not exists ml.anomaly_scores (
    reading_date  date        not null,
    meter_id      text        not null,
    reading_at    timestamptz not null,
    accepted_wh   bigint      not null,
    expected_wh   double precision,
    anomaly_score double precision,
    is_anomaly    boolean,
    anomaly_type  text,
    score_status  text        not null,
    model_version text,
    primary key (reading_date, meter_id, reading_at)
) partition by list (reading_date);
