"""Grafana's pages as code: `python -m dashboards.grafana` writes pages/*.json, which Grafana is provisioned with.

What belongs here: pages, and how Grafana finds stores and pages (provisioning/). What does not: the numbers (energy_assets/monitoring), alert
rules (dashboards/prometheus). Needs grafana-foundation-sdk, of the dev extra; Grafana itself needs none of this code.
"""
