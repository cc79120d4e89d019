"""What runs by itself: the landing sensor, the day sensor, the 06:00 schedule, and their jobs."""
