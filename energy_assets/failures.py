"""What a failed step of a run says to a person.

What belongs here: reading it off Dagster's event. What does not: who is told (resources/why.py, logs.py).
"""

from __future__ import annotations

from typing import Any

from energy_assets.full_disk import REMEDY, is_full_disk

GAVE_UP = "Exceeded max_retries"
"""How Dagster's message of a step begins that was tried again in vain; the error itself is its cause."""


def said_by_step(event: Any) -> tuple[str, str | None]:
    """The message of a step failure event, and the trace where the step failed by itself rather than by a verdict.

    Of an error that Dagster wraps, the error that it wraps; our own errors without their class, for their messages are sentences.
    """
    data = event.event_specific_data
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description.strip(), None
    if data.error is None:
        return "", None
    error = data.error
    while error.cause and ((error.cls_name or "").startswith("Dagster") or error.message.startswith(GAVE_UP)):
        error = error.cause
    message = error.message.strip()
    if message.startswith("energy_assets."):
        message = message.partition(": ")[2] or message
    if is_full_disk(data.error.to_string()):
        message += f"\n→ a disk is full (energy-assets doctor): {REMEDY}"
    return message, data.error.to_string()
