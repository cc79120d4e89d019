"""Validation and estimation of readings, as meter data management systems do it: rules as data, and what they find, on arrays.

What belongs here: the rules' declaration, the rules that need history or relations, and the estimation of gaps.
What does not: databases, Dagster, the environment; what one reading and its own day prove (dbt_project/models/staging), and
facts of delivery (dbt_project/models/marts/mart_data_quality.sql).

Every array is a local day of many meters: `wh` float [meters, slots] in watt-hours, NaN where there is no accepted reading.
"""
