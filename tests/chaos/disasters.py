"""Stub."""
CASES = {}
