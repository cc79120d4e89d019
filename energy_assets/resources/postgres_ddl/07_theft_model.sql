-- One row per ISO week: what inspections had taught by then, how challenger and champion did on later visits, and who scores the week.
-- A week is decided once; inspections that land later change later weeks alone.
create table if not exists ml.theft_model (
    fitted_date                date        primary key,                       -- First day of the ISO week that is scored
    model_version              text,                                          -- Ranker that scores the week; null where the unsupervised score does
    sha256                     text,                                          -- Hash of its file, verified at each load
    decision                   text        not null,                          -- kept, champion_stays, champion_dropped, not_better or too_few_labels
    reason                     text        not null,                          -- Why, in words
    theft_visits               integer     not null,                          -- Visits before the week that found theft and have evidence
    clean_visits               integer     not null,                          -- Those that found none
    judged_from                date,                                          -- First day of the later visits, which the challenger did not learn from; null where none was fitted
    judged_theft               integer,                                       -- Of the later visits those that found theft
    judged_clean               integer,                                       -- Those that found none
    unsupervised_precision     double precision,                              -- Average precision of the unsupervised score on them
    challenger_precision       double precision,                              -- That of the challenger
    gain_low                   double precision,                              -- Challenger less unsupervised: lower end of the interval of 99 %
    gain_high                  double precision,                              -- Its upper end
    champion_version           text,                                          -- Ranker that scored the week before; null where none did
    champion_theft             integer,                                       -- Of the later visits since it was fitted those that found theft
    champion_clean             integer,                                       -- Those that found none
    champion_precision         double precision,                              -- Average precision of the champion on them
    beside_champion_precision  double precision,                              -- That of the challenger
    champion_gain_low          double precision,                              -- Challenger less champion: lower end of the interval of 99 %
    champion_gain_high         double precision,                              -- Its upper end
    run_id                     text        not null,                          -- Run that decided it
    published_at               timestamptz not null default clock_timestamp() -- When it was decided
);
