"""`energy-assets evaluate` on small files of every form: the table names the thieves' method, is saved, and errors are told once."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from support.commands import run

from energy_assets.operations.errors import OperationError
from energy_assets.operations.evaluate import Evaluation, Files, evaluate, markdown

METERS, DAYS, THIEVES = 40, 84, range(6)
READINGS, LABELS, REGISTER, FED = "readings.csv", "labels.csv", "meters.csv", "fed.csv"


def energy(days: int, slots: int, seed: int = 9) -> tuple[np.ndarray, np.ndarray]:
    """(true, reported) kWh [days, meters, slots]; the thieves report a quarter from two thirds of the days on."""
    rng = np.random.default_rng(seed)
    shape = 0.4 + np.exp(-(((np.arange(slots) * 24 / slots - rng.uniform(17, 21, METERS)[:, None]) / 3) ** 2))
    true = rng.lognormal(0, 0.4, (METERS, 1)) * shape * 8 / slots * rng.lognormal(0, 0.2, (days, METERS, slots))
    reported = true.copy()
    reported[2 * days // 3 :, THIEVES] *= 0.25
    return true, reported


def instants(days: int, slots: int) -> np.ndarray:
    minutes = np.arange(days * slots) * (1440 // slots)
    return np.datetime64("2024-01-01T00:00") + minutes.astype("timedelta64[m]").astype("timedelta64[ms]")


def long_frame(kwh: np.ndarray, prefix: str, columns: tuple[str, str, str]) -> pl.DataFrame:
    days, ids, slots = kwh.shape
    names = np.repeat([f"{prefix}{number}" for number in range(ids)], days * slots)
    values = kwh.transpose(1, 0, 2).reshape(-1)
    return pl.DataFrame(dict(zip(columns, (names, np.tile(instants(days, slots), ids), values), strict=True)))


def deliver(folder: Path, days: int = DAYS, slots: int = 24) -> list[str]:
    """Readings, labels, register and transformers' readings; the command's arguments."""
    true, reported = energy(days, slots)
    long_frame(reported, "m", ("meter_id", "reading_at", "consumption_kwh")).write_csv(folder / "readings.csv")
    labels = pl.DataFrame(
        {"meter_id": [f"m{number}" for number in range(METERS)], "is_theft": [int(n in THIEVES) for n in range(METERS)]}
    )
    labels.write_csv(folder / "labels.csv")
    of = np.arange(METERS) // 20
    pl.DataFrame({"meter_id": labels["meter_id"], "transformer_id": [f"t{number}" for number in of]}).write_csv(
        folder / "meters.csv"
    )
    fed = np.stack([true[:, of == number].sum(axis=1) for number in range(2)], axis=1) * 1.03
    long_frame(fed, "t", ("transformer_id", "reading_at", "energy_kwh")).write_csv(folder / "fed.csv")
    return ["evaluate", "--readings", str(folder / "readings.csv"), "--labels", str(folder / "labels.csv")]


def with_transformers(folder: Path) -> list[str]:
    return ["--meters", str(folder / "meters.csv"), "--transformer-readings", str(folder / "fed.csv")]


def judged(folder: Path, *files: str) -> Evaluation:
    return evaluate(Files(*(folder / name for name in files)), timezone="UTC", say=lambda _: None)


def table(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "evaluation.csv").open() as handle:
        return {row["method"]: row for row in csv.DictReader(handle)}


def test_all_methods_stand_beside_each_other_with_intervals_and_are_saved(tmp_path: Path) -> None:
    arguments = deliver(tmp_path)
    printed = run(tmp_path / "home", *arguments, *with_transformers(tmp_path), "--out", str(tmp_path / "out"))
    assert "40 meters on 84 days, 2024-01-01 … 2024-03-24, every 60 minutes, 100.0% of the readings there." in printed
    assert "40 meters are labelled, 6 of them steal (15.0%)." in printed
    assert "2 transformers, 100% of their intervals balanced; technical loss fitted" in printed
    rows = table(tmp_path / "out")
    assert float(rows["level drop against peers"]["roc_auc"]) > 0.99
    assert float(rows["non-negative least squares"]["roc_auc"]) > 0.9
    for row in rows.values():
        low, value, high = (float(row[name]) for name in ("roc_auc_low", "roc_auc", "roc_auc_high"))
        assert low <= value <= high
    assert "gradient boosting on a summary, without missingness" in rows
    assert "gradient boosting on theft evidence, without missingness" in rows
    assert float(rows["theft evidence, taught ranker"]["precision_0.01"]) == 1.0
    assert rows["theft evidence, taught ranker"]["onset_error_days"] == "", "the labels name no onset"
    assert (tmp_path / "out" / "evaluation.md").read_text() in printed.replace("\r", "")
    assert not (tmp_path / "home").exists(), "no home is needed, and none is made"


def test_a_method_that_names_no_onset_has_a_dash_where_others_have_their_error(tmp_path: Path) -> None:
    deliver(tmp_path)
    onset = pl.when(pl.col("is_theft") == 1).then(pl.lit("2024-02-26"))
    pl.read_csv(tmp_path / LABELS).with_columns(onset.alias("onset_date")).write_csv(tmp_path / LABELS)

    lines = markdown(judged(tmp_path, READINGS, LABELS)).splitlines()

    place = next(line for line in lines if line.startswith("| method")).split("|").index(" onset error, median ")
    told = [line.split("|")[place].strip() for line in lines if line.startswith("|") and "%)" in line]
    assert "–" in told and any(error.endswith(" days") for error in told)
    assert not any("nan" in error for error in told)


@pytest.mark.parametrize(("days", "slots"), [(84, 1), (26, 1), (26, 96)])
def test_days_and_short_histories_are_enough(tmp_path: Path, days: int, slots: int) -> None:
    run(
        tmp_path / "home", *deliver(tmp_path, days, slots), *with_transformers(tmp_path), "--out", str(tmp_path / "out")
    )
    rows = table(tmp_path / "out")
    assert float(rows["level drop against peers"]["roc_auc"]) > 0.9
    assert {row["note"] for row in rows.values()} == {""}


def test_a_wide_file_needs_no_other_and_says_what_it_lacks(tmp_path: Path) -> None:
    reported = energy(60, 1)[1][:, :, 0]
    days = [str(day) for day in np.datetime64("2014-01-01") + np.arange(60)]
    frame = pl.DataFrame(
        {day.replace("-0", "-").replace("-", "/"): values for day, values in zip(days, reported, strict=True)}
    )
    ids = pl.DataFrame(
        {"CONS_NO": [f"{number:X}" for number in range(METERS)], "FLAG": [int(n in THIEVES) for n in range(METERS)]}
    )
    ids.hstack(frame.select(sorted(frame.columns))).write_csv(tmp_path / "data.csv")
    printed = markdown(judged(tmp_path, "data.csv"))
    assert "40 meters on 60 days, 2014-01-01 … 2014-03-01, every 1440 minutes" in printed
    assert "| non-negative least squares | – (needs transformers' readings) |" in printed
    assert "| theft evidence, without the balance | – (needs transformers' readings) |" in printed
    ours = next(line for line in printed.splitlines() if line.startswith("| theft evidence, taught ranker |"))
    assert float(ours.split(" | ")[1].split()[0]) > 0.9 and "| 100% |" in ours, "every meter is scored"
    assert "| level drop against peers | 1.000 (1.000–1.000) |" in printed


def test_too_few_thieves_leave_the_supervised_out_and_the_rest_in(tmp_path: Path) -> None:
    deliver(tmp_path, 40, 1)
    labels = (tmp_path / "labels.csv").read_text().replace("m0,1", "m0,").replace("m1,1", "m1,")
    (tmp_path / "labels.csv").write_text(labels)
    printed = markdown(judged(tmp_path, READINGS, LABELS))
    assert "38 meters are labelled, 4 of them steal" in printed
    assert "4 customers steal: cross-validation in 5 parts needs 5 or more" in printed
    assert "| level drop against peers | 1.000" in printed


@pytest.mark.parametrize(
    ("files", "changed", "words"),
    [
        ((READINGS, LABELS, REGISTER), None, "--meters and --transformer-readings belong together"),
        ((READINGS,), None, "readings.csv: has no column is_theft"),
        ((READINGS, REGISTER), None, "meters.csv: has no column is_theft"),
        ((READINGS, LABELS), (LABELS, "m", "x"), "none of its meters has readings (it has e.g. x0, the readings m0)"),
        ((READINGS, LABELS), (LABELS, ",1", ",0"), "of 40 labelled meters with readings 0 steal"),
        ((READINGS, LABELS, REGISTER, FED), (REGISTER, ",t", ",T"), "meters.csv, column transformer_id: no meter of"),
        ((READINGS, LABELS, REGISTER, FED), (FED, "2024-", "2023-"), "its days 2023-01-01 … 2023-02-09 are none of"),
    ],
)
def test_what_cannot_be_evaluated_is_said_with_a_remedy(
    tmp_path: Path, files: tuple[str, ...], changed: tuple[str, str, str] | None, words: str
) -> None:
    deliver(tmp_path, 40, 1)
    if changed:
        _rename(tmp_path / changed[0], *changed[1:])
    with pytest.raises(OperationError) as error:
        judged(tmp_path, *files)
    assert words in str(error.value) and "\n  → " in str(error.value)


def test_the_command_says_an_error_once_and_writes_nothing(tmp_path: Path) -> None:
    arguments = [*deliver(tmp_path, 40, 1), "--timezone", "Douala", "--out", str(tmp_path / "out")]
    printed = run(tmp_path / "home", *arguments, code=1)
    assert printed.count("'Douala' is no IANA time zone") == 1 and "→ " in printed and "Traceback" not in printed
    assert not (tmp_path / "out").exists()


def _rename(path: Path, old: str, new: str) -> None:
    """Changes a delivered file below its heading."""
    heading, rest = path.read_text().split("\n", 1)
    path.write_text(f"{heading}\n{rest.replace(old, new)}")
