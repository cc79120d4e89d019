"""The crew of the campaigns: what it finds is what the simulator knows, and what it found has ended."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from benchmarks import campaign_city
from benchmarks.campaign_city import City
from energy_assets.simulation.fleet import FIRST_DAY, Fleet, make_fleet

METERS, DAYS, SEED = 80, 14, 3
THAT_DAY = FIRST_DAY + timedelta(days=DAYS)


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return make_fleet(METERS, SEED, transformers=4, theft_rate=0.25, horizon_days=DAYS)


@pytest.fixture
def city(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> City:
    monkeypatch.setattr(campaign_city, "NO_ACCESS", 0.0)
    lived = City(fleet)
    for day in days(DAYS):
        lived.live(day)
    return lived


def days(count: int, first: date = FIRST_DAY) -> list[date]:
    return [first + timedelta(days=number) for number in range(count)]


def meters_with(city: City, *kinds: str) -> set[int]:
    groups = {group.kind: group.on(THAT_DAY.toordinal()).meters for group in city.fleet.roles.groups}
    return {int(meter) for kind in kinds for meter in groups.get(kind, ())}


def test_a_visit_finds_what_the_simulator_knows(city: City) -> None:
    thieves = set(city.thieves(THAT_DAY).tolist())
    faulty = meters_with(city, *campaign_city.FAULTS) | set(
        np.flatnonzero(city._carried.frozen_until > THAT_DAY.toordinal())
    )
    assert thieves and meters_with(city, "vacancy", "wrong_transformer", "income_change")

    found = {meter: city.visit(meter, THAT_DAY, SEED) for meter in range(METERS)}

    assert {meter for meter, finding in found.items() if finding.outcome == "theft"} == thieves
    assert {meter for meter, finding in found.items() if finding.outcome == "faulty_meter"} == faulty - thieves
    for meter, finding in found.items():
        is_theft = finding.outcome == "theft"
        assert (finding.days is not None) == is_theft
        assert finding.recovered_kwh == pytest.approx(sum(hidden[meter] for hidden in city._hidden) if is_theft else 0)
    assert sum(finding.recovered_kwh for finding in found.values()) > 0


def test_a_theft_that_was_found_ends_with_the_day_of_the_visit(city: City) -> None:
    before = city.thieves(THAT_DAY)
    assert city.visit(int(before[0]), THAT_DAY, SEED).outcome == "theft"

    assert city.thieves(THAT_DAY).tolist() == before.tolist()
    after = THAT_DAY + timedelta(days=1)
    assert int(before[0]) not in city.thieves(after)
    assert city.visit(int(before[0]), after, SEED).outcome == "clean"


def test_a_hook_that_was_found_is_taken_down(city: City) -> None:
    hooks = city.fleet.roles.hooks
    day = date.fromordinal(int(hooks.onset[0]) + 3)
    for between in days((day - THAT_DAY).days, THAT_DAY):
        city.live(between)
    (transformer,) = city.hooks(day)[:1]

    assert city.walk(int(transformer), day).outcome == "theft"
    assert city.live(day).hooked_kwh[transformer].sum() > 0
    assert city.live(day + timedelta(days=1)).hooked_kwh[transformer].sum() == 0
    assert city.walk(int(transformer), day + timedelta(days=2)).outcome == "clean"


def test_a_locked_gate_mends_nothing(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign_city, "NO_ACCESS", 1.0)
    before = city.fleet.roles
    assert {city.visit(meter, THAT_DAY, SEED).outcome for meter in range(METERS)} == {"no_access"}
    assert city.fleet.roles is before


def test_a_city_that_nobody_visits_hides_as_much_and_is_else_the_same(city: City, fleet: Fleet) -> None:
    alone = City(fleet)
    for day in days(DAYS):
        alone.live(day)
    assert alone.hidden_kwh == city.hidden_kwh

    mended = [
        meter for meter in city.thieves(THAT_DAY).tolist() if city.visit(meter, THAT_DAY, SEED).outcome == "theft"
    ]
    for day in days(5, THAT_DAY):
        ours, theirs = city.live(day), alone.live(day)
    assert all(there >= here for here, there in zip(city.hidden_kwh, alone.hidden_kwh, strict=True))
    assert alone.hidden_kwh[-1] > city.hidden_kwh[-1]
    others = np.setdiff1d(np.arange(METERS), mended)
    assert np.array_equal(ours.reported_kwh[others], theirs.reported_kwh[others])
