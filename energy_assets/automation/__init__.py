"""What runs by itself: sensors for files, owed days, failed runs and freshness, the 06:00 schedule, and their jobs."""
