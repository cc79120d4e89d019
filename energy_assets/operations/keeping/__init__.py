"""What becomes of a home's data over years: copies of it, what is dropped with time, what must be erased."""
