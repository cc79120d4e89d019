"""The rules as data: what each looks for, how severely, with which thresholds, and what it needs.

What belongs here: reading rules.toml and overriding it. What does not: what a rule computes.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from functools import cache
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict

Overrides = Mapping[str, Mapping[str, bool | float]]
"""Rule -> `enabled` or one of its thresholds -> what it is instead."""

ENABLED = "enabled"


class Threshold(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float
    unit: str
    meaning: str


class Rule(BaseModel):
    """One rule. `thresholds` are by name; a rule that `is_required` cannot be off: what follows relies on it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    family: str
    severity: Literal["reject", "suspect", "info"]
    told_by: Literal["staging", "validation", "delivery"]
    needs: tuple[str, ...]
    description: str
    why: str
    thresholds: dict[str, Threshold] = {}
    enabled: bool = True
    is_required: bool = False

    def __getitem__(self, threshold: str) -> float:
        """The value of a threshold. Raises KeyError for one that the rule does not have."""
        return self.thresholds[threshold].value

    def is_on(self, delivered: Collection[str]) -> bool:
        """Whether the rule has something to look at, of the sources that were ever delivered."""
        return self.enabled and set(self.needs) <= set(delivered)

    def overridden(self, changes: Mapping[str, bool | float]) -> Rule:
        """The rule with some of its thresholds, or whether it is on, replaced. Raises ValueError for what it does not have."""
        if unknown := sorted(set(changes) - {ENABLED} - set(self.thresholds)):
            raise ValueError(
                f"rule {self.name} has no {', '.join(unknown)}: it has {', '.join([ENABLED, *self.thresholds])}"
            )
        enabled = changes.get(ENABLED, self.enabled)
        if not isinstance(enabled, bool):
            raise ValueError(f"{ENABLED} of rule {self.name} is true or false, not {enabled}")
        if self.is_required and not enabled:
            raise ValueError(f"rule {self.name} cannot be off: every table after staging relies on it")
        values = {}
        for name, threshold in self.thresholds.items():
            value = changes.get(name, threshold.value)
            if isinstance(value, bool) or not 0 <= value < float("inf"):
                raise ValueError(f"{name} of rule {self.name} is a number of {threshold.unit} from 0 on, not {value}")
            values[name] = threshold.model_copy(update={"value": float(value)})
        return self.model_copy(update={"enabled": enabled, "thresholds": values})


def rules(overrides: Overrides | None = None) -> dict[str, Rule]:
    """Every rule by name, in the order of rules.toml. Raises ValueError, naming it, for an override of what there is not."""
    declared = _declared()
    overrides = overrides or {}
    if unknown := sorted(set(overrides) - set(declared)):
        raise ValueError(f"no rule is called {', '.join(unknown)}: there are {', '.join(declared)}")
    return {name: rule.overridden(overrides.get(name, {})) for name, rule in declared.items()}


@cache
def _declared() -> dict[str, Rule]:
    stated = tomllib.loads(resources.files(__package__).joinpath("rules.toml").read_text("utf-8"))
    return {name: Rule(name=name, **entry) for name, entry in stated.items()}
