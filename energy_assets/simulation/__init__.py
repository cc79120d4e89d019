"""A made-up fleet of meters with known truth, as files a landing zone could receive. Knows neither Dagster nor a database."""

from energy_assets.simulation.fleet import simulate

__all__ = ["simulate"]
