"""Superset beside a home: its installation, its own tables, its process; what `energy-assets dashboards` does.

What belongs here: everything about the program. What does not: what its pages show (`dashboards/superset/`), and whether that
fits the tables (energy_assets/dashboards/).
"""
