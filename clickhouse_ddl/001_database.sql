-- Everything that dashboards read lives in one database.
CREATE DATABASE IF NOT EXISTS energy_analytics;
