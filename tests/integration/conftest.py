"""Fixtures of tests with stores. Importing them fixes the calendar that this process's graph has (see graph.py)."""

from graph import graph, graph_definitions, graph_home, simulated

__all__ = ["graph", "graph_definitions", "graph_home", "simulated"]
