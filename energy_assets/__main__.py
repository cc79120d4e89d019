"""`python -m energy_assets` is `energy-assets`."""

from energy_assets.cli import app

app(prog_name="energy-assets")
