"""Postgres and ClickHouse without Docker or servers of one's own: start, stop, status, and how to reach them.

What belongs here: the two stores' processes, passwords, ports and roles. What does not: tables (their owners make them), Dagster.
`supervisor` is what the command line calls; `connections` is what everything else needs.
"""
