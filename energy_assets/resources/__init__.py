"""The stores as the graph sees them: the Postgres warehouse, ClickHouse serving, the landing zone and the models."""
