"""Who steals and who only looks like it: each meter has one role, drawn once.

What belongs here: roles, onsets, ends, parameters. What does not: their effects (attacks.py, look_alikes.py).

Onsets lie in the first `horizon_days` of the fleet's life, and do not depend on how many days are written: most after an honest
stretch, some before the first day. Kinds take turns, so that a small fleet has as many of them as it has room for.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np

from energy_assets.simulation.attacks import ATTACKS, STRANGER_HOOK
from energy_assets.simulation.calendar import Day
from energy_assets.simulation.city import ZONES, City
from energy_assets.simulation.errors import SimulationError
from energy_assets.simulation.load import Habits
from energy_assets.simulation.look_alikes import FROM_THE_FIRST_DAY, LOOK_ALIKES
from energy_assets.simulation.streams import Purpose, stream

HONEST = "honest"
NEVER = 2**31 - 1
"""An end that does not come, as an ordinal."""
HORIZON_DAYS = 60
LOOK_ALIKE_SHARE = 0.15
BEGAN_BEFORE = 0.15
"""Share of thieves who stole before the first day."""
ONSET_WINDOW = (0.2, 0.75)
"""Part of the horizon in which the others begin."""
STOPS = 0.15
"""Share of thieves who stop by themselves."""
HOOKED_TRANSFORMERS = 0.15


@dataclass(frozen=True)
class Group:
    """Meters of one role. Arrays are [meters of the role]; days are ordinals, [onset, end)."""

    kind: str
    meters: np.ndarray
    onset: np.ndarray
    end: np.ndarray
    parameters: dict[str, np.ndarray]

    def on(self, day: Day | int) -> Group:
        """Those of the group whose role is in force on the day."""
        ordinal = day if isinstance(day, int) else day.ordinal
        return self.where((self.onset <= ordinal) & (ordinal < self.end))

    def where(self, chosen: np.ndarray) -> Group:
        parameters = {name: values[chosen] for name, values in self.parameters.items()}
        return Group(self.kind, self.meters[chosen], self.onset[chosen], self.end[chosen], parameters)

    def __len__(self) -> int:
        return len(self.meters)


@dataclass(frozen=True)
class Hooks:
    """Strangers hooked to transformers' lines. Arrays are [hooks]."""

    transformers: np.ndarray
    onset: np.ndarray
    end: np.ndarray
    daily_kwh: np.ndarray


@dataclass(frozen=True)
class Roles:
    """Everybody who is not simply honest: attacks and look-alikes by name, and strangers' hooks."""

    attacks: dict[str, Group] = field(default_factory=dict)
    look_alikes: dict[str, Group] = field(default_factory=dict)
    hooks: Hooks = field(
        default_factory=lambda: Hooks(np.zeros(0, int), np.zeros(0, int), np.zeros(0, int), np.zeros(0))
    )

    @property
    def groups(self) -> tuple[Group, ...]:
        return (*self.attacks.values(), *self.look_alikes.values())


def make_roles(
    city: City,
    habits: Habits,
    *,
    theft_rate: float,
    look_alike_share: float,
    horizon_days: int = HORIZON_DAYS,
    attacks: Collection[str] | None = None,
) -> Roles:
    """Draw the roles. `theft_rate` and `look_alike_share` are shares of the meters; `attacks` names those to draw from.

    Raises SimulationError for shares that are none or exceed one together, and for attacks that do not exist.
    """
    if not (0 <= theft_rate <= 1 and 0 <= look_alike_share <= 1 and theft_rate + look_alike_share <= 1):
        raise SimulationError(
            f"shares of thieves ({theft_rate}) and of look-alikes ({look_alike_share}) lie between 0 and 1, and so does their sum"
        )
    known = (*ATTACKS, STRANGER_HOOK)
    wanted = known if attacks is None else tuple(dict.fromkeys(attacks))
    if unknown := sorted(set(wanted) - set(known)):
        raise SimulationError(f"no attack is called {', '.join(unknown)}: there are {', '.join(known)}")
    rng = stream(city.seed, Purpose.ROLES)
    free = np.ones(city.meters, bool)
    # Gumbel's trick: an order in which likelier ones come earlier. Who uses more has more to gain.
    weight = np.array([zone.theft_weight for zone in ZONES])[city.zone] * np.sqrt(city.level_kwh)
    likely = np.argsort(-(np.log(weight) + rng.gumbel(size=city.meters)), kind="stable")
    anyone = rng.permutation(city.meters)
    thieves = _take_turns(
        [name for name in wanted if name in ATTACKS],
        {name: city.phases == 3 if attack.needs_three_phases else free for name, attack in ATTACKS.items()},
        {},
        round(theft_rate * city.meters),
        likely,
        free,
        rng,
    )
    may_have = {name: one.may_have(city) for name, one in LOOK_ALIKES.items()}
    others = _take_turns(
        list(LOOK_ALIKES),
        may_have,
        {name: math.ceil(one.most * may_have[name].sum()) for name, one in LOOK_ALIKES.items()},
        round(look_alike_share * city.meters),
        anyone,
        free,
        rng,
    )
    since = city.since.toordinal()
    stolen = {}
    for name, meters in thieves.items():
        onset, end = _theft_days(len(meters), since, horizon_days, rng)
        stolen[name] = Group(name, meters, onset, end, ATTACKS[name].draw(rng, habits.usual_peak_kwh[meters]))
    alike = {}
    for name, meters in others.items():
        onset, end = _look_alike_days(name, len(meters), since, horizon_days, rng)
        alike[name] = Group(name, meters, onset, end, LOOK_ALIKES[name].draw(rng, city, meters))
    has_hooks = STRANGER_HOOK in wanted and theft_rate > 0
    return Roles(stolen, alike, _hooks(city, since, horizon_days, rng) if has_hooks else Roles().hooks)


def day_of_ordinal(ordinal: int) -> date | None:
    """The day of an ordinal; None for NEVER."""
    return None if ordinal >= NEVER else date.min + timedelta(days=int(ordinal) - 1)


def _take_turns(
    names: list[str],
    may_have: dict[str, np.ndarray],
    most: dict[str, int],
    wanted: int,
    order: np.ndarray,
    free: np.ndarray,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Give names in turn to the first free meter of `order` that may have them, `wanted` times, and mark it as taken.

    A name is given `most` times at most.
    """
    chosen: dict[str, list[int]] = {name: [] for name in names}
    waiting = {name: iter(order[may_have[name][order]]) for name in names}
    turns = [names[number] for number in rng.permutation(len(names))]
    given = 0
    while given < wanted and turns:
        for name in list(turns):
            meter = next((meter for meter in waiting[name] if free[meter]), None)
            if meter is None or len(chosen[name]) == most.get(name, wanted):
                turns.remove(name)
                continue
            free[meter] = False
            chosen[name].append(int(meter))
            given += 1
            if given == wanted:
                break
    return {name: np.array(sorted(meters), int) for name, meters in chosen.items() if meters}


def _theft_days(count: int, since: int, horizon: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    first, last = (part * horizon for part in ONSET_WINDOW)
    within = since + rng.uniform(first, last, count).astype(int)
    before = since - rng.uniform(10, 300, count).astype(int)
    began_before = rng.random(count) < BEGAN_BEFORE
    onset = np.where(began_before, before, within)
    stop = np.where(began_before, since, within) + rng.uniform(15, 60, count).astype(int)
    return onset, np.where(rng.random(count) < STOPS, stop, NEVER)


def _look_alike_days(
    name: str, count: int, since: int, horizon: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    first, last = (part * horizon for part in ONSET_WINDOW)
    onset = since + rng.uniform(first, last, count).astype(int)
    lasts = LOOK_ALIKES[name].lasts
    least, most = lasts or (1, 2)
    length = rng.uniform(least, most, count).round().astype(int)
    is_lasting = np.full(count, lasts is None)
    if name in FROM_THE_FIRST_DAY:
        # Half of what the registry has wrong is never found.
        onset[:] = since
        is_lasting = rng.random(count) < 0.5
    return onset, np.where(is_lasting, NEVER, onset + length)


def _hooks(city: City, since: int, horizon: int, rng: np.random.Generator) -> Hooks:
    count = max(1, round(HOOKED_TRANSFORMERS * city.transformers))
    transformers = np.sort(rng.choice(city.transformers, min(count, city.transformers), replace=False))
    onset, end = _theft_days(len(transformers), since, horizon, rng)
    return Hooks(transformers, onset, end, rng.uniform(3.0, 15.0, len(transformers)))
