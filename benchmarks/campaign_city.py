"""A simulated city that lives on from day to day while a crew mends what it finds: the truth of the campaigns.

What belongs here: living a day, what is hidden and by whom, visits and their findings, mending. What does not: whom the crew visits
(campaigns.py), what is shown of it (campaign_page.py).

Arrays are [meters] or [transformers] of the fleet, days are ordinals. All that a day draws comes from streams of seed and day, and mending
moves ends of roles and takes nobody away: two cities of one fleet differ by what was mended in one of them, and by nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

import numpy as np

from energy_assets.operations.demo_visits import BILLED_DAYS, FAULTS
from energy_assets.simulation.fleet import Fleet
from energy_assets.simulation.one_day import SimulatedDay, live_through
from energy_assets.simulation.roles import Group

Outcome = Literal["theft", "clean", "no_access", "faulty_meter"]
NO_ACCESS = 0.1
"""Share of visits to meters at which nobody opens."""


@dataclass(frozen=True)
class Finding:
    """What a visit found; `days` since the theft began, None where there is none."""

    outcome: Outcome
    recovered_kwh: float = 0.0
    days: int | None = None


class City:
    """A fleet on its way through its days."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self._carried = fleet.fresh()
        self._hidden: list[np.ndarray] = []
        self.hidden_kwh: list[float] = []
        """By day: what thieves' meters did not count."""
        self.hooked_kwh: list[float] = []
        """By day: what strangers took from the lines."""

    def live(self, day: date) -> SimulatedDay:
        """The next day."""
        one = live_through(self.fleet, day, self._carried)
        hidden = np.zeros(self.fleet.city.meters)
        stealing = self.thieves(day)
        # Of everybody else the two differ by faults and by moved clocks.
        hidden[stealing] = (one.true_kwh - one.reported_kwh)[stealing].sum(axis=1)
        self._hidden.append(hidden)
        self.hidden_kwh.append(float(hidden.sum()))
        self.hooked_kwh.append(float(one.hooked_kwh.sum()))
        return one

    def thieves(self, day: date) -> np.ndarray:
        """Meters at which somebody steals on the day."""
        now = [group.on(day.toordinal()).meters for group in self.fleet.roles.attacks.values()]
        return np.sort(np.concatenate([np.zeros(0, int), *now]))

    def hooks(self, day: date) -> np.ndarray:
        """Transformers to whose lines a stranger is hooked on the day."""
        hooks, ordinal = self.fleet.roles.hooks, day.toordinal()
        return hooks.transformers[(hooks.onset <= ordinal) & (ordinal < hooks.end)]

    def visit(self, meter: int, day: date, seed: int) -> Finding:
        """Look at a meter on a day that was not lived yet, and mend it: its theft or its fault has this day as its last."""
        ordinal, roles = day.toordinal(), self.fleet.roles
        if np.random.default_rng([seed, ordinal, meter]).random() < NO_ACCESS:
            return Finding("no_access")
        for group in roles.attacks.values():
            now = group.on(ordinal)
            if meter in now.meters:
                since = int(now.onset[now.meters == meter][0])
                self._change(attacks=_ended(roles.attacks, meter, ordinal))
                return Finding("theft", self._hidden_lately(meter), ordinal - since)
        faults = {name: group for name, group in roles.look_alikes.items() if name in FAULTS}
        is_faulty = any(meter in group.on(ordinal).meters for group in faults.values())
        is_stuck = self._carried.frozen_until[meter] > ordinal
        if not is_faulty and not is_stuck:
            return Finding("clean")
        self._change(look_alikes=roles.look_alikes | _ended(faults, meter, ordinal))
        self._carried.frozen_until[meter] = min(self._carried.frozen_until[meter], ordinal + 1)
        return Finding("faulty_meter")

    def walk(self, transformer: int, day: date) -> Finding:
        """Walk a transformer's lines on a day that was not lived yet, and take a hook down. Nobody is there to be billed for it."""
        hooks, ordinal = self.fleet.roles.hooks, day.toordinal()
        found = (hooks.transformers == transformer) & (hooks.onset <= ordinal) & (ordinal < hooks.end)
        if not found.any():
            return Finding("clean")
        self._change(hooks=replace(hooks, end=np.where(found, ordinal + 1, hooks.end)))
        return Finding("theft", 0.0, ordinal - int(hooks.onset[found].min()))

    def _hidden_lately(self, meter: int) -> float:
        return max(0.0, sum(float(hidden[meter]) for hidden in self._hidden[-BILLED_DAYS:]))

    def _change(self, **changed: object) -> None:
        self.fleet = replace(self.fleet, roles=replace(self.fleet.roles, **changed))


def _ended(groups: Mapping[str, Group], meter: int, ordinal: int) -> dict[str, Group]:
    """The groups, where what is in force of `meter` has `ordinal` as its last day."""

    def end(group: Group) -> np.ndarray:
        is_on = (group.meters == meter) & (group.onset <= ordinal) & (ordinal < group.end)
        return np.where(is_on, ordinal + 1, group.end)

    return {name: replace(group, end=end(group)) for name, group in groups.items()}
