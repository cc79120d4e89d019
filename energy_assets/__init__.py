"""Energy Assets: a Dagster asset graph that turns smart-meter readings into balances, cases and dashboards."""
