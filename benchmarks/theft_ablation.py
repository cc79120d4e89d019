"""What detection owes to each family of evidence, and how it does on attacks that it was not taught.

What belongs here: rankers taught anew without a part, and their tables. What does not: what they are taught on (teach_theft.py), who is judged and
everything else that is measured (detection.py).

All of these are taught on the same fleets as the shipped rankers and judged on the same as all methods.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.intervals import number, share
from benchmarks.teach_theft import SEEDS, Lesson, lessons
from energy_assets.simulation.attacks import ATTACKS
from ml.evaluation import measures
from ml.theft.evidence import FAMILIES, PIECES
from ml.theft.ranker import columns, fit, matrix
from ml.theft.scores import LEAST_KNOWN_DAYS

if TYPE_CHECKING:
    from benchmarks.detection import Pooled

FIRST, FIVE = 0.01, 0.05
BALANCE = "balance"
PROCESSES = 2
KEEPING = [name for name, attack in ATTACKS.items() if attack.keeps_energy]


@dataclass(frozen=True)
class Without:
    """What a ranker is taught without: the columns of a family, the thieves of an attack; empty for nothing."""

    family: str = ""
    attack: str = ""


ALL, PLAIN = Without(), Without(family=BALANCE)
FAMILY_LEFT_OUT = (ALL, *(Without(family=name) for name in FAMILIES))
ATTACK_LEFT_OUT = tuple(Without(family, attack) for family in ("", BALANCE) for attack in ATTACKS)

Scores = Mapping[Without, Sequence[np.ndarray]]
"""Of each ranker, the scores [meters] of each set."""


def scores(sets: Sequence[Pooled], taught: Sequence[Lesson], rankers: Iterable[Without]) -> Scores:
    """Teach each ranker, and let it judge every set."""
    rankers = list(rankers)
    seen = np.concatenate([one.seen(with_balance=True) for one in taught])
    kind, is_theft = (
        np.concatenate([getattr(one, name)[one.is_judged] for one in taught]) for name in ("kind", "is_theft")
    )
    judged = [judged_matrix(one) for one in sets]
    with ProcessPoolExecutor(PROCESSES) as pool:
        waiting = {}
        for one in rankers:
            is_kept, rows = is_column_kept(one.family), is_taught(one.attack, kind, is_theft)
            waiting[one] = pool.submit(
                _scored, seen[np.ix_(rows, is_kept)], is_theft[rows], [values[:, is_kept] for values in judged]
            )
        found = {}
        for one, result in waiting.items():
            found[one] = [_known_only(of, said) for of, said in zip(sets, result.result(), strict=True)]
            print(f"  taught without {one.family or 'no family'}, {one.attack or 'no attack'}", flush=True)
    return found


def judged_matrix(found: Pooled) -> np.ndarray:
    """What rankers see of a set, each meter ranked within its fleet: float64 [meters, columns]."""
    seen = np.empty((len(found.fleet), len(columns(with_balance=True))))
    for one in np.unique(found.fleet):
        seen[found.fleet == one] = matrix(found.evidence[found.fleet == one], with_balance=True)
    return seen


def is_column_kept(family: str) -> np.ndarray:
    """Which columns of the matrix with the balance are of other families, bool [columns]."""
    of = {piece.name: piece.family for piece in PIECES}
    pieces = [name.removesuffix("_other_tail").removesuffix("_tail") for name in columns(with_balance=True)]
    return np.array([of[name] != family for name in pieces])


def is_taught(attack: str, kind: np.ndarray, is_theft: np.ndarray) -> np.ndarray:
    """Whom a ranker may see: thieves of the attack are neither thieves nor honest, bool [meters]."""
    return ~(is_theft & (kind == attack))


def _scored(seen: np.ndarray, is_theft: np.ndarray, judged: Sequence[np.ndarray]) -> list[np.ndarray]:
    ranker = fit(seen, is_theft, with_balance=True, taught_on="")
    return [ranker.scores(values) for values in judged]


def _known_only(found: Pooled, said: np.ndarray) -> np.ndarray:
    """Meters that the detector does not score have no score here."""
    return np.where(found.known_days >= LEAST_KNOWN_DAYS, said, np.nan)


def by_family(sets: Sequence[Pooled], said: Scores) -> Iterator[str]:
    """A row for each set and family, of thieves whose attack takes energy."""
    for place, found in enumerate(sets):
        for one in FAMILY_LEFT_OUT:
            is_counted = found.is_judged & ~(found.is_theft & np.isin(found.kind, KEEPING))
            of = found.of(is_counted)
            measured = measures.headline(
                said[one][place][is_counted], of.is_theft, of.fleet, of.customer, (FIRST, FIVE)
            )
            yield (
                f"| {found.name} | {one.family or 'nothing'} | {number(measured['roc_auc'])} | {number(measured['pr_auc'])}"
                f" | {share(measured[f'precision_{FIRST:g}'])} | {share(measured[f'precision_{FIVE:g}'])} |"
            )


def by_attack(sets: Sequence[Pooled], said: Scores) -> Iterator[str]:
    """A row for each set and attack, and their means over thieves: taught on all and without the attack, with the balance and without it."""
    for place, found in enumerate(sets):
        of = found.of(found.is_judged)

        def aucs(one: Without, of: Pooled = of, place: int = place) -> Mapping[str, tuple[int, float]]:
            ranks = measures.fleet_ranks(said[one][place][sets[place].is_judged], of.fleet)
            return measures.auc_by_attack(of.kind, of.is_theft, ranks)

        taught = {family: aucs(Without(family)) for family in ("", BALANCE)}
        thieves = {attack: count for attack, (count, _) in taught[""].items()}
        rows = {
            attack: [
                auc
                for family in ("", BALANCE)
                for auc in (taught[family][attack][1], aucs(Without(family, attack))[attack][1])
            ]
            for attack in thieves
        }
        for attack, values in rows.items():
            yield _row(found.name, attack, thieves[attack], values)
        for name, attacks in (("all", list(rows)), ("all without h5, h6", [one for one in rows if one not in KEEPING])):
            weights = np.array([thieves[one] for one in attacks])
            means = (np.array([rows[one] for one in attacks]) * weights[:, None]).sum(axis=0) / weights.sum()
            yield _row(found.name, name, int(weights.sum()), means)


def _row(name: str, attack: str, thieves: int, values: Iterable[float]) -> str:
    return f"| {name} | {attack} | {thieves} | {' | '.join(f'{value:.3f}' for value in values)} |"


def tables(sets: Sequence[Pooled], seeds: Sequence[int] = SEEDS) -> list[str]:
    """Both tables as Markdown; `seeds` are those of the cities that teach."""
    print("evidence of the fleets that teach", flush=True)
    said = scores(sets, list(lessons(seeds)), dict.fromkeys((*FAMILY_LEFT_OUT, *ATTACK_LEFT_OUT)))
    on = f"Taught anew on the {len(seeds)} simulated cities {seeds[0]}–{seeds[-1]}"
    return [
        "### A family of evidence left out",
        "",
        f"{on}, each time without the columns of one family.",
        "",
        "| set | left out | ROC-AUC | PR-AUC | precision in first 1 % | in first 5 % |",
        "|---|---|---|---|---|---|",
        *by_family(sets, said),
        "",
        "### An attack left out",
        "",
        f"{on}, each time without the thieves of the attack that is then judged. ROC-AUC of its thieves against all that do not steal; of all: the"
        " mean over thieves.",
        "",
        "| set | attack | thieves | taught on all | taught without it | no balance: taught on all | no balance: taught without it |",
        "|---|---|---|---|---|---|---|",
        *by_attack(sets, said),
        "",
    ]
