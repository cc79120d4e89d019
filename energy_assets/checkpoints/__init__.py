"""Gates as assets: Great Expectations checkpoints between the layers, and reconciliation of what is served."""
