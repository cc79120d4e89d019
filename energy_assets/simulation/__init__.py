"""A made-up city of meters with known truth, as files a landing zone could receive. Knows neither Dagster nor a database.

`simulate` writes every source of the landing contract and the truth; `simulate_readings` readings alone, for whom a cheap
fleet with a few planted anomalies is enough.
"""

from energy_assets.simulation.day_loop import SOURCES, simulate
from energy_assets.simulation.errors import SimulationError
from energy_assets.simulation.readings import simulate_readings

__all__ = ["SOURCES", "SimulationError", "simulate", "simulate_readings"]
