"""The limits that gates judge by: the settings, as the suites want them.

What belongs here: that translation. What does not: the settings' meaning (settings.py), expectations (quality_suites/).
"""

from __future__ import annotations

from energy_assets.settings import Settings
from quality_suites import Limits


def limits(known: Settings, timezone: str) -> Limits:
    """The limits of `known` for a utility whose days are those of `timezone`."""
    return Limits(
        timezone=timezone,
        rejected_share=known.rejected_share_limit,
        completeness=known.expected_completeness,
        max_interval_kwh=known.max_interval_kwh,
        max_transformer_interval_kwh=known.max_transformer_interval_kwh,
        anomaly_share=known.anomaly_share,
        implausible_loss_share=known.implausible_loss_share,
        row_count_drift=known.row_count_drift,
        measure_drift=known.measure_drift,
        drift_spreads=known.drift_spreads,
    )
