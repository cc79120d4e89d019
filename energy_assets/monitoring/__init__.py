"""What Prometheus is told of a home: one exporter that asks the stores at each scrape, read-only, with work that is bounded.

What belongs here: which metrics there are, and asking for them. What does not: pages and alert rules on them (dashboards/grafana,
dashboards/prometheus), the numbers' meaning (resources/, dbt_project/).
"""
