"""What the pages of `dashboards/` are made of, read and checked without the programs that draw them.

What belongs here: reading the files, and whether they fit the tables. What does not: Superset itself (operations/dashboards/),
Dagster (assets/dashboards.py).
"""
