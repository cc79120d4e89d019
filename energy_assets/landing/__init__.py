"""Files into canonical Arrow tables: dialects, quarantine and parts by day. Knows neither Dagster nor a database."""
