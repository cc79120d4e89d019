-- One row per meter and day: the day in numbers by which weeks of a meter are compared. Slots without supply are left out.
-- Native day partitions, made when a day first has any.
create table if not exists intermediate.int_day_traits (
    reading_date date   not null, -- Local day of the utility
    meter_id     text   not null, -- Identifier of the meter
    traits       real[] not null, -- Mean, quantiles, spread, steps, shares and three-hour means, in the order of ml.theft.traits.TRAITS; null where not known
    primary key (reading_date, meter_id)
) partition by list (reading_date);

-- One row per meter behind a balanced transformer, and one per such transformer for what nobody explains; on Mondays alone.
-- Native day partitions, made when a day first has any.
create table if not exists ml.loss_explanations (
    explained_date     date             not null, -- Monday through which eight weeks were read
    transformer_id     text             not null, -- Transformer behind which the register has the meter; of nobody, the one whose loss it is
    meter_id           text             not null, -- Meter that explains a part of it; empty: nobody
    energy_wh          bigint           not null, -- What that is a day over the last four weeks, in Wh; of nobody it may be below zero
    energy_low_wh      bigint           not null, -- Lower end of its 90 % interval
    energy_high_wh     bigint           not null, -- Upper end of its 90 % interval
    way                text,                      -- share, night, weekend, missing or invented: what the loss follows; null where the meter explains nothing
    coefficient        double precision,          -- Loss for each Wh of what it follows
    since_date         date,                      -- Day from which it follows it; null where throughout
    gain               double precision,          -- By how many of its mean squares the residual would grow without the meter
    gain_share         double precision,          -- By what share of itself
    has_drifting_clock boolean          not null, -- Whether a clock that runs fast explains what readings of its own would
    is_misplaced       boolean          not null, -- Whether the register has the meter behind another transformer than this one
    primary key (explained_date, transformer_id, meter_id)
) partition by list (explained_date);

-- One row per meter and day: evidence of theft as of that day, each number of one family, to be checked by a person.
-- Native day partitions, made when a day first has any.
create table if not exists ml.theft_evidence (
    score_date        date not null,     -- Local day through which everything was read
    meter_id          text not null,     -- Identifier of the meter
    transformer_id    text,              -- Transformer behind which the register has it on that day
    known_days        smallint not null, -- Days with traits among the last four weeks
    reported_wh       bigint not null,   -- What it reported a day over the last four weeks, in Wh
    drop_date         date,              -- First day after the strongest fall of its level; null where there was none
    before_w          double precision,  -- Mean power before that day, in W
    after_w           double precision,  -- Mean power from that day on, in W
    fleet_change      double precision,  -- What the median meter of the fleet did then: after over before, less 1
    onset_date        date,              -- First day after the strongest change of all its series together; null where days are too few
    explained_date    date,              -- Day through which the explanation of its transformer's loss was read; null without one
    explained_way     text,              -- How it explains that loss: share, night, weekend, missing or invented; null where it does not
    explained_since   date,              -- Day from which it does; null where throughout, or not at all
    explained_wh      bigint,            -- What it explains a day, in Wh
    explained_low_wh  bigint,            -- Lower end of the 90 % interval of that
    explained_high_wh bigint,            -- Upper end of the 90 % interval of that
    used_wh           bigint,            -- Prepaid: what was used over eight weeks, in Wh; null where purchases are not known
    bought_wh         bigint,            -- Prepaid: what was bought over eight weeks, in Wh
    drop_t            double precision,  -- Strongest fall of the level: statistic
    drop              double precision,  -- Strongest fall of the level: logarithm of after over before
    joint_change      double precision,  -- Strongest change of all series together: joint statistic
    level_t           double precision,  -- At the strongest change: statistic of the level
    base_t            double precision,  -- At the strongest change: of the day's lowest tenth
    low_t             double precision,  -- At the strongest change: of the lower quartile
    middle_t          double precision,  -- At the strongest change: of the median interval
    peak_t            double precision,  -- At the strongest change: of the highest interval
    zero_t            double precision,  -- At the strongest change: of the share of intervals at zero
    spread_t          double precision,  -- At the strongest change: of the day's variability
    step_t            double precision,  -- At the strongest change: of the steps between intervals
    bend_t            double precision,  -- At the strongest change: of the roughness of the course
    night_t           double precision,  -- At the strongest change: of the share of the night, 0:00 to 6:00
    evening_t         double precision,  -- At the strongest change: of the share of the evening, 18:00 to 21:00
    profile_likeness  double precision,  -- Correlation of the mean days before and after the strongest change
    profile_reversal  double precision,  -- Correlation with the day after reversed, less profile_likeness
    recent_trend      double precision,  -- Level of the last two weeks less that of the four before
    day_spread        double precision,  -- Standard deviation of the daily level lately
    low_days          double precision,  -- Share of days lately below a twentieth of the usual
    zero_share        double precision,  -- Share of intervals at zero
    plateau_share     double precision,  -- Share of intervals at the day's maximum
    equal_share       double precision,  -- Share of intervals equal to the one before
    base_ratio        double precision,  -- Logarithm of the lowest tenth over the mean
    peak_ratio        double precision,  -- Logarithm of the maximum over the mean
    spread_ratio      double precision,  -- Logarithm of the day's standard deviation over its mean
    step_ratio        double precision,  -- Logarithm of the mean step over the mean
    weekend_ratio     double precision,  -- Logarithm of weekends over workdays
    class_likeness    double precision,  -- Correlation of the mean day with the class's
    reversed_likeness double precision,  -- Correlation with the class's day reversed, less class_likeness
    nothing_reported  double precision,  -- 1 where the meter reports nothing at all lately
    balance_gain      double precision,  -- Logarithm of how many mean squares worse the transformer's loss is explained without the meter
    balance_share     double precision,  -- Root of the share of the squared loss that the meter alone explains
    stolen_share      double precision,  -- Explained energy over it and what is reported
    primary key (score_date, meter_id)
) partition by list (score_date);

-- One row per meter and day: how suspicious it is, since when, how much, and why. A score is a reason to look, not a proof.
-- Native day partitions, made when a day first has any.
create table if not exists ml.theft_scores (
    score_date          date  not null,   -- Local day through which everything was read
    meter_id            text  not null,   -- Identifier of the meter
    transformer_id      text,             -- Transformer behind which the register has it on that day
    theft_score         double precision, -- How suspicious it is, 0 to 1; null where it is not scored
    theft_probability   double precision, -- How likely it steals, on the basis that the next column names
    probability_basis   text,             -- prior: the expected rate of theft, spread in the order of scores; labels: learnt from what inspections found
    onset_date          date,             -- Day since when; null where none is clear
    stolen_kwh_per_day  double precision, -- Energy that it hides a day, in kWh; null where nothing tells
    stolen_kwh_low      double precision, -- Lower end of its 90 % interval
    stolen_kwh_high     double precision, -- Upper end of its 90 % interval
    reasons             text  not null,   -- Codes with their numbers as JSON, the most telling first
    reason_en           text  not null,   -- The same in words, English
    reason_fr           text  not null,   -- The same in words, French
    score_status        text  not null,   -- scored, or too_few_days
    model_version       text,             -- Version of the ranker, of ml.theft_model where inspections taught it; null where it is not scored
    primary key (score_date, meter_id)
) partition by list (score_date);
