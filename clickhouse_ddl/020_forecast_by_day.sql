-- What forecasts came to, by day and area: the charts of forecasts add up 24 hours of 412 areas a day, and read one row for them instead
-- (`python -m benchmarks pages`). Part of the partition, so it is swapped with its day, as in 002. Of consumption_metrics, the same by transformer and
-- class was tried and is not here: a year is 366 parts, opening them is most of the time, and one more file in each made more charts slower than faster.
ALTER TABLE energy_analytics.forecast_accuracy
    ADD PROJECTION IF NOT EXISTS by_area
    (
        SELECT
            reading_date, area_kind, area_id, method,
            sum(actual_kwh), sum(forecast_kwh), avg(abs(error_pct)), avg(abs(naive_error_pct)), sum(within_count), sum(bounded_count)
        GROUP BY reading_date, area_kind, area_id, method
    );

-- Days that are there already get it in the background.
ALTER TABLE energy_analytics.forecast_accuracy
    MATERIALIZE PROJECTION IF EXISTS by_area;
