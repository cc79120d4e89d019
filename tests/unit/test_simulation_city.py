"""The simulated city as it lives: energy closes, a day is the same however it is reached, roles act as they say."""

from __future__ import annotations

import json
from datetime import date, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_assets.simulation import SimulationError, simulate
from energy_assets.simulation.attacks import ATTACKS
from energy_assets.simulation.calendar import day_of, is_holiday
from energy_assets.simulation.city import HOUSEHOLD, SHOP, TRANSFORMER_METER_CLASS, WORKSHOP, City, make_city
from energy_assets.simulation.defects import NO_DEFECTS
from energy_assets.simulation.fleet import Fleet, make_fleet
from energy_assets.simulation.load import Habits
from energy_assets.simulation.look_alikes import LOOK_ALIKES, MOST_DRIFT_MINUTES, season, shifted
from energy_assets.simulation.one_day import SimulatedDay, live_through
from energy_assets.simulation.outages import energised, in_force, started_on
from energy_assets.simulation.physics import POWER_FACTOR, RATINGS, technical_loss_kwh
from energy_assets.simulation.roles import HONEST, Group, make_roles

FIRST = date(2024, 1, 1)
DAYS = 60


@cache
def lived(look_alikes: bool = True) -> tuple[Fleet, list[SimulatedDay]]:
    """Sixty days of 300 meters without defects of delivery."""
    fleet = make_fleet(300, 5, theft_rate=0.12, look_alikes=look_alikes, rates=NO_DEFECTS)
    carried = fleet.fresh()
    return fleet, [live_through(fleet, FIRST + timedelta(days=n), carried) for n in range(DAYS)]


def energies(name: str) -> np.ndarray:
    """[meters, days, slots] of the lived days."""
    return np.stack([getattr(day, name) for day in lived()[1]], axis=1)


def group(kind: str) -> Group:
    fleet, _ = lived()
    found = {**fleet.roles.attacks, **fleet.roles.look_alikes}
    assert kind in found, f"no meter of 300 is {kind}"
    return found[kind]


def in_days(of: Group, number: int) -> np.ndarray:
    """Whether the role of the group's meter `number` is in force, bool [days]."""
    ordinal = FIRST.toordinal() + np.arange(DAYS)
    return (of.onset[number] <= ordinal) & (ordinal < of.end[number])


# Energy closes.


def test_the_energy_of_a_transformer_is_what_its_meters_and_hooks_used_and_what_it_lost() -> None:
    fleet, days = lived()
    for day in days:
        summed = np.array(
            [day.true_kwh[fleet.city.transformer == t].sum(axis=0) for t in range(fleet.city.transformers)]
        )
        assert np.abs(day.energy_kwh - summed - day.hooked_kwh - day.loss_kwh).max() < 1e-9


def test_closure_holds_in_the_files(tmp_path: Path) -> None:
    simulate(60, 3, 1, tmp_path, theft_rate=0.2)
    truth = tmp_path / "truth"
    used = pl.read_parquet(truth / "intervals").join(pl.read_parquet(truth / "meters.parquet"), on="meter_id")
    used = used.group_by("transformer_id", "reading_at").agg(pl.col("true_kwh").sum().alias("used"))
    closed = pl.read_parquet(truth / "transformers").join(used, on=["transformer_id", "reading_at"], how="left")
    assert closed.height == 2 * 48 * 3
    rest = closed["energy_kwh"] - closed["used"] - closed["hooked_kwh"] - closed["technical_loss_kwh"]
    assert rest.abs().max() < 1e-9
    delivered = pl.read_parquet(tmp_path / "transformer_readings").join(
        closed.rename({"energy_kwh": "exact"}), on=["transformer_id", "reading_at"]
    )
    error = delivered["energy_kwh"] / delivered["exact"] - 1
    large = delivered["exact"] > 1
    assert error.filter(large).abs().max() <= TRANSFORMER_METER_CLASS + 0.0005
    by_meter = delivered.filter(large).with_columns(error=error.filter(large)).group_by("transformer_id")
    assert (by_meter.agg(pl.col("error").max() - pl.col("error").min())["error"] < 0.001).all(), (
        "it errs in one direction"
    )


def test_a_transformer_at_its_rating_loses_its_rated_losses() -> None:
    rating, no_load, load = RATINGS[2].astype(float)
    half_hour = np.array([[0.0, rating * POWER_FACTOR / 2, rating * POWER_FACTOR / 4]])
    loss = technical_loss_kwh(half_hour, np.array([rating]), np.array([no_load]), np.array([load]))
    assert loss == pytest.approx(np.array([[no_load, no_load + load, no_load + load / 4]]) / 1000 / 2)


def test_a_transformer_without_supply_loses_nothing_and_a_half_lit_half_hour_loses_by_its_current() -> None:
    one = [np.array([value]) for value in (100.0, 320.0, 1750.0)]
    loss = technical_loss_kwh(np.array([[0.0, 10.0, 5.0]]), *one, energised=np.array([[0.0, 1.0, 0.5]]))
    assert loss[0, 0] == 0
    assert loss[0, 2] == pytest.approx(loss[0, 1] / 2)


# A day is the same however it is reached.


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


SETTINGS = {"meters": 40, "seed": 3, "theft_rate": 0.3, "transformers": 4, "format": "csv", "horizon_days": 8}


def test_the_same_seed_gives_the_same_files_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        simulate(days=3, out=tmp_path / name, **SETTINGS | {"seed": seed})
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert contents(tmp_path / "a") != contents(tmp_path / "c")


def without_row_groups(folder: Path) -> dict[str, object]:
    """Contents of a folder; of tables that grow day by day, their rows."""
    growing = {f"truth/{name}.parquet" for name in ("defects", "interruptions")}
    return {
        name: pl.read_parquet(folder / name).rows() if name in growing else content
        for name, content in contents(folder).items()
    }


@pytest.mark.parametrize("chunks", [(7, 7), (1, 1, 12), (13, 1)])
def test_days_in_chunks_equal_the_days_at_once(tmp_path: Path, chunks: tuple[int, ...]) -> None:
    simulate(days=14, out=tmp_path / "at once", **SETTINGS)
    first = FIRST
    for count in chunks:
        simulate(days=count, out=tmp_path / "chunks", first_day=first, since=FIRST, **SETTINGS)
        first += timedelta(days=count)
    at_once, in_chunks = without_row_groups(tmp_path / "at once"), without_row_groups(tmp_path / "chunks")
    assert at_once.keys() == in_chunks.keys()
    assert [name for name in at_once if at_once[name] != in_chunks[name]] == []
    assert any("-late" in name for name in at_once), "nothing was postponed over days: the test proves little"


def test_days_written_again_and_out_of_order_leave_the_same_folder(tmp_path: Path) -> None:
    simulate(days=6, out=tmp_path / "at once", **SETTINGS)
    for first, count in ((3, 3), (0, 4), (2, 2)):
        day = FIRST + timedelta(days=first)
        simulate(days=count, out=tmp_path / "again", first_day=day, since=FIRST, **SETTINGS)
    assert without_row_groups(tmp_path / "at once") == without_row_groups(tmp_path / "again")


def test_the_fleet_is_the_same_whatever_the_number_of_days(tmp_path: Path) -> None:
    for days in (1, 3):
        simulate(days=days, out=tmp_path / str(days), **SETTINGS)
    for name in (
        "truth/meters.parquet",
        "truth/hooks.parquet",
        "meters/2024-01-01.csv",
        "meter_readings/2024-01-01.csv",
    ):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "3" / name).read_bytes()


def test_a_folder_of_another_fleet_is_refused_by_name_of_what_differs(tmp_path: Path) -> None:
    simulate(10, 1, 1, tmp_path)
    with pytest.raises(SimulationError, match=r"another fleet \(seed differ.*another folder"):
        simulate(10, 1, 2, tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"meters": 0}, "at least one meter"),
        ({"days": 0}, "at least one meter and one day"),
        ({"transformers": 20}, "20 transformers are too many for 10 meters"),
        ({"theft_rate": 1.5}, "between 0 and 1"),
        ({"attacks": ["h1", "h9"]}, "no attack is called h9: there are h1, h2"),
        ({"sources": ["meter_reading"]}, "no source is called meter_reading"),
        ({"timezone": "Africa/Duala"}, "no time zone Africa/Duala"),
        ({"since": date(2024, 2, 1)}, "the fleet begins on 2024-02-01"),
    ],
)
def test_an_impossible_fleet_is_refused(tmp_path: Path, settings: dict[str, object], message: str) -> None:
    with pytest.raises(SimulationError, match=message):
        simulate(**{"meters": 10, "days": 1, "seed": 1, "out": tmp_path} | settings)
    assert contents(tmp_path) == {}


# Roles.


def test_roles_have_the_asked_shares_and_take_turns() -> None:
    fleet, _ = lived()
    counted = {name: len(of) for name, of in fleet.roles.attacks.items()}
    assert sum(counted.values()) == 36
    assert counted.keys() == ATTACKS.keys(), "an attack is missing"
    assert fleet.roles.look_alikes.keys() == LOOK_ALIKES.keys(), "a look-alike is missing"
    taken = np.concatenate([of.meters for of in fleet.roles.groups])
    assert len(taken) == len(set(taken)), "a meter has two roles"


def test_most_thefts_begin_after_an_honest_stretch_and_some_before_the_first_day() -> None:
    city = make_city(4000, 1, FIRST)
    fleet = make_fleet(4000, 1, theft_rate=0.1)
    onset = np.concatenate([of.onset for of in fleet.roles.attacks.values()]) - city.since.toordinal()
    assert 0.1 < (onset < 0).mean() < 0.2
    assert (onset[onset >= 0] >= 12).all()
    assert (onset < 45).all()


@given(theft=st.floats(0, 0.5), alike=st.floats(0, 0.5), seed=st.integers(0, 50))
def test_no_role_is_given_to_a_meter_that_cannot_have_it(theft: float, alike: float, seed: int) -> None:
    city, habits = city_and_habits()
    roles = make_roles(city, habits, theft_rate=theft, look_alike_share=alike)
    for name, of in roles.attacks.items():
        assert not ATTACKS[name].needs_three_phases or (city.phases[of.meters] == 3).all()
    for name, of in roles.look_alikes.items():
        assert LOOK_ALIKES[name].may_have(city)[of.meters].all()
    assert sum(len(of) for of in roles.attacks.values()) == round(theft * city.meters)


@cache
def city_and_habits() -> tuple[City, Habits]:
    fleet = make_fleet(200, 9)
    return fleet.city, fleet.habits


def test_a_fleet_without_theft_and_look_alikes_reports_the_truth() -> None:
    fleet = make_fleet(50, 2, theft_rate=0, look_alikes=False)
    carried = fleet.fresh()
    for number in range(10):
        day = live_through(fleet, FIRST + timedelta(days=number), carried)
        assert np.array_equal(day.true_kwh, day.reported_kwh)
        assert not day.hooked_kwh.any()


def test_whoever_has_no_role_reports_the_truth() -> None:
    fleet, days = lived()
    honest = np.setdiff1d(np.arange(fleet.city.meters), np.concatenate([of.meters for of in fleet.roles.groups]))
    assert len(honest) > 200
    assert all(np.array_equal(day.true_kwh[honest], day.reported_kwh[honest]) for day in days)


def test_an_attack_that_keeps_energy_keeps_every_days_whatever_credit_and_supply_left() -> None:
    meters = np.concatenate([group(name).meters for name, attack in ATTACKS.items() if attack.keeps_energy])
    assert lived()[0].city.is_prepaid[meters].any(), "no prepaid meter: the test proves little"
    kept = energies("reported_kwh")[meters].sum(axis=2) - energies("true_kwh")[meters].sum(axis=2)
    assert np.abs(kept).max() < 1e-9


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_begins_on_its_onset_and_ends_on_its_end(name: str) -> None:
    of, true, said = group(name), energies("true_kwh"), energies("reported_kwh")
    for number, meter in enumerate(of.meters):
        is_on = in_days(of, number)
        assert np.array_equal(true[meter][~is_on], said[meter][~is_on]), f"{name} acts outside of its days"
        if is_on.any():
            assert not np.array_equal(true[meter][is_on], said[meter][is_on]), f"{name} does nothing"


def test_a_stranger_takes_energy_that_no_meter_counts() -> None:
    fleet, days = lived()
    hooked = np.stack([day.hooked_kwh.sum(axis=1) for day in days], axis=1)
    untouched = np.setdiff1d(np.arange(fleet.city.transformers), fleet.roles.hooks.transformers)
    assert not hooked[untouched].any()
    for number, transformer in enumerate(fleet.roles.hooks.transformers):
        ordinal = FIRST.toordinal() + np.arange(DAYS)
        is_on = (ordinal >= fleet.roles.hooks.onset[number]) & (ordinal < fleet.roles.hooks.end[number])
        assert not hooked[transformer][~is_on].any()
        daily = hooked[transformer][is_on]
        assert daily.mean() == pytest.approx(fleet.roles.hooks.daily_kwh[number], rel=0.35)


# Look-alikes.


@pytest.mark.parametrize("kind", ["vacancy", "travel", "income_change", "prepaid_token_gap"])
def test_less_is_truly_used_and_truly_reported(kind: str) -> None:
    """Against the same city without look-alikes, whose customers otherwise live through the same days."""
    of, true = group(kind), energies("true_kwh")
    without = np.stack([day.true_kwh for day in lived(look_alikes=False)[1]], axis=1).sum(axis=2)
    during = np.array([in_days(of, number) for number in range(len(of))])
    assert during.any()
    assert true[of.meters][during].sum() < 0.85 * without[of.meters][during].sum()
    assert np.array_equal(true[of.meters], energies("reported_kwh")[of.meters])


def test_an_empty_house_uses_only_what_runs_by_itself() -> None:
    fleet, _ = lived()
    of, true = group("vacancy"), energies("true_kwh").sum(axis=2)
    for number, meter in enumerate(of.meters):
        most = 0.02 if of.parameters["left_on"][number] == 0 else 0.3 * fleet.city.level_kwh[meter]
        assert true[meter][in_days(of, number)].max() <= most


def test_a_season_goes_down_and_comes_back() -> None:
    factor = season({"share": np.full(100, 0.4)}, np.arange(100), np.full(100, 100))
    assert factor[0] > 0.95
    assert factor[50] == pytest.approx(0.4)
    assert factor[99] > 0.95
    assert np.all(np.diff(factor[:50]) <= 0)


def test_a_replaced_meter_starts_at_zero() -> None:
    fleet, days = lived()
    of = group("meter_replacement")
    registers = np.stack([day.start_register_kwh for day in days], axis=1)
    others = np.setdiff1d(np.arange(fleet.city.meters), of.meters)
    assert np.diff(registers[others], axis=1).min() >= 0
    for number, meter in enumerate(of.meters):
        falls = np.flatnonzero(np.diff(registers[meter]) < 0)
        assert falls.tolist() == [of.onset[number] - FIRST.toordinal()]
        assert registers[meter][falls[0] + 1] * fleet.city.ct_multiplier[meter] < 3 * fleet.city.level_kwh[meter]


def test_a_wrong_multiplier_scales_the_energy_but_not_the_register() -> None:
    of, true, said = group("ct_multiplier_error"), energies("true_kwh"), energies("reported_kwh")
    registers = np.stack([day.start_register_kwh for day in lived()[1]], axis=1)
    for number, meter in enumerate(of.meters):
        factor = of.parameters["registry_multiplier"][number] / of.parameters["true_multiplier"][number]
        is_on = in_days(of, number)
        assert np.allclose(said[meter][is_on], factor * true[meter][is_on])
        assert np.array_equal(said[meter][~is_on], true[meter][~is_on])
        city = lived()[0].city
        counted = true[meter].sum(axis=1)[:-1] * (1 + city.meter_error[meter]) / city.ct_multiplier[meter]
        assert np.diff(registers[meter]) == pytest.approx(counted, abs=0.001)


@given(st.integers(0, 1000), st.floats(0, MOST_DRIFT_MINUTES))
def test_a_fast_clock_only_moves_energy(seed: int, minutes: float) -> None:
    x = np.random.default_rng(seed).random((2, 4 * 48))
    x[:, -10:] = 0.0
    days = [x[:, 48 * n : 48 * (n + 1)] for n in range(4)]
    told = [shifted(before, day, np.full(2, minutes)) for before, day in pairwise(days)]
    # What the first day's last hours hold arrives in the second; the last hours of the last day are empty.
    whole, part = divmod(minutes / 30, 1)
    carried = x[:, 48 - int(whole) : 48].sum(axis=1) + part * x[:, 48 - int(whole) - 1]
    assert sum(told).sum(axis=1) == pytest.approx(x[:, 48:].sum(axis=1) + carried, abs=1e-9)


def test_a_clock_that_is_an_hour_fast_files_six_o_clock_under_seven() -> None:
    x = np.zeros((1, 48))
    x[0, 12] = 1.0
    assert shifted(np.zeros((1, 48)), x, np.array([60.0]))[0, 14] == 1.0
    assert shifted(np.zeros((1, 48)), x, np.array([45.0]))[0, 13:15].tolist() == [0.5, 0.5]


# Supply, prepaid credit, people.


def test_nobody_uses_anything_without_supply_and_shedding_lasts_about_six_hours() -> None:
    fleet, days = lived()
    dark = np.stack([day.live for day in days], axis=1) == 0
    assert 0.005 < dark.mean() < 0.1
    assert not energies("true_kwh")[dark[fleet.city.transformer]].any()
    sheddings = {
        (one.area_id, one.started_at): (one.ended_at - one.started_at).astype(int)
        for day in days
        for one in day.interruptions
        if one.kind == "load_shedding"
    }
    assert len(sheddings) > 5
    assert 330 < np.mean(list(sheddings.values())) < 390


def test_an_interruption_over_midnight_darkens_both_days() -> None:
    city, zone = make_city(2000, 1, FIRST), ZoneInfo("Africa/Douala")
    today, tomorrow = (day_of(FIRST + timedelta(days=n), zone) for n in (0, 1))
    over = [one for one in started_on(city, today.date, zone) if one.ended_at > today.end]
    assert over, "no interruption crosses midnight"
    for day, slot in ((today, -1), (tomorrow, 0)):
        live = energised(city, day, in_force(city, day.date, zone))
        assert all(live[one.transformers, slot].max() < 1 for one in over)


def test_prepaid_meters_use_nothing_once_their_credit_is_gone_unless_they_go_around_it() -> None:
    fleet, days = lived()
    credit = fleet.purse.first_credit_kwh.copy()
    bought = metered = np.zeros(len(credit))
    meters, cuts = fleet.purse.meters, 0
    passing = np.concatenate([of.meters for name, of in fleet.roles.attacks.items() if ATTACKS[name].passes_meter_by])
    honest = ~np.isin(meters, np.concatenate([of.meters for of in fleet.roles.attacks.values()]))
    for day in days:
        is_cut = day.spent.is_cut
        cuts += is_cut.any(axis=1).sum()
        assert not day.reported_kwh[meters[honest]][is_cut[honest]].any()
        assert not day.true_kwh[meters][is_cut & ~np.isin(meters, passing)[:, None]].any()
        bought = bought + day.spent.token_kwh
        metered = metered + day.true_kwh[meters].sum(axis=1)
        # Credit never goes below nothing, whatever was bought during the day.
        assert np.all((credit + bought - metered)[honest] > -1e-6)
    assert cuts > 20


def test_households_light_up_in_the_evening_and_shops_and_workshops_rest_on_sundays() -> None:
    fleet, _ = lived()
    true = energies("true_kwh")
    by_hour = {kind: true[fleet.city.customer_class == kind].mean(axis=(0, 1)) for kind in (HOUSEHOLD, SHOP, WORKSHOP)}
    assert 18 <= by_hour[HOUSEHOLD].argmax() / 2 < 22
    assert 8 <= by_hour[WORKSHOP].argmax() / 2 < 17
    weekday = np.array([(FIRST + timedelta(days=n)).weekday() for n in range(DAYS)])
    resting = np.array([is_holiday(FIRST + timedelta(days=n)) for n in range(DAYS)]) | (weekday == 6)
    for kind, most in ((SHOP, 0.8), (WORKSHOP, 0.3)):
        daily = true[fleet.city.customer_class == kind].sum(axis=(0, 2))
        assert daily[resting].mean() < most * daily[(weekday < 5) & ~resting].mean()


def test_a_household_uses_what_a_cameroonian_household_plausibly_does() -> None:
    fleet, _ = lived()
    is_household = fleet.city.customer_class == HOUSEHOLD
    daily = energies("true_kwh")[is_household].sum(axis=2).mean(axis=1)
    assert np.quantile(daily, 0.05) > 1
    assert 2.5 < np.median(daily) < 5
    assert np.quantile(daily, 0.8) < 9


def test_holidays_follow_easter() -> None:
    days = {FIRST + timedelta(days=n) for n in range(366) if is_holiday(FIRST + timedelta(days=n))}
    assert {date(2024, 3, 29), date(2024, 5, 9), date(2024, 5, 20), date(2024, 2, 11)} <= days
    assert len(days) == 8


# The truth's tables.


def test_the_truth_names_every_meters_role_once(tmp_path: Path) -> None:
    simulate(100, 1, 4, tmp_path, theft_rate=0.2)
    roles = pl.read_parquet(tmp_path / "truth" / "meters.parquet")
    assert roles.height == roles["meter_id"].n_unique() == 100
    assert roles.filter(pl.col("is_theft")).height == 20
    assert set(roles["type"]) <= {HONEST, *ATTACKS, *LOOK_ALIKES}
    assert roles.filter(pl.col("type") == HONEST)["onset"].null_count() == roles.filter(pl.col("type") == HONEST).height
    assert roles.filter(pl.col("type") != HONEST)["onset"].null_count() == 0
    assert all(isinstance(json.loads(text), dict) for text in roles["parameters"])
    h1 = roles.filter(pl.col("type") == "h1").row(0, named=True)
    assert 0.1 <= json.loads(h1["parameters"])["share"] <= 0.8


def test_what_the_registry_has_wrong_is_in_the_truth_and_nothing_else_differs(tmp_path: Path) -> None:
    simulate(300, 50, 4, tmp_path, sources=["meters"])
    roles = pl.read_parquet(tmp_path / "truth" / "meters.parquet")
    rows = pl.read_parquet(tmp_path / "meters" / "*.parquet")
    first = rows.sort("valid_from").unique("meter_id", keep="first").join(roles, on="meter_id", suffix="_true")
    misplaced = first.filter(pl.col("transformer_id") != pl.col("transformer_id_true"))
    assert set(misplaced["meter_id"]) == set(roles.filter(pl.col("type") == "wrong_transformer")["meter_id"])
    for row in misplaced.iter_rows(named=True):
        assert json.loads(row["parameters"])["registry_transformer"] == row["transformer_id"]
    last_day = FIRST + timedelta(days=49)
    latest = rows.sort("valid_from").unique("meter_id", keep="last").join(roles, on="meter_id", suffix="_true")
    corrected = latest.filter((pl.col("type") == "wrong_transformer") & (pl.col("end") <= last_day))
    assert corrected.height
    assert (corrected["transformer_id"] == corrected["transformer_id_true"]).all()
    for row in roles.filter(pl.col("type") == "ct_multiplier_error").iter_rows(named=True):
        assert json.loads(row["parameters"])["registry_multiplier"] == int(
            first.filter(pl.col("meter_id") == row["meter_id"])["ct_multiplier"][0]
        )
    renewed = roles.filter((pl.col("type") == "meter_replacement") & (pl.col("onset") <= last_day))
    for row in renewed.iter_rows(named=True):
        new = rows.filter((pl.col("meter_id") == row["meter_id"]) & (pl.col("valid_from") == row["onset"]))
        assert new["installed_on"].to_list() == [row["onset"]]
