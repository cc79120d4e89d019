"""Day-ahead load forecasts as functions on arrays: the load of areas, by slot of the clock, from the days before.

What belongs here: the forecast, the baseline that it must beat, and how both are judged.
What does not: databases, Dagster, the environment; where loads come from; the ratings that they are held against.
"""

REFERENCE_DAYS = 28
"""What is usual is seen on so many days: four whole weeks."""
TRAINING_DAYS = 14
"""So many days say how the next day follows from what is usual; each needs its own days of reference."""
LOOKBACK_DAYS = REFERENCE_DAYS + TRAINING_DAYS - 1
"""Days before the origin that a forecast reads; the origin is the last day whose load is known."""

WORKDAY, SATURDAY, REST = range(3)
"""Types of days. A public holiday is a day of rest, as a Sunday is."""
