"""Whether alerts would reach anyone: a test message over each channel.

What belongs here: the test. What does not: the channels (resources/notify.py), real alerts (automation/alerts.py).
"""

from __future__ import annotations

from energy_assets.home import Home
from energy_assets.operations.errors import OperationError
from energy_assets.resources.notify import Alert, Delivery, channels_of, deliver
from energy_assets.settings import settings


def send_test(home: Home) -> list[Delivery]:
    """What came of each channel. Raises OperationError where the settings name none."""
    channels = channels_of(settings())
    if not channels:
        raise OperationError(
            "no alert channel is set: alerts go to the log of the sensor red_days_alert alone\n"
            "→ set ENERGY_ALERT_WEBHOOK_URL, or ENERGY_SMTP_URL and ENERGY_ALERT_EMAIL_TO"
        )
    return deliver(Alert(home.name, "A test by `energy-assets alert-test`: nothing failed."), channels)
