-- One row per area and interval of the day after the origin: what its load is expected to be, known through the origin.
-- Native day partitions, made when a day first has any.
create table if not exists ml.load_forecast (
    forecast_date        date        not null, -- Origin: the last local day that the forecast knows; it is of the day after
    area_kind            text        not null, -- transformer or feeder
    area_id              text        not null, -- Identifier of the area
    starts_at            timestamptz not null, -- Start of the interval
    interval_minutes     smallint    not null, -- Length of the interval in minutes
    feeder_id            text,                 -- Feeder that supplies the transformer; null of a feeder itself
    forecast_wh          bigint      not null, -- Expected load in Wh, were supply on throughout
    naive_wh             bigint      not null, -- Load of the same interval a week before in Wh: what a forecast must beat
    low_wh               bigint,               -- Lower end of its 90 % interval in Wh; null without a model
    high_wh              bigint,               -- Upper end of its 90 % interval in Wh; null without a model
    capacity_wh          bigint,               -- What the transformer's rating lets through in the interval, in Wh; null without one
    overload_probability double precision,     -- How likely the load is above that, 0 to 1
    method               text        not null, -- ridge, or seasonal_naive where the days are too few to learn from
    primary key (forecast_date, area_kind, area_id, starts_at)
) partition by list (forecast_date);
