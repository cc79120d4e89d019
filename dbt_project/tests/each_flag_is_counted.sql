{{ config(meta={'dagster': {'ref': {'name': 'mart_consumption_metrics'}}}) }}

with counted as (
    select metric_date as reading_date, sum(anomaly_count) as anomaly_count
    from {{ ref('mart_consumption_metrics') }}
    where {{ in_window('metric_date') }}
    group by metric_date
),

listed as (
    select reading_date, count(*) as anomaly_count
    from {{ source('ml', 'anomaly_scores') }}
    where is_anomaly and {{ in_window('reading_date') }}
    group by reading_date
)

select reading_date, counted.anomaly_count as counted, listed.anomaly_count as listed
from counted
full join listed using (reading_date)
where coalesce(counted.anomaly_count, 0) <> coalesce(listed.anomaly_count, 0)
