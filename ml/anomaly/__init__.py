"""Reading-level anomalies: features of a reading, an Isolation Forest over them, and the type of what it flags.

What belongs here: one reading against its meter's own recent past.
What does not: theft. An anomaly is a hint; cases need the energy balance and evidence over weeks.
"""

HISTORY_DAYS = 7
"""A reading is compared with its meter's readings of so many days before it."""
