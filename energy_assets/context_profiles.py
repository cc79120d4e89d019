"""Thresholds by context: what counts as too few, too much or too different in which country.

What belongs here: reading context_profiles.toml, where each number has its source. What does not: choosing a profile and
overriding its numbers (settings.py).
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

GENERIC = "generic"


@dataclass(frozen=True)
class Threshold:
    value: float | str
    """A number; a name for what is no number, such as a tariff."""
    source: str
    """Where the number comes from; `assumption: …` where nobody measured it."""


@cache
def profiles() -> dict[str, dict[str, Threshold]]:
    """By profile and setting. Every profile has every threshold: what it does not say is that of `generic`."""
    stated = tomllib.loads(resources.files(__package__).joinpath("context_profiles.toml").read_text("utf-8"))
    return {
        name: {setting: Threshold(**entry) for setting, entry in (stated[GENERIC] | own).items()}
        for name, own in stated.items()
    }


def thresholds(profile: str) -> dict[str, float | str]:
    """The values of a profile, by setting. Raises ValueError, naming those that there are."""
    if profile not in profiles():
        raise ValueError(f"is no context profile: there are {', '.join(profiles())}")
    return {setting: threshold.value for setting, threshold in profiles()[profile].items()}
